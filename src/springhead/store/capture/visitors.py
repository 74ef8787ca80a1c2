"""Visitors of pages, what they have seen, and the leads that they turn out to be.

What a visitor without a lead sees is kept beside the timeline (`page_view`), and becomes events of the lead when
there is one. Whoever takes page views and whoever links lock the visitor first, so that no view falls between.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from springhead.model.capture.visitors import COOKIE_SECONDS
from springhead.model.kit.errors import Json
from springhead.store.database import background_jobs
from springhead.store.database.background_jobs import STEP_ROWS, Step
from springhead.store.database.pool import Tx

FORGOTTEN_AFTER = COOKIE_SECONDS
"""Seconds after which a visitor without a lead is forgotten: by then the browser has forgotten its name, too."""

FORGOTTEN_AT_ONCE = 100
"""Most visitors that are forgotten in one statement, since each may have seen a lot."""

_MOVE = "pageViews"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One page view: by whom, when (seconds since 1970), and what its event says."""

    tracking_id: str
    seen: float
    source: str
    name: str
    data: dict[str, Json]


async def write_views(tx: Tx, company_id: int, views: Sequence[View]) -> None:
    """Write page views, in one statement: as events of the lead where the visitor has one, else beside it."""
    await tx.rows(
        """
        with sent as materialized (
            select v.tracking_id, to_timestamp(v.seen) as seen, v.source, v.name, v.data, v.position
            from rows from (
                jsonb_to_recordset($2::jsonb)
                as (tracking_id text, seen double precision, source text, name text, data jsonb)
            ) with ordinality as v (tracking_id, seen, source, name, data, position)
        ),
        known as (
            insert into visitor as p (company_id, tracking_id, first_seen, last_seen)
            select $1, s.tracking_id, min(s.seen), max(s.seen)
            from sent s
            group by s.tracking_id
            order by s.tracking_id collate "C"
            on conflict (company_id, tracking_id) do update set last_seen = case
                when excluded.last_seen > p.last_seen + interval '1 day' then excluded.last_seen else p.last_seen
            end
            returning id, tracking_id, lead_id
        ),
        told as (
            insert into event (company_id, lead_id, create_timestamp, event_name, event_source, what_type, event_data)
            select $1, k.lead_id, s.seen, s.name, s.source, 'page', s.data
            from sent s join known k on k.tracking_id = s.tracking_id
            where k.lead_id is not null
            order by s.position
        )
        insert into page_view (company_id, visitor_id, create_timestamp, event_source, event_name, event_data)
        select $1, k.id, s.seen, s.source, s.name, s.data
        from sent s join known k on k.tracking_id = s.tracking_id
        where k.lead_id is null
        order by s.position
        """,
        company_id,
        msgspec.json.encode(views).decode(),
    )


async def delete_old(tx: Tx, company_id: int) -> bool:
    """Forget visitors without a lead who were not seen for 13 months, and what they saw; says whether more are left."""
    gone = await tx.value(
        """
        with old as materialized (
            select id from visitor
            where company_id = $1 and lead_id is null and last_seen < now() - make_interval(secs => $2)
            order by last_seen, id
            limit $3
            for update skip locked
        ),
        unseen as (
            delete from page_view v using old where v.company_id = $1 and v.visitor_id = old.id
        ),
        gone as (
            delete from visitor p using old where p.company_id = $1 and p.id = old.id returning p.id
        )
        select count(*) from gone
        """,
        company_id,
        float(FORGOTTEN_AFTER),
        FORGOTTEN_AT_ONCE,
    )
    return gone == FORGOTTEN_AT_ONCE


async def link_leads(tx: Tx, company_id: int, links: Sequence[tuple[int, str]], *, only_free: bool = False) -> None:
    """The leads with these ids are the visitors with these tracking ids, of which the last link of each counts.

    What a visitor has seen as nobody's lead joins the lead's timeline; what it saw as another's stays there.
    To be called in the transaction that wrote the leads. A visitor who was never seen is remembered. With `only_free`
    whoever is a lead already stays that one.
    """
    wanted = {tracking_id: lead_id for lead_id, tracking_id in links if tracking_id}
    if not wanted:
        return
    linked = await tx.rows(
        """
        insert into visitor as p (company_id, tracking_id, lead_id, first_seen, last_seen)
        select $1, s.tracking_id, s.lead_id, now(), now()
        from unnest($2::text[], $3::bigint[]) as s (tracking_id, lead_id)
        order by s.tracking_id collate "C"
        on conflict (company_id, tracking_id) do update set lead_id = excluded.lead_id
        where p.lead_id is distinct from excluded.lead_id and (p.lead_id is null or not $4)
        returning id
        """,
        company_id,
        list(wanted),
        list(wanted.values()),
        only_free,
    )
    visitors = [row["id"] for row in linked]
    if not visitors:
        return
    await tx.replan()
    if await _move(tx, company_id, visitors) == STEP_ROWS:
        await background_jobs.start(tx, company_id, _MOVE, *visitors)


async def lock_of_leads(tx: Tx, company_id: int, lead_ids: Collection[int]) -> None:
    """Lock the visitors of leads in the order of tracking ids, as page views do, before they are deleted or moved."""
    await tx.rows(
        """
        select id from visitor where company_id = $1 and lead_id = any($2::bigint[])
        order by tracking_id collate "C" for update
        """,
        company_id,
        list(lead_ids),
    )


async def _move(tx: Tx, company_id: int, visitors: Sequence[int]) -> int:
    """Make events of what these visitors have seen, as far as one step goes; gives how many there were.

    The visitors are locked, so that none of their leads is deleted meanwhile.
    """
    return await tx.value(
        """
        with found as materialized (
            select v.visitor_id, v.id from page_view v
            where v.company_id = $1 and v.visitor_id = any($2::bigint[])
            order by v.visitor_id, v.id
            limit $3
        ),
        moved as (
            delete from page_view v using found f
            where v.company_id = $1 and v.visitor_id = f.visitor_id and v.id = f.id
            returning v.visitor_id, v.id, v.create_timestamp, v.event_source, v.event_name, v.event_data
        ),
        told as (
            insert into event (company_id, lead_id, create_timestamp, event_name, event_source, what_type, event_data)
            select $1, p.lead_id, m.create_timestamp, m.event_name, m.event_source, 'page', m.event_data
            from moved m join visitor p on p.company_id = $1 and p.id = m.visitor_id
            where p.lead_id is not null
            order by m.id
        )
        select count(*) from moved
        """,
        company_id,
        visitors,
        STEP_ROWS,
    )


async def _move_step(tx: Tx, company_id: int, visitor: int, cursor: int) -> int | None:
    """Move what the call that linked left over; of a visitor who is gone with its lead, nothing is kept."""
    await tx.rows(
        "select id from visitor where company_id = $1 and id = $2 order by id for update", company_id, visitor
    )
    moved = await _move(tx, company_id, [visitor])
    return cursor + moved if moved == STEP_ROWS else None


STEPS: Mapping[str, Step] = {_MOVE: _move_step}
