"""What leads were: getLeadHistory and getLeadsAsOf (our own)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from springhead.methods import reads
from springhead.methods.examples import DONE, GIVEN
from springhead.methods.reads import Limit, Offset
from springhead.model.feed.changes import KIND_BY_SOURCE
from springhead.model.kit import times
from springhead.model.kit.errors import InvalidParameters, Json, MissingParameters, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.history import LEAD_HISTORY
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context, readable
from springhead.rpc.key_params import OneOrMore, TooMany
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Integer, Moment, Names
from springhead.store.database.pool import Tx
from springhead.store.leads import history
from springhead.store.leads.history import LeadChange

_SECTION = "own: history"
_MOVED = (
    *GIVEN,
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
            "What became of one field.",
            given=_MOVED,
        )
    ],
)
async def get_lead_history(
    context: Context,
    *,
    id: Annotated[int, Integer("The lead's id; it may be deleted.", length=20)],
    fields: Annotated[list[str] | None, Names("Only changes of these fields; all changes when left out.")] = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read the changes of one lead, oldest first: when, of what kind, and from which value to which.

    Each has the `eventID` of its event on the timeline, and as `kind` what it is in the change feed (getLeadChanges);
    `changed` has each changed field with its old and its new value, `{"city": [null, "Rome"]}`. A deleted lead keeps
    its history, and a merged one its own under its old id; of an erased one there is no more than that it was erased.
    What rules do to scores is no change here.
    """
    async with context.tx() as tx:
        known = await context.fields(tx)
        if fields is not None:
            await _known(context, tx, known, fields)
        found = await history.changes(tx, context.company.id, id, fields, limit=limit, offset=offset)
    return Rows([_row(context, one, fields) for one in found])


async def _known(context: Context, tx: Tx, known: FieldSet, names: list[str]) -> None:
    try:
        readable(LEAD, known, names)
    except InvalidParameters:
        await context.verify(tx, known)
        raise


def _row(context: Context, one: LeadChange, names: list[str] | None) -> Mapping[str, Json]:
    changed = one.changed
    if changed is not None and names is not None:
        changed = {name: value for name, value in changed.items() if name in names}
    return {
        "eventID": str(one.event_id),
        "leadID": str(one.lead_id),
        "kind": KIND_BY_SOURCE[one.source],
        "eventSource": one.source,
        "createTimestamp": times.to_text(one.timestamp, context.zone),
        "changed": changed,
    }


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(LEAD),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"id": "{lead}", "at": "2999-12-31", "fields": ["id", "city"]},
            [{"id": ..., "city": "Rome"}],
            "A lead as it was at the end of a second: here of one that is still to come.",
            given=_MOVED,
        ),
        Example({"id": "{lead}", "at": "2016-11-02 08:00:00"}, [], "Before there was the lead.", given=_MOVED),
    ],
)
async def get_leads_as_of(
    context: Context,
    *,
    id: Annotated[list[int], OneOrMore(f"The lead, or a list of up to {PAGE}.", most=PAGE, excess=TooMany)],
    at: Annotated[datetime, Moment("The time; what happened in that second belongs to it.")],
    fields: Annotated[list[str] | None, Names("Only these fields; all when left out.")] = None,
) -> Rows:
    """Read leads as they were at a time, in the order of their ids.

    All changes after that second are undone, those of custom fields too; `updateTimestamp` and what follows from
    `leadStatus` are as they were. A lead that was not there then has no row; one that was deleted since then has one as
    long as it is in the recycle bin. Scores that rules gave since then, and
    `hasOpportunity`, are those of today: they have no history. The values of a custom field that was deleted since
    then are not shown.
    """
    before = times.one_second_later(times.to_utc(at, context.zone, later=True))
    async with context.tx() as tx:
        known = await context.fields(tx)
        chosen = await reads.select(context, tx, LEAD, known, fields)
        rows = await history.leads_as_of(
            tx, context.company.id, chosen, id, before, zone=context.zone_name, version=known.version
        )
        if not rows:
            await context.verify(tx, known)
    return Rows(rows)
