"""Runs calls in this process, and counts the rows that PostgreSQL reads of each table for each of their statements.

Every statement is planned as the server's role, so that row-level security counts, and in both ways: with its values,
as PostgreSQL plans the first executions, and generic, as it plans later ones.
"""

import ast
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import asyncpg

import springhead
from in_process import InsideCompany, WatchedDatabase, answer, context_of, shared_parts
from springhead.rpc.context import Context
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Sql
from support import BOX, Company, Server

TIMES = 3
"""How often each statement is explained: with other values, another plan can be right."""

EXPLAIN = "explain (analyze, timing off, buffers off, format json)"
MODES = ("force_custom_plan", "force_generic_plan")
REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")
WRITES = frozenset({"Insert", "Update", "Delete"})


SOURCES = Path(springhead.__file__).parent
SENDS = frozenset({"rows", "row", "value"})
"""The methods of Tx that send a statement."""


class Site(NamedTuple):
    """A place in the code that sends a statement."""

    file: str
    function: str
    line: int
    last_line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}"


def sites() -> list[Site]:
    """All places under src/springhead/store that send statements."""
    return [site for file in sorted((SOURCES / "store").rglob("*.py")) for site in _sites_in(file)]


def _sites_in(file: Path) -> Iterator[Site]:
    name = file.relative_to(SOURCES).as_posix()
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in SENDS
                    and ast.unparse(node.func.value) in {"tx", "self.tx", "self._tx"}
                ):
                    yield Site(name, function.name, node.lineno, node.end_lineno or node.lineno)


class Reading(NamedTuple):
    """A statement read that many rows of a table; `mode` says how it was planned, `site` who sent it."""

    site: Site
    table: str
    rows: int
    mode: str
    statement: str
    plan: str

    def __str__(self) -> str:
        statement = " ".join(self.statement.split())
        return f"{self.site}: {self.rows} rows of {self.table}, {self.mode}:\n{statement}\n{self.plan}"


def literal(value: object) -> str:
    """A value as a literal whose type the statement decides."""
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return literal("{" + ",".join(_element(item) for item in value) + "}")
    if isinstance(value, bytes):
        return literal(f"\\x{value.hex()}")
    if isinstance(value, (datetime, date)):
        return literal(value.isoformat())
    return "'" + str(value).replace("'", "''") + "'"


def _element(item: object) -> str:
    if item is None:
        return "null"
    if isinstance(item, bytes):
        text = f"\\x{item.hex()}"
    else:
        text = item.isoformat() if isinstance(item, datetime) else str(item)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def rows_read(plan: Mapping[str, Any]) -> Counter[str]:
    """The rows that an executed plan read of each table, with those that a filter removed."""
    counts: Counter[str] = Counter()
    for node in _nodes(plan):
        if "Relation Name" in node and node.get("Operation") not in WRITES:
            rows = node["Actual Rows"] + sum(node.get(removed, 0) for removed in REMOVED)
            counts[node["Relation Name"]] += round(rows * node["Actual Loops"])
    return counts


def outline(plan: Mapping[str, Any], depth: int = 1) -> str:
    """A plan as text: a line for each node."""
    shown = ("Relation Name", "Index Name", "Index Cond", "Filter", "Actual Rows", "Actual Loops", *REMOVED)
    line = "  " * depth + " ".join([plan["Node Type"], *(f"{plan[name]}" for name in shown if name in plan)])
    return "\n".join([line, *(outline(child, depth + 1) for child in plan.get("Plans", []))])


def _sender(frame: FrameType) -> Site:
    """The place of the code that sends a statement, from the frame that waits for its answer."""
    file = Path(frame.f_code.co_filename)
    name = file.relative_to(SOURCES).as_posix() if file.is_relative_to(SOURCES) else file.name
    return Site(name, frame.f_code.co_name, frame.f_lineno, frame.f_lineno)


class _Log:
    """What was explained."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.sent: set[Site] = set()
        self.explained: Counter[str] = Counter()


class _ExplainingTx(Tx):
    """Before each statement, runs it under `explain analyze` in a savepoint, and rolls back to it."""

    def __init__(self, connection: Any, log: _Log) -> None:
        super().__init__(connection, BOX)
        self._log = log

    async def rows(self, sql: Sql, *arguments: object) -> list[asyncpg.Record]:
        await self._explain(_sender(sys._getframe(1)), sql, arguments)
        return await super().rows(sql, *arguments)

    async def row(self, sql: Sql, *arguments: object) -> asyncpg.Record | None:
        await self._explain(_sender(sys._getframe(1)), sql, arguments)
        return await super().row(sql, *arguments)

    async def value(self, sql: Sql, *arguments: object) -> Any:
        await self._explain(_sender(sys._getframe(1)), sql, arguments)
        return await super().value(sql, *arguments)

    async def _explain(self, site: Site, sql: str, arguments: Sequence[object]) -> None:
        self._log.sent.add(site)
        self._log.explained[sql] += 1
        if self._log.explained[sql] > TIMES:
            return
        values = f"({', '.join(map(literal, arguments))})" if arguments else ""
        chosen = await self._connection.fetchval("show plan_cache_mode")
        await self._connection.execute(f"prepare explained as {sql}")
        try:
            for mode in MODES if chosen == "auto" else [chosen]:
                plan = await self._plan(mode, f"{EXPLAIN} execute explained{values}")
                self._log.readings += [
                    Reading(site, table, rows, mode, sql, outline(plan)) for table, rows in rows_read(plan).items()
                ]
        finally:
            await self._connection.execute("deallocate explained")

    async def _plan(self, mode: str, explain: str) -> Mapping[str, Any]:
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            await self._connection.execute(f"set local plan_cache_mode = {mode}")
            return json.loads(await self._connection.fetchval(explain))[0]["Plan"]
        finally:
            await transaction.rollback()


class Planner:
    """Makes calls on the database of a server, and explains their statements."""

    def __init__(self, server: Server) -> None:
        self._log = _Log()
        self._database = WatchedDatabase(lambda connection: _ExplainingTx(connection, self._log))
        self._shared = shared_parts(self._database)
        self._calls = 0
        self._runner = asyncio.Runner()
        self._runner.run(self._database.open(server.dsn))

    def close(self) -> None:
        """Closes the database."""
        self._runner.run(self._database.close())
        self._runner.close()

    def inside(self, company: Company) -> Company:
        """A client of the company whose statements are explained."""
        return InsideCompany(company, self.run, self._answer)

    async def _answer(self, context: Context, method: str, params: Any) -> dict[str, Any]:
        self._calls += 1
        return await answer(context, method, params, idempotency_keys=[f"call {self._calls}"] * (self._calls % 2))

    def run(self, company: Company, work: Callable[[Context], Awaitable[Any]]) -> Any:
        """Runs work for a company."""

        async def run() -> Any:
            return await work(await context_of(self._shared, company))

        return self._runner.run(run())

    def readings(self) -> list[Reading]:
        """What the statements read since this was last asked. Explains every statement anew from here on."""
        readings, self._log.readings = self._log.readings, []
        self._log.explained.clear()
        return readings

    def unsent(self) -> list[Site]:
        """The places that send statements, but have not sent one yet."""
        sent = self._log.sent
        return [
            site
            for site in sites()
            if not any(site.file == other.file and site.line <= other.line <= site.last_line for other in sent)
        ]
