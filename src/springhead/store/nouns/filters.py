"""A filter (`model/kit/filters.py`) as an SQL condition, with each value as a typed parameter. Pure."""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from springhead.model.feed.changes import KIND_BY_SOURCE
from springhead.model.kit.columns import Column
from springhead.model.kit.event_filters import EventTest
from springhead.model.kit.filter_values import Value
from springhead.model.kit.filters import CHANGED_SINCE, AllOf, AnyOf, Comparison, Filter, FilterFields, Not
from springhead.store.database.sql import literal

# {x} is the field, {a} and {b} are the values. The {a} of `in` is the whole list.
_PLAIN = {
    "equals": "{x} = {a}",
    "in": "{x} = any({a})",
    "greater": "{x} > {a}",
    "atLeast": "{x} >= {a}",
    "less": "{x} < {a}",
    "atMost": "{x} <= {a}",
    "between": "{x} between {a} and {b}",
}
# Stored times have fractions of a second, but the API shows whole seconds: a value stands for its whole second.
_TIME = {
    "equals": "{x} >= {a} and {x} < {a} + interval '1 second'",
    "in": "date_trunc('second', {x}) = any({a})",
    "greater": "{x} >= {a} + interval '1 second'",
    "atLeast": "{x} >= {a}",
    "less": "{x} < {a}",
    "atMost": "{x} < {a} + interval '1 second'",
    "between": "{x} >= {a} and {x} < {b} + interval '1 second'",
}
# Text is compared regardless of case. Only dates of custom fields have tests of order: in the collation "C" their text
# sorts as the dates do.
_TEXT = {
    **{operator: template.replace("{x}", '({x} collate "C")') for operator, template in _PLAIN.items()},
    "equals": "lower({x}) = lower({a})",
    "in": "lower({x}) in (select lower(v) from unnest({a}) as v)",
    "contains": "lower({x}) like lower({a})",
    "startsWith": "lower({x}) like lower({a})",
    "endsWith": "lower({x}) like lower({a})",
}
_LIKE = {"contains": "%{}%", "startsWith": "{}%", "endsWith": "%{}"}
_CHECKBOX = {
    **_TEXT,
    "equals": "lower({a}) = any(string_to_array(lower({x}), ','))",
    "in": "string_to_array(lower({x}), ',') && array(select lower(v) from unnest({a}) as v)",
}
_TYPES = {"smallint": "bigint", "integer": "bigint", "double precision": "numeric"}
"""The SQL types of parameters that differ from the type of their column."""

_Put: TypeAlias = Callable[[object, str], str]
"""Adds a value as a parameter of an SQL type, and returns its placeholder."""


def condition(filter: Filter, columns: FilterFields, parameters: list[object], *, first: int) -> str:
    """Returns the filter as a condition on the table alias `l`: true or false for every row, never null.

    Appends its values to `parameters`, whose n-th element (from 0) is `${first + n}`. A field that `columns` does not
    have counts as empty.
    """

    def put(value: object, sql_type: str) -> str:
        parameters.append(value)
        return f"${first + len(parameters) - 1}::{sql_type}{'[]' * isinstance(value, list)}"

    def build(filter: Filter) -> str:
        match filter:
            case AllOf(parts):
                return f"({' and '.join(map(build, parts))})"
            case AnyOf(parts):
                return f"({' or '.join(map(build, parts))})"
            case Not(part):
                return f"(not {build(part)})"
            case EventTest():
                return _event_test(filter, put)
            case Comparison():
                return _comparison(filter, columns, put)

    return build(filter)


def _comparison(test: Comparison, columns: FilterFields, put: _Put) -> str:
    if column := columns.standard.get(test.name):
        return _standard(column, test.operator, test.values, put)
    if column := columns.custom.get(test.name):
        return _custom(column, test.operator, test.values, put)
    return "true" if test.operator == "empty" and test.values[0] else "false"


_EVENT = "select from event e where e.company_id = $1 and e.lead_id = l.id"


