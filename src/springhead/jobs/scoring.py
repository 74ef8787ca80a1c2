"""Scores the leads that have new events, company by company (docs/decisions/0017)."""

import asyncio
import time

import structlog

from springhead.model.kit.errors import Unavailable
from springhead.store.database.pool import Database
from springhead.store.scores import scoring
from springhead.store.scores.scoring import POLL, SCAN_EVERY

log = structlog.get_logger()


class Scorer:
    """Scores leads in the background. Any number of processes share the companies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def turn(self) -> float:
        """Scores every company that is due; returns the seconds to rest, 0 if a company has more events.

        After each company it rests as long as the company took, so that calls get half of the time.
        """
        turn_start = time.monotonic()
        async with self._database.everyone() as tx:
            due = await scoring.due(tx)
        more = False
        for company_id in due:
            started = time.monotonic()
            more = await self._score(company_id) or more
            await asyncio.sleep(min(time.monotonic() - started, POLL))
        return 0.0 if more else max(POLL, SCAN_EVERY - (time.monotonic() - turn_start))

    async def _score(self, company_id: int) -> bool:
        """Scores one company; returns whether it has more events. A failure delays only this company."""
        try:
            return await scoring.score_new_events(self._database, company_id)
        except Exception as cause:
            if isinstance(cause, Unavailable):
                log.warning("scoring delayed", company=company_id, error=type(cause).__name__)
            else:
                log.exception("scoring failed", company=company_id)
            async with self._database.everyone() as tx:
                await scoring.delay(tx, company_id)
            return False
