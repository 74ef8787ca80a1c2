"""Custom fields in the database, and a cache that saves most calls the query for them."""

from collections.abc import Mapping, Sequence

import msgspec

from springhead.model.kit.caches import BoundedCache, memory_of
from springhead.model.kit.fields import Field, FieldSet, ListFilter
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.database.sql import statement

KEPT_COMPANIES, KEPT_BYTES = 10_000, 64 * 1024 * 1024
"""The most companies in the cache of fields, and the most bytes of them."""

DERIVED = 4
"""How many times its own size a field set takes with all that it derives: columns, schemas, and SQL of list filters."""

_FIXED = {"relationship": "text", "system_name": "text", "source": "text", "data_type": "text"}
_CHANGEABLE = {
    "label": "text",
    "data_length": "bigint",
    "is_required": "boolean",
    "is_available_in_contact_manager": "boolean",
    "is_editable_in_contact_manager": "boolean",
    "is_available_in_forms": "boolean",
    "is_active": "boolean",
    "options": "jsonb",
}


def _typed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {type_name}" for name, type_name in columns.items())


_STORED = {**_FIXED, **_CHANGEABLE}
_INSERT = statement(
    f"""
    insert into field (company_id, {", ".join(_STORED)}, unique_id, unique_filled)
    select $1, {", ".join(_STORED)}, case when is_unique then nextval('unique_id_seq') end, is_unique
    from rows from (
        jsonb_to_recordset($2::jsonb) as ({_typed(_STORED)}, is_unique boolean)
    ) with ordinality as sent ({", ".join(_STORED)}, is_unique, position)
    order by position
    returning id, system_name
    """
)
_REPLACE = statement(
    f"""
    update field f set {", ".join(f"{name} = r.{name}" for name in _CHANGEABLE)}, unique_id = r.number,
        unique_filled = f.unique_filled and r.is_unique
    from (
        select s.*, case when s.is_unique then coalesce(s.unique_id, nextval('unique_id_seq')) end as number
        from jsonb_to_recordset($2::jsonb) as s (id bigint, {_typed(_CHANGEABLE)}, is_unique boolean, unique_id bigint)
    ) as r
    where f.company_id = $1 and f.id = r.id
    returning f.id, f.unique_id
    """
)


async def load(tx: Tx, company_id: int) -> FieldSet:
    """The custom fields and list filters of a company, and their version.

    Reads the version first. If the fields or filters are newer than it, the next write finds another version and
    retries.
    """
    rows = await tx.rows(
        """
        select c.field_version, f.id, f.relationship, f.system_name, f.label, f.source,
            f.data_type, f.data_length, f.is_required, f.is_available_in_contact_manager,
            f.is_editable_in_contact_manager, f.is_available_in_forms, f.is_active, f.options::text as options,
            f.unique_id is not null as is_unique, f.unique_id, f.unique_filled
        from company c
        left join field f on f.company_id = c.id
        where c.id = $1
        order by f.id
        """,
        company_id,
    )
    names = [name for name in Field.__struct_fields__ if name not in {"options", "is_custom"}]
    fields = tuple(
        Field(
            **{name: row[name] for name in names},
            options=msgspec.json.decode(row["options"], type=tuple[str, ...]),
        )
        for row in rows
        if row["id"] is not None
    )
    list_filters = await tx.rows(
        "select id, filter::text as filter from list where company_id = $1 and filter is not null order by id",
        company_id,
    )
    return FieldSet(
        version=rows[0]["field_version"],
        fields=fields,
        list_filters=tuple(ListFilter(row["id"], row["filter"]) for row in list_filters),
    )


async def load_version(tx: Tx, company_id: int) -> int:
    """The version of a company's custom fields, which rises with every change of fields or list filters."""
    return await tx.value("select field_version from company where id = $1", company_id)


async def lock_version(tx: Tx, company_id: int) -> None:
    """Locks the field version. A transaction that raises it after it locks other rows calls this first."""
    await tx.rows("select id from company where id = $1 order by id for no key update", company_id)


async def raise_version(tx: Tx, company_id: int) -> None:
    """Raises the field version by one and locks it, so that one call at a time changes the fields of a company."""
    await tx.rows("update company set field_version = field_version + 1 where id = $1", company_id)


async def insert(tx: Tx, company_id: int, fields: Sequence[Field]) -> list[int]:
    """Inserts new fields; returns their ids in order."""
    rows = await tx.rows(_INSERT, company_id, msgspec.json.encode(fields).decode())
    ids = {row["system_name"]: row["id"] for row in rows}
    return [ids[field.system_name] for field in fields]


async def replace(tx: Tx, company_id: int, fields: Sequence[Field]) -> dict[int, int | None]:
    """Stores the changed label, length, flags and options of existing fields; returns their unique ids.

    A field that becomes unique gets a unique id and is not filled yet.
    """
    rows = await tx.rows(_REPLACE, company_id, msgspec.json.encode(fields).decode())
    return {row["id"]: row["unique_id"] for row in rows}


async def finish_fill(tx: Tx, company_id: int, unique_id: int, *, unique: bool) -> None:
    """Ends the filling of a unique field: all its values are known, or with `unique` false, it is unique no longer."""
    await raise_version(tx, company_id)
    await tx.rows(
        """
        update field set unique_filled = $3, unique_id = case when $3 then unique_id end
        where company_id = $1 and unique_id = $2
        """,
        company_id,
        unique_id,
        unique,
    )


async def delete(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Deletes fields. Their values stay with the leads, but nothing shows them: no later field gets the same name."""
    await tx.rows(
        """
        with locked as materialized (
            select id from field where company_id = $1 and id = any($2::bigint[]) order by id for update
        )
        delete from field f using locked l where f.company_id = $1 and f.id = l.id
        """,
        company_id,
        ids,
    )


class FieldCache:
    """A cache of the custom fields of recently active companies."""

    def __init__(self) -> None:
        self._sets: BoundedCache[int, FieldSet] = BoundedCache(KEPT_COMPANIES, KEPT_BYTES)

    async def of(self, tx: Tx, company_id: int) -> FieldSet:
        """The company's fields, from the cache or else from the database."""
        fields = self._sets.get(company_id)
        if fields is None:
            fields = await load(tx, company_id)
            self._sets.put(company_id, fields, size=DERIVED * memory_of(fields))
        return fields

    def forget(self, company_id: int) -> None:
        """Removes the company from the cache, so that the next call loads its fields."""
        self._sets.pop(company_id)

    async def verify(self, tx: Tx, company_id: int, fields: FieldSet) -> None:
        """Raises TryAgain if the database has newer fields than these, after removing them from the cache."""
        if await load_version(tx, company_id) != fields.version:
            self.forget(company_id)
            raise TryAgain
