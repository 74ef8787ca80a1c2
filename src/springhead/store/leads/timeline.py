"""Reads events, of one lead or of all leads, oldest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement

Rows = list[dict[str, Json]]

_OF_LEAD = "l.lead_id = coalesce((select m.lead_id from merged_lead m where m.company_id = $1 and m.id = {0}), {0})"
"""A condition on an event `l`: it belongs to the lead or, if the id was merged, to the survivor."""


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
    scope = _OF_LEAD.format("$3") if lead_id is not None else "$3::bigint is null"
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
    """The first `limit` events of each source, in the order of their times."""
    rows = await tx.rows(
        statement(
            f"""
            select q.source as "#source", oldest.*
            from unnest($3::text[]) with ordinality as q (source, position)
            cross join lateral (
                select {sql.select_list(noun.columns)} from event l
                where l.company_id = $1 and $2::text is not null and l.event_source = q.source
                    and {_OF_LEAD.format("$4") if lead_id is not None else "$4::bigint is null"}
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
