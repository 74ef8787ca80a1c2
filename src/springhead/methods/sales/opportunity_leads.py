"""Links between opportunities and leads (docs/wire/sales.md#links-to-leads)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from springhead.methods import reads
from springhead.methods.bulk import merged_ids, writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import ALL_TIME, CREATED, DONE, GIVEN_LEAD, NOTHING_CHANGED, TAKEN, row
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
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.leads import lead_status
from springhead.store.sales import opportunities
from springhead.store.sales.opportunities import Link

_OBJECTS = "The links, each a hash of `opportunityID` and `leadID`; at most 500 per call."
_ROOF = {"opportunityName": "A new roof", "dealStageID": "{dealStage}", "closeDate": "2030-01-31"}
_PAIR = {"opportunityID": "{opportunity}", "leadID": "{lead}"}
_BOTH = (*GIVEN_LEAD, *deal_stages.GIVEN_STAGE, Example({"objects": [_ROOF]}, [CREATED], method="createOpportunities"))
_LINKED = (*_BOTH, Example({"objects": [_PAIR]}, [CREATED], method="createOpportunityLeads"))
_ROW = row(OPPORTUNITY_LEAD, opportunityID=..., leadID=...)


async def _lock(context: Context, tx: Tx, _fields: FieldSet, records: Sequence[Any]) -> None:
    await opportunities.lock_shared(tx, context.company.id, {record.opportunityID for record in records})
    await lead_status.lock(tx, context.company.id, {record.leadID for record in records})


async def _update_leads(context: Context, tx: Tx, fields: FieldSet, ids: Sequence[int]) -> None:
    links = await opportunities.links_by_id(tx, context.company.id, ids)
    await opportunities.after_link(tx, context.company.id, fields, links)


class _Unlinking:
    """The hooks of one delete of links. They remember the deleted links, to update the leads afterwards."""

    def __init__(self) -> None:
        self._links: Sequence[Link] = ()
        self.hooks = Hooks(before_delete=self._lock, after_delete=self._update_leads)

    async def _lock(self, context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
        links = await opportunities.links_by_id(tx, context.company.id, ids)
        await opportunities.lock(tx, context.company.id, {link.opportunity_id for link in links})
        await lead_status.lock(tx, context.company.id, {link.lead_id for link in links})
        self._links = await opportunities.links_by_id(tx, context.company.id, ids)

    async def _update_leads(self, context: Context, tx: Tx, fields: FieldSet, _ids: Sequence[int]) -> None:
        await opportunities.clear_unlinked(tx, context.company.id, self._links)
        await lead_status.refresh(tx, context.company.id, fields, {link.lead_id for link in self._links})


@method(
    *WRITE_ERRORS,
    EntryExists,
    UnknownReference,
    result=Writes("creates"),
    section="docs/wire/sales.md#links-to-leads",
    examples=[
        Example({"objects": [_PAIR]}, [CREATED], "A link between a lead and an opportunity.", given=_BOTH),
        Example({"objects": [_PAIR]}, [TAKEN], "A link that already exists.", given=_LINKED),
    ],
)
async def create_opportunity_leads(
    context: Context, *, objects: Annotated[list[Json], Objects(OPPORTUNITY_LEAD, _OBJECTS)]
) -> WriteResult:
    """Links leads to opportunities, up to 500 pairs, and returns, for each pair, whether it was linked.

    An opportunity can have many leads, and a lead many opportunities. A pair that is already linked gets 301. A lead
    with an open opportunity (active and not closed) becomes contactWithOpp; a lead with a won opportunity becomes a
    customer.
    """
    return await writes.create(context, OPPORTUNITY_LEAD, objects, Hooks(before_write=_lock, after_write=_update_leads))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/sales.md#links-to-leads",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A link, and an id that no link has.",
            given=_LINKED,
        )
    ],
)
async def delete_opportunity_leads(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(OPPORTUNITY_LEAD, "The links, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 links by the id of the link; the lead and the opportunity stay.

    The opportunity no longer names the lead as its primary or originating lead. A lead without another open opportunity
    changes from contactWithOpp to contact.
    """
    return await writes.delete(context, OPPORTUNITY_LEAD, objects, _Unlinking().hooks)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(OPPORTUNITY_LEAD),
    section="docs/wire/sales.md#links-to-leads",
    examples=[Example({"id": "{id}"}, [_ROW], "A link.", given=_LINKED)],
)
async def get_opportunity_lead(context: Context, *, id: Id) -> ReadResult:
    """Returns one link by its id: a list of one row, or an empty list if no link has this id."""
    return await reads.get(context, OPPORTUNITY_LEAD, id)


@method(
    UnexpectedArray,
    result=Reads(OPPORTUNITY_LEAD, generated_key="getWhereopportunityLeads"),
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
) -> ReadResult:
    """Returns a page of the links that match all filters, in the order of their ids."""

    async def read(where: Mapping[str, Json]) -> ReadResult:
        return await reads.listing(context, OPPORTUNITY_LEAD, where, limit=limit, offset=offset, ahead=True)

    return await merged_ids.read_with_survivors(context, where, read, id_columns={"leadID": ("leadID",)})


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(OPPORTUNITY_LEAD),
    section="docs/wire/sales.md#links-to-leads",
    examples=[Example({**ALL_TIME, "timestamp": "create"}, [_ROW], "All links of a range of time.", given=_LINKED)],
)
async def get_opportunity_leads_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the links that were created between two times, both included, oldest first. A link never changes."""
    return await reads.date_range(
        context, OPPORTUNITY_LEAD, (start_date, end_date), timestamp, limit=limit, offset=offset
    )
