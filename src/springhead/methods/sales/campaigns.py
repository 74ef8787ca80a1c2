"""Campaigns (docs/wire/sales.md#campaigns)."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import ALL_TIME, CREATED, DONE, NOTHING_CHANGED, row
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
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.capture import forms
from springhead.store.database.pool import Tx
from springhead.store.sales import references

_OBJECTS = "The campaigns, each a hash of system names and values; at most 500 per call."
_NAME = "Spring fair"
_GIVEN = (Example({"objects": [{"campaignName": _NAME, "price": "99.5"}]}, [CREATED], method="createCampaigns"),)
_ROW = row(CAMPAIGN, campaignName=_NAME, price="99.5")
_TYPES = "lengths and types of the columns are our choice, because the vendor's are not known"


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
) -> WriteResult:
    """Creates up to 500 campaigns and returns, for each, whether it was created.

    `campaignName` is required; two campaigns can have the same name. `isActive` is 1 by default. `startDate` and
    `endDate` are in the time zone of the call: your company's at v1, UTC at v1.2. A date without a time, or at
    00:00:00, means the whole day and is the same day in every zone. `price`, `goal` and `otherCosts` are stored
    exactly as sent, with up to 14 digits before the decimal point and 10 after it. A refused campaign does not stop
    the others.
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
        Example({"objects": [{"id": "{id}", "isActive": 0}]}, [DONE], "A campaign that is over.", given=_GIVEN),
        Example({"objects": [{"id": 1, "isActive": 0}]}, [NOTHING_CHANGED], "An id that no campaign has."),
    ],
)
async def update_campaigns(
    context: Context, *, objects: Annotated[list[Json], Objects(CAMPAIGN, _OBJECTS)]
) -> WriteResult:
    """Changes up to 500 campaigns, each found by its `id`.

    Sent fields overwrite the stored values; other fields stay. null clears a number, a date or the owner. An unknown
    campaign gets 302, and so does a campaign that already has all sent values.
    """
    return await writes.update(context, CAMPAIGN, objects)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/sales.md#campaigns",
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A campaign, and an id that no campaign has.",
            given=_GIVEN,
        )
    ],
)
async def delete_campaigns(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(CAMPAIGN, "The campaigns, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 campaigns permanently, by id.

    Their leads and opportunities stay, without a campaign. If there are tens of thousands of them, a background job
    removes the campaign from the rest within seconds after the call.
    """
    return await writes.delete(context, CAMPAIGN, objects, _HOOKS)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(CAMPAIGN),
    section="docs/wire/sales.md#campaigns",
    differs="the filter `ownerID` is also a column, the last one",
    examples=[Example({"id": "{id}"}, [_ROW], "A campaign.", given=_GIVEN)],
)
async def get_campaign(context: Context, *, id: Id) -> ReadResult:
    """Returns one campaign by its id: a list of one row, or an empty list if no campaign has this id."""
    return await reads.get(context, CAMPAIGN, id)


@method(
    UnexpectedArray,
    result=Reads(CAMPAIGN),
    section="docs/wire/sales.md#campaigns",
    differs="the filter `ownerID` is also a column, the last one",
    examples=[Example({"where": {}, "limit": 500, "offset": 0}, [_ROW], "All campaigns.", given=_GIVEN)],
)
async def get_campaigns(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(CAMPAIGN, "id", "ownerID", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the campaigns that match all filters, active or not, in the order of their ids."""
    return await reads.listing(context, CAMPAIGN, where, limit=limit, offset=offset)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(CAMPAIGN),
    section="docs/wire/sales.md#campaigns",
    differs="the filter `ownerID` is also a column, the last one",
    examples=[Example({**ALL_TIME, "timestamp": "create"}, [_ROW], "All campaigns of a range of time.", given=_GIVEN)],
)
async def get_campaigns_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the campaigns that were created or updated between two times, both included, oldest first.

    The range refers to the times at which a campaign was stored or changed here, not to its own `startDate` and
    `endDate`.
    """
    return await reads.date_range(context, CAMPAIGN, (start_date, end_date), timestamp, limit=limit, offset=offset)
