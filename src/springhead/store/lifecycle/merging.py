"""Merging leads: moves everything about merged leads to their survivors. A merged id then stands for the survivor.

Locks rows as docs/lock-order.md says. The statements take pairs: a merged lead (`$2`) and its survivor (`$3`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from springhead.model.feed.changes import KIND_BY_SOURCE
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD
from springhead.model.leads.opt_outs import address_hash
from springhead.model.lists import LIST_MEMBER
from springhead.model.sales.opportunities import OPPORTUNITY_LEAD
from springhead.store.capture import visitors
from springhead.store.database import background_jobs, sql
from springhead.store.database.background_jobs import STEP_ROWS, Step
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.database.sql import names, statement
from springhead.store.feed.changes import event_entry, lists_of_lead_entry
from springhead.store.fields import unique_values
from springhead.store.leads import event_clauses, lead_status, merged_ids, opt_outs
from springhead.store.lifecycle import recycling
from springhead.store.lists import filtered_lists, members, removals
from springhead.store.lists.members import update_counts
from springhead.store.nouns.table import expire_page_starts
from springhead.store.sales import notes, opportunities
from springhead.store.scores import scoring

KIND = "merge"

Lead = dict[str, Any]


class Merge(msgspec.Struct, frozen=True):
    """The new values of a survivor (`lead`), and the ids of the leads that are merged into it (`others`)."""

    lead: Lead
    others: Sequence[int]


_PAIR = """
        pair as materialized (
            select p.id, p.lead_id from unnest($2::bigint[], $3::bigint[]) as p (id, lead_id)
        )"""


async def lock_leads(tx: Tx, company_id: int, lead_ids: Collection[int], merged: Collection[int]) -> dict[int, Lead]:
    """Locks the opportunities of the merged leads, then all leads of the merge (`lead_ids`); returns the leads.

    Raises TryAgain if a lead was deleted, or linked to another opportunity, meanwhile.
    """
    opportunity_ids = await _opportunity_ids(tx, company_id, merged)
    await opportunities.lock(tx, company_id, opportunity_ids)
    await members.lock_leads(tx, company_id, list(lead_ids))
    rows = await tx.rows(
        "select l.id, to_jsonb(l)::text as lead from lead l where l.company_id = $1 and l.id = any($2::bigint[])",
        company_id,
        list(lead_ids),
    )
    if len(rows) < len(lead_ids) or await _opportunity_ids(tx, company_id, merged) - opportunity_ids:
        raise TryAgain
    return {row["id"]: msgspec.json.decode(row["lead"], type=Lead) for row in rows}


async def _opportunity_ids(tx: Tx, company_id: int, lead_ids: Collection[int]) -> set[int]:
    """The ids of the opportunities that are linked to these leads or name them."""
    rows = await tx.rows(
        """
        select x.opportunity_id as id from opportunity_lead x
        where x.company_id = $1 and x.lead_id = any($2::bigint[])
        union
        select o.id from opportunity o
        where o.company_id = $1 and (
            o.primary_lead_id = any($2::bigint[]) or o.originating_lead_id = any($2::bigint[])
        )
        """,
        company_id,
        list(lead_ids),
    )
    return {row["id"] for row in rows}


async def lock_references(tx: Tx, company_id: int, references: Mapping[str, Collection[int]]) -> dict[str, set[int]]:
    """Locks the rows that leads refer to against deletion; returns the existing ids by column of leads."""
    return {
        column: {row["id"] for row in await tx.rows(_LOCK_REFERENCES[column], company_id, list(ids))}
        for column, ids in references.items()
        if ids
    }


_LOCK_REFERENCES = {
    column.sql: statement(
        f"select id from {column.references} where company_id = $1 and id = any($2::bigint[]) order by id for key share"
    )
    for column in LEAD.reference_columns
}
REFERENCES = tuple(_LOCK_REFERENCES)
"""The columns of leads that refer to rows of other tables."""


async def address_owners(tx: Tx, company_id: int, keys: Collection[str]) -> dict[str, int]:
    """The ids of the leads that have these addresses, by email key."""
    rows = await tx.rows(
        "select email_key, id from lead where company_id = $1 and email_key = any($2::text[])", company_id, list(keys)
    )
    return {row["email_key"]: row["id"] for row in rows}


async def merge(tx: Tx, company_id: int, fields: FieldSet, merges: Sequence[Merge], *, source: str) -> bool:
    """Merges leads, all of which the caller has locked; returns whether background jobs move the remaining events.

    `source` is recorded with the opt-outs of the survivors.
    """
    pairs = [(other, planned.lead["id"]) for planned in merges for other in planned.others]
    merged, survivors = [other for other, _ in pairs], [survivor for _, survivor in pairs]
    await tx.replan()
    unsubscribed = [planned.lead["email_key"] for planned in merges if planned.lead["is_unsubscribed"]]
    await opt_outs.record(tx, company_id, [address_hash(company_id, key) for key in unsubscribed], source)
    # Waits for jobs that still move events of earlier merges into these leads.
    await tx.rows(
        "select id from merged_lead where company_id = $1 and lead_id = any($2::bigint[]) order by id for update",
        company_id,
        merged,
    )
    member_lists = await tx.rows(
        "select distinct list_id from list_member where company_id = $1 and lead_id = any($2::bigint[])",
        company_id,
        merged,
    )
    won = await tx.rows(_MOVE_LINKS, company_id, merged, survivors)
    list_ids = {row["list_id"] for row in member_lists} | {entry.list_id for entry in fields.list_filters}
    await removals.lock(tx, company_id, sorted(list_ids))
    await tx.rows(_MOVE_MEMBERS, company_id, merged, survivors)
    await visitors.lock_of_leads(tx, company_id, merged)
    await tx.rows(_MOVE_BELONGINGS, company_id, merged, survivors)
    moved = await tx.value(_MOVE_EVENTS, company_id, merged, survivors, list(KIND_BY_SOURCE), STEP_ROWS)
    await notes.repoint_leads(tx, company_id, merged, survivors)
    await tx.rows(_DELETE_MERGED, company_id, merged, survivors)
    await recycling.schedule_purge(tx, company_id)
    updates = [
        {"id": planned.lead["id"], "merged": [str(other) for other in planned.others], "lead": planned.lead}
        for planned in merges
    ]
    await tx.rows(_UPDATE_SURVIVORS, company_id, msgspec.json.encode(updates).decode())
    tx.changed = True
    leads = sorted(set(survivors))
    if await unique_values.store_values(tx, company_id, fields, leads):  # another call took a value just now
        raise TryAgain
    await lead_status.refresh(tx, company_id, fields, leads, won=[row["lead_id"] for row in won])
    await filtered_lists.update_members(tx, company_id, fields, leads)
    if moved == STEP_ROWS:
        await background_jobs.start(tx, company_id, KIND, *merged)
    return moved == STEP_ROWS


_MOVE_LINKS = statement(
    f"""
    with{_PAIR},
    merged_links as materialized (
        select x.id, x.opportunity_id, p.lead_id,
            row_number() over (partition by x.opportunity_id, p.lead_id order by x.id) as place,
            exists (
                select from opportunity_lead w
                where w.company_id = $1 and w.opportunity_id = x.opportunity_id and w.lead_id = p.lead_id
            ) as survivor_has_it
        from opportunity_lead x join pair p on p.id = x.lead_id
        where x.company_id = $1 and x.lead_id = any($2::bigint[])
    ),
    deleted as (
        delete from opportunity_lead x
        where x.company_id = $1 and x.id = any(array(select id from merged_links where survivor_has_it or place > 1))
    ),
    moved as (
        update opportunity_lead x set lead_id = m.lead_id,
            version = x.version + 1, update_timestamp = greatest(now(), x.update_timestamp)
        from merged_links m
        where x.company_id = $1 and x.id = m.id and not m.survivor_has_it and m.place = 1
    ),
    named as (
        update opportunity o set
            primary_lead_id = coalesce(
                (select p.lead_id from pair p where p.id = o.primary_lead_id), o.primary_lead_id
            ),
            originating_lead_id = coalesce(
                (select p.lead_id from pair p where p.id = o.originating_lead_id), o.originating_lead_id
            ),
            version = o.version + 1, update_timestamp = greatest(now(), o.update_timestamp)
        where o.company_id = $1
            and (o.primary_lead_id = any($2::bigint[]) or o.originating_lead_id = any($2::bigint[]))
    ){expire_page_starts(OPPORTUNITY_LEAD, "merged_links")}
    select distinct m.lead_id
    from merged_links m join opportunity o on o.company_id = $1 and o.id = m.opportunity_id
    where o.is_won
    """
)

_MOVE_BELONGINGS = statement(
    f"""
    with{_PAIR},
    visitors as (
        update visitor v set lead_id = p.lead_id from pair p where v.company_id = $1 and v.lead_id = p.id
    ),
    uploads as (
        update upload u set lead_id = p.lead_id from pair p where u.company_id = $1 and u.lead_id = p.id
    )
    update call c set lead_id = p.lead_id from pair p where c.company_id = $1 and c.lead_id = p.id
    """
)

_MOVE_EVENTS = statement(
    f"""
    with{_PAIR},
    step as materialized (  -- events about changes of the merged lead itself stay with its id
        select e.id, p.lead_id from event e join pair p on p.id = e.lead_id
        where e.company_id = $1 and e.lead_id = any($2::bigint[]) and e.event_source <> all($4::text[])
        limit $5
    ),
    moved as (
        update event e set lead_id = s.lead_id from step s where e.company_id = $1 and e.id = s.id
    )
    select count(*) from step
    """
)

_MOVE_MEMBERS = statement(
    f"""
    with{_PAIR},
    merged_members as materialized (
        select m.id, p.lead_id,
            row_number() over (partition by m.list_id, p.lead_id order by m.is_removed, m.id) as place,
            exists (
                select from list_member w
                where w.company_id = $1 and w.list_id = m.list_id and w.lead_id = p.lead_id
            ) as survivor_has_it
        from list_member m join pair p on p.id = m.lead_id
        where m.company_id = $1 and m.lead_id = any($2::bigint[])
            and exists (select from list t where t.company_id = $1 and t.id = m.list_id and t.filter is null)
    ),
    deleted as (
        delete from list_member m
        where m.company_id = $1 and m.lead_id = any($2::bigint[])
            and m.id <> all(array(select id from merged_members where not survivor_has_it and place = 1))
        returning m.list_id, m.is_removed
    ),
    moved as (
        update list_member m set lead_id = x.lead_id, update_timestamp = now()
        from merged_members x
        where m.company_id = $1 and m.id = x.id and not x.survivor_has_it and x.place = 1
        returning m.lead_id, m.is_removed
    ){update_counts("select list_id, (not is_removed)::int * -1 as active, -is_removed::int as removed from deleted")}{
        expire_page_starts(LIST_MEMBER, "deleted")
    }{lists_of_lead_entry("moved where not is_removed")}
    select count(*) from deleted
    """
)

_DELETE_MERGED = statement(
    f"""
    with{_PAIR},
    deleted as (
        delete from lead l using pair p
        where l.company_id = $1 and l.id = p.id and l.id = any($2::bigint[])
        returning l.*, p.lead_id as merged_into
    ){expire_page_starts(LEAD, "deleted")},
    events as (
        insert into event (company_id, lead_id, create_timestamp, event_source, event_name, event_data)
        select $1, g.id, now(), 'leadDeletion', 'Lead merged into another one',
            jsonb_build_object('mergedInto', jsonb_build_array(null, g.merged_into::text))
        from deleted g order by g.id
        returning id
    ),
    {event_entry("events")}{recycling.bin_leads("deleted", merged_into="d.merged_into")},
    earlier_merged_ids as (
        update merged_lead m set lead_id = p.lead_id from pair p where m.company_id = $1 and m.lead_id = p.id
    )
    insert into merged_lead (company_id, id, lead_id, create_timestamp)
    select $1, g.id, g.merged_into, now() from deleted g order by g.id
    returning id
    """
)

_WRITTEN = ", ".join(
    f"{name} = n.{name}"
    for name in (*names(LEAD.writable_columns).split(", "), "email_key", "num_bounces", "hard_bounced")
)
_UPDATE_SURVIVORS = statement(
    f"""
    with sent as materialized (
        select s.id as survivor_id, s.merged, n.*
        from jsonb_to_recordset($2::jsonb) as s (id bigint, merged jsonb, lead jsonb)
        cross join lateral jsonb_populate_record(null::lead, s.lead) n
    ),
    locked as materialized (
        select l.* from lead l where l.company_id = $1 and l.id = any(array(select survivor_id from sent))
        order by l.id for update
    ),
    changed as (
        update lead l set {_WRITTEN}, custom = n.custom,
            version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
        from sent n
        where l.company_id = $1 and l.id = n.survivor_id and {sql.after("locked")}
        returning l.*, n.merged
    ){event_clauses.of_merge(LEAD)}
    select count(*) from changed
    """
)


async def _step(tx: Tx, company_id: int, lead_id: int, cursor: int) -> int | None:
    """Moves the events that the merge left, unless the lead was restored since; then scores the survivor again."""
    if cursor < 0:
        leads = await merged_ids.survivors(tx, company_id, [lead_id])
        await scoring.score_again(tx, company_id, list(leads.values()))
        return None
    survivor = await tx.value(
        "select lead_id from merged_lead where company_id = $1 and id = $2 order by id for share", company_id, lead_id
    )
    if survivor is None:
        return None
    moved = await tx.value(_MOVE_EVENTS, company_id, [lead_id], [survivor], list(KIND_BY_SOURCE), STEP_ROWS)
    return cursor + moved if moved == STEP_ROWS else -1


STEPS: Mapping[str, Step] = {KIND: _step}
