"""The page of the table of leads: what its address asks for, as rows."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from springhead.model.companies.roles import Right
from springhead.model.kit import filters
from springhead.model.kit.errors import ApiError, InvalidParameters, Json
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.filters import Filter
from springhead.model.leads import search
from springhead.pages.leads import address as addresses
from springhead.pages.leads import cells
from springhead.pages.leads.address import NAME, PATH, Address, Sort
from springhead.pages.leads.chips import Chip, Sentences, compact, parts_of, references
from springhead.pages.leads.columns import ACTIVITY, CHOICES, DEFAULT_COLUMNS, TableColumn, all_columns
from springhead.pages.leads.views import View, views_of
from springhead.pages.visits import CallRefused, Visit, Visits
from springhead.rpc.method import ReadResult

ROWS = 100
"""How many rows a request returns."""

DEFAULT_SORT: Sort = ((ACTIVITY, True),)
"""The order of a table whose view does not choose one and that is not searched by words: last active first."""

_SUGGESTED_MAX = 3
"""For how many tests of a filter the page says how many leads there are without it."""

FULL_SCORE = 100
"""The score that fills a bar, as long as no lead on the page has a higher one."""


_WORDS = ("key_save", "key_next", "key_leave", "offline", "theirs", "undo", "still")
"""The texts that the scripts of the table show."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What an address asks for, with the fields of the company: the columns, the filter and the order."""

    address: Address
    columns: Mapping[str, TableColumn]
    shown: Sequence[TableColumn]
    filter: Filter | None
    sort: Sort | None
    fields: FieldSet
    problems: Sequence[str]
    views: Sequence[View]
    view: View

    @property
    def is_changed(self) -> bool:
        """Whether the address says something else than its view."""
        address = self.address
        return any(part is not None for part in (address.filter, address.sort, address.columns))

    @property
    def in_order(self) -> Sequence[TableColumn]:
        """All columns: those that are shown, and then the others."""
        return [*self.shown, *(column for column in self.columns.values() if column not in self.shown)]

    @property
    def as_view(self) -> str:
        """What the table shows, as JSON that makes a view of it."""
        keys = [{"field": name, "direction": "desc" if down else "asc"} for name, down in sort_keys(self)]
        names = [column.name for column in self.shown if column.name != NAME]
        shown = {"filter": compact(parts_of(self.filter)) or None, "sort": keys, "columns": names}
        return msgspec.json.encode(shown).decode()


class Found(msgspec.Struct, kw_only=True):
    """The answer of the search: leads, their number, the next cursor and the time, or why it was refused."""

    leads: Sequence[Mapping[str, Json]] = ()
    total: int | None = None
    is_exact: bool = True
    cursor: str = ""
    milliseconds: int = 0
    refusals: Sequence[str] = ()


class LeadsTable:
    """The page of the table of leads."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Returns the routes of the table."""
        of = self._visits.of
        return [Route(PATH, of(self.page), methods=["GET"]), Route(f"{PATH}/count", of(self.count), methods=["GET"])]

    async def count(self, visit: Visit) -> Response:
        """Returns the exact number of leads that the address asks for, as a script puts it in place of `10,000+`."""
        table = await table_of(visit)
        try:
            read = await visit.call("getLeadCount", filter=compact(parts_of(table.filter)), text=table.address.text)
        except CallRefused:
            return Response(status_code=204)  # the search itself says what is wrong
        count = read.page[0]
        if _is_misunderstood(table) or str(count["isExact"]) != "1":
            return Response(status_code=204)
        return visit.render("leads/count.html", {"total": int(count["count"])})

    async def page(self, visit: Visit) -> Response:
        """Shows the leads that the address asks for: the whole page, or for a script only what differs."""
        table = await table_of(visit)
        found = await _search(visit, table)
        names = await cells.names_of(visit, found.leads, {} if table.address.cursor else references(table.filter))
        may_edit = visit.user.may(Right.WRITE)
        values: dict[str, Any] = {
            "table": table,
            "found": found,
            "rows": cells.rows_of(found.leads, table.shown, names, may_edit=may_edit),
            "now": datetime.now(UTC),
            "full_score": max([FULL_SCORE, *_scores(found.leads)]),
            "next_path": table.address.path(cursor=found.cursor) if found.cursor else "",
            "current_path": PATH,
        }
        if visit.is_fragment and table.address.cursor:
            return visit.render("leads/rows.html", values)
        sentences = Sentences(
            table.columns, search.search_fields(table.fields), names, zone=visit.user.zone, t=visit.text
        )
        chips = [(chip, table.address.path(filter=chip.without)) for chip in sentences.chips(table.filter)]
        values |= {
            "chips": chips,
            "sort_path": partial(_sort_path, table),
            "sorted_by": _sorted_by(table),
            "suggestions": await _suggestions(visit, table, found, chips),
            "may_edit": may_edit,
            "may_share": visit.user.may(Right.TEAM),
            "operators": CHOICES,
            "may_delete": visit.user.may(Right.DELETE),
            "words": msgspec.json.encode({name: visit.text(f"leads.{name}") for name in _WORDS}).decode(),
        }
        return visit.render("leads/results.html" if visit.is_fragment else "leads/table.html", values)


