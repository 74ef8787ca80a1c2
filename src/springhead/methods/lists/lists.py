"""Lists, with or without a filter: create, change, delete and read (docs/wire/lists.md)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import FLAT_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import Limit, Offset
from springhead.model.kit import filters
from springhead.model.kit.errors import (
    ApiError,
    InvalidParameters,
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.lists import ACTIVE_LIST, LIST_FILTERS_COST_MAX, LIST_FILTERS_MAX, LIST_TAG, filter_fields
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, FlatOrObjects, Where
from springhead.store.capture import forms
from springhead.store.database.pool import Tx
from springhead.store.fields import fields
from springhead.store.lists import filtered_lists, removals

_FILTER = "a list can have a `filter` (our addition)"
_NAME = "Customers in Berlin"
_DESCRIPTION = "Receive the newsletter in spring."
_CITY: Mapping[str, Json] = {"city": "Berlin", "leadStatus": ["contact", "customer"]}
GIVEN_LIST = (Example({"name": _NAME, "description": _DESCRIPTION}, [CREATED], method="createList"),)
"""Creates the list that an example needs."""

_FILTERED = (Example({"name": _NAME, "filter": {"city": "Berlin"}}, [CREATED], method="createList"),)
_ROW = row(ACTIVE_LIST, name=_NAME, memberCount="0", removedCount="0", description=_DESCRIPTION)
_FILTERED_ROW = {**_ROW, "description": None, "filter": {"city": {"equals": "Berlin"}}}
_NAMES = tuple(ACTIVE_LIST.by_name)


async def _filter_hooks(context: Context, objects: Sequence[Json]) -> Hooks | None:
    """Returns the hooks of a write that sends a filter, or None if no object has a filter."""
    if not any(isinstance(record, Mapping) and "filter" in record for record in objects):
        return None
    async with context.tx() as tx:
        columns = filter_fields(await context.fields(tx))

    def check(record: Any) -> ApiError | None:
        if record.filter is msgspec.UNSET or record.filter is None:
            return None
        try:
            record.filter = filters.to_json(filters.parse(record.filter, columns, zone=context.zone))
        except InvalidParameters as error:
            return error.with_traceback(None)
        return None

    async def lock_version(context: Context, tx: Tx, _fields: FieldSet, _objects: Sequence[Any]) -> None:
        await fields.lock_version(tx, context.company.id)

    async def fill_lists(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
        list_filters = await filtered_lists.filters_changed(tx, context.company.id, ids)
        message = ""
        if len(list_filters) > LIST_FILTERS_MAX:
            message = f"A company can have {LIST_FILTERS_MAX} lists with a filter"
        elif (cost := filtered_lists.cost(list_filters, columns)) > LIST_FILTERS_COST_MAX:
            message = (
                f"The filters of a company's lists can cost {LIST_FILTERS_COST_MAX} points, and with this one they "
                f"would cost {cost}. Use fewer tests, and fields with shorter texts"
            )
        if message:
            raise InvalidParameters(ACTIVE_LIST.by_name["filter"].problem(message))

    return Hooks(check=check, before_write=lock_version, after_write=fill_lists)


async def _run_jobs(context: Context) -> None:
    """Clears the cached filters, and runs the background jobs that this call has started for a while."""
    context.server.fields.forget(context.company.id)
    await context.server.jobs.finish(context.company.id)


@method(
    *FLAT_ERRORS,
    MissingParameters,
    result=Writes("creates"),
    section="docs/wire/lists.md#methods-of-lists",
    differs=_FILTER,
    examples=[
        Example({"name": _NAME, "description": _DESCRIPTION}, [CREATED], "A list to which leads are added."),
        Example({"name": _NAME, "filter": _CITY}, [CREATED], "A list whose members follow from a filter."),
    ],
)
async def create_list(
    context: Context,
    *,
    objects: Annotated[list[Json], FlatOrObjects(ACTIVE_LIST, "The lists, each a hash.", creating=True)],
) -> WriteResult:
    """Creates a list.

    `name` is required; two lists can have the same name. With a `filter`, the members are always the active leads that
    match, whatever changes the leads. Members cannot be added or removed by calls. Leads that already match join within
    the call in a company of some ten thousand leads, otherwise within seconds after the call. A filter names fields of
    leads, custom fields included: `{"city": "Berlin"}` for a value, `{"city": ["Berlin", "Bonn"]}` for any of several
    values, `{"leadScore": {"atLeast": 10}}` for a test. All conditions of an object must hold; `and`, `or` and `not`
    make groups.

    Up to 100 lists can have a filter. Every write of a lead evaluates all filters, so together they can cost 2,000
    points. A test costs 1 point, a custom field 1 more, and a field of long texts 1 more for each thousand characters
    that it can have.
    """
    hooks = await _filter_hooks(context, objects)
    outcomes = await writes.create(context, ACTIVE_LIST, objects, hooks or writes.NO_HOOKS)
    if hooks:
        await _run_jobs(context)
    return outcomes


@method(
    *FLAT_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/lists.md#methods-of-lists",
    differs=f"{_FILTER}; an unknown id gets 302",
    examples=[
        Example({"id": "{id}", "name": "Customers near Berlin"}, [DONE], "A new name.", given=GIVEN_LIST),
        Example({"id": "{id}", "filter": None}, [DONE], "The filter is removed; the members stay.", given=_FILTERED),
        Example({"objects": [{"id": 1, "name": "x"}]}, [NOTHING_CHANGED], "An id that no list has."),
    ],
)
async def update_list(
    context: Context,
    *,
    objects: Annotated[list[Json], FlatOrObjects(ACTIVE_LIST, "The lists by their id.", creating=False)],
) -> WriteResult:
    """Changes the name, the description or the filter of a list, found by its `id`.

    Sent fields overwrite the stored values; other fields stay. With a new or a first `filter`, leads that do not match
    leave the list and leads that match join it, as described at createList. `filter` null removes the filter, and the
    members stay. An unknown list gets 302, and so does a list that already has all sent values.
    """
    hooks = await _filter_hooks(context, objects)
    outcomes = await writes.update(context, ACTIVE_LIST, objects, hooks or writes.NO_HOOKS)
    if hooks:
        await _run_jobs(context)
    return outcomes


async def _before_delete(context: Context, tx: Tx, _fields: FieldSet, _ids: Sequence[int]) -> None:
    await fields.lock_version(tx, context.company.id)


async def _after_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await removals.purge(tx, context.company.id, ids)
    await forms.detach(tx, context.company.id, lists=ids)
    await filtered_lists.filters_changed(tx, context.company.id, ids)


@method(
    *FLAT_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/lists.md#methods-of-lists",
    differs="`id` is also accepted without `objects`; an unknown id gets 302",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A list, and an id that no list has.",
            given=GIVEN_LIST,
        ),
        Example({"id": "{id}"}, [DONE], "A list, without `objects`.", given=GIVEN_LIST),
    ],
)
async def delete_list(
    context: Context,
    *,
    objects: Annotated[
        list[Json], FlatOrObjects(ACTIVE_LIST, "The lists, each as `{id}` or as the bare id.", creating=False)
    ],
) -> WriteResult:
    """Deletes lists permanently, by id, with all memberships; the leads stay."""
    outcomes = await writes.delete(
        context, ACTIVE_LIST, objects, Hooks(before_delete=_before_delete, after_delete=_after_delete)
    )
    if any(outcome["success"] for outcome in outcomes.outcomes):
        await _run_jobs(context)
    return outcomes


@method(
    UnexpectedArray,
    result=Reads(ACTIVE_LIST),
    section="docs/wire/lists.md#getactivelists",
    differs="a list with a filter has the last key `filter`",
    examples=[
        Example({"where": {}, "limit": 500, "offset": 0}, [_ROW], "All lists.", given=GIVEN_LIST),
        Example({"where": {"id": "{id}"}}, [_FILTERED_ROW], "A list that has a filter.", given=_FILTERED),
    ],
)
async def get_active_lists(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(ACTIVE_LIST, "id", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the lists that match, in the order of their ids.

    `memberCount` is the number of members that are not removed, and `removedCount` the number of removed members; both
    are always exact. The `filter` of a list is returned as it is stored: every test with its operator, times in the
    time zone of the call.
    """
    lists = await reads.listing(context, ACTIVE_LIST, where, _NAMES, limit=limit, offset=offset)
    if not any(row["filter"] for row in lists.page):
        return ReadResult([_without_filter(row) for row in lists.page])
    async with context.tx() as tx:
        columns = filter_fields(await context.fields(tx))
    return ReadResult(
        [
            {**row, "filter": filters.to_json(filters.from_json(msgspec.json.decode(text), columns), zone=context.zone)}
            if isinstance(text := row["filter"], str)
            else _without_filter(row)
            for row in lists.page
        ]
    )


def _without_filter(row: Mapping[str, Json]) -> Mapping[str, Json]:
    return {name: value for name, value in row.items() if name != "filter"}


@method(
    result=Reads(LIST_TAG, generated_key="getAllgetListTagss"),
    section="docs/wire/lists.md#methods-of-lists",
    differs="tags cannot be created yet, so the list is always empty",
    examples=[Example({}, [], "There are no tags.")],
)
async def get_list_tags(context: Context) -> ReadResult:
    """Returns the tags that lists can have."""
    return await reads.listing(context, LIST_TAG, {}, limit=PAGE, offset=0, ahead=True)
