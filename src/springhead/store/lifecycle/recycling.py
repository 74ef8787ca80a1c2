"""The recycle bin: what the deletion of leads takes away is kept by the statements that take it, for a time.

Here are the parts of those statements, and the pass that empties the bin. How a lead comes back is in restoring.py.
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
"""Leads of one step: each may have a lot around it."""

IN_USE = "exists (select from company b where b.id = $1 and b.recycle_days > 0)"
"""The condition that the company keeps what it deletes."""

IN_TIME = "d.deleted_at > now() - make_interval(days => (select b.recycle_days from company b where b.id = $1))"
"""The condition on a row `d` of the bin that it can still be restored."""


def keep(noun: Noun) -> str:
    """A CTE, begun with a comma, that keeps the rows of `gone`, where the noun has a bin."""
    return keep_rows("gone") if noun.recycled else ""


def keep_rows(rows: str, *, merged_into: str = "null") -> str:
    """A CTE, begun with a comma, that keeps leads, which are whole rows; `merged_into` is a column of them."""
    return f""",
            binned as (
                insert into deleted_lead (company_id, id, deleted_at, email_key, merged_into, lead)
                select $1, g.id, now(), g.email_key, {merged_into}::bigint,
                    jsonb_strip_nulls(to_jsonb(g) - '{{email_domain,merged_into}}'::text[])
                from {rows} g where {IN_USE} order by g.id
            )"""


def keep_part(kind: str, rows: str) -> str:
    """A CTE, begun with a comma, that keeps what went with leads: `rows` is a select of lead_id, id and part."""
    return f""",
            binned_{kind} as (
                insert into deleted_lead_part (company_id, lead_id, kind, id, part)
                select $1, g.lead_id, '{kind}', g.id, g.part from ({rows}) as g where {IN_USE}
                order by g.lead_id, g.id
                on conflict (company_id, lead_id, kind, id) do nothing
            )"""


_SET_ASIDE = statement(
    f"""
    with gone as (
        delete from visitor v where v.company_id = $1 and v.lead_id = any($2::bigint[])
        returning v.lead_id, v.id, v.tracking_id
    ){keep_part("visitor", "select lead_id, id, jsonb_build_object('tracking_id', tracking_id) as part from gone")},
    uploads as (
        update upload u set deleted_lead_id = u.lead_id, lead_id = null
        where u.company_id = $1 and u.lead_id = any($2::bigint[]) and {IN_USE}
    ),
    calls as (
        update call c set deleted_lead_id = c.lead_id, lead_id = null
        where c.company_id = $1 and c.lead_id = any($2::bigint[]) and {IN_USE}
    ),
    ids as (
        delete from merged_lead m where m.company_id = $1 and m.lead_id = any($2::bigint[]) and not {IN_USE}
    )
    select count(*) from gone
    """
)


async def set_aside(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Keep the visitors, files and calls of leads that are about to be deleted, and are held."""
    await tx.rows(_SET_ASIDE, company_id, lead_ids)


async def one_at_a_time(tx: Tx, company_id: int) -> None:
    """Wait until nobody else merges or restores leads of the company; the first step of whoever does.

    Both lock a lot, and what they find out before that would often be wrong when they have it.
    """
    await tx.rows(
        """
        insert into shift as g (company_id, noun, generation) values ($1, 'recycling', 1)
        on conflict (company_id, noun) do update set generation = g.generation + excluded.generation
        """,
        company_id,
    )


async def begin(tx: Tx, company_id: int) -> None:
    """See that the bin, into which the same transaction has put something, is looked at once a day from now on."""
    await tx.rows(
        """
        insert into pass (company_id, kind, subject_id, due_at, created_at)
        select $1, $2, 0, now() + make_interval(secs => $3), now()
        where exists (select from company b where b.id = $1 and b.recycle_days > 0)
            and not exists (select from pass where company_id = $1 and kind = $2)
        """,
        company_id,
        KIND,
        DAY,
    )


async def erase(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> int:
    """Remove leads from the bin for good, with what went with them; gives how many there were."""
    return await tx.value(_ERASE, company_id, lead_ids)


_ERASE = statement(
    """
    with gone as materialized (
        select d.id from deleted_lead d
        where d.company_id = $1 and d.id = any($2::bigint[])
        order by d.id for update
    ),
    parts as (
        delete from deleted_lead_part p where p.company_id = $1 and p.lead_id = any(array(select id from gone))
    ),
    uploads as (
        delete from upload u where u.company_id = $1 and u.deleted_lead_id = any(array(select id from gone))
    ),
    calls as (
        delete from call c where c.company_id = $1 and c.deleted_lead_id = any(array(select id from gone))
    ),
    ids as (
        delete from merged_lead m where m.company_id = $1 and m.lead_id = any(array(select id from gone))
    ),
    leads as (
        delete from deleted_lead d where d.company_id = $1 and d.id = any(array(select id from gone))
    )
    select count(*) from gone
    """
)


async def _purge_step(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
    """Remove the oldest of what is too old; when there is nothing left to remove, look again in a day."""
    rows = await tx.rows(
        statement(
            f"""
            select d.id from deleted_lead d where d.company_id = $1 and not {IN_TIME}
            order by d.deleted_at, d.id limit $2
            """
        ),
        company_id,
        PURGED_AT_ONCE,
    )
    if rows:
        await erase(tx, company_id, [row["id"] for row in rows])
    if len(rows) == PURGED_AT_ONCE:
        return cursor + len(rows)
    await background_jobs.start(tx, company_id, KIND, 0, delay=DAY)
    return None


STEPS: Mapping[str, Step] = {KIND: _purge_step}
