"""Tokens that the public receives and sends back unchanged: values, signed with a company's key for one purpose."""

import base64
import binascii
import hmac

import msgspec

MAC_BYTES = 16
"""128 bits of HMAC-SHA256: too many to guess by sending requests, and links stay short."""

TOKEN_LENGTH = 8_000
"""Longer tokens are refused."""

Part = str | int | None

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Part]).decode


def sign(key: bytes, purpose: str, *parts: Part) -> str:
    """Returns a token of letters, digits, `-` and `_` with the parts and their signature.

    Everybody can read the parts. A token that is signed for one purpose is invalid for another purpose. An int must
    fit into 64 bits.
    """
    payload = _encode(parts)
    return base64.urlsafe_b64encode(_mac(key, purpose, payload) + payload).rstrip(b"=").decode()


def verify(key: bytes, purpose: str, token: str) -> tuple[Part, ...] | None:
    """Returns the parts of a token that this key has signed for this purpose, or None for any other text.

    Only one spelling of a token is valid. The check takes the same time for wrong and right signatures.
    """
    if len(token) > TOKEN_LENGTH or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
    valid = hmac.compare_digest(mac, _mac(key, purpose, payload))
    if not valid or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        return None
    try:
        return tuple(_decode(payload))
    except msgspec.DecodeError:
        return None


def _mac(key: bytes, purpose: str, payload: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + payload, "sha256")[:MAC_BYTES]
