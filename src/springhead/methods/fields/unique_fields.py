"""How a custom field becomes unique, or ceases to be: what a change of fields does beside storing them."""

from collections.abc import Mapping, Sequence
from typing import Any

from springhead.model.kit.errors import ApiError, InvalidParameters
from springhead.model.kit.fields import FIELD, FieldSet
from springhead.rpc.context import Context
from springhead.rpc.method import Done, refused
from springhead.rpc.objects import Checked
from springhead.store.database.pool import TookTooLong, Tx
from springhead.store.fields import fields as store
from springhead.store.fields import unique_values

SECONDS = 2.0
"""How long all leads are looked at for the answer's sake; a pass finds out what this does not."""


async def doubled(context: Context, placed: Sequence[tuple[Any, int]]) -> dict[int, ApiError]:
    """Which of the changes are refused since leads have the same value in a field that is to be unique."""
    wrong: dict[int, ApiError] = {}
    asked = {one.id: at for one, at in placed if one.isUnique is True}
    if asked:
        async with context.tx() as tx:
            fields = (await store.load(tx, context.company.id)).fields
            for field in fields:
                if field.id in asked and field.relationship == "lead" and not field.is_unique:
                    problem = await _problem(context, tx, field.system_name)
                    if problem:
                        wrong[asked[field.id]] = problem
    return wrong


async def _problem(context: Context, tx: Tx, name: str) -> InvalidParameters | None:
    try:
        async with tx.within(SECONDS):
            found = await unique_values.find_shared_values(tx, context.company.id, name)
    except TookTooLong:
        return None
    if found is None:
        return None
    values = "1 value" if found.values == 1 else f"{found.values} values"
    message = (
        f"Several leads have the same value: {values} in all, such as {found.example[:100]!r}, which {found.leads} have"
    )
    return InvalidParameters(FIELD.by_name["isUnique"].problem(message))


async def begin(context: Context, tx: Tx, before: FieldSet, numbers: Mapping[int, int | None]) -> dict[int, int]:
    """Start what follows from fields having got or lost their unique ids; gives those that got one, by field."""
    had = {field.id: field.unique_id for field in before.fields}
    marked = {one: number for one, number in numbers.items() if number is not None and had[one] is None}
    await unique_values.fill(tx, context.company.id, list(marked.values()))
    lost = [old for one, number in numbers.items() if number is None and (old := had[one]) is not None]
    await unique_values.clear(tx, context.company.id, lost)
    return marked


async def finished(context: Context, checked: Checked, marked: Mapping[int, int]) -> dict[int, Done]:
    """Drive the passes of fields that became unique; the outcomes of those that turned out not to be."""
    await context.server.jobs.finish(context.company.id)
    async with context.tx() as tx:
        now = {field.id: field for field in (await store.load(tx, context.company.id)).fields}
        refusals: dict[int, Done] = {}
        for one, at in checked.placed():
            field = now.get(one.id)
            if one.id in marked and one.isUnique is True and field and not field.is_unique:
                problem = await _problem(context, tx, field.system_name)
                refusals[at] = refused(problem or InvalidParameters(FIELD.by_name["isUnique"].problem(_DOUBLED)))
    context.server.fields.forget(context.company.id)
    return refusals


_DOUBLED = "Several leads have the same value"
