"""The ids of leads that were merged into others: a second look for what a call did not find (store/merged.py)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from springhead.methods.call import Call
from springhead.model.columns import Column, Noun
from springhead.model.errors import Json
from springhead.rpc.method import Rows
from springhead.rpc.params import whole
from springhead.store import merged
from springhead.store.db import Tx

Where = Mapping[str, Json]


async def rename(tx: Tx, company_id: int, noun: Noun, unknown: Sequence[tuple[Any, int]]) -> list[int]:
    """Let objects name the leads that answer for those that they named and that are not there.

    Each object comes with the bits of what it names in vain (store/table.py). Gives the places of those that name
    something else now.
    """
    wanted = [
        (place, column.name, getattr(one, column.name))
        for place, (one, bits) in enumerate(unknown)
        if bits
        for bit, column in enumerate(noun.referring)
        if bits & 1 << bit and _names_lead(column, one)
    ]
    answers = await merged.answering(tx, company_id, {lead_id for _, _, lead_id in wanted})
    renamed: dict[int, None] = {}
    for place, name, lead_id in wanted:
        if lead_id in answers:
            setattr(unknown[place][0], name, answers[lead_id])
            renamed[place] = None
    return list(renamed)


async def resume(tx: Tx, company_id: int, absent: Sequence[Any]) -> list[int]:
    """Let objects whose `id` no lead has mean the leads that answer for them; gives the places of those that do now."""
    ids = [one.id for one in absent]
    answers = await merged.answering(tx, company_id, {one for one in ids if isinstance(one, int)})
    places = [place for place, one in enumerate(ids) if one in answers]
    for place in places:
        absent[place].id = answers[ids[place]]
    return places


def _names_lead(column: Column, one: Any) -> bool:
    """Whether the column of the object holds the id of a lead."""
    if isinstance(column.refers, str):
        return column.refers == "lead"
    return (column.refers or {}).get(getattr(one, column.by or "", "")) == "lead"


async def following(
    call: Call, where: Where, read: Callable[[Where], Awaitable[Rows]], *, shown: Mapping[str, Sequence[str]]
) -> Rows:
    """The rows of a read whose filter has ids of leads; read anew when some find nothing and other leads answer.

    `shown` has, by the name of a filter of such ids, the columns in which a row shows the one that it was found by.
    """
    rows = await read(where)
    names = shown.keys() & where.keys()
    missing = {one for name in names for one in _missing(_ids(where[name]), rows.page, shown[name])}
    if not missing:
        return rows
    async with call.tx() as tx:
        answers = await merged.answering(tx, call.company.id, missing)
    if not answers:
        return rows
    return await read({**where, **{name: _answered(where[name], answers) for name in names}})


def _ids(value: Json) -> list[int]:
    several = value if isinstance(value, list) else [value]
    return [one for one in several if isinstance(one, int)]


def _missing(ids: Sequence[int], rows: Sequence[Mapping[str, Json]], shown: Sequence[str]) -> set[int]:
    """The ids for which there is no row; all of them when rows are too few and do not show it."""
    if rows and not set(shown) <= rows[0].keys():
        return set(ids) if len(rows) < len(set(ids)) else set()
    return set(ids) - {whole(str(row[name])) for row in rows for name in shown}


def _answered(value: Json, answers: Mapping[int, int]) -> Json:
    if isinstance(value, list):
        return [answers.get(one, one) if isinstance(one, int) else one for one in value]
    return answers.get(value, value) if isinstance(value, int) else value
