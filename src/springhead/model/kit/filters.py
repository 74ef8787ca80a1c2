"""The filter language: JSON that a person can write and that selects objects. Pure.

    {
        "city": ["Berlin", "Bonn"],
        "leadScore": {"atLeast": 10, "less": 50},
        "or": [{"title": {"contains": "chief"}}, {"not": {"ownerID": {"empty": true}}}]
    }

All entries of an object must be true. A key is `and` or `or` with a list of objects, `not` with an object, or the
system name of a field with a value (`equals`), a list of values (`in`), or an object of operators (OPERATORS).

- Texts are compared regardless of case and of the coding of accents, and a text of white space is empty. A checkbox
  field has several values, separated by commas: `equals` and `in` look for one of the values, the other operators test
  the whole text.
- Times are in the zone of the call and exact to the second. A date alone is the whole day: `{"atMost": "2024-05-31"}`
  includes that evening, and `"2024-05-31"` is any time of that day.
- Searches of leads also have `list`, the ids of the lists of a lead, `event`, a test of its events (see EventTest),
  and the operator `changedSince` for each field that can be written.
- A flag that was never set is 0.
- An object without a value (null or "") passes no test except `{"empty": true}`. It passes a negated test:
  `{"not": {"city": "Berlin"}}` includes leads without a city.
"""

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any, NoReturn, TypeAlias, cast
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.kit import times
from springhead.model.kit.columns import Column
from springhead.model.kit.errors import InvalidParameters, Json, Problem
from springhead.model.kit.event_filters import EventTest, EventTestParser
from springhead.model.kit.filter_values import (
    READERS,
    Value,
    is_whole_day,
    read_time,
    value_from_json,
    value_to_json,
    value_type,
)
from springhead.model.kit.texts import folded

DEPTH = 8
"""How deep groups can nest. Each `and`, `or` and `not` is a level, and so is each object with several keys."""

TESTS = 100
"""How many tests a filter can have. Each operator of each field is one test."""

VALUES = 1_000
"""How many values the list of `in` can have."""

VALUES_IN_ALL = 10_000
"""How many values the lists of a filter can have together. Every write of a lead compares it with all of them."""

CHANGED_SINCE = "changedSince"

PROBLEMS = 100
"""How many problems an error names. After so many problems the parser stops."""

_EQUAL, _TEXT = ("equals", "in"), ("contains", "startsWith", "endsWith")
_ORDER = ("greater", "atLeast", "less", "atMost", "between")

OPERATORS: Mapping[str, tuple[str, ...]] = {
    "text": (*_EQUAL, *_TEXT, "empty"),
    "checkbox": (*_EQUAL, *_TEXT, "empty"),
    "flag": (*_EQUAL, "empty"),
    "whole number": (*_EQUAL, *_ORDER, "empty"),
    "number": (*_EQUAL, *_ORDER, "empty"),
    "date": (*_EQUAL, *_ORDER, "empty"),
    "written date": (*_EQUAL, *_ORDER, "empty"),
    "time": (*_EQUAL, *_ORDER, "empty"),
    "written time": (*_EQUAL, *_ORDER, "empty"),
    "membership": (*_EQUAL, "empty"),
}
"""The operators by the type of a field's values. A `written` date or time is a custom field's text, in no zone.

`membership` is the type of `list`, the lists that a lead is on.
"""


class AllOf(msgspec.Struct, frozen=True):
    """True if every part is true."""

    parts: tuple["Filter", ...]


class AnyOf(msgspec.Struct, frozen=True):
    """True if at least one part is true."""

    parts: tuple["Filter", ...]


class Not(msgspec.Struct, frozen=True):
    """True if the part is not true."""

    part: "Filter"


class Comparison(msgspec.Struct, frozen=True):
    """A test of a field. The operator has two values for `between`, one or more for `in`, and otherwise one."""

    name: str
    operator: str
    values: tuple[Value, ...]


Filter: TypeAlias = AllOf | AnyOf | Not | Comparison | EventTest


class FilterFields(msgspec.Struct, frozen=True):
    """The fields that a filter can test, by system name: the noun's own fields and the company's custom fields.

    With `history`, a filter can also test events, and whether a field has changed since a time.
    """

    standard: Mapping[str, Column]
    custom: Mapping[str, Column] = {}
    history: bool = False

    def find(self, name: str) -> Column | None:
        """Returns the field with this name, or None."""
        return self.standard.get(name) or self.custom.get(name)


def parse(value: Json, columns: FilterFields, *, zone: ZoneInfo, name: str = "filter") -> Filter:
    """Returns the filter that a caller sent as the parameter `name`, with its times in `zone`.

    Raises InvalidParameters with the first PROBLEMS problems, each by its path, such as `filter.and[0].city`.
    """
    parser = _Parser(columns, zone)
    parsed = parser.filter(value, name, 0)
    if parsed is None or parser.problems:
        parser.refuse()
    return parsed


