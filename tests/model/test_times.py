"""Timestamps of the wire: `Y-m-d H:i:s`, strictly (docs/wire/times.md; A25)."""
# ruff: noqa: DTZ001 - the wire's times have no zone

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from springhead.model.kit import times

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-11-09 17:18:22", datetime(2016, 11, 9, 17, 18, 22)),  # as captured
        ("2018-06-07", datetime(2018, 6, 7)),  # a date alone: its first second (clients send it)
        ("2024-02-29 00:00:00", datetime(2024, 2, 29)),  # a leap day
        ("0001-01-01 00:00:00", datetime(1, 1, 1)),  # the first moment of the calendar
        ("9999-12-31 23:59:59", datetime(9999, 12, 31, 23, 59, 59)),  # the last one
    ],
)
def test_a_valid_timestamp_is_read(text: str, expected: datetime) -> None:
    assert times.parse(text) == expected


def test_a_date_alone_as_an_end_is_its_last_second() -> None:
    assert times.parse("2018-06-07", end_of_day=True) == datetime(2018, 6, 7, 23, 59, 59)


def test_a_time_of_day_as_an_end_is_itself() -> None:
    assert times.parse("2018-06-07 00:00:00", end_of_day=True) == datetime(2018, 6, 7)


@pytest.mark.parametrize(
    "text",
    [
        "infinity", "-infinity", "now", "today", "yesterday", "tomorrow", "epoch", "allballs",  # PostgreSQL's words
        "J2451187",  # ... its Julian days
        "20260101", "20260101 000000",  # ... its compact form
        "24:00:00", "2026-01-01 24:00:00",  # ... its hour 24
        "2026-01-01 23:59:60", "23:59:60",  # ... its leap second
        "0000-00-00 00:00:00", "0000-01-01 00:00:00",  # MySQL's zero, and a year that the calendar has not
        "294277-01-01 00:00:00", "10000-01-01 00:00:00",  # years of more than four digits
        "2026-02-30 00:00:00", "2026-02-29 00:00:00", "2026-13-01 00:00:00", "2026-04-31",  # days that are none
        "0044-03-15 BC", "0044-03-15 00:00:00 BC",  # before the common era
        "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01 00:00:00+00", "2026-01-01 00:00:00.5",  # ISO
        "2026-1-1", "26-01-01", "01/02/2026", "1.2.2026", "2026-01-01 1:00:00", "2026-01-01 01:00",  # other habits
        " 2026-01-01", "2026-01-01 ", "2026-01-01\n", "2026-01-01  00:00:00",  # white space
        "", "0", "1478711902", "-2026-01-01", "+2026-01-01",  # numbers
        "\u0662\u0660\u0662\u0666-01-01 00:00:00", "2026\u201301\u201301",  # digits and dashes of other scripts
    ],
)  # fmt: skip
def test_everything_else_is_no_timestamp(text: str) -> None:
    assert times.parse(text) is None


def test_a_local_time_becomes_the_moment_it_means() -> None:
    winter, summer = datetime(2025, 1, 15, 12), datetime(2025, 7, 15, 12)

    assert times.to_utc(winter, NEW_YORK) == datetime(2025, 1, 15, 17, tzinfo=UTC)
    assert times.to_utc(summer, NEW_YORK) == datetime(2025, 7, 15, 16, tzinfo=UTC)


def test_a_time_that_the_clock_shows_twice_is_the_first_or_the_second_as_requested() -> None:
    twice = datetime(2025, 11, 2, 1, 30)

    assert times.to_utc(twice, NEW_YORK) == datetime(2025, 11, 2, 5, 30, tzinfo=UTC)
    assert times.to_utc(twice, NEW_YORK, later=True) == datetime(2025, 11, 2, 6, 30, tzinfo=UTC)


def test_a_time_that_the_clock_jumps_over_is_a_moment_within_an_hour_of_the_jump() -> None:
    skipped = datetime(2025, 3, 9, 2, 30)

    assert times.to_utc(skipped, NEW_YORK) == datetime(2025, 3, 9, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Pacific/Kiritimati", "Asia/Tokyo"])
def test_the_ends_of_the_calendar_are_moments_in_every_zone(zone: str) -> None:
    first, last = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)

    for moment in (times.to_utc(first, ZoneInfo(zone)), times.to_utc(last, ZoneInfo(zone))):
        assert moment is not None
        assert moment.tzinfo is UTC


def test_only_names_of_the_time_zone_database_are_zones() -> None:
    assert times.zone("America/New_York") == NEW_YORK
    assert times.zone("../etc/passwd") is None
    assert times.zone("EST5EDT4,M3.2.0,M11.1.0") is None
    assert times.zone("") is None
