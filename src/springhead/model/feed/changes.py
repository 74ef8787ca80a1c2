"""The change feed: changes of leads and of lists, and submissions of forms, in the order of the commits."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.kit import times
from springhead.model.kit.columns import Column, Kind, Noun, integer, moment, text
from springhead.model.kit.errors import Json
from springhead.model.leads.events import (
    CONVERTED,
    ERASED,
    FORM_CONFIRMED,
    FORM_SUBMITTED,
    LIST_JOINED,
    LIST_LEFT,
    MERGED,
    RESTORED,
    STATUS_CHANGED,
)
from springhead.model.leads.opt_outs import OPTED_IN, OPTED_OUT

SCORE = "score"
"""The kind of a change by scoring. Such a change has no event."""

KIND_BY_SOURCE = {
    "leadCreation": "create",
    "leadUpdate": "update",
    STATUS_CHANGED: "update",
    "leadOwnerChange": "update",
    OPTED_OUT: "update",
    OPTED_IN: "update",
    CONVERTED: "update",
    "leadDeletion": "delete",
    MERGED: "merge",
    RESTORED: "restore",
    ERASED: "erase",
}
"""The kind of change by the source of its event. Events of other sources are not changes of leads."""

LEAD_KINDS = (*dict.fromkeys(KIND_BY_SOURCE.values()), SCORE)
"""The kinds of changes of leads."""

LIST_CHANGED = "listChange"
"""The kind of a change of many memberships at once: of all members of a list, or of all lists of a lead.

Such a change has no event. It has the list or the lead, not both.
"""

LIST_KINDS = (LIST_JOINED, LIST_LEFT, LIST_CHANGED)
"""The kinds of changes of lists. The first two are sources of events, too."""

FORM_KINDS = (FORM_SUBMITTED, FORM_CONFIRMED)
"""The kinds of events of forms, which are the sources of these events."""

REQUESTED_KINDS = (*LIST_KINDS, *FORM_KINDS)
"""The kinds of changes that only readers get that ask for them."""

KINDS = (*LEAD_KINDS, *REQUESTED_KINDS)
"""All kinds of changes."""


class Change(msgspec.Struct, frozen=True):
    """A change of a lead or of the members of a list, or a submission of a form.

    `sequence` numbers the changes of a company from 1 in the order of their commits; the changes of one lead are in the
    order in which they were made. Numbers can be missing, for changes of which nothing is stored any more. `changed`
    has the old and the new value of each changed field, as in `{"city": [null, "Rome"]}`. It is None for a new lead and
    for a change by scoring, which has no event (`event_id` is None). A change of FORM_KINDS has
    the data of its event instead. `what_id` is the list of a change of LIST_KINDS, or the form of one of FORM_KINDS. A
    change of all members of a list has no lead.
    """

    sequence: int
    event_id: int | None
    kind: str
    lead_id: int | None
    time: datetime
    changed: Mapping[str, Json] | None
    what_id: int | None = None

    def row(self, zone: ZoneInfo, shown: Callable[[str], bool] = lambda _name: True) -> dict[str, Json]:
        """Returns the change as getLeadChanges and pushes show it, with the fields for which `shown` is true.

        Only a change of a list has the key `listID`, and only an event of a form has `formID` and `data`.
        """
        what_id, of_form = self.what_id and str(self.what_id), self.kind in FORM_KINDS
        changed = None if of_form else self.changed
        return {
            "sequence": str(self.sequence),
            "eventID": None if self.event_id is None else str(self.event_id),
            "kind": self.kind,
            "leadID": None if self.lead_id is None else str(self.lead_id),
            **({"listID": what_id} if self.kind in LIST_KINDS else {"formID": what_id} if of_form else {}),
            "createTimestamp": times.to_text(self.time, zone),
            "changed": None if changed is None else {name: value for name, value in changed.items() if shown(name)},
            **({"data": _submission_data(self.changed or {}, shown)} if of_form else {}),
        }


def _submission_data(data: Mapping[str, Json], shown: Callable[[str], bool]) -> Mapping[str, Json]:
    """Returns the data of a form's event, with the values of the fields for which `shown` is true."""
    values = data.get("values")
    if not isinstance(values, dict):
        return data
    return {**data, "values": {name: value for name, value in values.items() if shown(name)}}


def lead_ids(changes: Iterable[Change]) -> list[int]:
    """Returns the ids of the changed leads, each once, in the order of their first changes."""
    return list(dict.fromkeys(change.lead_id for change in changes if change.lead_id is not None))


_ID = integer(18, "bigint")
_HASH = Kind(type="hash", sql="jsonb", accepts=dict[str, Json], expected="Expected a hash")

CHANGE = Noun(
    name="leadChange",
    table="change",
    about="A change of a lead or of the members of a list, or a submission of a form, from the change feed.",
    columns=(
        Column(name="sequence", kind=_ID, writable=False),
        Column(name="eventID", kind=_ID, writable=False),
        Column(name="kind", kind=text(20, type="string"), writable=False),
        Column(name="leadID", kind=_ID, writable=False),
        Column(name="listID", kind=_ID, writable=False),
        Column(name="formID", kind=_ID, writable=False),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="changed", kind=_HASH, writable=False),
        Column(name="data", kind=_HASH, writable=False),
        Column(name="lead", kind=_HASH, writable=False),
    ),
)
