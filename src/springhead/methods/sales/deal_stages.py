"""Deal stages: the stages that an opportunity passes through (docs/wire/sales.md#deal-stages)."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import ALL_TIME, CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import End, Id, Limit, LongLimit, Offset, Stamp, Start
from springhead.model.kit.errors import (
    ApiError,
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
    UnknownReference,
    WrongValue,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.sales.opportunities import DEAL_STAGE
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method, refused
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.sales import opportunities

_OBJECTS = "The deal stages, each a hash of system names and values; at most 500 per call."
_NAME = "Offer sent"
_STAGE = {"dealStageName": _NAME, "defaultProbability": 40, "weight": 2}
_ROW = row(DEAL_STAGE, dealStageName=_NAME, defaultProbability="40", weight="2")

GIVEN_STAGE = (Example({"objects": [_STAGE]}, [CREATED], method="createDealStages"),)
"""Creates the deal stage that an example needs."""


_IN_USE = UnknownReference(DEAL_STAGE.by_name["id"].problem("There are opportunities in this deal stage"))
_ROOF = {"opportunityName": "A new roof", "dealStageID": "{dealStage}", "closeDate": "2030-01-31"}
_USED = (*GIVEN_STAGE, Example({"objects": [_ROOF]}, [CREATED], method="createOpportunities"))


async def _in_use(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> Mapping[int, ApiError]:
    """Returns 303 for each deal stage that has opportunities."""
    stage_ids = await opportunities.stages_in_use(tx, context.company.id, ids)
    return dict.fromkeys(stage_ids, _IN_USE)


_HOOKS = writes.Hooks(undeletable=_in_use)


@method(
    *WRITE_ERRORS,
    result=Writes("creates"),
    section="docs/wire/sales.md#deal-stages",
    examples=[Example({"objects": [_STAGE]}, [CREATED], "A stage from which four of ten opportunities are won.")],
)
async def create_deal_stages(
    context: Context, *, objects: Annotated[list[Json], Objects(DEAL_STAGE, _OBJECTS)]
) -> WriteResult:
    """Creates up to 500 deal stages and returns, for each, whether it was created.

    A new company has four: Qualified, Meeting, Proposal and Negotiation. Change or delete them as you like.
    `dealStageName` is required. `defaultProbability`, in per cent, is the probability of an opportunity in this stage
    that is created without one. `weight` is for your own order of the stages.
    """
    return await writes.create(context, DEAL_STAGE, objects)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section="docs/wire/sales.md#deal-stages",
    examples=[
        Example({"objects": [{"id": "{id}", "weight": 3}]}, [DONE], "A stage moves up.", given=GIVEN_STAGE),
        Example({"objects": [{"id": 1, "weight": 3}]}, [NOTHING_CHANGED], "An id that no deal stage has."),
    ],
)
async def update_deal_stages(
    context: Context, *, objects: Annotated[list[Json], Objects(DEAL_STAGE, _OBJECTS)]
) -> WriteResult:
    """Changes up to 500 deal stages, each found by its `id`.

    Sent fields overwrite the stored values; other fields stay. The opportunities of the stage keep their probability.
    An unknown deal stage gets 302, and so does a deal stage that already has all sent values.
    """
    return await writes.update(context, DEAL_STAGE, objects)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    UnknownReference,
    result=Writes("deletes"),
    section="docs/wire/sales.md#deal-stages",
    examples=[
        Example({"objects": [{"id": "{dealStage}"}]}, [refused(_IN_USE)], "A deal stage that is in use.", given=_USED),
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A deal stage, and an id that no deal stage has.",
            given=GIVEN_STAGE,
        ),
    ],
)
async def delete_deal_stages(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(DEAL_STAGE, "The deal stages, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 deal stages permanently, by id.

    A deal stage that has opportunities is refused with 303: move the opportunities to another stage first, or delete
    them.
    """
    return await writes.delete(context, DEAL_STAGE, objects, _HOOKS)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(DEAL_STAGE),
    section="docs/wire/sales.md#deal-stages",
    examples=[Example({"id": "{id}"}, [_ROW], "A deal stage.", given=GIVEN_STAGE)],
)
async def get_deal_stage(context: Context, *, id: Id) -> ReadResult:
    """Returns one deal stage by its id: a list of one row, or an empty list if no deal stage has this id."""
    return await reads.get(context, DEAL_STAGE, id)


@method(
    UnexpectedArray,
    result=Reads(DEAL_STAGE),
    section="docs/wire/sales.md#deal-stages",
    examples=[Example({"where": {}, "limit": 500, "offset": 0}, [_ROW], "All deal stages.", given=GIVEN_STAGE)],
)
async def get_deal_stages(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(DEAL_STAGE, "id", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the deal stages, in the order of their ids."""
    return await reads.listing(context, DEAL_STAGE, where, limit=limit, offset=offset)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(DEAL_STAGE),
    section="docs/wire/sales.md#deal-stages",
    examples=[
        Example({**ALL_TIME, "timestamp": "create"}, [_ROW], "All deal stages of a range of time.", given=GIVEN_STAGE)
    ],
)
async def get_deal_stages_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the deal stages that were created or updated between two times, both included, oldest first."""
    return await reads.date_range(context, DEAL_STAGE, (start_date, end_date), timestamp, limit=limit, offset=offset)
