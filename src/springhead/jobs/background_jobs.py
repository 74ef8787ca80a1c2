"""Runs background jobs: work that grows with a company's data, in steps that each commit (docs/decisions/0014)."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

import structlog

from springhead.model.kit.errors import Unavailable
from springhead.store.database import background_jobs
from springhead.store.database.admission import Lane
from springhead.store.database.background_jobs import WITHIN_A_CALL, Due, Step
from springhead.store.database.pool import Database, TryAgain, Tx

log = structlog.get_logger()

POLL = 1.0
"""Seconds between two queries for background jobs that another process has started."""

LONGEST_REST = 0.5
"""The longest rest after a step in seconds. A rest is as long as the step took, so that calls get their share."""

BUSY = 0.02
"""Seconds until a call checks again whether another process has finished a step."""


class BackgroundJobs:
    """Runs the due steps of background jobs. Any number of processes share them.

    `steps` has the step of each kind of job. Other kinds are left to servers that know them.
    """

    def __init__(self, database: Database, steps: Mapping[str, Step]) -> None:
        self.woken = asyncio.Event()
        self.failures: Counter[str] = Counter()
        """The number of failed steps of this process, by kind."""
        self._database = database
        self._steps = steps
        self._served: set[int] = set()
        """The companies that have had a step in this round. A round ends when no other company has a due job."""

    def wake(self) -> None:
        """Starts the next turn now, because a background job was just started."""
        self.woken.set()

    async def finish(self, company_id: int, seconds: float = WITHIN_A_CALL) -> None:
        """Runs the company's due background jobs for about `seconds`; the server continues them afterwards.

        For a small company, everything is done when its call returns. Raises nothing if a step fails, because the call
        itself is committed. Must not run inside a transaction, because it takes a connection of its own.
        """
        end = time.monotonic() + seconds
        with suppress(Unavailable, TryAgain):
            while time.monotonic() < end:
                if await self._step(company_id):
                    continue
                async with self._database.everyone() as tx:
                    if not await background_jobs.is_due(tx, company_id, list(self._steps)):
                        return
                await asyncio.sleep(BUSY)
        self.wake()

    async def turn(self) -> float:
        """Runs one step of any company; returns the seconds until the next turn.

        The companies with due jobs take turns, however many jobs each has.
        """
        started = time.monotonic()
        if not await self._step(None):
            return POLL
        await asyncio.sleep(min(time.monotonic() - started, LONGEST_REST))
        return 0.0

    async def _step(self, company_id: int | None) -> bool:
        """Runs one step of a job of one company, or of the company whose turn it is; returns False if none is due."""
        async with self._database.everyone() as tx:
            due = await self._next_due(tx, company_id)
        if due is None:
            return False
        try:
            await self._run(due, Lane.UPKEEP if company_id is None else Lane.JOBS)
        except Exception as cause:
            if isinstance(cause, (Unavailable, TryAgain)):
                log.warning("background job delayed", kind=due.kind, company=due.company_id, error=str(cause))
            else:
                self.failures[due.kind] += 1
                log.exception("background job failed", kind=due.kind, company=due.company_id)
            async with self._database.everyone() as tx:
                await background_jobs.delay(tx, due.id)
        return True

    async def _next_due(self, tx: Tx, company_id: int | None) -> Due | None:
        kinds = list(self._steps)
        if company_id is not None:
            return await background_jobs.next_due(tx, kinds, company_id)
        due = await background_jobs.next_due(tx, kinds, None, leaving_out=self._served)
        if due is None and self._served:
            self._served.clear()
            due = await background_jobs.next_due(tx, kinds, None)
        if due is not None:
            self._served.add(due.company_id)
        return due

    async def _run(self, due: Due, lane: Lane) -> None:
        """Runs a step and saves its cursor in one transaction."""
        async with self._database.company(due.company_id, lane) as tx, tx.atomic():
            claimed = await background_jobs.claim(tx, due.company_id, due.id)
            if claimed is None:  # another process was faster
                return
            cursor = None
            if not claimed.is_replaced:
                await tx.replan()
                cursor = await self._steps[claimed.kind](tx, due.company_id, claimed.subject_id, claimed.cursor)
            await background_jobs.save(tx, due.company_id, due.id, cursor)