def to_json(filter: Filter, *, zone: tzinfo = UTC) -> Json:
    """Returns the filter as canonical JSON: each group is an `and`, `or` or `not`, each test has its operator.

    Times are in UTC, as `from_json` reads them, or in `zone`, as a caller of that zone writes them.
    """
    match filter:
        case AllOf(parts):
            return {"and": [to_json(part, zone=zone) for part in parts]}
        case AnyOf(parts):
            return {"or": [to_json(part, zone=zone) for part in parts]}
        case Not(part):
            return {"not": to_json(part, zone=zone)}
        case Comparison(name, operator, values):
            listed = [value_to_json(value, zone) for value in values]
            return {name: {operator: listed if operator in {"in", "between"} else listed[0]}}
        case EventTest():
            return {"event": filter.to_json(zone)}


def from_json(document: Json, columns: FilterFields) -> Filter:
    """Returns the filter that `to_json` wrote in UTC. A test of a field that has been deleted since stays in it.

    This is for filters that the server has stored. `parse` reads filters that callers send.
    """
    ((key, value),) = cast("Mapping[str, Any]", document).items()
    match key:
        case "and":
            return AllOf(tuple(from_json(part, columns) for part in value))
        case "or":
            return AnyOf(tuple(from_json(part, columns) for part in value))
        case "not":
            return Not(from_json(value, columns))
        case "event" if columns.history:
            return parse(document, columns, zone=ZoneInfo("UTC"))
        case _:
            ((operator, stored),) = cast("Mapping[str, Any]", value).items()
            values = cast("list[Any]", stored) if isinstance(stored, list) else [stored]
            column = columns.find(key)
            kind = "time" if operator == CHANGED_SINCE else value_type(column) if column else None
            return Comparison(key, operator, tuple(value_from_json(value, kind) for value in values))


def field_names(filter: Filter) -> set[str]:
    """Returns the system names of the fields that the filter tests."""
    match filter:
        case AllOf(parts) | AnyOf(parts):
            return {name for part in parts for name in field_names(part)}
        case Not(part):
            return field_names(part)
        case Comparison():
            return {filter.name}
        case EventTest():
            return set()


def cost(filter: Filter, columns: FilterFields) -> int:
    """Returns the points that a filter costs each time it is evaluated for a lead.

    A test costs 1 point, a custom field 1 more, and a text as many more as it can have thousands of characters. Each
    hundred values of `in` cost 1 more.
    """
    match filter:
        case AllOf(parts) | AnyOf(parts):
            return sum(cost(part, columns) for part in parts)
        case Not(part):
            return cost(part, columns)
        case Comparison(name, _, values):
            column = columns.find(name)
            length = column.kind.length or 0 if column and column.kind.sql == "text" else 0
            return 1 + (name in columns.custom) + length // 1_000 + len(values) // 100
        case EventTest():
            return 1


