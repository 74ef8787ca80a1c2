"""The events of a part of an action, from which the part is undone: they have the old and the new values.

A part keeps the time of its transaction, which is the time of its events. So the events are found by lead and time.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from springhead.model.kit.errors import Json
from springhead.store.database.pool import Tx

_LONGEST_WRITE = timedelta(minutes=1)
"""No write lasts longer, so no event that is written later has a time that is earlier by more than this."""


class Origin(msgspec.Struct, frozen=True):
    """The part of an action that is undone: its leads, and the time of its events. Perhaps with the list it changed."""

    action_id: int
    lead_ids: Sequence[int]
    at: datetime
    list_id: int | None


class Written(msgspec.Struct, frozen=True):
    """An event that an action has written. `data` has the old and the new value of each changed field."""

    lead_id: int
    data: Mapping[str, Json]


async def changes(tx: Tx, company_id: int, origin: Origin, sources: Collection[str]) -> list[Written]:
    """The events of these sources that a part has written, by lead, and those of a lead in the order of the writes."""
    rows = await tx.rows(
        """
        select e.lead_id, e.event_data::text as data from event e
        where e.company_id = $1 and e.lead_id = any($3::bigint[]) and e.create_timestamp = $4
            and e.action_id = $2 and e.event_source = any($5::text[])
            and ($6::bigint is null or e.what_id = $6)
        order by e.lead_id, e.id
        """,
        company_id,
        origin.action_id,
        origin.lead_ids,
        origin.at,
        list(sources),
        origin.list_id,
    )
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    return [Written(row["lead_id"], decode(row["data"]) if row["data"] else {}) for row in rows]


async def untouched(tx: Tx, company_id: int, origin: Origin, sources: Collection[str]) -> set[int]:
    """The leads of a part whose last event of these sources the part has written."""
    rows = await tx.rows(
        """
        select distinct on (e.lead_id) e.lead_id, e.action_id from event e
        where e.company_id = $1 and e.lead_id = any($2::bigint[]) and e.create_timestamp >= $3
            and e.event_source = any($4::text[]) and ($5::bigint is null or e.what_id = $5)
        order by e.lead_id, e.id desc
        """,
        company_id,
        origin.lead_ids,
        origin.at - _LONGEST_WRITE,
        list(sources),
        origin.list_id,
    )
    return {row["lead_id"] for row in rows if row["action_id"] == origin.action_id}


async def existing(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> set[int]:
    """Those of the ids that leads have which are not deleted."""
    rows = await tx.rows("select id from lead where company_id = $1 and id = any($2::bigint[])", company_id, lead_ids)
    return {row["id"] for row in rows}
