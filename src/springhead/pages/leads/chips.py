"""Filters as chips: each test of a filter is a short sentence, and can be removed alone."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.kit.columns import Column
from springhead.model.kit.errors import Json
from springhead.model.kit.event_filters import EventTest
from springhead.model.kit.filters import AllOf, AnyOf, Comparison, Filter, FilterFields, Not, to_json
from springhead.model.leads.leads import STATUSES
from springhead.pages.leads.columns import TableColumn

_SHOWN = 3
"""How many values of a list a chip shows."""

_LENGTH = 60
"""How many characters of a value a chip shows."""

_REFERENCES = {"ownerID": "userProfile", "campaignID": "campaign", "accountID": "account", "list": "list"}
"""The fields whose values are ids of other objects, and the nouns of these."""

Names = Mapping[str, Mapping[str, str]]
"""The names of objects by noun and id."""


class Chip(msgspec.Struct, frozen=True):
    """A test as a sentence in three parts, and the filter without it. `field` is "" for groups."""

    field: str
    label: str
    operator: str
    value: str
    without: Mapping[str, Json]


def references(filter: Filter | None) -> Mapping[str, set[str]]:
    """Returns the ids that a filter names, by noun."""
    found: dict[str, set[str]] = {}
    match filter:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                for noun, ids in references(part).items():
                    found.setdefault(noun, set()).update(ids)
        case Not(part):
            return references(part)
        case Comparison(name, operator, values) if name in _REFERENCES and operator in {"equals", "in"}:
            found[_REFERENCES[name]] = {str(value) for value in values}
        case _:
            pass
    return found


def parts_of(filter: Filter | None) -> Sequence[Filter]:
    """Returns the tests of a filter that must all be true."""
    if isinstance(filter, AllOf):
        return [part for member in filter.parts for part in parts_of(member)]
    return [filter] if filter else []


def compact(parts: Sequence[Filter]) -> Mapping[str, Json]:
    """Returns a filter in the shortest form that a caller can send, or {} without parts."""
    together: dict[str, Json] = {}
    for part in parts:
        for key, value in _short(part).items():
            known = together.get(key)
            if key not in together:
                together[key] = value
            elif _can_join(known, value):
                together[key] = {**cast("Mapping[str, Json]", known), **cast("Mapping[str, Json]", value)}
            else:
                return {"and": [_short(one) for one in parts]}
    return together


def _short(part: Filter) -> Mapping[str, Json]:
    match part:
        case AllOf(parts):
            return {"and": [_short(one) for one in parts]}
        case AnyOf(parts):
            return {"or": [_short(one) for one in parts]}
        case Not(negated):
            return {"not": _short(negated)}
        case Comparison(name, "equals" | "in" as operator, _):
            return {name: cast("Any", to_json(part))[name][operator]}
        case _:
            return cast("Mapping[str, Json]", to_json(part))


def _can_join(one: Json, other: Json) -> bool:
    """Returns whether two values are operators of one field that an object can have together."""
    return isinstance(one, dict) and isinstance(other, dict) and not set(one) & set(cast("Any", other))


class Sentences:
    """Says tests in the words of a language, with times in a zone and with the names of objects."""

    def __init__(
        self,
        columns: Mapping[str, TableColumn],
        fields: FilterFields,
        names: Names,
        *,
        zone: ZoneInfo,
        t: Callable[..., str],
    ) -> None:
        self._columns, self._fields, self._names, self._zone, self._t = columns, fields, names, zone, t

    def chips(self, filter: Filter | None) -> Sequence[Chip]:
        """Returns a chip for each test that must be true."""
        parts = parts_of(filter)
        return [Chip(*self._said(part), compact([other for other in parts if other is not part])) for part in parts]

    def _said(self, part: Filter) -> tuple[str, str, str, str]:
        """Returns the field, its label, the operator and the value of a test."""
        match part:
            case Comparison(name, operator, _):
                return name, self._label(name), self._operator(part, operator, ""), self._value(part)
            case Not(Comparison(name, operator, _) as negated):
                return name, self._label(name), self._operator(negated, operator, "not_"), self._value(negated)
            case EventTest():
                return "", self._t("filter.event"), "", self._event(part)
            case AllOf(parts) | AnyOf(parts):
                key = "filter.any_of" if isinstance(part, AnyOf) else "filter.all_of"
                if len(parts) > _SHOWN:
                    return "", self._t(key), "", self._t("filter.tests", n=len(parts))
                joint = self._t("filter.or" if isinstance(part, AnyOf) else "filter.and")
                return "", "", "", f" {joint} ".join(self._sentence(one) for one in parts)
            case Not(negated):
                return "", self._t("filter.not"), "", self._sentence(negated)

    def _sentence(self, part: Filter) -> str:
        _, label, operator, value = self._said(part)
        return " ".join(filter(None, (label, operator, value)))

    def _label(self, name: str) -> str:
        if name == "list":
            return self._t("filter.list")
        return self._columns[name].label if name in self._columns else name

    def _operator(self, test: Comparison, operator: str, negation: str) -> str:
        if operator == "empty":
            is_empty = bool(test.values[0]) != bool(negation)
            return self._t("filter.empty" if is_empty else "filter.not_empty")
        dated = "_date" if self._is_dated(test) and operator not in {"equals", "in", "between", "changedSince"} else ""
        return self._t(f"filter.{negation}{operator}{dated}")

    def _is_dated(self, test: Comparison) -> bool:
        column = self._fields.find(test.name)
        return column is not None and column.kind.type in {"timestamp", "date", "datetime"}

    def _value(self, test: Comparison) -> str:
        if test.operator == "empty":
            return ""
        column = self._fields.find(test.name)
        shown = [self._one(test.name, column, value)[:_LENGTH] for value in test.values[:_SHOWN]]
        if test.operator == "between":
            return f" {self._t('filter.and')} ".join(shown)
        more = len(test.values) - len(shown)
        return ", ".join(shown) + (f" {self._t('filter.more', n=more)}" if more > 0 else "")

    def _one(self, name: str, column: Column | None, value: object) -> str:
        if isinstance(value, datetime):
            local = value.astimezone(self._zone)
            return f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"
        if isinstance(value, bool) or (column and column.kind.type in {"tinyint", "bit", "boolean"}):
            return self._t("leads.yes" if str(value) in {"True", "1"} else "leads.no")
        if name in _REFERENCES:
            return self._names.get(_REFERENCES[name], {}).get(str(value), str(value))
        if name == "leadStatus" and value in STATUSES:
            return self._t(f"status.{value}")
        return str(value) or self._t("filter.nothing")

    def _between(self, low: int, high: int) -> str:
        return f"{low} {self._t('filter.and')} {high}" if low != high else self._t("filter.exactly", n=low)

    def _event(self, test: EventTest) -> str:
        sources = ", ".join(test.sources[:_SHOWN]) or self._t("filter.any_event")
        name = f" “{test.name[1][:_LENGTH]}”" if test.name else ""
        count = self._t("filter.times", low=test.low) if test.high is None else self._between(test.low, test.high)
        since = f", {self._t('filter.since')} {self._one('', None, test.since)}" if test.since else ""
        until = f", {self._t('filter.until')} {self._one('', None, test.until)}" if test.until else ""
        return f"{sources}{name} {count}{since}{until}"
