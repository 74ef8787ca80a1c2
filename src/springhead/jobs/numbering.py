"""Numbers the changes of the feed in the background (docs/decisions/0018)."""

import asyncio
import time

from springhead.store.database.admission import Lane
from springhead.store.database.pool import Database
from springhead.store.feed import changes
from springhead.store.feed.changes import POLL, ChangeSignal

GATHER = 0.5
"""Seconds that a turn waits before it numbers changes, so that writes close together share one statement."""


class Numbering:
    """Numbers changes soon after they were committed, so that a reader has few changes to number itself."""

    def __init__(self, database: Database) -> None:
        signal = ChangeSignal(database)
        self.woken, self._changed = signal.woken, signal.companies
        self._database = database
        self._next_scan = 0.0

    async def turn(self) -> float:
        """Numbers the changes of this process, and from time to time those of others; returns the seconds to rest."""
        await asyncio.sleep(GATHER)
        if time.monotonic() >= self._next_scan:
            self._next_scan = time.monotonic() + POLL
            async with self._database.everyone() as tx:
                self._changed |= set(await changes.pending(tx))
        while self._changed:
            await self._number(self._changed.pop())
        return POLL

    async def _number(self, company_id: int) -> None:
        before = -1
        while True:
            async with self._database.company(company_id, Lane.UPKEEP) as tx:
                last = await changes.number(tx, company_id)
            if last == before:
                return
            before = last
