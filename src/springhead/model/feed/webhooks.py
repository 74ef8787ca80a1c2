"""How a push proves where it comes from: the secrets, ids and signed headers of Standard Webhooks."""

import base64
import hmac
import secrets
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of a secret is none
SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret of a subscription: `whsec_` and 256 random bits in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def new_message_id() -> str:
    """A fresh `webhook-id`: `msg_` and 128 random bits, without the dots that separate what is signed."""
    return "msg_" + secrets.token_hex(16)


def signed_headers(message_id: str, at: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of one attempt, `at` a Unix time in seconds; one signature for each secret, the newest first.

    While a secret is being replaced there are two: a receiver that knows either finds its own.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), at, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
