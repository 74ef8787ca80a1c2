"""The history of leads, read from their events: the changes of a lead, and leads as of a time.

The ids of a lead's events have the order of its changes, because a writer locks the lead before it draws ids. Their
times are the start times of transactions, which may have another order. A lead as of a time is the current lead, with
all changes undone from the first event (by id) whose time is not before that time.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from springhead.model.kit.errors import Json
from springhead.model.leads.history import CHANGE_SOURCES, CREATION_SOURCES, REMOVAL_SOURCES, FieldWrite
from springhead.model.leads.leads import LEAD
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.nouns.reads import Rows, Select


class LeadChange(msgspec.Struct, frozen=True):
    """A change of a lead, from its event. `changed` has the old and new value of each changed field."""

    event_id: int
    lead_id: int
    source: str
    timestamp: datetime
    changed: dict[str, Json] | None


async def changes(
    tx: Tx, company_id: int, lead_id: int, names: Sequence[str] | None, *, limit: int, offset: int
) -> list[LeadChange]:
    """The changes of a lead, oldest first; with `names`, only changes of these fields. The lead may be deleted.

    The cost grows with the number of events of the lead.
    """
    rows = await tx.rows(
        """
        select e.id, e.lead_id, e.event_source, e.create_timestamp, e.event_data::text as data from event e
        where e.company_id = $1 and e.lead_id = $2 and e.event_source = any($3::text[])
            and ($4::text[] is null or e.event_data ?| $4)
        order by e.id
        limit $5 offset $6
        """,
        company_id,
        lead_id,
        list(CHANGE_SOURCES),
        None if names is None else list(names),
        limit,
        offset,
    )
    return [
        LeadChange(
            row["id"],
            row["lead_id"],
            row["event_source"],
            row["create_timestamp"],
            msgspec.json.decode(row["data"]) if row["data"] else None,
        )
        for row in rows
    ]


async def last_writes(tx: Tx, company_id: int, fields: Sequence[tuple[int, str]]) -> dict[tuple[int, str], FieldWrite]:
    """The last write of each field, given as pairs of lead and name. A field that no write has changed has none.

    Stops at the first event of a lead that names the field, newest first.
    """
    rows = await tx.rows(
        """
        select w.lead_id, w.name, e.id, e.event_source, e.create_timestamp
        from unnest($2::bigint[], $3::text[]) as w (lead_id, name)
        cross join lateral (
            select e.id, e.event_source, e.create_timestamp from event e
            where e.company_id = $1 and e.lead_id = w.lead_id and e.event_source = any($4::text[])
                and jsonb_exists(e.event_data, w.name)
            order by e.create_timestamp desc, e.id desc limit 1
        ) as e
        """,
        company_id,
        [lead_id for lead_id, _ in fields],
        [name for _, name in fields],
        list(CHANGE_SOURCES),
    )
    return {
        (row["lead_id"], row["name"]): FieldWrite(row["id"], row["event_source"], row["create_timestamp"])
        for row in rows
    }


def _old_value(name: str, column: str, sql_type: str) -> str:
    """Returns the SQL of a column's value before the changes that are undone."""
    old = f"u.old->>{sql.literal(name)}"
    return f"case when u.old ? {sql.literal(name)} then ({old})::{sql_type} else p.{column} end as {column}"


_STORED = ", ".join(
    [
        *(_old_value(column.name, column.sql, column.kind.sql) for column in LEAD.writable_columns),
        *(f"p.{name}" for name in ("num_bounces", "hard_bounced", "create_timestamp")),
    ]
)
_AS_OF = f"""(
    select p.company_id, p.id, {_STORED}, jsonb_strip_nulls(p.custom || u.old) as custom,
        case when c.id is null then p.update_timestamp else greatest(p.create_timestamp, (
            select max(e.create_timestamp) from event e
            where e.company_id = $1 and e.lead_id = p.id and e.event_source = any($6::text[]) and e.id < c.id
                and (e.event_data is null or e.event_data - 'opportunityID' <> '{{}}')
        )) end as update_timestamp
    from (
        select l.* from lead l where l.company_id = $1 and l.id = any($4::bigint[])
        union all
        select l.* from deleted_lead d cross join lateral jsonb_populate_record(null::lead, d.lead) l
        where d.company_id = $1 and d.id = any($4::bigint[])
    ) as p
    cross join lateral (
        select min(e.id) as id from event e
        where e.company_id = $1 and e.lead_id = p.id and e.create_timestamp >= $5 and e.event_source = any($6::text[])
    ) as c
    cross join lateral (
        select coalesce(jsonb_object_agg(f.name, f.value), '{{}}') as old from (
            select distinct on (d.key) d.key as name, d.value->0 as value
            from event e cross join lateral jsonb_each(e.event_data) as d
            where e.company_id = $1 and e.lead_id = p.id and e.id >= c.id and e.event_source = any($6::text[])
                and e.create_timestamp >= $5::timestamptz - interval '1 minute'  -- no write lasts longer
                and jsonb_typeof(d.value) = 'array'
            order by d.key, e.id
        ) as f
    ) as u
    where p.create_timestamp < $5
        and coalesce((
            select e.event_source = any($7::text[]) from event e
            where e.company_id = $1 and e.lead_id = p.id and e.event_source = any($7::text[] || $8::text[])
                and (e.id < c.id or c.id is null)
            order by e.id desc limit 1
        ), true)
) as l"""
"""Leads as of `$5`. `p` is the current lead or its row in the recycle bin, `c` the first event to undo, and `u` has the
old values of the fields that changed since."""


async def leads_as_of(
    tx: Tx, company_id: int, select: Select, ids: Sequence[int], before: datetime, *, zone: str, version: int
) -> Rows:
    """The leads as they were just before a moment, in the order of their ids. Leads that did not exist have no row.

    Returns no rows also if the field version has changed.
    """
    rows = await tx.rows(
        statement(f"select {select.list} from {_AS_OF} where {select.guard} order by l.id"),
        company_id,
        zone,
        version,
        ids,
        before,
        list(CHANGE_SOURCES),
        list(CREATION_SOURCES),
        list(REMOVAL_SOURCES),
    )
    return select.rows(rows)
