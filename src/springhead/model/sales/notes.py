"""Notes about leads, opportunities and accounts, and tasks, whose columns are our choice.

The wire: docs/wire/notes-and-tasks.md.
"""

from typing import Any

from msgspec import UNSET

from springhead.model.kit.columns import Column, Noun, choice, flag, integer, moment, text
from springhead.model.kit.errors import InvalidParameters

_ID = integer(18, "bigint")

TABLES = {"lead": "lead", "opportunity": "opportunity", "account": "account"}
"""What a note or a task can be about: the word of whatType and whoType, and the table."""

PRIORITIES = ("low", "normal", "high")
TASK_STATUSES = ("open", "inProgress", "completed")

ASSOCIATIONS = (("whatID", "whatType"), ("whoID", "whoType"))
"""The two associations of a note or task: an id, and of what kind of object it is."""

_ABOUT = (
    Column(name="whatID", kind=_ID, nullable=True, references=TABLES, reference_type="whatType"),
    Column(name="whatType", kind=choice(tuple(TABLES)), nullable=True),
    Column(name="whoID", kind=_ID, nullable=True, references=TABLES, reference_type="whoType"),
    Column(name="whoType", kind=choice(tuple(TABLES)), nullable=True),
)

NOTE = Noun(
    name="note",
    table="note",
    about="What somebody wrote about a lead, an opportunity or an account.",
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
    about="What somebody has to do, perhaps about a lead, an opportunity or an account.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="ownerID", kind=_ID, nullable=True, references="user_profile"),
        Column(name="title", kind=text(255), required=True),
        Column(name="description", kind=text(65_535, type="text")),
        Column(name="dueDate", kind=moment(), nullable=True),
        Column(name="priority", kind=choice(PRIORITIES), default="'normal'"),
        Column(name="status", kind=choice(TASK_STATUSES), default="'open'"),
        *_ABOUT,
        Column(name="completedTimestamp", kind=moment(), writable=False),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
    where_columns=("ownerID", "status", "priority", "whatID", "whatType", "whoID", "whoType"),
)


def check_associations(noun: Noun, one: Any) -> InvalidParameters | None:
    """205 for an association of which only the id or only the type is given, or only one of them is null."""
    problems = [
        noun.by_name[absent].problem(f"{id_name} and {type_name} go together")
        for id_name, type_name in ASSOCIATIONS
        if (absent := _absent(one, id_name, type_name))
    ]
    return InvalidParameters(*problems) if problems else None


def _absent(one: Any, id_name: str, type_name: str) -> str | None:
    """The name that lacks a value, or was not sent at all, while the other one has a value or was sent."""
    an_id, a_type = (getattr(one, name) for name in (id_name, type_name))
    for name, value, other in ((id_name, an_id, a_type), (type_name, a_type, an_id)):
        if (value is UNSET and other is not UNSET) or (value is None and other not in (None, UNSET)):
            return name
    return None


def check_attached(one: Any, *, creating: bool) -> InvalidParameters | None:
    """205 for a note that is about nothing; a change that takes one association away must name the other one."""
    pairs = [tuple(getattr(one, name) for name in pair) for pair in ASSOCIATIONS]
    taken = [pair for pair in pairs if None in pair]
    if any(None not in pair and UNSET not in pair for pair in pairs) or not (creating or taken):
        return None
    message = "A note is about something: give whatID and whatType, or whoID and whoType"
    return InvalidParameters(NOTE.by_name["whatID"].problem(message))
