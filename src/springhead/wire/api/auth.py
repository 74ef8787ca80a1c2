"""Authentication: credentials of a request, checked against hashes (docs/wire/authentication.md)."""

import asyncio
import hmac
import time
from collections import OrderedDict
from urllib.parse import parse_qsl

from springhead.model.companies.companies import ApiKey, Company, hash_secret
from springhead.model.kit.errors import Unavailable
from springhead.store.companies import companies
from springhead.store.companies.companies import Access
from springhead.store.database.pool import Database
from springhead.wire.http.messages import HttpRequest

UNAUTHORIZED = b'"Unable to determine clusterID from provided accountID/secretKey"'
CACHE_SECONDS = 2.0
"""How long a company's keys and settings are cached. A revoked key works for that long at most."""

PATIENCE = 3.5
"""Longest time of the lookup of a company, in seconds. The call itself starts after it."""
CACHE_MAX = 10_000
CREDENTIAL_MAX = 256


class Caller:
    """The company of a call, and its key."""

    __slots__ = ("company", "key")

    def __init__(self, company: Company, key: ApiKey) -> None:
        self.company = company
        self.key = key


class Keys:
    """Authenticates requests. Caches companies, and unknown account ids, for CACHE_SECONDS each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: OrderedDict[str, tuple[float, Access | None]] = OrderedDict()

    async def caller(self, request: HttpRequest) -> Caller | None:
        """The caller of a request; None unless the request has exactly one valid pair of credentials.

        Raises Unavailable if the database does not answer.
        """
        account_id, secret = credentials(request)
        if not account_id or not secret or max(len(account_id), len(secret)) > CREDENTIAL_MAX or "\0" in account_id:
            return None
        access = await self._access(account_id)
        digest = hash_secret(secret)
        caller_key: ApiKey | None = None
        for key in access.keys if access else ():
            # All keys are compared, so that the time does not tell which one matched.
            if hmac.compare_digest(key.secret_sha256, digest):
                caller_key = key
        return Caller(access.company, caller_key) if access and caller_key else None

    async def _access(self, account_id: str) -> Access | None:
        now = time.monotonic()
        cached = self._cache.get(account_id)
        if cached and cached[0] > now:
            return cached[1]
        try:
            async with asyncio.timeout(PATIENCE), self._database.everyone() as tx:
                access = await companies.access(tx, account_id)
        except TimeoutError as cause:
            raise Unavailable from cause
        self._cache[account_id] = (now + CACHE_SECONDS, access)
        self._cache.move_to_end(account_id)
        while len(self._cache) > CACHE_MAX:
            self._cache.popitem(last=False)
        return access


def credentials(request: HttpRequest) -> tuple[str | None, str | None]:
    """AccountID and secretKey. The query string precedes the headers, and a repeated value counts as none."""
    try:
        given = (
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
    account = [value for name, value in given if name == "accountID"]
    secret = [value for name, value in given if name == "secretKey"]
    if account or secret:
        return (account[0], secret[0]) if len(account) == len(secret) == 1 else (None, None)
    accounts, bearers = request.header(b"x-account-id"), request.header(b"authorization")
    if len(accounts) != 1 or len(bearers) != 1:
        return None, None
    scheme, _, token = bearers[0].partition(" ")
    return (accounts[0], token.strip()) if scheme.lower() == "bearer" else (None, None)
