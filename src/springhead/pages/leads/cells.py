"""The rows of the table: what each cell shows, and the value that an edit starts from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from springhead.model.kit.errors import Json
from springhead.model.leads.leads import DERIVED_STATUS
from springhead.pages.leads.address import NAME
from springhead.pages.leads.chips import Names
from springhead.pages.leads.columns import TableColumn
from springhead.pages.visits import Visit

SHOWN_LENGTH = 200
"""How many characters of a text a cell shows."""

EDITED_LENGTH = 1_000
"""Longer texts are not edited in a cell: it does not have them."""

_NOUNS = {
    "ownerID": ("getUserProfiles", "userProfile"),
    "campaignID": ("getCampaigns", "campaign"),
    "accountID": ("getAccounts", "account"),
}
"""The method that reads the objects to which a field refers, and their noun."""

_NAME_FIELDS = {"userProfile": "displayName", "campaign": "campaignName", "account": "accountName"}


_ICONS = {
    "formSubmit": "clipboard-list", "pageVisit": "mouse-pointer-click", "importantPageVisit": "eye",
    "emailSent": "mail", "emailOpened": "mail-open", "emailClick": "external-link", "emailVisit": "external-link",
    "incomingCall": "phone", "outgoingCall": "phone", "leadCreation": "user-plus", "leadUpdate": "pencil",
    "changeLeadStatus": "flag", "leadOwnerChange": "user",
}  # fmt: skip
"""The icons of events by their source."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell. `value` is the stored value; `text` is what the cell shows, and `link` where it leads."""

    column: TableColumn
    value: str
    text: str
    link: str = ""
    icon: str = ""
    is_editable: bool = False


class TableRow(msgspec.Struct, frozen=True):
    """A lead in the table: its id, its name, and its cells."""

    id: str
    name: str
    cells: Sequence[Cell]


def needed_fields(columns: Iterable[TableColumn]) -> Sequence[str]:
    """Returns the fields that the rows of a table with these columns need."""
    return list(dict.fromkeys(["id", *(name for column in columns for name in column.fields)]))


def rows_of(
    leads: Sequence[Mapping[str, Json]], columns: Sequence[TableColumn], names: Names, *, may_edit: bool
) -> Sequence[TableRow]:
    """Returns leads as rows."""
    return [
        TableRow(str(lead["id"]), name_of(lead), [_cell(lead, column, names, may_edit=may_edit) for column in columns])
        for lead in leads
    ]


def name_of(lead: Mapping[str, Json]) -> str:
    """Returns the name of a lead for people: its address if it has no name."""
    whole = " ".join(str(lead.get(field) or "").strip() for field in ("firstName", "lastName")).strip()
    return whole or str(lead.get("emailAddress") or lead["id"])


async def names_of(visit: Visit, leads: Sequence[Mapping[str, Json]], also: Mapping[str, set[str]]) -> Names:
    """Returns the names of the objects to which leads refer, and of those in `also`, with one call for each noun."""
    names: dict[str, Mapping[str, str]] = {}
    for field, (method, noun) in _NOUNS.items():
        ids = {str(lead[field]) for lead in leads if lead.get(field)} | also.get(noun, set())
        if ids:
            read = await visit.call(method, where={"id": sorted(ids)})
            names[noun] = {str(row["id"]): str(row[_NAME_FIELDS[noun]] or row["id"]) for row in read.page}
    if also.get("list"):
        read = await visit.call("getActiveLists", where={"id": sorted(also["list"])})
        names["list"] = {str(row["id"]): str(row["name"]) for row in read.page}
    return names


def _cell(lead: Mapping[str, Any], column: TableColumn, names: Names, *, may_edit: bool) -> Cell:
    if column.name == NAME:
        full = " ".join(filter(None, (lead["firstName"], lead["lastName"])))
        return Cell(column=column, value=full, text=name_of(lead), is_editable=may_edit)
    value = "" if lead[column.name] is None else str(lead[column.name])
    if column.kind == "activity":
        source, name = str(lead["lastEventSource"] or ""), str(lead["lastEventName"] or "")
        return Cell(column=column, value=value, text=name[:SHOWN_LENGTH], icon=_ICONS.get(source, "activity"))
    is_editable = may_edit and bool(column.editor) and len(value) <= EDITED_LENGTH
    if column.kind == "status" and value == DERIVED_STATUS:
        is_editable = False
    text = value
    if column.name in _NOUNS:
        text = names.get(_NOUNS[column.name][1], {}).get(value, value)
    return Cell(
        column=column,
        value=value if len(value) <= EDITED_LENGTH else "",
        text=text[:SHOWN_LENGTH],
        link=link_to(column.kind, value),
        is_editable=is_editable,
    )


def link_to(kind: str, value: str) -> str:
    """Returns where a cell leads, or "": only to addresses, numbers and pages, never to a script."""
    if not value or len(value) > EDITED_LENGTH or not value.isprintable():
        return ""
    if kind == "email":
        return f"mailto:{value}"
    if kind == "phone":
        return f"tel:{value.replace(' ', '')}"
    if kind == "url":
        address = value if "://" in value else f"https://{value}"
        try:
            parts = urlsplit(address)
        except ValueError:
            return ""
        return address if parts.scheme in {"http", "https"} and "." in parts.netloc else ""
    return ""
