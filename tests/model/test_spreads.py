"""Round edges of histograms, and sensible units of time."""

import itertools
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springhead.model.figures.spreads import BUCKETS_MAX, UNITS, number_edges, time_edges
from springhead.model.kit import times

whole = st.integers(-(2**63), 2**63 - 1)
moments = st.datetimes(times.EARLIEST, times.LATEST)


@given(whole, whole)
def test_the_edges_of_numbers_are_round_few_and_hold_all_values(one: int, other: int) -> None:
    low, high = sorted((Decimal(one), Decimal(other)))

    edges = number_edges(low, high)

    widths = {after - before for before, after in itertools.pairwise(edges)}
    assert 1 <= len(edges) - 1 <= BUCKETS_MAX
    assert edges[0] <= low <= high < edges[-1]
    assert high >= edges[-2], "the last bucket has a value"
    assert low < edges[1]
    (width,) = widths
    assert f"{width:f}".rstrip("0") in {"1", "2", "5"}
    assert all(edge % width == 0 for edge in edges)


@pytest.mark.parametrize(
    ("low", "high", "edges"),
    [
        (0, 0, [0, 1]),
        (-3, -3, [-3, -2]),
        (0, 23, [*range(25)]),
        (0, 24, [*range(0, 28, 2)][:14]),
        (3, 97, [*range(0, 101, 5)]),
        (-32_768, 32_767, [*range(-35_000, 35_001, 5_000)]),
    ],
)
def test_the_edges_of_numbers(low: int, high: int, edges: list[int]) -> None:
    assert number_edges(Decimal(low), Decimal(high)) == edges


@given(moments, moments, st.booleans())
def test_the_edges_of_times_are_few_and_hold_all_values(one: datetime, other: datetime, days: bool) -> None:
    low, high = sorted((one, other))

    unit, edges = time_edges(low, high, days=days)

    assert unit in UNITS
    assert not (days and unit == "hour")
    assert 1 <= len(edges) - 1 <= BUCKETS_MAX
    assert edges == sorted(set(edges))
    assert edges[0] <= low
    assert high < edges[-1] or edges[-1] == times.LATEST
    assert low < edges[1]
    assert high >= edges[-2]


@pytest.mark.parametrize(
    ("low", "high", "unit", "first", "last"),
    [
        ("2026-03-14 09:26:53", "2026-03-14 09:26:53", "hour", "2026-03-14 09:00:00", "2026-03-14 10:00:00"),
        ("2026-03-14 00:00:00", "2026-03-14 23:59:59", "hour", "2026-03-14 00:00:00", "2026-03-15 00:00:00"),
        ("2026-03-14 00:00:00", "2026-03-15 00:00:00", "day", "2026-03-14 00:00:00", "2026-03-16 00:00:00"),
        ("2026-02-01 12:00:00", "2026-03-31 12:00:00", "week", "2026-01-26 00:00:00", "2026-04-06 00:00:00"),
        ("2025-12-31 12:00:00", "2026-11-28 12:00:00", "month", "2025-12-01 00:00:00", "2026-12-01 00:00:00"),
        ("2022-02-01 12:00:00", "2026-11-28 12:00:00", "quarter", "2022-01-01 00:00:00", "2027-01-01 00:00:00"),
        ("2008-02-01 12:00:00", "2026-11-28 12:00:00", "year", "2008-01-01 00:00:00", "2027-01-01 00:00:00"),
        ("1938-02-01 12:00:00", "2026-11-28 12:00:00", "10 years", "1930-01-01 00:00:00", "2030-01-01 00:00:00"),
        ("0001-01-01 00:00:00", "9999-12-31 23:59:59", "1,000 years", "0001-01-01 00:00:00", "9999-12-31 23:59:59"),
        ("0001-01-01 00:00:00", "0001-01-30 23:59:59", "week", "0001-01-01 00:00:00", "0001-02-05 00:00:00"),
        ("9999-12-30 00:00:00", "9999-12-31 23:59:59", "day", "9999-12-30 00:00:00", "9999-12-31 23:59:59"),
    ],
)
def test_the_unit_of_times_is_the_shortest_that_needs_few_buckets(
    low: str, high: str, unit: str, first: str, last: str
) -> None:
    found, edges = time_edges(datetime.fromisoformat(low), datetime.fromisoformat(high), days=False)

    assert found == unit
    assert (str(edges[0]), str(edges[-1])) == (first, last)


def test_dates_have_no_hours() -> None:
    day = datetime.fromisoformat("2026-03-14")
    assert time_edges(day, day, days=True)[0] == "day"
