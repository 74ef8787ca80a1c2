"""Authentication: checks the credentials of a request against the hashes of API keys (docs/wire/authentication.md)."""

import asyncio
import hmac
import time
from urllib.parse import parse_qsl

from springhead.model.companies.companies import ApiKey, Company, hash_secret
from springhead.model.kit.caches import BoundedCache
from springhead.model.kit.errors import Unavailable
from springhead.store.companies import companies
from springhead.store.companies.companies import Access
from springhead.store.database.pool import Database
from springhead.wire.http.messages import HttpRequest

UNAUTHORIZED = b'"Unable to determine clusterID from provided accountID/secretKey"'
"""The body of a 401, as the vendor sends it."""

CACHE_SECONDS = 2.0
"""Seconds that a company's keys and settings are cached. A revoked key works for at most that long."""

LOOKUP_SECONDS = 3.5
"""The longest time in seconds that a lookup of a company may take. The deadline of the call starts after it."""

CACHE_MAX, CACHE_BYTES = 10_000, 32 * 1024 * 1024
"""The most account ids in the cache, and the most bytes of them and of their keys and settings."""

CREDENTIAL_MAX = 256
"""The most characters of an accountID or a secretKey."""


class Caller:
    """The company of a call, and the API key of the call."""

    __slots__ = ("company", "key")

    def __init__(self, company: Company, key: ApiKey) -> None:
        self.company = company
        self.key = key


class Keys:
    """Authenticates requests. Caches companies, and also unknown account ids, for CACHE_SECONDS."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: BoundedCache[str, tuple[float, Access | None]] = BoundedCache(CACHE_MAX, CACHE_BYTES)

    async def caller(self, request: HttpRequest) -> Caller | None:
        """Returns the caller of a request, or None unless the request has exactly one valid pair of credentials.

        White space around a credential is ignored: it comes from copying, and no credential begins or ends with it.
        Raises Unavailable if the database does not answer.
        """
        account_id, secret = (value.strip() if value else None for value in credentials(request))
        if not account_id or not secret or max(len(account_id), len(secret)) > CREDENTIAL_MAX or "\0" in account_id:
            return None
        access = await self._access(account_id)
        digest = hash_secret(secret)
        caller_key: ApiKey | None = None
        for key in access.keys if access else ():
            # Compares all keys, so that the time does not reveal which key matched.
            if hmac.compare_digest(key.secret_sha256, digest):
                caller_key = key
        return Caller(access.company, caller_key) if access and caller_key else None

    async def _access(self, account_id: str) -> Access | None:
        now = time.monotonic()
        cached = self._cache.get(account_id)
        if cached and cached[0] > now:
            return cached[1]
        try:
            async with asyncio.timeout(LOOKUP_SECONDS), self._database.everyone() as tx:
                access = await companies.access(tx, account_id)
        except TimeoutError as cause:
            raise Unavailable from cause
        self._cache.put(account_id, (now + CACHE_SECONDS, access))
        return access


def credentials(request: HttpRequest) -> tuple[str | None, str | None]:
    """Returns accountID and secretKey, from the query string or else the headers. Returns None for repeated values."""
    try:
        parameters = (
            parse_qsl(
                request.query.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=100,
            )
            if request.query
            else []
        )
    except ValueError:
        return None, None
    account_ids = [value for name, value in parameters if name == "accountID"]
    secrets = [value for name, value in parameters if name == "secretKey"]
    if account_ids or secrets:
        return (account_ids[0], secrets[0]) if len(account_ids) == len(secrets) == 1 else (None, None)
    account_ids, authorizations = request.header(b"x-account-id"), request.header(b"authorization")
    if len(account_ids) != 1 or len(authorizations) != 1:
        return None, None
    scheme, _, token = authorizations[0].partition(" ")
    return (account_ids[0], token) if scheme.lower() == "bearer" else (None, None)
