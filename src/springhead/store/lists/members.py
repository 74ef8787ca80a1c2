"""Members of lists, and the lists' counts, which change in the statement that changes the members.

Locks leads by id, then lists by id, then members (docs/lock-order.md). So a statement waits for the deletion of a lead
or a list, and never adds a deleted lead or adds to a deleted list.
"""

from collections.abc import Sequence

import msgspec

from springhead.model.leads.events import LIST_JOINED, LIST_LEFT, NAME_LENGTH
from springhead.model.leads.leads import LEAD
from springhead.model.lists import LIST_MEMBER
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.feed.changes import membership_entry
from springhead.store.lifecycle.recycling import bin_parts
from springhead.store.nouns.reads import Rows, Select
from springhead.store.nouns.table import expire_page_starts

WITH_LEADS = """list_member l cross join lateral (
            select p.* from lead p where p.company_id = $1 and p.id = l.lead_id offset 0
        ) as p"""
"""The source of a Select that shows members with columns of their leads `p`.

`offset 0` makes PostgreSQL find the lead of each member by its id, so that a page stops at its limit. It would plan a
join as a scan of all leads, because it takes each company for 0.5 % of its tables (store/database/migrate.py).
"""

_LEADS_FIRST = """lead p cross join lateral (
            select l.* from list_member l
            where l.company_id = $1 and l.list_id = $4 and l.lead_id = p.id offset 0
        ) as l"""
"""Like WITH_LEADS, for a condition that few leads meet: PostgreSQL finds each of these leads in the list `$4`."""

_FLAGGED = {"unsubscribed": "p.is_unsubscribed", "hardbounced": "p.hard_bounced"}
"""The flags of leads among REMOVED_FLAGS, as conditions. The leads with each of them have an index."""

_COUNT_FLAGGED = {
    flag: statement(
        f"select count(*) from (select 1 from lead p where p.company_id = $1 and {flagged} limit $2) as few"
    )
    for flag, flagged in _FLAGGED.items()
}

_FEW_LEADS = 1_000
"""Up to so many flagged leads, a read looks each of them up in the list. Of more leads, it goes through the list."""


def _members_first(flagged: str) -> str:
    """Like WITH_LEADS, for a condition that many leads meet: goes through the list `$4` until the page is full.

    Current and removed members have an index each, so PostgreSQL merges both in the order of their ids.
    """
    members = " union all ".join(
        f"(select * from list_member where company_id = $1 and list_id = $4 and {state} order by id)"
        for state in ("not is_removed", "is_removed")
    )
    return f"""({members}) as l cross join lateral (
            select p.* from lead p where p.company_id = $1 and p.id = l.lead_id and {flagged} offset 0
        ) as p"""


WITH_LISTS = "list_member l join list t on t.company_id = l.company_id and t.id = l.list_id"
"""The source of a Select that shows members with columns of their lists, without those of deleted lists."""

OF_A_LIST = "exists (select from list t where t.company_id = $1 and t.id = l.list_id)"
"""The condition that the list of a member `l` exists: a background job deletes the members of deleted lists."""


class MemberOutcome(msgspec.Struct, frozen=True):
    """The outcome of adding or removing one member; `id` is None if nothing changed.

    `listed`: the list exists. `has_filter`: the list has a filter, so calls cannot change its members.
    `known`: the lead exists.
    """

    id: int | None
    listed: bool
    has_filter: bool
    known: bool


def update_counts(changes: str) -> str:
    """Returns CTEs (with leading comma) that update the counts of lists.

    `changes` is a select of list_id, active and removed: the change of each count by a row. It must depend on a CTE
    that has locked the lists. The sums are a CTE of their own: if a list changed while the statement waited for it,
    PostgreSQL joins its row again, and a subquery would return nothing then.
    """
    return f""",
            summed as materialized (
                select list_id, sum(active)::bigint as active, sum(removed)::bigint as removed
                from ({changes}) as change group by list_id
            ),
            counted as (
                update list t set member_count = t.member_count + c.active, removed_count = t.removed_count + c.removed
                from summed c
                where t.company_id = $1 and t.id = c.list_id
            )"""


def membership_events(changes: str, *, in_feed: bool = True) -> str:
    """Returns CTEs (with leading comma) that write events; `changes` is a select of list_id, lead_id and joins.

    With `in_feed`, adds the events to the change feed. Jobs that change the members of a whole list leave that out, and
    call `list_changed` of the feed at their end.
    """
    entry = f",{membership_entry('member_events')}" if in_feed else ""
    return f""",
            member_events as (
                insert into event
                    (company_id, lead_id, create_timestamp, event_source, event_name, what_type, what_id)
                select $1, c.lead_id, now(), case when c.joins then '{LIST_JOINED}' else '{LIST_LEFT}' end,
                    left(case when c.joins then 'Joined list: ' else 'Left list: ' end || (
                        select t.name from list t where t.company_id = $1 and t.id = c.list_id
                    ), {NAME_LENGTH}), 'list', c.list_id
                from ({changes}) as c
                order by c.lead_id, c.list_id
                returning id, lead_id
            ){entry}"""


