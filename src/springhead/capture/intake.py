"""Page views on their way to the database: kept in memory, and written together up to five times per second.

The number of waiting views is bounded, for each company and in all. A server that stops in order writes them; a server
that is killed loses the views of the last moments (docs/capture.md says how many).
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import structlog

from springhead.model.capture.sites import Site
from springhead.model.capture.visitors import network, page_event
from springhead.model.kit.errors import Unavailable
from springhead.store.capture import visitors
from springhead.store.capture.visitors import View
from springhead.store.database.pool import Database, TryAgain

log = structlog.get_logger()

FLUSH_SECONDS = 0.2
"""Longest wait of a view before its statement starts, if the database keeps up."""

BATCH = 2_000
"""Most views in one statement; as many views of one company are written at once."""

VIEWS_MAX = 50_000
"""Most views that wait, at most half of them of one company: 10 seconds of 5,000 views per second."""

CHARACTERS_MAX = 64 * 1024 * 1024
"""Most characters of all waiting views."""

WRITERS = 4
"""Most companies whose views are written at the same time."""

FORGET_SECONDS = 3_600.0
"""Time between two deletions of old visitors, in a company with page views."""

RETRY_SECONDS = 0.5
CLOSE_SECONDS = 5.0


class PageView(msgspec.Struct, frozen=True, gc=False):
    """A page view that waits. `address` is the visitor's; at most its network is stored."""

    site: Site
    tracking_id: str
    at: float
    url: str
    title: str
    referrer: str
    address: str

    @property
    def size(self) -> int:
        """Its number of characters, roughly."""
        return 100 + len(self.tracking_id) + len(self.url) + len(self.title) + len(self.referrer)


class Intake:
    """The page views of this process that are not yet written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[int, list[PageView]] = {}
        self._views = 0
        self._characters = 0
        self._forget_at: dict[int, float] = {}
        self.woken = asyncio.Event()
        self._closing = False
        self._flushing = asyncio.Lock()
        self.written = 0
        """Views that are in the database."""
        self.lost = 0
        """Views that were taken and not written: the server stopped first, or the write failed."""

    def put(self, seen: PageView) -> bool:
        """Takes a view. Returns False if the memory for views is full, or the server stops."""
        company = self._waiting.setdefault(seen.site.company.id, [])
        full = self._views >= VIEWS_MAX or self._characters >= CHARACTERS_MAX or len(company) >= VIEWS_MAX // 2
        if full or self._closing:
            return False
        company.append(seen)
        self._views += 1
        self._characters += seen.size
        if len(company) == BATCH:
            self.woken.set()
        return True

    async def turn(self) -> float:
        """Write the views that wait; returns the seconds until the next turn."""
        async with self._flushing:
            return FLUSH_SECONDS if await self._flush() else RETRY_SECONDS

    async def close(self) -> None:
        """Take no more views, and write those that wait, for about CLOSE_SECONDS at most."""
        self._closing = True
        try:
            async with self._flushing:  # a statement that is under way ends first: nothing is written twice
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        while self._views:
                            if not await self._flush():
                                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Count and log the views that are not written: the server ends now."""
        if self._views:
            self.lost += self._views
            log.error("page views lost", views=self._views)

    async def _flush(self) -> bool:
        """Writes the waiting views. Returns False if the database could not take all of them."""
        left = list(self._waiting)

        async def write() -> bool:
            done = True
            while left:
                done = await self._flush_company(left.pop()) and done
            return done

        outcomes = await asyncio.gather(*(write() for _ in left[:WRITERS]), return_exceptions=True)
        for outcome in outcomes:  # raised when all have ended: no statement goes on beside the next turn
            if isinstance(outcome, BaseException):
                raise outcome
        return all(outcomes)

    async def _flush_company(self, company_id: int) -> bool:
        waiting = self._waiting[company_id]
        left = len(waiting)  # later views wait for the next turn
        while left > 0:
            batch = waiting[: min(left, BATCH)]
            try:
                async with self._database.company(company_id) as tx:
                    await visitors.write_views(tx, company_id, _events(batch))
                self.written += len(batch)
            except (Unavailable, TryAgain):
                return False
            except Exception as cause:  # noqa: BLE001 - the views of other companies go on
                error = type(cause).__name__  # without its text, which may contain values of the public
                log.error("page views lost", views=len(batch), company=company_id, error=error)  # noqa: TRY400
                self.lost += len(batch)
            del waiting[: len(batch)]
            left -= len(batch)
            self._views -= len(batch)
            self._characters -= sum(seen.size for seen in batch)
        if not waiting:
            del self._waiting[company_id]
        await self._forget(company_id)
        return True

    async def _forget(self, company_id: int) -> None:
        """Deletes some old visitors, at most every FORGET_SECONDS."""
        now = time.monotonic()
        if self._forget_at.get(company_id, 0) > now or self._closing:
            return
        self._forget_at[company_id] = now + FORGET_SECONDS  # set first: a failure is not repeated with each view
        with suppress(Unavailable, TryAgain):
            async with self._database.company(company_id) as tx:
                if await visitors.delete_old(tx, company_id):
                    self._forget_at[company_id] = now + FLUSH_SECONDS


def _events(batch: Sequence[PageView]) -> list[View]:
    views: list[View] = []
    for seen in batch:
        kept = network(seen.address) if seen.site.keep_addresses == "truncated" else None
        source, name, data = page_event(seen.site.important_pages, seen.url, seen.title, seen.referrer, kept)
        views.append(View(tracking_id=seen.tracking_id, seen=seen.at, source=source, name=name, data=data))
    return views
