"""Writes the events of logged calls."""

from collections.abc import Mapping, Sequence

import msgspec

from springhead.store.database.pool import Tx


async def write_events(tx: Tx, company_id: int, ids: Sequence[int], sources: Mapping[str, str]) -> None:
    """Writes the event of each call with the time of the call; `sources` has the event source by direction."""
    await tx.rows(
        """
        insert into event
            (company_id, lead_id, create_timestamp, event_name, event_source, what_type, what_id, event_data)
        select $1, c.lead_id, c.create_timestamp,
            initcap(c.direction) || ' call' || coalesce(': ' || left(nullif(c.call_result, ''), 200), ''),
            $3::jsonb->>c.direction, 'call', c.id,
            jsonb_build_object('userID', c.user_id::text, 'callResult', c.call_result, 'callNotes', c.call_notes)
        from call c
        where c.company_id = $1 and c.id = any($2::bigint[])
        order by c.id
        returning id
        """,
        company_id,
        ids,
        msgspec.json.encode(sources).decode(),
    )
