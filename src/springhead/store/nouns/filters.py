"""A filter (`model/kit/filters.py`) as an SQL condition, with each value as a typed parameter. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from springhead.model.feed.changes import KIND_BY_SOURCE
from springhead.model.kit.columns import Column
from springhead.model.kit.event_filters import EventTest
from springhead.model.kit.filter_values import Value, value_type
from springhead.model.kit.filters import CHANGED_SINCE, AllOf, AnyOf, Comparison, Filter, FilterFields, Not
from springhead.model.kit.texts import clean_phone, folded, phone_key
from springhead.store.database.sql import literal
from springhead.store.nouns import folding
from springhead.store.nouns.folding import filled

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
# Only dates of custom fields have tests of order: in the collation "C" their text sorts as the dates do.
_DATE = {operator: template.replace("{x}", '({x} collate "C")') for operator, template in _PLAIN.items()}
# {x} and {a} are folded, and {a} is the pattern of a test with `like`.
_TEXT = {
    "equals": "{x} = {a}",
    "in": "{x} = any({a})",
    "contains": "{x} like {a}",
    "startsWith": "{x} like {a}",
    "endsWith": "{x} like {a}",
}
_LIKE = {"contains": "%{}%", "startsWith": "{}%", "endsWith": "%{}"}
# Options are separated before they are folded, because folding makes commas of other signs.
_SEPARATOR = r"E'\x1f'"
_CHECKBOX = {
    "equals": f"{{a}} = any(string_to_array({{x}}, {_SEPARATOR}))",
    "in": f"string_to_array({{x}}, {_SEPARATOR}) && {{a}}",
}
_TYPES = {"smallint": "bigint", "integer": "bigint", "double precision": "numeric"}
"""The SQL types of parameters that differ from the type of their column."""

_MakeKey: TypeAlias = Callable[[str], str]
"""Returns the SQL of the key by which a text is compared."""

_Key: TypeAlias = Callable[[str, _MakeKey], str]
"""Returns the SQL of the key of a field, or the name of what computes it once per row."""


class _Texts:
    """The texts that the tests of a group compare. The database computes each of them once per row."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def key(self, field: str, make_key: _MakeKey) -> str:
        """Returns the name of the key of a field."""
        name = self._fields.setdefault(field, f"f{len(self._fields)}")
        return self._keys.setdefault(make_key(f"fields.{name}"), f"keys.k{len(self._keys)}")

    def around(self, test: str) -> str:
        """Returns the test with the keys that it names. `offset 0` makes PostgreSQL compute them once per row."""
        if not self._keys:
            return test
        fields = ", ".join(f"{field} as {name}" for field, name in self._fields.items())
        keys = ", ".join(f"{key} as {name.removeprefix('keys.')}" for key, name in self._keys.items())
        return (
            f"(select {test} from (select {fields} offset 0) as fields"
            f" cross join lateral (select {keys} offset 0) as keys)"
        )


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

    def build(filter: Filter, key: _Key) -> str:
        match filter:
            case AllOf(parts):
                return f"({' and '.join(build(part, key) for part in parts)})"
            case AnyOf(parts):
                return f"({' or '.join(build(part, key) for part in parts)})"
            case Not(part):
                return f"(not {build(part, key)})"
            case EventTest():
                return _event_test(filter, put)
            case Comparison():
                return _comparison(filter, columns, put, key)

    def group(part: Filter) -> str:
        if isinstance(part, Comparison):
            return build(part, lambda field, make_key: make_key(field))
        texts = _Texts()
        return texts.around(build(part, texts.key))

    # Each part has texts of its own, so that a part without texts can use an index.
    return f"({' and '.join(map(group, filter.parts if isinstance(filter, AllOf) else (filter,)))})"


def _comparison(test: Comparison, columns: FilterFields, put: _Put, key: _Key) -> str:
    if column := columns.standard.get(test.name):
        return _standard(column, test.operator, test.values, put, key)
    if column := columns.custom.get(test.name):
        return _custom(column, test.operator, test.values, put, key)
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
        parts.append(_text_test(operator, folding.folded("e.event_name"), [wanted], put))
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


def _standard(column: Column, operator: str, values: Sequence[Value], put: _Put, key: _Key) -> str:
    if column.kind.type == "membership":
        return _membership(operator, values, put)
    field = f"({column.read})" if column.read else f"l.{column.sql}"
    sql_type = column.kind.sql
    if operator == CHANGED_SINCE:
        return _changed(column.name, filled(field) if sql_type == "text" else field, values, put)
    if operator == "empty":
        return _empty(filled(field) if sql_type == "text" else field, empty=bool(values[0]))
    if sql_type == "boolean":  # a flag that was never set is not set
        return _any(f"{field} is {'' if value else 'not '}true" for value in values)
    templates = {"timestamptz": _TIME}.get(sql_type, _PLAIN)
    if column.key_sql and column.make_key and operator in {"equals", "in"}:
        field = f"l.{column.key_sql}"
        values = [column.make_key(str(value)) for value in values]
    elif sql_type == "text":
        return f"coalesce({_phone_or_text_test(column, operator, partial(key, field), values, put)}, false)"
    operands = [put(value, _TYPES.get(sql_type, sql_type)) for value in _operands(operator, values)]
    compared = _compared(templates[operator], field, operands)
    # Both forms are never null. The second one, on a plain column, can use an index.
    return f"coalesce({compared}, false)" if column.read else f"({field} is not null and {compared})"


def _custom(column: Column, operator: str, values: Sequence[Value], put: _Put, key: _Key) -> str:
    field = f"(l.custom->>{literal(column.name)})"
    if operator == "empty":
        return _empty(filled(field), empty=bool(values[0]))
    if operator == CHANGED_SINCE:
        return _changed(column.name, filled(field), values, put)
    if value_type(column) == "flag":
        return _any(f"{field} is {'not ' if value else ''}distinct from '1'" for value in values)
    if column.kind.type in {"date", "datetime"}:
        operands = [put(value, "text") for value in _operands(operator, values)]
        compared = _compared(_DATE[operator], f"nullif({field}, '')", operands)
        return f"coalesce({compared}, false)"
    if column.kind.type == "checkbox" and operator in _CHECKBOX:
        options = key(f"translate({field}, ',', {_SEPARATOR})", folding.folded)
        operands = [put(value, "text") for value in _operands(operator, [folded(str(value)) for value in values])]
        return f"coalesce({_compared(_CHECKBOX[operator], options, operands)}, false)"
    return f"coalesce({_phone_or_text_test(column, operator, partial(key, field), values, put)}, false)"


def _phone_or_text_test(
    column: Column, operator: str, key: Callable[[_MakeKey], str], values: Sequence[Value], put: _Put
) -> str:
    if column.kind.clean is clean_phone:
        keys = [phone_key(str(value), part=operator in {"contains", "endsWith"}) for value in values]
        if all(keys):
            operands = [put(value, "text") for value in _operands(operator, keys)]
            return _compared(_TEXT[operator], key(folding.phone_key), operands)
    return _text_test(operator, key(folding.folded), values, put)


def _text_test(operator: str, text: str, values: Sequence[Value], put: _Put) -> str:
    """Whether a folded text passes a test, which folds its values; null for a text that is null."""
    operands = [put(value, "text") for value in _operands(operator, [folded(str(value)) for value in values])]
    return _compared(_TEXT[operator], text, operands)


def _any(tests: Iterable[str]) -> str:
    return f"({' or '.join(dict.fromkeys(tests))})"


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
