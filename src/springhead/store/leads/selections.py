"""Leads selected by a filter and by words in their texts: the parts of statements that read them, with a time limit."""

import time
from collections.abc import Sequence

import asyncpg
import msgspec

from springhead.model.kit import texts
from springhead.model.kit.filters import Filter, FilterFields
from springhead.model.leads import search
from springhead.model.leads.search import Word
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.nouns.filters import condition
from springhead.store.nouns.folding import folded, plain_digits, without_accents

_TEXTS = f"""cross join lateral (
    select concat_ws(' ', '', l.first_name, l.last_name, l.company_name) as people offset 0
) as r
cross join lateral (
    select {folded("r.people")} as people, {folded("l.email_address")} as address,
        {folded("l.description")} as description
    offset 0
) as f
cross join lateral (
    select {without_accents("f.people")} as people, f.address, f.description offset 0
) as t"""
"""The texts of each lead, folded, names without accents. `offset 0` makes PostgreSQL compute them once per lead."""

_NUMBERS = "concat_ws(E'\\n', l.phone_number, l.office_phone_number, l.mobile_phone_number, l.fax_number)"
_PHONES = rf"""translate(replace({plain_digits(_NUMBERS)}, '(0)', ''), E' ()-./+\u00a0\u202f\u2010\u2011\u2013', '')"""
"""The phone numbers of a lead without separators, in which digits are searched as `search.phone_digits` reads them."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The filter and the words of a read; without both, it selects all leads."""

    filter: Filter | None
    columns: FilterFields
    words: Sequence[Word]
    only_active: bool


class SelectedLeads:
    """The statements of a read of selected leads. Together they take at most `seconds`, or raise TookTooLong.

    With `typos`, words may have a typo. `$1` of every statement is the company.
    """

    def __init__(self, tx: Tx, company_id: int, selection: Selection, *, seconds: float) -> None:
        self._tx, self._company_id, self._selection = tx, company_id, selection
        self._until = time.monotonic() + seconds

    async def need_typos(self) -> bool:
        """Whether no lead has all words as they are, so that the words may have typos."""
        if not any(map(search.can_be_loose, self._selection.words)):
            return False
        return not await self.count(typos=False, most=1)

    async def count(self, *, typos: bool, most: int | None = None) -> int:
        """The number of leads. With `most`, stops counting at this number."""
        parameters: list[object] = [] if most is None else [most]
        where = self._where(parameters, first=2, typos=typos)
        if most is None:
            query = statement(f"select count(*) as total from lead l {self._texts} where l.company_id = $1 and {where}")
        else:
            query = statement(
                f"select count(*) as total from (select 1 from lead l {self._texts}"
                f" where l.company_id = $1 and {where} limit $2::int) as hits"
            )
        (row,) = await self._rows(query, self._company_id, *parameters)
        return row["total"]

    def source(self, parameters: list[object], *, first: int, typos: bool) -> str:
        """Returns the text after `from` that reads the leads `l`, which ends with a condition.

        Appends its values to `parameters`, which begin with `${first}`.
        """
        where = self._where(parameters, first=first, typos=typos)
        return f"lead l {self._texts} where l.company_id = $1 and {where}"

    async def rows(self, query: Statement, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a statement that reads the leads."""
        return await self._rows(query, *arguments)

    async def _rows(self, query: Statement, *arguments: object) -> list[asyncpg.Record]:
        async with self._tx.within(self._until - time.monotonic()):
            return await self._tx.rows(query, *arguments)

    @property
    def _texts(self) -> str:
        """The joins after `from lead l` that a condition on words needs."""
        return _TEXTS if self._selection.words else ""

    def _where(self, parameters: list[object], *, first: int, typos: bool) -> str:
        """The condition on a lead `l`. Appends its values to `parameters`, which begin with `${first}`."""
        selection = self._selection
        parts = ["l.active" if selection.only_active else "true"]
        if selection.filter is not None:
            parts.append(condition(selection.filter, selection.columns, parameters, first=first))
        parts += [_word(word, parameters, first=first, typos=typos) for word in selection.words]
        return " and ".join(parts)


def _word(word: Word, parameters: list[object], *, first: int, typos: bool) -> str:
    """Returns a condition: a lead has the word; with `typos`, the parts may have a typo in its names."""

    def put(value: str) -> str:
        parameters.append(value)
        return f"${first + len(parameters) - 1}::text"

    def has(part: str) -> str:
        plain = texts.without_accents(part)
        pattern = put(f"%{search.escaped(plain)}%")
        exact = pattern if plain == part else put(f"%{search.escaped(part)}%")
        matches = f"t.people like {pattern} or t.address like {exact} or t.description like {exact}"
        if typos and (typo := search.typo_pattern(plain)):
            rough = " or ".join(f"t.people like {put(pattern)}" for pattern in typo.rough)
            matches += f" or (({rough}) and t.people ~ {put(typo.expression)})"
        return f"({matches})"

    matches = " and ".join(map(has, word.loose if typos else word.parts))
    if word.digits:
        matches = f"({matches}) or {_PHONES} like {put(f'%{word.digits}%')}"
    return f"coalesce({matches}, false)"
