"""Logged calls (docs/wire/events.md#logcalls)."""

from collections.abc import Sequence
from typing import Annotated

from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import GIVEN
from springhead.model.kit.errors import Json, UnknownReference
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.events import CALL_SOURCES
from springhead.model.sales.logged_calls import CALL
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcomes, Writes, method
from springhead.rpc.params import Objects
from springhead.store.database.pool import Tx
from springhead.store.sales import logged_calls


async def _tell(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await logged_calls.write_events(tx, context.company.id, ids, CALL_SOURCES)


HOOKS = writes.Hooks(after_write=_tell)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates", only_success=True, captured=True),
    section="docs/wire/events.md#logcalls",
    differs=(
        "the answer is the documented `success`, whether all of them were logged; for keys made with "
        "`--captured-calls` it is the captured `creates`; of `callResult` any text is taken"
    ),
    examples=[
        Example(
            {
                "objects": [
                    {
                        "userID": "{userProfile}",
                        "leadID": "{id}",
                        "callResult": "noAnswerNoMessage",
                        "direction": "incoming",
                        "callNotes": "Left no message",
                        "createTimestamp": "2018-06-07 10:00:00",
                    }
                ]
            },
            True,
            "A call that came in.",
            given=GIVEN,
        )
    ],
)
async def log_calls(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(CALL, "The calls, each a hash; 500 a call at most.")],
) -> Outcomes:
    """Log up to 500 calls: each stands on the timeline of its lead, at the time at which it was.

    `userID`, `leadID`, `direction` (`incoming` or `outgoing`) and `createTimestamp` are required. A wrong call is
    refused alone; `success` is true when none was, and `error` is the list of the errors otherwise.
    """
    return await writes.create(context, CALL, objects, HOOKS)
