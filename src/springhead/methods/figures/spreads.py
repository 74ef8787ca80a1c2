"""getFieldSpread: how the values of a field are spread over leads, for the editor of a filter. Our addition."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from springhead.methods.examples import GIVEN_LEAD
from springhead.methods.leads.selections import Filter, Inactive, Words, field_of, selected
from springhead.model.figures import spreads
from springhead.model.figures.spreads import FIELD_SPREAD
from springhead.model.kit import times
from springhead.model.kit.columns import Column
from springhead.model.kit.errors import Json, MissingParameters, UnexpectedArray
from springhead.model.kit.filter_values import value_type
from springhead.rpc.context import Context
from springhead.rpc.key_params import Text
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.store.figures.spreads import Extent, Spread

_EXTRA: Mapping[str, Json] = {
    "shape": {"enum": ["number", "time", "date", "value"], "description": "What the rows are.", "example": "value"},
    "unit": {"enum": [*spreads.UNITS, None], "description": "The length of the ranges of a time or date."},
    "leads": {"type": "integer", "description": "The number of leads that were read.", "example": 1},
    "empty": {"type": "integer", "description": "The leads of these without a value.", "example": 0},
    "isExact": {"type": "boolean", "description": "Whether all leads were read, not a sample.", "example": True},
}
_Row = Mapping[str, Json]


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(FIELD_SPREAD, extra=_EXTRA),
    vendor=False,
    long=True,
    section="own",
    examples=[
        Example(
            {"field": "leadStatus"},
            [{"value": "unqualified", "from": None, "to": None, "count": "1"}],
            "The most frequent values of a field.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def get_field_spread(
    context: Context,
    *,
    field: Annotated[str, Text("The system name of a field of leads.")],
    filter: Filter = None,
    text: Words = "",
    inactive: Inactive = 0,
) -> ReadResult:
    """Returns how the values of a field are spread over the leads that searchLeads finds with the same parameters.

    `shape` says what the rows are:

    - `number`: a histogram of at most 24 equally wide ranges with round edges. A range includes `from`, and not `to`.
    - `time`, `date`: ranges of one `unit` of time, from hours (days for dates) to 1,000 years: the shortest unit that
      needs at most 24 ranges. `from` and `to` are in the time zone of the call.
    - `value`: the 20 most frequent values, the most frequent first. Texts that filters hold for equal count together.
      Of a field with several values, each value counts.

    Ranges without leads are rows, too. `leads` is the number of leads that were read, and `empty` how many of them have
    no value. Of more than 100,000 leads, a sample is read, spread evenly over their ids: `isExact` is then false, and
    the counts are those of the sample. A call that takes longer than eight seconds is refused with 205.
    """
    async with context.tx() as tx, selected(context, tx, Spread, filter, text, inactive=inactive) as (leads, typos):
        column, custom = await field_of(context, tx, field, "field")
        extent = await leads.choose(column, custom=custom, typos=typos)
        shape = spreads.shape_of(column)
        unit, rows = None, list[_Row]()
        if shape == "value":
            rows = [_row(count, value=value) for value, count in await leads.values()]
        elif extent.filled and shape == "number":
            edges = spreads.number_edges(Decimal(extent.low), Decimal(extent.high))
            rows = _ranges([f"{edge:f}" for edge in edges], await leads.buckets(edges))
        elif extent.filled:
            unit, local, stored = _edges(context, column, extent)
            rows = _ranges(local, await leads.buckets(stored))
        extra: Mapping[str, Json] = {
            "shape": shape,
            "unit": unit,
            "leads": extent.leads,
            "empty": extent.leads - extent.filled,
            "isExact": not leads.is_sample,
        }
    return ReadResult(rows, extra=extra)


def _edges(context: Context, column: Column, extent: Extent) -> tuple[str, Sequence[str], Sequence[Any]]:
    """Returns the unit of time, and the edges of the ranges as the caller sees them and as they are stored."""
    kind = value_type(column)
    if kind == "time":
        low, high = (_local(context, moment) for moment in (extent.low, extent.high))
    else:
        low, high = (datetime.fromisoformat(value) for value in (extent.low, extent.high))
    unit, edges = spreads.time_edges(low, high, days=kind.endswith("date"))
    shown = [edge.isoformat(" ", "seconds")[: 10 if kind.endswith("date") else None] for edge in edges]
    return unit, shown, [times.to_utc(edge, context.zone) for edge in edges] if kind == "time" else shown


def _local(context: Context, moment: datetime) -> datetime:
    try:
        return moment.astimezone(context.zone).replace(tzinfo=None)
    except OverflowError:  # the first and the last hours of the calendar have no local time
        return moment.replace(tzinfo=None)


def _ranges(edges: Sequence[str], counts: Sequence[int]) -> list[_Row]:
    return [_row(count, begin=edges[place], end=edges[place + 1]) for place, count in enumerate(counts)]


def _row(count: int, *, value: str | None = None, begin: str | None = None, end: str | None = None) -> _Row:
    return {"value": value, "from": begin, "to": end, "count": str(count)}