JOINED = """
    on conflict (company_id, list_id, lead_id) do update
        set is_removed = false,
            create_timestamp = excluded.create_timestamp, update_timestamp = excluded.update_timestamp
        where m.is_removed
    returning m.id, m.list_id, m.lead_id
"""
"""Adding a removed member again reuses its row. For a lead that is a member already, no row is returned."""


def _sent(*, by_address: bool) -> str:
    """Returns the pairs of a call as rows of list_id, lead_id and position.

    The parameter is JSON: for an array, PostgreSQL would expect ten rows and plan nested loops.
    """
    rows = f"""rows from (
                jsonb_to_recordset($2::jsonb) as (list_id bigint, lead {"text" if by_address else "bigint"})
            ) with ordinality as s (list_id, lead, position)"""
    if not by_address:
        return f"select s.list_id, s.lead as lead_id, s.position from {rows}"
    return f"""select s.list_id, p.id as lead_id, s.position from {rows}
            left join lead p on p.company_id = $1 and p.email_key = s.lead"""


def among(value: str, rows: str) -> str:
    """Returns a condition: the value is one of the rows. Uses a hash table; a join could become a nested loop."""
    return f"(({value} in ({rows})) is true)"


_OUTCOME = """
        select array(select lead_id from sent order by position) as leads,
            array(select id from lists) as lists,
            array(select id from lists where has_filter) as filtered,
            array(select id from changed) as ids,
            array(select list_id from changed) as id_lists,
            array(select lead_id from changed) as id_leads"""
"""The result in one row: the lead of each pair, the lists, and the changed members."""


def _addition(*, by_address: bool) -> Statement:
    return statement(
        f"""
        with sent as materialized (
            select s.*, nextval('list_member_id_seq') as new_id from ({_sent(by_address=by_address)}) as s
        ),
        leads as materialized (
            select p.id from lead p
            where p.company_id = $1 and p.id = any(array(select lead_id from sent)) order by p.id for key share
        ),
        lists as materialized (  -- locked after the leads
            select t.id, t.filter is not null as has_filter from list t
            where t.company_id = $1 and t.id = any(array(select list_id from sent))
                and {sql.after("leads")}
            order by t.id for update
        ),
        first as materialized (  -- a statement changes a row once
            select distinct on (s.list_id, s.lead_id) s.list_id, s.lead_id, s.new_id
            from sent s
            where {among("s.lead_id", "select id from leads")}
                and {among("s.list_id", "select id from lists where not has_filter")}
            order by s.list_id, s.lead_id, s.position
        ),
        made as (
            insert into list_member as m (company_id, id, list_id, lead_id, create_timestamp, update_timestamp)
            select $1, f.new_id, f.list_id, f.lead_id, now(), now() from first f order by f.list_id, f.lead_id
            {JOINED}
        ),
        changed as materialized (
            select m.*, not {among("m.id", "select new_id from sent")} as back from made m
        ){update_counts("select list_id, 1 as active, -back::int as removed from changed")}{
            expire_page_starts(LIST_MEMBER, "changed where back")
        }{membership_events("select list_id, lead_id, true as joins from changed")}
        {_OUTCOME}, array(select id from leads) as known
        """
    )


def _removal(*, by_address: bool) -> Statement:
    return statement(
        f"""
        with sent as materialized (
            {_sent(by_address=by_address)}
        ),
        lists as materialized (
            select t.id, t.filter is not null as has_filter from list t
            where t.company_id = $1 and t.id = any(array(select list_id from sent)) order by t.id for update
        ),
        first as materialized (
            select (
                select m.id from list_member m
                where m.company_id = $1 and m.list_id = s.list_id and m.lead_id = s.lead_id
            ) as id
            from sent s
            where {among("s.list_id", "select id from lists where not has_filter")}
        ),
        changed as (
            update list_member m set is_removed = true, update_timestamp = now()
            where m.company_id = $1 and m.id = any(array(select id from first)) and not m.is_removed
            returning m.id, m.list_id, m.lead_id
        ){update_counts("select list_id, -1 as active, 1 as removed from changed")}{
            expire_page_starts(LIST_MEMBER, "changed")
        }{membership_events("select list_id, lead_id, false as joins from changed")}
        {_OUTCOME}, '{{}}'::bigint[] as known
        """
    )


_ADD = {by_address: _addition(by_address=by_address) for by_address in (False, True)}
_REMOVE = {by_address: _removal(by_address=by_address) for by_address in (False, True)}


async def add(
    tx: Tx, company_id: int, list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]
) -> list[MemberOutcome]:
    """Adds leads to lists, pair by pair. All leads are given by id, or all by the key of their email address."""
    return await _change(tx, _ADD[_by_address(leads)], company_id, list_ids, leads)


