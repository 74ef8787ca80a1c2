"""The logged telephone call (docs/wire/events.md#logcalls; the vendor's schema is not known)."""

from springhead.model.kit.columns import Column, Noun, choice, integer, moment, text

_ID = integer(18, "bigint")

DIRECTIONS = ("incoming", "outgoing")

CALL = Noun(
    name="call",
    table="call",
    about="A telephone call with a lead, logged by a user.",
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
