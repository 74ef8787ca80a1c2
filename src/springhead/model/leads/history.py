"""The history of a lead: its changes, as getLeadHistory shows them, and conflicts of writes."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.feed.changes import CHANGE, KIND_BY_SOURCE
from springhead.model.kit import times
from springhead.model.kit.columns import Column, Noun, text
from springhead.model.kit.errors import Json, Problem, ValueChanged

LEAD_HISTORY = Noun(
    name="leadHistory",
    table="event",
    about="A change of a lead.",
    columns=(
        *(CHANGE.by_name[name] for name in ("eventID", "leadID", "kind")),
        Column(name="eventSource", kind=text(255), writable=False),
        *(CHANGE.by_name[name] for name in ("createTimestamp", "changed")),
    ),
)

CHANGE_SOURCES = tuple(KIND_BY_SOURCE)
"""The sources of events about changes of a lead."""

CREATION_SOURCES, REMOVAL_SOURCES = ("leadCreation", "leadRestoration"), ("leadDeletion", "leadErasure")
"""The sources of events after which a lead exists, and after which it no longer exists."""


class FieldWrite(msgspec.Struct, frozen=True):
    """The last write that changed a field of a lead: its event and the time."""

    event_id: int
    source: str
    time: datetime


def value_changed(values: Mapping[str, Json], writes: Mapping[str, FieldWrite | None], zone: ZoneInfo) -> ValueChanged:
    """Returns 409 for the current values of fields, with the last write of each, if there is one."""
    conflict: dict[str, Json] = {}
    for name, value in values.items():
        write = writes.get(name)
        conflict[name] = {
            "value": value,
            "eventID": write and str(write.event_id),
            "eventSource": write and write.source,
            "createTimestamp": write and times.to_text(write.time, zone),
        }
    problems = [Problem(param=name, message="Another value was stored since it was read") for name in values]
    return ValueChanged(*problems, conflict=conflict)