class _Parser:
    """The state of one `parse`. It continues after a problem, so that one answer names all problems."""

    def __init__(self, columns: FilterFields, zone: ZoneInfo) -> None:
        self.problems: list[Problem] = []
        self._columns, self._zone = columns, zone
        self._tests = self._values = 0
        self._unknown = False

    def refuse(self) -> NoReturn:
        """Raises the problems, with the names of all fields if the filter names an unknown field."""
        known = sorted({*self._columns.standard, *self._columns.custom, *(("event",) if self._columns.history else ())})
        raise InvalidParameters(*self.problems, **({"validParams": known} if self._unknown else {}))

    def _wrong(self, path: str, message: str) -> None:
        self.problems.append(Problem(param=path, message=message))
        if len(self.problems) == PROBLEMS:
            self.refuse()

    def filter(self, value: Json, path: str, depth: int) -> Filter | None:
        """Returns the filter of a JSON object. If it is wrong or nested too deeply, notes the problem, returns None."""
        if not isinstance(value, dict) or not value:
            return self._wrong(path, 'Expected an object with at least one field, such as {"city": "Berlin"}')
        entries = cast("dict[str, Json]", value)
        depth += len(entries) > 1
        if depth > DEPTH:
            return self._wrong(path, f"Expected at most {DEPTH} levels of groups")
        return _together([self._entry(key, item, f"{path}.{key[:255]}", depth) for key, item in entries.items()])

    def _entry(self, key: str, value: Json, path: str, depth: int) -> Filter | None:
        if key == "not":
            part = self.filter(value, path, depth + 1)
            return part and Not(part)
        if key in {"and", "or"}:
            if not isinstance(value, list) or not value:
                return self._wrong(path, "Expected a list of at least one object")
            listed = cast("list[Json]", value)
            parsed = [self.filter(item, f"{path}[{position}]", depth + 1) for position, item in enumerate(listed)]
            parts = tuple(part for part in parsed if part is not None)
            return AllOf(parts) if key == "and" else AnyOf(parts)
        if key == "event" and self._columns.history:
            self._count_test(path)
            return EventTestParser(self._wrong, self._value).event(value, path)
        return self._field(key, value, path, depth)

    def _field(self, name: str, value: Json, path: str, depth: int) -> Filter | None:
        column = self._columns.find(name)
        if column is None:
            self._unknown = True
            return self._wrong(path, "There is no such field")
        if isinstance(value, list):
            return self._test(column, "in", cast("Json", value), path)
        if not isinstance(value, dict):
            return self._test(column, "equals", value, path)
        operators = cast("dict[str, Json]", value)
        if not operators:
            return self._wrong(path, f"Expected at least one of: {', '.join(self._operators(column))}")
        if depth + (len(operators) > 1) > DEPTH:
            return self._wrong(path, f"Expected at most {DEPTH} levels of groups")
        return _together(
            [self._test(column, operator, item, f"{path}.{operator[:255]}") for operator, item in operators.items()]
        )

    def _operators(self, column: Column) -> tuple[str, ...]:
        more = (CHANGED_SINCE,) if self._columns.history and column.writable else ()
        return (*OPERATORS[value_type(column)], *more)

    def _count_test(self, path: str) -> None:
        self._tests += 1
        if self._tests > TESTS:
            self._wrong(path, f"Expected at most {TESTS} tests in a filter")
            self.refuse()

    def _test(self, column: Column, operator: str, value: Json, path: str) -> Filter | None:
        self._count_test(path)
        kind = value_type(column)
        if operator not in self._operators(column):
            return self._wrong(path, f"Expected one of: {', '.join(self._operators(column))}")
        if operator == CHANGED_SINCE:
            since = self._value("time", value, path)
            return None if since is None else Comparison(column.name, operator, (since,))
        if operator == "in":
            return self._in(column.name, kind, value, path)
        if operator == "equals" and is_blank(value):
            value = ""
        if operator == "between":
            ends = cast("list[Json]", value) if isinstance(value, list) else []
            return self._between(column.name, kind, ends, path)
        if operator == "equals" and is_whole_day(kind, value):
            return self._between(column.name, kind, [value, value], path)
        end = operator in {"greater", "atMost"}
        expected = self._value("flag" if operator == "empty" else kind, value, path, end=end)
        if kind == "checkbox" and operator == "equals":
            self._single(expected, path)
        return None if expected is None else Comparison(column.name, operator, (expected,))

    def _between(self, name: str, kind: str, ends: list[Json], path: str) -> Filter | None:
        if len(ends) != 2:
            return self._wrong(path, "Expected a list of two values: from, to")
        low = self._value(kind, ends[0], f"{path}[0]")
        high = self._value(kind, ends[1], f"{path}[1]", end=True)
        if low is None or high is None:
            return None
        if cast("Any", low) > high:
            return self._wrong(path, "Expected the lower value first")
        return Comparison(name, "between", (low, high))

    def _in(self, name: str, kind: str, value: Json, path: str) -> Filter | None:
        items = cast("list[Json]", value) if isinstance(value, list) else []
        if not 1 <= len(items) <= VALUES:
            return self._wrong(path, f"Expected a list of 1 to {VALUES} values")
        self._values += len(items)
        if self._values > VALUES_IN_ALL:
            self._wrong(path, f"Expected at most {VALUES_IN_ALL} values in all lists of a filter")
            self.refuse()
        values: list[Value] = []
        for position, item in enumerate(items):
            item_path = f"{path}[{position}]"
            if is_whole_day(kind, item):
                self._wrong(item_path, f"Expected {times.FORMAT}. For a whole day, use equals or between")
            elif (parsed := self._value(kind, "" if is_blank(item) else item, item_path)) is not None:
                values.append(parsed)
                if kind == "checkbox":
                    self._single(parsed, item_path)
        return Comparison(name, "in", tuple(dict.fromkeys(values)))

    def _single(self, value: Value | None, path: str) -> None:
        if isinstance(value, str) and "," in value:
            self._wrong(path, "Expected a value without a comma: commas separate the values of this field")

    def _value(self, kind: str, value: Json, path: str, *, end: bool = False) -> Value | None:
        """Returns the value as it is stored, or None if it is wrong. With `end`, a date alone means its last second."""
        if value is None or (isinstance(value, str) and not folded(value)):
            return self._wrong(path, 'Expected a value. Objects without a value are found by {"empty": true}')
        if isinstance(value, (list, dict)):
            return self._wrong(path, "Expected a single value")
        try:
            if kind in {"time", "written time"}:
                return read_time(value, end=end, zone=self._zone if kind == "time" else None)
            return READERS[kind](value)
        except ValueError as wrong:
            return self._wrong(path, str(wrong))


def is_blank(value: Json) -> bool:
    """Whether the value is a text of white space and characters without a shape, which counts as empty."""
    return isinstance(value, str) and not folded(value).strip()


def _together(parts: list[Filter | None]) -> Filter | None:
    """Returns one filter for the parts that could be parsed, or None if there is none."""
    parsed = tuple(part for part in parts if part is not None)
    return AllOf(parsed) if len(parsed) > 1 else next(iter(parsed), None)
