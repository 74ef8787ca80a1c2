"""Saved views of tables, own and shared. Our addition."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import Limit, Offset
from springhead.model import views
from springhead.model.kit.errors import (
    ApiError,
    InvalidParameters,
    Json,
    NothingChanged,
    Problem,
    UnexpectedArray,
    UnknownReference,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.views import OWN_VIEWS_MAX, SHARED_VIEWS_MAX, VIEW
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Integer, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.views.views import crowded

_OBJECTS = "The views, each a hash of system names and values."
_SECTION = "own: views"
_BERLIN: Mapping[str, Json] = {
    "name": "Berlin, best first",
    "filter": {"city": "Berlin"},
    "sort": [{"field": "leadScore", "direction": "desc"}],
    "columns": [{"field": "emailAddress", "width": 240, "pinned": True}, "city"],
}
_GIVEN = (Example({"objects": [_BERLIN]}, [CREATED], method="createViews"),)
_ROW = row(
    VIEW,
    name=_BERLIN["name"],
    isShared="1",
    filter={"city": {"equals": "Berlin"}},
    sort=_BERLIN["sort"],
    columns=[{"field": "emailAddress", "width": 240, "pinned": True}, {"field": "city"}],
    missingFields=[],
)


async def _hooks(context: Context) -> Hooks:
    """Returns the hooks of a write, which check each view against the company's fields, and the number of views."""
    async with context.tx() as tx:
        fields = await context.fields(tx)

    def check(record: Any) -> ApiError | None:
        return views.check_view(record, fields, context.zone)

    return Hooks(check=check, after_write=_after_write)


async def _after_write(context: Context, tx: Tx, _fields: FieldSet, _ids: Sequence[int]) -> None:
    if await crowded(tx, context.company.id):
        message = f"A company can have {SHARED_VIEWS_MAX} shared views, and each user {OWN_VIEWS_MAX} own ones"
        raise InvalidParameters(VIEW.by_name["name"].problem(message))


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example({"objects": [_BERLIN]}, [CREATED], "A view that all users share."),
        Example({"objects": [{"name": "My leads", "ownerID": "{userProfile}"}]}, [CREATED], "A user's own view."),
    ],
)
async def create_views(context: Context, *, objects: Annotated[list[Json], Objects(VIEW, _OBJECTS)]) -> WriteResult:
    """Creates saved views of tables and returns, for each, whether it was created.

    `name` is required; two views can have the same name. A view with an `ownerID` belongs to this user; without one, it
    is shared with all users of the company. `noun` is the kind of object in the table: `lead`.

    `filter` and `sort` are those of searchLeads, which checks them in the same way. `columns` are the fields that the
    table shows, in this order, each as a name or as `{field, width, pinned}`: the width in pixels (40 to 2,000), and
    whether the column stays in view when the table is scrolled. Null, or an empty list, means the default of the page.
    `tabPosition` orders the tabs: views without a position come last, and views with the same position by their id.

    A company can have 200 shared views, and each user 100 own ones; a call that would exceed this is refused completely
    with 205. A view can have 200 columns, and its filter 32,768 bytes.
    """
    return await writes.create(context, VIEW, objects, await _hooks(context))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    UnknownReference,
    result=Writes("updates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example({"objects": [{"id": "{id}", "tabPosition": 1}]}, [DONE], "Another place among the tabs.", given=_GIVEN),
        Example({"objects": [{"id": "{id}", "ownerID": "{userProfile}"}]}, [DONE], "No longer shared.", given=_GIVEN),
        Example({"objects": [{"id": 1, "tabPosition": 1}]}, [NOTHING_CHANGED], "An id that no view has."),
    ],
)
async def update_views(context: Context, *, objects: Annotated[list[Json], Objects(VIEW, _OBJECTS)]) -> WriteResult:
    """Changes saved views, each found by its `id`; the requirements are those of createViews.

    Sent values overwrite the stored ones; other values stay. Null removes the filter, the sort order, the columns or
    the position. `ownerID` null shares the view with all users. A view that names a deleted field can be changed; a
    sent filter, sort order or list of columns may not name such a field. An unknown view gets 302, and so does a view
    that already has all sent values.
    """
    return await writes.update(context, VIEW, objects, await _hooks(context))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A view, and an id that no view has.",
            given=_GIVEN,
        )
    ],
)
async def delete_views(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(VIEW, "The views, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes saved views permanently, by id. The leads stay as they are."""
    return await writes.delete(context, VIEW, objects)


@method(
    UnexpectedArray,
    result=Reads(VIEW),
    vendor=False,
    section=_SECTION,
    examples=[
        Example({"where": {"isShared": 1}}, [_ROW], "The views that all users share.", given=_GIVEN),
        Example({"userID": "{userProfile}"}, [_ROW], "The views that a user sees: shared and own ones.", given=_GIVEN),
    ],
)
async def get_views(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(VIEW, "id", "noun", "ownerID", "isShared", required=False)] = {},
    user_id: Annotated[int | None, Integer("Only shared views and the own views of this user.", low=0)] = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the saved views that match all filters, in the order of their ids.

    With `userID` instead of `where`, returns the views that this user sees: the shared views and the user's own.
    `filter` is returned as it is stored: every test with its operator, times in the time zone of the call. searchLeads
    accepts it in this form.

    `missingFields` are the system names of fields that the view uses and that have been deleted since. searchLeads
    refuses a filter or a sort order that names them.
    """
    if user_id is not None and where:
        raise InvalidParameters(Problem(param="userID", message="Expected either userID or where, not both"))
    if user_id is None:
        page = await reads.listing(context, VIEW, where, limit=limit, offset=offset)
    else:
        seen: Mapping[str, Json] = {"isShared": True, "ownerID": user_id}
        page = await reads.find(context, VIEW, seen, limit=limit, offset=offset, either=True)
    async with context.tx() as tx:
        fields = await context.fields(tx)
    return ReadResult([views.shown(reads.decoded(VIEW, row), fields, context.zone) for row in page.page])
