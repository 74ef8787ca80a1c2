"""Deal stages: the steps on the way of an opportunity (docs/wire/sales.md#deal-stages)."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import CREATED, DONE, EVER, NOTHING, row
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
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method, refused
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.sales import opportunities

_OBJECTS = "The deal stages, each a hash by system name; 500 a call at most."
_NAME = "Offer sent"
_STAGE = {"dealStageName": _NAME, "defaultProbability": 40, "weight": 2}
_ROW = row(DEAL_STAGE, dealStageName=_NAME, defaultProbability="40", weight="2")

GIVEN = (Example({"objects": [_STAGE]}, [CREATED], method="createDealStages"),)
"""A deal stage to start from."""


_IN_USE = UnknownReference(DEAL_STAGE.by_name["id"].problem("There are opportunities in this deal stage"))
_ROOF = {"opportunityName": "A new roof", "dealStageID": "{dealStage}", "closeDate": "2030-01-31"}
_USED = (*GIVEN, Example({"objects": [_ROOF]}, [CREATED], method="createOpportunities"))


async def _kept(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> Mapping[int, ApiError]:
    """303 for the stages that have opportunities in them."""
    used = await opportunities.stages_in_use(tx, context.company.id, ids)
    return dict.fromkeys(used, _IN_USE)


_HOOKS = writes.Hooks(undeletable=_kept)


@method(
    *WRITE_ERRORS,
    result=Writes("creates"),
    section="docs/wire/sales.md#deal-stages",
    examples=[Example({"objects": [_STAGE]}, [CREATED], "A step at which four of ten offers are taken.")],
)
async def create_deal_stages(
    context: Context, *, objects: Annotated[list[Json], Objects(DEAL_STAGE, _OBJECTS)]
) -> Outcomes:
    """Create up to 500 deal stages and say, for each, whether it was created.

    `dealStageName` is required. `defaultProbability`, in per cent, is what an opportunity in this stage has when
    it is given none of its own. `weight` is for your own order of the stages.
    """
    return await writes.create(context, DEAL_STAGE, objects)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section="docs/wire/sales.md#deal-stages",
    examples=[
        Example({"objects": [{"id": "{id}", "weight": 3}]}, [DONE], "A stage moves up.", given=GIVEN),
        Example({"objects": [{"id": 1, "weight": 3}]}, [NOTHING], "An id that no deal stage has."),
    ],
)
async def update_deal_stages(
    context: Context, *, objects: Annotated[list[Json], Objects(DEAL_STAGE, _OBJECTS)]
) -> Outcomes:
    """Change up to 500 deal stages, each found by its `id`.

    What is given overwrites, what is not given stays. The opportunities in it keep their probability. A stage
    that is not there, or that is already as asked for, gets 302.
    """
    return await writes.update(context, DEAL_STAGE, objects)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    UnknownReference,
    result=Writes("deletes"),
    section="docs/wire/sales.md#deal-stages",
    examples=[
        Example({"objects": [{"id": "{dealStage}"}]}, [refused(_IN_USE)], "One that is in use.", given=_USED),
        Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING], "A deal stage.", given=GIVEN),
    ],
)
async def delete_deal_stages(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(DEAL_STAGE, "The deal stages, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete up to 500 deal stages for good, by id.

    One with opportunities in it is refused with 303: put them into another stage first, or delete them.
    """
    return await writes.delete(context, DEAL_STAGE, objects, _HOOKS)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(DEAL_STAGE),
    section="docs/wire/sales.md#deal-stages",
    examples=[Example({"id": "{id}"}, [_ROW], "A deal stage.", given=GIVEN)],
)
async def get_deal_stage(context: Context, *, id: Id) -> Rows:
    """Read one deal stage by its id: a list of one, or an empty one when there is none."""
    return await reads.get(context, DEAL_STAGE, id)


@method(
    UnexpectedArray,
    result=Reads(DEAL_STAGE),
    section="docs/wire/sales.md#deal-stages",
    examples=[Example({"where": {}, "limit": 500, "offset": 0}, [_ROW], "All of them.", given=GIVEN)],
)
async def get_deal_stages(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(DEAL_STAGE, "id", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read a page of the deal stages, in the order of their ids."""
    return await reads.listing(context, DEAL_STAGE, where, limit=limit, offset=offset)


@method(
    MissingParameters,
    UnexpectedArray,
    WrongValue,
    result=Reads(DEAL_STAGE),
    section="docs/wire/sales.md#deal-stages",
    examples=[Example({**EVER, "timestamp": "create"}, [_ROW], "All of a range.", given=GIVEN)],
)
async def get_deal_stages_date_range(
    context: Context,
    *,
    start_date: Start,
    end_date: End,
    timestamp: Stamp,
    limit: LongLimit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the deal stages that were created or updated between two times, both included, oldest first."""
    return await reads.ranged(context, DEAL_STAGE, (start_date, end_date), timestamp, limit=limit, offset=offset)
