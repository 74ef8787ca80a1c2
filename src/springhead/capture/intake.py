"""Buffers page views in memory, and writes them to the database in batches, up to five times per second.

The number of buffered views is bounded, for each company and in total. A server writes them at shutdown. A server that
is killed loses the views of the last moments (docs/capture.md says how many).
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import structlog

from springhead.model.capture.sites import Site
from springhead.model.capture.visitors import network, page_event
from springhead.model.kit.errors import Unavailable
from springhead.store.capture import erased_visitors, visitors
from springhead.store.capture.visitors import View
from springhead.store.database.admission import Lane
from springhead.store.database.pool import Database, TryAgain

log = structlog.get_logger()

FLUSH_SECONDS = 0.2
"""The longest time in seconds that a view is buffered, if the database keeps up."""

BATCH = 2_000
"""The most views in one statement. If one company has that many buffered views, they are written immediately."""

VIEWS_MAX = 50_000
"""The most buffered views, at most half of them of one company: 10 seconds of 5,000 views per second."""

BYTES_MAX = 64 * 1024 * 1024
"""The most bytes of memory of all buffered views."""

WRITERS = 4
"""The most companies whose views are written at the same time."""

FORGET_SECONDS = 3_600.0
"""Seconds between two deletions of old visitors, for a company with page views."""

RETRY_SECONDS = 0.5
"""Seconds until the next attempt if the database was not available."""

CLOSE_SECONDS = 5.0
"""The longest time in seconds that shutdown waits for the buffered views to be written."""


class PageView(msgspec.Struct, frozen=True, gc=False):
    """A buffered page view. `seen_at` is a Unix time. `address` is the visitor's IP; at most its network is stored."""

    site: Site
    tracking_id: str
    seen_at: float
    url: str
    title: str
    referrer: str
    address: str

    @property
    def size(self) -> int:
        """The bytes of memory: a character takes up to four."""
        texts = (self.tracking_id, self.url, self.title, self.referrer, self.address)
        return sys.getsizeof(self) + sum(map(sys.getsizeof, texts))


class Intake:
    """The buffered page views of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[int, list[PageView]] = {}
        self._views = 0
        self._bytes = 0
        self._forget_at: dict[int, float] = {}
        self.woken = asyncio.Event()
        self._closing = False
        self._flushing = asyncio.Lock()
        self.written = 0
        """The number of views that are in the database."""
        self.lost = 0
        """The number of accepted views that were not written: the server stopped first, or the write failed."""
        self.erased = 0
        """The number of accepted views that were not written, because their visitor was erased in the meantime."""

    def put(self, view: PageView) -> bool:
        """Buffers a view. Returns False if the buffer is full, or if the server is stopping."""
        views = self._waiting.setdefault(view.site.company.id, [])
        full = self._views >= VIEWS_MAX or self._bytes >= BYTES_MAX or len(views) >= VIEWS_MAX // 2
        if full or self._closing:
            return False
        views.append(view)
        self._views += 1
        self._bytes += view.size
        if len(views) == BATCH:
            self.woken.set()
        return True

    async def turn(self) -> float:
        """Writes the buffered views; returns the seconds until the next turn."""
        async with self._flushing:
            return FLUSH_SECONDS if await self._flush() else RETRY_SECONDS

    async def close(self) -> None:
        """Accepts no more views, and writes the buffered views, for about CLOSE_SECONDS at most."""
        self._closing = True
        try:
            async with self._flushing:  # waits for the running statement, so that no view is written twice
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        while self._views:
                            if not await self._flush():
                                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Counts and logs the views that are still buffered when the server ends."""
        if self._views:
            self.lost += self._views
            log.error("page views lost", views=self._views)

    async def _flush(self) -> bool:
        """Writes the buffered views. Returns False if some could not be written."""
        remaining = list(self._waiting)

        async def write() -> bool:
            done = True
            while remaining:
                done = await self._flush_company(remaining.pop()) and done
            return done

        outcomes = await asyncio.gather(*(write() for _ in remaining[:WRITERS]), return_exceptions=True)
        for outcome in outcomes:  # raised only when all writers have ended, so that none overlaps with the next turn
            if isinstance(outcome, BaseException):
                raise outcome
        return all(outcomes)

    async def _flush_company(self, company_id: int) -> bool:
        waiting = self._waiting[company_id]
        remaining = len(waiting)  # views that arrive from now on are for the next turn
        while remaining > 0:
            batch = waiting[: min(remaining, BATCH)]
            try:
                async with self._database.company(company_id, Lane.UPKEEP) as tx:
                    erased = await visitors.write_views(tx, company_id, _events(batch))
                self.written += len(batch) - erased
                self.erased += erased
            except (Unavailable, TryAgain):
                return False
            except Exception as cause:  # noqa: BLE001 - the views of other companies are written all the same
                error = type(cause).__name__  # without the message, which may contain personal data
                log.error("page views lost", views=len(batch), company=company_id, error=error)  # noqa: TRY400
                self.lost += len(batch)
            del waiting[: len(batch)]
            remaining -= len(batch)
            self._views -= len(batch)
            self._bytes -= sum(view.size for view in batch)
        if not waiting:
            del self._waiting[company_id]
        await self._forget(company_id)
        return True

    async def _forget(self, company_id: int) -> None:
        """Deletes some old visitors, and forgets erased ones, at most every FORGET_SECONDS."""
        now = time.monotonic()
        if self._forget_at.get(company_id, 0) > now or self._closing:
            return
        self._forget_at[company_id] = now + FORGET_SECONDS  # set first, so that a failure is not repeated every turn
        with suppress(Unavailable, TryAgain):
            async with self._database.company(company_id, Lane.UPKEEP) as tx:
                await erased_visitors.forget(tx, company_id)
                if await visitors.delete_old(tx, company_id):
                    self._forget_at[company_id] = now + FLUSH_SECONDS


def _events(batch: Sequence[PageView]) -> list[View]:
    events: list[View] = []
    for view in batch:
        stored_network = network(view.address) if view.site.keep_addresses == "truncated" else None
        source, name, data = page_event(view.site.important_pages, view.url, view.title, view.referrer, stored_network)
        events.append(View(tracking_id=view.tracking_id, seen=view.seen_at, source=source, name=name, data=data))
    return events
