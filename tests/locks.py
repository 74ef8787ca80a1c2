"""Runs calls in this process, on the database of a server, and records the row locks of their transactions."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from in_process import InsideCompany, WatchedDatabase, answer, context_of, shared_parts
from isolation import superuser
from lock_log import RECORDS, Ended, Lock, Reading, Seen
from springhead.rpc.context import Context
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Sql
from support import BOX, Company, Server

T = TypeVar("T")

KEYS = {"visitor": "tracking_id", "shift": "noun"}
"""What the rows of a table are known by where it is not their id."""

CHOSEN_KEYS = frozenset(
    {
        "lead", "unique_value", "visitor", "idempotency", "form_token", "subscription", "shift", "feed", "scoring",
        "lead_key_mark", "list_member", "opportunity_lead", "deleted_lead_part", "lead_key",
    }
)  # fmt: skip
"""Tables with a unique key, beside the id, that two transactions may insert at the same time."""

_TABLES = """
    select c.relname::text as name, pg_relation_filenode(c.oid)::bigint as file,
        array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as columns
    from pg_class c
    where c.relkind = 'r' and c.relnamespace = (select oid from pg_namespace where nspname = 'public')
"""
_PLACE = "(pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"


class _RecordingTx(Tx):
    """Records the position of the log after each statement."""

    def __init__(self, connection: Any, ended: list[Ended]) -> None:
        super().__init__(connection, BOX)
        self._ended = ended

    async def rows(self, sql: Sql, *arguments: object) -> list[asyncpg.Record]:
        async with self._transaction():
            rows = await super().rows(sql, *arguments)
            mark = await self._connection.fetchrow(f"select {_PLACE}, pg_current_xact_id_if_assigned()::text::bigint")
            assert mark is not None
            if mark[1] is not None:
                self._ended.append(Ended(mark[0], mark[1] & 0xFFFFFFFF, sql))
            return rows

    async def row(self, sql: Sql, *arguments: object) -> asyncpg.Record | None:
        rows = await self.rows(sql, *arguments)
        return rows[0] if rows else None

    async def value(self, sql: Sql, *arguments: object) -> Any:
        row = await self.row(sql, *arguments)
        return None if row is None else row[0]

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[None]:
        """Uses the open transaction, or opens one: only inside it can its number be read."""
        if self._connection.is_in_transaction():
            yield
        else:
            async with self._connection.transaction():
                yield


class Recorder:
    """Runs calls and reads their locks from the log, without those of other work of the server."""

    def __init__(self, server: Server) -> None:
        self._ended: list[Ended] = []
        self.database = WatchedDatabase(lambda connection: _RecordingTx(connection, self._ended))
        self._shared = shared_parts(self.database)
        self._runner = asyncio.Runner()
        self._seen: list[Seen] = []
        self._calls = 0
        self._runner.run(self._open(server.dsn))

    async def _open(self, dsn: str) -> None:
        await self.database.open(dsn)
        self._data = await asyncpg.connect(superuser(dsn))
        self._log = await asyncpg.connect(superuser(dsn), database="postgres")
        await self._log.execute("create extension if not exists pg_walinspect")
        # The server keeps the files of the log from here on.
        await self._log.execute("select pg_create_physical_replication_slot('locks', true)")
        self._begin = await self._log.fetchval("select pg_current_wal_insert_lsn()")
        tables = await self._data.fetch(_TABLES)
        self._tables = {table["file"]: table["name"] for table in tables}
        self._rows = {
            table["file"]: f"select ctid::text, {key} from {table['name']} where company_id = $1"
            for table in tables
            if (key := KEYS.get(table["name"], "id")) in table["columns"] and "company_id" in table["columns"]
        }

    def close(self) -> None:
        """Closes the database and its log."""
        self._runner.run(self._close())
        self._runner.close()

    async def _close(self) -> None:
        await self._log.execute("select pg_drop_replication_slot('locks')")
        await self._log.close()
        await self._data.close()
        await self.database.close()

    def inside(self, company: Company) -> Company:
        """A client of the company whose calls are recorded."""
        return InsideCompany(company, self.run, self.answer)

    def run(self, company: Company, work: Callable[[Context], Awaitable[T]]) -> T:
        """Runs work for a company, and records the keys of all its rows."""

        async def run() -> T:
            result = await work(await context_of(self._shared, company))
            place = await self._data.fetchval(f"select {_PLACE}")
            for file, query in self._rows.items():
                self._seen += [Seen(place, file, *row.values()) for row in await self._data.fetch(query, company.id)]
            return result

        return self._runner.run(run())

    async def answer(self, context: Context, method: str, params: Any) -> dict[str, Any]:
        """The answer to a call. A write gets an Idempotency-Key, so that it is a single transaction."""
        self._calls += 1
        return await answer(context, method, params, idempotency_keys=[f"call {self._calls}"])

    def transactions(self) -> list[list[Lock]]:
        """The locks of each transaction so far, in the order it took them."""
        return self._runner.run(self._transactions())

    async def _transactions(self) -> list[list[Lock]]:
        end = await self._log.fetchval("select pg_current_wal_flush_lsn()")
        records = await self._log.fetch(RECORDS, self._begin, end)
        return Reading(self._tables, CHOSEN_KEYS, self._ended, self._seen).locks(records)
