"""Connects commands to the database. Starts the embedded PostgreSQL for a command if no server runs it."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from springhead.cli.encryption_key import box_for_command
from springhead.cli.failure import Failure
from springhead.model.companies.companies import Company
from springhead.postgres.server import EmbeddedPostgres
from springhead.postgres.socket_path import running_dsn, superuser_dsn
from springhead.settings import Settings, without_password
from springhead.store.companies.companies import companies
from springhead.store.database.health import migrations
from springhead.store.database.migrate import migrate
from springhead.store.database.pool import AnyConnection, Database
from springhead.wire import logs

T = TypeVar("T")

CONNECT_SECONDS = 5.0
"""The longest time in seconds to wait for a connection."""

REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
    asyncpg.InsufficientPrivilegeError,
)
"""What asyncpg raises if the database answers, and refuses this role, password or database."""


def with_database(settings: Settings, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Runs `work` on the database of these settings, and returns its result."""
    logs.configure("warning", settings.log_format)

    async def run_work() -> T:
        async with address(settings) as dsn:
            database = Database(pool_size=4)
            await database.open(dsn)
            try:
                async with database.everyone() as tx:
                    database.box = await box_for_command(settings, tx)
                return await work(database)
            finally:
                await database.close()

    return asyncio.run(run_work())


@asynccontextmanager
async def address(settings: Settings, *, up_to_date: bool = True) -> AsyncGenerator[str]:
    """Yields the DSN of the database. With `up_to_date`, raises Failure if a server's database lacks a migration.

    A database that this function starts is migrated instead: no server uses it.
    """
    dsn = settings.database_url or running_dsn(settings.data)
    if dsn:
        if up_to_date:
            await _check_migrations(dsn)
        yield dsn
        return
    if not exists(settings):
        raise Failure(
            f"There is no Springhead data in {settings.data}. Name the folder with --data, or create it by starting "
            "the server once: springhead serve"
        )
    embedded = EmbeddedPostgres(settings.data, settings.postgres_bin)
    try:
        embedded.launch()
        dsn = await embedded.ready()
        if up_to_date:
            await migrate_database(dsn, migrate_url(settings))  # no server uses it
        yield dsn
    finally:
        embedded.stop()


def exists(settings: Settings) -> bool:
    """Returns whether the data folder contains an embedded PostgreSQL."""
    return (settings.data / "postgres").is_dir()


def migrate_url(settings: Settings) -> str | None:
    """Returns the DSN of a role that may migrate. None if only the server's role is known."""
    return settings.migrate_url if settings.database_url else superuser_dsn(settings.data)


async def migrate_database(dsn: str, migrate_dsn: str | None) -> list[str]:
    """Applies the missing migrations to a database, and returns their names.

    `dsn` is of the server's role, `migrate_dsn` of a role that may migrate, if it is another one.
    """
    async with AsyncExitStack() as closing:
        connections: list[AnyConnection] = []
        for setting, address in (("database_url", dsn), ("migrate_url", migrate_dsn)):
            if not address:
                continue
            connections.append(await connect(address, setting))
            closing.push_async_callback(connections[-1].close, timeout=5)
        return await migrate(*connections)


async def company_of(database: Database, account: str | None) -> Company:
    """Returns the company with this accountID or id. Without one, returns the only company.

    Raises Failure if there is no such company, or if there are several and none is named.
    """
    async with database.everyone() as tx:
        all_companies = await companies(tx)
    if account is None:
        if len(all_companies) == 1:
            return all_companies[0]
        raise Failure(
            f"There are {len(all_companies)} companies, and none was named. Name one by its accountID. "
            "To see all, run: springhead company list"
        )
    for company in all_companies:
        if account in {company.account_id, str(company.id)} or account.upper() == company.account_id:
            return company
    raise Failure(f"There is no company {account!r}. To see all, run: springhead company list")


async def connect(dsn: str, setting: str = "database_url") -> "asyncpg.Connection[asyncpg.Record]":
    """Returns a connection. Raises Failure with the address, its setting and the reason if there is none."""
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    except REFUSED as cause:
        raise Failure(refusal_of(cause, setting)) from cause
    except OSError as cause:
        raise Failure(
            f"The database {without_password(dsn)} cannot be reached: {unreachable_reason(cause)}. "
            f"Check that it runs and that {setting} is right."
        ) from cause
    except ValueError as cause:
        raise Failure(f"{setting} cannot be used: {cause}. Correct it, then run the command again.") from cause


def refusal_of(cause: BaseException, setting: str = "database_url") -> str:
    """Returns the message for an error of REFUSED."""
    return f"The database refuses the connection: {cause}. Correct {setting}, or the rights of the role."


def unreachable_reason(cause: BaseException) -> str:
    """Returns why the database does not answer."""
    if isinstance(cause, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:g} seconds"
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:  # a lookup of a name fails below 0
        return os.strerror(cause.errno)  # one text, where event loops have their own
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__


async def _check_migrations(dsn: str) -> None:
    connection = await connect(dsn)
    try:
        state = await migrations(connection)
        if state.newer:
            raise Failure("A newer Springhead has changed the database. Use the command of that version.")
        if state.pending:
            raise Failure(
                f"The database is not up to date: it lacks {', '.join(state.pending)}. "
                "Start the server, or run: springhead db migrate"
            )
    finally:
        await connection.close(timeout=5)
