"""The timestamps of the wire: `YYYY-MM-DD HH:MM:SS` without a zone (docs/wire/times.md)."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

FORMAT = "YYYY-MM-DD HH:MM:SS"
_SHAPE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d))?", re.ASCII)
EARLIEST = datetime(1, 1, 1)  # noqa: DTZ001 - the wire's times have no zone
LATEST = datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 - as above


def parse(text: str, *, end_of_day: bool = False) -> datetime | None:
    """Returns the naive time of a text, or None if the text has another format or names no real time.

    A date alone means its first second, or its last second with `end_of_day`. PostgreSQL would also accept `infinity`,
    `now` and `24:00:00`. These are wrong here, because they are not in the wire's format.
    """
    shape = _SHAPE.fullmatch(text)
    if not shape:
        return None
    try:
        if shape[4] is None:
            day = datetime(int(shape[1]), int(shape[2]), int(shape[3]))  # noqa: DTZ001 - the wire's times have no zone
            return datetime.combine(day, time(23, 59, 59)) if end_of_day else day
        year, month, day_, hour, minute, second = (int(part) for part in shape.groups())
        return datetime(year, month, day_, hour, minute, second)  # noqa: DTZ001 - as above
    except ValueError:
        return None


def to_utc(local: datetime, zone: ZoneInfo, *, later: bool = False) -> datetime:
    """Returns the UTC time of a naive local time. If that is outside the calendar, returns its first or last second.

    If the clock shows a local time twice (at the end of summer time), `later` chooses the second time.
    """
    try:
        return local.replace(tzinfo=zone, fold=int(later)).astimezone(UTC)
    except OverflowError:
        return (EARLIEST if local.year == 1 else LATEST).replace(tzinfo=UTC)


def to_text(moment: datetime, zone: ZoneInfo) -> str:
    """Returns a moment in the wire's format, in `zone`."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def one_second_later(moment: datetime) -> datetime:
    """Returns the exclusive upper bound of a range that ends with this second. LATEST stays as it is."""
    return moment + timedelta(seconds=1) if moment < LATEST.replace(tzinfo=UTC) else moment


def zone(name: str) -> ZoneInfo | None:
    """Returns the IANA time zone with this name, such as `America/New_York`, or None."""
    return ZoneInfo(name) if name in available_timezones() else None
