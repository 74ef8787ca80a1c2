"""The values of filters: what a field holds, how each kind is read, and how it stands in a stored filter. Pure."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from springhead.model.kit import times
from springhead.model.kit.columns import ID_MAX, Column, custom, flag, integer, number, text
from springhead.model.kit.errors import Json

TEXT_LENGTH = 1_000
"""Characters that a text in a filter can have."""

Value: TypeAlias = str | int | bool | Decimal | date | datetime
"""A value as the column stores it; a datetime is in UTC, a time or date of a custom field a text."""


def value_type(column: Column) -> str:
    """What a field holds: a key of OPERATORS."""
    return _BY_SQL.get(column.kind.sql) or _BY_TYPE.get(column.kind.type, "text")


_BY_SQL = {
    "boolean": "flag", "smallint": "whole number", "integer": "whole number", "bigint": "whole number",
    "numeric": "number", "double precision": "number", "timestamptz": "time", "date": "date",
}  # fmt: skip
_BY_TYPE = {
    "boolean": "flag", "bit": "flag", "checkbox": "checkbox", "date": "written date", "datetime": "written time",
    "membership": "membership",
}  # fmt: skip


def is_whole_day(kind: str, value: Json) -> bool:
    """Whether the value is a date alone where a time is due."""
    return (
        kind in {"time", "written time"}
        and isinstance(value, str)
        and len(value) == len("YYYY-MM-DD")
        and times.parse(value) is not None
    )


def read_time(value: Json, *, end: bool, zone: ZoneInfo | None) -> datetime | str:
    """A time in UTC, or as custom fields keep it where there is no zone; of a date alone its first or last second."""
    found = times.parse(value, end_of_day=end) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"Expected {times.FORMAT}, or a date alone")
    return times.to_utc(found, zone, later=end) if zone else found.isoformat(" ", "seconds")


_DATE, _NUMBER = custom("date", TEXT_LENGTH, ()), number()
READERS: Mapping[str, Callable[[Json], Value]] = {
    "text": text(TEXT_LENGTH).read,
    "checkbox": text(TEXT_LENGTH).read,
    "flag": flag().read,
    "whole number": integer(20, "bigint", low=-ID_MAX - 1).read,
    "membership": integer(20, "bigint").read,
    "number": lambda value: Decimal(_NUMBER.read(str(value))),
    "date": lambda value: date.fromisoformat(_DATE.read(value)),
    "written date": _DATE.read,
}
"""How a value is read that is neither empty nor of several; ValueError says what is wrong."""


def value_to_json(value: Value, zone: tzinfo) -> Json:
    """The value as JSON, a time in that zone."""
    if isinstance(value, datetime):
        with suppress(OverflowError):  # the calendar's first and last hours stay in UTC
            value = value.astimezone(zone)
        return value.replace(tzinfo=None).isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        if value == int(value):
            return int(value)
        # What a number of JSON would round stays a text.
        return float(value) if Decimal(repr(float(value))) == value else f"{value:f}"
    return value


def value_from_json(value: Any, column: Column | None) -> Value:
    """The value that `as_json` gave in UTC."""
    if column is None or isinstance(value, bool):
        return value
    match value_type(column):
        case "time":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        case "date":
            return date.fromisoformat(value)
        case "number":
            return Decimal(str(value))
        case _:
            return value
