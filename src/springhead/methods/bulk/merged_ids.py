"""The ids of merged leads: a second look for ids that a call did not find (store/leads/merged_ids.py)."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import Json
from springhead.rpc.context import Context
from springhead.rpc.method import Rows
from springhead.rpc.params import whole
from springhead.store.database.pool import Tx
from springhead.store.leads import merged_ids

T = TypeVar("T")
Where = Mapping[str, Json]


class Renamed(Exception):
    """Objects have come to name other leads: what was done is to be undone, and done with them as they are now."""


async def settled(attempt: Callable[[], Awaitable[T]]) -> T:
    """Begin anew whenever something names other leads than before: so all is locked in the right order."""
    while True:
        try:
            return await attempt()
        except Renamed:
            continue


def concern(noun: Noun) -> bool:
    """Whether objects of the noun may name leads: what is done with them may have to be undone."""
    return any(column.refers == "lead" or "lead" in _words(column) for column in noun.referring)


async def rename(tx: Tx, company_id: int, noun: Noun, unknown: Iterable[tuple[Any, int]]) -> None:
    """Raise Renamed when objects that name leads in vain name now those that answer for them.

    Each object comes with the bits of what it names in vain (store/nouns/table.py).
    """
    wanted = [
        (one, column.name, getattr(one, column.name))
        for one, bits in unknown
        if bits
        for bit, column in enumerate(noun.referring)
        if bits & 1 << bit and _names_lead(column, one)
    ]
    await _replace(tx, company_id, wanted)


async def resume(tx: Tx, company_id: int, absent: Iterable[Any], *, name: str = "id") -> None:
    """Raise Renamed when objects whose `id` no lead has mean now the leads that answer for them."""
    ids = ((one, getattr(one, name)) for one in absent)
    await _replace(tx, company_id, [(one, name, lead_id) for one, lead_id in ids if isinstance(lead_id, int)])


async def _replace(tx: Tx, company_id: int, wanted: Sequence[tuple[Any, str, int]]) -> None:
    answers = await merged_ids.answering(tx, company_id, {lead_id for _, _, lead_id in wanted})
    for one, name, lead_id in wanted:
        if lead_id in answers:
            setattr(one, name, answers[lead_id])
    if answers:
        raise Renamed


def _words(column: Column) -> Sequence[str]:
    return () if column.refers is None or isinstance(column.refers, str) else tuple(column.refers.values())


def _names_lead(column: Column, one: Any) -> bool:
    """Whether the column of the object holds the id of a lead."""
    if isinstance(column.refers, str):
        return column.refers == "lead"
    return (column.refers or {}).get(getattr(one, column.by or "", "")) == "lead"


async def following(
    context: Context, where: Where, read: Callable[[Where], Awaitable[Rows]], *, shown: Mapping[str, Sequence[str]]
) -> Rows:
    """The rows of a read whose filter has ids of leads; read anew when some find nothing and other leads answer.

    `shown` has, by the name of a filter of such ids, the columns in which a row shows the one that it was found by.
    """
    rows = await read(where)
    names = shown.keys() & where.keys()
    missing = {one for name in names for one in _missing(_ids(where[name]), rows.page, shown[name])}
    if not missing:
        return rows
    async with context.tx() as tx:
        answers = await merged_ids.answering(tx, context.company.id, missing)
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
