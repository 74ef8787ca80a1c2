"""getLeadChanges: the change feed (our own)."""

import time
from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.examples import DONE, GIVEN_LEAD
from springhead.model.feed.changes import CHANGE, KINDS, Change
from springhead.model.kit.errors import InvalidParameters, Json, Problem, UnexpectedArray
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context, readable
from springhead.rpc.key_params import Text
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Count, Integer, Names
from springhead.store.feed import changes
from springhead.store.feed.changes import Page

WAIT_MAX = 25
"""Most seconds that a call waits for a change: proxies end what is silent for half a minute."""

NOW = "now"
"""The cursor that stands for the end of the feed."""

_WITHIN = 10_000
"""Changes that are looked at for those of some kinds."""

_ROW = {"sequence": ..., "eventID": ..., "kind": ..., "leadID": ..., "createTimestamp": ...}
_BESIDE: Mapping[str, Json] = {
    "cursor": {"type": "string", "description": "Where the next call goes on.", "example": "2"},
    "more": {"type": "boolean", "description": "Whether there is more behind the cursor by now.", "example": False},
}


@method(
    UnexpectedArray,
    result=Reads(CHANGE, beside=_BESIDE),
    vendor=False,
    section="own",
    patience=WAIT_MAX,
    examples=[
        Example(
            {"fields": ["firstName"]},
            [
                {**_ROW, "sequence": "1", "kind": "create", "changed": None, "lead": {"firstName": "Leah"}},
                {
                    **_ROW,
                    "sequence": "2",
                    "kind": "update",
                    "changed": {"firstName": ["Lead", "Leah"]},
                    "lead": {"firstName": "Leah"},
                },
            ],
            "The feed from its beginning: a lead that was made and changed, as it is now.",
            given=(
                *GIVEN_LEAD,
                Example({"objects": [{"id": "{id}", "firstName": "Leah"}]}, [DONE], method="updateLeads"),
            ),
        ),
        Example({"cursor": "now"}, [], "Where the feed ends, to begin with a copy of all leads.", given=GIVEN_LEAD),
    ],
)
async def get_lead_changes(
    context: Context,
    *,
    cursor: Annotated[str, Text("The cursor of the last answer; `now` for the end; the beginning without.")] = "",
    limit: Annotated[int, Count("How many changes at most; 500 is the default and the cap.", cap=PAGE)] = PAGE,
    wait: Annotated[
        int, Integer(f"Seconds to wait for a change when there is none; at most {WAIT_MAX}.", low=0, high=WAIT_MAX)
    ] = 0,
    kinds: Annotated[list[str] | None, Names(f"Only changes of these kinds: {', '.join(KINDS)}.")] = None,
    fields: Annotated[list[str] | None, Names("Only these fields of `lead` and of `changed`; all without.")] = None,
    leads: Annotated[int, Integer("0: leave out `lead`.", low=0, high=1)] = 1,
) -> Rows:
    """Read what became of leads, change by change, in the order in which it was committed.

    Go on with the `cursor` of the answer: nothing is skipped, whatever is written meanwhile, and nothing comes twice.
    `more` says whether to ask again at once; else send `wait`, and the answer comes with the next change.

    Each change has its number (`sequence`, which rises; one of which nothing is kept is left out), its `kind`, the
    lead's id and the time. `changed` has the changed fields with their old and their new value, as in
    `{"city": [null, "Rome"]}`. `lead` is the lead as getLeads shows it, as it is now; null when it is gone: whoever
    stores `lead` under `leadID`, and deletes what is null, has an exact copy at the end. Changes of kind `score`
    (leadScore) have no event and no values.

    With `kinds` an answer can be empty although there is `more`. With `fields`, changes of other fields come too, with
    an empty `changed`. A cursor from before a backup was restored is refused with 205: begin anew.
    """
    if unknown := sorted(set(kinds or ()) - set(KINDS)):
        message = f"Unknown: {', '.join(unknown)[:200]}. Expected any of: {', '.join(KINDS)}"
        raise InvalidParameters(Problem(param="kinds", message=message))
    if fields is not None:
        async with context.tx() as tx:
            readable(LEAD, await context.fields(tx), fields)
    end = time.monotonic() + wait
    start = None if cursor == NOW else _start(cursor)
    while True:
        watch = context.server.feed.watch(context.company.id)
        page = await _page(context, start, kinds, limit)
        start = page.upto
        if page.changes or page.upto < page.last or not await watch.wait(end - time.monotonic()):
            break
    found = await _leads(context, page.changes if leads else [], fields)
    rows = [_row(context, one, found, fields, leads=bool(leads)) for one in page.changes]
    return Rows(rows, beside={"cursor": str(page.upto), "more": page.upto < page.last})


def _start(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidParameters(_wrong("Expected the cursor of an answer, or now"))
    return int(cursor or 0)


async def _page(context: Context, start: int | None, kinds: Sequence[str] | None, limit: int) -> Page:
    company_id = context.company.id
    async with context.tx() as tx:
        last = await changes.number(tx, company_id)
        if start is None:
            return Page([], last, last)
        if start > last:
            raise InvalidParameters(_wrong(f"The feed ends at {last}: this cursor is of another database, begin anew"))
        within = _WITHIN if kinds is not None and set(kinds) != set(KINDS) else 0
        return await changes.after(tx, company_id, start, kinds=kinds, limit=limit, within=within)


async def _leads(
    context: Context, found: Sequence[Change], names: Sequence[str] | None
) -> Mapping[str, Mapping[str, Json]]:
    """The leads as they are now, by id; those that are gone are missing."""
    ids = list(dict.fromkeys(one.lead_id for one in found))
    if not ids:
        return {}
    asked = None if names is None else ["id", *names]
    rows = await reads.find(context, LEAD, {"id": ids}, asked, limit=len(ids), offset=0)
    return {str(row["id"]): row for row in rows.page}


def _row(
    context: Context, one: Change, found: Mapping[str, Mapping[str, Json]], names: Sequence[str] | None, *, leads: bool
) -> Mapping[str, Json]:
    row = one.row(context.zone, lambda name: names is None or name in names)
    lead = found.get(str(one.lead_id), {})
    shown = {name: value for name, value in lead.items() if names is None or name in names}
    return {**row, "lead": shown or None} if leads else row


def _wrong(message: str) -> Problem:
    return Problem(param="cursor", message=message)
