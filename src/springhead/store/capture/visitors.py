"""Visitors of pages, their page views, and the links from visitors to leads.

The page views of a visitor without a lead are rows of `page_view`. They become events of the lead when the visitor is
linked to a lead. Writers of page views and of links lock the visitor first, so that no page view is left behind.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import LiteralString

import msgspec

from springhead.model.capture.visitors import COOKIE_SECONDS
from springhead.model.kit.errors import Json
from springhead.store.capture import erased_visitors
from springhead.store.database import background_jobs
from springhead.store.database.background_jobs import STEP_ROWS, Step
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement

DELETED_AFTER = COOKIE_SECONDS
"""Seconds after which a visitor without a lead is deleted. By then the browser has deleted the cookie, too."""

DELETED_AT_ONCE = 100
"""The most visitors that one statement deletes: each may have many page views."""

_MOVE = "pageViews"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A page view: the visitor's tracking id, the time in seconds since 1970, and the contents of its event."""

    tracking_id: str
    seen: float
    source: str
    name: str
    data: dict[str, Json]


async def write_views(tx: Tx, company_id: int, views: Sequence[View]) -> int:
    """Writes page views: as events if the visitor has a lead, else as rows of `page_view`.

    Returns the number of views that are not written, because their visitor was erased after they were received.
    """
    async with tx.atomic():
        await _lock_visitors(tx, company_id, views)
        # A statement of its own: if the lock waited for an erasure, this one sees the erased visitors.
        rows = await tx.rows(_WRITE, company_id, msgspec.json.encode(views).decode(), time.time())
        erased = [row["visitor_id"] for row in rows]
        if erased:
            await tx.rows(_DELETE_EMPTY, company_id, [*set(erased)])
        return len(erased)


async def _lock_visitors(tx: Tx, company_id: int, views: Sequence[View]) -> None:
    """Locks the visitors of page views, and creates those that do not exist."""
    times: dict[str, list[float]] = {}
    for view in views:
        times.setdefault(view.tracking_id, []).append(view.seen)
    await tx.rows(
        """
        insert into visitor as p (company_id, tracking_id, first_seen, last_seen)
        select $1, s.tracking_id, to_timestamp(s.first_seen), to_timestamp(s.last_seen)
        from unnest($2::text[], $3::float8[], $4::float8[]) as s (tracking_id, first_seen, last_seen)
        order by s.tracking_id collate "C"
        on conflict (company_id, tracking_id) do update set last_seen = case
            when excluded.last_seen - p.last_seen > interval '1 day' then excluded.last_seen else p.last_seen
        end
        """,
        company_id,
        list(times),
        [min(seen) for seen in times.values()],
        [max(seen) for seen in times.values()],
    )


# The age of a view is measured by the server's clock, and its erasure by the database's: the clocks may differ.
_WRITE = statement(
    f"""
    with sent as materialized (
        select v.source, v.name, v.data, v.position, to_timestamp(v.seen) as seen, p.id as visitor_id, p.lead_id,
            e.until is not null and e.until > now() - make_interval(secs => $3::double precision - v.seen) as is_erased
        from rows from (
            jsonb_to_recordset($2::jsonb)
            as (tracking_id text, seen double precision, source text, name text, data jsonb)
        ) with ordinality as v (tracking_id, seen, source, name, data, position)
        join visitor p on p.company_id = $1 and p.tracking_id = v.tracking_id
        left join erased_visitor e
            on e.company_id = $1 and e.tracking_hash = {erased_visitors.HASH.format("v.tracking_id")}
    ),
    events as (
        insert into event (company_id, lead_id, create_timestamp, event_name, event_source, what_type, event_data)
        select $1, s.lead_id, s.seen, s.name, s.source, 'page', s.data
        from sent s
        where s.lead_id is not null and not s.is_erased
        order by s.position
        returning id
    ),
    page_views as (
        insert into page_view (company_id, visitor_id, create_timestamp, event_source, event_name, event_data)
        select $1, s.visitor_id, s.seen, s.source, s.name, s.data
        from sent s
        where s.lead_id is null and not s.is_erased
        order by s.position
        returning id
    )
    select s.visitor_id from sent s where s.is_erased
    """
)

_DELETE_EMPTY = """
    delete from visitor v
    where v.company_id = $1 and v.id = any($2::bigint[]) and v.lead_id is null and not exists (
        select from page_view p where p.company_id = $1 and p.visitor_id = v.id
    )
    """
"""Deletes visitors without a lead and without page views, which were created for views that are not written."""


