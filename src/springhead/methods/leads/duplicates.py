"""findDuplicateLeads: pairs of leads that are probably the same person. Our addition."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Annotated

from springhead.methods.examples import CREATED
from springhead.model.kit.errors import InvalidParameters, Json, Problem, UnexpectedArray
from springhead.model.leads.duplicates import DUPLICATE, ComparedLead, Key, Match, match
from springhead.rpc.context import Context
from springhead.rpc.key_params import OneOrMoreIds, Text, TooManyIds
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import PAGE, LimitOrOffset
from springhead.store.database.pool import Tx
from springhead.store.leads import duplicates
from springhead.store.leads.duplicates import Group

DEFAULT = 50
"""The limit if the call does not send one."""

SECONDS = 1.5
"""The longest time in seconds that a call searches for pairs. Then it answers with a cursor to continue."""

_GROUPS = 50
"""The most groups of leads that one statement reads."""

_EXTRA: Mapping[str, Json] = {
    "cursor": {"type": ["string", "null"], "description": "The cursor for the next call; null at the end."},
    "isComplete": {
        "type": "boolean",
        "description": "Whether the comparison includes the latest change of every lead.",
    },
}
_PAIR: tuple[Json, ...] = (
    {"emailAddress": "ann.berg@example.com", "firstName": "Ann", "mobilePhoneNumber": "+49 170 1234567"},
    {"emailAddress": "ann.berg+fair@example.com", "firstName": "Ann", "mobilePhoneNumber": "0170/1234567"},
)


@method(
    UnexpectedArray,
    result=Reads(DUPLICATE, extra=_EXTRA),
    vendor=False,
    long=True,
    section="own: duplicates",
    examples=[
        Example(
            {},
            [{"leadID": ..., "otherID": ..., "score": "0.98", "reasons": ["email", "mobilePhone"]}],
            "The same mailbox, and the same phone number with and without the country code.",
            given=(Example({"objects": list(_PAIR)}, [CREATED, CREATED], method="createLeads"),),
        )
    ],
)
async def find_duplicate_leads(
    context: Context,
    *,
    id: Annotated[
        list[int] | None,
        OneOrMoreIds(f"Only duplicates of this lead, or of a list of up to {PAGE}.", most=PAGE, excess=TooManyIds),
    ] = None,
    limit: Annotated[
        int, LimitOrOffset("The approximate number of pairs; 50 is the default, 500 the maximum.", cap=PAGE)
    ] = DEFAULT,
    cursor: Annotated[str, Text("The `cursor` of the previous answer, to continue after it.")] = "",
) -> ReadResult:
    """Finds pairs of active leads that are probably the same person, surest first, with the reasons.

    `score` is from 0.5 to 1. `reasons`: `email`, the same mailbox (`a+fair@` is `a@`; googlemail.com is gmail.com; dots
    do not count, but lower the score unless it is Google); `mobilePhone`, or `phone` for any other phone number, with
    or without the country code; `name`, a similar first and last name, in any order, at a similar company (or email
    domain, if there is no company). Accents, case and legal forms of companies do not count. If the names are those of
    two different people, the score is halved. A value that more than 20 leads share is ignored.

    Without `id`, all leads are compared with each other: pairs with the same address come first, then pairs with the
    same phone number, then pairs with similar names; each answer is sorted by score. An answer takes at most three
    seconds. It can have fewer pairs than `limit`, or a few more, while there is a `cursor`. The first call of a company
    starts the indexing of its leads. Until it is finished (some seconds for a hundred thousand leads), and after large
    imports, `isComplete` is false. With `id`, one answer has all duplicates of these leads, with the requested lead as
    `leadID`.
    """
    after = _after(cursor)
    async with context.tx() as tx:
        complete = await duplicates.refresh_keys(tx, context.company.id)
    if not complete:
        context.server.jobs.wake()
    async with context.tx() as tx:
        if id is None:
            matches, last = await _all_matches(context, tx, after, limit)
        else:
            matches, last = await _matches_of(context, tx, id), None
    matches.sort(key=lambda duplicate: (-duplicate.score, duplicate.lead_id, duplicate.other_id))
    rows = [
        {
            "leadID": str(duplicate.lead_id),
            "otherID": str(duplicate.other_id),
            "score": f"{duplicate.score:.2f}",
            "reasons": list(duplicate.reasons),
        }
        for duplicate in matches
    ]
    next_cursor = None if last is None else f"{last[0]}.{last[1]}"
    return ReadResult(rows, extra={"cursor": next_cursor, "isComplete": complete})


def _after(cursor: str) -> Key:
    if not cursor:
        return 0, 0
    parts = re.fullmatch(r"([1-9])\.(-?[0-9]{1,19})", cursor, re.ASCII)
    if parts is None or not -(2**63) <= int(parts[2]) < 2**63:
        raise InvalidParameters(Problem(param="cursor", message="Expected the cursor of an answer"))
    return int(parts[1]), int(parts[2])


async def _matches_of(context: Context, tx: Tx, ids: Sequence[int]) -> list[Match]:
    groups = await duplicates.groups_of(tx, context.company.id, ids)
    compared = await duplicates.compared_leads(
        tx, context.company.id, sorted({lead_id for group in groups for lead_id in group.lead_ids})
    )
    requested_ids = set(ids)
    pairs = {(a, b) for group in groups for a in group.lead_ids if a in requested_ids for b in group.lead_ids if b != a}
    pairs = {(a, b) for a, b in pairs if a < b or b not in requested_ids}
    return list(_compared(pairs, compared))


async def _all_matches(context: Context, tx: Tx, after: Key, limit: int) -> tuple[list[Match], Key | None]:
    """Returns the pairs after a key, and the key after which the next call continues."""
    until = time.monotonic() + SECONDS
    matches: list[Match] = []
    last: Key | None = after
    while last is not None and len(matches) < limit and time.monotonic() < until:
        groups, last = await duplicates.next_groups(tx, context.company.id, last, limit=min(limit, _GROUPS))
        matches += await _matches_in(context, tx, groups)
    return matches, last


async def _matches_in(context: Context, tx: Tx, groups: Sequence[Group]) -> list[Match]:
    """Returns the pairs of these groups. A pair with several shared keys is returned only for the first key."""
    compared = await duplicates.compared_leads(
        tx, context.company.id, sorted({lead_id for group in groups for lead_id in group.lead_ids})
    )
    keys: dict[tuple[int, int], Key] = {}
    for group in groups:
        for pair in combinations(sorted(group.lead_ids), 2):
            keys.setdefault(pair, group.key)
    matches = list(_compared(keys, compared))
    earlier_keys: dict[tuple[int, int], set[Key]] = {}
    for duplicate in matches:
        pair = duplicate.lead_id, duplicate.other_id
        shared = compared[duplicate.lead_id].keys & compared[duplicate.other_id].keys
        earlier_keys[pair] = {key for key in shared if key < keys[pair]}
    ignored = await duplicates.ignored_keys(tx, context.company.id, sorted(set[Key]().union(*earlier_keys.values())))
    return [duplicate for duplicate in matches if earlier_keys[duplicate.lead_id, duplicate.other_id] <= ignored]


def _compared(
    pairs: Mapping[tuple[int, int], Key] | set[tuple[int, int]], compared: Mapping[int, ComparedLead]
) -> Iterator[Match]:
    for a, b in pairs:
        if a in compared and b in compared and (result := match(compared[a], compared[b])):
            yield result
