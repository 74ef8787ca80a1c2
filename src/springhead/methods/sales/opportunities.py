"""Opportunities: possible sales, and what they make of their leads (docs/wire/sales.md#opportunities)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, EVER, NOTHING, row
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
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.leads import lead_status
from springhead.store.sales import notes, opportunities
from springhead.store.sales.opportunities import State

_OBJECTS = "The opportunities, each a hash by system name; 500 a call at most."
_NEW = {"opportunityName": "A new roof", "dealStageID": "{dealStage}", "closeDate": "2030-01-31", "amount": 12500}
_GIVEN = (*deal_stages.GIVEN, Example({"objects": [_NEW]}, [CREATED], method="createOpportunities"))
_ROW = row(
    OPPORTUNITY,
    dealStageID=...,
    opportunityName="A new roof",
    probability="40",
    amount="12500",
    closeDate="2030-01-31 00:00:00",
)
_NAMING = ("primaryLeadID", "originatingLeadID")
_MOVING = (*_NAMING, "isClosed", "isWon", "isActive")
"""What can change links or the status of leads; a deal stage that changes is no more than told to them."""


def _examine(one: Any) -> InvalidParameters | None:
    """Won is closed: complete what was not sent, refuse what contradicts itself."""
    if one.isWon is True and one.isClosed is False:
        return InvalidParameters(OPPORTUNITY.by_name["isClosed"].problem("A won opportunity is closed"))
    if one.isWon is True:
        one.isClosed = True
    elif one.isClosed is False:
        one.isWon = False
    return None


def _named(objects: Sequence[Any]) -> set[int]:
    """The leads that objects name."""
    return {lead for one in objects for name in _NAMING if isinstance(lead := getattr(one, name), int)}


class _Followed:
    """What one call does to opportunities: what they were before it, and what follows for their leads."""

    def __init__(self) -> None:
        self._naming = False
        self._before: Mapping[int, State] = {}
        self._leads: set[int] = set()

    @property
    def creating(self) -> Hooks:
        """The hooks of a create."""
        return Hooks(check=_examine, before_write=self._before_create, after_write=self._created)

    @property
    def updating(self) -> Hooks:
        """The hooks of an update."""
        return Hooks(check=_examine, before_write=self._before_update, after_write=self._updated)

    @property
    def deleting(self) -> Hooks:
        """The hooks of a delete."""
        return Hooks(before_delete=self._before_delete, after_delete=self._deleted)

    async def _before_create(self, context: Context, tx: Tx, _fields: FieldSet, objects: Sequence[Any]) -> None:
        named = _named(objects)
        self._naming = bool(named)
        await lead_status.lock(tx, context.company.id, named)

    async def _created(self, context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
        if self._naming:
            await opportunities.after_write(tx, context.company.id, fields, ids)

    async def _before_update(self, context: Context, tx: Tx, _fields: FieldSet, objects: Sequence[Any]) -> None:
        self._before = {}
        ids = [one.id for one in objects if isinstance(one.id, int)]
        if any(getattr(one, name) is not UNSET for one in objects for name in _MOVING):
            await opportunities.lock_with_leads(tx, context.company.id, ids, named=_named(objects))
        elif any(one.dealStageID is not UNSET for one in objects):
            await opportunities.lock(tx, context.company.id, ids)
        else:
            return
        self._before = await opportunities.states(tx, context.company.id, ids)

    async def _updated(self, context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
        if self._before:
            await opportunities.after_write(tx, context.company.id, fields, ids, self._before)

    async def _before_delete(self, context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
        links = await opportunities.lock_with_leads(tx, context.company.id, ids)
        self._leads = {link.lead_id for link in links}
        await opportunities.unlink(tx, context.company.id, opportunity_ids=ids)

    async def _deleted(self, context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
        await lead_status.refresh(tx, context.company.id, fields, self._leads)
        await notes.detach(tx, context.company.id, "opportunity", ids)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    section="docs/wire/sales.md#opportunities",
    examples=[
        Example({"objects": [_NEW]}, [CREATED], "What a new roof may bring, until when.", given=deal_stages.GIVEN)
    ],
)
async def create_opportunities(
    context: Context, *, objects: Annotated[list[Json], Objects(OPPORTUNITY, _OBJECTS)]
) -> Outcomes:
    """Create up to 500 opportunities and say, for each, whether it was created.

    `opportunityName`, `dealStageID` and `closeDate` are required; `probability` is that of the deal stage when not
    given. `isWon` 1 means `isClosed` 1. The leads of `primaryLeadID` and `originatingLeadID` are linked to it, as
    createOpportunityLeads does: an open opportunity (not closed, and active) makes its leads contactWithOpp, a won
    one makes them customers.
    """
    return await writes.create(context, OPPORTUNITY, objects, _Followed().creating)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/sales.md#opportunities",
    examples=[
        Example({"objects": [{"id": "{id}", "isWon": 1}]}, [DONE], "It is won, and so closed.", given=_GIVEN),
        Example({"objects": [{"id": 1, "isWon": 1}]}, [NOTHING], "An id that no opportunity has."),
    ],
)
async def update_opportunities(
    context: Context, *, objects: Annotated[list[Json], Objects(OPPORTUNITY, _OBJECTS)]
) -> Outcomes:
    """Change up to 500 opportunities, each found by its `id`.

    What is given overwrites, what is not given stays. `isWon` 1 closes it and makes its leads customers; `isClosed`
    0 opens it again and takes back that it was won, but its leads stay customers. When the last open opportunity of
    a lead is closed or set inactive, the lead goes from contactWithOpp to contact. An opportunity that is not there, or
    that is already as asked for, gets 302.
    """
    return await writes.update(context, OPPORTUNITY, objects, _Followed().updating)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/sales.md#opportunities",
    examples=[Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING], "An opportunity.", given=_GIVEN)],
)
async def delete_opportunities(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(OPPORTUNITY, "The opportunities, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete up to 500 opportunities for good, by id.

    Their leads stay, linked to them no more: one without another open opportunity goes from contactWithOpp to
    contact.
    """
    return await writes.delete(context, OPPORTUNITY, objects, _Followed().deleting)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(OPPORTUNITY),
    section="docs/wire/sales.md#opportunities",
    examples=[Example({"id": "{id}"}, [_ROW], "An opportunity.", given=_GIVEN)],
)
async def get_opportunity(context: Context, *, id: Id) -> Rows:
    """Read one opportunity by its id: a list of one, or an empty one when there is none."""
    return await reads.get(context, OPPORTUNITY, id)


@method(
    UnexpectedArray,
    result=Reads(OPPORTUNITY),
    section="docs/wire/sales.md#opportunities",
    examples=[
        Example({"where": {"dealStageID": "{dealStage}"}}, [_ROW], "Those in one deal stage.", given=_GIVEN),
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
) -> Rows:
    """Read a page of the opportunities that match all filters, in the order of their ids.

    Closed and inactive ones are among them.
    """
    return await reads.listing(context, OPPORTUNITY, where, limit=limit, offset=offset)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(OPPORTUNITY),
    section="docs/wire/sales.md#opportunities",
    examples=[Example({**EVER, "timestamp": "create"}, [_ROW], "All of a range.", given=_GIVEN)],
)
async def get_opportunities_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the opportunities that were created or updated between two times, both included, oldest first."""
    return await reads.ranged(context, OPPORTUNITY, (start_date, end_date), timestamp, limit=limit, offset=offset)
