"""The values that the caller of an update has read, its member `expected` (docs/actions.md#expected-values)."""

from collections.abc import Mapping
from typing import Any, cast

from msgspec import UNSET

from springhead.model.kit.columns import Column
from springhead.model.kit.errors import InvalidParameters, Json, Problem

MEMBER = "expected"

Accepted = Mapping[str, list[str | None]]
"""By field, the values with which an object is written, as reads show them: the expected one, and the one it sets."""


def split(records: list[Json]) -> tuple[list[Json], dict[int, Json]]:
    """Returns the objects without their `expected`, and each `expected` that is not empty, by position."""
    expected: dict[int, Json] = {}
    others: list[Json] = []
    for position, record in enumerate(records):
        if isinstance(record, dict) and MEMBER in record:
            if record[MEMBER] not in (None, "", [], {}):
                expected[position] = record[MEMBER]
            others.append({name: value for name, value in record.items() if name != MEMBER})
        else:
            others.append(record)
    return others, expected


def accepted(columns: Mapping[str, Column], expected: Json, record: Any) -> Accepted | InvalidParameters:
    """Returns the values with which the checked object is written, or the error 205 for a wrong `expected`.

    A field that already has the value that the object sets is accepted too: nothing of anybody would be lost. So a call
    that is repeated because its answer was lost is no conflict with itself.
    """
    if not isinstance(expected, dict):
        return InvalidParameters(
            Problem(param=MEMBER, message="Expected a hash: fields, and the values that were read")
        )
    values: dict[str, list[str | None]] = {}
    problems: list[Problem] = []
    unknown = False
    for name, value in cast("dict[str, Json]", expected).items():
        column = columns.get(name)
        if column is None or name == "id":
            unknown = True
            problems.append({"param": f"{MEMBER}.{name[:255]}", "message": "Expected a field that can be written"})
        else:
            try:
                values[name] = [_as_read(column, value)]
            except ValueError as wrong:
                problems.append({**column.problem(str(wrong)), "param": f"{MEMBER}.{name}"})
            else:
                if (sent := getattr(record, name, UNSET)) is not UNSET:
                    values[name].append(_shown(sent))
        if len(problems) >= _PROBLEMS_MAX:
            break
    if problems:
        known = {"validParams": [name for name in columns if name != "id"]} if unknown else {}
        return InvalidParameters(*problems, **known)
    return values


_PROBLEMS_MAX = 100
"""How many wrong fields of an `expected` its error names."""


def _as_read(column: Column, value: Json) -> str | None:
    """Returns a value in the form in which reads show it; None for no value. Raises ValueError for a wrong value.

    A text is taken as it is, because a stored text can be one that could not be written today, such as an option that
    was removed from its field.
    """
    if value is None or value == "":
        return None
    if column.kind.sql != "text" or not isinstance(value, str):
        return _shown(column.kind.read(value))
    if "\0" in value:
        message = "The character NUL (\\u0000) cannot be stored"
        raise ValueError(message)
    return column.kind.clean(value) if column.kind.clean else value


def _shown(value: Any) -> str | None:
    """Returns a checked value as reads show it."""
    if value is None:
        return None
    return str(int(value)) if isinstance(value, bool) else str(value)
