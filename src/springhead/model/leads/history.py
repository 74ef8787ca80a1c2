"""The history of a lead: its changes, as getLeadHistory shows them."""

from springhead.model.feed.changes import CHANGE, KIND_BY_SOURCE
from springhead.model.kit.columns import Column, Noun, text

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
