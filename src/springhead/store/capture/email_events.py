"""Events of email messages, such as opens and clicks, on the timelines of leads."""

from collections.abc import Sequence

import msgspec

from springhead.model.leads.events import Event
from springhead.store.database.pool import Tx
from springhead.store.leads import merged_ids


class Reader(msgspec.Struct, frozen=True):
    """A lead that receives messages."""

    lead_id: int
    email_key: str
    is_unsubscribed: bool | None


async def find_readers(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[Reader]:
    """The leads that exist, in the order given. A merged id stands for the surviving lead."""
    rows = await tx.rows(
        """
        select l.id, l.email_key, l.is_unsubscribed from unnest($2::bigint[]) with ordinality as s (id, position)
        join lead l on l.company_id = $1 and l.id = s.id
        order by s.position
        """,
        company_id,
        lead_ids,
    )
    missing = set(lead_ids) - {row["id"] for row in rows}
    if survivors := await merged_ids.survivors(tx, company_id, missing):
        current_ids = dict.fromkeys(survivors.get(lead_id, lead_id) for lead_id in lead_ids)
        return await find_readers(tx, company_id, list(current_ids))
    return [Reader(*row.values()) for row in rows]


async def campaign_exists(tx: Tx, company_id: int, campaign_id: int) -> bool:
    """Whether the company has the campaign."""
    return await tx.value(
        "select exists (select from campaign where company_id = $1 and id = $2)", company_id, campaign_id
    )


async def write_once(tx: Tx, company_id: int, lead_id: int, events: Sequence[Event]) -> bool:
    """Writes events of a lead, without those that it already had in the last minute: same source, name and object.

    Returns whether the lead exists. Call this in a transaction: it locks the lead, so that of two concurrent calls the
    second sees the events of the first.
    """
    lead = await tx.rows(
        "select id from lead where company_id = $1 and id = $2 order by id for no key update", company_id, lead_id
    )
    if not lead:
        survivors = await merged_ids.survivors(tx, company_id, [lead_id])
        return bool(survivors) and await write_once(tx, company_id, survivors[lead_id], events)
    await tx.rows(
        """
        with sent as materialized (
            select s.* from rows from (
                jsonb_to_recordset($3::jsonb) as (name text, source text, what_type text, what_id bigint, data jsonb)
            ) with ordinality as s (name, source, what_type, what_id, data, position)
        ),
        latest as materialized (
            select e.event_source, e.event_name, e.what_id from event e
            where e.company_id = $1 and e.lead_id = $2 and e.create_timestamp > now() - interval '1 minute'
        )
        insert into event
            (company_id, lead_id, create_timestamp, event_name, event_source, what_type, what_id, event_data)
        select $1, $2, now(), s.name, s.source, s.what_type, s.what_id, nullif(s.data, 'null'::jsonb)
        from sent s
        where not exists (
            select from latest e
            where e.event_source = s.source and e.event_name = s.name and e.what_id is not distinct from s.what_id
        )
        order by s.position
        returning id
        """,
        company_id,
        lead_id,
        msgspec.json.encode(events).decode(),
    )
    return True
