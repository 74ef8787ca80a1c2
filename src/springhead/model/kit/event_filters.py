"""What happened to a lead, as a test of a filter: events of some sources, in some time, so many. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, cast

import msgspec

from springhead.model.kit.errors import Json
from springhead.model.kit.filter_values import Value, value_to_json
from springhead.model.leads.events import SOURCES

COUNT_MAX = 1_000
"""How many events of a lead a filter can ask for: so many are counted for each lead at most."""

NAME_TESTS = ("equals", "contains", "startsWith", "endsWith")
COUNT_TESTS = ("equals", "greater", "atLeast", "less", "atMost", "between")
_MEMBERS = ("source", "since", "until", "name", "count")


class EventTest(msgspec.Struct, frozen=True):
    """From `low` to `high` events of a lead: of any of the sources if there are any, in that time, with that name.

    `{"event": {"source": "pageVisit", "since": "2026-01-01", "name": {"contains": "price"}, "count": {"atLeast": 3}}}`;
    without `count`, at least one; `high` None is no limit. The name is a test as of a text: operator and value.
    """

    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    name: tuple[str, str] | None = None
    low: int = 1
    high: int | None = None

    def to_json(self, zone: tzinfo) -> Json:
        """The same as JSON, for telling one from another."""
        times = {name: value_to_json(time, zone) for name in ("since", "until") if (time := getattr(self, name))}
        return {"sources": self.sources, "name": self.name, "count": [self.low, self.high], **times}


_Wrong = Callable[[str, str], None]
_ReadValue = Callable[..., Value | None]


class EventTestParser:
    """How a test of events is read: `wrong` takes a path and what is wrong there, `value` reads a value of a kind."""

    def __init__(self, wrong: _Wrong, value: _ReadValue) -> None:
        self._wrong, self._value = wrong, value

    def event(self, given: Json, path: str) -> EventTest | None:
        """The test; None when anything about it is wrong. A source, or a list of them, stands for itself."""
        if not isinstance(given, dict):
            given = {"source": given}
        parts = cast("Mapping[str, Json]", given)
        found: dict[str, Any] = {}
        right = True
        for name, value in parts.items():
            here = f"{path}.{name[:255]}"
            if name not in _MEMBERS:
                self._wrong(here, f"An event takes: {', '.join(_MEMBERS)}")
                right = False
                continue
            read = getattr(self, f"_{name}")(value, here)
            right = right and read is not None
            found |= read or {}
        if not parts:
            self._wrong(path, f"Expected at least one of: {', '.join(_MEMBERS)}")
        return EventTest(**found) if right and parts else None

    def _source(self, value: Json, path: str) -> dict[str, Any] | None:
        sources = cast("list[Json]", value) if isinstance(value, list) else [value]
        unknown = [at for at, source in enumerate(sources) if source not in SOURCES]
        if unknown or not sources or len(sources) > len(SOURCES):
            here = f"{path}[{unknown[0]}]" if unknown and isinstance(value, list) else path
            self._wrong(here, f"Expected one of: {', '.join(SOURCES)}")
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
        wanted = self._value("text", test[1], f"{path}.{test[0]}") if test else None
        return None if test is None or wanted is None else {"name": (test[0], wanted)}

    def _count(self, value: Json, path: str) -> dict[str, Any] | None:
        test = self._only(value, COUNT_TESTS, path)
        if test is None:
            return None
        operator, given = test
        listed = cast("list[Json]", given) if isinstance(given, list) else [given]
        if len(listed) != (2 if operator == "between" else 1):
            return self._wrong(f"{path}.{operator}", "Expected a list of two values: from, to")
        numbers = [self._value("whole number", one, f"{path}.{operator}") for one in listed]
        if any(not isinstance(one, int) for one in numbers):
            return None
        low, high = cast("list[int]", [numbers[0], numbers[-1]])
        if not 0 <= low <= high <= COUNT_MAX:
            return self._wrong(f"{path}.{operator}", f"Expected from 0 to {COUNT_MAX}, the lower value first")
        ranges = {"greater": (low + 1, None), "atLeast": (low, None), "less": (0, high - 1), "atMost": (0, high)}
        low, top = ranges.get(operator, (low, high))
        return {"low": low, "high": top}

    def _only(self, value: Json, operators: tuple[str, ...], path: str) -> tuple[str, Json] | None:
        """The one operator of an object, with what it is given; `equals` for a value alone."""
        if isinstance(value, (str, int)):
            return "equals", value
        entries = list(cast("Mapping[str, Json]", value).items()) if isinstance(value, dict) else []
        if len(entries) != 1 or entries[0][0] not in operators:
            return self._wrong(path, f"Expected one of: {', '.join(operators)}")
        return entries[0]
