"""getLeadChanges: the change feed, with changes of lists and of forms for callers that ask for them. Our addition."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.examples import CREATED, DONE, GIVEN_LEAD
from springhead.methods.lists.lists import GIVEN_LIST
from springhead.model.feed.changes import CHANGE, KINDS, LEAD_KINDS, REQUESTED_KINDS, Change, lead_ids
from springhead.model.kit.errors import InvalidParameters, Json, Problem, UnexpectedArray
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context, check_field_names
from springhead.rpc.key_params import Text
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import PAGE, Integer, LimitOrOffset, Names
from springhead.store.feed import changes
from springhead.store.feed.changes import FeedPage

WAIT_MAX = 25
"""The most seconds that a call waits for a change: proxies close connections that are silent for 30 seconds."""

NOW = "now"
"""The cursor that means the end of the feed."""

_SCAN_MAX = 10_000
"""The most changes that a call with some `kinds` examines."""

_ROW = {"sequence": ..., "eventID": ..., "kind": ..., "leadID": ..., "createTimestamp": ...}
_EXTRA: Mapping[str, Json] = {
    "cursor": {"type": "string", "description": "The cursor for the next call.", "example": "2"},
    "more": {"type": "boolean", "description": "Whether there are changes after the cursor.", "example": False},
}


@method(
    UnexpectedArray,
    result=Reads(CHANGE, extra=_EXTRA),
    vendor=False,
    section="own",
    extra_seconds=WAIT_MAX,
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
            "The feed from its beginning: a lead was created and changed; `lead` is its current state.",
            given=(
                *GIVEN_LEAD,
                Example({"objects": [{"id": "{id}", "firstName": "Leah"}]}, [DONE], method="updateLeads"),
            ),
        ),
        Example(
            {"kinds": ["listJoin", "listLeave", "listChange"], "leads": 0},
            [
                {
                    **dict.fromkeys(("sequence", "eventID", "kind", "leadID", "listID", "createTimestamp"), ...),
                    "sequence": "2",
                    "kind": "listJoin",
                    "changed": None,
                }
            ],
            "The changes of lists: a lead was added to a list.",
            given=(
                *GIVEN_LEAD,
                *GIVEN_LIST,
                Example({"listID": "{activeList}", "memberID": "{lead}"}, [CREATED], method="addListMember"),
            ),
        ),
        Example(
            {"cursor": "now"}, [], "The cursor of the end of the feed, to start a copy of all leads.", given=GIVEN_LEAD
        ),
    ],
)
async def get_lead_changes(
    context: Context,
    *,
    cursor: Annotated[
        str, Text("The `cursor` of the previous answer; `now` for the end of the feed; its beginning by default.")
    ] = "",
    limit: Annotated[
        int, LimitOrOffset("The most changes to return; 500 is the default and the maximum.", cap=PAGE)
    ] = PAGE,
    wait: Annotated[
        int, Integer(f"Seconds to wait for a change if there is none; at most {WAIT_MAX}.", low=0, high=WAIT_MAX)
    ] = 0,
    kinds: Annotated[
        list[str] | None,
        Names(f"Only these kinds: {', '.join(KINDS)}. By default, all except the last {len(REQUESTED_KINDS)}."),
    ] = None,
    fields: Annotated[
        list[str] | None, Names("Only these fields in `lead` and `changed`; all fields by default.")
    ] = None,
    leads: Annotated[int, Integer("0: leave out `lead`.", low=0, high=1)] = 1,
) -> ReadResult:
    """Returns the changes of leads, and of lists on request, in the order in which they were committed.

    Continue with the `cursor` of the answer: no change is skipped, whatever is written meanwhile, and no change is
    returned twice. If `more` is true, call again at once; otherwise send `wait`, and the answer comes with the next
    change.

    Each change has its number (`sequence`, which rises; numbers of changes that are no longer kept are skipped), its
    `kind`, the lead's id and the time. `changed` has the changed fields with their old and new values, as in `{"city":
    [null, "Rome"]}`. `lead` is the current lead as in getLeads, or null if it no longer exists. A client that stores
    each `lead` under `leadID`, and deletes leads that are null, has an exact copy at the end of the feed. Changes of
    kind `score` (leadScore) have no event and no values.

    `kinds` can also name the changes of lists, which have the key `listID`: `listJoin` and `listLeave` of a lead and a
    list, and `listChange`: many members of a list (`leadID` is null) or the lists of a lead (`listID` is null) have
    changed, so read them again. Filters that fill a list, removeListMembersAll, deleteList, mergeLeads and restoreLeads
    cause a `listChange`. `formSubmit` is a submission of a form, and `formConfirm` is its confirmation; both have
    `formID`, and the `data` of the event.

    With `kinds`, an answer can be empty although `more` is true. With `fields`, changes of other fields are returned
    too, with an empty `changed`. A cursor from before the restore of a backup is refused with 205: start again without
    a cursor.
    """
    _check_kinds(kinds or ())
    if fields is not None:
        async with context.tx() as tx:
            check_field_names(LEAD, await context.fields(tx), fields)
    end = time.monotonic() + wait
    start = None if cursor == NOW else _start(cursor)
    while True:
        watch = context.server.feed.watch(context.company.id)
        page = await _page(context, start, kinds, limit)
        start = page.upto
        if page.changes or page.upto < page.last or not await watch.wait(end - time.monotonic()):
            break
    current = await _leads(context, page.changes if leads else [], fields)
    shown = None if fields is None else frozenset(fields)
    rows = [_row(context, change, current, shown, leads=bool(leads)) for change in page.changes]
    return ReadResult(rows, extra={"cursor": str(page.cursor), "more": page.upto < page.last})


def _check_kinds(kinds: Sequence[str]) -> None:
    if unknown := sorted(set(kinds) - set(KINDS)):
        message = f"Unknown: {', '.join(unknown)[:200]}. Expected any of: {', '.join(KINDS)}"
        raise InvalidParameters(Problem(param="kinds", message=message))


def _start(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidParameters(_cursor_problem("Expected the cursor of an answer, or now"))
    return int(cursor or 0)


async def _page(context: Context, start: int | None, kinds: Sequence[str] | None, limit: int) -> FeedPage:
    company_id = context.company.id
    async with context.tx() as tx:
        last = await changes.number(tx, company_id)
        if start is None:
            return FeedPage([], last, last, last)
        if start > last:
            raise InvalidParameters(
                _cursor_problem(
                    f"The feed ends at {last}: this cursor comes from another database. Start again without a cursor"
                )
            )
        if not limit:
            return FeedPage([], start, last, start)
        return await changes.after(
            tx, company_id, start, kinds=LEAD_KINDS if kinds is None else kinds, limit=limit, within=_SCAN_MAX
        )


async def _leads(
    context: Context, page: Sequence[Change], names: Sequence[str] | None
) -> Mapping[str, Mapping[str, Json]]:
    """Returns the current leads by id; leads that no longer exist are missing."""
    ids = lead_ids(page)
    if not ids:
        return {}
    columns = None if names is None else ["id", *names]
    rows = await reads.find(context, LEAD, {"id": ids}, columns, limit=len(ids), offset=0)
    return {str(row["id"]): row for row in rows.page}


def _row(
    context: Context,
    change: Change,
    current: Mapping[str, Mapping[str, Json]],
    names: Collection[str] | None,
    *,
    leads: bool,
) -> Mapping[str, Json]:
    row = change.row(context.zone, lambda name: names is None or name in names)
    if not leads:
        return row
    lead = current.get(str(change.lead_id))
    shown = lead and {name: value for name, value in lead.items() if names is None or name in names}
    return {**row, "lead": shown}


def _cursor_problem(message: str) -> Problem:
    return Problem(param="cursor", message=message)
