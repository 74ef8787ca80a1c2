"""The columns that the table of leads can have: one for the name, and one for each field, custom fields included."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from springhead.model.kit.columns import Column
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.filter_values import value_type
from springhead.model.kit.filters import OPERATORS
from springhead.model.leads.leads import LEAD, STATUSES
from springhead.pages.leads.address import NAME

ACTIVITY = "lastEventTimestamp"
"""The column of the last event: what it was, and when."""

DEFAULT_COLUMNS = (
    NAME, "companyName", "leadStatus", "leadScore", "ownerID", ACTIVITY, "city", "campaignID", "emailAddress",
)  # fmt: skip
"""The columns of a table whose view does not choose."""

_CLASSES = {
    NAME: "name",
    "companyName": "comp",
    "leadStatus": "st",
    "leadScore": "scr r",
    ACTIVITY: "act",
}
"""The classes of the columns that phones show, too, and where."""

_WIDTHS = {
    NAME: 186, "companyName": 162, "leadStatus": 154, "leadScore": 112, "ownerID": 138, ACTIVITY: 232,
    "updateTimestamp": 124, "city": 128, "campaignID": 150, "emailAddress": 240, "description": 280,
}  # fmt: skip
_WIDTH = 150

_KINDS = {
    "leadStatus": "status", "status": "status", "leadScore": "score", "leadScoreWeighted": "score", "ownerID": "owner",
    "accountID": "account", "campaignID": "campaign", "emailAddress": "email", "website": "url",
    ACTIVITY: "activity",
    "phoneNumber": "phone", "officePhoneNumber": "phone", "mobilePhoneNumber": "phone", "id": "id",
}  # fmt: skip
_ACTIVITY_FIELDS = (ACTIVITY, "lastEventSource", "lastEventName")
_KINDS_BY_TYPE = {
    "url": "url", "phone": "phone", "checkbox": "tags", "boolean": "flag", "bit": "flag", "tinyint": "flag",
    "textarea": "long", "text": "long", "timestamp": "time", "smallint": "number", "bigint": "number",
    "date": "date", "datetime": "date",
}  # fmt: skip
_EDITORS = {"owner": "person", "account": "", "campaign": "", "time": "", "id": "", "long": ""}
_INPUT_MODES = {"number": "numeric", "score": "numeric", "email": "email", "phone": "tel", "url": "url"}


CHOICES = (
    "equals", "not_equals", "in", "contains", "startsWith", "endsWith", "atLeast", "atMost", "greater", "less",
    "between", "empty", "not_empty",
)  # fmt: skip
"""The operators that the editor offers."""


class TableColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the table.

    `kind` says how its cells look. `editor` says how a cell is edited: `text`, `choice` between `options`, or not at
    all. `fields` are the fields that its cells need.
    """

    name: str
    label: str
    kind: str
    classes: str
    width: int
    fields: Sequence[str]
    editor: str = ""
    input_mode: str = "text"
    options: Sequence[tuple[str, str]] = ()
    is_custom: bool = False
    operators: Sequence[str] = ()

    @property
    def is_right(self) -> bool:
        """Whether the cells are aligned at the right, as numbers are."""
        return self.kind in {"number", "score"}

    @property
    def starts_high(self) -> bool:
        """Whether the first sort by the column has the largest values first."""
        return self.kind in {"number", "score", "time", "date", "flag", "activity"}

    @property
    def sort_fields(self) -> Sequence[str]:
        """The fields by which a sort by this column sorts."""
        return ("lastName", "firstName") if self.name == NAME else (self.name,)


def all_columns(fields: FieldSet, t: Callable[..., str]) -> Mapping[str, TableColumn]:
    """Returns all columns by name. `t` returns texts of the catalogue."""
    columns = [_name_column(t)]
    columns += [_column(column, t(f"lead_field.{column.name}"), t) for column in LEAD.columns]
    labels = {field.system_name: field.label for field in fields.fields if field.relationship == "lead"}
    columns += [_column(column, labels[column.name], t, is_custom=True) for column in fields.columns["lead"]]
    return {column.name: column for column in columns}


def _name_column(t: Callable[..., str]) -> TableColumn:
    return TableColumn(
        name=NAME,
        label=t("leads.name"),
        kind=NAME,
        classes=_CLASSES[NAME],
        width=_WIDTHS[NAME],
        fields=("firstName", "lastName", "emailAddress"),
        editor="text",
    )


def _column(column: Column, label: str, t: Callable[..., str], *, is_custom: bool = False) -> TableColumn:
    kind = _KINDS.get(column.name) if not is_custom else None
    kind = kind or _KINDS_BY_TYPE.get(column.kind.type, "text")
    classes = "" if is_custom else _CLASSES.get(column.name, "")
    options = _options(column, kind, t)
    editor = "choice" if options else _EDITORS.get(kind, "text")
    return TableColumn(
        name=column.name,
        label=label,
        kind=kind,
        classes=classes or ("r" if kind == "number" else ""),
        width=_WIDTHS.get(column.name, 90 if kind == "flag" else _WIDTH),
        fields=_ACTIVITY_FIELDS if kind == "activity" else (column.name,),
        editor=editor if column.writable else "",
        input_mode=_INPUT_MODES.get(kind, "text"),
        options=options,
        is_custom=is_custom,
        operators=[one for one in CHOICES if one.removeprefix("not_") in OPERATORS[value_type(column)]],
    )


def _options(column: Column, kind: str, t: Callable[..., str]) -> Sequence[tuple[str, str]]:
    """Returns the values that a cell can have, each with its label."""
    if kind == "status":
        return [(status, t(f"status.{status}")) for status in STATUSES if status != column.reserved]
    if kind == "flag":
        return [("1", t("leads.yes")), ("0", t("leads.no"))]
    return [(option, option) for option in column.kind.options] if kind == "text" else ()
