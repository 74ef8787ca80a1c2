"""Erasing leads: all that is held on them goes, and a receipt remains that says nothing about the person."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from springhead.model.leads.events import ERASED, Event
from springhead.model.leads.personal_data import ERASURE, address_hash
from springhead.model.sales.notes import NOTE, TASK
from springhead.store.capture import sites
from springhead.store.database import background_jobs, sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.feed import deliveries
from springhead.store.leads import events
from springhead.store.lifecycle import personal_data, recycling
from springhead.store.lists import members
from springhead.store.nouns.reads import Rows
from springhead.store.sales import notes, opportunities

_REST = "erase"


class Erased(msgspec.Struct, frozen=True):
    """The receipts for each lead that was asked for, and whether all is gone; else a pass goes on with it.

    A lead that others were merged into has a receipt for each of their ids. Leads that were erased before have the
    receipts of then; those of which nothing was held have none.
    """

    receipts: Mapping[int, list[int]]
    done: bool


async def by_address(tx: Tx, company_id: int, email_keys: Sequence[str]) -> Mapping[str, list[int]]:
    """The leads with these normalised addresses, those of the recycle bin too, by address."""
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
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        found[row["email_key"]].append(row["id"])
    return found


async def erase(tx: Tx, company_id: int, lead_ids: Sequence[int], *, key_id: int | None) -> Erased:
    """Erase leads, and what is held on leads that were deleted.

    To be called in a transaction. Locks opportunities before leads before lists, as everybody does.
    """
    await recycling.one_at_a_time(tx, company_id)  # nobody restores or merges what is being erased
    meant = await personal_data.persons(tx, company_id, lead_ids)
    ids = sorted({one for several in meant.values() for one in several})
    await opportunities.unname_leads(tx, company_id, ids)
    await members.hold_leads(tx, company_id, ids)
    counted = await personal_data.counts(tx, company_id, ids)
    known = sorted({one.lead_id for one in counted})
    done = True
    if known:
        await _receipts(tx, company_id, counted, key_id)
        await opportunities.forget_leads(tx, company_id, known)
        await members.forget_leads(tx, company_id, known)
        while not await personal_data.remove(
            tx, company_id, known, only=(NOTE, TASK)
        ):  # whose text nobody finds without the lead
            pass
        await notes.forget(tx, company_id, "lead", known)
        done = await personal_data.remove(tx, company_id, known)
        await deliveries.forget_answers(tx, company_id, known)
        await tx.rows("delete from lead where company_id = $1 and id = any($2::bigint[])", company_id, known)
        gone = [Event(lead_id=one, source=ERASED, name="Lead erased") for one in known]
        await events.write(tx, company_id, gone)
        if done:
            await _finish(tx, company_id, known)
        else:
            await background_jobs.start(tx, company_id, _REST, *known)
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
        {one: sorted(receipts[id_] for id_ in several if id_ in receipts) for one, several in meant.items()}, done
    )


async def _receipts(tx: Tx, company_id: int, counted: Sequence[personal_data.Count], key_id: int | None) -> None:
    """Write the receipts, while the addresses can still be read."""
    site = await sites.of_company(tx, company_id)
    erased: dict[int, dict[str, str]] = defaultdict(dict)
    kept: dict[int, dict[str, str]] = defaultdict(dict)
    for one in counted:
        for count, counts in ((one.gone, erased), (one.kept, kept)):
            if count:
                counts[one.lead_id][one.part] = str(count)
    known = sorted({one.lead_id for one in counted})
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
        """,
        company_id,
        key_id,
        known,
        [marks.get(one) for one in known],
        [msgspec.json.encode(erased[one]).decode() for one in known],
        [msgspec.json.encode(kept[one]).decode() for one in known],
    )


async def _finish(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Note on the receipts that nothing is left."""
    await tx.rows(
        """
        update erasure set done_timestamp = now()
        where company_id = $1 and lead_id = any($2::bigint[]) and done_timestamp is null
        """,
        company_id,
        lead_ids,
    )


async def _step(tx: Tx, company_id: int, lead_id: int, cursor: int) -> int | None:
    if not await personal_data.remove(tx, company_id, [lead_id]):
        return cursor + 1
    await _finish(tx, company_id, [lead_id])
    return None


STEPS: Mapping[str, background_jobs.Step] = {_REST: _step}


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
    """Receipts, oldest first: of all erasures, of some leads, or of those who had an address."""
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
