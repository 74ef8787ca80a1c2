"""Passes: work that grows with a company, done in steps that each commit, beside the calls and not in their way.

A call that needs one starts it in its own transaction, so that it is lost with the call or done for sure. The
cursor moves in the transaction of the step, so that a pass goes on where it was, whichever process dies. A pass
that is started later for the same subject takes the place of the earlier ones: they end at their next step.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from springhead.model.kit.errors import Unavailable
from springhead.store.database.pool import Database, TryAgain, Tx

log = structlog.get_logger()

STEP_ROWS = 5_000
"""About how many rows a step should touch: its locks must be gone within a fraction of a second."""

POLL = 1.0
"""Seconds after which a server looks for passes that another process has started."""

WITHIN_A_CALL = 2.0
"""Seconds of a call that go into passes which it has started."""

RETRY, RETRY_MAX = 1.0, 300.0
"""Seconds until a step that failed is tried again: doubled with every failure in a row, up to the second one."""

_RESTING_MAX = 0.5

Step = Callable[[Tx, int, int, int], Awaitable[int | None]]
"""One step, in a transaction of its own: `(tx, company_id, subject_id, cursor)`, the cursor beginning at 0
unless it was started elsewhere.

Gives the next cursor, or None when the pass is done. A step may run again after a crash that followed it, and
never twice at the same time for one pass.
"""

STEPS: dict[str, Step] = {}
"""What the passes of each kind do; the module that holds the statements puts its steps here."""


async def start(tx: Tx, company_id: int, kind: str, *subject_ids: int, delay: float = 0, cursor: int = 0) -> None:
    """Start a pass for each subject, at a cursor: when the caller's transaction commits, or `delay` seconds on."""
    if not subject_ids:
        return
    await tx.rows(
        """
        insert into pass (company_id, kind, subject_id, cursor, due_at, created_at)
        select $1, $2, subject_id, $5, now() + make_interval(secs => $4), now() from unnest($3::bigint[]) as subject_id
        """,
        company_id,
        kind,
        subject_ids,
        float(delay),
        cursor,
    )


class Passes:
    """Does the steps of due passes; any number of processes share them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for due passes now: one was just started."""
        self._woken.set()

    async def finish(self, company_id: int, seconds: float = WITHIN_A_CALL) -> None:
        """Do the company's due passes now, for about that long; what is left goes on beside the calls.

        A small company sees everything done when its call returns. Never raises for what goes wrong in a step,
        since the call itself is committed. Not inside a transaction: it takes a connection of its own.
        """
        end = time.monotonic() + seconds
        with suppress(Unavailable, TryAgain):
            while time.monotonic() < end:
                if await self._step(company_id):
                    continue
                if not await self._is_due(company_id):
                    return
                await asyncio.sleep(0.02)  # another process has it
        self.wake()

    async def serve(self) -> None:
        """Do the due passes of all companies, for ever; half of the time is left to the calls."""
        while True:
            self._woken.clear()
            begun = time.monotonic()
            try:
                worked = await self._step(None)
            except (Unavailable, TryAgain):
                worked = False
            except Exception:
                log.exception("passes stumbled")
                worked = False
            if worked:
                await asyncio.sleep(min(time.monotonic() - begun, _RESTING_MAX))
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self._woken.wait()

    async def _step(self, company_id: int | None) -> bool:
        """Do one step of the pass that has waited longest, of a company or of all; False when nothing is free."""
        async with self._database.everyone() as tx:
            found = await tx.row(
                """
                select id, company_id, kind from pass
                where due_at <= now() and kind = any($1::text[]) and ($2::bigint is null or company_id = $2)
                order by due_at, id
                limit 1
                for update skip locked
                """,
                list(STEPS),
                company_id,
            )
        if found is None:
            return False
        try:
            await self._do(found["id"], found["company_id"])
        except Exception as cause:
            if isinstance(cause, (Unavailable, TryAgain)):
                log.warning("pass delayed", kind=found["kind"], company=found["company_id"], error=str(cause))
            else:
                log.exception("pass failed", kind=found["kind"], company=found["company_id"])
            await self._delay(found["id"])
        return True

    async def _do(self, pass_id: int, company_id: int) -> None:
        async with self._database.company(company_id) as tx, tx.atomic():
            row = await tx.row(
                """
                select p.kind, p.subject_id, p.cursor, exists (
                    select from pass o
                    where o.company_id = p.company_id and o.kind = p.kind and o.subject_id = p.subject_id
                        and o.id > p.id
                ) as replaced
                from pass p
                where p.company_id = $1 and p.id = $2 and p.due_at <= now()
                order by p.id
                for update of p skip locked
                """,
                company_id,
                pass_id,
            )
            if row is None:  # another process was faster
                return
            cursor = None
            if not row["replaced"]:
                cursor = await STEPS[row["kind"]](tx, company_id, row["subject_id"], row["cursor"])
            if cursor is None:
                await tx.rows("delete from pass where company_id = $1 and id = $2", company_id, pass_id)
            else:
                # To the end of the queue: a great company does not keep the small ones waiting.
                await tx.rows(
                    "update pass set cursor = $3, failures = 0, due_at = now() where company_id = $1 and id = $2",
                    company_id,
                    pass_id,
                    cursor,
                )

    async def _delay(self, pass_id: int) -> None:
        async with self._database.everyone() as tx:
            await tx.rows(
                """
                update pass set failures = failures + 1,
                    due_at = now() + make_interval(secs => least($2 * power(2, least(failures, 30)), $3))
                where id = $1
                """,
                pass_id,
                RETRY,
                RETRY_MAX,
            )

    async def _is_due(self, company_id: int) -> bool:
        async with self._database.everyone() as tx:
            return await tx.value(
                "select exists (select from pass where company_id = $1 and due_at <= now() and kind = any($2::text[]))",
                company_id,
                list(STEPS),
            )
