"""Searches of leads: any filter, words in their texts, any order, for a bounded time."""

import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from springhead.model.kit.columns import ID_MAX
from springhead.model.kit.errors import Json
from springhead.model.kit.filters import Filter, FilterFields
from springhead.model.leads import search
from springhead.model.leads.search import RankPosition, SortKey
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, literal, statement
from springhead.store.nouns.filters import condition
from springhead.store.nouns.reads import Rows, Select

SECONDS = 3.0
"""How long all statements of a search together can take."""

_SEARCHED = ("first_name", "last_name", "company_name", "email_address", "description")
_NAMED = """cross join lateral (
    select lower(concat_ws(' ', '', l.first_name, l.last_name, l.company_name)) as names offset 0
) as n"""
"""The names of each lead, made once for all the words: `offset 0` keeps PostgreSQL from making them for each test."""


_SPACED = """cross join lateral (
    select lower(concat_ws(' ', '', l.first_name, l.last_name, l.company_name, l.email_address, '')) as names offset 0
) as s"""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched for, and in which order; without `filter` and `words`, everything.

    With `ranked` the keys mean nothing: what the words fit best comes first.
    """

    filter: Filter | None
    columns: FilterFields
    words: Sequence[str]
    keys: Sequence[SortKey]
    only_active: bool
    ranked: bool


class Search:
    """The statements of one search: a page, a count, which together take SECONDS at most, or raise TookTooLong."""

    def __init__(self, tx: Tx, company_id: int, select: Select, query: Query, *, zone: str, version: int) -> None:
        self._tx, self._company_id, self._select, self._query = tx, company_id, select, query
        self._zone, self._version = zone, version
        self._until = time.monotonic() + SECONDS

    async def find(
        self, *, typos: bool, after: Sequence[Any] | None, limit: int
    ) -> tuple[Rows, Sequence[tuple[Json, ...]]]:
        """Up to `limit` leads behind the place that a cursor names, and the place of each.

        No rows can also mean that the field version has changed.
        """
        if self._query.ranked:
            return await self._best(typos=typos, place=RankPosition(*after) if after is not None else None, limit=limit)
        return await self._page(typos=typos, after=after, limit=limit)

    async def _page(
        self, *, typos: bool, after: Sequence[Json] | None, limit: int
    ) -> tuple[Rows, Sequence[tuple[Json, ...]]]:
        """Up to `limit` leads behind the sort values `after`, and the sort values of each."""
        select, parameters = self._select, list[object]()
        keys = [_expression(key) for key in self._query.keys]
        where = self._where(parameters, first=5, typos=typos)
        begin = _behind(self._query.keys, keys, after, parameters, first=5) if after is not None else "true"
        order = ", ".join(_order(key, text) for key, text in zip(self._query.keys, keys, strict=True))
        shown = ", ".join(f'{text} as "#{number}"' for number, text in enumerate(keys))
        query = statement(
            f"select {select.list}, {shown} from lead l {_NAMED if typos else ''}"
            f" where {select.guard} and {where} and {begin} order by {order} limit $4"
        )
        found = [
            dict(row)
            for row in await self._rows(query, self._company_id, self._zone, self._version, limit, *parameters)
        ]
        return found, [tuple(row.pop(f"#{number}") for number in range(len(keys))) for row in found]

    async def _best(self, *, typos: bool, place: RankPosition | None, limit: int) -> tuple[Rows, list[RankPosition]]:
        """Up to `limit` leads behind a place, those first which the words fit best.

        They are put in order by BLOCK at a time, in the order of ids: to know the best of all that have a common word
        would mean to read every lead.
        """
        found: list[RankPosition] = []
        after, until = (place.after, place.until) if place else (0, None)
        while len(found) < limit:
            block = await self._block(after, until, typos=typos)
            found += [
                one for one in block if place is None or one.after > place.after or _order_of(one) > _order_of(place)
            ]
            until = block[0].until if block else until
            if until is None:
                break
            after, until = until, None
        select, ids = self._select, [one.id for one in found[:limit]]
        if not ids:
            return [], []
        query = statement(
            f'select {select.list}, l.id as "#" from lead l where {select.guard} and l.id = any($4::bigint[])'
        )
        read = await self._rows(query, self._company_id, self._zone, self._version, ids)
        rows = {row["#"]: {name: value for name, value in row.items() if name != "#"} for row in read}
        places = [one for one in found[:limit] if one.id in rows]
        return [rows[one.id] for one in places], places

    async def _block(self, after: int, until: int | None, *, typos: bool) -> list[RankPosition]:
        """The leads behind an id that have the words, up to another or a block of them, the best first."""
        parameters: list[object] = []
        where = self._where(parameters, first=5, typos=typos)
        ranks: list[str] = []
        for word in self._query.words:
            parameters += search.rank_patterns(word)
            last = 4 + len(parameters)
            ranks.append(
                f"case when s.names not like ${last - 2} then 0 when s.names not like ${last - 1} then 1"
                f" when s.names not like ${last} then 2 else 3 end"
            )
        query = statement(
            f"select l.id, {' + '.join(ranks)} as rank from lead l {_SPACED} {_NAMED if typos else ''}"
            f" where l.company_id = $1 and l.id > $2 and l.id <= $3 and {where} order by l.id limit $4"
        )
        most = until if until is not None else ID_MAX
        rows = await self._rows(query, self._company_id, after, most, search.RANK_BLOCK, *parameters)
        if until is None and len(rows) == search.RANK_BLOCK:
            until = rows[-1]["id"]
        return sorted((RankPosition(after, until, row["rank"], row["id"]) for row in rows), key=_order_of)

    async def count(self, *, typos: bool) -> int:
        """How many leads there are, as far as TOTAL_MAX and one."""
        parameters: list[object] = []
        where = self._where(parameters, first=2, typos=typos)
        named = _NAMED if typos else ""
        query = statement(
            "select count(*) as total from"
            f" (select from lead l {named} where l.company_id = $1 and {where} limit {search.TOTAL_MAX + 1}) as found"
        )
        (row,) = await self._rows(query, self._company_id, *parameters)
        return row["total"]

    async def _rows(self, query: Statement, *arguments: object) -> list[asyncpg.Record]:
        async with self._tx.within(self._until - time.monotonic()):
            return await self._tx.rows(query, *arguments)

    def _where(self, parameters: list[object], *, first: int, typos: bool) -> str:
        parts = ["l.active" if self._query.only_active else "true"]
        if self._query.filter is not None:
            parts.append(condition(self._query.filter, self._query.columns, parameters, first=first))
        parts += [_word(word, parameters, first=first, typos=typos) for word in self._query.words]
        return " and ".join(parts)


def _order_of(place: RankPosition) -> tuple[int, int]:
    return -place.rank, place.id


def _word(word: str, parameters: list[object], *, first: int, typos: bool) -> str:
    """That a word stands somewhere in a lead; with `typos`, also with a mistake in its names."""

    def put(value: str) -> str:
        parameters.append(value)
        return f"${first + len(parameters) - 1}::text"

    pattern = put("%" + word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%")
    found = " or ".join(f"lower(l.{column}) like lower({pattern})" for column in _SEARCHED)
    if typos and (mistaken := search.typo_pattern(word)):
        rough = " or ".join(f"n.names like {put(pattern)}" for pattern in mistaken.rough)
        found += f" or (({rough}) and n.names ~ {put(mistaken.expression)})"
    return f"coalesce({found}, false)"


def _expression(key: SortKey) -> str:
    if key.custom:
        value = f"l.custom->>{literal(key.column.name)}"
    else:
        value = f"({key.column.read})" if key.column.read else f"l.{key.column.sql}"
    if key.sql_type == "text":
        return f"""left(lower(nullif({value}, '')), {search.KEY_LENGTH}) collate "C" """
    return value


def _order(key: SortKey, text: str) -> str:
    return f"{text} {'desc' if key.descending else 'asc'}{'' if key.never_empty else ' nulls last'}"


def _behind(
    keys: Sequence[SortKey], texts: Sequence[str], after: Sequence[Json], parameters: list[object], *, first: int
) -> str:
    """What comes behind a row of these sort values, those without a value last of all."""
    ways: list[str] = []
    same: list[str] = []
    bound = ""
    for key, text, value in zip(keys, texts, after, strict=True):
        if value is None:
            same.append(f"{text} is null")
            continue  # nothing comes behind what has no value
        parameters.append(value)
        sql_type = key.sql_type.replace("smallint", "bigint")  # what a forged cursor holds need not fit
        operand = f"${first + len(parameters) - 1}::{sql_type}"
        beyond = f"{text} {'<' if key.descending else '>'} {operand}"
        ways.append(" and ".join([*same, beyond if key.never_empty else f"({beyond} or {text} is null)"]))
        if key is keys[0] and key.never_empty:  # said once more so that an index can begin there
            bound = f"{text} {'<=' if key.descending else '>='} {operand} and "
        same.append(f"{text} = {operand}")
    return f"({bound}({' or '.join(f'({way})' for way in ways)}))"
