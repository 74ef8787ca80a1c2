"""Leads: create, update, upsert and delete (docs/wire/leads.md)."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import CREATED, GIVEN_LEAD, TAKEN, failed
from springhead.model.kit.errors import (
    EntryExists,
    InvalidParameters,
    Json,
    NoSuchRecord,
    NothingChanged,
    Problem,
    UnknownReference,
    ValueChanged,
)
from springhead.model.kit.fields import Field, FieldSet
from springhead.model.leads.history import value_changed
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context
from springhead.rpc.key_params import Text
from springhead.rpc.method import Example, WriteResult, Writes, method, refused
from springhead.rpc.params import Objects
from springhead.store.capture import visitors
from springhead.store.database.pool import Tx
from springhead.store.leads import lead_status
from springhead.store.lifecycle import recycling
from springhead.store.lists import filtered_lists, members
from springhead.store.sales import notes, opportunities

_WRITE_ERRORS = (*WRITE_ERRORS, EntryExists, UnknownReference)
_OBJECTS = "The leads, each a hash of system names and values; at most 500 per call."


async def _update_filtered_lists(context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
    await filtered_lists.update_members(tx, context.company.id, fields, ids)


async def _before_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> Sequence[int]:
    await opportunities.clear_named_leads(tx, context.company.id, ids)
    locked = await members.lock_leads(tx, context.company.id, ids)
    await opportunities.detach_leads(tx, context.company.id, locked)
    await members.delete_memberships(tx, context.company.id, locked)
    await visitors.lock_of_leads(tx, context.company.id, locked)
    await recycling.bin_belongings(tx, context.company.id, locked)
    return locked


async def _after_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await notes.detach(tx, context.company.id, "lead", ids)
    await recycling.schedule_purge(tx, context.company.id)


async def _link_visitors(context: Context, tx: Tx, links: Sequence[tuple[int, str]]) -> None:
    await visitors.link_leads(tx, context.company.id, links)


async def _correct_status(context: Context, tx: Tx, changed: Sequence[tuple[int, str]]) -> None:
    """Makes a lead contactWithOpp if it was sent another status than customer and has an open opportunity."""
    leads = [lead for lead, status in changed if status != "customer"]
    await lead_status.refresh(tx, context.company.id, await context.fields(tx), leads)


HOOKS = writes.Hooks(
    after_write=_update_filtered_lists,
    after_write_applies=lambda fields: bool(fields.list_filters),
    before_delete=_before_delete,
    after_delete=_after_delete,
    after_values={"trackingID": _link_visitors},
)
UPDATE_HOOKS = msgspec.structs.replace(HOOKS, after_values={"leadStatus": _correct_status, **HOOKS.after_values})


def _check_identified(record: Any) -> InvalidParameters | None:
    """Returns 205 for an object with neither `id` nor `emailAddress`."""
    if record.id is UNSET and record.emailAddress is UNSET:
        return InvalidParameters(LEAD.by_name["emailAddress"].problem("Required parameter is missing"))
    return None


_UPSERT_HOOKS = msgspec.structs.replace(UPDATE_HOOKS, check=_check_identified)
_CREATED = {"success": True, "error": None, "id": ..., "created": True}
_CONFLICT = refused(value_changed({"firstName": "Lead"}, {}, ZoneInfo("UTC")))
_NO_ADDRESS = refused(InvalidParameters(LEAD.by_name["emailAddress"].problem("Required parameter is missing")))
_STANDARD_KEYS = ("", "id", "emailAddress")


async def _unique_field(context: Context, key: str) -> Field:
    """Returns the unique field with this name. Raises 205 if there is none, or if its values are being checked."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
        field = fields.unique_fields.get(key)
        if field is None or not field.unique_filled:
            await context.verify(tx, fields)
            message = (
                "The field is not unique yet: its values are still being checked"
                if field
                else "Expected a unique field"
            )
            usable = [name for name, unique in fields.unique_fields.items() if unique.unique_filled]
            raise InvalidParameters(Problem(param="key", message=message), validParams=[*_STANDARD_KEYS[1:], *usable])
        return field


