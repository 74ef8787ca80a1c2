"""The test of a filter for the events of a lead: their sources, time, name and number. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, cast

import msgspec

from springhead.model.kit.errors import Json
from springhead.model.kit.filter_values import Value, value_to_json
from springhead.model.leads.events import SOURCES

COUNT_MAX = 1_000
"""The largest number that `count` can have. For each lead, a search counts no more events than this."""

NAME_TESTS = ("equals", "contains", "startsWith", "endsWith")
COUNT_TESTS = ("equals", "greater", "atLeast", "less", "atMost", "between")
_MEMBERS = ("source", "since", "until", "name", "count")


class EventTest(msgspec.Struct, frozen=True):
    """True for a lead with `low` to `high` events that match all of `sources`, `since`, `until` and `name`.

    As JSON: `{"source": "pageVisit", "since": "2026-01-01", "name": {"contains": "price"}, "count": {"atLeast": 3}}`.
    Without `count` it is at least one event. Without `sources`, events of all sources count. If `high` is None, there
    is no upper limit. `name` is an operator and a text.
    """

    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    name: tuple[str, str] | None = None
    low: int = 1
    high: int | None = None

    def to_json(self, zone: tzinfo) -> Json:
        """Returns the test as JSON that a caller of the zone can send. Two tests are equal if their JSON is equal."""
        document: dict[str, Json] = {"source": list(self.sources)} if self.sources else {}
        document |= {name: value_to_json(time, zone) for name in ("since", "until") if (time := getattr(self, name))}
        if self.name:
            document["name"] = {self.name[0]: self.name[1]}
        return document | {"count": self._count()}

    def _count(self) -> Json:
        if self.high is None:
            return {"greater": self.low - 1} if self.low else {"atLeast": 0}
        return {"between": [self.low, self.high]} if self.high >= self.low else {"less": 0}


_Wrong = Callable[[str, str], None]
_ReadValue = Callable[..., Value | None]


class EventTestParser:
    """Reads a test of events.

    The caller passes two functions: `wrong` notes a problem, by its path and message, and `value` reads a value of a
    type.
    """

    def __init__(self, wrong: _Wrong, value: _ReadValue) -> None:
        self._wrong, self._value = wrong, value

    def event(self, given: Json, path: str) -> EventTest | None:
        """Returns the test, or None if anything in it is wrong. A text or a list is short for `{"source": …}`."""
        if not isinstance(given, dict):
            given = {"source": given}
        members = cast("Mapping[str, Json]", given)
        values: dict[str, Any] = {}
        valid = True
        for name, value in members.items():
            member_path = f"{path}.{name[:255]}"
            if name not in _MEMBERS:
                self._wrong(member_path, f"Expected one of: {', '.join(_MEMBERS)}")
                valid = False
                continue
            read = getattr(self, f"_{name}")(value, member_path)
            valid = valid and read is not None
            values |= read or {}
        if not members:
            self._wrong(path, f"Expected at least one of: {', '.join(_MEMBERS)}")
        return EventTest(**values) if valid and members else None

    def _source(self, value: Json, path: str) -> dict[str, Any] | None:
        sources = cast("list[Json]", value) if isinstance(value, list) else [value]
        unknown = [position for position, source in enumerate(sources) if source not in SOURCES]
        if unknown or not sources or len(sources) > len(SOURCES):
            wrong_path = f"{path}[{unknown[0]}]" if unknown and isinstance(value, list) else path
            self._wrong(wrong_path, f"Expected one of: {', '.join(SOURCES)}")
            return None
        return {"sources": tuple(dict.fromkeys(sources))}

    def _since(self, value: Json, path: str) -> dict[str, Any] | None:
        time = self._value("time", value, path)
        return None if time is None else {"since": time}

    def _until(self, value: Json, path: str) -> dict[str, Any] | None:
        time = self._value("time", value, path, end=True)
        return None if time is None else {"until": time}

    def _name(self, value: Json, path: str) -> dict[str, Any] | None:
        test = self._only(value, NAME_TESTS, path)
        text = self._value("text", test[1], f"{path}.{test[0]}") if test else None
        return None if test is None or text is None else {"name": (test[0], text)}

    def _count(self, value: Json, path: str) -> dict[str, Any] | None:
        test = self._only(value, COUNT_TESTS, path)
        if test is None:
            return None
        operator, given = test
        listed = cast("list[Json]", given) if isinstance(given, list) else [given]
        if len(listed) != (2 if operator == "between" else 1):
            return self._wrong(f"{path}.{operator}", "Expected a list of two values: from, to")
        numbers = [self._value("whole number", item, f"{path}.{operator}") for item in listed]
        if any(not isinstance(number, int) for number in numbers):
            return None
        low, high = cast("list[int]", [numbers[0], numbers[-1]])
        if not 0 <= low <= high <= COUNT_MAX:
            return self._wrong(f"{path}.{operator}", f"Expected from 0 to {COUNT_MAX}, the lower value first")
        ranges = {"greater": (low + 1, None), "atLeast": (low, None), "less": (0, high - 1), "atMost": (0, high)}
        low, top = ranges.get(operator, (low, high))
        return {"low": low, "high": top}

    def _only(self, value: Json, operators: tuple[str, ...], path: str) -> tuple[str, Json] | None:
        """Returns the only operator of an object and its value. For a value alone, the operator is `equals`."""
        if isinstance(value, (str, int)):
            return "equals", value
        entries = list(cast("Mapping[str, Json]", value).items()) if isinstance(value, dict) else []
        if len(entries) != 1 or entries[0][0] not in operators:
            return self._wrong(path, f"Expected one of: {', '.join(operators)}")
        return entries[0]
