"""Notes about leads, opportunities and accounts (wire.md 15, schema.md), and tasks, whose columns are our choice."""

from springhead.model.columns import Column, Noun, choice, flag, integer, moment, text

_ID = integer(18, "bigint")

TABLES = {"lead": "lead", "opportunity": "opportunity", "account": "account"}
"""What a note or a task can be about: the word of whatType and whoType, and the table."""

PRIORITIES = ("low", "normal", "high")
TASK_STATUSES = ("open", "inProgress", "completed")

_ABOUT = (
    Column(name="whatID", kind=_ID, nullable=True, refers=TABLES, by="whatType"),
    Column(name="whatType", kind=choice(tuple(TABLES)), nullable=True),
    Column(name="whoID", kind=_ID, nullable=True, refers=TABLES, by="whoType"),
    Column(name="whoType", kind=choice(tuple(TABLES)), nullable=True),
)

NOTE = Noun(
    name="note",
    table="note",
    about="What somebody wrote about a lead, an opportunity or an account.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="authorID", kind=_ID, required=True, refers="user_profile"),
        Column(name="title", kind=text(255)),
        Column(name="note", kind=text(65_535, type="text"), required=True),
        Column(name="pinned", kind=flag(), default="false"),
        *_ABOUT,
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
)

TASK = Noun(
    name="task",
    table="task",
    about="What somebody has to do, perhaps about a lead, an opportunity or an account.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="ownerID", kind=_ID, nullable=True, refers="user_profile"),
        Column(name="title", kind=text(255), required=True),
        Column(name="description", kind=text(65_535, type="text")),
        Column(name="dueDate", kind=moment(), nullable=True),
        Column(name="priority", kind=choice(PRIORITIES), default="'normal'"),
        Column(name="status", kind=choice(TASK_STATUSES), default="'open'"),
        *_ABOUT,
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
    paged=("ownerID", "status", "priority", "whatID", "whatType", "whoID", "whoType"),
)
