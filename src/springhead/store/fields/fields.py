"""Custom fields in the database, and the memory of them that spares most calls a query."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec

from springhead.model.kit.fields import Field, FieldSet, ListFilter
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.database.sql import statement

KEPT_COMPANIES = 10_000

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
    """The custom fields and list rules of a company and the version that they are of.

    The version is read first: what is newer than it makes the next write begin anew.
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
    rules = await tx.rows(
        "select id, filter::text as filter from list where company_id = $1 and filter is not null order by id",
        company_id,
    )
    return FieldSet(
        version=rows[0]["field_version"],
        fields=fields,
        list_filters=tuple(ListFilter(row["id"], row["filter"]) for row in rules),
    )


async def load_version(tx: Tx, company_id: int) -> int:
    """The version of a company's custom fields: it rises with every change."""
    return await tx.value("select field_version from company where id = $1", company_id)


async def lock_version(tx: Tx, company_id: int) -> None:
    """Lock the field version. A transaction that raises it after it locks other rows calls this first."""
    await tx.rows("select id from company where id = $1 order by id for no key update", company_id)


async def raise_version(tx: Tx, company_id: int) -> None:
    """Raise the company's field version by one, and lock it: a company changes its fields one call at a time."""
    await tx.rows("update company set field_version = field_version + 1 where id = $1", company_id)


async def insert(tx: Tx, company_id: int, fields: Sequence[Field]) -> list[int]:
    """Insert new fields; gives their ids in order."""
    rows = await tx.rows(_INSERT, company_id, msgspec.json.encode(fields).decode())
    ids = {row["system_name"]: row["id"] for row in rows}
    return [ids[field.system_name] for field in fields]


async def replace(tx: Tx, company_id: int, fields: Sequence[Field]) -> dict[int, int | None]:
    """Store the changed label, length, flags and options of existing fields; gives their unique ids.

    A field that is unique and has no unique id gets one, and is not filled.
    """
    rows = await tx.rows(_REPLACE, company_id, msgspec.json.encode(fields).decode())
    return {row["id"]: row["unique_id"] for row in rows}


async def finish_fill(tx: Tx, company_id: int, unique_id: int, *, unique: bool) -> None:
    """End the filling of a unique field: its values are all known, or it is not unique after all."""
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
    """Delete fields; values that leads still carry are out of sight from then on, for no name comes back."""
    await tx.rows("delete from field where company_id = $1 and id = any($2::bigint[])", company_id, ids)


class FieldCache:
    """The custom fields of the companies that were active lately."""

    def __init__(self) -> None:
        self._sets: OrderedDict[int, FieldSet] = OrderedDict()

    async def of(self, tx: Tx, company_id: int) -> FieldSet:
        """The company's fields, from memory if they are there."""
        fields = self._sets.get(company_id)
        if fields is None:
            fields = self._sets[company_id] = await load(tx, company_id)
            if len(self._sets) > KEPT_COMPANIES:
                self._sets.popitem(last=False)
        return fields

    def forget(self, company_id: int) -> None:
        """Read the company's fields anew at the next call."""
        self._sets.pop(company_id, None)

    async def verify(self, tx: Tx, company_id: int, fields: FieldSet) -> None:
        """Forget the fields and raise TryAgain when the database has newer ones."""
        if await load_version(tx, company_id) != fields.version:
            self.forget(company_id)
            raise TryAgain
