"""Tasks (docs/wire/notes-and-tasks.md#tasks); their columns are our choice."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import merged_ids, writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, NOTHING, row
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.errors import ApiError, Json, NothingChanged, UnexpectedArray, UnknownReference
from springhead.model.kit.fields import FieldSet
from springhead.model.sales.notes import ASSOCIATIONS, TABLES, TASK, check_associations
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.sales import notes, tasks

_OBJECTS = "The tasks, each a hash by system name; 500 a call at most."
_CHOICE = "the columns are our choice: the vendor's schema is not known"
_TITLE = "Call back"
_GIVEN = (Example({"objects": [{"title": _TITLE}]}, [CREATED], method="createTasks"),)
_ROW = row(TASK, title=_TITLE)


def _right(one: object) -> ApiError | None:
    return check_associations(TASK, one)


async def _stamp(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await tasks.set_completion_times(tx, context.company.id, ids)


async def _made(context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
    await _stamp(context, tx, fields, ids)
    await notes.write_task_events(tx, context.company.id, ids)


_HOOKS = Hooks(check=_right, after_write=_stamp)
_NEW = Hooks(check=_right, after_write=_made)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    section="docs/wire/notes-and-tasks.md#tasks",
    differs=_CHOICE,
    examples=[
        Example(
            {"objects": [{"title": _TITLE, "dueDate": "2026-03-20 09:00:00", "ownerID": "{userProfile}"}]},
            [CREATED],
            "A task for somebody.",
        )
    ],
)
async def create_tasks(context: Context, *, objects: Annotated[list[Json], Objects(TASK, _OBJECTS)]) -> Outcomes:
    """Create up to 500 tasks and say, for each, whether it was created.

    `title` is required. A task can be about something: `whatID` with `whatType`, `whoID` with `whoType`, or
    both, of the types `lead`, `opportunity` and `account`; one without the other gets 205. An unknown owner
    or target gets 303. `status` is `open` and `priority` is `normal` when not given; `completedTimestamp`
    follows from `status` and is ignored.
    """
    return await writes.create(context, TASK, objects, _NEW)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/notes-and-tasks.md#tasks",
    differs=_CHOICE,
    examples=[
        Example({"objects": [{"id": "{id}", "status": "completed"}]}, [DONE], "A task that is done.", given=_GIVEN),
        Example({"objects": [{"id": 1, "status": "completed"}]}, [NOTHING], "An id that no task has."),
    ],
)
async def update_tasks(context: Context, *, objects: Annotated[list[Json], Objects(TASK, _OBJECTS)]) -> Outcomes:
    """Change up to 500 tasks, each found by its `id`.

    What is given overwrites, what is not given stays; the id and the type of an association change
    together, and both as null take it away. A task that is not there, or that is already as asked for,
    gets 302.
    """
    return await writes.update(context, TASK, objects, _HOOKS)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/notes-and-tasks.md#tasks",
    examples=[Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING], "A task.", given=_GIVEN)],
)
async def delete_tasks(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(TASK, "The tasks, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete up to 500 tasks for good, by id; what they were about stays."""
    return await writes.delete(context, TASK, objects)


@method(
    UnexpectedArray,
    result=Reads(TASK),
    section="docs/wire/notes-and-tasks.md#tasks",
    differs=f"{_CHOICE}, and so are the filters",
    examples=[Example({"where": {"status": "open"}}, [_ROW], "What is to be done.", given=_GIVEN)],
)
async def get_tasks(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(TASK, "id", *TASK.paged, required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read a page of the tasks that match all filters, in the order of their ids."""
    # Ids of different types differ, so that to name all types changes nothing, and lets an index find them.
    types: Mapping[str, Json] = {
        type_name: list(TABLES) for id_name, type_name in ASSOCIATIONS if id_name in where and type_name not in where
    }

    async def read(where: Mapping[str, Json]) -> Rows:
        return await reads.listing(context, TASK, where, limit=limit, offset=offset)

    return await merged_ids.following(
        context, {**where, **types}, read, shown={name: (name,) for name, _ in ASSOCIATIONS}
    )
