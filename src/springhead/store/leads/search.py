"""Searches of leads by any filter and by words in their texts, in any order, with a time limit."""

import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from springhead.model.kit.columns import ID_MAX
from springhead.model.kit.errors import Json
from springhead.model.kit.filters import Filter, FilterFields
from springhead.model.leads import search
from springhead.model.leads.search import RankPosition, SortKey, Word
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, literal, statement
from springhead.store.nouns.filters import condition
from springhead.store.nouns.folding import folded
from springhead.store.nouns.reads import Rows, Select

SECONDS = 3.0
"""The time limit of all statements of a search together."""

_MARKS = ".,;:-/()&"
"""Punctuation that ends a word of a name."""

_TEXTS = f"""cross join lateral (
    select concat_ws(' ', '', l.first_name, l.last_name, l.company_name) as people offset 0
) as r
cross join lateral (
    select {folded("r.people")} as people, {folded("l.email_address")} as address,
        {folded("l.description")} as description
    offset 0
) as t"""
"""The texts of each lead, folded. `offset 0` makes PostgreSQL compute them once per lead."""

_PHONES = r"""translate(replace(
    concat_ws(E'\n', l.phone_number, l.office_phone_number, l.mobile_phone_number, l.fax_number), '(0)', ''
), E' ()-./+\u00a0\u202f\u2010\u2011\u2013', '')"""
"""The phone numbers of a lead without separators, in which digits are searched as `search.phone_digits` reads them."""

_RANKED_NAMES = f"""cross join lateral (
    select translate(t.people, '{_MARKS}', repeat(' ', {len(_MARKS)})) || ' ' || t.address || ' ' as names offset 0
) as s"""
"""The names and address of each lead, with a space before and after each word, as `search.rank_patterns` needs."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The filter, the words and the order of a search; without `filter` and `words`, it returns all leads.

    With `ranked` the leads that match the words best come first, and `keys` are ignored.
    """

    filter: Filter | None
    columns: FilterFields
    words: Sequence[Word]
    keys: Sequence[SortKey]
    only_active: bool
    ranked: bool


class Search:
    """The statements of one search: a page and a count. Together they take at most SECONDS, or raise TookTooLong."""

    def __init__(self, tx: Tx, company_id: int, select: Select, query: Query, *, zone: str, version: int) -> None:
        self._tx, self._company_id, self._select, self._query = tx, company_id, select, query
        self._zone, self._version = zone, version
        self._until = time.monotonic() + SECONDS

    async def find(
        self, *, typos: bool, after: Sequence[Any] | None, limit: int
    ) -> tuple[Rows, Sequence[tuple[Json, ...]]]:
        """Up to `limit` leads after the position of a cursor, and the position of each lead.

        Returns no rows also if the field version has changed.
        """
        if self._query.ranked:
            start = RankPosition(*after) if after is not None else None
            return await self._best(typos=typos, start=start, limit=limit)
        return await self._page(typos=typos, after=after, limit=limit)

    async def _page(
        self, *, typos: bool, after: Sequence[Json] | None, limit: int
    ) -> tuple[Rows, Sequence[tuple[Json, ...]]]:
        """Up to `limit` leads after the sort values `after`, and the sort values of each lead."""
        select, parameters = self._select, list[object]()
        keys = [_expression(key) for key in self._query.keys]
        where = self._where(parameters, first=5, typos=typos)
        begin = _after(self._query.keys, keys, after, parameters, first=5) if after is not None else "true"
        order = ", ".join(_order(key, text) for key, text in zip(self._query.keys, keys, strict=True))
        shown = ", ".join(f'{text} as "#{number}"' for number, text in enumerate(keys))
        query = statement(
            f"select {select.list}, {shown} from lead l {self._texts}"
            f" where {select.guard} and {where} and {begin} order by {order} limit $4"
        )
        records = await self._rows(query, self._company_id, self._zone, self._version, limit, *parameters)
        rows = select.rows(records)
        return rows, [tuple(row.pop(f"#{number}") for number in range(len(keys))) for row in rows]

    async def _best(self, *, typos: bool, start: RankPosition | None, limit: int) -> tuple[Rows, list[RankPosition]]:
        """Up to `limit` leads after a position, best matches first.

        Ranks one block of RANK_BLOCK leads after another, in the order of ids. Ranking all leads at once would mean
        reading every lead that has a common word.
        """
        positions: list[RankPosition] = []
        after, until = (start.after, start.until) if start else (0, None)
        while len(positions) < limit:
            block = await self._block(after, until, typos=typos)
            positions += [
                position
                for position in block
                if start is None or position.after > start.after or _order_of(position) > _order_of(start)
            ]
            until = block[0].until if block else until
            if until is None:
                break
            after, until = until, None
        select, ids = self._select, [position.id for position in positions[:limit]]
        if not ids:
            return [], []
        query = statement(
            f'select {select.list}, l.id as "#" from lead l where {select.guard} and l.id = any($4::bigint[])'
        )
        records = await self._rows(query, self._company_id, self._zone, self._version, ids)
        rows = {row.pop("#"): row for row in select.rows(records)}
        existing = [position for position in positions[:limit] if position.id in rows]
        return [rows[position.id] for position in existing], existing

    async def _block(self, after: int, until: int | None, *, typos: bool) -> list[RankPosition]:
        """The leads with the words whose ids are after `after`, best matches first.

        The block ends with the id `until` or, if it is None, after RANK_BLOCK leads.
        """
        parameters: list[object] = []
        where = self._where(parameters, first=5, typos=typos)
        ranks: list[str] = []
        for part in dict.fromkeys(part for word in self._query.words for part in (word.loose if typos else word.parts)):
            parameters += search.rank_patterns(part)
            last = 4 + len(parameters)
            ranks.append(
                f"case when s.names not like ${last - 2} then 0 when s.names not like ${last - 1} then 1"
                f" when s.names not like ${last} then 2 else 3 end"
            )
        query = statement(
            f"select l.id, {' + '.join(ranks)} as rank from lead l {self._texts} {_RANKED_NAMES}"
            f" where l.company_id = $1 and l.id > $2 and l.id <= $3 and {where} order by l.id limit $4"
        )
        most = until if until is not None else ID_MAX
        rows = await self._rows(query, self._company_id, after, most, search.RANK_BLOCK, *parameters)
        if until is None and len(rows) == search.RANK_BLOCK:
            until = rows[-1]["id"]
        return sorted((RankPosition(after, until, row["rank"], row["id"]) for row in rows), key=_order_of)

    async def count(self, *, typos: bool) -> int:
        """The number of leads that match, at most TOTAL_MAX + 1."""
        parameters: list[object] = []
        where = self._where(parameters, first=2, typos=typos)
        query = statement(
            f"select count(*) as total from (select 1 from lead l {self._texts}"
            f" where l.company_id = $1 and {where} limit {search.TOTAL_MAX + 1}) as hits"
        )
        (row,) = await self._rows(query, self._company_id, *parameters)
        return row["total"]

    async def _rows(self, query: Statement, *arguments: object) -> list[asyncpg.Record]:
        async with self._tx.within(self._until - time.monotonic()):
            return await self._tx.rows(query, *arguments)

    @property
    def _texts(self) -> str:
        return _TEXTS if self._query.words else ""

    def _where(self, parameters: list[object], *, first: int, typos: bool) -> str:
        parts = ["l.active" if self._query.only_active else "true"]
        if self._query.filter is not None:
            parts.append(condition(self._query.filter, self._query.columns, parameters, first=first))
        parts += [_word(word, parameters, first=first, typos=typos) for word in self._query.words]
        return " and ".join(parts)