async def delete_old(tx: Tx, company_id: int) -> bool:
    """Deletes visitors without a lead that were not seen for DELETED_AFTER seconds, with their page views.

    Returns whether there may be more.
    """
    deleted = await tx.value(
        """
        with old as materialized (
            select id from visitor
            where company_id = $1 and lead_id is null and last_seen < now() - make_interval(secs => $2)
            order by last_seen, id
            limit $3
            for update skip locked
        ),
        deleted_views as (
            delete from page_view v using old where v.company_id = $1 and v.visitor_id = old.id
        ),
        deleted as (
            delete from visitor p using old where p.company_id = $1 and p.id = old.id returning p.id
        )
        select count(*) from deleted
        """,
        company_id,
        float(DELETED_AFTER),
        DELETED_AT_ONCE,
    )
    return deleted == DELETED_AT_ONCE


def _linking(condition: LiteralString) -> LiteralString:
    """Returns the statement that links visitors to leads: new visitors, and the visitors `p` that fit a condition."""
    return f"""
        insert into visitor as p (company_id, tracking_id, lead_id, first_seen, last_seen)
        select $1, s.tracking_id, s.lead_id, now(), now()
        from unnest($2::text[], $3::bigint[]) as s (tracking_id, lead_id)
        order by s.tracking_id collate "C"
        on conflict (company_id, tracking_id) do update set lead_id = excluded.lead_id where {condition}
        returning id
    """


_LINK = _linking("p.lead_id is distinct from excluded.lead_id")
_LINK_FREE = _linking("p.lead_id is null")


async def link_leads(tx: Tx, company_id: int, links: Sequence[tuple[int, str]], *, only_free: bool = False) -> None:
    """Links visitors to leads. `links` has pairs of lead id and tracking id; the last link of a visitor counts.

    Creates unknown visitors. Page views that a visitor had without a lead move to the timeline of the lead; page views
    on the timeline of an earlier lead stay there. With `only_free`, visitors that have a lead keep it. Call this in the
    transaction that wrote the leads.
    """
    lead_ids = {tracking_id: lead_id for lead_id, tracking_id in links if tracking_id}
    if not lead_ids:
        return
    linked = await tx.rows(_LINK_FREE if only_free else _LINK, company_id, list(lead_ids), list(lead_ids.values()))
    visitors = [row["id"] for row in linked]
    if not visitors:
        return
    await tx.replan()
    if await _move(tx, company_id, visitors) == STEP_ROWS:
        await background_jobs.start(tx, company_id, _MOVE, *visitors)


async def lock_of_leads(tx: Tx, company_id: int, lead_ids: Collection[int]) -> None:
    """Locks the visitors of leads in the order of tracking ids, as `write_views` does, to delete or move them."""
    await tx.rows(
        """
        select id from visitor where company_id = $1 and lead_id = any($2::bigint[])
        order by tracking_id collate "C" for update
        """,
        company_id,
        list(lead_ids),
    )


async def _move(tx: Tx, company_id: int, visitors: Sequence[int]) -> int:
    """Turns page views of these visitors into events, at most STEP_ROWS; returns their number.

    The caller has locked the visitors, so that no lead of a visitor is deleted meanwhile.
    """
    return await tx.value(
        """
        with step as materialized (
            select v.visitor_id, v.id from page_view v
            where v.company_id = $1 and v.visitor_id = any($2::bigint[])
            order by v.visitor_id, v.id
            limit $3
        ),
        moved as (
            delete from page_view v using step s
            where v.company_id = $1 and v.visitor_id = s.visitor_id and v.id = s.id
            returning v.visitor_id, v.id, v.create_timestamp, v.event_source, v.event_name, v.event_data
        ),
        events as (
            insert into event (company_id, lead_id, create_timestamp, event_name, event_source, what_type, event_data)
            select $1, p.lead_id, m.create_timestamp, m.event_name, m.event_source, 'page', m.event_data
            from moved m join visitor p on p.company_id = $1 and p.id = m.visitor_id
            where p.lead_id is not null
            order by m.id
            returning id
        )
        select count(*) from moved
        """,
        company_id,
        visitors,
        STEP_ROWS,
    )


async def _move_step(tx: Tx, company_id: int, visitor: int, cursor: int) -> int | None:
    """Moves the page views that `link_leads` left. If the visitor was deleted with its lead, deletes them."""
    await tx.rows(
        "select id from visitor where company_id = $1 and id = $2 order by id for update", company_id, visitor
    )
    moved = await _move(tx, company_id, [visitor])
    return cursor + moved if moved == STEP_ROWS else None


STEPS: Mapping[str, Step] = {_MOVE: _move_step}
