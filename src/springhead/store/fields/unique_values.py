"""The values of unique fields: a row says which lead has one, and its key lets nobody else have it.

A write of leads calls `store_values` for them in the same transaction; the rows of deleted leads are deleted with them.
A writer locks its leads before it waits for a unique key (docs/lock-order.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from springhead.model.kit.columns import ID_MAX
from springhead.model.kit.fields import FieldSet
from springhead.store.database import background_jobs, sql
from springhead.store.database.background_jobs import STEP_ROWS, Step
from springhead.store.database.deadlines import LAST_WRITE_SECONDS
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.fields import fields as fieldsets

log = structlog.get_logger()

_FILL, _CLEAR = "unique-fill", "unique-clear"
_WAITS = 0.02
_NOT_UNIQUE = ID_MAX
"""The cursor of the step that ends a filling in vain. Filling ends in a step of its own, which locks no lead before it
locks the company's field version."""
_SPACE = r"E' \t\n\r\f\v\u00a0'"


def _normal(value: str) -> str:
    """The normal form of a value in SQL: letters composed, without white space around it, upper and lower case apart.

    Ids of other systems differ in case alone, so case counts here, as it does in no email address.
    """
    return f"btrim(normalize({value}, nfc), {_SPACE})"


def _key(value: str) -> str:
    """The key of a value in its normal form; null for no value."""
    return f"case when {value} <> '' then sha256(convert_to({value}, 'UTF8')) end"


class WantedValue(msgspec.Struct, frozen=True):
    """A value that an object has for a unique field; `lead_id` or `email_key` say of which lead, if they can."""

    position: int
    lead_id: int | None
    email_key: str | None
    unique_id: int
    value: str


class ValueHolder(msgspec.Struct, frozen=True):
    """What there is about a wish: the value's key (None for an empty one), the lead meant, and who has the value."""

    position: int
    unique_id: int
    key: bytes | None
    lead_id: int | None
    holder_id: int | None


class Conflict(msgspec.Struct, frozen=True):
    """A lead and the field of which another lead has its value."""

    lead_id: int
    name: str


class SharedValues(msgspec.Struct, frozen=True):
    """The number of values that several leads share, and one of these values with the number of its leads."""

    values: int
    example: str
    leads: int


_LOOK = statement(
    f"""
    with sent as materialized (
        select s.position, s.lead_id, s.email_key, s.unique_id, {_key("v.value")} as key
        from jsonb_to_recordset($2::jsonb)
            as s (position bigint, lead_id bigint, email_key text, unique_id bigint, value text)
        cross join lateral (select {_normal("s.value")} as value offset 0) v
    ),
    named as materialized (
        select l.id, l.email_key from lead l
        where l.company_id = $1 and l.email_key = any(array(select email_key from sent where lead_id is null))
    )
    select s.position, s.unique_id, s.key, coalesce(s.lead_id, n.id) as lead_id, h.lead_id as holder_id
    from sent s
    left join named n on s.lead_id is null and n.email_key = s.email_key
    left join lateral (  -- one by one by the whole key: as a set it was planned as a look at all values of the company
        select u.lead_id from unique_value u
        where u.company_id = $1 and u.unique_id = s.unique_id and u.key = s.key
        offset 0
    ) h on true
    order by s.position
    """
)


async def find_holders(tx: Tx, company_id: int, wishes: Sequence[WantedValue]) -> list[ValueHolder]:
    """What there is about each wish, by the order of positions."""
    rows = await tx.rows(_LOOK, company_id, msgspec.json.encode(wishes).decode())
    return [ValueHolder(*row.values()) for row in rows]


async def find_conflicts(
    tx: Tx, company_id: int, fields: FieldSet, leads: Mapping[int, Mapping[str, Any]], *, among: Mapping[int, set[int]]
) -> dict[int, list[str]]:
    """Of leads that are to have these custom values: the fields of which others have the value already, by lead.

    `among` are, for a lead, those whose values it may take. Of two leads with the same value the first one may have it.
    """
    wishes = [
        WantedValue(lead_id, lead_id, None, field.unique_id or 0, str(custom.get(name) or ""))
        for lead_id, custom in leads.items()
        for name, field in fields.unique_fields.items()
    ]
    if not wishes:
        return {}
    names = {field.unique_id: name for name, field in fields.unique_fields.items()}
    wanted: dict[tuple[int, bytes], int] = {}
    taken: dict[int, list[str]] = {}
    for found in await find_holders(tx, company_id, wishes):
        if found.key is None:
            continue
        lead_id = found.position
        first = wanted.setdefault((found.unique_id, found.key), lead_id)
        if first != lead_id or found.holder_id not in {None, lead_id, *among.get(lead_id, ())}:
            taken.setdefault(lead_id, []).append(names[found.unique_id])
    return taken


