"""The values of unique fields: a row names the lead that has a value, and the primary key admits no second lead.

A write of leads calls `store_values` in the same transaction. The rows of deleted leads are deleted with the leads. A
writer locks its leads before it waits for a unique key (docs/lock-order.md).
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
_WAIT_SECONDS = 0.02
_NOT_UNIQUE = ID_MAX
"""The cursor of the last step of filling a field whose values are not unique. It is a step of its own, because it must
lock the company's field version before any lead."""
_SPACE = r"E' \t\n\r\f\v\u00a0'"


def _normal(value: str) -> str:
    """Returns the SQL of a value's normal form: Unicode NFC, without white space around it.

    Case matters, unlike in email addresses, because ids of other systems may differ in case alone.
    """
    return f"btrim(normalize({value}, nfc), {_SPACE})"


def _key(value: str) -> str:
    """Returns the SQL of the key of a value in its normal form; null for an empty value."""
    return f"case when {value} <> '' then sha256(convert_to({value}, 'UTF8')) end"


class WantedValue(msgspec.Struct, frozen=True):
    """A value that an object has for a unique field. `lead_id` or `email_key` names the lead, if the object has one."""

    position: int
    lead_id: int | None
    email_key: str | None
    unique_id: int
    value: str


class ValueHolder(msgspec.Struct, frozen=True):
    """The holder of a wanted value.

    `key` is the key of the value, None if it is empty. `lead_id` is the lead of the object, `holder_id` the lead that
    has the value.
    """

    position: int
    unique_id: int
    key: bytes | None
    lead_id: int | None
    holder_id: int | None


class Conflict(msgspec.Struct, frozen=True):
    """A lead, and a unique field whose value another lead already has."""

    lead_id: int
    name: str


class SharedValues(msgspec.Struct, frozen=True):
    """The number of values that several leads share, and one of these values with the number of its leads."""

    values: int
    example: str
    leads: int


