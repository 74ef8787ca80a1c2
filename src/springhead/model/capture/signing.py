"""What the public is handed and gives back unchanged: parts signed with a company's key, for one purpose."""

import base64
import binascii
import hmac

import msgspec

MAC_BYTES = 16
"""128 bits of HMAC-SHA256: nobody guesses them online, and links stay short."""

TOKEN_LENGTH = 8_000
"""The longest token that is looked at."""

Part = str | int | None

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Part]).decode


def sign(key: bytes, purpose: str, *parts: Part) -> str:
    """A token of letters, digits, `-` and `_` that holds the parts, readable, and that only the key can make.

    What is signed for one purpose is worth nothing for another. An int must fit into 64 bits.
    """
    payload = _encode(parts)
    return base64.urlsafe_b64encode(_mac(key, purpose, payload) + payload).rstrip(b"=").decode()


def verify(key: bytes, purpose: str, token: str) -> tuple[Part, ...] | None:
    """The parts of a token that this key signed for this purpose; None for anything else.

    A token has one spelling. Takes as long for a wrong signature as for a right one.
    """
    if len(token) > TOKEN_LENGTH or not token.isascii():
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
    right = hmac.compare_digest(mac, _mac(key, purpose, payload))
    if not right or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        return None
    try:
        return tuple(_decode(payload))
    except msgspec.DecodeError:
        return None


def _mac(key: bytes, purpose: str, payload: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + payload, "sha256")[:MAC_BYTES]
