"""The events of leads: their sources, and the nouns that show them (docs/wire/events.md#event-sources)."""

from collections.abc import Mapping

import msgspec

from springhead.model.kit.columns import Column, Noun, integer, moment, text
from springhead.model.kit.errors import Json
from springhead.model.leads.opt_outs import OPTED_IN, OPTED_OUT

NAME_LENGTH = 255

STATUS_CHANGED = "changeLeadStatus"
STAGE_CHANGED = "dealStageChange"
OPPORTUNITY_CREATED = "oppCreate"
OPPORTUNITY_WON = "oppWon"
OPPORTUNITY_LOST = "oppLost"
OPPORTUNITY_LINKED = "oppLink"
"""Our own: a lead was linked to an existing opportunity."""

LIST_JOINED, LIST_LEFT = "listJoin", "listLeave"
"""Our own: a lead was added to a list or removed from it, by a caller or by the list's filter."""

NOTE_WRITTEN, TASK_MADE = "noteCreate", "taskCreate"
"""Our own: a note or a task about the lead was created."""

CONVERTED = "leadConversion"
"""Our own: a lead went through convertLeads."""

MERGED, RESTORED, ERASED = "leadMerge", "leadRestoration", "leadErasure"
"""Our own: other leads were merged into the lead, it was restored from the recycle bin, or it was erased."""

FORM_SUBMITTED, FORM_CONFIRMED = "formSubmit", "formConfirm"
"""A form was submitted; the person has confirmed the address of a submission, which is our own."""

CALL_SOURCES = {"incoming": "incomingCall", "outgoing": "outgoingCall"}
"""The source of a logged call, by its direction."""

SOURCES = (
    # the vendor's (docs/wire/events.md#event-sources)
    "callConvert", "cartComplete", STATUS_CHANGED, STAGE_CHANGED, "emailSent", "emailOpened", "emailClick",
    "emailBounce", "emailSpamComplaint", OPTED_OUT, "emailVisit", FORM_SUBMITTED, "importantPageVisit",
    "incomingCall", "leadCreation", "leadOwnerChange", "mailboxRecv", "mailboxSend", "mailboxEmailOpen", "mediaOpen",
    OPPORTUNITY_CREATED, OPPORTUNITY_LOST, OPPORTUNITY_WON, "outgoingCall", "pageVisit", "referredOnTheForm",
    "shoppingCartAbandoned",
    # our own, for events for which the vendor has no source
    "leadUpdate", "leadDeletion", CONVERTED, MERGED, RESTORED, ERASED, OPPORTUNITY_LINKED, LIST_JOINED, LIST_LEFT,
    NOTE_WRITTEN, TASK_MADE, OPTED_IN, FORM_CONFIRMED,
)  # fmt: skip
"""All sources of events."""

_ID = integer(18, "bigint")
_WHAT_TYPE = Column(name="whatType", kind=text(255), writable=False)
_WHAT_ID = Column(name="whatID", kind=_ID, writable=False)
_NAME = Column(name="eventName", kind=text(NAME_LENGTH), writable=False)
_SOURCE = Column(name="eventSource", kind=text(255), writable=False)
_DATA = Column(name="eventData", kind=text(65_535, type="text"), writable=False, read="l.event_data::text")
_TIME = Column(name="createTimestamp", kind=moment(), writable=False)

EVENT = Noun(
    name="event",
    table="event",
    about="An event of a lead: something that the lead did, or that was done with it.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="leadID", kind=_ID, writable=False),
        _NAME,
        _WHAT_ID,
        _WHAT_TYPE,
        _DATA,
        _TIME,
        _SOURCE,
    ),
)

TIMELINE_EVENT = Noun(
    name="leadTimeline",
    table="event",
    about="An event of a lead, as the lead's timeline shows it.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="whoID", kind=_ID, writable=False, read="l.lead_id"),
        _WHAT_TYPE,
        _WHAT_ID,
        _NAME,
        _SOURCE,
        _DATA,
        _TIME,
    ),
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a lead.

    `source` is the kind of event. `name` is a sentence about this event, cut to NAME_LENGTH. `what_type` and `what_id`
    name another object that the event is about, and `data` has further details. `id` is only set if `data` repeats it.
    """

    lead_id: int
    source: str
    name: str
    what_type: str | None = None
    what_id: int | None = None
    data: Mapping[str, Json] | None = None
    id: int | None = None

    def __post_init__(self) -> None:
        """Cuts a long name."""
        if len(self.name) > NAME_LENGTH:
            msgspec.structs.force_setattr(self, "name", self.name[: NAME_LENGTH - 1] + "…")
