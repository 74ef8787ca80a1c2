"""Companies, their API keys, and how a secret is made and kept."""

import hashlib
import secrets
import zlib
from zoneinfo import ZoneInfo

import msgspec

SECRET_MARK = "5EAD"  # noqa: S105 - a mark, no secret
"""How every secret begins, so that a scanner can find one that leaked."""


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """A company: one tenant, wholly apart from the others.

    `per_second` and `per_day` are calls, `objects_per_call` is objects in one call (docs/wire/limits.md);
    for `recycle_days` a deleted lead can be restored.
    """

    id: int
    account_id: str
    name: str
    time_zone: str
    per_second: int
    per_day: int
    objects_per_call: int
    recycle_days: int

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the company's profile: the v1 address speaks its local time (docs/wire/times.md)."""
        return ZoneInfo(self.time_zone)


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key without its secret, which is shown once and kept as a hash.

    `plain_success`: successful writes answer `error: null`, for clients written from the vendor's
    documents (docs/wire/envelope.md#successful-writes). `captured_calls`: logCalls answers an
    outcome for each call, as was captured, not `success` alone (docs/wire/events.md#logcalls).
    """

    id: int
    label: str
    secret_sha256: bytes
    plain_success: bool
    captured_calls: bool = False


def new_account_id() -> str:
    """A fresh accountID in the vendor's shape: 32 hex digits."""
    return secrets.token_hex(16).upper()


def new_secret() -> str:
    """A fresh secretKey: the mark, 160 random bits and a checksum, all upper-case hex digits."""
    body = SECRET_MARK + secrets.token_hex(20).upper()
    return body + f"{zlib.crc32(body.encode()):08X}"


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret: a random key of 160 bits needs no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
