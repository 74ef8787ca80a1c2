"""Companies, their API keys, and the making and hashing of secrets."""

import hashlib
import secrets
import zlib
from zoneinfo import ZoneInfo

import msgspec

SECRET_MARK = "5EAD"  # noqa: S105 - a mark, no secret
"""The beginning of every secret. Scanners can find leaked secrets by it."""


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """A company: a tenant, whose data no other company can reach.

    `per_second` and `per_day` limit the company's calls, and `objects_per_call` limits the objects of one call
    (docs/wire/limits.md). A deleted lead can be restored for `recycle_days` days.
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
        """The time zone of the company. Times of the v1 address are in this zone (docs/wire/times.md)."""
        return ZoneInfo(self.time_zone)


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key without its secret. The secret is shown once and stored as a hash.

    With `plain_success`, answers to successful writes have `error: null`, for clients that were written from the
    vendor's documents (docs/wire/envelope.md#successful-writes). With `captured_calls`, logCalls answers an outcome
    for each call, as in captured answers, and not `success` alone (docs/wire/events.md#logcalls).
    """

    id: int
    label: str
    secret_sha256: bytes
    plain_success: bool
    captured_calls: bool = False


def new_account_id() -> str:
    """Returns a new accountID in the vendor's format: 32 hex digits."""
    return secrets.token_hex(16).upper()


def new_secret() -> str:
    """Returns a new secretKey: SECRET_MARK, 160 random bits and a checksum, all as upper-case hex digits."""
    body = SECRET_MARK + secrets.token_hex(20).upper()
    return body + f"{zlib.crc32(body.encode()):08X}"


def hash_secret(secret: str) -> bytes:
    """Returns the hash under which a secret is stored. Secrets of 160 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
