"""Leads in the database: one statement a call, rows in the order of a key so that writers never deadlock."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from springhead.model.columns import Column
from springhead.model.errors import Json
from springhead.model.leads import DERIVED_STATUS, LEAD
from springhead.store import paging, sql
from springhead.store.db import Tx
from springhead.store.filters import Where
from springhead.store.paging import Walks
from springhead.store.sql import Statement, statement

_WRITTEN = LEAD.written
_NULLABLE = [column for column in _WRITTEN if column.nullable]
_STAMP = {"create": "create_timestamp", "update": "update_timestamp"}


def _sent(columns: Sequence[Column]) -> str:
    """The objects of a call as rows: $2 documents, $3 email keys, $4 custom values, $5 nulls."""
    return f"""rows from (
        {sql.recordset(columns, parameter=2)},
        unnest($3::text[]),
        jsonb_array_elements($4::jsonb),
        unnest($5::int[])
    ) with ordinality as s ({sql.names(columns)}, email_key, custom, nulls, position)
    where $6 = (select field_version from company where id = $1)"""


def _known_owner(row: str) -> str:
    """Whether a row names no owner or one that the company has (303 otherwise)."""
    return f"""({row}.owner_id is null
        or exists (select from user_profile u where u.company_id = $1 and u.id = {row}.owner_id))"""


def _inserted(column: Column) -> str:
    value = f"s.{column.sql}"
    if column.name == "leadStatus":
        value = f"nullif({value}, '{DERIVED_STATUS}')"
    return f"coalesce({value}, {column.default})" if column.default else value


INSERT = statement(
    f"""
    insert into lead (company_id, id, email_key, {sql.names(_WRITTEN)}, custom, create_timestamp, update_timestamp)
    select $1, s.id, s.email_key, {", ".join(_inserted(column) for column in _WRITTEN)},
        jsonb_strip_nulls(coalesce(s.custom, '{{}}')), now(), now()
    from (  -- ids in the order sent, rows in the order of their keys
        select nextval('lead_id_seq') as id, s.* from {_sent(_WRITTEN)}
    ) as s
    where {_known_owner("s")}
    order by s.email_key collate "C"
    on conflict (company_id, email_key) do nothing
    returning email_key, id
    """
)


async def insert(
    tx: Tx, company_id: int, documents: str, keys: Sequence[str], *, custom: str, version: int
) -> dict[str, int]:
    """Insert the leads whose address is free and whose owner exists; gives their ids by email key.

    The unique index decides, not a look before: two calls that race for one address cannot both win.
    The keys must differ from one another.
    """
    rows = await tx.rows(INSERT, company_id, documents, keys, custom, [], version)
    return {row["email_key"]: row["id"] for row in rows}


async def owners(tx: Tx, company_id: int, ids: Sequence[int]) -> set[int]:
    """Which of these users the company has."""
    rows = await tx.rows(
        "select id from user_profile where company_id = $1 and id = any($2::bigint[])", company_id, ids
    )
    return {row["id"] for row in rows}


def _updated(column: Column) -> str:
    new = f"coalesce(s.{column.sql}, l.{column.sql})"
    if column.name == "leadStatus":
        return f"case when '{DERIVED_STATUS}' in (l.lead_status, s.lead_status) then l.lead_status else {new} end"
    if column in _NULLABLE and not column.default:
        return f"case when s.nulls & {1 << _NULLABLE.index(column)} <> 0 then null else {new} end"
    return new


_SET = [f"{column.sql} = {_updated(column)}" for column in _WRITTEN]
_CUSTOM = "case when s.custom is null then l.custom else jsonb_strip_nulls(l.custom || s.custom) end"
_UPDATED = [Column(name="id", kind=LEAD.by_name["id"].kind), *_WRITTEN]


def _update(lock: Literal["for update", "for update skip locked"]) -> Statement:
    return statement(
        f"""
    with sent as materialized (
        select * from {_sent(_UPDATED)}
    ),
    meant as materialized (  -- the lead that each object means: by id if it has one, else by email
        select s.position, l.id from sent s join lead l on l.company_id = $1 and l.id = s.id
        union all
        select s.position, l.id from sent s join lead l on l.company_id = $1 and l.email_key = s.email_key
        where s.id is null
    ),
    first as materialized (  -- a statement changes a row once; further objects for it wait for the next round
        select distinct on (id) id, position from meant order by id, position
    ),
    locked as materialized (  -- in the order of ids, so that two calls never wait for each other
        select l.id from lead l where l.company_id = $1 and l.id in (select id from first) order by l.id {lock}
    ),
    judged as materialized (
        select s.position, f.id, f.position is not null as first, k.id is not null as locked,
            {_known_owner("s")} as known_owner,
            s.id is not null and s.email_key is not null and exists (
                select from lead o where o.company_id = $1 and o.email_key = s.email_key and o.id <> s.id
            ) as taken
        from sent s
        left join first f on f.position = s.position
        left join locked k on k.id = f.id
    ),
    changed as (
        update lead l set {", ".join(_SET)}, email_key = coalesce(s.email_key, l.email_key), custom = {_CUSTOM},
            version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
        from sent s join judged j on j.position = s.position
        where l.company_id = $1 and l.id = j.id and j.locked and j.known_owner and not j.taken
            and ({sql.names(_WRITTEN, table="l.")}, l.custom)
                is distinct from ({", ".join(_updated(column) for column in _WRITTEN)}, {_CUSTOM})
        returning s.position, s.active is not null as shifted
    ),
    shift as (
        insert into lead_shift as g (company_id, generation)
        select $1, 1 where exists (select from changed where shifted)
        on conflict (company_id) do update set generation = g.generation + excluded.generation
    )
    select s.position, m.id is not null as found, j.first, j.locked, j.known_owner, j.taken,
        c.position is not null as changed
    from sent s
    join judged j on j.position = s.position
    left join meant m on m.position = s.position
    left join changed c on c.position = s.position
    order by s.position
    """
    )


UPDATE = _update("for update")
UPDATE_UNLOCKED = _update("for update skip locked")


class Updated(msgspec.Struct, frozen=True):
    """What an update found for one object: `position` counts from 1 in the order sent."""

    position: int
    found: bool
    first: bool
    locked: bool
    known_owner: bool
    taken: bool
    changed: bool


async def update(
    tx: Tx,
    company_id: int,
    documents: str,
    keys: Sequence[str | None],
    *,
    custom: str,
    nulls: Sequence[int],
    version: int,
    skip_locked: bool,
) -> list[Updated]:
    """Change the leads that the objects mean, each at most once; says for each object what was found.

    Empty when the custom fields are no longer of that version. With `skip_locked` a lead that somebody
    else has locked is passed over (`locked` is False) instead of waited for.
    """
    query = UPDATE_UNLOCKED if skip_locked else UPDATE
    rows = await tx.rows(query, company_id, documents, keys, custom, nulls, version)
    return [Updated(*row.values()) for row in rows]


async def delete(tx: Tx, company_id: int, ids: Sequence[int]) -> set[int]:
    """Delete leads for good; gives the ids that were there."""
    rows = await tx.rows(
        """
        with locked as materialized (
            select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for update
        ),
        gone as (
            delete from lead l using locked where l.company_id = $1 and l.id = locked.id returning l.id
        ),
        shift as (
            insert into lead_shift as g (company_id, generation)
            select $1, 1 where exists (select from gone)
            on conflict (company_id) do update set generation = g.generation + excluded.generation
        )
        select id from gone
        """,
        company_id,
        ids,
    )
    return {row["id"] for row in rows}


class Select:
    """What to read of a lead, as a select list: it speaks `$1` company, `$2` zone name, `$3` field version."""

    def __init__(
        self, names: Sequence[str] | None, custom: Sequence[Column], *, leaving_out: Sequence[str] = ()
    ) -> None:
        wanted = set(names) if names is not None else None
        self.list = sql.select_list(
            sql.shown(LEAD, names, leaving_out=leaving_out),
            [column for column in custom if wanted is None or column.name in wanted],
        )
        self.scope = "l.company_id = $1 and $2::text is not null and $3::bigint is not null"
        self.guard = f"{self.scope} and $3 = (select field_version from company where id = $1)"


Rows = list[dict[str, Json]]


async def find(
    tx: Tx,
    company_id: int,
    select: Select,
    filters: Mapping[str, Json],
    *,
    zone: str,
    version: int,
    limit: int,
    offset: int,
) -> Rows:
    """Leads by id or email, active or not. No rows can also mean that the field version has changed."""
    where = Where(LEAD, filters, first=6)
    query = statement(
        f"select {select.list} from lead l where {select.guard} and {where.condition}"
        f" order by {where.order} limit $4 offset $5"
    )
    rows = await tx.rows(query, company_id, zone, version, limit, offset, *where.parameters)
    return [dict(row) for row in rows]


async def page(
    tx: Tx, company_id: int, select: Select, walks: Walks, *, zone: str, version: int, limit: int, offset: int
) -> Rows:
    """A page of the active leads in the order of their ids, at the same cost however deep it lies.

    A start that nobody has walked to costs one pass over the index of active leads.
    """
    start = walks.find(company_id, offset) if offset else None
    generation = "coalesce((select generation from lead_shift where company_id = $1), 0)"
    begin = (
        f"l.id > $5 and {generation} = $6"
        if start
        else """l.id >= (select id from lead where company_id = $1 and active order by id limit 1 offset $5)
            and $6::bigint is null"""
        if offset
        else "$5 = 0 and $6::bigint is null"
    )
    query = statement(
        f"""
        select {select.list},
            case when l.create_timestamp < now() - interval '{paging.SETTLED_SECONDS} seconds'
                then {generation} end as "#generation", l.id as "#id"
        from lead l
        where {select.guard} and l.active and {begin}
        order by l.id
        limit $4
        """
    )
    begins: tuple[int, int | None] = (start.after, start.generation) if start else (offset, None)
    found = await tx.rows(query, company_id, zone, version, limit, *begins)
    if start and not found:
        walks.forget(company_id, offset)
        return await page(tx, company_id, select, walks, zone=zone, version=version, limit=limit, offset=offset)
    rows = [dict(row) for row in found]
    marks = [(row.pop("#id"), row.pop("#generation")) for row in rows]
    _remember(walks, company_id, offset, marks)
    return rows


def _remember(walks: Walks, company_id: int, offset: int, marks: Sequence[tuple[int, int | None]]) -> None:
    for begins, (lead_id, generation) in ((offset, marks[0]), (offset + len(marks), marks[-1])) if marks else ():
        if begins and generation is not None:
            walks.keep(company_id, begins, lead_id - (begins == offset), generation)


async def in_range(
    tx: Tx,
    *,
    company_id: int,
    select: Select,
    by: Literal["create", "update"],
    between: tuple[datetime, datetime],
    zone: str,
    version: int,
    limit: int,
    offset: int,
    after: tuple[datetime, int] | None = None,
) -> tuple[Rows, tuple[datetime, int] | None]:
    """Active leads created or updated from the first moment to before the second one, oldest first.

    Also gives the key of the last row, after which the next piece of the same answer begins. An answer
    keeps the fields that it began with: a change of fields meanwhile must not cut it short.
    """
    stamp = _STAMP[by]
    guard = select.scope if after else select.guard
    query = statement(
        f"""
        select {select.list}, l.{stamp} as "#stamp", l.id as "#id"
        from (
            select r.company_id, r.id from lead r
            where r.company_id = $1 and r.active and r.{stamp} >= $4 and r.{stamp} < $5
                and {f"(r.{stamp}, r.id) > ($8, $9)" if after else "true"}
            order by r.{stamp}, r.id
            limit $6 offset $7
        ) as chosen
        join lead l on l.company_id = $1 and l.id = chosen.id
        where {guard}
        order by l.{stamp}, l.id
        """
    )
    found = await tx.rows(query, company_id, zone, version, *between, limit, offset, *(after or ()))
    last = (found[-1]["#stamp"], found[-1]["#id"]) if found else None
    rows = [dict(row) for row in found]
    for row in rows:
        del row["#stamp"], row["#id"]
    return rows, last
