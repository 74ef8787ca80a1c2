"""findDuplicateLeads: leads that are probably one person (our own)."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Annotated

from springhead.methods.examples import CREATED
from springhead.model.kit.errors import InvalidParameters, Json, Problem, UnexpectedArray
from springhead.model.leads.duplicates import DUPLICATE, ComparedLead, Key, Match, match
from springhead.rpc.context import Context
from springhead.rpc.key_params import OneOrMore, Text, TooMany
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Count
from springhead.store.database.pool import Tx
from springhead.store.leads import duplicates
from springhead.store.leads.duplicates import Group

DEFAULT = 50
SECONDS = 1.5
"""How long an answer goes on looking for pairs; then it says where to go on."""

_GROUPS = 50
_BESIDE: Mapping[str, Json] = {
    "cursor": {"type": ["string", "null"], "description": "Where to go on; null at the end."},
    "isComplete": {"type": "boolean", "description": "Whether all leads are compared as they are now."},
}
_TWO: tuple[Json, ...] = (
    {"emailAddress": "ann.berg@example.com", "firstName": "Ann", "mobilePhoneNumber": "+49 170 1234567"},
    {"emailAddress": "ann.berg+fair@example.com", "firstName": "Ann", "mobilePhoneNumber": "0170/1234567"},
)


@method(
    UnexpectedArray,
    result=Reads(DUPLICATE, beside=_BESIDE),
    vendor=False,
    section="own: duplicates",
    examples=[
        Example(
            {},
            [{"leadID": ..., "otherID": ..., "score": "0.98", "reasons": ["email", "mobilePhone"]}],
            "The same mailbox, and the same number with and without its country.",
            given=(Example({"objects": list(_TWO)}, [CREATED, CREATED], method="createLeads"),),
        )
    ],
)
async def find_duplicate_leads(
    context: Context,
    *,
    id: Annotated[
        list[int] | None,
        OneOrMore(f"Only duplicates of this lead, or of a list of up to {PAGE}.", most=PAGE, excess=TooMany),
    ] = None,
    limit: Annotated[int, Count("About how many pairs; 50 is the default, 500 the cap.", cap=PAGE)] = DEFAULT,
    cursor: Annotated[str, Text("The cursor of the last answer, to go on behind it.")] = "",
) -> Rows:
    """Find active leads that are probably one person, in pairs, the surest first, with the reasons.

    `score` is from 0.5 to 1. `reasons`: `email`, the same mailbox (`a+fair@` is `a@`; googlemail.com is gmail.com; dots
    do not count, and are surer at Google); `mobilePhone`, or `phone` for any other of the numbers, with or without the
    country; `name`, a similar first and last name, in any order, at a similar company (or domain, when there is no
    company). Accents, case and legal forms do not count. Names of two people halve the score, and a value that more
    than 20 leads share says nothing.

    Without `id` all leads are compared with each other: pairs by address come first, then those by number, then those
    by name, the surest first in each answer. An answer takes three seconds at most, and can have fewer pairs than
    `limit`, or a few more, while there is a `cursor`. The first question of a company lets its leads be read; until
    that is done, some seconds for a hundred thousand leads, and after great imports, `isComplete` is false. With `id`
    all duplicates of these leads come in one answer, with the lead asked for as `leadID`.
    """
    after = _after(cursor)
    async with context.tx() as tx:
        complete = await duplicates.refresh_keys(tx, context.company.id)
    if not complete:
        context.server.jobs.wake()
    async with context.tx() as tx:
        if id is None:
            found, last = await _all(context, tx, after, limit)
        else:
            found, last = await _of(context, tx, id), None
    found.sort(key=lambda one: (-one.score, one.lead_id, one.other_id))
    rows = [
        {
            "leadID": str(one.lead_id),
            "otherID": str(one.other_id),
            "score": f"{one.score:.2f}",
            "reasons": list(one.reasons),
        }
        for one in found
    ]
    at = None if last is None else f"{last[0]}.{last[1]}"
    return Rows(rows, beside={"cursor": at, "isComplete": complete})


def _after(cursor: str) -> Key:
    if not cursor:
        return 0, 0
    found = re.fullmatch(r"([1-9])\.(-?[0-9]{1,19})", cursor, re.ASCII)
    if found is None or not -(2**63) <= int(found[2]) < 2**63:
        raise InvalidParameters(Problem(param="cursor", message="Expected the cursor of an answer"))
    return int(found[1]), int(found[2])


async def _of(context: Context, tx: Tx, ids: Sequence[int]) -> list[Match]:
    groups = await duplicates.sharing_keys(tx, context.company.id, ids)
    known = await duplicates.load_persons(
        tx, context.company.id, sorted({one for group in groups for one in group.lead_ids})
    )
    asked = set(ids)
    pairs = {(a, b) for group in groups for a in group.lead_ids if a in asked for b in group.lead_ids if b != a}
    pairs = {(a, b) for a, b in pairs if a < b or b not in asked}
    return list(_judged(pairs, known))


async def _all(context: Context, tx: Tx, after: Key, limit: int) -> tuple[list[Match], Key | None]:
    """Pairs behind a key, and the key to go on behind."""
    until = time.monotonic() + SECONDS
    found: list[Match] = []
    last: Key | None = after
    while last is not None and len(found) < limit and time.monotonic() < until:
        groups, last = await duplicates.shared_keys(tx, context.company.id, last, limit=min(limit, _GROUPS))
        found += await _first_met(context, tx, groups)
    return found, last


async def _first_met(context: Context, tx: Tx, groups: Sequence[Group]) -> list[Match]:
    """The pairs of these groups, each under the first of the keys that it shares: so that it comes once."""
    known = await duplicates.load_persons(
        tx, context.company.id, sorted({one for group in groups for one in group.lead_ids})
    )
    keys: dict[tuple[int, int], Key] = {}
    for group in groups:
        for pair in combinations(sorted(group.lead_ids), 2):
            keys.setdefault(pair, group.key)
    matches = list(_judged(keys, known))
    before = {
        (one.lead_id, one.other_id): {
            key for key in known[one.lead_id].keys & known[one.other_id].keys if key < keys[one.lead_id, one.other_id]
        }
        for one in matches
    }
    crowds = await duplicates.crowded_keys(
        tx, context.company.id, sorted({key for met in before.values() for key in met})
    )
    return [one for one in matches if before[one.lead_id, one.other_id] <= crowds]


def _judged(
    pairs: Mapping[tuple[int, int], Key] | set[tuple[int, int]], known: Mapping[int, ComparedLead]
) -> Iterator[Match]:
    for a, b in pairs:
        if a in known and b in known and (found := match(known[a], known[b])):
            yield found
