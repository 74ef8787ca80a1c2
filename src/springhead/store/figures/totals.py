"""Totals of fields over selected leads, as one statement."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from springhead.model.figures.totals import PLAIN_TOTALS, has_written_numbers
from springhead.model.kit.columns import DECIMAL_DIGITS, WHOLE_DIGITS, Column
from springhead.model.kit.filter_values import value_type
from springhead.store.database.sql import statement
from springhead.store.figures.values import value_of
from springhead.store.leads.selections import SelectedLeads
from springhead.store.nouns.folding import folded

_NUMBER = rf"^ *[+-]?[0-9]{{1,{WHOLE_DIGITS}}}(?:\.[0-9]{{1,{DECIMAL_DIGITS}}})? *$"
"""The format of numbers in texts."""


class Wanted(msgspec.Struct, frozen=True):
    """A total of a field that a call wants."""

    column: Column
    custom: bool
    total: str


class Total(NamedTuple):
    """The value of a total, as the database has it, and the number of values that it was made of."""

    value: Any
    counted: int


class Totals(SelectedLeads):
    """The statement of the totals of one call."""

    async def read(self, wanted: Sequence[Wanted], *, typos: bool) -> Sequence[Total]:
        """The totals in the order of `wanted`. The share of no leads, and the least of no values, are None."""
        parameters: list[object] = []
        where = self._where(parameters, first=2, typos=typos)
        columns = ", ".join(f"{value}, {counted}" for value, counted in map(_aggregates, wanted))
        query = statement(f"select {columns} from lead l {self._texts} where l.company_id = $1 and {where}")
        (row,) = await self._rows(query, self._company_id, *parameters)
        values = list(row.values())
        return [Total(*pair) for pair in zip(values[::2], values[1::2], strict=True)]


def _aggregates(wanted: Wanted) -> tuple[str, str]:
    """Returns the SQL of a total, and of the number of values that it is made of."""
    value, total = value_of(wanted.column, custom=wanted.custom), wanted.total
    kind = value_type(wanted.column)
    if total not in PLAIN_TOTALS and has_written_numbers(wanted.column, custom=wanted.custom):
        value = f"case when {value} ~ '{_NUMBER}' then ({value})::numeric end"
    filled = f"count(*) filter (where {value} = '1')" if kind == "flag" else f"count({value})"
    match total:
        case "count":
            return filled, filled
        case "empty":
            return f"count(*) - {filled}", "count(*)"
        case "different":
            return f"count(distinct {folded(f'({value})') if kind in {'text', 'checkbox'} else value})", filled
        case "share":
            return f"round({filled}::numeric / nullif(count(*), 0), 4)", "count(*)"
        case _:
            function = {"sum": "sum", "average": "avg", "least": "min", "most": "max"}[total]
            figure = f"{function}({value})"
            return f"round({figure}, {DECIMAL_DIGITS})" if total == "average" else figure, filled
