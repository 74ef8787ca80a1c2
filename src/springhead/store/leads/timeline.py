"""Reads events, of one lead or of all leads, oldest first or newest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json
from springhead.model.kit.texts import composed
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.nouns import folding

Rows = list[dict[str, Json]]


def _scope(parameter: str, lead_id: int | None) -> str:
    """Returns the condition on an event `l` that it belongs to a lead, or to any lead if `lead_id` is None."""
    return f"{parameter}::bigint is null" if lead_id is None else f"l.lead_id = {_survivor(parameter)}"


def _survivor(parameter: str) -> str:
    """Returns an expression of the id of a lead, or of its survivor if it was merged.

    `coalesce` is inside the sub-select: under row-level security, PostgreSQL uses no index for a comparison with
    `coalesce`.
    """
    merged = f"select m.lead_id from merged_lead m where m.company_id = $1 and m.id = {parameter}"
    return f"(select coalesce(({merged}), {parameter}))"


def _between(
    lead_id: int | None, lead: str, after: tuple[str, datetime | None], until: tuple[str, datetime | None]
) -> str:
    """Returns the condition on the time of an event `l`: after a moment and before another. None sets no bound.

    The times of a lead's events are conditions that only the index of the lead's events can use. Otherwise PostgreSQL
    takes few events for newer than `after`, and reads those of all leads.
    """
    (after_parameter, first), (until_parameter, last) = after, until
    if first is None:
        newer = f"{after_parameter}::timestamptz is null"
    elif lead_id is None:
        newer = f"l.create_timestamp > {after_parameter}"
    else:
        newer = f"(l.lead_id, l.create_timestamp) > ({_survivor(lead)}, {after_parameter})"
    older = f"(l.create_timestamp < {until_parameter}) is true" if last else f"{until_parameter}::timestamptz is null"
    return f"{newer} and {older}"


def _any_of(column: str, parameter: str, values: Sequence[str] | None) -> str:
    """Returns a condition: the column has one of the values. Without values, it names no column.

    PostgreSQL expects half a percent of the rows to meet `parameter is null or …`, and sorts these few instead of
    reading a page in the order of an index.
    """
    return f"{parameter}::text[] is null" if values is None else f"({column}) = any({parameter}::text[])"


async def find(
    tx: Tx,
    company_id: int,
    noun: Noun,
    *,
    zone: str,
    lead_id: int | None = None,
    after: datetime | None = None,
    until: datetime | None = None,
    sources: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    about: Sequence[str] | None = None,
    newest_first: bool = False,
    limit: int,
    offset: int,
) -> Rows:
    """The events of a lead or of all leads, in the order of their times. All given filters must match.

    With `after` and `until`, only events after the first moment and before the second.

    Uses an index for the events of a lead, so the number of the company's events does not matter.
    """
    times = _between(lead_id, "$3", ("$4", after), ("$10", until))
    order = "l.create_timestamp desc, l.id desc" if newest_first else "l.create_timestamp, l.id"
    rows = await tx.rows(
        statement(
            f"""
            select {sql.select_list(noun.columns)} from event l
            where l.company_id = $1 and $2::text is not null and {_scope("$3", lead_id)} and {times}
                and {_any_of("l.event_source", "$5", sources)}
                and {_any_of(folding.composed("l.event_name"), "$6", names)}
                and {_any_of("l.what_type", "$7", about)}
            order by {order}
            limit $8 offset $9
            """
        ),
        company_id,
        zone,
        lead_id,
        after,
        sources,
        names and [composed(name) for name in names],
        about,
        limit,
        offset,
        until,
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
    until: datetime | None,
    limit: int,
) -> Mapping[str, Rows]:
    """The first `limit` events of each source, in the order of their times.

    For a lead, the cost grows with the number of events of the lead.
    """
    times = _between(lead_id, "$4", ("$5", after), ("$7", until))
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
                    and {_scope("$4", lead_id)} and {times}
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
        until,
    )
    groups: dict[str, Rows] = {source: [] for source in sources}
    for row in rows:
        event = dict(row)
        groups[event.pop("#source")].append(event)
    return groups
