"""The spread of a field's values over selected leads: all of them, or a sample of many."""

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from springhead.model.figures import spreads
from springhead.model.figures.spreads import Shape
from springhead.model.kit.columns import Column
from springhead.model.kit.filter_values import value_type
from springhead.store.database.sql import statement
from springhead.store.figures.values import value_of
from springhead.store.leads.selections import SelectedLeads
from springhead.store.nouns.folding import folded

WINDOWS = 20
"""Into how many ranges of ids a company's leads are divided for a sample. The ids follow the times of creation."""

_EDGES = {"number": "numeric[]", "time": "timestamptz[]", "date": "text[]"}


class Extent(msgspec.Struct, frozen=True):
    """The number of leads that were read, how many of them have a value, and the least and the largest value."""

    leads: int
    filled: int
    low: Any
    high: Any


class Spread(SelectedLeads):
    """The statements of the spread of one field. `choose` comes first: it decides whether a sample is read."""

    async def choose(self, column: Column, *, custom: bool, typos: bool) -> Extent:
        """Returns the extent of the values. Chooses a sample if there are more than SAMPLE_MAX leads."""
        self._column, self._custom, self._typos = column, custom, typos
        self._windows: Sequence[tuple[int, int]] = ()
        extent = await self._extent()
        if extent.leads > spreads.SAMPLE_MAX:
            self._windows = await self._ranges_of_ids()
            extent = await self._extent()
        return extent

    @property
    def is_sample(self) -> bool:
        """Whether not all selected leads were read."""
        return bool(self._windows)

    async def buckets(self, edges: Sequence[Any]) -> Sequence[int]:
        """The number of values between each two edges. Values above the last edge are in the last bucket."""
        parameters: list[object] = [list(edges)]
        kind = "text[]" if self._is_written else _EDGES[self._shape]
        query = statement(
            f"""
            select width_bucket(v.value, $2::{kind}) as bucket, count(*) as total
            from ({self._source(parameters)}) as v
            where v.value is not null
            group by bucket
            """
        )
        counts = [0] * (len(edges) - 1)
        for row in await self._rows(query, self._company_id, *parameters):
            counts[min(max(row["bucket"], 1), len(counts)) - 1] += row["total"]
        return counts

    async def values(self) -> Sequence[tuple[str, int]]:
        """The most frequent values with their numbers of leads. Texts are compared as filters compare them."""
        parameters: list[object] = []
        several = self._column.kind.type == "checkbox"
        one = "unnest(string_to_array(v.value, ','))" if several else "v.value"
        key = folded("o.value") if value_type(self._column) in {"text", "checkbox"} else "o.value"
        query = statement(
            f"""
            select mode() within group (order by o.value collate "C") as value, count(*) as total
            from (select {one} as value from ({self._source(parameters)}) as v) as o
            where o.value <> ''
            group by {key}
            order by count(*) desc, min(o.value collate "C")
            limit {spreads.VALUES_MAX}
            """
        )
        return [(row["value"], row["total"]) for row in await self._rows(query, self._company_id, *parameters)]

    async def _extent(self) -> Extent:
        parameters: list[object] = []
        ends = "min(v.value) as low, max(v.value) as high" if self._shape != "value" else "null as low, null as high"
        query = statement(
            f"select count(*) as leads, count(v.value) as filled, {ends} from ({self._source(parameters)}) as v"
        )
        (row,) = await self._rows(query, self._company_id, *parameters)
        return Extent(*row.values())

    async def _ranges_of_ids(self) -> Sequence[tuple[int, int]]:
        query = statement("select min(l.id) as low, max(l.id) as high from lead l where l.company_id = $1")
        (row,) = await self._rows(query, self._company_id)
        low, length = row["low"], row["high"] - row["low"] + 1
        edges = [low + length * number // WINDOWS for number in range(WINDOWS + 1)]
        return list(itertools.pairwise(edges))

    def _source(self, parameters: list[object]) -> str:
        """Returns a query of the values of all leads or of a sample. Appends its parameters after `$1`."""
        value = value_of(self._column, custom=self._custom)
        if not self._windows:
            where = self._where(parameters, first=2, typos=self._typos)
            limit = f"limit {spreads.SAMPLE_MAX + 1}"
            return f"select {value} as value from lead l {self._texts} where l.company_id = $1 and {where} {limit}"
        parameters += [[low for low, _ in self._windows], [high for _, high in self._windows]]
        low, high = len(parameters), len(parameters) + 1
        where = self._where(parameters, first=2, typos=self._typos)
        return f"""
            select s.value from unnest(${low}::bigint[], ${high}::bigint[]) as w (low, high)
            cross join lateral (
                select {value} as value from lead l {self._texts}
                where l.company_id = $1 and l.id >= w.low and l.id < w.high and {where}
                order by l.id
                limit {spreads.SAMPLE_MAX // WINDOWS}
            ) as s"""

    @property
    def _shape(self) -> Shape:
        return spreads.shape_of(self._column)

    @property
    def _is_written(self) -> bool:
        """Whether the values are dates or times as texts, which sort as the times do."""
        return value_type(self._column).startswith("written")
