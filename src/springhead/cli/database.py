"""The database of a command: that of the server beside it, or one that is started for as long as it takes."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from springhead.cli.failure import Failure
from springhead.model.companies.companies import Company
from springhead.postgres.server import EmbeddedPostgres
from springhead.postgres.socket_path import running_dsn
from springhead.settings import Settings
from springhead.store.companies.companies import companies
from springhead.store.database.health import migrations
from springhead.store.database.migrate import migrate
from springhead.store.database.pool import Database
from springhead.wire import logs

T = TypeVar("T")


def with_database(settings: Settings, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Do the work on the database of these settings; gives what it gives."""
    logs.configure("warning", settings.log_format)

    async def worked() -> T:
        async with address(settings) as dsn:
            database = Database(pool_size=4)
            await database.open(dsn)
            try:
                return await work(database)
            finally:
                await database.close()

    return asyncio.run(worked())


@asynccontextmanager
async def address(settings: Settings, *, up_to_date: bool = True) -> AsyncGenerator[str]:
    """The DSN of the settings' database; with `up_to_date`, Failure for one that lacks a migration."""
    dsn = settings.database_url or running_dsn(settings.data)
    if dsn:
        if up_to_date:
            await _check(dsn)
        yield dsn
        return
    if not exists(settings):
        raise Failure(
            f"There is no Springhead data in {settings.data}. Name the folder with --data, or make it by starting "
            "the server once: springhead serve"
        )
    embedded = EmbeddedPostgres(settings.data)
    try:
        embedded.launch()
        dsn = await embedded.ready()
        if up_to_date:
            await migrated(dsn)  # nobody else is there to be disturbed
        yield dsn
    finally:
        embedded.stop()


def exists(settings: Settings) -> bool:
    """Whether the data folder holds an embedded PostgreSQL."""
    return (settings.data / "postgres").is_dir()


async def migrated(dsn: str) -> list[str]:
    """Bring a database up to date; gives the migrations that it lacked."""
    connection = await connected_to(dsn)
    try:
        return await migrate(connection)
    finally:
        await connection.close(timeout=5)


async def company_of(database: Database, account: str | None) -> Company:
    """The company with that accountID or id; without one, the only company there is."""
    async with database.everyone() as tx:
        found = await companies(tx)
    if account is None:
        if len(found) == 1:
            return found[0]
        raise Failure(f"There are {len(found)} companies: say which one. See: springhead company list")
    for company in found:
        if account in {company.account_id, str(company.id)} or account.upper() == company.account_id:
            return company
    raise Failure(f"There is no company {account!r}. See: springhead company list")


async def connected_to(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection; Failure says in a sentence why there is none."""
    try:
        return await asyncpg.connect(dsn, timeout=5)
    except TimeoutError as cause:
        raise Failure("The database does not answer within 5 seconds. Is database_url right?") from cause
    except OSError as cause:
        why = cause.strerror or str(cause)
        raise Failure(f"The database cannot be reached: {why}. Is it running, and is database_url right?") from cause
    except ValueError as cause:
        raise Failure(f"database_url cannot be used: {cause}.") from cause


async def _check(dsn: str) -> None:
    connection = await connected_to(dsn)
    try:
        found = await migrations(connection)
        if found.newer:
            raise Failure("The database was changed by a newer Springhead. Use that version's command.")
        if found.pending:
            raise Failure(
                f"The database is not up to date: it lacks {', '.join(found.pending)}. "
                "Start the server, or run: springhead db migrate"
            )
    finally:
        await connection.close(timeout=5)