def _check_key(key: str) -> Callable[[Any], InvalidParameters | None]:
    """Returns a check that each object has a value for `key`, by which alone its lead is found."""

    def check(record: Any) -> InvalidParameters | None:
        value = getattr(record, key, UNSET)
        if value is UNSET or value is None or (isinstance(value, str) and not value.strip()):
            column = LEAD.by_name.get(key)
            message = "Required parameter is missing"
            return InvalidParameters(column.problem(message) if column else Problem(param=key, message=message))
        if key != "id" and record.id is not UNSET:
            return InvalidParameters(LEAD.by_name["id"].problem(f"Not allowed together with the key {key}"))
        return None

    return check


@method(
    *_WRITE_ERRORS,
    result=Writes("creates"),
    section="docs/wire/leads.md#createleads",
    examples=[
        Example(
            {"objects": [{"emailAddress": "lead.one@example.com", "firstName": "Lead", "leadStatus": "open"}]},
            [CREATED],
            "One new lead.",
        ),
        Example(
            {"objects": [{"emailAddress": "LEAD.ONE@example.com"}, {"emailAddress": "lead.two@example.com"}]},
            [TAKEN, CREATED],
            "A taken address (its case does not matter); the other lead is created.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def create_leads(context: Context, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> WriteResult:
    """Creates up to 500 leads and returns, for each, whether it was created.

    `emailAddress` is required and unique in your company, regardless of case and including inactive leads; a taken
    address is refused with 301. Invisible characters and white space around it are not stored. `id`, `updateTimestamp`,
    `createTimestamp` and the flags that follow from `leadStatus` are ignored. An address that was unsubscribed before
    stays unsubscribed, whatever `isUnsubscribed` is. `leadStatus` is `unqualified` by default. A `trackingID` is the
    value of a visitor's cookie `__ss_tk`: the page views of the visitor join the timeline. A refused lead does not stop
    the others. Outcomes are in the order sent.
    """
    return await writes.create(context, LEAD, objects, HOOKS)


@method(
    *_WRITE_ERRORS,
    NothingChanged,
    ValueChanged,
    result=Writes("updates"),
    section="docs/wire/leads.md#updateleads",
    differs="the email address of another lead is refused with 301; the vendor answers success and stores nothing",
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
            given=GIVEN_LEAD,
        ),
        Example(
            {"objects": [{"emailAddress": "lead.one@example.com", "firstName": "Lead"}]},
            [{"success": False, "error": {"code": 302, "message": "No table rows affected", "data": []}}],
            "A lead that already has these values.",
            given=GIVEN_LEAD,
        ),
        Example(
            {"objects": [{"id": "{id}", "city": "Orlando", "expected": {"firstName": "Laed"}}]},
            [_CONFLICT],
            "A lead that has another first name than the one that was read (our addition).",
            given=GIVEN_LEAD,
        ),
    ],
)
async def update_leads(context: Context, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> WriteResult:
    """Changes up to 500 leads, each found by `id`, or by `emailAddress` if it has no `id`.

    Sent fields overwrite the stored values; other fields stay. With an `id`, `emailAddress` is the new address. Without
    an `id` it finds the lead, in any spelling, and the stored spelling stays. An unknown lead is a success, as with the
    vendor (updateLeadsV2 answers 404). A lead that already has all sent values gets 302. `isUnsubscribed` 0 subscribes
    a lead again only if it is found by `id`. Objects are applied in order: two objects may change the same lead. A new
    `trackingID` links the visitor to this lead from now on, and adds the visitor's earlier page views if no lead had
    them.

    An object can have the member `expected`, our addition: fields with the values that the caller has read, such as
    `{"city": "Berlin"}`. If the lead has another value by now, nothing of the object is written, and 409 has the
    current value.
    """
    return await writes.update(context, LEAD, objects, UPDATE_HOOKS, missing=None)


@method(
    *_WRITE_ERRORS,
    NothingChanged,
    NoSuchRecord,
    ValueChanged,
    result=Writes("updates"),
    section="docs/wire/leads.md#updateleadsv2",
    differs="the email address of another lead is refused with 301; the vendor answers success and stores nothing",
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
async def update_leads_v2(context: Context, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> WriteResult:
    """Changes up to 500 leads as updateLeads does, but answers 404 for leads that do not exist.

    An object with neither `id` nor a known `emailAddress` gets 404 too. `expected` is as in updateLeads.
    """
    return await writes.update(context, LEAD, objects, UPDATE_HOOKS, missing=NoSuchRecord())


@method(
    *_WRITE_ERRORS,
    NoSuchRecord,
    ValueChanged,
    result=Writes("upserts"),
    vendor=False,
    section="own",
    examples=[
        Example(
            {
                "objects": [
                    {"emailAddress": "Lead.One@example.com", "city": "Orlando"},
                    {"emailAddress": "lead.two@example.com"},
                ]
            },
            [{**_CREATED, "created": False}, _CREATED],
            "An existing lead (the case of its address does not matter), and a new lead.",
            given=GIVEN_LEAD,
        ),
        Example(
            {"objects": [{"id": 1, "title": "CEO"}]},
            [failed(404, "A record with that ID does not exist")],
            "An id that no lead has.",
        ),
        Example(
            {"objects": [{"emailAddress": "lead.two@example.com"}, {"id": 1}], "key": "emailAddress"},
            [_CREATED, _NO_ADDRESS],
            "Leads found by their address alone.",
        ),
    ],
)
async def upsert_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)],
    key: Annotated[
        str, Text("The key by which leads are found: `id`, `emailAddress` or a unique field.", length=255)
    ] = "",
) -> WriteResult:
    """Creates or changes up to 500 leads: a lead that exists is changed, and any other is created.

    A lead is found by `id`, or by `emailAddress` if it has no `id`; one of the two is required. An unknown
    `emailAddress` creates a lead; an unknown `id` is refused with 404. With an `id`, `emailAddress` is the new address;
    the address of another lead is refused with 301. Everything else is as in createLeads and updateLeads, except that a
    lead that already has all sent values is a success, and that `isUnsubscribed` 0 never subscribes a lead again.

    With `key`, a custom field that is unique (createFields), leads are found by the value of that field and by nothing
    else. Every object must have a value for it. `emailAddress` is required for a new lead, and is the new address of an
    existing lead.

    The outcome of each object has the `id` of the lead, and `created` says whether the lead is new. Objects are applied
    in order: a second object for the same lead changes what the first has written. If several calls at once send the
    same new address, or the same value of the key, one of them creates the lead and the others change it.

    `expected` is as in updateLeads. An object with `expected` creates no lead: if the lead does not exist, it gets 404.
    """
    by = await _unique_field(context, key) if key not in _STANDARD_KEYS else None
    hooks = msgspec.structs.replace(_UPSERT_HOOKS, check=_check_key(key)) if key else _UPSERT_HOOKS
    return await writes.upsert(context, LEAD, objects, hooks, by=by)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/leads.md#deleteleads",
    differs="bare ids are accepted as well as `{id}`; an unknown id gets 302",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [
                {"success": True, "error": None},
                {"success": False, "error": {"code": 302, "message": "No table rows affected", "data": []}},
            ],
            "A lead, and an id that no lead has.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def delete_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(LEAD, "The leads, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 leads, by id.

    An email address is not accepted as a key. The addresses of the leads are free at once. Notes about nothing else are
    deleted too; tasks stay. restoreLeads brings the leads back for 30 days, unless your company has another retention
    period.
    """
    return await writes.delete(context, LEAD, objects, HOOKS)
