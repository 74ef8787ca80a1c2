"""Shared parts of the methods' examples: outcomes, rows, and calls that create the objects an example needs."""

from collections.abc import Mapping
from typing import Any

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json
from springhead.model.leads.leads import LEAD
from springhead.rpc.method import Example

CREATED = {"success": True, "error": None, "id": ...}
DONE: dict[str, Json] = {"success": True, "error": None}
ALL_TIME = {"startDate": "2016-11-02 00:00:00", "endDate": "2999-12-31 23:59:59"}


def failed(code: int, message: str) -> dict[str, Json]:
    """Returns the outcome of a refused object whose error has no further data."""
    return {"success": False, "error": {"code": code, "message": message, "data": []}}


TAKEN = failed(301, "Entry already exists")
NOTHING_CHANGED = failed(302, "No table rows affected")

_DEFAULTS = {"true": "1", "false": "0"}


def row(noun: Noun, **values: Any) -> Mapping[str, Any]:
    """Returns a row of a read: the given values, and the defaults of a new object for all other columns."""
    return {
        column.name: values[column.name]
        if column.name in values
        else ...
        if column.name in {"id", "createTimestamp", "updateTimestamp"}
        else _DEFAULTS.get(column.default or "", column.default and column.default.strip("'"))
        for column in noun.columns
        if not column.on_request
    }


GIVEN_LEAD = (
    Example(
        {"objects": [{"emailAddress": "lead.one@example.com", "firstName": "Lead"}]},
        [CREATED],
        method="createLeads",
    ),
)
"""Creates the lead that an example needs."""

LEAD_ROW = row(
    LEAD,
    firstName="Lead",
    emailAddress="lead.one@example.com",
    isQualified="0",
    isContact="0",
    isCustomer="0",
    status="unqualified",
)
