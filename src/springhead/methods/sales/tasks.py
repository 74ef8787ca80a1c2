"""Tasks (docs/wire/notes-and-tasks.md#tasks); their columns are our choice."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import merged_ids, writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.errors import ApiError, Json, NothingChanged, UnexpectedArray, UnknownReference
from springhead.model.kit.fields import FieldSet
from springhead.model.sales.notes import ASSOCIATIONS, TABLES, TASK, check_associations
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.sales import notes, tasks

_OBJECTS = "The tasks, each a hash of system names and values; at most 500 per call."
_CHOICE = "the columns are our choice: the vendor's schema is not known"
_TITLE = "Call back"
_GIVEN = (Example({"objects": [{"title": _TITLE}]}, [CREATED], method="createTasks"),)
_ROW = row(TASK, title=_TITLE)


def _check(record: object) -> ApiError | None:
    return check_associations(TASK, record)


async def _set_completed_timestamp(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await tasks.set_completion_times(tx, context.company.id, ids)


async def _after_create(context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
    await _set_completed_timestamp(context, tx, fields, ids)
    await notes.write_task_events(tx, context.company.id, ids)


_ON_UPDATE = Hooks(check=_check, after_write=_set_completed_timestamp)
_ON_CREATE = Hooks(check=_check, after_write=_after_create)


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
            "A task with a due date and an owner.",
        )
    ],
)
async def create_tasks(context: Context, *, objects: Annotated[list[Json], Objects(TASK, _OBJECTS)]) -> WriteResult:
    """Creates up to 500 tasks and returns, for each, whether it was created.

    `title` is required. A task can be about an object: `whatID` with `whatType`, `whoID` with `whoType`, or both. The
    types are `lead`, `opportunity` and `account`. An id without its type, or a type without its id, gets 205. An
    unknown owner or associated object gets 303. By default `status` is `open` and `priority` is `normal`.
    `completedTimestamp` follows from `status`; a sent value is ignored. A `dueDate` without a time, or at 00:00:00,
    means the whole day and is the same day in every time zone.
    """
    return await writes.create(context, TASK, objects, _ON_CREATE)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/notes-and-tasks.md#tasks",
    differs=_CHOICE,
    examples=[
        Example({"objects": [{"id": "{id}", "status": "completed"}]}, [DONE], "A completed task.", given=_GIVEN),
        Example({"objects": [{"id": 1, "status": "completed"}]}, [NOTHING_CHANGED], "An id that no task has."),
    ],
)
async def update_tasks(context: Context, *, objects: Annotated[list[Json], Objects(TASK, _OBJECTS)]) -> WriteResult:
    """Changes up to 500 tasks, each found by its `id`.

    Sent fields overwrite the stored values; other fields stay. The id and the type of an association change together;
    if both are null, the association is removed. An unknown task gets 302, and so does a task that already has all sent
    values.
    """
    return await writes.update(context, TASK, objects, _ON_UPDATE)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/notes-and-tasks.md#tasks",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A task, and an id that no task has.",
            given=_GIVEN,
        )
    ],
)
async def delete_tasks(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(TASK, "The tasks, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 tasks permanently, by id. The leads, accounts and opportunities that they are about stay."""
    return await writes.delete(context, TASK, objects)


@method(
    UnexpectedArray,
    result=Reads(TASK),
    section="docs/wire/notes-and-tasks.md#tasks",
    differs=f"{_CHOICE}, and so are the filters",
    examples=[Example({"where": {"status": "open"}}, [_ROW], "The open tasks.", given=_GIVEN)],
)
async def get_tasks(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(TASK, "id", *TASK.where_columns, required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the tasks that match all filters, in the order of their ids."""
    # Ids are unique across types, so naming all types changes no result, and lets PostgreSQL use an index.
    types: Mapping[str, Json] = {
        type_name: list(TABLES) for id_name, type_name in ASSOCIATIONS if id_name in where and type_name not in where
    }

    async def read(where: Mapping[str, Json]) -> ReadResult:
        return await reads.listing(context, TASK, where, limit=limit, offset=offset)

    return await merged_ids.read_with_survivors(
        context, {**where, **types}, read, id_columns={name: (name,) for name, _ in ASSOCIATIONS}
    )