async def remove(
    tx: Tx, company_id: int, list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]
) -> list[MemberOutcome]:
    """Removes leads from lists, pair by pair. Their rows stay and are marked as removed."""
    return await _change(tx, _REMOVE[_by_address(leads)], company_id, list_ids, leads)


async def _change(
    tx: Tx, query: Statement, company_id: int, list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]
) -> list[MemberOutcome]:
    (row,) = await tx.rows(query, company_id, _pairs(list_ids, leads))
    tx.changed |= bool(row["ids"])
    lists, filtered, known = set(row["lists"]), set(row["filtered"]), set(row["known"])
    ids = dict(zip(zip(row["id_lists"], row["id_leads"], strict=True), row["ids"], strict=True))
    return [  # if a pair was sent twice, the first one has the id
        MemberOutcome(ids.pop((list_id, lead), None), list_id in lists, list_id in filtered, lead in known)
        for list_id, lead in zip(list_ids, row["leads"], strict=True)
    ]


def _pairs(list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]) -> str:
    pairs = [{"list_id": list_id, "lead": lead} for list_id, lead in zip(list_ids, leads, strict=True)]
    return msgspec.json.encode(pairs).decode()


def _by_address(leads: Sequence[int] | Sequence[str]) -> bool:
    return bool(leads) and isinstance(leads[0], str)


_DELETE_MEMBERSHIPS = statement(
    f"""
    with lists as materialized (
        select t.id from list t
        where t.company_id = $1 and t.id = any(array(
            select m.list_id from list_member m where m.company_id = $1 and m.lead_id = any($2::bigint[])
        ))
        order by t.id for update
    ),
    gone as (
        delete from list_member m
        where m.company_id = $1 and m.lead_id = any($2::bigint[]) and {sql.after("lists")}
        returning m.*
    ){bin_parts("list_member", "select lead_id, id, to_jsonb(gone) as part from gone")}{
        update_counts("select list_id, (not is_removed)::int * -1 as active, -is_removed::int as removed from gone")
    }{expire_page_starts(LIST_MEMBER, "gone")}
    select count(*) from gone
    """
)


_LOCK_LEADS = statement(
    f"""
    with locked as materialized (
        select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for update
    ){expire_page_starts(LEAD, "locked")}
    select id from locked  -- reads all rows, because a CTE locks only the rows that are read
    """
)


async def lock_leads(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[int]:
    """Locks leads that the caller will delete or merge; returns the ids of the leads that exist.

    The caller must delete no other lead: if another lead were restored meanwhile, its restored rows would stay behind.
    Also ends the page starts of leads, because `shift (lead)` is locked before lists (docs/lock-order.md).
    """
    return [row["id"] for row in await tx.rows(_LOCK_LEADS, company_id, lead_ids)]


async def delete_memberships(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Deletes all memberships of leads that the caller has locked and will delete. Updates counts, writes no events."""
    await tx.rows(_DELETE_MEMBERSHIPS, company_id, lead_ids)


async def find_by_flag(
    tx: Tx,
    company_id: int,
    select: Select,
    list_id: int,
    flag: str,
    *,
    zone: str,
    version: int,
    limit: int,
    offset: int,
) -> Rows:
    """The members of a list with a flag of REMOVED_FLAGS, by id.

    Returns no rows also if the field version has changed.
    """
    source, condition = WITH_LEADS, "l.is_removed"
    if flagged := _FLAGGED.get(flag):
        many = await tx.value(_COUNT_FLAGGED[flag], company_id, _FEW_LEADS + 1) > _FEW_LEADS
        source, condition = _members_first(flagged) if many else _LEADS_FIRST, f"p.company_id = $1 and {flagged}"
    query = statement(
        f"""
        select {select.list}
        from {source}
        where {select.guard} and l.list_id = $4 and {condition} and {OF_A_LIST}
        order by l.id
        limit $5 offset $6
        """
    )
    return select.rows(await tx.rows(query, company_id, zone, version, list_id, limit, offset))


async def find_by_lead(
    tx: Tx,
    company_id: int,
    select: Select,
    leads: Sequence[int] | Sequence[str],
    *,
    zone: str,
    version: int,
    active: bool = False,
) -> Rows:
    """The memberships of leads, given by id or by the key of their email address; with `active`, no removed ones.

    The source of `select` is WITH_LISTS. Returns no rows also if the field version has changed.
    """
    of_leads = "l.lead_id = any($4::bigint[])"
    if _by_address(leads):
        of_leads = "l.lead_id in (select id from lead where company_id = $1 and email_key = any($4::text[]))"
    query = statement(
        f"""
        select {select.list}
        from {select.source}
        where {select.guard} and {of_leads} and {"not l.is_removed" if active else "true"}
        order by l.lead_id, l.list_id
        """
    )
    return select.rows(await tx.rows(query, company_id, zone, version, leads))
