"""Members of lists: add leads to lists and remove them (docs/wire/lists.md#writing-members)."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Annotated, Any

import msgspec

from springhead.methods.bulk import merged_ids
from springhead.methods.bulk.writes import FLAT_ERRORS, WRITE_ERRORS
from springhead.methods.examples import CREATED, DONE, GIVEN_LEAD, NOTHING_CHANGED, failed
from springhead.methods.lists.lists import GIVEN_LIST
from springhead.model.kit.columns import Noun, unknown_references
from springhead.model.kit.errors import (
    AlreadyMember,
    ApiError,
    InvalidParameters,
    Json,
    MissingParameters,
    NoSuchLead,
    NothingChanged,
    UnknownReference,
)
from springhead.model.leads.leads import email_key
from springhead.model.lists import LIST_ADDRESS, LIST_CONTACT, LIST_MEMBER, WHOLE_LIST
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcome, WriteResult, Writes, method, refused, succeeded
from springhead.rpc.objects import CheckedObjects, ObjectSchema
from springhead.rpc.params import FlatOrObjects, Objects
from springhead.store.database.pool import Tx
from springhead.store.lists import members, removals
from springhead.store.lists.members import MemberOutcome

_ADD_ERRORS = (AlreadyMember, NoSuchLead, UnknownReference)
_REMOVE_ERRORS = (NothingChanged, UnknownReference)
_CHOICE = "an unknown list gets 303, and a list with a filter gets 205"
_TWO_NAMES = f"{_CHOICE}; the lead's id is also accepted as `memberID`"

_ADDRESS = "lead.one@example.com"
_NO_LEAD = failed(214, "The lead you tried to add does not exist for this account")
_BOTH = (*GIVEN_LEAD, *GIVEN_LIST)
_MEMBER = (*_BOTH, Example({"listID": "{activeList}", "memberID": "{lead}"}, [CREATED], method="addListMember"))

_MEMBERS = Objects(LIST_MEMBER, "The pairs of list and lead; at most 500 per call.")
_ADDRESSES = Objects(LIST_ADDRESS, "The pairs of list and email address; at most 500 per call.")
_CONTACTS = Objects(LIST_CONTACT, "The pairs of list and lead; at most 500 per call.")


@method(
    *FLAT_ERRORS,
    *_ADD_ERRORS,
    MissingParameters,
    result=Writes("creates"),
    section="docs/wire/lists.md#writing-members",
    differs=_CHOICE,
    examples=[Example({"listID": "{activeList}", "memberID": "{lead}"}, [CREATED], "A lead by its id.", given=_BOTH)],
)
async def add_list_member(
    context: Context, *, objects: Annotated[list[Json], FlatOrObjects(LIST_MEMBER, "The pairs of list and lead.")]
) -> WriteResult:
    """Adds a lead to a list; the `id` of the outcome is that of the membership.

    213: the lead is already on the list. 214: there is no such lead. A lead that was removed is added again, with its
    former membership id. Inactive leads can be members too.
    """
    return await _by_id(context, objects, LIST_MEMBER, _ADD)


@method(
    *WRITE_ERRORS,
    *_ADD_ERRORS,
    result=Writes("creates"),
    section="docs/wire/lists.md#writing-members",
    differs=_CHOICE,
    examples=[
        Example(
            {"objects": [{"listID": "{activeList}", "memberID": "{lead}"}, {"listID": "{activeList}", "memberID": 1}]},
            [CREATED, _NO_LEAD],
            "A lead, and an id that no lead has.",
            given=_BOTH,
        )
    ],
)
async def add_list_members(context: Context, *, objects: Annotated[list[Json], _MEMBERS]) -> WriteResult:
    """Adds up to 500 leads to lists, as addListMember does; a refused lead does not stop the others."""
    return await _by_id(context, objects, LIST_MEMBER, _ADD)


@method(
    *FLAT_ERRORS,
    *_ADD_ERRORS,
    MissingParameters,
    result=Writes("creates"),
    section="docs/wire/lists.md#writing-members",
    differs=_CHOICE,
    examples=[
        Example(
            {"listID": "{activeList}", "emailAddress": _ADDRESS},
            [CREATED],
            "A lead by its email address.",
            given=_BOTH,
        )
    ],
)
async def add_list_member_email_address(
    context: Context,
    *,
    objects: Annotated[list[Json], FlatOrObjects(LIST_ADDRESS, "The pairs of list and email address.")],
) -> WriteResult:
    """Adds a lead to a list by its email address (regardless of case), as addListMember does by id."""
    return await _by_address(context, objects, _ADD)


@method(
    *WRITE_ERRORS,
    *_ADD_ERRORS,
    result=Writes("creates"),
    section="docs/wire/lists.md#writing-members",
    differs=_CHOICE,
    examples=[
        Example(
            {
                "objects": [
                    {"listID": "{activeList}", "emailAddress": _ADDRESS},
                    {"listID": "{activeList}", "emailAddress": "nobody@example.com"},
                ]
            },
            [CREATED, _NO_LEAD],
            "A lead, and an address that no lead has.",
            given=_BOTH,
        )
    ],
)
async def add_list_members_email_address(
    context: Context, *, objects: Annotated[list[Json], _ADDRESSES]
) -> WriteResult:
    """Adds up to 500 leads to lists by their email addresses; a refused lead does not stop the others."""
    return await _by_address(context, objects, _ADD)


@method(
    *FLAT_ERRORS,
    *_REMOVE_ERRORS,
    MissingParameters,
    result=Writes("deletes"),
    section="docs/wire/lists.md#writing-members",
    differs=_TWO_NAMES,
    examples=[Example({"listID": "{activeList}", "contactID": "{lead}"}, [DONE], "A member.", given=_MEMBER)],
)
async def remove_list_member(
    context: Context, *, objects: Annotated[list[Json], FlatOrObjects(LIST_CONTACT, "The pairs of list and lead.")]
) -> WriteResult:
    """Removes a lead from a list: the lead counts as removed, and can be added again.

    302: the lead is not on the list, or there is no such lead.
    """
    return await _by_id(context, objects, LIST_CONTACT, _REMOVE)


@method(
    *WRITE_ERRORS,
    *_REMOVE_ERRORS,
    result=Writes("deletes"),
    section="docs/wire/lists.md#writing-members",
    differs=_TWO_NAMES,
    examples=[
        Example(
            {
                "objects": [
                    {"listID": "{activeList}", "contactID": "{lead}"},
                    {"listID": "{activeList}", "contactID": 1},
                ]
            },
            [DONE, NOTHING_CHANGED],
            "A member, and an id that no lead has.",
            given=_MEMBER,
        )
    ],
)
async def remove_list_members(context: Context, *, objects: Annotated[list[Json], _CONTACTS]) -> WriteResult:
    """Removes up to 500 leads from lists, as removeListMember does; a refused lead does not stop the others."""
    return await _by_id(context, objects, LIST_CONTACT, _REMOVE)


@method(
    *FLAT_ERRORS,
    *_REMOVE_ERRORS,
    MissingParameters,
    result=Writes("deletes"),
    section="docs/wire/lists.md#writing-members",
    differs=_CHOICE,
    examples=[Example({"listID": "{activeList}", "emailAddress": _ADDRESS}, [DONE], "A member.", given=_MEMBER)],
)
async def remove_list_member_email_address(
    context: Context,
    *,
    objects: Annotated[list[Json], FlatOrObjects(LIST_ADDRESS, "The pairs of list and email address.")],
) -> WriteResult:
    """Removes a lead from a list by its email address (regardless of case), as removeListMember does by id."""
    return await _by_address(context, objects, _REMOVE)


@method(
    *WRITE_ERRORS,
    *_REMOVE_ERRORS,
    result=Writes("deletes"),
    section="docs/wire/lists.md#writing-members",
    differs=_CHOICE,
    examples=[
        Example({"objects": [{"listID": "{activeList}", "emailAddress": _ADDRESS}]}, [DONE], "A member.", given=_MEMBER)
    ],
)
async def remove_list_members_email_address(
    context: Context, *, objects: Annotated[list[Json], _ADDRESSES]
) -> WriteResult:
    """Removes up to 500 leads from lists by their email addresses; a refused lead does not stop the others."""
    return await _by_address(context, objects, _REMOVE)


@method(
    *FLAT_ERRORS,
    *_REMOVE_ERRORS,
    MissingParameters,
    result=Writes("deletes"),
    section="docs/wire/lists.md#writing-members",
    differs=_CHOICE,
    examples=[
        Example({"listID": "{activeList}"}, [DONE], "A list with a member.", given=_MEMBER),
        Example(
            {"objects": [{"listID": "{activeList}"}]}, [NOTHING_CHANGED], "A list without members.", given=GIVEN_LIST
        ),
    ],
)
async def remove_list_members_all(
    context: Context, *, objects: Annotated[list[Json], FlatOrObjects(WHOLE_LIST, "The lists.")]
) -> WriteResult:
    """Removes all members from a list: all current members count as removed.

    Some ten thousand members are removed within the call, more within seconds after it; meanwhile the counts show the
    progress. A lead that is added meanwhile stays. 302: the list has no members.
    """
    checked = _shape(WHOLE_LIST).check(objects)
    outcomes = checked.refused_outcomes()
    async with context.tx() as tx, tx.atomic():
        states = await removals.lock(tx, context.company.id, [record.listID for record in checked.valid])
        emptied: set[int] = set()
        for record, position in checked.with_positions():
            state = states.get(record.listID)
            if state is None or state.has_filter:
                outcomes[position] = refused(_wrong_list(WHOLE_LIST, has_filter=state is not None))
            elif state.id in emptied or not state.members:
                outcomes[position] = refused(NothingChanged())
            else:
                emptied.add(state.id)
                outcomes[position] = succeeded()
        await removals.empty(tx, context.company.id, sorted(emptied))
    if emptied:
        await context.server.jobs.finish(context.company.id)
    return WriteResult.in_order(outcomes)


class _Change(msgspec.Struct, frozen=True):
    """The statement that adds or removes members, and the function that makes an outcome of each of its rows."""

    store: Callable[[Tx, int, Sequence[int], Sequence[Any]], Awaitable[list[MemberOutcome]]]
    outcome: Callable[[MemberOutcome], Outcome]


async def _by_id(context: Context, objects: list[Json], noun: Noun, change: _Change) -> WriteResult:
    checked = _shape(noun).check(objects)
    if noun is LIST_CONTACT:
        checked.refuse(
            {position: error for record, position in checked.with_positions() if (error := _complete(record))}
        )
    merged_ids.replace(noun, checked, context.attempt.merged, id_names=("memberID",))
    return await _outcomes(context, checked, noun, [record.memberID for record in checked.valid], change)


async def _by_address(context: Context, objects: list[Json], change: _Change) -> WriteResult:
    checked = _shape(LIST_ADDRESS).check(objects)
    keys = [email_key(record.emailAddress) for record in checked.valid]
    return await _outcomes(context, checked, LIST_ADDRESS, keys, change)


async def _outcomes(
    context: Context, checked: CheckedObjects, noun: Noun, leads: Sequence[Any], change: _Change
) -> WriteResult:
    outcomes = checked.refused_outcomes()
    if checked.valid:
        rows = await _apply(context, checked.valid, leads, change)
        for row, position in zip(rows, checked.positions, strict=True):
            if row.listed and not row.has_filter:
                outcomes[position] = change.outcome(row)
            else:
                outcomes[position] = refused(_wrong_list(noun, has_filter=row.has_filter))
    return WriteResult.in_order(outcomes)


async def _apply(
    context: Context, records: Sequence[Any], leads: Sequence[Any], change: _Change
) -> list[MemberOutcome]:
    """Changes the memberships of one call together. Raises MergedIds if a lead was merged into another one."""
    async with (
        context.tx() as tx,
        tx.atomic()
        if len(records) > 1
        else nullcontext(),  # the statement for a single object writes nothing if it is refused
    ):
        rows = await change.store(tx, context.company.id, [record.listID for record in records], leads)
        if leads and isinstance(leads[0], int):
            unknown = (lead for lead, row in zip(leads, rows, strict=True) if row.id is None and not row.known)
            await merged_ids.check_ids(tx, context.company.id, unknown)
    return rows


def _added(row: MemberOutcome) -> Outcome:
    if row.id is not None:
        return succeeded(row.id)
    return refused(AlreadyMember() if row.known else NoSuchLead())


def _removed(row: MemberOutcome) -> Outcome:
    return succeeded() if row.id is not None else refused(NothingChanged())


_ADD, _REMOVE = _Change(members.add, _added), _Change(members.remove, _removed)


def _wrong_list(noun: Noun, *, has_filter: bool) -> ApiError:
    column = noun.by_name["listID"]
    if has_filter:
        return InvalidParameters(column.problem("The members of this list follow from its filter"))
    return unknown_references([column])


def _complete(record: Any) -> ApiError | None:
    """Returns 205 unless an object names exactly one lead, as `contactID` or `memberID`; sets `memberID`."""
    ids = {lead_id for lead_id in (record.contactID, record.memberID) if lead_id is not msgspec.UNSET}
    column = LIST_CONTACT.by_name["contactID"]
    if len(ids) != 1:
        return InvalidParameters(column.problem("Expected one lead" if ids else "Required parameter is missing"))
    (record.memberID,) = ids
    return None


_SHAPES: dict[str, ObjectSchema] = {}


def _shape(noun: Noun) -> ObjectSchema:
    return _SHAPES.setdefault(noun.name, ObjectSchema(noun, creating=True))
