"""Reads events, of one lead or of all leads, oldest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement

Rows = list[dict[str, Json]]


def _scope(parameter: str, lead_id: int | None) -> str:
    """Returns the condition on an event `l` that it belongs to a lead, or to any lead if `lead_id` is None.

    If the id was merged, the lead is its survivor. `coalesce` is inside the sub-select: under row-level security,
    PostgreSQL uses no index for a comparison with `coalesce`.
    """
    if lead_id is None:
        return f"{parameter}::bigint is null"
    survivor = f"select m.lead_id from merged_lead m where m.company_id = $1 and m.id = {parameter}"
    return f"l.lead_id = (select coalesce(({survivor}), {parameter}))"


async def find(
    tx: Tx,
    company_id: int,
    noun: Noun,
    *,
    zone: str,
    lead_id: int | None = None,
    after: datetime | None = None,
    sources: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    about: Sequence[str] | None = None,
    limit: int,
    offset: int,
) -> Rows:
    """The events of a lead, or of all leads after a moment, in the order of their times. All given filters must match.

    Uses an index for the events of a lead, so the number of the company's events does not matter.
    """
    scope = _scope("$3", lead_id)
    rows = await tx.rows(
        statement(
            f"""
            select {sql.select_list(noun.columns)} from event l
            where l.company_id = $1 and $2::text is not null and {scope}
                and {"l.create_timestamp > $4" if after else "$4::timestamptz is null"}
                and ($5::text[] is null or l.event_source = any($5))
                and ($6::text[] is null or l.event_name = any($6))
                and ($7::text[] is null or l.what_type = any($7))
            order by l.create_timestamp, l.id
            limit $8 offset $9
            """
        ),
        company_id,
        zone,
        lead_id,
        after,
        sources,
        names,
        about,
        limit,
        offset,
    )
    return [dict(row) for row in rows]


async def by_source(
    tx: Tx,
    company_id: int,
    noun: Noun,
    sources: Sequence[str],
    *,
    zone: str,
    lead_id: int | None,
    after: datetime | None,
    limit: int,
) -> Mapping[str, Rows]:
    """The first `limit` events of each source, in the order of their times.

    For a lead, the cost grows with the number of events of the lead.
    """
    scope = _scope("$4", lead_id)
    # `is true` keeps PostgreSQL from reading all events of a source by an index, to find the few of a lead.
    of_source = "l.event_source = q.source" if lead_id is None else "(l.event_source = q.source) is true"
    rows = await tx.rows(
        statement(
            f"""
            select q.source as "#source", oldest.*
            from unnest($3::text[]) with ordinality as q (source, position)
            cross join lateral (
                select {sql.select_list(noun.columns)} from event l
                where l.company_id = $1 and $2::text is not null and {of_source}
                    and {scope}
                    and {"l.create_timestamp > $5" if after else "$5::timestamptz is null"}
                order by l.create_timestamp, l.id
                limit $6
            ) as oldest
            order by q.position
            """
        ),
        company_id,
        zone,
        list(sources),
        lead_id,
        after,
        limit,
    )
    groups: dict[str, Rows] = {source: [] for source in sources}
    for row in rows:
        event = dict(row)
        groups[event.pop("#source")].append(event)
    return groups