def _order_of(position: RankPosition) -> tuple[int, int]:
    return -position.rank, position.id


def _word(word: Word, parameters: list[object], *, first: int, typos: bool) -> str:
    """Returns a condition: a lead has the word; with `typos`, the parts may have a typo in its names."""

    def put(value: str) -> str:
        parameters.append(value)
        return f"${first + len(parameters) - 1}::text"

    def has(part: str) -> str:
        pattern = put(f"%{search.escaped(part)}%")
        matches = " or ".join(f"t.{text} like {pattern}" for text in ("people", "address", "description"))
        if typos and (typo := search.typo_pattern(part)):
            rough = " or ".join(f"t.people like {put(pattern)}" for pattern in typo.rough)
            matches += f" or (({rough}) and t.people ~ {put(typo.expression)})"
        return f"({matches})"

    matches = " and ".join(map(has, word.loose if typos else word.parts))
    if word.digits:
        matches = f"({matches}) or {_PHONES} like {put(f'%{word.digits}%')}"
    return f"coalesce({matches}, false)"


def _expression(key: SortKey) -> str:
    if key.custom:
        value = f"l.custom->>{literal(key.column.name)}"
    else:
        value = f"({key.column.read})" if key.column.read else f"l.{key.column.sql}"
    if key.sql_type == "text":
        return f"""left({folded(f"nullif({value}, '')")}, {search.KEY_LENGTH}) collate "C" """
    return value


def _order(key: SortKey, text: str) -> str:
    return f"{text} {'desc' if key.descending else 'asc'}{'' if key.never_empty else ' nulls last'}"


def _after(
    keys: Sequence[SortKey], texts: Sequence[str], after: Sequence[Json], parameters: list[object], *, first: int
) -> str:
    """Returns the condition on rows that come after these sort values. Rows without a value come last."""
    ways: list[str] = []
    same: list[str] = []
    bound = ""
    for key, text, value in zip(keys, texts, after, strict=True):
        if value is None:
            same.append(f"{text} is null")
            continue  # rows without a value are the last ones
        parameters.append(value)
        sql_type = key.sql_type.replace("smallint", "bigint")  # a forged cursor may have a larger number
        operand = f"${first + len(parameters) - 1}::{sql_type}"
        beyond = f"{text} {'<' if key.descending else '>'} {operand}"
        ways.append(" and ".join([*same, beyond if key.never_empty else f"({beyond} or {text} is null)"]))
        if key is keys[0] and key.never_empty:  # redundant, but lets an index scan start here
            bound = f"{text} {'<=' if key.descending else '>='} {operand} and "
        same.append(f"{text} = {operand}")
    return f"({bound}({' or '.join(f'({way})' for way in ways)}))"
