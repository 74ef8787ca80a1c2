"""Who is on which list, and the counts of the lists, which change in the statement that changes the members.

Everybody locks in one order: the leads by id, then the lists by id, then members. A lead that is being deleted and
a list that is being deleted are so waited for, and nobody joins or joins to what is gone. What locks has no join: a row
that somebody changed while it was waited for could be lost in one.
"""

from collections.abc import Sequence

import msgspec

from springhead.model.kit.errors import Json
from springhead.model.leads.events import LIST_JOINED, LIST_LEFT, NAME_LENGTH
from springhead.model.leads.leads import LEAD
from springhead.model.lists import LIST_MEMBER
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.lifecycle.recycling import bin_parts
from springhead.store.nouns.reads import Rows, Select
from springhead.store.nouns.table import expire_page_starts

WITH_LEADS = "list_member l join lead p on p.company_id = l.company_id and p.id = l.lead_id"
"""The source of a Select that shows members with columns of their leads."""

WITH_LISTS = "list_member l join list t on t.company_id = l.company_id and t.id = l.list_id"
"""The source of a Select that shows members with columns of their lists; those of a list that is gone are not there."""

OF_A_LIST = "exists (select from list t where t.company_id = l.company_id and t.id = l.list_id)"
"""The condition on a member `l` that its list is there: the members of a deleted one go in a pass."""


class MemberOutcome(msgspec.Struct, frozen=True):
    """What became of one member that was to be added or removed; `id` is None when nothing was changed.

    `has_filter`: its list has a filter, and nobody changes its members by hand.
    """

    id: int | None
    listed: bool
    has_filter: bool
    known: bool


def update_counts(changes: str) -> str:
    """CTEs, begun with a comma, that bring the counts of lists along.

    `changes` is a select of list_id, active and removed: by how much each count changes with a row. The lists must
    be locked by an earlier CTE that it depends on. What is summed is a CTE of its own: of a list that somebody
    changed while it was waited for, the row is joined anew, and a subquery in that place would give nothing then.
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


def membership_events(changes: str) -> str:
    """A CTE, begun with a comma, that tells leads of lists; `changes` is a select of list_id, lead_id and joins."""
    return f""",
            told as (
                insert into event
                    (company_id, lead_id, create_timestamp, event_source, event_name, what_type, what_id)
                select $1, c.lead_id, now(), case when c.joins then '{LIST_JOINED}' else '{LIST_LEFT}' end,
                    left(case when c.joins then 'Joined list: ' else 'Left list: ' end || (
                        select t.name from list t where t.company_id = $1 and t.id = c.list_id
                    ), {NAME_LENGTH}), 'list', c.list_id
                from ({changes}) as c
                order by c.lead_id, c.list_id
            )"""


JOINED = """
    on conflict (company_id, list_id, lead_id) do update
        set is_removed = false,
            create_timestamp = excluded.create_timestamp, update_timestamp = excluded.update_timestamp
        where m.is_removed
    returning m.id, m.list_id, m.lead_id
"""
"""Who was removed comes back in the row that was his; for who is on the list already there is no row returned."""


def _sent(*, by_address: bool) -> str:
    """What was sent as rows of list_id, lead_id and position.

    Not as arrays: PostgreSQL takes those of a prepared statement for ten rows, and plans loops in loops.
    """
    rows = f"""rows from (
                jsonb_to_recordset($2::jsonb) as (list_id bigint, lead {"text" if by_address else "bigint"})
            ) with ordinality as s (list_id, lead, position)"""
    if not by_address:
        return f"select s.list_id, s.lead as lead_id, s.position from {rows}"
    return f"""select s.list_id, p.id as lead_id, s.position from {rows}
            left join lead p on p.company_id = $1 and p.email_key = s.lead"""


def among(value: str, rows: str) -> str:
    """Whether the value is one of the rows; looked up in a hash table, where a join could be planned as a loop."""
    return f"(({value} in ({rows})) is true)"


_FOUND = """
        select array(select lead_id from sent order by position) as leads,
            array(select id from lists) as lists,
            array(select id from lists where has_filter) as filtered,
            array(select id from changed) as ids,
            array(select list_id from changed) as id_lists,
            array(select lead_id from changed) as id_leads"""
"""What was found, in one row: the lead of each pair, the lists, and the members that were changed."""


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
        lists as materialized (  -- after the leads, whom it therefore counts
            select t.id, t.filter is not null as has_filter from list t
            where t.company_id = $1 and t.id = any(array(select list_id from sent))
                and (select count(*) from leads) >= 0
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
        {_FOUND}, array(select id from leads) as known
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
        {_FOUND}, '{{}}'::bigint[] as known
        """
    )


