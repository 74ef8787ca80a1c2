"""Campaigns (docs/wire/sales.md#campaigns)."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import CREATED, DONE, EVER, NOTHING, row
from springhead.methods.reads import End, Id, Limit, LongLimit, Offset, Stamp, Start
from springhead.model.kit.errors import (
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
    UnknownReference,
    WrongValue,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.sales.campaigns import CAMPAIGN
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.capture import forms
from springhead.store.database.pool import Tx
from springhead.store.sales import references

_OBJECTS = "The campaigns, each a hash by system name; 500 a call at most."
_NAME = "Spring fair"
_GIVEN = (Example({"objects": [{"campaignName": _NAME, "price": "99.5"}]}, [CREATED], method="createCampaigns"),)
_ROW = row(CAMPAIGN, campaignName=_NAME, price="99.5")
_TYPES = "lengths and types of the columns are our choice, for the vendor's are not known"


async def _after_delete(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await references.detach(tx, context.company.id, "campaign", ids)
    await forms.detach(tx, context.company.id, campaigns=ids)


_HOOKS = writes.Hooks(after_delete=_after_delete, starts_jobs=True)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    section="docs/wire/sales.md#campaigns",
    differs=_TYPES,
    examples=[
        Example(
            {"objects": [{"campaignName": _NAME, "price": "99.5", "startDate": "2026-04-01 09:00:00", "isActive": 1}]},
            [CREATED],
            "One new campaign.",
        )
    ],
)
async def create_campaigns(
    context: Context, *, objects: Annotated[list[Json], Objects(CAMPAIGN, _OBJECTS)]
) -> Outcomes:
    """Create up to 500 campaigns and say, for each, whether it was created.

    `campaignName` is required; two campaigns can have the same one. A campaign `isActive` unless you say otherwise.
    `startDate` and `endDate` are in the zone of the call: your company's at v1, UTC at v1.2; a date alone is its
    first second. `price`, `goal` and `otherCosts` are kept exactly as sent, up to 14 digits before the point and 10
    after it. A refused campaign does not stop the others.
    """
    return await writes.create(context, CAMPAIGN, objects)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/sales.md#campaigns",
    differs=_TYPES,
    examples=[
        Example({"objects": [{"id": "{id}", "isActive": 0}]}, [DONE], "It is over.", given=_GIVEN),
        Example({"objects": [{"id": 1, "isActive": 0}]}, [NOTHING], "An id that no campaign has."),
    ],
)
async def update_campaigns(
    context: Context, *, objects: Annotated[list[Json], Objects(CAMPAIGN, _OBJECTS)]
) -> Outcomes:
    """Change up to 500 campaigns, each found by its `id`.

    What is given overwrites, what is not given stays; null takes a number, a date or the owner away. A campaign
    that is not there, or that is already as asked for, gets 302.
    """
    return await writes.update(context, CAMPAIGN, objects)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/sales.md#campaigns",
    examples=[Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING], "A campaign.", given=_GIVEN)],
)
async def delete_campaigns(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(CAMPAIGN, "The campaigns, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete up to 500 campaigns for good, by id.

    Their leads and opportunities stay and belong to no campaign from then on; where there are tens of thousands
    of them, that takes some seconds more than the call.
    """
    return await writes.delete(context, CAMPAIGN, objects, _HOOKS)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(CAMPAIGN),
    section="docs/wire/sales.md#campaigns",
    differs="`ownerID`, by which campaigns can be filtered, is a column too, and the last one",
    examples=[Example({"id": "{id}"}, [_ROW], "A campaign.", given=_GIVEN)],
)
async def get_campaign(context: Context, *, id: Id) -> Rows:
    """Read one campaign by its id: a list of one, or an empty one when there is none."""
    return await reads.get(context, CAMPAIGN, id)


@method(
    UnexpectedArray,
    result=Reads(CAMPAIGN),
    section="docs/wire/sales.md#campaigns",
    differs="`ownerID`, by which campaigns can be filtered, is a column too, and the last one",
    examples=[Example({"where": {}, "limit": 500, "offset": 0}, [_ROW], "All of them.", given=_GIVEN)],
)
async def get_campaigns(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(CAMPAIGN, "id", "ownerID", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read a page of the campaigns that match all filters, active or not, in the order of their ids."""
    return await reads.listing(context, CAMPAIGN, where, limit=limit, offset=offset)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(CAMPAIGN),
    section="docs/wire/sales.md#campaigns",
    differs="`ownerID`, by which campaigns can be filtered, is a column too, and the last one",
    examples=[Example({**EVER, "timestamp": "create"}, [_ROW], "All of a range.", given=_GIVEN)],
)
async def get_campaigns_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the campaigns that were created or updated between two times, both included, oldest first.

    The range is about when a campaign was stored or changed here, not about its own `startDate` and `endDate`.
    """
    return await reads.ranged(context, CAMPAIGN, (start_date, end_date), timestamp, limit=limit, offset=offset)
