"""The secrets, ids and signed headers of Standard Webhooks, by which receivers verify pushes."""

import base64
import hmac
import secrets
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of a secret, no secret
SECRET_BYTES = 32


def new_secret() -> str:
    """Returns a new secret of a subscription: `whsec_` and 256 random bits in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def new_message_id() -> str:
    """Returns a new `webhook-id`: `msg_` and 128 random bits. It has no dots, which separate the signed parts."""
    return "msg_" + secrets.token_hex(16)


def signed_headers(message_id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """Returns the headers of an attempt at `timestamp`, a Unix time in seconds, with a signature for each secret.

    After a rotation there are two secrets. A receiver that knows one of them finds its signature.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
