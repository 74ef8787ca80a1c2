"""Sites: the public settings of companies. A global table, because a public request names its company by a token."""

import asyncio
import time
from collections.abc import Sequence
from typing import LiteralString

import asyncpg
import msgspec

from springhead.model.capture.sites import KeepAddresses, Site, is_token, new_signing_key, new_token
from springhead.model.companies.companies import Company
from springhead.model.kit.caches import BoundedCache
from springhead.model.kit.errors import Unavailable
from springhead.store.database.box import Box, CannotDecrypt
from springhead.store.database.pool import Database, TryAgain, Tx

KEPT_SECONDS = 2.0
"""Seconds that a site stays in the cache. After that, every server process uses a changed setting."""

LOOKUP_SECONDS, REFRESH_SECONDS = 3.5, 0.25
"""The time limits of a look-up: of a site that is not in the cache, and of a site whose cached value has expired."""

KEPT_SITES, KEPT_BYTES = 10_000, 32 * 1024 * 1024
"""The most sites in the cache, and the most bytes of them with their patterns of pages."""

LOOKUPS, LOOKUPS_WAITING = 4, 200
"""The most look-ups that run at a time, and that run or wait: requests with made-up tokens must leave connections."""

ROW = "site"
"""What encrypted signing keys are bound to, besides the company: it has one site."""

_SITE: LiteralString = """
    select s.token, s.signing_key, s.encrypted_signing_key, s.important_pages::text as important_pages,
        s.keep_addresses, s.respects_signals, s.file_link_days,
        c.id, c.account_id, c.name, c.time_zone, c.per_second, c.per_day, c.objects_per_call, c.recycle_days
    from site s join company c on c.id = s.company_id
"""


async def create(tx: Tx, company_id: int) -> None:
    """Creates the site of a new company."""
    await tx.rows(
        "insert into site (company_id, token, encrypted_signing_key) values ($1, $2, $3)",
        company_id,
        new_token(),
        tx.box.encrypt(new_signing_key(), company_id, ROW),
    )


async def of_company(tx: Tx, company_id: int) -> Site:
    """The site of a company. Every company has a site."""
    row = await tx.row(f"{_SITE} where s.company_id = $1", company_id)
    assert row is not None  # noqa: S101 - created with the company
    return _site(row, tx.box)


async def of_token(tx: Tx, token: str) -> Site | None:
    """The site with this token, or None."""
    row = await tx.row(f"{_SITE} where s.token = $1", token)
    return _site(row, tx.box) if row else None


async def change(
    tx: Tx,
    company_id: int,
    *,
    important_pages: Sequence[str] | None = None,
    keep_addresses: KeepAddresses | None = None,
    respects_signals: bool | None = None,
    file_link_days: int | None = None,
) -> bool:
    """Changes the settings of a site; a setting that is None stays. Returns whether anything has changed."""
    row = await tx.row(
        """
        update site set
            important_pages = coalesce($2::jsonb, important_pages),
            keep_addresses = coalesce($3, keep_addresses),
            respects_signals = coalesce($4, respects_signals),
            file_link_days = coalesce($5, file_link_days)
        where company_id = $1 and (important_pages, keep_addresses, respects_signals, file_link_days) is distinct from (
            coalesce($2::jsonb, important_pages), coalesce($3, keep_addresses), coalesce($4, respects_signals),
            coalesce($5, file_link_days)
        )
        returning company_id
        """,
        company_id,
        None if important_pages is None else msgspec.json.encode(important_pages).decode(),
        keep_addresses,
        respects_signals,
        file_link_days,
    )
    return row is not None


def _site(row: asyncpg.Record, box: Box) -> Site:
    return Site(
        company=Company(**{name: row[name] for name in Company.__struct_fields__}),
        token=row["token"],
        signing_key=_signing_key(row, box),
        important_pages=msgspec.json.decode(row["important_pages"], type=tuple[str, ...]),
        keep_addresses=row["keep_addresses"],
        respects_signals=row["respects_signals"],
        file_link_days=row["file_link_days"],
    )


def _signing_key(row: asyncpg.Record, box: Box) -> bytes:
    """Returns the signing key of a site.

    If it cannot be decrypted, returns one that follows from the encryption key. So forms and new links work, and links
    that were signed before do not.
    """
    if row["encrypted_signing_key"] is None:
        return row["signing_key"]
    try:
        return box.decrypt(row["encrypted_signing_key"], row["id"], ROW)
    except CannotDecrypt:
        return box.derived(row["id"])


class Sites:
    """A cache of sites by token, including tokens of no site. At most one look-up of a token runs at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cached: BoundedCache[str, tuple[float, Site | None]] = BoundedCache(KEPT_SITES, KEPT_BYTES)
        """For each token the time at which it expires, and the site."""
        self._lookups: dict[str, asyncio.Task[Site | None]] = {}
        self._capacity = asyncio.Semaphore(LOOKUPS)

    def known(self, token: str) -> Site | None:
        """The site from the cache, None if it is not there or has expired. Most requests need no look-up."""
        expires, site = self._cached.get(token) or (0.0, None)
        return site if expires > time.monotonic() else None

    async def find(self, token: str) -> Site | None:
        """The site with this token, None if no company has it.

        If the look-up fails, uses the expired value of the cache, and raises Unavailable if there is none.
        """
        if not is_token(token):
            return None
        expires, cached = self._cached.get(token) or (0.0, None)
        if expires > time.monotonic():
            return cached
        try:
            async with asyncio.timeout(REFRESH_SECONDS if cached else LOOKUP_SECONDS):
                return await asyncio.shield(self._lookups.get(token) or self._start_lookup(token))
        except (Unavailable, TryAgain, TimeoutError) as cause:
            if not cached:
                raise Unavailable from cause
            # Extends the expired value, so that the next requests do not wait for a look-up too.
            self._cached.put(token, (time.monotonic() + KEPT_SECONDS, cached))
            return cached

    def _start_lookup(self, token: str) -> asyncio.Task[Site | None]:
        if len(self._lookups) >= LOOKUPS_WAITING:
            raise Unavailable

        def ended(task: asyncio.Task[Site | None]) -> None:
            del self._lookups[token]
            if not task.cancelled():
                task.exception()  # marks it as retrieved: perhaps no request waits for the task any more

        lookup = self._lookups[token] = asyncio.create_task(self._look_up(token))
        lookup.add_done_callback(ended)
        return lookup

    async def _look_up(self, token: str) -> Site | None:
        async with self._capacity, self._database.everyone() as tx:
            site = await of_token(tx, token)
        self._cached.put(token, (time.monotonic() + KEPT_SECONDS, site))
        return site
