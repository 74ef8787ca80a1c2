"""The recycle bin: keeps deleted leads, and the rows that were deleted with them, for `recycle_days`.

Has the CTEs by which deleting statements fill the bin, and the background job that empties it. restoring.py takes leads
out of it.
"""

from collections.abc import Mapping, Sequence

from springhead.model.kit.columns import Noun
from springhead.store.database import background_jobs
from springhead.store.database.background_jobs import Step
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement

KIND = "recycle"
DAY = 86_400.0
PURGED_AT_ONCE = 500
"""Leads that one step deletes from the bin. Each may have thousands of rows around it."""

BIN_IN_USE = "exists (select from company b where b.id = $1 and b.recycle_days > 0)"
"""The condition that the company uses its recycle bin."""

RESTORABLE = "d.deleted_at > now() - make_interval(days => (select b.recycle_days from company b where b.id = $1))"
"""The condition that a row `d` of the bin can still be restored."""


def bin_deleted(noun: Noun) -> str:
    """Returns a CTE (with leading comma) that copies the deleted rows into the recycle bin, if the noun has one."""
    return bin_leads("deleted") if noun.recycled else ""


def bin_leads(rows: str, *, merged_into: str = "null") -> str:
    """Returns a CTE (with leading comma) that copies leads into the recycle bin.

    `rows` are whole rows of `lead`; `merged_into` is the column with the id of the lead that each was merged into.
    """
    return f""",
            binned as (
                insert into deleted_lead (company_id, id, deleted_at, email_key, merged_into, lead)
                select $1, d.id, now(), d.email_key, {merged_into}::bigint,
                    jsonb_strip_nulls(to_jsonb(d) - '{{email_domain,merged_into}}'::text[])
                from {rows} d where {BIN_IN_USE} order by d.id
                returning id
            )"""


def bin_parts(kind: str, rows: str) -> str:
    """Returns a CTE (with leading comma) that copies rows that were deleted with leads into the recycle bin.

    `rows` is a select of lead_id, id and part.
    """
    return f""",
            binned_{kind} as (
                insert into deleted_lead_part (company_id, lead_id, kind, id, part)
                select $1, r.lead_id, '{kind}', r.id, r.part from ({rows}) as r where {BIN_IN_USE}
                order by r.lead_id, r.id
                on conflict (company_id, lead_id, kind, id) do nothing
            )"""


_BIN_BELONGINGS = statement(
    f"""
    with deleted as (
        delete from visitor v where v.company_id = $1 and v.lead_id = any($2::bigint[])
        returning v.lead_id, v.id, v.tracking_id
    ){bin_parts("visitor", "select lead_id, id, jsonb_build_object('tracking_id', tracking_id) as part from deleted")},
    uploads as (
        update upload u set deleted_lead_id = u.lead_id, lead_id = null
        where u.company_id = $1 and u.lead_id = any($2::bigint[]) and {BIN_IN_USE}
    ),
    calls as (
        update call c set deleted_lead_id = c.lead_id, lead_id = null
        where c.company_id = $1 and c.lead_id = any($2::bigint[]) and {BIN_IN_USE}
    ),
    merged_ids as (
        delete from merged_lead m where m.company_id = $1 and m.lead_id = any($2::bigint[]) and not {BIN_IN_USE}
    )
    select count(*) from deleted
    """
)


async def bin_belongings(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Puts the visitors, files and calls of leads into the bin. The caller has locked the leads and deletes them."""
    await tx.rows(_BIN_BELONGINGS, company_id, lead_ids)


async def lock_recycling(tx: Tx, company_id: int) -> None:
    """Waits for other merges, restores and erasures of the company. Each of them calls this first.

    They read which rows to lock before they lock them. Without this lock, another one would often change these rows.
    """
    await tx.rows(
        """
        insert into shift as g (company_id, noun, generation) values ($1, 'recycling', 1)
        on conflict (company_id, noun) do update set generation = g.generation + excluded.generation
        """,
        company_id,
    )


async def schedule_purge(tx: Tx, company_id: int) -> None:
    """Schedules the daily job that empties the bin, if none is scheduled. Call it after putting leads into the bin."""
    await tx.rows(
        """
        insert into pass (company_id, kind, subject_id, due_at, created_at)
        select $1, $2, 0, now() + make_interval(secs => $3), now()
        where exists (select from company b where b.id = $1 and b.recycle_days > 0)
            and not exists (select from pass where company_id = $1 and kind = $2)
        returning id
        """,
        company_id,
        KIND,
        DAY,
    )


async def purge(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> int:
    """Deletes leads, and the rows that were deleted with them, from the bin; returns the number of leads."""
    return await tx.value(_PURGE, company_id, lead_ids)


_PURGE = statement(
    """
    with doomed as materialized (
        select d.id from deleted_lead d
        where d.company_id = $1 and d.id = any($2::bigint[])
        order by d.id for update
    ),
    parts as (
        delete from deleted_lead_part p where p.company_id = $1 and p.lead_id = any(array(select id from doomed))
    ),
    uploads as (
        delete from upload u where u.company_id = $1 and u.deleted_lead_id = any(array(select id from doomed))
    ),
    calls as (
        delete from call c where c.company_id = $1 and c.deleted_lead_id = any(array(select id from doomed))
    ),
    merged_ids as (
        delete from merged_lead m where m.company_id = $1 and m.lead_id = any(array(select id from doomed))
    ),
    leads as (
        delete from deleted_lead d where d.company_id = $1 and d.id = any(array(select id from doomed))
    )
    select count(*) from doomed
    """
)


async def _purge_step(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
    """Deletes the oldest leads that can no longer be restored. If none are left, runs again in a day."""
    rows = await tx.rows(
        statement(
            f"""
            select d.id from deleted_lead d where d.company_id = $1 and not {RESTORABLE}
            order by d.deleted_at, d.id limit $2
            """
        ),
        company_id,
        PURGED_AT_ONCE,
    )
    if rows:
        await purge(tx, company_id, [row["id"] for row in rows])
    if len(rows) == PURGED_AT_ONCE:
        return cursor + len(rows)
    await background_jobs.start(tx, company_id, KIND, 0, delay=DAY)
    return None


STEPS: Mapping[str, Step] = {KIND: _purge_step}
