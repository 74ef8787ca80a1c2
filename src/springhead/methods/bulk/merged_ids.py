"""Ids of merged leads in calls: replaces them by the ids of the surviving leads (store/leads/merged_ids.py).

A write that names a merged id is rolled back and retried with the survivor's id (store/database/retry.py), so that all
rows are locked in the right order. A read that finds no row for a merged id reads again.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import Json
from springhead.rpc.context import Context
from springhead.rpc.method import ReadResult
from springhead.rpc.objects import CheckedObjects
from springhead.rpc.params import whole_number
from springhead.store.database.pool import Tx
from springhead.store.database.retry import MergedIds
from springhead.store.leads import merged_ids

Where = Mapping[str, Json]


def replace(noun: Noun, checked: CheckedObjects, survivors: Mapping[int, int], *, id_names: Sequence[str] = ()) -> None:
    """Replaces merged ids in the checked objects by the survivors' ids, which an earlier attempt looked up.

    `id_names` are columns that contain lead ids but are not references, such as the `id` of a lead.
    """
    if not survivors:
        return
    checked.encoded = None
    for record in checked.valid:
        for name in (*_references_to_leads(noun, record), *id_names):
            survivor = survivors.get(getattr(record, name, 0))
            if survivor is not None:
                setattr(record, name, survivor)


async def check_references(tx: Tx, company_id: int, noun: Noun, unknown: Iterable[tuple[Any, int]]) -> None:
    """Raises MergedIds if a reference of an object is a merged id.

    Each object comes with the bits of its unknown references (store/nouns/table.py).
    """
    await check_ids(
        tx,
        company_id,
        (
            getattr(record, column.name)
            for record, bits in unknown
            if bits
            for bit, column in enumerate(noun.reference_columns)
            if bits & 1 << bit and _names_lead(column, record)
        ),
    )


async def check_ids(tx: Tx, company_id: int, lead_ids: Iterable[Any]) -> None:
    """Raises MergedIds if one of these ids, which no lead has now, is a merged id."""
    survivors = await merged_ids.survivors(
        tx, company_id, {lead_id for lead_id in lead_ids if isinstance(lead_id, int)}
    )
    if survivors:
        raise MergedIds(survivors)


async def read_with_survivors(
    context: Context,
    where: Where,
    read: Callable[[Where], Awaitable[ReadResult]],
    *,
    id_columns: Mapping[str, Sequence[str]],
) -> ReadResult:
    """Returns the rows of a read that filters by lead ids. If merged ids match no row, reads again with the survivors.

    `id_columns` has, for each filter of lead ids, the columns of a row that can have the id.
    """
    result = await read(where)
    names = id_columns.keys() & where.keys()
    missing = {lead_id for name in names for lead_id in _missing(_ids(where[name]), result.page, id_columns[name])}
    if not missing:
        return result
    async with context.tx() as tx:
        survivors = await merged_ids.survivors(tx, context.company.id, missing)
    if not survivors:
        return result
    return await read({**where, **{name: _replaced(where[name], survivors) for name in names}})


def _references_to_leads(noun: Noun, record: Any) -> list[str]:
    return [column.name for column in noun.lead_columns if _names_lead(column, record)]


def _names_lead(column: Column, record: Any) -> bool:
    """Returns whether the object's value of this column is the id of a lead."""
    if isinstance(column.references, str):
        return column.references == "lead"
    return (column.references or {}).get(getattr(record, column.reference_type or "", "")) == "lead"


def _ids(value: Json) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [lead_id for lead_id in values if isinstance(lead_id, int)]


def _missing(ids: Sequence[int], rows: Sequence[Mapping[str, Json]], id_columns: Sequence[str]) -> set[int]:
    """Returns the ids for which there is no row. If the rows lack the id columns, returns all ids or none."""
    if rows and not set(id_columns) <= rows[0].keys():
        return set(ids) if len(rows) < len(set(ids)) else set()
    return set(ids) - {whole_number(str(row[name])) for row in rows for name in id_columns}


def _replaced(value: Json, survivors: Mapping[int, int]) -> Json:
    if isinstance(value, list):
        return [survivors.get(lead_id, lead_id) if isinstance(lead_id, int) else lead_id for lead_id in value]
    return survivors.get(value, value) if isinstance(value, int) else value