_ADD = {by_address: _addition(by_address=by_address) for by_address in (False, True)}
_REMOVE = {by_address: _removal(by_address=by_address) for by_address in (False, True)}


async def add(
    tx: Tx, company_id: int, list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]
) -> list[MemberOutcome]:
    """Put leads on lists, pair by pair; a lead is an id or the key of its email address, all of one kind."""
    return await _change(tx, _ADD[_by_address(leads)], company_id, list_ids, leads)


async def remove(
    tx: Tx, company_id: int, list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]
) -> list[MemberOutcome]:
    """Take leads off lists, pair by pair: their rows stay, as removed."""
    return await _change(tx, _REMOVE[_by_address(leads)], company_id, list_ids, leads)


async def _change(
    tx: Tx, query: Statement, company_id: int, list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]
) -> list[MemberOutcome]:
    (row,) = await tx.rows(query, company_id, _pairs(list_ids, leads))
    lists, filtered, known = set(row["lists"]), set(row["filtered"]), set(row["known"])
    ids = dict(zip(zip(row["id_lists"], row["id_leads"], strict=True), row["ids"], strict=True))
    return [  # of pairs that are sent twice, the first one was it
        MemberOutcome(ids.pop((list_id, lead), None), list_id in lists, list_id in filtered, lead in known)
        for list_id, lead in zip(list_ids, row["leads"], strict=True)
    ]


def _pairs(list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]) -> str:
    pairs = [{"list_id": list_id, "lead": lead} for list_id, lead in zip(list_ids, leads, strict=True)]
    return msgspec.json.encode(pairs).decode()


def _by_address(leads: Sequence[int] | Sequence[str]) -> bool:
    return bool(leads) and isinstance(leads[0], str)


_FORGET = statement(
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
        where m.company_id = $1 and m.lead_id = any($2::bigint[]) and (select count(*) from lists) >= 0
        returning m.*
    ){bin_parts("list_member", "select lead_id, id, to_jsonb(gone) as part from gone")}{
        update_counts("select list_id, (not is_removed)::int * -1 as active, -is_removed::int as removed from gone")
    }{expire_page_starts(LIST_MEMBER, "gone")}
    select count(*) from gone
    """
)


_HOLD = statement(
    f"""
    with held as materialized (
        select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for update
    ){expire_page_starts(LEAD, "held")}
    select id from held  -- all of them, and before the page starts: what nobody asks for is not locked
    """
)


async def lock_leads(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[int]:
    """Lock leads that are about to be deleted, and wait for all who are putting them on a list; gives those held.

    One that is not there now must not be deleted: were it restored meanwhile, what it got again would stay behind.
    Ends their remembered page starts here already: whoever changes leads does so before he locks lists.
    """
    return [row["id"] for row in await tx.rows(_HOLD, company_id, lead_ids)]


async def delete_memberships(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Take leads that are about to be deleted, and are held, off all lists, without an event; the counts follow."""
    await tx.rows(_FORGET, company_id, lead_ids)


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
    """The members of a list, in the order of their ids, that a flag of REMOVED_FLAGS means.

    Those removed come from an index of their own; the other two read the whole list. No rows can also mean that
    the field version has changed.
    """
    condition = {"removed": "l.is_removed", "unsubscribed": "p.is_unsubscribed", "hardbounced": "p.hard_bounced"}[flag]
    query = statement(
        f"""
        select {select.list}
        from {select.source}
        where {select.guard} and l.list_id = $4 and {condition} and {OF_A_LIST}
        order by l.id
        limit $5 offset $6
        """
    )
    return [dict(row) for row in await tx.rows(query, company_id, zone, version, list_id, limit, offset)]


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
    """The memberships of leads, by id or by the key of the email address, removed ones included unless `active`.

    The select's source is WITH_LISTS. No rows can also mean that the field version has changed.
    """
    meant = "l.lead_id = any($4::bigint[])"
    if _by_address(leads):
        meant = "l.lead_id in (select id from lead where company_id = $1 and email_key = any($4::text[]))"
    query = statement(
        f"""
        select {select.list}
        from {select.source}
        where {select.guard} and {meant} and {"not l.is_removed" if active else "true"}
        order by l.lead_id, l.list_id
        """
    )
    return [dict[str, Json](row) for row in await tx.rows(query, company_id, zone, version, leads)]