_FIND_HOLDERS = statement(
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
    left join lateral (  -- `offset 0` reads value by value; a join could be planned as a scan of the company's values
        select u.lead_id from unique_value u
        where u.company_id = $1 and u.unique_id = s.unique_id and u.key = s.key
        offset 0
    ) h on true
    order by s.position
    """
)


async def find_holders(tx: Tx, company_id: int, values: Sequence[WantedValue]) -> list[ValueHolder]:
    """The holder of each value, in the order of positions."""
    rows = await tx.rows(_FIND_HOLDERS, company_id, msgspec.json.encode(values).decode())
    return [ValueHolder(*row.values()) for row in rows]


async def find_conflicts(
    tx: Tx, company_id: int, fields: FieldSet, leads: Mapping[int, Mapping[str, Any]], *, among: Mapping[int, set[int]]
) -> dict[int, list[str]]:
    """The unique fields whose value another lead already has, by lead. `leads` has the custom values to check, by lead.

    `among` has, for a lead, the leads whose values it may take. Of two leads with one value, the first may have it.
    """
    values = [
        WantedValue(lead_id, lead_id, None, field.unique_id or 0, str(custom.get(name) or ""))
        for lead_id, custom in leads.items()
        for name, field in fields.unique_fields.items()
    ]
    if not values:
        return {}
    names = {field.unique_id: name for name, field in fields.unique_fields.items()}
    first_leads: dict[tuple[int, bytes], int] = {}
    taken: dict[int, list[str]] = {}
    for holder in await find_holders(tx, company_id, values):
        if holder.key is None:
            continue
        lead_id = holder.position
        first = first_leads.setdefault((holder.unique_id, holder.key), lead_id)
        if first != lead_id or holder.holder_id not in {None, lead_id, *among.get(lead_id, ())}:
            taken.setdefault(lead_id, []).append(names[holder.unique_id])
    return taken


_STORE_VALUES = statement(
    f"""
    with current as materialized (
        select l.id as lead_id, f.unique_id, {_key("v.value")} as key
        from lead l
        cross join jsonb_to_recordset($3::jsonb) as f (unique_id bigint, name text)
        cross join lateral (select {_normal("l.custom->>f.name")} as value offset 0) v
        where l.company_id = $1 and l.id = any($2::bigint[])
    ),
    stored as materialized (
        select u.unique_id, u.key, u.lead_id, (u.unique_id, u.key, u.lead_id) in (
            select unique_id, key, lead_id from current where key is not null
        ) as stays
        from unique_value u
        where u.company_id = $1 and u.lead_id = any($2::bigint[])
    ),
    deleted as (
        delete from unique_value u using stored s
        where u.company_id = $1 and not s.stays and u.unique_id = s.unique_id and u.key = s.key
            and u.lead_id = s.lead_id
        returning 1
    ),
    inserted as (  -- after the deletes, and in the order of keys, so that two calls never wait in a circle
        insert into unique_value (company_id, unique_id, key, lead_id)
        select $1, c.unique_id, c.key, c.lead_id from current c
        where c.key is not null and {sql.after("deleted")}
            and (c.unique_id, c.key, c.lead_id) not in (select unique_id, key, lead_id from stored where stays)
        order by c.unique_id, c.key
        on conflict (company_id, unique_id, key) do nothing
        returning unique_id, key, lead_id
    )
    select c.lead_id, c.unique_id from current c
    where c.key is not null
        and (c.unique_id, c.key, c.lead_id) not in (select unique_id, key, lead_id from stored where stays)
        and (c.unique_id, c.key, c.lead_id) not in (select unique_id, key, lead_id from inserted)
    order by c.lead_id
    """
)


async def store_values(tx: Tx, company_id: int, fields: FieldSet, lead_ids: Sequence[int]) -> list[Conflict]:
    """Stores the current values of these leads. Returns the conflicts: values that another lead has and keeps.

    Call it after the write of the leads, in the same transaction. Values can move between the given leads in any order.
    """
    names = {field.unique_id: name for name, field in fields.unique_fields.items()}
    if not names or not lead_ids:
        return []
    unique_fields = [{"unique_id": unique_id, "name": name} for unique_id, name in names.items()]
    rows = await tx.rows(_STORE_VALUES, company_id, list(lead_ids), msgspec.json.encode(unique_fields).decode())
    return [Conflict(row["lead_id"], names[row["unique_id"]]) for row in rows]


_FIND_SHARED: Statement = statement(
    f"""
    with shared as (
        select v.value, count(*) as leads
        from lead l cross join lateral (select {_normal("l.custom->>$2::text")} as value offset 0) v
        where l.company_id = $1 and v.value <> ''
        group by v.value having count(*) > 1
    )
    select count(*) over () as values, value, leads from shared order by leads desc, value collate "C" limit 1
    """
)


async def find_shared_values(tx: Tx, company_id: int, name: str) -> SharedValues | None:
    """The values of a field that several leads share, None if all are unique. Reads all leads."""
    row = await tx.row(_FIND_SHARED, company_id, name)
    return SharedValues(*row.values()) if row else None


async def fill(tx: Tx, company_id: int, unique_ids: Sequence[int]) -> None:
    """Starts background jobs that store the values of all leads. If two leads share one, the field is not unique."""
    await background_jobs.start(tx, company_id, _FILL, *unique_ids)


async def clear(tx: Tx, company_id: int, unique_ids: Sequence[int]) -> None:
    """Starts background jobs that delete the values of fields that were deleted or are no longer unique."""
    await background_jobs.start(tx, company_id, _CLEAR, *unique_ids)


async def _wait_for_writers(tx: Tx, cursor: int) -> int:
    """Waits for transactions that may use the fields as they were before the job; returns the next cursor.

    The cursor 0 starts the wait. A negative cursor is the start time in microseconds, negated. The cursor 1 ends the
    wait: every transaction from before the start has ended.
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
        await tx.rows("select pg_sleep($1)", _WAIT_SECONDS)
        return cursor
    return 1


async def _fill_step(tx: Tx, company_id: int, unique_id: int, cursor: int) -> int | None:
    if cursor <= 0:
        return await _wait_for_writers(tx, cursor)
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
    with_value = [row["id"] for row in rows if row["has"]]
    await tx.rows(
        "select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for share",
        company_id,
        with_value,
    )
    conflicts = await store_values(tx, company_id, known, with_value)
    conflicts = [conflict for conflict in conflicts if conflict.name == name]
    if conflicts:
        log.warning("field is not unique", company=company_id, field=name, lead=conflicts[0].lead_id)
        return _NOT_UNIQUE
    if rows:
        return rows[-1]["id"]
    await fieldsets.finish_fill(tx, company_id, unique_id, unique=True)
    return None


async def _clear_step(tx: Tx, company_id: int, unique_id: int, cursor: int) -> int | None:
    if cursor <= 0:
        return await _wait_for_writers(tx, cursor)
    deleted = await tx.rows(
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
    return 1 if len(deleted) == STEP_ROWS else None


STEPS: Mapping[str, Step] = {_FILL: _fill_step, _CLEAR: _clear_step}