async def fields_of(visit: Visit) -> FieldSet:
    """Returns the fields of the company."""
    context = visit.context()
    async with context.tx() as tx:
        return await context.fields(tx)


async def table_of(visit: Visit) -> Table:
    """Returns what the address asks for. Parts that are wrong are left out, and are problems."""
    address = addresses.read(visit.request.query_params)
    fields = await fields_of(visit)
    columns = all_columns(fields, visit.text)
    problems = [visit.text(problem) for problem in address.problems]
    views = await views_of(visit)
    view = next((one for one in views if one.id == address.view), views[0])
    if view.id != address.view:
        problems.append(visit.text("leads.bad_view"))
    wanted = address.columns or view.columns or DEFAULT_COLUMNS
    unknown = [name for name in wanted if name not in columns]
    if unknown:
        problems.append(visit.text("leads.unknown_column", name=unknown[0][:100]))
    shown = [columns[NAME], *(columns[name] for name in wanted if name in columns and name != NAME)]
    parsed = None
    document = address.filter if address.filter is not None else view.filter
    if document:
        try:
            parsed = filters.parse(document, search.search_fields(fields), zone=visit.context().zone, name="f")
        except InvalidParameters as refusal:
            problems += messages(refusal)
    sort = address.sort if address.sort is not None else view.sort or (None if address.text else DEFAULT_SORT)
    return Table(
        address=address,
        columns=columns,
        shown=shown,
        filter=parsed,
        sort=sort,
        fields=fields,
        problems=problems,
        views=views,
        view=view,
    )


def _is_misunderstood(table: Table) -> bool:
    """Whether the address or its view has a filter that is wrong."""
    document = table.view.filter if table.address.filter is None else table.address.filter
    return table.filter is None and bool(document)


async def _search(visit: Visit, table: Table) -> Found:
    """Searches the leads. A refused search finds nothing, and says why."""
    if _is_misunderstood(table):
        return Found()  # a filter that is not understood must not show all leads
    address, started = table.address, perf_counter()
    params: dict[str, Any] = {"filter": compact(parts_of(table.filter)), "text": address.text, "limit": ROWS}
    if table.sort:
        params["sort"] = [
            {"field": field, "direction": "desc" if descending else "asc"} for field, descending in sort_keys(table)
        ]
    if address.cursor:
        params["cursor"] = address.cursor
    try:
        read = await visit.call(
            "searchLeads", **params, fields=cells.needed_fields(table.shown), total=int(not address.cursor)
        )
    except CallRefused as refusal:
        return Found(refusals=messages(refusal.error))
    extra: Mapping[str, Any] = read.extra
    return Found(
        leads=read.page,
        total=extra["total"],
        is_exact=bool(extra["totalIsExact"]),
        cursor=extra["cursor"] or "",
        milliseconds=max(1, round((perf_counter() - started) * 1000)),
    )


def sort_keys(table: Table) -> Sort:
    """Returns the fields to sort by: a name is sorted by the last name and then the first name."""
    keys: list[tuple[str, bool]] = []
    for name, descending in table.sort or ():
        names = table.columns[name].sort_fields if name in table.columns else (name,)
        keys += [(field, descending) for field in names]
    return keys[: search.SORTS_MAX]


def messages(refusal: ApiError) -> list[str]:
    """Returns the sentences of a refusal, each with the place of the mistake if there is one."""
    params = refusal.data.get("params", []) if isinstance(refusal.data, dict) else []  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return [f"{problem['param']}: {problem['message']}"[:500] for problem in params[:5]] or [refusal.message]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _scores(leads: Sequence[Mapping[str, Any]]) -> list[int]:
    return [int(lead[name] or 0) for lead in leads for name in ("leadScore", "leadScoreWeighted") if name in lead]


def _sorted_by(table: Table) -> Mapping[str, str]:
    """Returns the directions of the columns by which the table is sorted, in the words of aria-sort."""
    return {name: "descending" if descending else "ascending" for name, descending in table.sort or ()}


def _sort_path(table: Table, column: TableColumn) -> str:
    """Returns the address of the table sorted by a column: the other way round if it is sorted by it already."""
    direction = dict(table.sort or ()).get(column.name)
    descending = column.starts_high if direction is None else not direction
    return table.address.path(sort=[(column.name, descending)])


async def _suggestions(
    visit: Visit, table: Table, found: Found, chips: Sequence[tuple[Chip, str]]
) -> Sequence[tuple[Chip, str, int, bool]]:
    """Returns the tests without which there would be leads, if there are none.

    Each has the address of the table without it, and the number of its leads.
    """
    if found.leads or found.refusals or table.address.cursor or not chips:
        return ()
    reads = await asyncio.gather(
        *(
            visit.call("searchLeads", filter=chip.without, text=table.address.text, limit=0, total=1)
            for chip, _ in chips[:_SUGGESTED_MAX]
        ),
        return_exceptions=True,
    )
    suggestions: list[tuple[Chip, str, int, bool]] = []
    for (chip, path), read in zip(chips, reads, strict=False):
        extra: Mapping[str, Any] = (read.extra or {}) if isinstance(read, ReadResult) else {}
        if extra.get("total"):
            suggestions.append((chip, path, extra["total"], bool(extra["totalIsExact"])))
    return suggestions
