"""The spread of a field's values: round edges of a histogram, and sensible units of time. Pure; the noun is our own."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

from springhead.model.kit import times
from springhead.model.kit.columns import Column, Noun, integer, text
from springhead.model.kit.filter_values import value_type

BUCKETS_MAX = 24
"""How many buckets a histogram can have."""

VALUES_MAX = 20
"""How many values a spread names, the most frequent ones."""

SAMPLE_MAX = 100_000
"""How many leads are read. Of more leads, the spread of a sample is returned."""

Shape = Literal["number", "time", "date", "value"]
"""The shape of a spread: a histogram of numbers, times or dates, or a list of values."""

FIELD_SPREAD = Noun(
    name="fieldSpread",
    table="lead",
    about="A part of the values of a field: a value, or a range of values, and the number of leads with it.",
    columns=(
        Column(name="value", kind=text(65_535), writable=False),
        Column(name="from", kind=text(255), writable=False),
        Column(name="to", kind=text(255), writable=False),
        Column(name="count", kind=integer(18, "bigint"), writable=False),
    ),
)


def shape_of(column: Column) -> Shape:
    """Returns the shape of the spread of a field's values. Ids are no numbers: they are listed."""
    match value_type(column):
        case "whole number" | "number" if column.name != "id" and not column.references:
            return "number"
        case "time" | "written time":
            return "time"
        case "date" | "written date":
            return "date"
        case _:
            return "value"


def number_edges(low: Decimal, high: Decimal) -> list[Decimal]:
    """Returns the edges of at most BUCKETS_MAX buckets of whole numbers, from `low` or below to above `high`.

    All buckets are equally wide: 1, 2 or 5, or ten, a hundred … times as much.
    """
    for step in _steps():
        first = (low / step).to_integral_value(ROUND_FLOOR) * step
        count = int((high - first) // step) + 1
        if count <= BUCKETS_MAX:
            return [first + step * number for number in range(count + 1)]
    raise AssertionError


def _steps() -> Iterator[Decimal]:
    power = Decimal(1)
    while True:
        yield from (power, power * 2, power * 5)
        power *= 10


_UNITS: Sequence[tuple[str, timedelta | int]] = (
    ("hour", timedelta(hours=1)),
    ("day", timedelta(days=1)),
    ("week", timedelta(days=7)),
    ("month", 1),
    ("quarter", 3),
    ("year", 12),
    ("10 years", 120),
    ("100 years", 1_200),
    ("1,000 years", 12_000),
)
"""The units of time, with their length as an interval or as a number of months."""

UNITS = tuple(name for name, _ in _UNITS)


def time_edges(low: datetime, high: datetime, *, days: bool) -> tuple[str, list[datetime]]:
    """Returns the shortest unit with at most BUCKETS_MAX buckets, and the edges of the buckets.

    The times have no zone. With `days`, no unit is shorter than a day. The last edge is after `high`, except at the end
    of the calendar.
    """
    for name, length in _UNITS[1 if days else 0 :]:
        edges = [_begin(low, length)]
        while edges[-1] <= high and edges[-1] < times.LATEST and len(edges) <= BUCKETS_MAX + 1:
            edges.append(_following(edges[-1], length))
        if len(edges) <= BUCKETS_MAX + 1:
            return name, edges
    raise AssertionError


def _begin(moment: datetime, length: timedelta | int) -> datetime:
    """Returns the beginning of the unit of time in which the moment is. Weeks begin on Monday."""
    if isinstance(length, int):
        return _month((moment.year * 12 + moment.month - 1) // length * length)
    if length < timedelta(days=1):
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    into_the_unit = timedelta(days=day.weekday() if length > timedelta(days=1) else 0)
    return day - into_the_unit if day - times.EARLIEST >= into_the_unit else times.EARLIEST


def _following(begin: datetime, length: timedelta | int) -> datetime:
    if isinstance(length, int):
        return _month((begin.year * 12 + begin.month - 1) // length * length + length)
    return begin + length if times.LATEST - begin >= length else times.LATEST


def _month(number: int) -> datetime:
    year, month = divmod(number, 12)
    if not times.EARLIEST.year <= year <= times.LATEST.year:
        return times.EARLIEST if year < times.EARLIEST.year else times.LATEST
    return times.EARLIEST.replace(year=year, month=month + 1)
