"""What companies are to the public: a global table, since a request of the public names its company by a token."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import LiteralString

import asyncpg
import msgspec

from springhead.model.capture.sites import KeepAddresses, Site, is_token, new_signing_key, new_token
from springhead.model.companies.companies import Company
from springhead.model.kit.errors import Unavailable
from springhead.store.database.pool import Database, TryAgain, Tx

KEPT_SECONDS = 2.0
"""How long a site is remembered: a changed setting is followed after that by every server process."""

PATIENCE, PATIENCE_KNOWN = 3.5, 0.25
"""Seconds that a look-up may take: of a site that nobody knows, and of one that is known as it was."""

KEPT_SITES = 10_000
LOOKUPS, LOOKUPS_WAITING = 4, 200
"""Most sites that are looked up at a time, and that wait for it: made-up tokens must not take the connections."""

_SITE: LiteralString = """
    select s.token, s.signing_key, s.important_pages::text as important_pages, s.keep_addresses, s.respects_signals,
        c.id, c.account_id, c.name, c.time_zone, c.per_second, c.per_day, c.objects_per_call, c.recycle_days
    from site s join company c on c.id = s.company_id
"""


async def create(tx: Tx, company_id: int) -> None:
    """Make the site of a new company."""
    await tx.rows(
        "insert into site (company_id, token, signing_key) values ($1, $2, $3)",
        company_id,
        new_token(),
        new_signing_key(),
    )


async def of_company(tx: Tx, company_id: int) -> Site:
    """The site of a company, which has one as long as it exists."""
    row = await tx.row(f"{_SITE} where s.company_id = $1", company_id)
    assert row is not None  # noqa: S101 - made with the company
    return _site(row)


async def of_token(tx: Tx, token: str) -> Site | None:
    """The site with that token, or None."""
    row = await tx.row(f"{_SITE} where s.token = $1", token)
    return _site(row) if row else None


async def change(
    tx: Tx,
    company_id: int,
    *,
    important_pages: Sequence[str] | None = None,
    keep_addresses: KeepAddresses | None = None,
    respects_signals: bool | None = None,
) -> bool:
    """Change the settings of a site; what is None stays. Says whether anything is different now."""
    row = await tx.row(
        """
        update site set
            important_pages = coalesce($2::jsonb, important_pages),
            keep_addresses = coalesce($3, keep_addresses),
            respects_signals = coalesce($4, respects_signals)
        where company_id = $1 and (important_pages, keep_addresses, respects_signals) is distinct from (
            coalesce($2::jsonb, important_pages), coalesce($3, keep_addresses), coalesce($4, respects_signals)
        )
        returning company_id
        """,
        company_id,
        None if important_pages is None else msgspec.json.encode(important_pages).decode(),
        keep_addresses,
        respects_signals,
    )
    return row is not None


def _site(row: asyncpg.Record) -> Site:
    return Site(
        company=Company(**{name: row[name] for name in Company.__struct_fields__}),
        token=row["token"],
        signing_key=row["signing_key"],
        important_pages=msgspec.json.decode(row["important_pages"], type=tuple[str, ...]),
        keep_addresses=row["keep_addresses"],
        respects_signals=row["respects_signals"],
    )


class Sites:
    """The sites that were asked for lately, unknown ones too; each is looked up once at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, tuple[float, Site | None]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Site | None]] = {}
        self._turn = asyncio.Semaphore(LOOKUPS)

    def known(self, token: str) -> Site | None:
        """The site when it is remembered, and that not for too long: the way of most requests."""
        found = self._known.get(token)
        return found[1] if found and found[0] > time.monotonic() else None

    async def find(self, token: str) -> Site | None:
        """The site with that token, or None when no company has it.

        Raises Unavailable when nobody can say; a site that was known is taken as it was then.
        """
        if not is_token(token):
            return None
        found = self._known.get(token)
        if found and found[0] > time.monotonic():
            return found[1]
        try:
            async with asyncio.timeout(PATIENCE_KNOWN if found and found[1] else PATIENCE):
                return await asyncio.shield(self._asking.get(token) or self._begin(token))
        except (Unavailable, TryAgain, TimeoutError) as cause:
            if not found or not found[1]:
                raise Unavailable from cause
            self._known[token] = (time.monotonic() + KEPT_SECONDS, found[1])  # so that not everybody waits
            return found[1]

    def _begin(self, token: str) -> asyncio.Task[Site | None]:
        if len(self._asking) >= LOOKUPS_WAITING:
            raise Unavailable

        def ended(task: asyncio.Task[Site | None]) -> None:
            del self._asking[token]
            if not task.cancelled():
                task.exception()  # those who wait get it, and there may be none any more

        asking = self._asking[token] = asyncio.create_task(self._ask(token))
        asking.add_done_callback(ended)
        return asking

    async def _ask(self, token: str) -> Site | None:
        async with self._turn, self._database.everyone() as tx:
            site = await of_token(tx, token)
        self._known[token] = (time.monotonic() + KEPT_SECONDS, site)
        self._known.move_to_end(token)
        while len(self._known) > KEPT_SITES:
            self._known.popitem(last=False)
        return site
