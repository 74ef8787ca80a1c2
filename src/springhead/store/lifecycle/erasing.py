"""Erasing leads: deletes their personal data and writes receipts, which say nothing about the person."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from springhead.model.leads.events import ERASED, Event
from springhead.model.leads.personal_data import ERASURE, address_hash
from springhead.model.sales.notes import NOTE, TASK
from springhead.store.capture import erased_visitors, sites, visitors
from springhead.store.database import background_jobs, sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.feed import deliveries
from springhead.store.leads import events
from springhead.store.lifecycle import personal_data, recycling
from springhead.store.lists import members
from springhead.store.nouns.reads import Rows
from springhead.store.sales import notes, opportunities

_JOB = "erase"


class Erased(msgspec.Struct, frozen=True):
    """The receipt ids of each requested lead. If not `done`, a background job deletes the rest.

    A lead that others were merged into has a receipt for each of their ids, too. A lead that was erased before has its
    old receipts. An id without personal data has none.
    """

    receipts: Mapping[int, list[int]]
    done: bool


async def by_address(tx: Tx, company_id: int, email_keys: Sequence[str]) -> Mapping[str, list[int]]:
    """Ids of leads by normalised address, including leads in the recycle bin."""
    if not email_keys:
        return {}
    rows = await tx.rows(
        """
        select email_key, id from lead where company_id = $1 and email_key = any($2::text[])
        union all
        select d.email_key, d.id from deleted_lead d where d.company_id = $1 and d.email_key = any($2::text[])
        """,
        company_id,
        list(email_keys),
    )
    ids: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        ids[row["email_key"]].append(row["id"])
    return ids


async def erase(tx: Tx, company_id: int, lead_ids: Sequence[int], *, key_id: int | None) -> Erased:
    """Erases leads, including deleted leads. Needs a transaction.

    Locks opportunities, then leads, then lists (docs/lock-order.md).
    """
    await recycling.lock_recycling(tx, company_id)  # no restore and no merge of these leads runs meanwhile
    ids_by_lead = await personal_data.ids_by_lead(tx, company_id, lead_ids)
    ids = sorted({lead_id for same in ids_by_lead.values() for lead_id in same})
    await opportunities.clear_named_leads(tx, company_id, ids)
    await members.lock_leads(tx, company_id, ids)
    counts = await personal_data.counts(tx, company_id, ids)
    known = sorted({count.lead_id for count in counts})
    done = True
    if known:
        await _write_receipts(tx, company_id, counts, key_id)
        done = await _delete(tx, company_id, known)
        if done:
            await _finish(tx, company_id, known)
        else:
            await background_jobs.start(tx, company_id, _JOB, *known)
    rows = await tx.rows(
        """
        select lead_id, max(id) as id from erasure
        where company_id = $1 and lead_id = any($2::bigint[])
        group by lead_id
        """,
        company_id,
        ids,
    )
    receipts = {row["lead_id"]: row["id"] for row in rows}
    return Erased(
        {
            lead_id: sorted(receipts[same_id] for same_id in same if same_id in receipts)
            for lead_id, same in ids_by_lead.items()
        },
        done,
    )


async def _delete(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> bool:
    """Deletes the leads and the first rows of their personal data; returns whether no row is left."""
    await opportunities.detach_leads(tx, company_id, lead_ids)
    await members.delete_memberships(tx, company_id, lead_ids)
    await visitors.lock_of_leads(tx, company_id, lead_ids)
    await erased_visitors.remember(tx, company_id, lead_ids)
    # Deletes all notes and tasks now: `notes.detach` clears the lead's id in the rest, so no job could find them later.
    while not await personal_data.delete_rows(tx, company_id, lead_ids, only=(NOTE, TASK)):
        pass
    await notes.detach(tx, company_id, "lead", lead_ids)
    done = await personal_data.delete_rows(tx, company_id, lead_ids)
    await tx.rows("delete from lead where company_id = $1 and id = any($2::bigint[])", company_id, lead_ids)
    await deliveries.forget_answers(tx, company_id)
    await events.write(
        tx, company_id, [Event(lead_id=lead_id, source=ERASED, name="Lead erased") for lead_id in lead_ids]
    )
    return done


async def _write_receipts(tx: Tx, company_id: int, counts: Sequence[personal_data.Count], key_id: int | None) -> None:
    """Writes the receipts. Must run before the leads are deleted: a receipt has a hash of the address."""
    site = await sites.of_company(tx, company_id)
    erased: dict[int, dict[str, str]] = defaultdict(dict)
    kept: dict[int, dict[str, str]] = defaultdict(dict)
    for count in counts:
        if count.erased:
            erased[count.lead_id][count.part] = str(count.erased)
        if count.shared:
            kept[count.lead_id][count.part] = str(count.shared)
    known = sorted({count.lead_id for count in counts})
    rows = await tx.rows(
        """
        select id, email_key from lead where company_id = $1 and id = any($2::bigint[])
        union all
        select d.id, d.email_key from deleted_lead d where d.company_id = $1 and d.id = any($2::bigint[])
        """,
        company_id,
        known,
    )
    marks = {row["id"]: address_hash(site.signing_key, row["email_key"]) for row in rows}
    await tx.rows(
        """
        insert into erasure (company_id, lead_id, key_id, address_mark, erased, kept)
        select $1, r.lead_id, $2, r.mark, r.erased, r.kept
        from unnest($3::bigint[], $4::bytea[], $5::jsonb[], $6::jsonb[]) as r (lead_id, mark, erased, kept)
        returning id
        """,
        company_id,
        key_id,
        known,
        [marks.get(lead_id) for lead_id in known],
        [msgspec.json.encode(erased[lead_id]).decode() for lead_id in known],
        [msgspec.json.encode(kept[lead_id]).decode() for lead_id in known],
    )


async def _finish(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Stores the time at which the erasure was complete on the receipts."""
    await tx.rows(
        """
        update erasure set done_timestamp = now()
        where company_id = $1 and lead_id = any($2::bigint[]) and done_timestamp is null
        """,
        company_id,
        lead_ids,
    )


async def _step(tx: Tx, company_id: int, lead_id: int, cursor: int) -> int | None:
    if not await personal_data.delete_rows(tx, company_id, [lead_id]):
        return cursor + 1
    await _finish(tx, company_id, [lead_id])
    await deliveries.forget_answers(tx, company_id)  # a push of the last minutes may have had some of these events
    return None


STEPS: Mapping[str, background_jobs.Step] = {_JOB: _step}


async def receipts(
    tx: Tx,
    company_id: int,
    *,
    lead_ids: Sequence[int] | None,
    email_key: str | None,
    zone: str,
    limit: int,
    offset: int,
) -> Rows:
    """Receipts, oldest first: all, or the receipts of some leads or of an address."""
    mark = None
    if email_key is not None:
        mark = address_hash((await sites.of_company(tx, company_id)).signing_key, email_key)
    rows = await tx.rows(
        statement(
            f"""
            select {sql.select_list(ERASURE.columns)} from erasure l
            where l.company_id = $1 and $2::text is not null
                and ($3::bigint[] is null or l.lead_id = any($3)) and ($4::bytea is null or l.address_mark = $4)
            order by l.id
            limit $5 offset $6
            """
        ),
        company_id,
        zone,
        lead_ids,
        mark,
        limit,
        offset,
    )
    return [dict(row) for row in rows]
