"""Leads: create, change and delete them (docs/wire/leads.md)."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET

from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import CREATED, GIVEN, TAKEN, failed
from springhead.model.kit.errors import (
    EntryExists,
    InvalidParameters,
    Json,
    NoSuchRecord,
    NothingChanged,
    Problem,
    UnknownReference,
)
from springhead.model.kit.fields import Field, FieldSet
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context
from springhead.rpc.key_params import Text
from springhead.rpc.method import Example, Outcomes, Writes, method, refused
from springhead.rpc.params import Objects
from springhead.store.capture import visitors
from springhead.store.database.pool import Tx
from springhead.store.leads import lead_status
from springhead.store.lifecycle import recycling
from springhead.store.lists import filtered_lists, members
from springhead.store.sales import notes, opportunities

_WRITE_ERRORS = (*WRITE_ERRORS, EntryExists, UnknownReference)
_OBJECTS = "The leads, each a hash by system name; 500 a call at most."


async def _then(context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
    await filtered_lists.update_members(tx, context.company.id, fields, ids)


async def _before_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> Sequence[int]:
    await opportunities.clear_named_leads(tx, context.company.id, ids)
    held = await members.lock_leads(tx, context.company.id, ids)
    await opportunities.detach_leads(tx, context.company.id, held)
    await recycling.bin_belongings(tx, context.company.id, held)
    await members.delete_memberships(tx, context.company.id, held)
    return held


async def _after_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await notes.detach(tx, context.company.id, "lead", ids)
    await recycling.schedule_purge(tx, context.company.id)


async def _visited(context: Context, tx: Tx, links: Sequence[tuple[int, str]]) -> None:
    await visitors.link_leads(tx, context.company.id, links)


async def _status_set(context: Context, tx: Tx, changed: Sequence[tuple[int, str]]) -> None:
    """A customer who is made something else and has an open opportunity is a contact with one."""
    leads = [lead for lead, status in changed if status != "customer"]
    await lead_status.refresh(tx, context.company.id, await context.fields(tx), leads)


HOOKS = writes.Hooks(
    after_write=_then,
    after_write_applies=lambda fields: bool(fields.list_filters),
    before_delete=_before_delete,
    after_delete=_after_delete,
    after_values={"trackingID": _visited},
)
_UPDATING = msgspec.structs.replace(HOOKS, after_values={**HOOKS.after_values, "leadStatus": _status_set})


def _named(one: Any) -> InvalidParameters | None:
    """205 for a lead that nothing says which it is."""
    if one.id is UNSET and one.emailAddress is UNSET:
        return InvalidParameters(LEAD.by_name["emailAddress"].problem("Required parameter is missing"))
    return None


_UPSERTING = msgspec.structs.replace(_UPDATING, check=_named)
_UPSERTED = {"success": True, "error": None, "id": ..., "created": True}
_WITHOUT = refused(InvalidParameters(LEAD.by_name["emailAddress"].problem("Required parameter is missing")))
_IDENTITIES = ("", "id", "emailAddress")


async def _by(context: Context, key: str) -> Field:
    """The unique field of that name; 205 when there is none, or not yet."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
        found = fields.unique_fields.get(key)
        if found is None or not found.unique_filled:
            await context.verify(tx, fields)
            message = "The values that leads have are still being gone through" if found else "Expected a unique field"
            known = [name for name, field in fields.unique_fields.items() if field.unique_filled]
            raise InvalidParameters(Problem(param="key", message=message), validParams=[*_IDENTITIES[1:], *known])
        return found


