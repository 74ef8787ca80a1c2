"""Leads: create, change and delete them (wire.md 8, 10.1 to 10.4)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from springhead.methods.call import Call, shape
from springhead.methods.lead_examples import CREATED, GIVEN, TAKEN
from springhead.model.errors import (
    ApiError,
    EntryExists,
    InvalidParameters,
    Json,
    MalformedObject,
    MissingObjects,
    NoSuchRecord,
    NothingChanged,
    TooManyObjects,
    Unavailable,
    UnexpectedArray,
    UnknownReference,
)
from springhead.model.fields import FieldSet
from springhead.model.leads import LEAD, email_key
from springhead.rpc.method import Done, Example, Outcomes, Writes, done, method, refused
from springhead.rpc.objects import Checked, Shape
from springhead.rpc.params import (
    Objects,
    whole,
)
from springhead.store import leads
from springhead.store.db import Locked, TryAgain, Tx

_WRITE_ERRORS = (
    MissingObjects,
    MalformedObject,
    TooManyObjects,
    UnexpectedArray,
    EntryExists,
    UnknownReference,
)
_OBJECTS = "The leads, each a hash by system name; 500 a call at most."
_EMAIL = LEAD.by_name["emailAddress"]
_OWNER = LEAD.by_name["ownerID"]


@method(
    *_WRITE_ERRORS,
    result=Writes("creates"),
    section="wire.md 10.1",
    examples=[
        Example(
            {"objects": [{"emailAddress": "lead.one@example.com", "firstName": "Lead", "leadStatus": "open"}]},
            [CREATED],
            "One new lead.",
        ),
        Example(
            {"objects": [{"emailAddress": "LEAD.ONE@example.com"}, {"emailAddress": "lead.two@example.com"}]},
            [TAKEN, CREATED],
            "An address that is taken, whatever its case; the other lead goes through.",
            given=GIVEN,
        ),
    ],
)
async def create_leads(call: Call, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> Outcomes:
    """Create up to 500 leads and say, for each, whether it was created.

    `emailAddress` is required and unique in your company, whatever its case, inactive leads included: a
    taken one is refused with 301. `id`, `updateTimestamp`, `createTimestamp` and the flags that follow
    from `leadStatus` are ignored. `leadStatus` is `unqualified` when not given. A refused lead does not
    stop the others; outcomes come back in the order sent.
    """
    async with call.tx() as tx:
        fields = await call.fields(tx)
        checked = await _check(call, tx, fields, objects, creating=True)
        keys = await _unique_keys(call, tx, checked)
        form = shape(LEAD, fields, creating=True)
        ids = await leads.insert(
            tx, call.company.id, checked.documents(), keys, custom=form.custom(checked.good), version=fields.version
        )
        if checked.good and not ids:
            await call.verify(tx, fields)
        created = {at: ids[key] for key, at in zip(keys, checked.positions, strict=True) if key in ids}
        checked.refuse(await _not_inserted(call, tx, checked, keys, ids))
    return Outcomes(
        [done(created[at]) if at in created else refused(checked.refusals[at]) for at in range(len(objects))]
    )


async def _unique_keys(call: Call, tx: Tx, checked: Checked) -> list[str]:
    """The email key of each lead; a second lead with a key that an earlier one has is refused."""
    keys = [email_key(lead.emailAddress) for lead in checked.good]
    if len(set(keys)) < len(keys):
        # These first: a lead that is refused for its owner keeps its address from none that follows.
        checked.refuse(await _unknown_owners(call, tx, zip(checked.good, checked.positions, strict=True)))
        seen: set[str] = set()
        again: dict[int, ApiError] = {}
        for lead, at in zip(checked.good, checked.positions, strict=True):
            key = email_key(lead.emailAddress)
            if key in seen:
                again[at] = EntryExists()
            seen.add(key)
        checked.refuse(again)
        keys = [email_key(lead.emailAddress) for lead in checked.good]
    return keys


async def _not_inserted(
    call: Call, tx: Tx, checked: Checked, keys: Sequence[str], ids: Mapping[str, int]
) -> dict[int, ApiError]:
    """Why each lead that was not inserted was not: its owner is unknown (303), or its address is taken (301)."""
    if len(ids) == len(keys):
        return {}
    left = [(lead, at) for lead, at, key in zip(checked.good, checked.positions, keys, strict=True) if key not in ids]
    return {at: EntryExists() for _, at in left} | await _unknown_owners(call, tx, left)


async def _unknown_owners(call: Call, tx: Tx, pairs: Iterable[tuple[Any, int]]) -> dict[int, ApiError]:
    """303 for each lead, by its position, whose owner the company does not have."""
    owners = {at: lead.ownerID for lead, at in pairs if isinstance(lead.ownerID, int)}
    known = await leads.owners(tx, call.company.id, list(set(owners.values()))) if owners else set[int]()
    return {at: _unknown_owner() for at, owner in owners.items() if owner not in known}


def _unknown_owner() -> UnknownReference:
    return UnknownReference(_OWNER.problem("No user of your company has that id; see getUserProfiles"))


async def _check(call: Call, tx: Tx, fields: FieldSet, objects: list[Json], *, creating: bool) -> Checked:
    """Check the leads of a call; before one is refused, make sure that the fields are still these."""
    checked = shape(LEAD, fields, creating=creating).check(objects)
    blank = {
        at: InvalidParameters(_EMAIL.problem("Expected an email address, not an empty text"))
        for lead, at in zip(checked.good, checked.positions, strict=True)
        if lead.emailAddress is not msgspec.UNSET and not lead.emailAddress.strip()
    }
    checked.refuse(blank)
    if checked.refusals:
        await call.verify(tx, fields)
    return checked


@method(
    *_WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    section="wire.md 10.2",
    differs=("the email address of another lead is refused with 301; the vendor answers success and stores nothing"),
    examples=[
        Example(
            {
                "objects": [
                    {"id": "{id}", "title": "CEO"},
                    {"emailAddress": "lead.one@example.com", "city": "Orlando"},
                ]
            },
            [{"success": True, "error": None}, {"success": True, "error": None}],
            "The same lead by id and by email address.",
            given=GIVEN,
        ),
        Example(
            {"objects": [{"emailAddress": "lead.one@example.com", "firstName": "Lead"}]},
            [{"success": False, "error": {"code": 302, "message": "No table rows affected", "data": []}}],
            "Nothing to change.",
            given=GIVEN,
        ),
    ],
)
async def update_leads(call: Call, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> Outcomes:
    """Change up to 500 leads, each found by `id`, or by `emailAddress` when it has no `id`.

    What is given overwrites, what is not given stays; with an `id`, `emailAddress` is the new address.
    A lead that is not there is answered with success, as the vendor does (updateLeadsV2 says 404). A lead
    that is already as asked for gets 302. Objects work one after the other: two may change the same lead.
    """
    return await _update(call, objects, missing=None)


@method(
    *_WRITE_ERRORS,
    NothingChanged,
    NoSuchRecord,
    result=Writes("updates"),
    section="wire.md 10.3",
    differs=("the email address of another lead is refused with 301; the vendor answers success and stores nothing"),
    examples=[
        Example(
            {"objects": [{"id": 1, "title": "CEO"}]},
            [
                {
                    "success": False,
                    "error": {"code": 404, "message": "A record with that ID does not exist", "data": []},
                }
            ],
            "An id that no lead has.",
        ),
    ],
)
async def update_leads_v2(call: Call, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> Outcomes:
    """Change up to 500 leads as updateLeads does, and answer 404 for those that do not exist.

    404 also answers an object with neither `id` nor a known `emailAddress`.
    """
    return await _update(call, objects, missing=NoSuchRecord())


async def _update(call: Call, objects: list[Json], *, missing: ApiError | None) -> Outcomes:
    """Run the update in rounds: a round changes a lead once, what it leaves over goes into the next.

    A call in which no two objects mean the same lead or address is one round, one statement.
    """
    async with call.tx() as tx:
        fields = await call.fields(tx)
        checked = await _check(call, tx, fields, objects, creating=False)
        form = shape(LEAD, fields, creating=False)
        outcomes: dict[int, Done] = {at: refused(error) for at, error in checked.refusals.items()}
        try:
            async with tx.atomic():
                outcomes |= await _rounds(call, tx, fields, form, checked, missing=missing, skip_locked=False)
        except Locked:
            async with tx.atomic():
                outcomes |= await _rounds(call, tx, fields, form, checked, missing=missing, skip_locked=True)
    return Outcomes([outcomes[at] for at in range(len(objects))])


async def _rounds(
    call: Call,
    tx: Tx,
    fields: FieldSet,
    form: Shape,
    checked: Checked,
    *,
    missing: ApiError | None,
    skip_locked: bool,
) -> dict[int, Done]:
    outcomes: dict[int, Done] = {}
    left = list(zip(checked.good, checked.positions, strict=True))
    while left:
        now, later = _apart(left)
        good = [lead for lead, _ in now]
        found = await leads.update(
            tx,
            call.company.id,
            msgspec.json.encode(good).decode(),
            [_key(lead) for lead in good],
            custom=form.custom(good),
            nulls=form.nulls(good),
            version=fields.version,
            skip_locked=skip_locked,
        )
        if not found:
            call.server.fields.forget(call.company.id)
            raise TryAgain
        again = {row.position for row in found if row.found and not row.first} | _perhaps_free(found, good)
        outcomes |= {
            now[row.position - 1][1]: _outcome(row, missing, skip_locked=skip_locked)
            for row in found
            if row.position not in again
        }
        # Sorted by their place in the call, so that objects for one lead stay in the order sent.
        left = sorted([now[at - 1] for at in again] + later, key=lambda pair: pair[1])
    return outcomes


def _perhaps_free(found: Sequence[leads.Updated], good: Sequence[Any]) -> set[int]:
    """The objects whose address was taken before the round, and may have been given up in it before their turn.

    They wait for the next round; so leads can swap their addresses in one call.
    """
    moved = [row.position for row in found if row.changed and good[row.position - 1].emailAddress is not msgspec.UNSET]
    first = min(moved, default=len(good))
    return {row.position for row in found if row.taken and row.first and row.position > first}


def _key(lead: Any) -> str | None:
    return None if lead.emailAddress is msgspec.UNSET else email_key(lead.emailAddress)


def _apart(left: Sequence[tuple[Any, int]]) -> tuple[list[tuple[Any, int]], list[tuple[Any, int]]]:
    """The objects that surely mean different leads and addresses, and those that must wait for them.

    Addresses move in the order sent: one that may move waits when an earlier one does.
    """
    seen: set[object] = set()
    now: list[tuple[Any, int]] = []
    later: list[tuple[Any, int]] = []
    waiting = False
    for pair in left:
        lead = pair[0]
        marks = {mark for mark in (lead.id, _key(lead)) if mark is not None and mark is not msgspec.UNSET}
        moves = len(marks) == 2
        if seen & marks or (moves and waiting):
            later.append(pair)
            waiting = waiting or moves
        else:
            now.append(pair)
        seen |= marks
    return now, later


def _outcome(row: leads.Updated, missing: ApiError | None, *, skip_locked: bool) -> Done:
    if not row.found or not (row.locked or skip_locked):  # what was waited for and not there was deleted meanwhile
        return refused(missing) if missing else done()
    if not row.locked:
        return refused(Unavailable())
    if not row.known_owner:
        return refused(_unknown_owner())
    if row.taken:
        return refused(EntryExists())
    return done() if row.changed else refused(NothingChanged())


@method(
    MissingObjects,
    MalformedObject,
    TooManyObjects,
    UnexpectedArray,
    NothingChanged,
    result=Writes("deletes"),
    section="wire.md 10.4",
    differs="bare ids are taken as well as `{id}`; an unknown id is answered with 302",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [
                {"success": True, "error": None},
                {"success": False, "error": {"code": 302, "message": "No table rows affected", "data": []}},
            ],
            "A lead, and one that is not there.",
            given=GIVEN,
        ),
    ],
)
async def delete_leads(
    call: Call,
    *,
    objects: Annotated[list[Json], Objects(LEAD, "The leads, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete up to 500 leads for good, by id.

    An email address does not work as a key. Their addresses are free again at once.
    """
    wanted: list[int | ApiError] = [_id_of(one) for one in objects]
    ids = [one for one in wanted if isinstance(one, int)]
    async with call.tx() as tx:
        gone = await leads.delete(tx, call.company.id, list(dict.fromkeys(ids)))
    outcomes: list[Done] = []
    for one in wanted:
        if isinstance(one, ApiError):
            outcomes.append(refused(one))
        elif one in gone:
            gone.remove(one)
            outcomes.append(done())
        else:
            outcomes.append(refused(NothingChanged()))
    return Outcomes(outcomes)


def _id_of(one: Json) -> int | ApiError:
    column = LEAD.by_name["id"]
    value = one.get("id") if isinstance(one, dict) else one
    if isinstance(one, dict) and "id" not in one:
        return InvalidParameters(column.problem("Required parameter is missing"))
    if isinstance(value, (list, dict)):
        return UnexpectedArray(column.problem("Expected a single value"))
    number = whole(value) if isinstance(value, (str, int)) else None
    if number is None and not isinstance(one, dict):
        return MalformedObject({"param": "lead", "message": "Expected an object with an id"})
    if number is None or not 0 <= number < 2**63:
        return InvalidParameters(column.problem("Expected data of type integer"))
    return number
