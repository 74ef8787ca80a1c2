"""Runs calls in this process, and counts the rows that PostgreSQL reads of each table for each of their statements.

Every statement is planned as the server's role, so that row-level security counts, and in both ways: with its values,
as PostgreSQL plans the first executions, and generic, as it plans later ones.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, NamedTuple

import asyncpg

from in_process import answer, context_of, shared_parts
from springhead.rpc.context import Context
from springhead.store.database.admission import Lane
from springhead.store.database.pool import Database, Tx
from springhead.store.database.sql import Sql
from support import Company, Server

MODES = ("force_custom_plan", "force_generic_plan")
REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")
WRITES = frozenset({"Insert", "Update", "Delete"})


class Reading(NamedTuple):
    """A statement read that many rows of a table; `mode` says how it was planned."""

    table: str
    rows: int
    mode: str
    statement: str
    plan: str

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.table}, {self.mode}:\n{' '.join(self.statement.split())}\n{self.plan}"


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


class _ExplainingTx(Tx):
    """Before each statement, runs it under `explain analyze` in a savepoint, and rolls back to it."""

    def __init__(self, connection: Any, readings: list[Reading]) -> None:
        super().__init__(connection)
        self._readings = readings

    async def rows(self, sql: Sql, *arguments: object) -> list[asyncpg.Record]:
        await self._explain(sql, arguments)
        return await super().rows(sql, *arguments)

    async def row(self, sql: Sql, *arguments: object) -> asyncpg.Record | None:
        await self._explain(sql, arguments)
        return await super().row(sql, *arguments)

    async def value(self, sql: Sql, *arguments: object) -> Any:
        await self._explain(sql, arguments)
        return await super().value(sql, *arguments)

    async def _explain(self, sql: str, arguments: Sequence[object]) -> None:
        values = f"({', '.join(map(literal, arguments))})" if arguments else ""
        chosen = await self._connection.fetchval("show plan_cache_mode")
        await self._connection.execute(f"prepare explained as {sql}")
        try:
            for mode in MODES if chosen == "auto" else [chosen]:
                transaction = self._connection.transaction()
                await transaction.start()
                try:
                    await self._connection.execute(f"set local plan_cache_mode = {mode}")
                    answer = await self._connection.fetchval(
                        f"explain (analyze, format json) execute explained{values}"
                    )
                finally:
                    await transaction.rollback()
                plan = json.loads(answer)[0]["Plan"]
                self._readings += [
                    Reading(table, rows, mode, sql, outline(plan)) for table, rows in rows_read(plan).items()
                ]
        finally:
            await self._connection.execute("deallocate explained")


class _ExplainingDatabase(Database):
    def __init__(self) -> None:
        super().__init__(pool_size=3)
        self.readings: list[Reading] = []

    @asynccontextmanager
    async def company(self, company_id: int, lane: Lane = Lane.CALLS) -> AsyncGenerator[Tx]:
        async with super().company(company_id, lane) as tx:
            explaining = _ExplainingTx(tx._connection, self.readings)
            yield explaining
            tx.changed |= explaining.changed


class Planner:
    """Makes calls on the database of a server, and explains their statements."""

    def __init__(self, server: Server) -> None:
        self._database = _ExplainingDatabase()
        self._shared = shared_parts(self._database)
        self._runner = asyncio.Runner()
        self._runner.run(self._database.open(server.dsn))

    def close(self) -> None:
        """Closes the database."""
        self._runner.run(self._database.close())
        self._runner.close()

    def call(self, company: Company, method: str, params: Any) -> list[Reading]:
        """Makes a call, which must not be refused. Returns the rows that its statements read."""
        self._database.readings.clear()
        result = self.run(company, lambda context: answer(context, method, params))
        assert result["result"] is not None, result
        return list(self._database.readings)

    def run(self, company: Company, work: Callable[[Context], Awaitable[Any]]) -> Any:
        """Runs work for a company."""

        async def run() -> Any:
            return await work(await context_of(self._shared, company))

        return self._runner.run(run())
