"""Opt-outs of addresses. The statements that write leads read and record them (opt_out_clauses.py).

An opt-out of an address without a lead is recorded alone. If a lead gets the address at the same moment, a background
job unsubscribes this lead.
"""

from collections.abc import Collection, Mapping

from springhead.model.leads.events import Event
from springhead.model.leads.leads import LEAD
from springhead.model.leads.opt_outs import address_hash
from springhead.store.database import background_jobs
from springhead.store.database.background_jobs import STEP_ROWS, Step
from springhead.store.database.deadlines import LAST_WRITE_SECONDS
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.fields import fields as fieldsets
from springhead.store.leads import events
from springhead.store.leads.opt_out_clauses import hash_of, insertion, opted_out
from springhead.store.lists import filtered_lists

_JOB = "opt_out"


_FIND = statement(
    """
    select o.address_hash from opt_out o
    where o.company_id = $1 and o.address_hash = any($2::bytea[]) and o.active
    """
)


async def find(tx: Tx, company_id: int, email_keys: Collection[str]) -> set[str]:
    """Returns the addresses that have an opt-out."""
    hashes = {address_hash(company_id, key): key for key in email_keys}
    rows = await tx.rows(_FIND, company_id, list(hashes)) if hashes else []
    return {hashes[row["address_hash"]] for row in rows}


_RECORD = statement(
    "with decisions as materialized (",
    "select s.address_hash, true as active, $3::text as source from unnest($2::bytea[]) as s (address_hash)",
    f"){insertion('decisions')} returning 1",
)


async def record(tx: Tx, company_id: int, hashes: Collection[bytes], source: str) -> bool:
    """Records the opt-outs of addresses; returns whether any of them is new. The caller has locked their leads."""
    return bool(hashes and await tx.rows(_RECORD, company_id, list(set(hashes)), source))


async def opt_out(tx: Tx, company_id: int, hashes: Collection[bytes], source: str) -> bool:
    """Records the opt-outs of addresses that may have no lead; returns whether any of them is new.

    Needs a transaction. Jobs unsubscribe a lead that has such an address: one now, and one when no write can be left
    that has not seen the opt-out.
    """
    if not await record(tx, company_id, hashes, source):
        return False
    await background_jobs.start(tx, company_id, _JOB, 0)
    await background_jobs.start(tx, company_id, _JOB, 1, delay=LAST_WRITE_SECONDS)
    return True


async def key_of_lead(tx: Tx, company_id: int, lead_id: int) -> str | None:
    """Returns the normalised address of a lead, which may be in the recycle bin; None if it is in neither."""
    return await tx.value(
        """
        select email_key from lead where company_id = $1 and id = $2
        union all
        select d.email_key from deleted_lead d where d.company_id = $1 and d.id = $2
        limit 1
        """,
        company_id,
        lead_id,
    )


_SUBSCRIBED = statement(
    f"""
    with page as materialized (
        select l.id, l.is_unsubscribed is not true as subscribed, {hash_of("l.email_key")} as address_hash
        from lead l where l.company_id = $1 and l.id > $2
        order by l.id limit $3
    ),{opted_out("page")}
    select p.id, o.source from page p
    left join opted_out o on o.address_hash = p.address_hash and p.subscribed
    where o.source is not null or p.id = (select max(id) from page)
    order by p.id
    """
)

_UNSUBSCRIBE = statement(
    """
    with before as materialized (
        select l.id, l.is_unsubscribed from lead l
        where l.company_id = $1 and l.id = any($2::bigint[]) and l.is_unsubscribed is not true
    )
    update lead l set is_unsubscribed = true,
        version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
    from before b
    where l.company_id = $1 and l.id = b.id
    returning l.id, b.is_unsubscribed as before
    """
)


async def _step(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
    """Unsubscribes the leads of a page whose addresses have opt-outs. `cursor` is the last lead before the page."""
    rows = await tx.rows(_SUBSCRIBED, company_id, cursor, STEP_ROWS)
    sources = {row["id"]: row["source"] for row in rows if row["source"] is not None}
    if sources:
        await _unsubscribe(tx, company_id, sources)
    return rows[-1]["id"] if rows else None


async def _unsubscribe(tx: Tx, company_id: int, sources: Mapping[int, str]) -> None:
    """Unsubscribes leads, given with the sources of their opt-outs."""
    ids = sorted(sources)
    await tx.rows(
        "select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for no key update",
        company_id,
        ids,
    )
    changed = await tx.rows(_UNSUBSCRIBE, company_id, ids)
    await events.write(tx, company_id, [_event(row["id"], row["before"], sources[row["id"]]) for row in changed])
    fields = await fieldsets.load(tx, company_id)
    await filtered_lists.update_members(tx, company_id, fields, [row["id"] for row in changed])


def _event(lead_id: int, before: bool | None, source: str) -> Event:
    """The event of an opt-out, the same as a write of leads records (`store/leads/event_clauses.py`)."""
    kind, name = LEAD.events.special["isUnsubscribed"] if LEAD.events else ("", "")
    changed = [None if before is None else str(int(before)), "1"]
    return Event(lead_id=lead_id, source=kind, name=name, data={"isUnsubscribed": changed, "source": [None, source]})


STEPS: Mapping[str, Step] = {_JOB: _step}
