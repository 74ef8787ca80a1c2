"""The values of filters: their types, how each type is read, and how it is stored as JSON. Pure."""

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
"""How many characters a text in a filter can have."""

Value: TypeAlias = str | int | bool | Decimal | date | datetime
"""A value as the column stores it. A datetime is in UTC; a time or date of a custom field is a text."""


def value_type(column: Column) -> str:
    """Returns the type of a field's values, which is a key of OPERATORS."""
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
    """Whether the value is a date alone, for a field whose values are times."""
    return (
        kind in {"time", "written time"}
        and isinstance(value, str)
        and len(value) == len("YYYY-MM-DD")
        and times.parse(value) is not None
    )


def read_time(value: Json, *, end: bool, zone: ZoneInfo | None) -> datetime | str:
    """Returns a time in UTC, or without a `zone` as the text that custom fields store.

    A date alone means its first second, or its last second with `end`. Raises ValueError with a text for the caller.
    """
    local = times.parse(value, end_of_day=end) if isinstance(value, str) else None
    if local is None:
        raise ValueError(f"Expected {times.FORMAT}, or a date alone")
    return times.to_utc(local, zone, later=end) if zone else local.isoformat(" ", "seconds")


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
"""The functions that read a single, not empty value, by type. They raise ValueError with a text for the caller."""


def value_to_json(value: Value, zone: tzinfo) -> Json:
    """Returns the value as JSON, with a time in `zone`."""
    if isinstance(value, datetime):
        with suppress(OverflowError):  # the first and last hours of the calendar have no local time: they stay in UTC
            value = value.astimezone(zone)
        return value.replace(tzinfo=None).isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        if value == int(value):
            return int(value)
        # A number that JSON would round stays a text.
        return float(value) if Decimal(repr(float(value))) == value else f"{value:f}"
    return value


def value_from_json(value: Any, kind: str | None) -> Value:
    """Returns the value of a type that `value_to_json` wrote in UTC. The type of a deleted field's values is None."""
    if isinstance(value, bool):
        return value
    match kind:
        case "time":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        case "date":
            return date.fromisoformat(value)
        case "number":
            return Decimal(str(value))
        case _:
            return value
