"""searchLeads: leads by any filter, by words in their texts, in any order, with a cursor (our own)."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from springhead.methods import reads
from springhead.methods.examples import GIVEN
from springhead.model.kit import filters
from springhead.model.kit.errors import InvalidParameters, Json, Problem, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads import search
from springhead.model.leads.leads import LEAD
from springhead.model.leads.search import Cursor, SortKey
from springhead.rpc.context import Context
from springhead.rpc.key_params import Hash, Sort, Text
from springhead.rpc.method import Example, Reads, Rows, method
from springhead.rpc.params import PAGE, Count, Integer, Names
from springhead.store.database.pool import TookTooLong
from springhead.store.leads.search import SECONDS, Query, Search

DEFAULT = 50
"""How many leads an answer has when the call does not say."""

_BESIDE: Mapping[str, Json] = {
    "cursor": {"type": ["string", "null"], "description": "Where the search goes on; null at its end."},
    "total": {
        "type": ["integer", "null"],
        "description": f"How many, when asked; at most {search.TOTAL_MAX}.",
    },
    "totalIsExact": {"type": ["boolean", "null"], "description": "Whether there are no more than `total`."},
}


@method(
    UnexpectedArray,
    result=Reads(LEAD, beside=_BESIDE),
    vendor=False,
    section="own",
    examples=[
        Example(
            {
                "filter": {"leadStatus": ["unqualified", "open"], "leadScore": {"less": 10}},
                "sort": [{"field": "lastName"}, {"field": "updateTimestamp", "direction": "desc"}],
                "fields": ["id", "emailAddress"],
            },
            [{"id": ..., "emailAddress": "lead.one@example.com"}],
            "By a filter, sorted.",
            given=GIVEN,
        ),
        Example(
            {"text": "laed one@", "fields": ["id", "firstName"]},
            [{"id": ..., "firstName": "Lead"}],
            "By words, one of them with a typo.",
            given=GIVEN,
        ),
    ],
)
async def search_leads(
    context: Context,
    *,
    filter: Annotated[Mapping[str, Json] | None, Hash("What must hold for a lead: fields and their tests.")] = None,
    text: Annotated[str, Text("Words that a lead must have in its names, company, email or description.")] = "",
    sort: Annotated[
        list[tuple[str, bool]] | None,
        Sort("By what to sort: up to three fields; by id without.", most=search.SORTS_MAX),
    ] = None,
    limit: Annotated[int, Count("How many at most; 50 is the default, 500 the cap.", cap=PAGE)] = DEFAULT,
    cursor: Annotated[str, Text("The cursor of the last answer, to go on behind it.", length=8_000)] = "",
    fields: Annotated[list[str] | None, Names("Only these fields; all when left out.")] = None,
    total: Annotated[int, Integer("1: count the leads as well.", low=0, high=1)] = 0,
    inactive: Annotated[int, Integer("1: leads that are not active, too.", low=0, high=1)] = 0,
) -> Rows:
    """Search leads: by a filter, by words, in any order, page by page with a cursor.

    `filter` is that of lists, over every field of leads, custom ones too: `{"city": ["Berlin", "Bonn"]}`,
    `{"leadScore": {"atLeast": 10}}`, `{"city": {"changedSince": "2026-03-01 08:00:00"}}`; `and`, `or` and
    `not` make groups. `list` is for the lists that a lead is on: `{"list": {"in": [id, id]}}`, and `event` for what
    happened to it: `{"event": {"source": "pageVisit", "since": "2026-03-01", "count": {"atLeast": 3}}}`.

    `text`: every word must stand in the first or last name, the company's name, the email address or the
    description, in any case, as a piece of a word too. When no lead has them all, a word of 3 to 20 letters is
    looked for in the names with one mistake: a letter missing, wrong or too many, or two in the wrong order.

    Without `sort` those come first whose names or address the words fit best: as whole words, then as beginnings;
    among many leads, 2,000 at a time. `sort` is a field's name or a list of up to three, each a name or
    `{"field": ..., "direction": "asc" or "desc"}`. Texts are sorted without regard to case, by the characters' code;
    leads without a value come last. The id decides between equals.

    A cursor belongs to its search: send the same `filter`, `text`, `sort` and `inactive` with it. It stays good
    while leads come, go and change: one that keeps its place is seen once. With `total` 1 the answer has the
    number of leads, up to 10,000. A search that takes longer than three seconds is refused with 205.
    """
    words = search.words(text)
    if len(words) > search.WORDS_MAX:
        raise InvalidParameters(Problem(param="text", message=f"Expected at most {search.WORDS_MAX} words"))
    async with context.tx() as tx:
        known = await context.fields(tx)
        columns = search.search_fields(known)
        try:
            wanted = filters.parse(filter, columns, zone=context.zone) if filter else None
            keys = _keys(sort or [], known)
        except InvalidParameters:
            await context.verify(tx, known)
            raise
        chosen = await reads.select(context, tx, LEAD, known, fields)
        which = search.fingerprint(
            filters.to_json(wanted) if wanted else None, words, [list(one) for one in sort or []], inactive
        )
        ranked = bool(words) and not sort
        start = _start(cursor, which, None if ranked else keys)
        query = Query(filter=wanted, columns=columns, words=words, keys=keys, living=not inactive, ranked=ranked)
        running = Search(tx, context.company.id, chosen, query, zone=context.zone_name, version=known.version)
        typos = start.typos if start else False
        after = start.values if start else None
        try:
            rows, places = await running.find(typos=typos, after=after, limit=limit + 1)
            if not rows:
                await context.verify(tx, known)
            if not rows and not start and any(search.typo_pattern(word) for word in words):
                typos = True
                rows, places = await running.find(typos=True, after=None, limit=limit + 1)
            counted = await running.count(typos=typos) if total else None
        except TookTooLong:
            message = f"The search takes longer than {SECONDS:.0f} seconds: make the filter choose fewer leads"
            raise InvalidParameters(Problem(param="filter", message=message)) from None
    more = limit > 0 and len(rows) > limit
    beside: dict[str, Json] = {
        "cursor": search.encode_cursor(Cursor(typos, tuple(places[limit - 1])), which) if more else None,
        "total": None if counted is None else min(counted, search.TOTAL_MAX),
        "totalIsExact": None if counted is None else counted <= search.TOTAL_MAX,
    }
    return Rows(rows[:limit], beside=beside)


def _keys(sort: Sequence[tuple[str, bool]], known: FieldSet) -> list[SortKey]:
    keys = search.sort_keys(sort, known)
    if isinstance(keys, str):
        valid = sorted({*LEAD.by_name, *(column.name for column in known.columns["lead"])})
        raise InvalidParameters(Problem(param="sort", message=f"There is no field {keys[:255]}"), validParams=valid)
    return keys


def _start(cursor: str, which: str, keys: Sequence[SortKey] | None) -> Cursor | None:
    """Where to go on, behind sort values of these keys or, without keys, behind a place of the best fit."""
    if not cursor:
        return None
    found = search.decode_rank_cursor(cursor, which) if keys is None else search.decode_cursor(cursor, which, keys)
    if found is None:
        message = "Expected the cursor that the last answer of the same search gave"
        raise InvalidParameters(Problem(param="cursor", message=message))
    return found
