"""Who is on a list: put leads on it and take them off (docs/wire/lists.md#writing-members)."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Annotated, Any

import msgspec

from springhead.methods.bulk import merged_ids
from springhead.methods.bulk.writes import FLAT_ERRORS, WRITE_ERRORS
from springhead.methods.examples import CREATED, DONE, GIVEN_LEAD, NOTHING_CHANGED, failed
from springhead.methods.lists.lists import GIVEN_LIST
from springhead.model.kit.columns import Noun
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
from springhead.rpc.method import Done, Example, Outcomes, Writes, done, method, refused
from springhead.rpc.objects import Checked, Shape
from springhead.rpc.params import Flat, Objects
from springhead.store.database.pool import Tx
from springhead.store.lists import members, removals
from springhead.store.lists.members import MemberOutcome

_ADD_ERRORS = (AlreadyMember, NoSuchLead, UnknownReference)
_REMOVE_ERRORS = (NothingChanged, UnknownReference)
_CHOICE = "an unknown list is answered with 303, and a list that has a filter with 205"
_TWO_NAMES = f"{_CHOICE}; the lead's id is taken as `memberID` too"

_ADDRESS = "lead.one@example.com"
_NO_LEAD = failed(214, "The lead you tried to add does not exist for this account")
_BOTH = (*GIVEN_LEAD, *GIVEN_LIST)
_MEMBER = (*_BOTH, Example({"listID": "{activeList}", "memberID": "{lead}"}, [CREATED], method="addListMember"))

_MEMBERS = Objects(LIST_MEMBER, "The pairs of list and lead; 500 a call at most.")
_ADDRESSES = Objects(LIST_ADDRESS, "The pairs of list and email address; 500 a call at most.")
_CONTACTS = Objects(LIST_CONTACT, "The pairs of list and lead; 500 a call at most.")


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
    context: Context, *, objects: Annotated[list[Json], Flat(LIST_MEMBER, "The pairs of list and lead.")]
) -> Outcomes:
    """Put a lead on a list; the new `id` is that of the membership.

    213 when it is on the list already, 214 when there is no such lead. Who was removed is on the list again, with
    the membership's former id. Leads that are not active can be members too.
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
            "A lead, and one that is not there.",
            given=_BOTH,
        )
    ],
)
async def add_list_members(context: Context, *, objects: Annotated[list[Json], _MEMBERS]) -> Outcomes:
    """Put up to 500 leads on lists, as addListMember does; a refused one does not stop the others."""
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
    context: Context, *, objects: Annotated[list[Json], Flat(LIST_ADDRESS, "The pairs of list and email address.")]
) -> Outcomes:
    """Put a lead on a list by its email address, whatever its case, as addListMember does by id."""
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
async def add_list_members_email_address(context: Context, *, objects: Annotated[list[Json], _ADDRESSES]) -> Outcomes:
    """Put up to 500 leads on lists by their email addresses; a refused one does not stop the others."""
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
    context: Context, *, objects: Annotated[list[Json], Flat(LIST_CONTACT, "The pairs of list and lead.")]
) -> Outcomes:
    """Take a lead off a list: it counts as removed from then on, and can be put on it again.

    302 when it is not on the list, or there is no such lead.
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
            "A member, and a lead that is none.",
            given=_MEMBER,
        )
    ],
)
async def remove_list_members(context: Context, *, objects: Annotated[list[Json], _CONTACTS]) -> Outcomes:
    """Take up to 500 leads off lists, as removeListMember does; a refused one does not stop the others."""
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
    context: Context, *, objects: Annotated[list[Json], Flat(LIST_ADDRESS, "The pairs of list and email address.")]
) -> Outcomes:
    """Take a lead off a list by its email address, whatever its case, as removeListMember does by id."""
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
) -> Outcomes:
    """Take up to 500 leads off lists by their email addresses; a refused one does not stop the others."""
    return await _by_address(context, objects, _REMOVE)


@method(
    *FLAT_ERRORS,
    *_REMOVE_ERRORS,
    MissingParameters,
    result=Writes("deletes"),
    section="docs/wire/lists.md#writing-members",
    differs=_CHOICE,
    examples=[
        Example({"listID": "{activeList}"}, [DONE], "A list with somebody on it.", given=_MEMBER),
        Example(
            {"objects": [{"listID": "{activeList}"}]}, [NOTHING_CHANGED], "A list with nobody on it.", given=GIVEN_LIST
        ),
    ],
)
async def remove_list_members_all(
    context: Context, *, objects: Annotated[list[Json], Flat(WHOLE_LIST, "The lists.")]
) -> Outcomes:
    """Take everybody off a list who is on it now: all count as removed from then on.

    Done when the call returns for some ten thousand members, and else in the seconds after it, in which the counts
    say how far it is; who is put on the list meanwhile stays. 302 when nobody is on it.
    """
    checked = _shape(WHOLE_LIST).check(objects)
    outcomes = checked.refused()
    async with context.tx() as tx, tx.atomic():
        found = await removals.lock(tx, context.company.id, [one.listID for one in checked.good])
        seen: set[int] = set()
        for one, at in checked.placed():
            state = found.get(one.listID)
            if state is None or state.has_filter:
                outcomes[at] = refused(_wrong_list(WHOLE_LIST, has_filter=state is not None))
            elif state.id in seen or not state.members:
                outcomes[at] = refused(NothingChanged())
            else:
                seen.add(state.id)
                outcomes[at] = done()
        await removals.empty(tx, context.company.id, sorted(seen))
    if seen:
        await context.server.jobs.finish(context.company.id)
    return Outcomes.in_order(outcomes)


class _Change(msgspec.Struct, frozen=True):
    """Adding or removing: what does it, and what the caller reads when the list is one for it."""

    store: Callable[[Tx, int, Sequence[int], Sequence[Any]], Awaitable[list[MemberOutcome]]]
    outcome: Callable[[MemberOutcome], Done]


async def _by_id(context: Context, objects: list[Json], noun: Noun, change: _Change) -> Outcomes:
    checked = _shape(noun).check(objects)
    if noun is LIST_CONTACT:
        checked.refuse({at: wrong for one, at in checked.placed() if (wrong := _contact(one))})
    merged_ids.replace(noun, checked, context.attempt.merged, id_names=("memberID",))
    return await _judge(context, checked, noun, [one.memberID for one in checked.good], change)


async def _by_address(context: Context, objects: list[Json], change: _Change) -> Outcomes:
    checked = _shape(LIST_ADDRESS).check(objects)
    keys = [email_key(one.emailAddress) for one in checked.good]
    return await _judge(context, checked, LIST_ADDRESS, keys, change)


async def _judge(context: Context, checked: Checked, noun: Noun, leads: Sequence[Any], change: _Change) -> Outcomes:
    outcomes = checked.refused()
    if checked.good:
        judged = await _change(context, checked.good, leads, change)
        for one, at in zip(judged, checked.positions, strict=True):
            by_hand = one.listed and not one.has_filter
            outcomes[at] = change.outcome(one) if by_hand else refused(_wrong_list(noun, has_filter=one.has_filter))
    return Outcomes.in_order(outcomes)


async def _change(
    context: Context, objects: Sequence[Any], leads: Sequence[Any], change: _Change
) -> list[MemberOutcome]:
    """Changes the memberships of one call together. Raises MergedIds if a lead was merged into another one."""
    async with (
        context.tx() as tx,
        tx.atomic() if len(objects) > 1 else nullcontext(),
    ):  # one that is refused writes nothing
        judged = await change.store(tx, context.company.id, [one.listID for one in objects], leads)
        if leads and isinstance(leads[0], int):
            unknown = (lead for lead, row in zip(leads, judged, strict=True) if row.id is None and not row.known)
            await merged_ids.check_ids(tx, context.company.id, unknown)
    return judged


def _added(one: MemberOutcome) -> Done:
    if one.id is not None:
        return done(one.id)
    return refused(AlreadyMember() if one.known else NoSuchLead())


def _removed(one: MemberOutcome) -> Done:
    return done() if one.id is not None else refused(NothingChanged())


_ADD, _REMOVE = _Change(members.add, _added), _Change(members.remove, _removed)


def _wrong_list(noun: Noun, *, has_filter: bool) -> ApiError:
    column = noun.by_name["listID"]
    if has_filter:
        return InvalidParameters(column.problem("The members of this list follow from its filter"))
    return UnknownReference(column.problem("Your company has no list with that id"))


def _contact(one: Any) -> ApiError | None:
    """See that an object names one lead, by either name of its id; it has it as memberID then."""
    ids = {given for given in (one.contactID, one.memberID) if given is not msgspec.UNSET}
    column = LIST_CONTACT.by_name["contactID"]
    if len(ids) != 1:
        return InvalidParameters(column.problem("Expected one lead" if ids else "Required parameter is missing"))
    (one.memberID,) = ids
    return None


_SHAPES: dict[str, Shape] = {}


def _shape(noun: Noun) -> Shape:
    return _SHAPES.setdefault(noun.name, Shape(noun, creating=True))
