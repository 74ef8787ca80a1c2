"""Writes events of leads, in the transaction of the change that they record. Events are never changed."""

from collections.abc import Sequence

import msgspec

from springhead.model.feed.changes import FORM_KINDS, KIND_BY_SOURCE
from springhead.model.leads.events import Event
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.feed.changes import event_entry, form_entry

_WRITE = statement(
    f"""
    with written as (
        insert into event
            (company_id, id, lead_id, create_timestamp, event_name, event_source, what_type, what_id, event_data)
        select $1, coalesce(id, nextval('event_id_seq')), lead_id, now(), name, source, what_type, what_id,
            nullif(data, 'null'::jsonb)
        from rows from (
            jsonb_to_recordset($2::jsonb)
            as (id bigint, lead_id bigint, name text, source text, what_type text, what_id bigint, data jsonb)
        ) with ordinality as sent (id, lead_id, name, source, what_type, what_id, data, position)
        order by position
        returning id, event_source
    ),
    {event_entry("written", "event_source = any($3::text[])")},
    {form_entry("written", "event_source = any($4::text[])")}
    select count(*) from written
    """
)


async def write(tx: Tx, company_id: int, events: Sequence[Event]) -> None:
    """Writes events in the order given. All events of a transaction have its start time."""
    if not events:
        return
    await tx.rows(_WRITE, company_id, msgspec.json.encode(events).decode(), list(KIND_BY_SOURCE), list(FORM_KINDS))
    tx.changed |= any(event.source in KIND_BY_SOURCE or event.source in FORM_KINDS for event in events)


async def draw_id(tx: Tx) -> int:
    """Draws the id of an event whose data repeats it."""
    return await tx.value("select nextval('event_id_seq')")
