"""Searches of leads by any filter and by words in their texts, in any order, with a time limit."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from springhead.model.kit import texts
from springhead.model.kit.columns import ID_MAX
from springhead.model.kit.errors import Json
from springhead.model.leads import search
from springhead.model.leads.leads import LAST_EVENT
from springhead.model.leads.search import RankPosition, SortKey
from springhead.store.database.pool import Tx
from springhead.store.database.sql import literal, statement
from springhead.store.leads.selections import SelectedLeads, Selection
from springhead.store.nouns.folding import folded
from springhead.store.nouns.reads import Rows, Select

SECONDS = 3.0
"""The time limit of all statements of a search together."""

_MARKS = ".,;:-/()&"
"""Punctuation that ends a word of a name."""

_RANKED_NAMES = f"""cross join lateral (
    select translate(t.people, '{_MARKS}', repeat(' ', {len(_MARKS)})) || ' ' || t.address || ' ' as names offset 0
) as s"""
"""The names and address of each lead, with a space before and after each word, as `search.rank_patterns` needs."""


_BY_EVENTS = (
    "event last join lead l on l.company_id = $1 and l.id = last.lead_id",
    """last.company_id = $1 and not exists (
        select from event e
        where e.company_id = $1 and e.lead_id = last.lead_id
            and (e.create_timestamp, e.id) > (last.create_timestamp, last.id)
    )""",
)
"""Leads with their last events, as a source and a condition.

PostgreSQL goes through the index on the times of events, so the newest leads cost no sort of all leads (decision 39).
"""

_WITHOUT_EVENTS = ("lead l", "not exists (select from event e where e.company_id = $1 and e.lead_id = l.id)")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The leads of a search and their order.

    With `ranked` the leads that match the words best come first, and `keys` are ignored.
    """

    selection: Selection
    keys: Sequence[SortKey]
    ranked: bool


class Search(SelectedLeads):
    """The statements of one search: a page and a count. Together they take at most SECONDS, or raise TookTooLong."""

    def __init__(self, tx: Tx, company_id: int, select: Select, query: Query, *, zone: str, version: int) -> None:
        super().__init__(tx, company_id, query.selection, seconds=SECONDS)
        self._select, self._query = select, query
        self._zone, self._version = zone, version

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
        first = self._query.keys[0]
        if first.column.name != LAST_EVENT or not first.descending or (after is not None and after[0] is None):
            return await self._read(typos=typos, after=after, limit=limit)
        rows, positions = await self._read(typos=typos, after=after, limit=limit, events="newest first")
        if len(rows) == limit:
            return rows, positions
        others, further = await self._read(typos=typos, after=None, limit=limit - len(rows), events="none")
        return [*rows, *others], [*positions, *further]

    async def _read(
        self,
        *,
        typos: bool,
        after: Sequence[Json] | None,
        limit: int,
        events: Literal["any", "newest first", "none"] = "any",
    ) -> tuple[Rows, Sequence[tuple[Json, ...]]]:
        """Like `_page`: of all leads, of leads with events by going through the events, or of leads without events."""
        select, parameters = self._select, list[object]()
        keys = [_expression(key) for key in self._query.keys]
        source, condition = {"any": ("lead l", "true"), "newest first": _BY_EVENTS, "none": _WITHOUT_EVENTS}[events]
        where = self._where(parameters, first=5, typos=typos)
        order = [_order(key, text) for key, text in zip(self._query.keys, keys, strict=True)]
        if events == "newest first":
            keys[0], order[0] = "last.create_timestamp", "last.create_timestamp desc"
        begin = _after(self._query.keys, keys, after, parameters, first=5) if after is not None else "true"
        if events == "newest first" and after is not None:  # redundant, but lets the index scan start here
            parameters.append(after[0])
            begin = f"last.create_timestamp <= ${4 + len(parameters)}::timestamptz and {begin}"
        shown = ", ".join(f'{text} as "#{number}"' for number, text in enumerate(keys))
        query = statement(
            f"select {select.list}, {shown} from {source} {self._texts}"
            f" where {select.guard} and {condition} and {where} and {begin} order by {', '.join(order)} limit $4"
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
        for part in dict.fromkeys(
            part for word in self._selection.words for part in (word.loose if typos else word.parts)
        ):
            parameters += search.rank_patterns(texts.without_accents(part))
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


def _order_of(position: RankPosition) -> tuple[int, int]:
    return -position.rank, position.id


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
