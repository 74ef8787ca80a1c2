"""The background jobs of actions. One changes the leads of an action; its step is in methods/actions/runs.py.

The other one forgets ended actions: their leads when they cannot be undone any more, and later the actions themselves.
"""

from collections.abc import Mapping

from springhead.model.actions import AT_ONCE, UNDO_SECONDS
from springhead.store.database import background_jobs
from springhead.store.database.background_jobs import Step
from springhead.store.database.pool import Tx

JOB = "action"
"""The kind of the job that changes the leads of an action."""

_FORGET = "forget_actions"

KEPT_SECONDS = 7 * 86_400.0
"""For how long after its end an action of a background job is shown. Others are shown while they can be undone."""

_EVERY = 600.0
"""Seconds between two runs of the job, while the company has actions."""

_AT_ONCE = 1_000
"""The most actions that a step deletes."""


async def start(tx: Tx, company_id: int, action_id: int) -> None:
    """Starts the job that changes the leads of an action."""
    await background_jobs.start(tx, company_id, JOB, action_id)


async def schedule_forgetting(tx: Tx, company_id: int) -> None:
    """Schedules the job that deletes what is no longer needed of ended actions, if none is scheduled."""
    await tx.rows(
        """
        insert into pass (company_id, kind, subject_id, due_at, created_at)
        select $1, $2, 0, now() + make_interval(secs => $3), now()
        where not exists (select from pass where company_id = $1 and kind = $2)
        returning id
        """,
        company_id,
        _FORGET,
        UNDO_SECONDS + 1.0,
    )


async def _step(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
    """Deletes the leads of actions that can no longer be undone, and actions that are no longer shown."""
    rows = await tx.rows(
        """
        with ended as materialized (
            select a.id, a.total > $5 and a.end_timestamp > now() - make_interval(secs => $3) as shown from action a
            where a.company_id = $1 and a.end_timestamp <= now() - make_interval(secs => $2)
            order by a.end_timestamp, a.id limit $4
        ),
        parts as (
            delete from action_part p where p.company_id = $1 and p.action_id = any(array(select id from ended))
            returning 1
        ),
        actions as (
            delete from action a where a.company_id = $1 and a.id = any(array(select id from ended where not shown))
            returning 1
        )
        select (select count(*) from actions) as deleted
        """,
        company_id,
        float(UNDO_SECONDS),
        KEPT_SECONDS,
        _AT_ONCE,
        AT_ONCE,
    )
    if rows[0]["deleted"] == _AT_ONCE:
        return cursor + 1
    if await tx.value("select exists (select from action where company_id = $1)", company_id):
        await background_jobs.start(tx, company_id, _FORGET, 0, delay=_EVERY)
    return None


STEPS: Mapping[str, Step] = {_FORGET: _step}
