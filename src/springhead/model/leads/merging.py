"""The merging of leads: what a caller asks for, and which value wins. Our own addition.

A lead is here a hash by the names of its columns in the database, as the database gives it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta

from springhead.model.kit.columns import ID_MAX, Column, Kind, Noun, choice, integer
from springhead.model.kit.errors import InvalidParameters, Problem
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD

MERGE_IDS_MAX = 50
"""How many leads one object can merge into another."""

MERGE_RULES = ("keep", "newest", "oldest")

_ID = Annotated[int, Meta(ge=0, le=ID_MAX)]
_IDS = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[list[_ID], Meta(min_length=1, max_length=MERGE_IDS_MAX)],
    expected=f"Expected a list of 1 to {MERGE_IDS_MAX} ids of leads",
)
_FROM = Kind(
    type="hash",
    sql="jsonb",
    accepts=dict[str, _ID],
    expected='Expected a hash of system names with ids of leads, such as {"city": 100000000000}',
)
_VALUES = Kind(
    type="hash",
    sql="jsonb",
    accepts=dict[str, Any],
    expected='Expected a hash of system names with values, such as {"city": "Rome"}',
)

MERGE = Noun(
    name="merge",
    table="lead",
    about="That leads become one: which one stays, which are merged into it, and which values win.",
    columns=(
        Column(name="id", kind=integer(20, "bigint"), required=True),
        Column(name="mergeIDs", kind=_IDS, required=True),
        Column(name="rule", kind=choice(MERGE_RULES)),
        Column(name="valuesFrom", kind=_FROM),
        Column(name="values", kind=_VALUES),
    ),
)

Lead = dict[str, Any]

_OF_ADDRESS = ("email_address", "email_key", "num_bounces", "hard_bounced")
_BY_RULE = [
    column for column in LEAD.writable_columns if column.name not in {"emailAddress", "active", "isUnsubscribed"}
]


def check_merge(one: Any, fields: FieldSet) -> InvalidParameters | None:
    """205 for an object whose parameters, each right by itself, do not go together."""
    problems = list(_problems(one, fields))
    return InvalidParameters(*problems) if problems else None


def _problems(one: Any, fields: FieldSet) -> Iterator[Problem]:
    if one.id in one.mergeIDs:
        yield MERGE.by_name["mergeIDs"].problem("Expected the ids of other leads than the one that stays")
    if one.valuesFrom is UNSET:
        return
    known = {column.name for column in (*LEAD.writable_columns, *fields.columns[LEAD.name])}
    leads = {one.id, *one.mergeIDs}
    for name, lead_id in one.valuesFrom.items():
        if name not in known:
            yield {"param": name[:255], "message": "Unknown field"}
        elif lead_id not in leads:
            yield {"param": name, "message": "Expected the id of one of these leads"}


def merged_lead(stays: Lead, others: Sequence[Lead], rule: str, chosen: Mapping[str, Lead], fields: FieldSet) -> Lead:
    """The lead that stays, with the values that win.

    By rule the first value that is not empty: of the lead that stays and then of the others, last changed first
    (`keep`); of all of them, last changed first (`newest`), or created first (`oldest`). Whatever the rule, the one
    that stays keeps its address and whether it is active, and is unsubscribed when one of them is. `chosen` has, by
    system name, the lead of which a value is taken, empty or not.
    """
    newest = sorted(others, key=_changed, reverse=True)
    order = {
        "keep": [stays, *newest],
        "newest": sorted([stays, *newest], key=_changed, reverse=True),
        "oldest": sorted([stays, *newest], key=_created),
    }[rule]
    lead = dict(stays)
    for column in _BY_RULE:
        lead[column.sql] = _first(one.get(column.sql) for one in order)
    if any(one.get("is_unsubscribed") for one in order):
        lead["is_unsubscribed"] = True
    names = [column.name for column in fields.columns[LEAD.name]]
    lead["custom"] = dict(stays["custom"]) | {
        name: value for name in names if (value := _first(one["custom"].get(name) for one in order)) is not None
    }
    for name, one in chosen.items():
        _copy_value(lead, name, one)
    return lead


def _changed(lead: Lead) -> datetime:
    return datetime.fromisoformat(lead["update_timestamp"])


def _created(lead: Lead) -> tuple[datetime, int]:
    return datetime.fromisoformat(lead["create_timestamp"]), lead["id"]


def _first(values: Iterator[Any]) -> Any:
    """The first value that is not empty, else an empty one."""
    empty = None
    for value in values:
        if value is not None and value != "":
            return value
        empty = value if empty is None else empty
    return empty


def _copy_value(lead: Lead, name: str, one: Lead) -> None:
    column = LEAD.by_name.get(name)
    if column is None:
        _set_custom(lead, name, one["custom"].get(name))
    else:
        for part in _OF_ADDRESS if column.name == "emailAddress" else (column.sql,):
            lead[part] = one.get(part)


def set_values(lead: Lead, values: Mapping[str, Any]) -> None:
    """Give a lead values, by system name, that were checked: as an update with them would."""
    for name, value in values.items():
        column = LEAD.by_name.get(name)
        if column is None:
            _set_custom(lead, name, value)
        elif _can_be_set(column, value):
            lead[column.sql] = value
            if column.key_sql and column.make_key:
                lead[column.key_sql] = column.make_key(value)


def _can_be_set(column: Column, value: Any) -> bool:
    """Whether a value changes anything: null does not where there must be one, and a status that follows never."""
    if column.reserved and value == column.reserved:
        return False
    return column.writable and not (value is None and column.default)


def _set_custom(lead: Lead, name: str, value: Any) -> None:
    if value is None or value == "":
        lead["custom"].pop(name, None)
    else:
        lead["custom"][name] = value
