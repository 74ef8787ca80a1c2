"""The editors of filters and columns: forms whose answer is the address of the changed table."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.model.kit import filters, times
from springhead.model.kit.errors import InvalidParameters, Json
from springhead.model.leads import search
from springhead.pages.leads.address import PATH
from springhead.pages.leads.chips import compact, parts_of
from springhead.pages.leads.columns import CHOICES, TableColumn
from springhead.pages.leads.table import Table, table_of
from springhead.pages.visits import Visit, Visits

_WITHOUT_VALUE = {"empty", "not_empty"}


class TableEditor:
    """The requests that change the filter and the columns in an address."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def routes(self) -> list[Route]:
        """Returns the routes of the editors."""
        of = self._visits.of
        return [
            Route(f"{PATH}/filter", of(self.filter), methods=["GET"]),
            Route(f"{PATH}/columns", of(self.columns), methods=["GET"]),
        ]

    async def filter(self, visit: Visit) -> Response:
        """Goes to the table with one more test. A test that is wrong goes along too: the table explains it."""
        table, query = await table_of(visit), visit.request.query_params
        name, operator = query.get("field", "")[:255], query.get("op", "")
        if not name or operator not in CHOICES:
            return _to(table.address.path())
        test = await _test(visit, table, name, operator, query.get("value", "").strip()[:1_000])
        try:
            parsed = filters.parse(test, search.search_fields(table.fields), zone=visit.context().zone)
            combined = compact([*parts_of(table.filter), *parts_of(parsed)])
        except InvalidParameters:
            combined = {"and": [compact(parts_of(table.filter)), test]} if table.filter else test
        return _to(table.address.path(filter=combined))

    async def columns(self, visit: Visit) -> Response:
        """Goes to the table with the chosen columns. Those that were there keep their order."""
        table = await table_of(visit)
        chosen = visit.request.query_params.getlist("col")
        kept = [column.name for column in table.shown if column.name in chosen]
        names = [*kept, *(name for name in chosen if name not in kept)]
        return _to(table.address.path(columns=names or None))


async def _test(visit: Visit, table: Table, name: str, operator: str, value: str) -> Mapping[str, Json]:
    """Returns a test as JSON, from what a person has chosen and typed."""
    if operator in _WITHOUT_VALUE:
        return {name: {"empty": operator == "empty"}}
    column = table.columns.get(name)
    parts = [part.strip() for part in value.split(",")] if operator in {"in", "between"} else [value]
    read = [await _value(visit, column, part) for part in parts]
    sent: Json = read if operator in {"in", "between"} else read[0]
    if column and column.kind in {"time", "activity"}:
        return _time_test(visit, name, operator, read)
    return {"not": {name: sent}} if operator == "not_equals" else {name: {operator: sent}}


async def _value(visit: Visit, column: TableColumn | None, text: str) -> str:
    """Returns a value for what was typed: the labels of a choice and the names of users stand for their values."""
    labels: Mapping[str, str] = {label.casefold(): value for value, label in column.options} if column else {}
    if text.casefold() in labels:
        return labels[text.casefold()]
    if column and column.kind == "status" and text.casefold() == visit.text("status.contactWithOpp").casefold():
        return "contactWithOpp"
    if column and column.kind == "owner" and not text.isdecimal() and "\0" not in text:
        read = await visit.call("getUserProfiles", where={"displayName": text})
        return str(read.page[0]["id"]) if read.page else text
    return text


def _time_test(visit: Visit, name: str, operator: str, values: Sequence[str]) -> Mapping[str, Json]:
    """Returns a test of a time. A day is one in the zone of the user."""
    if operator in {"equals", "not_equals"}:
        test: Mapping[str, Json] = {name: {"between": [_utc(visit, values[0]), _utc(visit, values[0], end=True)]}}
        return {"not": test} if operator == "not_equals" else test
    if operator == "between":
        return {name: {"between": [_utc(visit, value, end=at == 1) for at, value in enumerate(values)]}}
    return {name: {operator: _utc(visit, values[0], end=operator in {"greater", "atMost"})}}


def _utc(visit: Visit, text: str, *, end: bool = False) -> str:
    try:
        local: Any = datetime.fromisoformat(text)
    except ValueError:
        return text
    if end and local.time() == time():
        local = datetime.combine(local, time(23, 59, 59))
    utc = times.to_utc(local.replace(tzinfo=None), visit.user.zone, later=end)
    return f"{utc:%Y-%m-%d %H:%M:%S}".rjust(19, "0")


def _to(path: str) -> Response:
    return RedirectResponse(path, 303, {"cache-control": "no-store"})
