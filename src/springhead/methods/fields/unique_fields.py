"""Custom fields that become unique, or are no longer unique."""

from collections.abc import Mapping, Sequence
from typing import Any

from springhead.model.kit.errors import ApiError, InvalidParameters
from springhead.model.kit.fields import FIELD, FieldSet
from springhead.rpc.context import Context
from springhead.rpc.method import Outcome, refused
from springhead.rpc.objects import CheckedObjects
from springhead.store.database.pool import TookTooLong, Tx
from springhead.store.fields import fields as store
from springhead.store.fields import unique_values

SECONDS = 2.0
"""Seconds that a call searches for shared values. If they do not suffice, a background job continues."""


async def check_values(context: Context, placed: Sequence[tuple[Any, int]]) -> dict[int, ApiError]:
    """Returns a refusal for each field that should become unique although leads share a value."""
    refusals: dict[int, ApiError] = {}
    requested = {record.id: position for record, position in placed if record.isUnique is True}
    if requested:
        async with context.tx() as tx:
            fields = (await store.load(tx, context.company.id)).fields
            for field in fields:
                if field.id in requested and field.relationship == "lead" and not field.is_unique:
                    error = await _shared_values(context, tx, field.system_name)
                    if error:
                        refusals[requested[field.id]] = error
    return refusals


async def _shared_values(context: Context, tx: Tx, name: str) -> InvalidParameters | None:
    """Returns 205 if leads share a value of the field, or None if the search found no shared value in time."""
    try:
        async with tx.within(SECONDS):
            shared = await unique_values.find_shared_values(tx, context.company.id, name)
    except TookTooLong:
        return None
    if shared is None:
        return None
    values = "1 value" if shared.values == 1 else f"{shared.values} values"
    example = f"{shared.example[:100]!r}, which {shared.leads} have"
    message = f"Several leads have the same value: {values} in all, such as {example}"
    return InvalidParameters(FIELD.by_name["isUnique"].problem(message))


async def begin(context: Context, tx: Tx, before: FieldSet, numbers: Mapping[int, int | None]) -> dict[int, int]:
    """Starts the jobs for fields that became unique or are no longer unique; returns the new unique ids by field."""
    earlier = {field.id: field.unique_id for field in before.fields}
    marked = {
        field_id: unique_id
        for field_id, unique_id in numbers.items()
        if unique_id is not None and earlier[field_id] is None
    }
    await unique_values.fill(tx, context.company.id, list(marked.values()))
    removed = [
        old for field_id, unique_id in numbers.items() if unique_id is None and (old := earlier[field_id]) is not None
    ]
    await unique_values.clear(tx, context.company.id, removed)
    return marked


async def finish(context: Context, checked: CheckedObjects, marked: Mapping[int, int]) -> dict[int, Outcome]:
    """Runs the jobs of the newly unique fields for a while; refuses fields of which leads share a value."""
    await context.server.jobs.finish(context.company.id)
    async with context.tx() as tx:
        fields = {field.id: field for field in (await store.load(tx, context.company.id)).fields}
        refusals: dict[int, Outcome] = {}
        for record, position in checked.with_positions():
            field = fields.get(record.id)
            if record.id in marked and record.isUnique is True and field and not field.is_unique:
                error = await _shared_values(context, tx, field.system_name)
                refusals[position] = refused(
                    error or InvalidParameters(FIELD.by_name["isUnique"].problem(_SHARED_VALUE))
                )
    context.server.fields.forget(context.company.id)
    return refusals


_SHARED_VALUE = "Several leads have the same value"
