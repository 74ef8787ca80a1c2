"""searchLeads: finds leads by a filter and by words in their texts, sorted, with a cursor. Our addition."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated

import msgspec

from springhead.methods import reads
from springhead.methods.examples import GIVEN_LEAD
from springhead.methods.leads.selections import Filter, Inactive, Words, selection, words_of
from springhead.model.kit import filters
from springhead.model.kit.errors import InvalidParameters, Json, Problem, UnexpectedArray
from springhead.model.kit.fields import FieldSet
from springhead.model.leads import search
from springhead.model.leads.leads import LEAD
from springhead.model.leads.search import Cursor, SortKey, Word
from springhead.rpc.context import Context
from springhead.rpc.key_params import Sort, Text
from springhead.rpc.method import Example, ReadResult, Reads, method
from springhead.rpc.params import PAGE, Integer, LimitOrOffset, Names
from springhead.store.database.pool import TookTooLong
from springhead.store.leads.search import SECONDS, Query, Search
from springhead.store.nouns.reads import Rows

DEFAULT = 50
"""The limit if the call does not send one."""

_EXTRA: Mapping[str, Json] = {
    "cursor": {"type": ["string", "null"], "description": "The cursor for the next page; null at the end."},
    "total": {
        "type": ["integer", "null"],
        "description": f"The number of leads, if requested; at most {search.TOTAL_MAX}.",
    },
    "totalIsExact": {"type": ["boolean", "null"], "description": "Whether `total` is the exact number."},
}


@method(
    UnexpectedArray,
    result=Reads(LEAD, extra=_EXTRA),
    vendor=False,
    long=True,
    section="own",
    examples=[
        Example(
            {
                "filter": {"leadStatus": ["unqualified", "open"], "leadScore": {"less": 10}},
                "sort": [{"field": "lastName"}, {"field": "updateTimestamp", "direction": "desc"}],
                "fields": ["id", "emailAddress"],
            },
            [{"id": ..., "emailAddress": "lead.one@example.com"}],
            "Leads by a filter, sorted.",
            given=GIVEN_LEAD,
        ),
        Example(
            {"text": "laed one@", "fields": ["id", "firstName"]},
            [{"id": ..., "firstName": "Lead"}],
            "Leads by words; one word has a typo.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def search_leads(
    context: Context,
    *,
    filter: Filter = None,
    text: Words = "",
    sort: Annotated[
        list[tuple[str, bool]] | None,
        Sort("The fields to sort by, up to three; the id by default.", most=search.SORTS_MAX),
    ] = None,
    limit: Annotated[
        int, LimitOrOffset("The most leads to return; 50 is the default, 500 the maximum.", cap=PAGE)
    ] = DEFAULT,
    cursor: Annotated[str, Text("The `cursor` of the previous answer, to continue after it.", length=8_000)] = "",
    fields: Annotated[list[str] | None, Names("Only these fields; all fields by default.")] = None,
    total: Annotated[int, Integer("1: also count the leads.", low=0, high=1)] = 0,
    inactive: Inactive = 0,
) -> ReadResult:
    """Searches leads by a filter and by words, in any order, page by page with a cursor.

    `filter` is the same as for lists, over every field of leads, custom fields included: `{"city": ["Berlin",
    "Bonn"]}`, `{"leadScore": {"atLeast": 10}}`, `{"city": {"changedSince": "2026-03-01 08:00:00"}}`. `and`, `or` and
    `not` make groups. `list` tests memberships: `{"list": {"in": [id, id]}}`. `event` tests events of the lead:
    `{"event": {"source": "pageVisit", "since": "2026-03-01", "count": {"atLeast": 3}}}`.

    `text`: every word must occur in the first or last name, the company name, the email address or the description, in
    any case and coding, also as a part of a word. Punctuation separates words, except in addresses and domains. Numbers
    are also searched in phone numbers. If no lead contains all words, names are searched again, and a word of 3 to 20
    letters may contain one mistake: a missing, wrong or additional letter, or two swapped letters.

    Without `sort`, the leads whose names or address match the words best come first: whole words, then beginnings of
    words; if many leads match, they are ranked in groups of 2,000. `sort` is the name of a field, or a list of up to
    three, each a name or `{"field": ..., "direction": "asc" or "desc"}`. Texts are sorted regardless of case, by the
    code points of the characters; leads without a value come last. Leads with equal values are sorted by id.

    A cursor belongs to its search: send the same `filter`, `text`, `sort` and `inactive` with it. It stays valid while
    leads are created, changed and deleted: a lead that keeps its position is returned once. With `total` 1, the answer
    has the number of leads, up to 10,000. A search that takes longer than three seconds is refused with 205.
    """
    words = words_of(text)
    async with context.tx() as tx:
        field_set = await context.fields(tx)
        try:
            query = _query(context, field_set, filter, words, sort or [], inactive=inactive)
        except InvalidParameters:
            await context.verify(tx, field_set)
            raise
        select = await reads.select(context, tx, LEAD, field_set, fields)
        test = query.selection.filter
        sent = filters.to_json(test) if test else None
        fingerprint = search.fingerprint(sent, search.tokens(text), [list(key) for key in sort or []], inactive)
        start = _start(cursor, fingerprint, None if query.ranked else query.keys)
        leads_search = Search(tx, context.company.id, select, query, zone=context.zone_name, version=field_set.version)
        try:
            page = await _page(leads_search, query, start, limit, verify=lambda: context.verify(tx, field_set))
            count = await leads_search.count(typos=page.typos, most=search.TOTAL_MAX + 1) if total else None
        except TookTooLong:
            message = f"The search takes longer than {SECONDS:.0f} seconds: use a filter that matches fewer leads"
            raise InvalidParameters(Problem(param="filter", message=message)) from None
    return ReadResult(page.rows, extra=_extra(page, fingerprint, count))


def _query(
    context: Context,
    field_set: FieldSet,
    filter: Mapping[str, Json] | None,
    words: Sequence[Word],
    sort: Sequence[tuple[str, bool]],
    *,
    inactive: int,
) -> Query:
    """Returns the parameters as a query. Raises InvalidParameters, also if the cached fields lack a new field."""
    return Query(
        selection=selection(context, field_set, filter, words, inactive=inactive),
        keys=_keys(sort, field_set),
        ranked=bool(words) and not sort,
    )


class _Page(msgspec.Struct, frozen=True):
    """A page of a search. `end` is the position of its last lead if more follow. `typos`: words may have typos."""

    rows: Rows
    end: Cursor | None
    typos: bool


async def _page(
    leads_search: Search, query: Query, start: Cursor | None, limit: int, *, verify: Callable[[], Awaitable[None]]
) -> _Page:
    """Returns a page. If a new search finds nothing, searches again for words with typos.

    A search also finds nothing if the fields have changed. Then `verify` raises an error, and the call is retried.
    """
    typos = start.typos if start else False
    rows, positions = await leads_search.find(typos=typos, after=start.values if start else None, limit=limit + 1)
    if not rows:
        await verify()
    if not rows and not start and any(map(search.can_be_loose, query.selection.words)):
        typos = True
        rows, positions = await leads_search.find(typos=True, after=None, limit=limit + 1)
    more = limit > 0 and len(rows) > limit
    return _Page(rows[:limit], Cursor(typos, tuple(positions[limit - 1])) if more else None, typos)


def _extra(page: _Page, fingerprint: str, count: int | None) -> Mapping[str, Json]:
    """Returns the values of `_EXTRA`. A count above TOTAL_MAX is not exact."""
    return {
        "cursor": search.encode_cursor(page.end, fingerprint) if page.end else None,
        "total": None if count is None else min(count, search.TOTAL_MAX),
        "totalIsExact": None if count is None else count <= search.TOTAL_MAX,
    }


def _keys(sort: Sequence[tuple[str, bool]], field_set: FieldSet) -> list[SortKey]:
    keys = search.sort_keys(sort, field_set)
    if isinstance(keys, str):
        valid = sorted({*LEAD.by_name, *(column.name for column in field_set.columns["lead"])})
        raise InvalidParameters(Problem(param="sort", message=f"There is no field {keys[:255]}"), validParams=valid)
    return keys


def _start(cursor: str, fingerprint: str, keys: Sequence[SortKey] | None) -> Cursor | None:
    """Returns the position after which to continue. It has values of the sort keys or, without keys, a rank."""
    if not cursor:
        return None
    if keys is None:
        start = search.decode_rank_cursor(cursor, fingerprint)
    else:
        start = search.decode_cursor(cursor, fingerprint, keys)
    if start is None:
        message = "Expected the cursor of the previous answer to the same search"
        raise InvalidParameters(Problem(param="cursor", message=message))
    return start
