"""Who calls: credentials from the query string or the headers, checked against hashes (docs/wire/authentication.md)."""

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
KEPT_SECONDS = 2.0
"""How long a company's keys and settings are remembered: a revoked key works no longer than that."""

PATIENCE = 3.5
"""Seconds that looking a company up may take: the call itself has to be answered after it."""
KEPT_COMPANIES = 10_000
CREDENTIAL_MAX = 256


class Caller:
    """A company and the key that it called with."""

    __slots__ = ("company", "key")

    def __init__(self, company: Company, key: ApiKey) -> None:
        self.company = company
        self.key = key


class Keys:
    """The companies that were asked for lately, unknown ones too, each for two seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, tuple[float, Access | None]] = OrderedDict()

    async def caller(self, request: HttpRequest) -> Caller | None:
        """Who makes this request; None for anything but one right pair of credentials.

        Raises Unavailable when the database cannot say.
        """
        account_id, secret = credentials(request)
        if not account_id or not secret or max(len(account_id), len(secret)) > CREDENTIAL_MAX or "\0" in account_id:
            return None
        access = await self._access(account_id)
        digest = hash_secret(secret)
        found: ApiKey | None = None
        for key in access.keys if access else ():
            # No early end: how long it takes says nothing of which key it was.
            if hmac.compare_digest(key.secret_sha256, digest):
                found = key
        return Caller(access.company, found) if access and found else None

    async def _access(self, account_id: str) -> Access | None:
        now = time.monotonic()
        known = self._known.get(account_id)
        if known and known[0] > now:
            return known[1]
        try:
            async with asyncio.timeout(PATIENCE), self._database.everyone() as tx:
                access = await companies.access(tx, account_id)
        except TimeoutError as cause:
            raise Unavailable from cause
        self._known[account_id] = (now + KEPT_SECONDS, access)
        self._known.move_to_end(account_id)
        while len(self._known) > KEPT_COMPANIES:
            self._known.popitem(last=False)
        return access


def credentials(request: HttpRequest) -> tuple[str | None, str | None]:
    """AccountID and secretKey: the query string wins over the headers; a doubled one counts as none."""
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
