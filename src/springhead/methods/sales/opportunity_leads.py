"""Links of opportunities and leads (docs/wire/sales.md#links-to-leads)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from springhead.methods import reads
from springhead.methods.bulk import merged_ids, writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, EVER, GIVEN, NOTHING, TAKEN, row
from springhead.methods.reads import End, Id, Limit, LongLimit, Offset, Stamp, Start
from springhead.methods.sales import deal_stages
from springhead.model.kit.errors import (
    EntryExists,
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
    UnknownReference,
    WrongValue,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.sales.opportunities import OPPORTUNITY_LEAD
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.leads import lead_status
from springhead.store.sales import opportunities
from springhead.store.sales.opportunities import Link

_OBJECTS = "The links, each a hash of `opportunityID` and `leadID`; 500 a call at most."
_ROOF = {"opportunityName": "A new roof", "dealStageID": "{dealStage}", "closeDate": "2030-01-31"}
_PAIR = {"opportunityID": "{opportunity}", "leadID": "{lead}"}
_BOTH = (*GIVEN, *deal_stages.GIVEN, Example({"objects": [_ROOF]}, [CREATED], method="createOpportunities"))
_LINKED = (*_BOTH, Example({"objects": [_PAIR]}, [CREATED], method="createOpportunityLeads"))
_ROW = row(OPPORTUNITY_LEAD, opportunityID=..., leadID=...)


async def _before(context: Context, tx: Tx, _fields: FieldSet, objects: Sequence[Any]) -> None:
    await opportunities.lock_shared(tx, context.company.id, {one.opportunityID for one in objects})
    await lead_status.lock(tx, context.company.id, {one.leadID for one in objects})


async def _linked(context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
    new = await opportunities.links_by_id(tx, context.company.id, ids)
    await opportunities.after_link(tx, context.company.id, fields, new)


class _Unlinked:
    """What one call takes apart."""

    def __init__(self) -> None:
        self._links: Sequence[Link] = ()
        self.hooks = Hooks(before_delete=self._before, after_delete=self._deleted)

    async def _before(self, context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
        meant = await opportunities.links_by_id(tx, context.company.id, ids)
        await opportunities.lock(tx, context.company.id, {link.opportunity_id for link in meant})
        await lead_status.lock(tx, context.company.id, {link.lead_id for link in meant})
        self._links = await opportunities.links_by_id(tx, context.company.id, ids)

    async def _deleted(self, context: Context, tx: Tx, fields: FieldSet, _ids: Sequence[int]) -> None:
        await opportunities.clear_unlinked(tx, context.company.id, self._links)
        await lead_status.refresh(tx, context.company.id, fields, {link.lead_id for link in self._links})


@method(
    *WRITE_ERRORS,
    EntryExists,
    UnknownReference,
    result=Writes("creates"),
    section="docs/wire/sales.md#links-to-leads",
    examples=[
        Example({"objects": [_PAIR]}, [CREATED], "One more lead that has to do with it.", given=_BOTH),
        Example({"objects": [_PAIR]}, [TAKEN], "A link that is there already.", given=_LINKED),
    ],
)
async def create_opportunity_leads(
    context: Context, *, objects: Annotated[list[Json], Objects(OPPORTUNITY_LEAD, _OBJECTS)]
) -> Outcomes:
    """Link leads to opportunities, up to 500 pairs, and say, for each, whether it was linked.

    One opportunity can have many leads, and a lead many opportunities; a pair that is linked already is 301. A lead
    with an open opportunity (not closed, and active) becomes contactWithOpp, one with a won opportunity a customer.
    """
    return await writes.create(context, OPPORTUNITY_LEAD, objects, Hooks(before_write=_before, after_write=_linked))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/sales.md#links-to-leads",
    examples=[Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING], "A link.", given=_LINKED)],
)
async def delete_opportunity_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(OPPORTUNITY_LEAD, "The links, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Take up to 500 links away, by the id of the link; lead and opportunity stay.

    The opportunity no longer names the lead as primary or originating. A lead without another open opportunity goes
    from contactWithOpp to contact.
    """
    return await writes.delete(context, OPPORTUNITY_LEAD, objects, _Unlinked().hooks)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(OPPORTUNITY_LEAD),
    section="docs/wire/sales.md#links-to-leads",
    examples=[Example({"id": "{id}"}, [_ROW], "A link.", given=_LINKED)],
)
async def get_opportunity_lead(context: Context, *, id: Id) -> Rows:
    """Read one link by its id: a list of one, or an empty one when there is none."""
    return await reads.get(context, OPPORTUNITY_LEAD, id)


@method(
    UnexpectedArray,
    result=Reads(OPPORTUNITY_LEAD, generated="getWhereopportunityLeads"),
    section="docs/wire/sales.md#links-to-leads",
    examples=[
        Example({"where": {"leadID": "{lead}"}}, [_ROW], "The opportunities of a lead.", given=_LINKED),
    ],
)
async def get_opportunity_leads(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(OPPORTUNITY_LEAD, "leadID", "opportunityID", "id", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read a page of the links that match all filters, in the order of their ids."""

    async def read(where: Mapping[str, Json]) -> Rows:
        return await reads.listing(context, OPPORTUNITY_LEAD, where, limit=limit, offset=offset, ahead=True)

    return await merged_ids.following(context, where, read, shown={"leadID": ("leadID",)})


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(OPPORTUNITY_LEAD),
    section="docs/wire/sales.md#links-to-leads",
    examples=[Example({**EVER, "timestamp": "create"}, [_ROW], "All of a range.", given=_LINKED)],
)
async def get_opportunity_leads_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the links that were made between two times, both included, oldest first; a link never changes."""
    return await reads.ranged(context, OPPORTUNITY_LEAD, (start_date, end_date), timestamp, limit=limit, offset=offset)
