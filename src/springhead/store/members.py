"""Who is on which list, and the counts of the lists, which change in the statement that changes the members.

Everybody locks in one order: the leads by id, then the lists by id, then members. A lead that is being deleted and
a list that is being deleted are so waited for, and nobody joins or joins to what is gone. What locks has no join: a row
that somebody changed while it was waited for could be lost in one.
"""

from collections.abc import Sequence

import msgspec

from springhead.model.errors import Json
from springhead.model.leads import LEAD
from springhead.model.lists import LIST_MEMBER
from springhead.store.db import Tx
from springhead.store.reads import Rows, Select
from springhead.store.sql import Statement, statement
from springhead.store.table import shift

WITH_LEADS = "list_member l join lead p on p.company_id = l.company_id and p.id = l.lead_id"
"""The source of a Select that shows members with columns of their leads."""

WITH_LISTS = "list_member l join list t on t.company_id = l.company_id and t.id = l.list_id"
"""The source of a Select that shows members with columns of their lists; those of a list that is gone are not there."""

OF_A_LIST = "exists (select from list t where t.company_id = l.company_id and t.id = l.list_id)"
"""The condition on a member `l` that its list is there: the members of a deleted one go in a pass."""


class Judged(msgspec.Struct, frozen=True):
    """What became of one member that was to be added or removed; `id` is None when nothing was changed.

    `ruled`: its list has a filter, and nobody changes its members by hand.
    """

    id: int | None
    listed: bool
    ruled: bool
    known: bool


def counted(changes: str) -> str:
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
            select t.id, t.filter is not null as ruled from list t
            where t.company_id = $1 and t.id = any(array(select list_id from sent))
                and (select count(*) from leads) >= 0
            order by t.id for update
        ),
        first as materialized (  -- a statement changes a row once
            select distinct on (s.list_id, s.lead_id) s.list_id, s.lead_id, s.new_id, s.position
            from sent s
            join leads k on k.id = s.lead_id
            join lists h on h.id = s.list_id and not h.ruled
            order by s.list_id, s.lead_id, s.position
        ),
        made as (
            insert into list_member as m (company_id, id, list_id, lead_id, create_timestamp, update_timestamp)
            select $1, f.new_id, f.list_id, f.lead_id, now(), now() from first f order by f.list_id, f.lead_id
            {JOINED}
        ),
        judged as materialized (
            select f.position, m.id, m.list_id, m.id <> f.new_id as back
            from made m join first f on f.list_id = m.list_id and f.lead_id = m.lead_id
        ){counted("select list_id, 1 as active, -back::int as removed from judged")}{
            shift(LIST_MEMBER, "judged where back")
        }
        select j.id, h.id is not null as listed, coalesce(h.ruled, false) as ruled, k.id is not null as known
        from sent s
        left join leads k on k.id = s.lead_id
        left join lists h on h.id = s.list_id
        left join judged j on j.position = s.position
        order by s.position
        """
    )


def _removal(*, by_address: bool) -> Statement:
    return statement(
        f"""
        with sent as materialized (
            {_sent(by_address=by_address)}
        ),
        lists as materialized (
            select t.id, t.filter is not null as ruled from list t
            where t.company_id = $1 and t.id = any(array(select list_id from sent)) order by t.id for update
        ),
        first as materialized (
            select distinct on (s.list_id, s.lead_id) s.list_id, s.lead_id, s.position
            from sent s join lists h on h.id = s.list_id and not h.ruled
            order by s.list_id, s.lead_id, s.position
        ),
        gone as (
            update list_member m set is_removed = true, update_timestamp = now()
            from first f
            where m.company_id = $1 and m.list_id = f.list_id and m.lead_id = f.lead_id and not m.is_removed
            returning m.id, m.list_id, f.position
        ){counted("select list_id, -1 as active, 1 as removed from gone")}{shift(LIST_MEMBER, "gone")}
        select g.id, h.id is not null as listed, coalesce(h.ruled, false) as ruled, true as known
        from sent s
        left join lists h on h.id = s.list_id
        left join gone g on g.position = s.position
        order by s.position
        """
    )


_ADD = {by_address: _addition(by_address=by_address) for by_address in (False, True)}
_REMOVE = {by_address: _removal(by_address=by_address) for by_address in (False, True)}


async def add(tx: Tx, company_id: int, list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]) -> list[Judged]:
    """Put leads on lists, pair by pair; a lead is an id or the key of its email address, all of one kind."""
    rows = await tx.rows(_ADD[_by_address(leads)], company_id, _pairs(list_ids, leads))
    return [Judged(*row.values()) for row in rows]


async def remove(
    tx: Tx, company_id: int, list_ids: Sequence[int], leads: Sequence[int] | Sequence[str]
) -> list[Judged]:
    """Take leads off lists, pair by pair: their rows stay, as removed."""
    rows = await tx.rows(_REMOVE[_by_address(leads)], company_id, _pairs(list_ids, leads))
    return [Judged(*row.values()) for row in rows]


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
        returning m.list_id, m.is_removed
    ){counted("select list_id, (not is_removed)::int * -1 as active, -is_removed::int as removed from gone")}{
        shift(LIST_MEMBER, "gone")
    }
    select count(*) from gone
    """
)


_HOLD = statement(
    f"""
    with held as materialized (
        select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for update
    ){shift(LEAD, "held")}
    select count(*) from held  -- all of them, and before the page starts: what nobody asks for is not locked
    """
)


async def hold_leads(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Lock leads that are about to be deleted, and wait for all who are putting them on a list.

    Ends their remembered page starts here already: whoever changes leads does so before he locks lists.
    """
    await tx.rows(_HOLD, company_id, lead_ids)


async def forget_leads(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Take leads that are about to be deleted, and are held, off all lists, without a trace; the counts follow."""
    await tx.rows(_FORGET, company_id, lead_ids)


async def removed(
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


async def of_leads(
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
