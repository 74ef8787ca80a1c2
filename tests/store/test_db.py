"""The errors of the database as callers see them."""

import asyncio

import asyncpg
import pytest

from springhead.model.kit.errors import Unavailable
from springhead.store.database.pool import Database, TryAgain
from springhead.store.database.sql import Statement
from support import Company, Server


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (asyncpg.UndefinedFileError, Unavailable),  # 58P01: a file of the server's, not of the statement's
        (asyncpg.PostgresIOError, Unavailable),  # 58030
        (asyncpg.DiskFullError, Unavailable),  # 53100
        (asyncpg.DataCorruptedError, Unavailable),  # XX001
        (asyncpg.CrashShutdownError, Unavailable),  # 57P02
        (asyncpg.ConnectionDoesNotExistError, Unavailable),  # 08003
        (asyncpg.DeadlockDetectedError, TryAgain),  # 40P01
        (asyncpg.UndefinedColumnError, asyncpg.UndefinedColumnError),  # 42703: a fault of ours, which is not hidden
    ],
)
def test_an_error_of_the_server_is_retryable_and_an_error_of_a_statement_is_not(
    server: Server, company: Company, error: type[asyncpg.PostgresError], meaning: type[Exception]
) -> None:
    async def run() -> None:
        database = Database(pool_size=1)
        await database.open(server.dsn)
        try:
            with pytest.raises(meaning):
                async with database.company(company.id):
                    raise error("trouble")
            async with database.company(company.id) as tx:
                assert await tx.value("select true"), "the next call has a connection"
        finally:
            await database.close()

    asyncio.run(run())


def test_a_statement_of_any_length_is_planned_once(server: Server, company: Company) -> None:
    """The update of leads has 24,000 characters, and takes 3 ms to plan."""

    async def run() -> int:
        database = Database(pool_size=1)
        await database.open(server.dsn)
        try:
            async with database.company(company.id) as tx:
                for _ in range(3):
                    await tx.row(Statement(f"select 1 /* {'long ' * 20_000} */"))
                return await tx.value("select count(*) from pg_prepared_statements where length(statement) > 100000")
        finally:
            await database.close()

    assert asyncio.run(run()) == 1