def _keyed(key: str) -> Callable[[Any], InvalidParameters | None]:
    """What examines objects that are found by `key` and by nothing else."""

    def examine(one: Any) -> InvalidParameters | None:
        value = getattr(one, key, UNSET)
        if value is UNSET or value is None or (isinstance(value, str) and not value.strip()):
            column = LEAD.by_name.get(key)
            message = "Required parameter is missing"
            return InvalidParameters(column.problem(message) if column else Problem(param=key, message=message))
        if key != "id" and one.id is not UNSET:
            return InvalidParameters(LEAD.by_name["id"].problem(f"Not together with the key {key}"))
        return None

    return examine


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
            "An address that is taken, whatever its case; the other lead goes through.",
            given=GIVEN,
        ),
    ],
)
async def create_leads(context: Context, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> Outcomes:
    """Create up to 500 leads and say, for each, whether it was created.

    `emailAddress` is required and unique in your company, whatever its case, inactive leads included: a
    taken one is refused with 301. `id`, `updateTimestamp`, `createTimestamp` and the flags that follow
    from `leadStatus` are ignored. `leadStatus` is `unqualified` when not given. A `trackingID` is the value of a
    visitor's cookie `__ss_tk`: what the visitor has seen joins the timeline. A refused lead does not stop the
    others; outcomes come back in the order sent.
    """
    return await writes.create(context, LEAD, objects, HOOKS)


@method(
    *_WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/leads.md#updateleads",
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
async def update_leads(context: Context, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> Outcomes:
    """Change up to 500 leads, each found by `id`, or by `emailAddress` when it has no `id`.

    What is given overwrites, what is not given stays; with an `id`, `emailAddress` is the new address.
    A lead that is not there is answered with success, as the vendor does (updateLeadsV2 says 404). A lead
    that is already as asked for gets 302. Objects work one after the other: two may change the same lead. A new
    `trackingID` links the visitor to this lead from now on, and brings what it saw before it had one.
    """
    return await writes.update(context, LEAD, objects, _UPDATING, missing=None)


@method(
    *_WRITE_ERRORS,
    NothingChanged,
    NoSuchRecord,
    result=Writes("updates"),
    section="docs/wire/leads.md#updateleadsv2",
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
async def update_leads_v2(context: Context, *, objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)]) -> Outcomes:
    """Change up to 500 leads as updateLeads does, and answer 404 for those that do not exist.

    404 also answers an object with neither `id` nor a known `emailAddress`.
    """
    return await writes.update(context, LEAD, objects, _UPDATING, missing=NoSuchRecord())


@method(
    *_WRITE_ERRORS,
    NoSuchRecord,
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
            [{**_UPSERTED, "created": False}, _UPSERTED],
            "A lead that is there, whatever the case of its address, and one that is new.",
            given=GIVEN,
        ),
        Example(
            {"objects": [{"id": 1, "title": "CEO"}]},
            [failed(404, "A record with that ID does not exist")],
            "An id that no lead has.",
        ),
        Example(
            {"objects": [{"emailAddress": "lead.two@example.com"}, {"id": 1}], "key": "emailAddress"},
            [_UPSERTED, _WITHOUT],
            "By the address alone.",
        ),
    ],
)
async def upsert_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(LEAD, _OBJECTS)],
    key: Annotated[str, Text("By what leads are found: `id`, `emailAddress` or a unique field.", length=255)] = "",
) -> Outcomes:
    """Make up to 500 leads be as asked for: each is changed when it is there, else created.

    A lead is found by `id`, or by `emailAddress` when it has no `id`; one of them is required. An address that no lead
    has makes a new one, an unknown `id` is refused with 404. With an `id`, `emailAddress` is the new address, and that
    of another lead is refused with 301. All else is as in createLeads and updateLeads, but that a lead which is already
    as asked for is a success.

    With `key`, a custom field that is unique (createFields), leads are found by its value, which every object must
    have, and by nothing else; `emailAddress` is required where a lead is new, and else the new address.

    The outcome of each has its `id`, and in `created` whether it is new. Objects work one after the other: a second one
    for the same lead changes what the first has made. Calls that race for an address, or for a value of the key, make
    one lead: one of them creates, the others change it.
    """
    by = await _by(context, key) if key not in _IDENTITIES else None
    hooks = msgspec.structs.replace(_UPSERTING, check=_keyed(key)) if key else _UPSERTING
    return await writes.upsert(context, LEAD, objects, hooks, by=by)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/leads.md#deleteleads",
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
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(LEAD, "The leads, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete up to 500 leads, by id.

    An email address does not work as a key. Their addresses are free again at once. Notes about nothing else
    go with them; tasks stay. For 30 days restoreLeads brings them back, unless your company keeps them otherwise.
    """
    return await writes.delete(context, LEAD, objects, HOOKS)
