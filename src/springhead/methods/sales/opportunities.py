"""Opportunities: possible sales, and their effect on leads (docs/wire/sales.md#opportunities)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import ALL_TIME, CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import End, Id, Limit, LongLimit, Offset, Stamp, Start
from springhead.methods.sales import deal_stages
from springhead.model.kit.errors import (
    InvalidParameters,
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
    UnknownReference,
    WrongValue,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.sales.opportunities import OPPORTUNITY
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.leads import lead_status
from springhead.store.sales import notes, opportunities
from springhead.store.sales.opportunities import OpportunityState

_OBJECTS = "The opportunities, each a hash of system names and values; at most 500 per call."
_NEW = {"opportunityName": "A new roof", "dealStageID": "{dealStage}", "closeDate": "2030-01-31", "amount": 12500}
_GIVEN = (*deal_stages.GIVEN_STAGE, Example({"objects": [_NEW]}, [CREATED], method="createOpportunities"))
_ROW = row(
    OPPORTUNITY,
    dealStageID=...,
    opportunityName="A new roof",
    probability="40",
    amount="12500",
    closeDate="2030-01-31 00:00:00",
)
_LEAD_REFERENCES = ("primaryLeadID", "originatingLeadID")
_STATUS_COLUMNS = (*_LEAD_REFERENCES, "isClosed", "isWon", "isActive")
"""The columns that can change links to leads, or the status of leads. A new deal stage only adds timeline events."""


def _check(record: Any) -> InvalidParameters | None:
    """Closes an opportunity that is won. Returns 205 if an object sends `isWon` 1 with `isClosed` 0."""
    if record.isWon is True and record.isClosed is False:
        return InvalidParameters(OPPORTUNITY.by_name["isClosed"].problem("A won opportunity is closed"))
    if record.isWon is True:
        record.isClosed = True
    elif record.isClosed is False:
        record.isWon = False
    return None


def _named_leads(records: Sequence[Any]) -> set[int]:
    """Returns the ids of the leads to which the objects refer."""
    return {lead for record in records for name in _LEAD_REFERENCES if isinstance(lead := getattr(record, name), int)}


class _LeadUpdates:
    """The hooks of one write of opportunities. They remember the state before it, and update the leads after it."""

    def __init__(self) -> None:
        self._names_leads = False
        self._before: Mapping[int, OpportunityState] = {}
        self._leads: set[int] = set()

    @property
    def creating(self) -> Hooks:
        """The hooks of a create."""
        return Hooks(check=_check, before_write=self._lock_named_leads, after_write=self._after_create)

    @property
    def updating(self) -> Hooks:
        """The hooks of an update."""
        return Hooks(check=_check, before_write=self._before_update, after_write=self._after_update)

    @property
    def deleting(self) -> Hooks:
        """The hooks of a delete."""
        return Hooks(before_delete=self._before_delete, after_delete=self._after_delete)

    async def _lock_named_leads(self, context: Context, tx: Tx, _fields: FieldSet, records: Sequence[Any]) -> None:
        named = _named_leads(records)
        self._names_leads = bool(named)
        await lead_status.lock(tx, context.company.id, named)

    async def _after_create(self, context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
        if self._names_leads:
            await opportunities.after_write(tx, context.company.id, fields, ids)

    async def _before_update(self, context: Context, tx: Tx, _fields: FieldSet, records: Sequence[Any]) -> None:
        self._before = {}
        ids = [record.id for record in records if isinstance(record.id, int)]
        if any(getattr(record, name) is not UNSET for record in records for name in _STATUS_COLUMNS):
            await opportunities.lock_with_leads(tx, context.company.id, ids, named=_named_leads(records))
        elif any(record.dealStageID is not UNSET for record in records):
            await opportunities.lock(tx, context.company.id, ids)
        else:
            return
        self._before = await opportunities.states(tx, context.company.id, ids)

    async def _after_update(self, context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
        if self._before:
            await opportunities.after_write(tx, context.company.id, fields, ids, self._before)

    async def _before_delete(self, context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
        links = await opportunities.lock_with_leads(tx, context.company.id, ids)
        self._leads = {link.lead_id for link in links}
        await opportunities.unlink(tx, context.company.id, opportunity_ids=ids)

    async def _after_delete(self, context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
        await lead_status.refresh(tx, context.company.id, fields, self._leads)
        await notes.detach(tx, context.company.id, "opportunity", ids)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    section="docs/wire/sales.md#opportunities",
    examples=[Example({"objects": [_NEW]}, [CREATED], "A new opportunity.", given=deal_stages.GIVEN_STAGE)],
)
async def create_opportunities(
    context: Context, *, objects: Annotated[list[Json], Objects(OPPORTUNITY, _OBJECTS)]
) -> WriteResult:
    """Creates up to 500 opportunities and returns, for each, whether it was created.

    `opportunityName`, `dealStageID` and `closeDate` are required. A `closeDate` without a time, or at 00:00:00, means
    the whole day and is the same day in every time zone. `probability` is that of the deal stage by default. `isWon` 1
    implies `isClosed` 1. The leads `primaryLeadID` and `originatingLeadID` are linked to the opportunity, as
    createOpportunityLeads does. An open opportunity (active and not closed) makes its leads contactWithOpp; a won
    opportunity makes them customers.
    """
    return await writes.create(context, OPPORTUNITY, objects, _LeadUpdates().creating)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/sales.md#opportunities",
    examples=[
        Example(
            {"objects": [{"id": "{id}", "isWon": 1}]},
            [DONE],
            "An opportunity that is won, and therefore closed.",
            given=_GIVEN,
        ),
        Example({"objects": [{"id": 1, "isWon": 1}]}, [NOTHING_CHANGED], "An id that no opportunity has."),
    ],
)
async def update_opportunities(
    context: Context, *, objects: Annotated[list[Json], Objects(OPPORTUNITY, _OBJECTS)]
) -> WriteResult:
    """Changes up to 500 opportunities, each found by its `id`.

    Sent fields overwrite the stored values; other fields stay. `isWon` 1 closes the opportunity and makes its leads
    customers. `isClosed` 0 opens it again and sets `isWon` to 0, but its leads stay customers. If the last open
    opportunity of a lead is closed or becomes inactive, the lead changes from contactWithOpp to contact. An unknown
    opportunity gets 302, and so does an opportunity that already has all sent values.
    """
    return await writes.update(context, OPPORTUNITY, objects, _LeadUpdates().updating)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/sales.md#opportunities",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "An opportunity, and an id that no opportunity has.",
            given=_GIVEN,
        )
    ],
)
async def delete_opportunities(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(OPPORTUNITY, "The opportunities, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 opportunities permanently, by id.

    Their leads stay, and the links to them are deleted. A lead without another open opportunity changes from
    contactWithOpp to contact.
    """
    return await writes.delete(context, OPPORTUNITY, objects, _LeadUpdates().deleting)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(OPPORTUNITY),
    section="docs/wire/sales.md#opportunities",
    examples=[Example({"id": "{id}"}, [_ROW], "An opportunity.", given=_GIVEN)],
)
async def get_opportunity(context: Context, *, id: Id) -> ReadResult:
    """Returns one opportunity by its id: a list of one row, or an empty list if no opportunity has this id."""
    return await reads.get(context, OPPORTUNITY, id)


@method(
    UnexpectedArray,
    result=Reads(OPPORTUNITY),
    section="docs/wire/sales.md#opportunities",
    examples=[
        Example(
            {"where": {"dealStageID": "{dealStage}"}}, [_ROW], "The opportunities of one deal stage.", given=_GIVEN
        ),
    ],
)
async def get_opportunities(
    context: Context,
    *,
    where: Annotated[
        Mapping[str, Json],
        Where(OPPORTUNITY, "id", "ownerID", "dealStageID", "accountID", "campaignID", required=False),
    ] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the opportunities that match all filters, in the order of their ids.

    Closed and inactive opportunities are included.
    """
    return await reads.listing(context, OPPORTUNITY, where, limit=limit, offset=offset)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(OPPORTUNITY),
    section="docs/wire/sales.md#opportunities",
    examples=[
        Example({**ALL_TIME, "timestamp": "create"}, [_ROW], "All opportunities of a range of time.", given=_GIVEN)
    ],
)
async def get_opportunities_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the opportunities that were created or updated between two times, both included, oldest first."""
    return await reads.date_range(context, OPPORTUNITY, (start_date, end_date), timestamp, limit=limit, offset=offset)
