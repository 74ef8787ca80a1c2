"""The fields of a lead in groups, and how each is shown and edited."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from springhead.model.kit.errors import Json
from springhead.pages.leads.cells import link_to
from springhead.pages.leads.chips import Names
from springhead.pages.leads.columns import TableColumn

REFERENCES: Mapping[str, tuple[str, str, str]] = {
    "ownerID": ("userProfile", "getUserProfiles", "displayName"),
    "campaignID": ("campaign", "getCampaigns", "campaignName"),
    "accountID": ("account", "getAccounts", "accountName"),
}
"""The fields that refer to other objects: their noun, the method that reads these, and the field with their name."""

_GROUPS: Mapping[str, Sequence[str]] = {
    "person": (
        "firstName", "lastName", "title", "emailAddress", "phoneNumber", "officePhoneNumber", "phoneNumberExtension",
        "mobilePhoneNumber", "faxNumber", "website", "persona",
    ),
    "work": ("companyName", "industry", "accountID", "ownerID", "campaignID"),
    "address": ("street", "zipcode", "city", "state", "country"),
    "own": (),
    "more": ("description", "isUnsubscribed", "active", "trackingID", "createTimestamp", "updateTimestamp", "id"),
}  # fmt: skip
"""The groups of fields. The group `own` has the custom fields of the company."""

_FOLDED = frozenset({"more"})


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a lead. `editor` is `text`, `long`, `choice`, `reference`, or nothing if it cannot be changed."""

    name: str
    label: str
    kind: str
    value: str
    text: str
    link: str
    editor: str
    input_mode: str
    options: Sequence[tuple[str, str]]


class Group(msgspec.Struct, frozen=True):
    """Fields under a heading. A folded group is closed when the page opens."""

    name: str
    facts: Sequence[Fact]
    is_folded: bool


def groups_of(
    lead: Mapping[str, Json], columns: Mapping[str, TableColumn], names: Names, *, may_edit: bool
) -> Sequence[Group]:
    """Returns the fields of a lead in groups. Groups without fields are left out."""
    own = [column.name for column in columns.values() if column.is_custom]
    groups: list[Group] = []
    for group, fields in _GROUPS.items():
        chosen = [columns[name] for name in (own if group == "own" else fields) if name in columns and name in lead]
        if chosen:
            facts = [_fact(lead, column, names, may_edit=may_edit) for column in chosen]
            groups.append(Group(group, facts, group in _FOLDED))
    return groups


def editor_of(column: TableColumn) -> str:
    """Returns how a field is edited, or "" if it is not edited at the page of a lead."""
    if not column.is_custom and column.name in REFERENCES:
        return "reference"
    return "long" if column.kind == "long" else column.editor


def empty_of(column: TableColumn) -> str | None:
    """Returns what a field without a value has on the wire."""
    return None if editor_of(column) == "reference" or column.kind == "flag" else ""


def shown(column: TableColumn, value: str, names: Names) -> str:
    """Returns a value as people read it."""
    if not column.is_custom and column.name in REFERENCES:
        return names.get(REFERENCES[column.name][0], {}).get(value, value)
    return dict(column.options).get(value, value)


def _fact(lead: Mapping[str, Any], column: TableColumn, names: Names, *, may_edit: bool) -> Fact:
    value = "" if lead[column.name] is None else str(lead[column.name])
    return Fact(
        name=column.name,
        label=column.label,
        kind=column.kind,
        value=value,
        text=shown(column, value, names),
        link=link_to(column.kind, value),
        editor=editor_of(column) if may_edit else "",
        input_mode=column.input_mode,
        options=column.options,
    )
