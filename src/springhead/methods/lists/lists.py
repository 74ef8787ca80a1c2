"""Lists: make, change, delete and read them; rules-based ones among them (docs/wire/lists.md)."""

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
from springhead.model.lists import ACTIVE_LIST, LIST_FILTERS_MAX, LIST_TAG, filter_fields
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method
from springhead.rpc.params import PAGE, Flat, Where
from springhead.store.capture import forms
from springhead.store.database.pool import Tx
from springhead.store.lists import filtered_lists, removals

_FILTER = "a list can have a `filter`, our addition"
_NAME = "Customers in Berlin"
_DESCRIPTION = "Get the letter in spring."
_CITY: Mapping[str, Json] = {"city": "Berlin", "leadStatus": ["contact", "customer"]}
GIVEN_LIST = (Example({"name": _NAME, "description": _DESCRIPTION}, [CREATED], method="createList"),)
"""A list to start from."""

_RULED = (Example({"name": _NAME, "filter": {"city": "Berlin"}}, [CREATED], method="createList"),)
_ROW = row(ACTIVE_LIST, name=_NAME, memberCount="0", removedCount="0", description=_DESCRIPTION)
_RULED_ROW = {**_ROW, "description": None, "filter": {"city": {"equals": "Berlin"}}}
_NAMES = tuple(ACTIVE_LIST.by_name)


async def _filtering(context: Context, objects: Sequence[Json]) -> Hooks | None:
    """The hooks of a write that gives a filter, or None if no object has one."""
    if not any(isinstance(one, Mapping) and "filter" in one for one in objects):
        return None
    async with context.tx() as tx:
        columns = filter_fields(await context.fields(tx))

    def examine(one: Any) -> ApiError | None:
        if one.filter is msgspec.UNSET or one.filter is None:
            return None
        try:
            one.filter = filters.to_json(filters.parse(one.filter, columns, zone=context.zone))
        except InvalidParameters as wrong:
            return wrong.with_traceback(None)
        return None

    async def then(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
        if await filtered_lists.filters_changed(tx, context.company.id, ids) > LIST_FILTERS_MAX:
            message = f"A company can have {LIST_FILTERS_MAX} lists with a filter"
            raise InvalidParameters(ACTIVE_LIST.by_name["filter"].problem(message))

    return Hooks(check=examine, after_write=then)


async def _settle(context: Context) -> None:
    """Read the filters anew with the next call, and bring this one's passes as far as they come."""
    context.server.fields.forget(context.company.id)
    await context.server.jobs.finish(context.company.id)


@method(
    *FLAT_ERRORS,
    MissingParameters,
    result=Writes("creates"),
    section="docs/wire/lists.md#methods-of-lists",
    differs=_FILTER,
    examples=[
        Example({"name": _NAME, "description": _DESCRIPTION}, [CREATED], "A list that people are put on."),
        Example({"name": _NAME, "filter": _CITY}, [CREATED], "A list whose members follow from a filter."),
    ],
)
async def create_list(
    context: Context, *, objects: Annotated[list[Json], Flat(ACTIVE_LIST, "The lists, each a hash.", creating=True)]
) -> Outcomes:
    """Create a list.

    `name` is required; two lists can have the same one. With a `filter` the active leads that match are its
    members and no others, whoever changes them and how: at once, and nobody is put on it or taken off by hand.
    What matches already joins within the call in a company of some ten thousand leads, and else in the seconds
    after it. A filter names fields of the lead, also custom ones: `{"city": "Berlin"}` for a value,
    `{"city": ["Berlin", "Bonn"]}` for any of several, `{"leadScore": {"atLeast": 10}}` for a test; all that stands
    in one object must hold, and `and`, `or` and `not` make groups. Up to 100 lists can have one.
    """
    filtering = await _filtering(context, objects)
    outcomes = await writes.create(context, ACTIVE_LIST, objects, filtering or writes.NO_HOOKS)
    if filtering:
        await _settle(context)
    return outcomes


@method(
    *FLAT_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/lists.md#methods-of-lists",
    differs=f"{_FILTER}; an unknown id is answered with 302",
    examples=[
        Example({"id": "{id}", "name": "Customers near Berlin"}, [DONE], "Another name.", given=GIVEN_LIST),
        Example({"id": "{id}", "filter": None}, [DONE], "Its members stay, and follow no longer.", given=_RULED),
        Example({"objects": [{"id": 1, "name": "x"}]}, [NOTHING_CHANGED], "An id that no list has."),
    ],
)
async def update_list(
    context: Context, *, objects: Annotated[list[Json], Flat(ACTIVE_LIST, "The lists by their id.", creating=False)]
) -> Outcomes:
    """Change the name, the description or the filter of a list, found by its `id`.

    What is given overwrites, what is not given stays. With a new `filter`, or with a first one, whoever does not
    match leaves the list and whoever does joins it, as createList says; `filter` null leaves the members as they
    are. A list that is not there, or that is already as asked for, gets 302.
    """
    filtering = await _filtering(context, objects)
    outcomes = await writes.update(context, ACTIVE_LIST, objects, filtering or writes.NO_HOOKS)
    if filtering:
        await _settle(context)
    return outcomes


async def _after_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await removals.purge(tx, context.company.id, ids)
    await forms.detach(tx, context.company.id, lists=ids)
    await filtered_lists.filters_changed(tx, context.company.id, ids)


@method(
    *FLAT_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/lists.md#methods-of-lists",
    differs="`id` is taken beside `objects` too; an unknown id is answered with 302",
    examples=[
        Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING_CHANGED], "A list.", given=GIVEN_LIST),
        Example({"id": "{id}"}, [DONE], "Without a list of objects.", given=GIVEN_LIST),
    ],
)
async def delete_list(
    context: Context,
    *,
    objects: Annotated[list[Json], Flat(ACTIVE_LIST, "The lists, each as `{id}` or as the bare id.", creating=False)],
) -> Outcomes:
    """Delete lists for good, by id, with all memberships; the leads stay."""
    outcomes = await writes.delete(context, ACTIVE_LIST, objects, Hooks(after_delete=_after_delete))
    if any(outcome["success"] for outcome in outcomes.results):
        await _settle(context)
    return outcomes


