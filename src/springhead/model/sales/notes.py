"""Notes and tasks about leads, opportunities and accounts (docs/wire/notes-and-tasks.md).

The columns of tasks are our choice.
"""

from typing import Any

from msgspec import UNSET

from springhead.model.kit.columns import Column, Noun, choice, day_or_moment, flag, integer, moment, text
from springhead.model.kit.errors import InvalidParameters

_ID = integer(18, "bigint")

TABLES = {"lead": "lead", "opportunity": "opportunity", "account": "account"}
"""The kinds of objects that a note or task can be about: the word in whatType and whoType, and the table."""

PRIORITIES = ("low", "normal", "high")
TASK_STATUSES = ("open", "inProgress", "completed")

ASSOCIATIONS = (("whatID", "whatType"), ("whoID", "whoType"))
"""The two associations of a note or task. Each is an id and the kind of its object."""

_ABOUT = (
    Column(name="whatID", kind=_ID, nullable=True, references=TABLES, reference_type="whatType"),
    Column(name="whatType", kind=choice(tuple(TABLES)), nullable=True),
    Column(name="whoID", kind=_ID, nullable=True, references=TABLES, reference_type="whoType"),
    Column(name="whoType", kind=choice(tuple(TABLES)), nullable=True),
)

NOTE = Noun(
    name="note",
    table="note",
    about="A text that a user wrote about a lead, an opportunity or an account.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="authorID", kind=_ID, required=True, references="user_profile"),
        Column(name="title", kind=text(255)),
        Column(name="note", kind=text(65_535, type="text"), required=True),
        Column(name="pinned", kind=flag(), default="false"),
        *_ABOUT,
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
    where_columns=("whatType", "whoType"),
)

TASK = Noun(
    name="task",
    table="task",
    about="Something to do, on its own or about a lead, an opportunity or an account.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="ownerID", kind=_ID, nullable=True, references="user_profile"),
        Column(name="title", kind=text(255), required=True),
        Column(name="description", kind=text(65_535, type="text")),
        Column(name="dueDate", kind=day_or_moment(), nullable=True),
        Column(name="priority", kind=choice(PRIORITIES), default="'normal'"),
        Column(name="status", kind=choice(TASK_STATUSES), default="'open'"),
        *_ABOUT,
        Column(name="completedTimestamp", kind=moment(), writable=False),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
    where_columns=("ownerID", "status", "priority", "whatID", "whatType", "whoID", "whoType"),
)


def check_associations(noun: Noun, record: Any) -> InvalidParameters | None:
    """Returns the error (205) of an object that has only the id or only the type of an association, or None.

    The error is the same if only one of the two is null.
    """
    problems = [
        noun.by_name[absent].problem(f"Expected {id_name} and {type_name} together")
        for id_name, type_name in ASSOCIATIONS
        if (absent := _absent(record, id_name, type_name))
    ]
    return InvalidParameters(*problems) if problems else None


def _absent(record: Any, id_name: str, type_name: str) -> str | None:
    """Returns the name of the id or type that is missing or null although the other of the two is given, or None."""
    id_value, type_value = (getattr(record, name) for name in (id_name, type_name))
    for name, value, other in ((id_name, id_value, type_value), (type_name, type_value, id_value)):
        if (value is UNSET and other is not UNSET) or (value is None and other not in (None, UNSET)):
            return name
    return None


def check_attached(record: Any, *, creating: bool) -> InvalidParameters | None:
    """Returns the error (205) of a note without an association, or None.

    If an update removes one association, it must send the other one.
    """
    pairs = [tuple(getattr(record, name) for name in pair) for pair in ASSOCIATIONS]
    removed = [pair for pair in pairs if None in pair]
    if any(None not in pair and UNSET not in pair for pair in pairs) or not (creating or removed):
        return None
    message = "A note needs an association: send whatID and whatType, or whoID and whoType"
    return InvalidParameters(NOTE.by_name["whatID"].problem(message))
