"""The merging of leads: its parameters, and the values of the merged lead. Our own addition.

Here a lead is a dictionary of values by column name, as the database returns it.
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
"""How many leads one object can merge into another lead."""

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
    about="The merging of leads into one: the lead that stays, the leads merged into it, and whose values win.",
    columns=(
        Column(name="id", kind=integer(20, "bigint"), required=True),
        Column(name="mergeIDs", kind=_IDS, required=True),
        Column(name="rule", kind=choice(MERGE_RULES)),
        Column(name="valuesFrom", kind=_FROM),
        Column(name="values", kind=_VALUES),
    ),
)

Lead = dict[str, Any]

_ADDRESS_COLUMNS = ("email_address", "email_key", "num_bounces", "hard_bounced")
_BY_RULE = [
    column for column in LEAD.writable_columns if column.name not in {"emailAddress", "active", "isUnsubscribed"}
]


def check_merge(record: Any, fields: FieldSet) -> InvalidParameters | None:
    """Returns the error (205) of an object whose valid parameters do not go together, or None."""
    problems = list(_problems(record, fields))
    return InvalidParameters(*problems) if problems else None


def _problems(record: Any, fields: FieldSet) -> Iterator[Problem]:
    if record.id in record.mergeIDs:
        yield MERGE.by_name["mergeIDs"].problem("Expected the ids of other leads, not of the lead that stays")
    if record.valuesFrom is UNSET:
        return
    known = {column.name for column in (*LEAD.writable_columns, *fields.columns[LEAD.name])}
    leads = {record.id, *record.mergeIDs}
    for name, lead_id in record.valuesFrom.items():
        if name not in known:
            yield {"param": name[:255], "message": "Unknown field"}
        elif lead_id not in leads:
            yield {"param": name, "message": "Expected the id of one of these leads"}


def merged_lead(
    survivor: Lead, others: Sequence[Lead], rule: str, chosen: Mapping[str, Lead], fields: FieldSet
) -> Lead:
    """Returns the survivor, which is the lead that stays, with its values after the merge.

    For each field, the first value that is not empty wins. The rule gives the order of the leads: `keep` has the
    survivor, then the others from the last changed one; `newest` has all from the last changed one; `oldest` has all
    from the first created one. With every rule, the survivor keeps its address and its `active`, and is unsubscribed
    if any of the leads is. `chosen` maps system names to the leads whose values win, even empty values.
    """
    newest = sorted(others, key=_changed, reverse=True)
    order = {
        "keep": [survivor, *newest],
        "newest": sorted([survivor, *newest], key=_changed, reverse=True),
        "oldest": sorted([survivor, *newest], key=_created),
    }[rule]
    lead = dict(survivor)
    for column in _BY_RULE:
        lead[column.sql] = _first(source.get(column.sql) for source in order)
    if any(source.get("is_unsubscribed") for source in order):
        lead["is_unsubscribed"] = True
    names = [column.name for column in fields.columns[LEAD.name]]
    lead["custom"] = dict(survivor["custom"]) | {
        name: value for name in names if (value := _first(source["custom"].get(name) for source in order)) is not None
    }
    for name, source in chosen.items():
        _copy_value(lead, name, source)
    return lead


def _changed(lead: Lead) -> datetime:
    return datetime.fromisoformat(lead["update_timestamp"])


def _created(lead: Lead) -> tuple[datetime, int]:
    return datetime.fromisoformat(lead["create_timestamp"]), lead["id"]


def _first(values: Iterator[Any]) -> Any:
    """Returns the first value that is not empty, or else the first empty text, or None."""
    empty = None
    for value in values:
        if value is not None and value != "":
            return value
        empty = value if empty is None else empty
    return empty


def _copy_value(lead: Lead, name: str, source: Lead) -> None:
    column = LEAD.by_name.get(name)
    if column is None:
        _set_custom(lead, name, source["custom"].get(name))
    else:
        for sql_name in _ADDRESS_COLUMNS if column.name == "emailAddress" else (column.sql,):
            lead[sql_name] = source.get(sql_name)


def set_values(lead: Lead, values: Mapping[str, Any]) -> None:
    """Sets checked values of a lead, by system name, as an update would set them."""
    for name, value in values.items():
        column = LEAD.by_name.get(name)
        if column is None:
            _set_custom(lead, name, value)
        elif _can_be_set(column, value):
            lead[column.sql] = value
            if column.key_sql and column.make_key:
                lead[column.key_sql] = column.make_key(value)


def _can_be_set(column: Column, value: Any) -> bool:
    """Whether the value may be set. Null in a column with a default, and a reserved value, change nothing."""
    if column.reserved and value == column.reserved:
        return False
    return column.writable and not (value is None and column.default)


def _set_custom(lead: Lead, name: str, value: Any) -> None:
    if value is None or value == "":
        lead["custom"].pop(name, None)
    else:
        lead["custom"][name] = value
