"""Notes about leads, accounts and opportunities (docs/wire/notes-and-tasks.md#notes)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, cast

from springhead.methods import reads
from springhead.methods.bulk import merged_ids, writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, GIVEN_LEAD, NOTHING_CHANGED, row
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.errors import (
    ApiError,
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
    UnknownReference,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD
from springhead.model.sales.accounts import ACCOUNT
from springhead.model.sales.notes import NOTE, check_associations, check_attached
from springhead.model.sales.opportunities import OPPORTUNITY
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Integer, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.nouns import reads as pages
from springhead.store.sales import notes

_OBJECTS = "The notes, each a hash of system names and values; at most 500 per call."
_KEY = "the result key `note` follows the vendor's naming rule; no answer of the vendor was captured"
_ORDER = f"{_KEY}; the order, `limit` and `offset` are our choice"

_TEXT = "Wants to see a demo."
_ABOUT_LEAD: Mapping[str, Json] = {
    "authorID": "{userProfile}",
    "note": _TEXT,
    "whoID": "{lead}",
    "whoType": "lead",
}
_ABOUT_ACCOUNT: Mapping[str, Json] = {
    "authorID": "{userProfile}",
    "note": _TEXT,
    "whatID": "{account}",
    "whatType": "account",
}
_ACCOUNT = (Example({"objects": [{"accountName": "Acme Inc."}]}, [CREATED], method="createAccounts"),)
_NOTE = (*GIVEN_LEAD, Example({"objects": [_ABOUT_LEAD]}, [CREATED], method="createNotes"))
_ACCOUNT_NOTE = (*_ACCOUNT, Example({"objects": [_ABOUT_ACCOUNT]}, [CREATED], method="createNotes"))
_ROW = row(NOTE, authorID=..., note=_TEXT, whoID=..., whoType="lead")
_ACCOUNT_ROW = row(NOTE, authorID=..., note=_TEXT, whatID=..., whatType="account")


async def _add_timeline_events(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await notes.write_note_events(tx, context.company.id, ids)


def _check_new(record: object) -> ApiError | None:
    return check_associations(NOTE, record) or check_attached(record, creating=True)


def _check_changed(record: object) -> ApiError | None:
    return check_associations(NOTE, record) or check_attached(record, creating=False)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    section="docs/wire/notes-and-tasks.md#notes",
    examples=[Example({"objects": [_ABOUT_LEAD]}, [CREATED], "A note about a lead.", given=GIVEN_LEAD)],
)
async def create_notes(context: Context, *, objects: Annotated[list[Json], Objects(NOTE, _OBJECTS)]) -> WriteResult:
    """Creates up to 500 notes and returns, for each, whether it was created.

    `authorID` (a user) and `note` are required, and so is at least one association: `whatID` with `whatType`, `whoID`
    with `whoType`, or both. The types are `lead`, `opportunity` and `account`. An id without its type, a type without
    its id, and a note without an association get 205. An unknown author or associated object gets 303. A refused note
    does not stop the others.
    """
    return await writes.create(context, NOTE, objects, Hooks(check=_check_new, after_write=_add_timeline_events))


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/notes-and-tasks.md#notes",
    examples=[
        Example({"objects": [{"id": "{id}", "pinned": 1}]}, [DONE], "A pinned note.", given=_NOTE),
        Example({"objects": [{"id": 1, "title": "Demo"}]}, [NOTHING_CHANGED], "An id that no note has."),
    ],
)
async def update_notes(context: Context, *, objects: Annotated[list[Json], Objects(NOTE, _OBJECTS)]) -> WriteResult:
    """Changes up to 500 notes, each found by its `id`.

    Sent fields overwrite the stored values; other fields stay. The id and the type of an association change together.
    If both are null, the association is removed; then the same object must set the other association, because a note
    needs one. An unknown note gets 302, and so does a note that already has all sent values.
    """
    return await writes.update(context, NOTE, objects, Hooks(check=_check_changed))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/notes-and-tasks.md#notes",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A note, and an id that no note has.",
            given=_NOTE,
        )
    ],
)
async def delete_notes(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(NOTE, "The notes, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 notes permanently, by id. The leads, accounts and opportunities that they are about stay."""
    return await writes.delete(context, NOTE, objects)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(NOTE),
    section="docs/wire/notes-and-tasks.md#notes",
    differs=_ORDER,
    examples=[Example({"id": "{lead}"}, [_ROW], "The notes of a lead.", given=_NOTE)],
)
async def get_contact_notes(
    context: Context,
    *,
    id: Annotated[int, Integer("The id of the contact, which is a lead of any status.")],
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the notes about one lead: pinned notes first, then the newest first.

    A note counts whether `whoID` or `whatID` names the lead. An unknown id has no notes.
    """
    return await _notes_of(context, "lead", id, limit, offset)


@method(
    UnexpectedArray,
    result=Reads(NOTE),
    section="docs/wire/notes-and-tasks.md#notes",
    differs=_ORDER,
    examples=[Example({"where": {"id": ["{lead}"]}}, [_ROW], "The notes of some leads.", given=_NOTE)],
)
async def get_contacts_notes(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(LEAD, "id", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the notes about the leads with the `id` (a value or a list), in the order of the notes' ids.

    Without `id` it returns the notes about any lead. A note counts whether `whoID` or `whatID` names the lead, and
    appears once.
    """
    return await _notes_where(context, "lead", where, limit, offset)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(NOTE),
    section="docs/wire/notes-and-tasks.md#notes",
    differs=_ORDER,
    examples=[Example({"id": "{account}"}, [_ACCOUNT_ROW], "The notes of an account.", given=_ACCOUNT_NOTE)],
)
async def get_account_notes(
    context: Context,
    *,
    id: Annotated[int, Integer("The account's id.")],
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the notes about one account: pinned notes first, then the newest first.

    Notes about its leads and opportunities do not count. An unknown id has no notes.
    """
    return await _notes_of(context, "account", id, limit, offset)


@method(
    UnexpectedArray,
    result=Reads(NOTE),
    section="docs/wire/notes-and-tasks.md#notes",
    differs=_ORDER,
    examples=[Example({"where": {}, "limit": 500}, [_ACCOUNT_ROW], "The notes of all accounts.", given=_ACCOUNT_NOTE)],
)
async def get_accounts_notes(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(ACCOUNT, "id", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the notes about the accounts with the `id` (a value or a list), in the order of the notes' ids.

    Without `id` it returns the notes about any account.
    """
    return await _notes_where(context, "account", where, limit, offset)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(NOTE),
    section="docs/wire/notes-and-tasks.md#notes",
    differs=_ORDER,
    examples=[Example({"id": 1}, [], "An id that no opportunity has.")],
)
async def get_opportunity_notes(
    context: Context,
    *,
    id: Annotated[int, Integer("The opportunity's id.")],
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the notes about one opportunity: pinned notes first, then the newest first.

    An unknown id has no notes.
    """
    return await _notes_of(context, "opportunity", id, limit, offset)


@method(
    UnexpectedArray,
    result=Reads(NOTE),
    section="docs/wire/notes-and-tasks.md#notes",
    differs=_ORDER,
    examples=[Example({"where": {"id": 1}}, [], "An id that no opportunity has.")],
)
async def get_opportunities_notes(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(OPPORTUNITY, "id", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the notes about the opportunities with the `id` (a value or a list), in the order of the notes' ids.

    Without `id` it returns the notes about any opportunity.
    """
    return await _notes_where(context, "opportunity", where, limit, offset)


async def _notes_of(context: Context, object_type: str, object_id: int, limit: int, offset: int) -> ReadResult:
    return await _about(context, object_type, [object_id], limit, offset, pinned_first=True)


async def _notes_where(
    context: Context, object_type: str, where: Mapping[str, Json], limit: int, offset: int
) -> ReadResult:
    if where:
        ids = where["id"] if isinstance(where["id"], list) else [where["id"]]
        return await _about(context, object_type, cast("Sequence[int]", ids), limit, offset, pinned_first=False)

    async def page(tx: Tx, fields: FieldSet) -> pages.Rows:
        return await pages.page(
            tx,
            context.company.id,
            await reads.select(context, tx, NOTE, fields),
            {},
            context.server.page_starts,
            zone=context.zone_name,
            version=fields.version,
            limit=limit,
            offset=offset,
            condition=notes.about_kind(object_type),
        )

    return ReadResult(await reads.run(context, page))


async def _about(
    context: Context, object_type: str, ids: Sequence[int], limit: int, offset: int, *, pinned_first: bool
) -> ReadResult:
    async def read(where: Mapping[str, Json]) -> ReadResult:
        return ReadResult(await reads.run(context, partial(about, cast("Sequence[int]", where["id"]))))

    async def about(ids: Sequence[int], tx: Tx, fields: FieldSet) -> pages.Rows:
        return await notes.find_about(
            tx,
            context.company.id,
            await reads.select(context, tx, NOTE, fields),
            object_type,
            ids,
            zone=context.zone_name,
            version=fields.version,
            limit=limit,
            offset=offset,
            pinned_first=pinned_first,
        )

    id_columns = {"id": ("whoID", "whatID")} if object_type == "lead" else {}
    return await merged_ids.read_with_survivors(context, {"id": list(ids)}, read, id_columns=id_columns)
