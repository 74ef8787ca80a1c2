"""The change feed: what became of leads, one entry for each change, in the order in which changes were committed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.kit import times
from springhead.model.kit.columns import Column, Kind, Noun, integer, moment, text
from springhead.model.kit.errors import Json
from springhead.model.leads.events import CONVERTED, ERASED, MERGED, RESTORED, STATUS_CHANGED

SCORE = "score"
"""The kind of a change that scoring made: it has no event."""

KIND_BY_SOURCE = {
    "leadCreation": "create",
    "leadUpdate": "update",
    STATUS_CHANGED: "update",
    "leadOwnerChange": "update",
    "emailUnsubscribe": "update",
    CONVERTED: "update",
    "leadDeletion": "delete",
    MERGED: "merge",
    RESTORED: "restore",
    ERASED: "erase",
}
"""The kind of change that an event tells, by its source; events of other sources change no lead."""

KINDS = (*dict.fromkeys(KIND_BY_SOURCE.values()), SCORE)
"""Every kind of change."""


class Change(msgspec.Struct, frozen=True):
    """One change of a lead.

    `sequence` counts the changes of a company from 1, in the order in which they were committed, and those of one lead
    in the order in which they happened; those of which nothing is kept, as the scores of a lead that is gone, are left
    out. `changed` is what the event has: each changed field with its old and its new value as in
    `{"city": [null, "Rome"]}`, in the wire's words; None for a new lead, and for a score, which has no event
    (`event_id` None).
    """

    sequence: int
    event_id: int | None
    kind: str
    lead_id: int
    at: datetime
    changed: Mapping[str, Json] | None

    def row(self, zone: ZoneInfo, shown: Callable[[str], bool] = lambda _name: True) -> dict[str, Json]:
        """The change as getLeadChanges and pushes show it, with the values of some fields only."""
        changed = self.changed
        return {
            "sequence": str(self.sequence),
            "eventID": None if self.event_id is None else str(self.event_id),
            "kind": self.kind,
            "leadID": str(self.lead_id),
            "createTimestamp": times.to_text(self.at, zone),
            "changed": None if changed is None else {name: value for name, value in changed.items() if shown(name)},
        }


_ID = integer(18, "bigint")
_HASH = Kind(type="hash", sql="jsonb", accepts=dict[str, Json], expected="Expected a hash")

CHANGE = Noun(
    name="leadChange",
    table="change",
    about="A change of a lead, as the feed has it.",
    columns=(
        Column(name="sequence", kind=_ID, writable=False),
        Column(name="eventID", kind=_ID, writable=False),
        Column(name="kind", kind=text(20, type="string"), writable=False),
        Column(name="leadID", kind=_ID, writable=False),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="changed", kind=_HASH, writable=False),
        Column(name="lead", kind=_HASH, writable=False),
    ),
)