_FOLLOW = statement(
    f"""
    with wanted as materialized (
        select l.id as lead_id, f.unique_id, {_key("v.value")} as key
        from lead l
        cross join jsonb_to_recordset($3::jsonb) as f (unique_id bigint, name text)
        cross join lateral (select {_normal("l.custom->>f.name")} as value offset 0) v
        where l.company_id = $1 and l.id = any($2::bigint[])
    ),
    had as materialized (
        select u.unique_id, u.key, u.lead_id, (u.unique_id, u.key, u.lead_id) in (
            select unique_id, key, lead_id from wanted where key is not null
        ) as stays
        from unique_value u
        where u.company_id = $1 and u.lead_id = any($2::bigint[])
    ),
    gone as (
        delete from unique_value u using had
        where u.company_id = $1 and not had.stays and u.unique_id = had.unique_id and u.key = had.key
            and u.lead_id = had.lead_id
        returning 1
    ),
    made as (  -- after what is given up; in the order of keys, so that two calls never wait in a circle
        insert into unique_value (company_id, unique_id, key, lead_id)
        select $1, w.unique_id, w.key, w.lead_id from wanted w
        where w.key is not null and {sql.after("gone")}
            and (w.unique_id, w.key, w.lead_id) not in (select unique_id, key, lead_id from had where stays)
        order by w.unique_id, w.key
        on conflict (company_id, unique_id, key) do nothing
        returning unique_id, key, lead_id
    )
    select w.lead_id, w.unique_id from wanted w
    where w.key is not null
        and (w.unique_id, w.key, w.lead_id) not in (select unique_id, key, lead_id from had where stays)
        and (w.unique_id, w.key, w.lead_id) not in (select unique_id, key, lead_id from made)
    order by w.lead_id
    """
)


async def store_values(tx: Tx, company_id: int, fields: FieldSet, lead_ids: Sequence[int]) -> list[Conflict]:
    """Let the values be those that these leads have now; gives those that another lead has, which stay with it.

    In the transaction that wrote the leads, after it did. Values move among the leads given, in any order.
    """
    names = {field.unique_id: name for name, field in fields.unique_fields.items()}
    if not names or not lead_ids:
        return []
    listed = [{"unique_id": number, "name": name} for number, name in names.items()]
    rows = await tx.rows(_FOLLOW, company_id, list(lead_ids), msgspec.json.encode(listed).decode())
    return [Conflict(row["lead_id"], names[row["unique_id"]]) for row in rows]


_DOUBLES: Statement = statement(
    f"""
    with doubled as (
        select v.value, count(*) as leads
        from lead l cross join lateral (select {_normal("l.custom->>$2::text")} as value offset 0) v
        where l.company_id = $1 and v.value <> ''
        group by v.value having count(*) > 1
    )
    select count(*) over () as values, value, leads from doubled order by leads desc, value collate "C" limit 1
    """
)


async def find_shared_values(tx: Tx, company_id: int, name: str) -> SharedValues | None:
    """The values of a field that several leads share, or None. Reads all leads."""
    row = await tx.row(_DOUBLES, company_id, name)
    return SharedValues(*row.values()) if row else None


async def fill(tx: Tx, company_id: int, unique_ids: Sequence[int]) -> None:
    """Take in the values that leads have, in passes; a field of which two have the same is then not unique."""
    await background_jobs.start(tx, company_id, _FILL, *unique_ids)


async def clear(tx: Tx, company_id: int, unique_ids: Sequence[int]) -> None:
    """Start the jobs that delete the values of fields that were deleted or are no longer unique."""
    await background_jobs.start(tx, company_id, _CLEAR, *unique_ids)


async def _waited(tx: Tx, cursor: int) -> int:
    """The next cursor of a pass that waits until nobody can be writing with the fields as they were before it.

    0 begins, a negative one has begun at that microsecond, 1 is the end: every transaction of then has ended.
    """
    row = await tx.row(
        """
        select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now, exists (
            select from pg_stat_activity
            where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
                and xact_start < timestamptz 'epoch' + $1::bigint * interval '1 microsecond'
        ) as waiting
        """,
        -cursor,
    )
    now: int = row["now"] if row else 0
    if cursor == 0:
        return -now
    if row and row["waiting"] and now + cursor < LAST_WRITE_SECONDS * 1_000_000:
        await tx.rows("select pg_sleep($1)", _WAITS)
        return cursor
    return 1


async def _fill_step(tx: Tx, company_id: int, unique_id: int, cursor: int) -> int | None:
    if cursor <= 0:
        return await _waited(tx, cursor)
    if cursor == _NOT_UNIQUE:
        await fieldsets.finish_fill(tx, company_id, unique_id, unique=False)
        await clear(tx, company_id, [unique_id])
        return None
    known = await fieldsets.load(tx, company_id)
    name = next((name for name, field in known.unique_fields.items() if field.unique_id == unique_id), None)
    if name is None:
        return None
    rows = await tx.rows(
        """
        select l.id, l.custom->>$4::text is not null as has from lead l
        where l.company_id = $1 and l.id > $2 order by l.id limit $3
        """,
        company_id,
        cursor,
        STEP_ROWS,
        name,
    )
    having = [row["id"] for row in rows if row["has"]]
    await tx.rows(
        "select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for share",
        company_id,
        having,
    )
    conflicts = [one for one in await store_values(tx, company_id, known, having) if one.name == name]
    if conflicts:
        log.warning("field is not unique", company=company_id, field=name, lead=conflicts[0].lead_id)
        return _NOT_UNIQUE
    if rows:
        return rows[-1]["id"]
    await fieldsets.finish_fill(tx, company_id, unique_id, unique=True)
    return None


async def _clear_step(tx: Tx, company_id: int, unique_id: int, cursor: int) -> int | None:
    if cursor <= 0:
        return await _waited(tx, cursor)
    gone = await tx.rows(
        """
        delete from unique_value
        where company_id = $1 and unique_id = $2 and key = any(array(
            select key from unique_value where company_id = $1 and unique_id = $2 order by key limit $3
        ))
        returning 1
        """,
        company_id,
        unique_id,
        STEP_ROWS,
    )
    return 1 if len(gone) == STEP_ROWS else None


STEPS: Mapping[str, Step] = {_FILL: _fill_step, _CLEAR: _clear_step}
