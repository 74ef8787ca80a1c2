"""Erasing leads for good, and the receipts that remain: eraseLeads and getErasures (our own)."""

from collections.abc import Mapping
from typing import Annotated, cast

from springhead.methods import reads
from springhead.methods.bulk.writes import WRITE_ERRORS, id_of
from springhead.methods.examples import GIVEN, failed
from springhead.methods.reads import Limit, Offset
from springhead.model.kit.errors import ApiError, InvalidParameters, Json, NoSuchRecord, UnexpectedArray
from springhead.model.leads.leads import LEAD, email_key
from springhead.model.leads.personal_data import ERASURE
from springhead.rpc.context import Context
from springhead.rpc.key_params import OneOrMore, Text, TooMany
from springhead.rpc.method import Done, Example, Outcomes, Reads, Rows, Writes, erased, method, refused
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
            "By address; and a lead that there never was.",
            given=GIVEN,
        ),
    ],
)
async def erase_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(LEAD, "The leads, each as `{id}`, `{emailAddress}` or the bare id.")],
) -> Outcomes:
    """Erase up to 500 leads with everything that is held on them; nothing brings them back.

    The lead goes, with its timeline and history, list memberships, links to opportunities, calls, files, page views and
    visitors, and the notes and tasks that are about nothing else. What is about something else as well (opportunities,
    and notes or tasks that name an account, too) stays and names the lead no more: look at its text. A lead that was
    deleted before is erased out of the recycle bin too, by its `id` or address, and by its `id` as long as its timeline
    remains; with a lead go those that were merged into it, each with a receipt of its own, whichever of the ids is
    sent.

    What is kept is a receipt (getErasures), whose id is in `receipts`, and one entry in the change feed, of kind
    `erase`, so that copies delete the lead as well: neither says anything about the person. A timeline of more than
    5,000 events goes within seconds of the answer; `doneTimestamp` of the receipt says when it was gone. A lead that
    was erased before is a success with its old receipt; one that there never was is refused with 404. With an `id`,
    `emailAddress` does not count. The address is free again.
    """
    wanted = [_wanted(one) for one in objects]
    keys = [one for one in wanted if isinstance(one, str)]
    async with context.tx() as tx, tx.atomic():
        addressed = await erasing.by_address(tx, context.company.id, keys)
        meant = [_meant(one, addressed) for one in wanted]
        ids = {lead_id for several in meant for lead_id in several}
        found = await erasing.erase(tx, context.company.id, sorted(ids), key_id=context.key_id)
    if not found.done:
        await context.server.jobs.finish(context.company.id)
    outcomes: list[Done] = []
    for one, several in zip(wanted, meant, strict=True):
        receipts = sorted({receipt for lead_id in several for receipt in found.receipts.get(lead_id, ())})
        if isinstance(one, ApiError):
            outcomes.append(refused(one))
        else:
            outcomes.append(erased(receipts) if receipts else refused(NoSuchRecord()))
    return Outcomes(outcomes)


def _meant(one: int | str | ApiError, addressed: Mapping[str, list[int]]) -> list[int]:
    if isinstance(one, str):
        return addressed.get(one, [])
    return [one] if isinstance(one, int) else []


def _wanted(one: Json) -> int | str | ApiError:
    """The id, or the normalised address, that an object names, or why it names none."""
    if not isinstance(one, dict) or "id" in one or "emailAddress" not in one:
        return id_of(one, LEAD)
    address, column = one["emailAddress"], LEAD.by_name["emailAddress"]
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
            "Whether an address is that of somebody who was erased.",
            given=(
                *GIVEN,
                Example({"objects": [{"id": "{lead}"}]}, [_ERASED], method="eraseLeads"),
            ),
        )
    ],
)
async def get_erasures(
    context: Context,
    *,
    lead_id: Annotated[
        list[int] | None, OneOrMore(f"Only of this lead, or of a list of up to {PAGE}.", most=PAGE, excess=TooMany)
    ] = None,
    email_address: Annotated[str | None, Text("Only of leads that had this address when they were erased.")] = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the receipts of erased leads, oldest first.

    `keyID` is the API key that called, `erased` how many objects of each kind went, `kept` how many stay because they
    are about something else, too, and name the lead no more. `doneTimestamp` is null while a long timeline is going. Of
    the address a receipt has a keyed hash, which only tells whether one that you have is the same: so you notice when
    somebody who was erased is about to be imported again.
    """
    key = None if email_address is None else email_key(email_address)
    async with context.tx() as tx:
        rows = await erasing.receipts(
            tx, context.company.id, lead_ids=lead_id, email_key=key, zone=context.zone_name, limit=limit, offset=offset
        )
    return Rows([reads.documents(ERASURE, row) for row in rows])
