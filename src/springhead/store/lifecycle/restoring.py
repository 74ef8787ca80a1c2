"""Restoring leads from the recycle bin, with everything about them that still exists.

Locks rows as docs/lock-order.md says.
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from springhead.model.kit.columns import Noun
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.events import RESTORED
from springhead.model.leads.leads import LEAD
from springhead.model.leads.opt_outs import OPTED_IN, OPTED_OUT
from springhead.model.lists import LIST_MEMBER
from springhead.model.sales.notes import NOTE, TASK
from springhead.model.sales.opportunities import OPPORTUNITY_LEAD
from springhead.store.capture import visitors
from springhead.store.database import sql
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.feed.changes import event_entry, lists_of_lead_entry
from springhead.store.fields import unique_values
from springhead.store.leads import lead_status
from springhead.store.leads.opt_out_clauses import hash_of, opted_out
from springhead.store.lifecycle.recycling import RESTORABLE, lock_recycling
from springhead.store.lists import filtered_lists, removals
from springhead.store.lists.members import update_counts
from springhead.store.nouns.reads import Rows, Select
from springhead.store.nouns.table import expire_page_starts
from springhead.store.sales import opportunities

SOURCE = "deleted_lead d cross join lateral jsonb_populate_record(null::lead, d.lead) l"
"""The source of a Select that shows leads of the bin: `l` is the lead, `d` the row of the bin."""


class Restored(msgspec.Struct, frozen=True):
    """The outcome of a restore: the ids that were in the bin, and the ids of those that were restored.

    The others were not restored, because another lead has their address or their value of a unique field now.
    """

    in_bin: Collection[int]
    restored: Collection[int]


async def restore(tx: Tx, company_id: int, fields: FieldSet, lead_ids: Sequence[int]) -> Restored:
    """Restores leads, with everything about them that still exists. Needs a transaction."""
    await lock_recycling(tx, company_id)
    in_bin = [row["id"] for row in await tx.rows(_LOCK, company_id, lead_ids)]
    if not in_bin:
        return Restored((), ())
    without_conflict = await _without_conflict(tx, company_id, fields, in_bin)
    named = await tx.rows(_OPPORTUNITIES, company_id, without_conflict)
    await opportunities.lock(tx, company_id, {row["id"] for row in named})
    restored = [row["id"] for row in await tx.rows(_RESTORE_LEADS, company_id, without_conflict)]
    if restored:
        tx.changed = True
        await _restore_parts(tx, company_id, fields, sorted(restored))
    return Restored(in_bin, restored)


async def _without_conflict(tx: Tx, company_id: int, fields: FieldSet, lead_ids: Sequence[int]) -> list[int]:
    """The leads of the bin whose values of unique fields no other lead has."""
    if not fields.unique_fields:
        return list(lead_ids)
    rows = await tx.rows(
        """
        select d.id, coalesce(d.lead->'custom', '{}')::text as custom from deleted_lead d
        where d.company_id = $1 and d.id = any($2::bigint[])
        order by d.id
        """,
        company_id,
        lead_ids,
    )
    customs = {row["id"]: msgspec.json.decode(row["custom"], type=dict[str, Any]) for row in rows}
    taken = await unique_values.find_conflicts(tx, company_id, fields, customs, among={})
    return [lead_id for lead_id in lead_ids if lead_id not in taken]


async def _restore_parts(tx: Tx, company_id: int, fields: FieldSet, lead_ids: Sequence[int]) -> None:
    """Restores the rows that were deleted with these leads, which exist again."""
    if await unique_values.store_values(tx, company_id, fields, lead_ids):  # another call took a value just now
        raise TryAgain
    await tx.rows(_RESTORE_LINKS, company_id, lead_ids)
    member_lists = await tx.rows(_LISTS, company_id, lead_ids)
    list_ids = [*(row["id"] for row in member_lists), *(entry.list_id for entry in fields.list_filters)]
    await removals.lock(tx, company_id, list_ids)
    await tx.rows(_RESTORE_MEMBERS, company_id, lead_ids)
    links = await tx.rows(_VISITORS, company_id, lead_ids)
    await visitors.link_leads(tx, company_id, [(row["lead_id"], row["tracking_id"]) for row in links], only_free=True)
    await tx.rows(_RESTORE_BELONGINGS, company_id, lead_ids)
    for query in _RESTORE_NOTES.values():
        await tx.rows(query, company_id, lead_ids)
    await tx.rows(
        "delete from deleted_lead_part where company_id = $1 and lead_id = any($2::bigint[])", company_id, lead_ids
    )
    await lead_status.refresh(tx, company_id, fields, lead_ids)
    await filtered_lists.update_members(tx, company_id, fields, lead_ids)


_LOCK = statement(
    f"""
    select d.id from deleted_lead d
    where d.company_id = $1 and d.id = any($2::bigint[]) and {RESTORABLE}
    order by d.id for update
    """
)

_OPPORTUNITIES = statement(
    """
    select distinct coalesce((p.part->>'opportunity_id')::bigint, p.id) as id from deleted_lead_part p
    where p.company_id = $1 and p.lead_id = any($2::bigint[])
        and p.kind in ('opportunity_lead', 'primary', 'originating')
    """
)

_LISTS = statement(
    """
    select distinct (p.part->>'list_id')::bigint as id from deleted_lead_part p
    where p.company_id = $1 and p.lead_id = any($2::bigint[]) and p.kind = 'list_member'
    """
)

_REFERENCES = {column.sql: str(column.references) for column in LEAD.reference_columns}
_KEPT = ("email_key", "num_bounces", "hard_bounced", "create_timestamp")


_EVENTS = f"""events as (
        insert into event (company_id, lead_id, create_timestamp, event_source, event_name, event_data)
        select $1, r.id, now(), t.source, t.name, t.data
        from restored r
        join binned b on b.id = r.id
        left join opted_out a on a.address_hash = b.address_hash
        cross join lateral (values
            ('{RESTORED}', 'Lead restored', null::jsonb, true),
            ('{OPTED_OUT}', 'Unsubscribed', jsonb_build_object(
                'isUnsubscribed', jsonb_build_array(b.is_unsubscribed::int::text, '1'),
                'source', jsonb_build_array(null, a.source)
            ), r.is_unsubscribed and b.is_unsubscribed is not true),
            ('{OPTED_IN}', 'Subscribed again', jsonb_build_object(
                'isUnsubscribed', jsonb_build_array('1', '0'), 'source', jsonb_build_array(null, 'restoreLeads')
            ), b.is_unsubscribed and not r.is_unsubscribed)
        ) as t (source, name, data, applies)
        where t.applies
        order by r.id
        returning id
    )"""
"""A CTE with the events of `restored` leads. The flag of a lead can differ from the flag of its row `binned`."""


def _lead_restoration() -> str:
    known = "".join(
        f"""
        known_{table} as materialized (
            select r.id from {table} r
            where r.company_id = $1 and r.id = any(array(select {column} from binned))
            order by r.id for key share
        ),"""
        for column, table in sorted(_REFERENCES.items(), key=lambda pair: pair[1])
    )
    locked = "".join(f" and {sql.after(f'known_{table}')}" for table in sorted(_REFERENCES.values()))
    values = {name: f"b.{name}" for name in _KEPT}
    for column in LEAD.writable_columns:
        value = f"b.{column.sql}"
        if column.sql in _REFERENCES:
            value = f"case when {value} in (select id from known_{_REFERENCES[column.sql]}) then {value} end"
        values[column.sql] = f"coalesce({value}, {column.default})" if column.default else value
    values["is_unsubscribed"] = """case when b.address_hash in (select address_hash from opted_out) then true
            when b.is_unsubscribed then false  -- the address has opted in since the deletion
            else b.is_unsubscribed end"""
    return f"""
    with binned as materialized (
        select l.*, {hash_of("l.email_key")} as address_hash from {SOURCE}
        where d.company_id = $1 and d.id = any($2::bigint[])
    ),{opted_out("binned")},{known}
    fields as materialized (
        select f.system_name as name from field f where f.company_id = $1 and f.relationship = 'lead'
    ),
    restored as (
        insert into lead (company_id, id, version, update_timestamp, custom, {", ".join(values)})
        select $1, b.id, b.version + 1, greatest(now(), b.update_timestamp), coalesce((
            select jsonb_object_agg(c.key, c.value) from jsonb_each(b.custom) c
            where c.key in (select name from fields)
        ), '{{}}'), {", ".join(values.values())}
        from binned b
        where true{locked}
        order by b.email_key collate "C"
        on conflict do nothing
        returning id, is_unsubscribed
    ){expire_page_starts(LEAD, "restored")},
    {_EVENTS},
    {event_entry("events")},
    unbinned as (
        delete from deleted_lead d where d.company_id = $1 and d.id in (select id from restored)
    ),
    own_ids as (  -- a merged id belongs to the restored lead again
        delete from merged_lead o where o.company_id = $1 and o.id in (select id from restored)
    )
    select id from restored
    """


_RESTORE_LEADS = statement(_lead_restoration())

_RESTORE_LINKS = statement(
    f"""
    with links as materialized (
        select p.id, p.lead_id, x.version, x.create_timestamp, x.update_timestamp, x.opportunity_id
        from deleted_lead_part p
        cross join lateral jsonb_populate_record(null::opportunity_lead, p.part) x
        where p.company_id = $1 and p.lead_id = any($2::bigint[]) and p.kind = 'opportunity_lead'
    ),
    opportunities as materialized (
        select o.id from opportunity o
        where o.company_id = $1 and o.id = any(array(select opportunity_id from links))
    ),
    restored as (
        insert into opportunity_lead as l
            (company_id, id, version, create_timestamp, update_timestamp, opportunity_id, lead_id)
        select $1, k.id, k.version + 1, k.create_timestamp, greatest(now(), k.update_timestamp), k.opportunity_id,
            k.lead_id
        from links k join opportunities o on o.id = k.opportunity_id
        order by k.opportunity_id, k.lead_id
        on conflict (company_id, opportunity_id, lead_id) do nothing
        returning l.id
    ),
    named as materialized (
        select p.id, min(p.lead_id) filter (where p.kind = 'primary') as primary_id,
            min(p.lead_id) filter (where p.kind = 'originating') as originating_id
        from deleted_lead_part p
        where p.company_id = $1 and p.lead_id = any($2::bigint[]) and p.kind in ('primary', 'originating')
        group by p.id
    ),
    renamed as (
        update opportunity o set primary_lead_id = coalesce(o.primary_lead_id, n.primary_id),
            originating_lead_id = coalesce(o.originating_lead_id, n.originating_id),
            version = o.version + 1, update_timestamp = greatest(now(), o.update_timestamp)
        from named n
        where o.company_id = $1 and o.id = n.id and (
            (o.primary_lead_id is null and n.primary_id is not null)
            or (o.originating_lead_id is null and n.originating_id is not null)
        )
    ){expire_page_starts(OPPORTUNITY_LEAD, "restored")}
    select count(*) from restored
    """
)


def _notes(noun: Noun) -> Statement:
    """Re-points notes or tasks to restored leads, and restores the notes that were deleted with the leads."""
    table = noun.table
    roles = ("what", "who")
    ids = ", ".join(f"min(p.lead_id) filter (where p.kind = '{table}_{role}') as {role}_id" for role in roles)
    sets = ", ".join(
        f"{role}_type = case when l.{role}_id is null and p.{role}_id is not null then 'lead' else l.{role}_type end,"
        f" {role}_id = coalesce(l.{role}_id, p.{role}_id)"
        for role in roles
    )
    free = " or ".join(f"(l.{role}_id is null and p.{role}_id is not null)" for role in roles)
    texts = [
        column for column in noun.writable_columns if column.name not in {"whatID", "whatType", "whoID", "whoType"}
    ]
    inserted = f""",
        inserted as (
            insert into note (company_id, id, version, create_timestamp, update_timestamp, {sql.names(texts)},
                what_id, what_type, who_id, who_type)
            select $1, n.id, n.version + 1, n.create_timestamp, greatest(now(), n.update_timestamp),
                {sql.names(texts, table="n.")},
                p.what_id, case when p.what_id is not null then 'lead' end,
                p.who_id, case when p.who_id is not null then 'lead' end
            from parts p cross join lateral jsonb_populate_record(null::note, p.note) n
            where p.note is not null
            order by n.id
            on conflict (company_id, id) do nothing
        )"""
    return statement(
        f"""
        with parts as materialized (
            select p.id, {ids}, (array_agg(p.part->'note') filter (where p.part->>'note' is not null))[1] as note
            from deleted_lead_part p
            where p.company_id = $1 and p.lead_id = any($2::bigint[]) and p.kind in ('{table}_what', '{table}_who')
            group by p.id
        ),
        locked as materialized (
            select id from {table} where company_id = $1 and id = any(array(select id from parts))
            order by id for update
        ),
        repointed as (
            update {table} l set {sets},
                version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
            from parts p
            where l.company_id = $1 and l.id = p.id and ({free}) and {sql.after("locked")}
        ){inserted if noun is NOTE else ""}{expire_page_starts(noun, f"parts where {sql.after('locked')}")}
        select
        """
    )


_RESTORE_NOTES = {noun.table: _notes(noun) for noun in (NOTE, TASK)}

_RESTORE_BELONGINGS = statement(
    """
    with uploads as (
        update upload u set lead_id = u.deleted_lead_id, deleted_lead_id = null
        where u.company_id = $1 and u.deleted_lead_id = any($2::bigint[])
    )
    update call c set lead_id = c.deleted_lead_id, deleted_lead_id = null
    where c.company_id = $1 and c.deleted_lead_id = any($2::bigint[])
    """
)

_RESTORE_MEMBERS = statement(
    f"""
    with members as materialized (
        select p.id, p.lead_id, x.list_id, x.is_removed, x.create_timestamp, x.update_timestamp
        from deleted_lead_part p
        cross join lateral jsonb_populate_record(null::list_member, p.part) x
        where p.company_id = $1 and p.lead_id = any($2::bigint[]) and p.kind = 'list_member'
    ),
    lists as materialized (
        select t.id from list t
        where t.company_id = $1 and t.id = any(array(select list_id from members)) and t.filter is null
    ),
    restored as (
        insert into list_member as m
            (company_id, id, list_id, lead_id, is_removed, create_timestamp, update_timestamp)
        select $1, k.id, k.list_id, k.lead_id, k.is_removed, k.create_timestamp, k.update_timestamp
        from members k join lists t on t.id = k.list_id
        order by k.list_id, k.lead_id
        on conflict (company_id, list_id, lead_id) do nothing
        returning m.list_id, m.lead_id, m.is_removed
    ){update_counts("select list_id, (not is_removed)::int as active, is_removed::int as removed from restored")}{
        expire_page_starts(LIST_MEMBER, "restored")
    }{lists_of_lead_entry("restored where not is_removed")}
    select count(*) from restored
    """
)

_VISITORS = statement(
    """
    select p.lead_id, p.part->>'tracking_id' as tracking_id from deleted_lead_part p
    where p.company_id = $1 and p.lead_id = any($2::bigint[]) and p.kind = 'visitor'
    order by p.id
    """
)


async def find(
    tx: Tx,
    company_id: int,
    select: Select,
    *,
    ids: Sequence[int] | None,
    keys: Sequence[str] | None,
    zone: str,
    version: int,
    limit: int,
    offset: int,
) -> Rows:
    """The leads of the bin, the last deleted first: all leads, or the leads with these ids and email keys.

    The source of `select` is SOURCE. Returns no rows also if the field version has changed.
    """
    query = statement(
        f"""
        select {select.list} from {select.source}
        where d.company_id = $1 and {select.guard} and {RESTORABLE}
            and {"$6::bigint[] is null" if ids is None else "d.id = any($6)"}
            and {"$7::text[] is null" if keys is None else "d.email_key = any($7)"}
        order by d.deleted_at desc, d.id limit $4 offset $5
        """
    )
    rows = await tx.rows(query, company_id, zone, version, limit, offset, ids, keys)
    return select.rows(rows)
