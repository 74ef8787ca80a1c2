"""The logged call (docs/wire/events.md#logcalls; its schema article is not known)."""

from springhead.model.kit.columns import Column, Noun, choice, integer, moment, text

_ID = integer(18, "bigint")

DIRECTIONS = ("incoming", "outgoing")

CALL = Noun(
    name="call",
    table="call",
    about="A telephone call with a lead, as its logger tells it.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="userID", kind=_ID, required=True, references="user_profile"),
        Column(name="leadID", kind=_ID, required=True, references="lead"),
        Column(name="direction", kind=choice(DIRECTIONS), required=True),
        Column(name="createTimestamp", kind=moment(), required=True),
        Column(name="callResult", kind=text(255)),
        Column(name="callNotes", kind=text(65_535, type="text")),
    ),
)