def _event_test(test: EventTest, put: _Put) -> str:
    """Whether the number of a lead's events is in the range of the test. Counts no more events than necessary."""
    parts = [_EVENT]
    if test.sources:
        parts.append(f"e.event_source = any({put(list(test.sources), 'text')})")
    if test.since:
        parts.append(f"e.create_timestamp >= {put(test.since, 'timestamptz')}")
    if test.until:
        parts.append(f"e.create_timestamp < {put(test.until, 'timestamptz')} + interval '1 second'")
    if test.name:
        operator, wanted = test.name
        operands = [put(value, "text") for value in _operands(operator, [wanted])]
        parts.append(_compared(_TEXT[operator], "e.event_name", operands))
    events = " and ".join(parts)
    if (test.low, test.high) == (1, None):
        return f"exists ({events})"
    if test.high == 0:
        return f"(not exists ({events}))"
    most = test.low if test.high is None else test.high + 1
    count = f"(select count(*) from ({events} limit {most}) as counted)"
    return f"({count} between {test.low} and {test.high if test.high is not None else most})"


def _changed(name: str, field: str, values: Sequence[Value], put: _Put) -> str:
    """Whether a write changed the field since a time, or created the lead since then with a value for it."""
    since = put(values[0], "timestamptz")
    events = f"{_EVENT} and e.create_timestamp >= {since} and e.event_source = any({put(_CHANGE_SOURCES, 'text')})"
    return (
        f"((l.create_timestamp >= {since} and {_empty(field, empty=False)})"
        f" or exists ({events} and jsonb_exists(e.event_data, {put(name, 'text')})))"
    )


_CHANGE_SOURCES = [source for source in KIND_BY_SOURCE if source != "leadCreation"]
"""The sources of events whose data names the changed fields."""


def _standard(column: Column, operator: str, values: Sequence[Value], put: _Put) -> str:
    if column.kind.type == "membership":
        return _membership(operator, values, put)
    field = f"({column.read})" if column.read else f"l.{column.sql}"
    sql_type = column.kind.sql
    if operator == CHANGED_SINCE:
        return _changed(column.name, f"nullif({field}, '')" if sql_type == "text" else field, values, put)
    if operator == "empty":
        return _empty(f"nullif({field}, '')" if sql_type == "text" else field, empty=bool(values[0]))
    templates = {"text": _TEXT, "timestamptz": _TIME}.get(sql_type, _PLAIN)
    if column.key_sql and column.make_key and operator in {"equals", "in"}:
        field, templates = f"l.{column.key_sql}", _PLAIN
        values = [column.make_key(str(value)) for value in values]
    operands = [put(value, _TYPES.get(sql_type, sql_type)) for value in _operands(operator, values)]
    compared = _compared(templates[operator], field, operands)
    # Both forms are never null. The second one, on a plain column, can use an index.
    return f"coalesce({compared}, false)" if column.read else f"({field} is not null and {compared})"


def _custom(column: Column, operator: str, values: Sequence[Value], put: _Put) -> str:
    field = f"nullif(l.custom->>{literal(column.name)}, '')"
    if operator == "empty":
        return _empty(field, empty=bool(values[0]))
    if operator == CHANGED_SINCE:
        return _changed(column.name, field, values, put)
    templates = _CHECKBOX if column.kind.type == "checkbox" else _TEXT
    stored = [str(int(value) if isinstance(value, bool) else value) for value in values]
    operands = [put(value, "text") for value in _operands(operator, stored)]
    return f"coalesce({_compared(templates[operator], field, operands)}, false)"


def _membership(operator: str, values: Sequence[Value], put: _Put) -> str:
    """Whether a lead is on one of the lists (`in`), or on any list (`empty`). Removed members do not count."""
    members = "select from list_member m where m.company_id = $1 and m.lead_id = l.id and not m.is_removed"
    if operator == "empty":
        return f"({'not ' * bool(values[0])}exists ({members}))"
    return f"exists ({members} and m.list_id = any({put(list(values), 'bigint')}))"


def _empty(field: str, *, empty: bool) -> str:
    return f"({field} is {'null' if empty else 'not null'})"


def _operands(operator: str, values: Sequence[Value]) -> Sequence[object]:
    if operator == "in":
        return [list(values)]
    if operator in _LIKE:
        return [_LIKE[operator].format(re.sub(r"([\\%_])", r"\\\1", str(values[0])))]
    return values


def _compared(template: str, field: str, operands: Sequence[str]) -> str:
    return template.format(x=field, a=operands[0], b=operands[-1])
