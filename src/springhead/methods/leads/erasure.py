"""eraseLeads and getErasures: erases leads permanently, and keeps receipts. Our addition."""

from collections.abc import Mapping
from typing import Annotated, cast

from springhead.methods import reads
from springhead.methods.bulk.writes import WRITE_ERRORS, id_of
from springhead.methods.examples import GIVEN_LEAD, failed
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.errors import ApiError, InvalidParameters, Json, NoSuchRecord, UnexpectedArray
from springhead.model.leads.leads import LEAD, email_key
from springhead.model.leads.personal_data import ERASURE
from springhead.rpc.context import Context
from springhead.rpc.key_params import OneOrMoreIds, Text, TooManyIds
from springhead.rpc.method import Example, Outcome, ReadResult, Reads, WriteResult, Writes, erased, method, refused
from springhead.rpc.params import PAGE, Objects
from springhead.store.lifecycle import erasing

_SECTION = "own: erasure"
_ERASED: Mapping[str, Json] = {"success": True, "error": None, "receipts": cast("Json", ...)}


@method(
    *WRITE_ERRORS,
    NoSuchRecord,
    result=Writes("erases"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"objects": [{"emailAddress": "Lead.One@example.com"}, {"id": 1}]},
            [_ERASED, failed(404, "A record with that ID does not exist")],
            "A lead by its address, and an id that no lead ever had.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def erase_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(LEAD, "The leads, each as `{id}`, `{emailAddress}` or the bare id.")],
) -> WriteResult:
    """Erases up to 500 leads with all data about them, irreversibly.

    Erased are the lead, its timeline and history, list memberships, links to opportunities, calls, files, page views
    and visitors, and the notes and tasks about nothing else. Opportunities stay, and so do notes and tasks that also
    name another object such as an account; they no longer name the lead. Check their texts for personal data. A deleted
    lead is also erased from the recycle bin, by its `id` or address; after that, by its `id` for as long as its
    timeline remains. Leads that were merged into the lead are erased too, each with its own receipt, whichever of the
    ids is sent.

    A receipt (getErasures) is kept; its id is in `receipts`. The change feed gets an entry of kind `erase`, so that
    copies delete the lead too. Neither contains data about the person. If a timeline has more than 5,000 events, the
    rest is deleted within seconds after the answer; `doneTimestamp` of the receipt says when it was complete. A lead
    that was erased before is a success with its earlier receipt; a lead that never existed is refused with 404. With an
    `id`, `emailAddress` is ignored. The address is free again.
    """
    ids_or_keys = [_id_or_address(record) for record in objects]
    keys = [key for key in ids_or_keys if isinstance(key, str)]
    async with context.tx() as tx, tx.atomic():
        ids_by_key = await erasing.by_address(tx, context.company.id, keys)
        lead_ids = [_lead_ids(key, ids_by_key) for key in ids_or_keys]
        ids = {lead_id for ids_of_object in lead_ids for lead_id in ids_of_object}
        erasure = await erasing.erase(tx, context.company.id, sorted(ids), key_id=context.key_id)
    if not erasure.done:
        await context.server.jobs.finish(context.company.id)
    outcomes: list[Outcome] = []
    for key, ids_of_object in zip(ids_or_keys, lead_ids, strict=True):
        receipts = sorted({receipt for lead_id in ids_of_object for receipt in erasure.receipts.get(lead_id, ())})
        if isinstance(key, ApiError):
            outcomes.append(refused(key))
        else:
            outcomes.append(erased(receipts) if receipts else refused(NoSuchRecord()))
    return WriteResult(outcomes)


def _lead_ids(key: int | str | ApiError, ids_by_key: Mapping[str, list[int]]) -> list[int]:
    """Returns the ids of the leads with this id or normalised address."""
    if isinstance(key, str):
        return ids_by_key.get(key, [])
    return [key] if isinstance(key, int) else []


def _id_or_address(record: Json) -> int | str | ApiError:
    """Returns the id or the normalised address of an object, or an error if it has neither."""
    if not isinstance(record, dict) or "id" in record or "emailAddress" not in record:
        return id_of(record, LEAD)
    address, column = record["emailAddress"], LEAD.by_name["emailAddress"]
    if isinstance(address, (list, dict)):
        return UnexpectedArray(column.problem("Expected a single value"))
    if not isinstance(address, str) or not address.strip() or "\0" in address:
        return InvalidParameters(column.problem("Expected an email address"))
    return email_key(address)


@method(
    UnexpectedArray,
    result=Reads(ERASURE),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"emailAddress": "lead.one@example.com"},
            [
                {
                    "id": ...,
                    "leadID": ...,
                    "keyID": ...,
                    "erased": {"lead": "1", "event": "1"},
                    "kept": {},
                    "createTimestamp": ...,
                    "doneTimestamp": ...,
                }
            ],
            "The receipt of the erased lead that had this address.",
            given=(
                *GIVEN_LEAD,
                Example({"objects": [{"id": "{lead}"}]}, [_ERASED], method="eraseLeads"),
            ),
        )
    ],
)
async def get_erasures(
    context: Context,
    *,
    lead_id: Annotated[
        list[int] | None,
        OneOrMoreIds(f"Only receipts of this lead, or of a list of up to {PAGE} leads.", most=PAGE, excess=TooManyIds),
    ] = None,
    email_address: Annotated[
        str | None, Text("Only receipts of leads that had this address when they were erased.")
    ] = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the receipts of erased leads, oldest first.

    `keyID` is the API key of the call. `erased` counts the erased objects of each kind. `kept` counts the objects that
    stay because they are also about something else; they no longer name the lead. `doneTimestamp` is null while a long
    timeline is being deleted. A receipt keeps a keyed hash of the address: it shows whether an address that you have
    belonged to an erased lead, for example before you import that lead again.
    """
    key = None if email_address is None else email_key(email_address)
    async with context.tx() as tx:
        rows = await erasing.receipts(
            tx, context.company.id, lead_ids=lead_id, email_key=key, zone=context.zone_name, limit=limit, offset=offset
        )
    return ReadResult([reads.decoded(ERASURE, row) for row in rows])