@method(
    UnexpectedArray,
    result=Reads(ACTIVE_LIST),
    section="docs/wire/lists.md#getactivelists",
    differs="a list with a filter has it as `filter`, its last key",
    examples=[
        Example({"where": {}, "limit": 500, "offset": 0}, [_ROW], "All of them.", given=GIVEN_LIST),
        Example({"where": {"id": "{id}"}}, [_RULED_ROW], "A list that has a filter.", given=_RULED),
    ],
)
async def get_active_lists(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(ACTIVE_LIST, "id", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read a page of the lists that match, in the order of their ids.

    `memberCount` is the number of members that are not removed, `removedCount` of those that are; both are right at
    every moment. `filter`, of a list that has one, is as it is kept: every test with its operator, times in the
    zone of the call.
    """
    found = await reads.listing(context, ACTIVE_LIST, where, _NAMES, limit=limit, offset=offset)
    if not any(one["filter"] for one in found.page):
        return Rows([_without_filter(one) for one in found.page])
    async with context.tx() as tx:
        columns = filter_fields(await context.fields(tx))
    return Rows(
        [
            {**one, "filter": filters.to_json(filters.from_json(msgspec.json.decode(text), columns), zone=context.zone)}
            if isinstance(text := one["filter"], str)
            else _without_filter(one)
            for one in found.page
        ]
    )


def _without_filter(one: Mapping[str, Json]) -> Mapping[str, Json]:
    return {name: value for name, value in one.items() if name != "filter"}


@method(
    result=Reads(LIST_TAG, generated="getAllgetListTagss"),
    section="docs/wire/lists.md#methods-of-lists",
    differs="there is no way to make tags yet, so the list is always empty",
    examples=[Example({}, [], "There are none.")],
)
async def get_list_tags(context: Context) -> Rows:
    """Read the labels that lists can have."""
    return await reads.listing(context, LIST_TAG, {}, limit=PAGE, offset=0, ahead=True)
