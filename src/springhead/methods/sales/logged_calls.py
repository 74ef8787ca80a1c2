"""Logged phone calls (docs/wire/events.md#logcalls)."""

from collections.abc import Sequence
from typing import Annotated

from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.examples import GIVEN_LEAD
from springhead.model.kit.errors import Json, UnknownReference
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.events import CALL_SOURCES
from springhead.model.sales.logged_calls import CALL
from springhead.rpc.context import Context
from springhead.rpc.method import Example, WriteResult, Writes, method
from springhead.rpc.params import Objects
from springhead.store.database.pool import Tx
from springhead.store.sales import logged_calls


async def _add_timeline_events(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await logged_calls.write_events(tx, context.company.id, ids, CALL_SOURCES)


HOOKS = writes.Hooks(after_write=_add_timeline_events)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates", only_success=True, captured=True),
    section="docs/wire/events.md#logcalls",
    differs=(
        "the answer is the documented `success`: whether all calls were logged. For API keys made with "
        "`--captured-calls` it is the captured `creates`. `callResult` accepts any text"
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
            "An incoming call.",
            given=GIVEN_LEAD,
        )
    ],
)
async def log_calls(
    context: Context,
    *,
    objects: Annotated[
        list[Json], Objects(CALL, "The phone calls, each a hash of system names and values; at most 500.")
    ],
) -> WriteResult:
    """Logs up to 500 phone calls: each appears on the timeline of its lead, at the time of the phone call.

    `userID`, `leadID`, `direction` (`incoming` or `outgoing`) and `createTimestamp` are required. A refused phone call
    does not stop the others. `success` is true if all were logged; otherwise `error` is the list of the errors.
    """
    return await writes.create(context, CALL, objects, HOOKS)
