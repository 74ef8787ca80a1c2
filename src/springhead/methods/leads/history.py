"""getLeadHistory and getLeadsAsOf: the changes and the earlier values of leads. Our addition."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from springhead.methods import reads
from springhead.methods.examples import DONE, GIVEN_LEAD
from springhead.methods.reads import Limit, Offset
from springhead.model.feed.changes import KIND_BY_SOURCE
from springhead.model.kit import times
from springhead.model.kit.errors import InvalidParameters, Json, MissingParameters, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.history import LEAD_HISTORY
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context, check_field_names
from springhead.rpc.key_params import OneOrMoreIds, TooManyIds
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import PAGE, Integer, Moment, Names
from springhead.store.database.pool import Tx
from springhead.store.leads import history
from springhead.store.leads.history import LeadChange

_SECTION = "own: history"
_CHANGED_LEAD = (
    *GIVEN_LEAD,
    Example({"objects": [{"id": "{id}", "city": "Rome"}]}, [DONE], method="updateLeads"),
)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD_HISTORY),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"id": "{lead}", "fields": ["city"]},
            [
                {
                    "eventID": ...,
                    "leadID": ...,
                    "kind": "update",
                    "eventSource": "leadUpdate",
                    "createTimestamp": ...,
                    "changed": {"city": [None, "Rome"]},
                }
            ],
            "The changes of one field.",
            given=_CHANGED_LEAD,
        )
    ],
)
async def get_lead_history(
    context: Context,
    *,
    id: Annotated[int, Integer("The lead's id; it may be deleted.", length=20)],
    fields: Annotated[list[str] | None, Names("Only changes of these fields; all changes by default.")] = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns the changes of one lead, oldest first: time, kind, old values and new values.

    `eventID` is the event on the timeline. `kind` is the kind of change as in the change feed (getLeadChanges).
    `changed` has each changed field with its old and new value, as in `{"city": [null, "Rome"]}`. A deleted lead keeps
    its history, and a merged lead keeps its own history under its old id. Of an erased lead, only the erasure remains.
    Score changes by score rules are not included.
    """
    async with context.tx() as tx:
        field_set = await context.fields(tx)
        if fields is not None:
            await _check_names(context, tx, field_set, fields)
        changes = await history.changes(tx, context.company.id, id, fields, limit=limit, offset=offset)
    return ReadResult([_row(context, change, fields) for change in changes])


async def _check_names(context: Context, tx: Tx, field_set: FieldSet, names: list[str]) -> None:
    try:
        check_field_names(LEAD, field_set, names)
    except InvalidParameters:
        await context.verify(tx, field_set)
        raise


def _row(context: Context, change: LeadChange, names: list[str] | None) -> Mapping[str, Json]:
    changed = change.changed
    if changed is not None and names is not None:
        changed = {name: value for name, value in changed.items() if name in names}
    return {
        "eventID": str(change.event_id),
        "leadID": str(change.lead_id),
        "kind": KIND_BY_SOURCE[change.source],
        "eventSource": change.source,
        "createTimestamp": times.to_text(change.timestamp, context.zone),
        "changed": changed,
    }


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    vendor=False,
    long=True,
    section=_SECTION,
    examples=[
        Example(
            {"id": "{lead}", "at": "2999-12-31", "fields": ["id", "city"]},
            [{"id": ..., "city": "Rome"}],
            "A lead as it was at the end of a second; here the second is in the future.",
            given=_CHANGED_LEAD,
        ),
        Example(
            {"id": "{lead}", "at": "2016-11-02 08:00:00"},
            [],
            "A time before the lead was created.",
            given=_CHANGED_LEAD,
        ),
    ],
)
async def get_leads_as_of(
    context: Context,
    *,
    id: Annotated[list[int], OneOrMoreIds(f"The lead, or a list of up to {PAGE} leads.", most=PAGE, excess=TooManyIds)],
    at: Annotated[datetime, Moment("The time; changes of that second are included.")],
    fields: Annotated[list[str] | None, Names("Only these fields; all fields by default.")] = None,
) -> ReadResult:
    """Returns leads as they were at a time, in the order of their ids.

    All changes after that second are undone, changes of custom fields included; `updateTimestamp` and the flags that
    follow from `leadStatus` have their values of that time. A lead that did not exist then has no row. A lead that was
    deleted since then has a row for as long as it is in the recycle bin. Scores that score rules gave since then, and
    `hasOpportunity`, are those of today, because they have no history. Values of custom fields that were deleted since
    then are not shown.
    """
    before = times.one_second_later(times.to_utc(at, context.zone, later=True))
    async with context.tx() as tx:
        field_set = await context.fields(tx)
        columns = await reads.select(context, tx, LEAD, field_set, fields)
        rows = await history.leads_as_of(
            tx, context.company.id, columns, id, before, zone=context.zone_name, version=field_set.version
        )
        if not rows:
            await context.verify(tx, field_set)
    return ReadResult(rows)
