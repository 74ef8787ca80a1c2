"""Saved views of tables: which rows, in which order, and which columns. The noun is our own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta

from springhead.model.kit import filters
from springhead.model.kit.columns import Column, Kind, Noun, choice, flag, integer, moment, text
from springhead.model.kit.errors import InvalidParameters, Json, Problem
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD
from springhead.model.leads.search import SORTS_MAX, search_fields

NOUNS = ("lead",)
"""The nouns whose tables can have views."""

SHARED_VIEWS_MAX, OWN_VIEWS_MAX = 200, 100
"""How many shared views a company can have, and how many own views each of its users."""

COLUMNS_MAX = 200
"""How many columns a view can have."""

FILTER_BYTES = 32_768
"""How long the filter of a view can be, as JSON."""

WIDTHS = (40, 2_000)
"""The least and the largest width of a column, in pixels."""

_ID = integer(18, "bigint")
_NAME = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


class ViewSort(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field by which a view is sorted."""

    field: _NAME
    direction: Literal["asc", "desc"] = "asc"


class ViewColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A column of a view: a field, its width in pixels, and whether it stays in view when the table is scrolled."""

    field: _NAME
    width: Annotated[int, Meta(ge=WIDTHS[0], le=WIDTHS[1])] | None = None
    pinned: bool = False


_FILTER = Kind(
    type="hash",
    sql="jsonb",
    accepts=dict[str, Any],
    expected='Expected a filter: an object such as {"city": "Berlin"}, or null',
)
_SORT = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[list[_NAME | ViewSort], Meta(max_length=SORTS_MAX)],
    expected=(
        f'Expected at most {SORTS_MAX} fields, each a name or {{"field": its name, "direction": "asc" or "desc"}}'
    ),
)
_COLUMNS = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[list[_NAME | ViewColumn], Meta(max_length=COLUMNS_MAX)],
    expected=(
        f"Expected at most {COLUMNS_MAX} columns, each a name or an object with field and, optionally, width "
        f"({WIDTHS[0]} to {WIDTHS[1]}) and pinned"
    ),
)
_MISSING = Kind(type="list", sql="jsonb", accepts=list[str], expected="Expected a list of system names")

VIEW = Noun(
    name="view",
    table="saved_view",
    about="A saved view of a table: a filter, a sort order and columns under a name.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="name", kind=text(100), required=True),
        Column(name="noun", kind=choice(NOUNS), default=f"'{NOUNS[0]}'"),
        Column(name="ownerID", kind=_ID, nullable=True, references="user_profile"),
        Column(name="isShared", kind=flag(), writable=False, read="(l.owner_id is null)"),
        Column(name="filter", kind=_FILTER, nullable=True),
        Column(name="sort", kind=_SORT, nullable=True),
        Column(name="columns", kind=_COLUMNS, nullable=True),
        Column(name="tabPosition", kind=integer(5, "smallint"), nullable=True),
        Column(name="missingFields", kind=_MISSING, writable=False, read="'[]'::jsonb"),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
    where_columns=("noun", "ownerID"),
)


def check_view(record: Any, fields: FieldSet, zone: ZoneInfo) -> InvalidParameters | None:
    """Returns the error (205) of a view that names a field that leads do not have, or names it twice, or None.

    Replaces the filter, the sort order and the columns of a valid view by their canonical forms: null for an empty one.
    """
    problems: list[Problem] = []
    sent_filter: Json = record.filter
    if isinstance(sent_filter, dict):
        try:
            record.filter = _canonical_filter(sent_filter, fields, zone)
        except InvalidParameters as refusal:
            return refusal.with_traceback(None)
        if len(msgspec.json.encode(record.filter)) > FILTER_BYTES:
            problems.append(_problem("filter", f"Expected a filter of at most {FILTER_BYTES} bytes"))
    for name, entry in (("sort", ViewSort), ("columns", ViewColumn)):
        sent = getattr(record, name)
        if sent is UNSET or sent is None:
            continue
        entries = [entry(field=item) if isinstance(item, str) else item for item in sent]
        problems += _name_problems(name, [item.field for item in entries], fields)
        setattr(record, name, entries or None)
    return InvalidParameters(*problems[:100]) if problems else None


def _canonical_filter(sent: Json, fields: FieldSet, zone: ZoneInfo) -> Json:
    return filters.to_json(filters.parse(sent, search_fields(fields), zone=zone)) if sent else None


def _name_problems(name: str, fields: Sequence[str], known: FieldSet) -> list[Problem]:
    names = _known(known)
    return [
        *(_problem(name, f"There is no field {field}") for field in fields if field not in names),
        *(_problem(name, f"{field}: sent twice") for field in sorted({f for f in fields if fields.count(f) > 1})),
    ]


def shown(view: Mapping[str, Json], fields: FieldSet, zone: ZoneInfo) -> Mapping[str, Json]:
    """Returns a stored view as reads show it: its times in `zone`, and the names of fields that leads no longer have.

    The rest of such a view stays as it is.
    """
    known = _known(fields)
    named = [item["field"] for key in ("columns", "sort") for item in cast("list[Mapping[str, str]]", view[key] or [])]
    tests: Json = None
    if view["filter"] is not None:
        stored = filters.from_json(view["filter"], search_fields(fields))
        tests = filters.to_json(stored, zone=zone)
        named += sorted(filters.field_names(stored) - {"list"})
    return {**view, "filter": tests, "missingFields": [name for name in dict.fromkeys(named) if name not in known]}


def _known(fields: FieldSet) -> Iterable[str]:
    return {*LEAD.by_name, *(column.name for column in fields.columns["lead"])}


def _problem(name: str, message: str) -> Problem:
    return VIEW.by_name[name].problem(message)
