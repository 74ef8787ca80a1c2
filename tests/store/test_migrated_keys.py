"""A migration that changes the meaning of a stored key recomputes it for old rows, and stops at no clash."""

import asyncio
from collections.abc import Generator

import asyncpg
import pytest

from springhead.store.database import roles
from springhead.store.database.migrate import available, migrate
from support import Server
from upgrade import database

ADDRESSES = "0015_keys_of_addresses.sql"


@pytest.fixture
def dsn(server: Server) -> Generator[str]:
    """An empty database of one role, to whose tables row-level security applies in migrations too."""
    yield database.create(server, "migrated_keys", owner="springhead")
    database.drop(server, "migrated_keys")


async def before(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    """Migrates an empty database of one role up to the migration of this name, and makes a company."""
    await connection.execute("create table migration (number int primary key, name text not null)")
    for number, file, text in available():
        if file >= name:
            break
        await connection.execute(text)
        await roles.force(connection, "springhead")
        await connection.execute("insert into migration (number, name) values ($1, $2)", number, file)
    await connection.execute("insert into company (account_id, name) values ('A', 'Acme')")
    await connection.execute("select set_config('app.company_id', '1', false)")


async def lead(connection: "asyncpg.Connection[asyncpg.Record]", number: int, key: str) -> None:
    await connection.execute(
        """
        insert into lead (company_id, id, email_key, email_address, lead_score, lead_score_weighted, active,
            lead_status, create_timestamp, update_timestamp)
        values (1, $1, $2, $2, 0, 0, true, 'open', now(), now())
        """,
        number,
        key,
    )


FOLDING = "0028_full_case_folding.sql"


def test_names_of_accounts_get_the_key_of_today_and_equal_ones_stay_two(dsn: str) -> None:
    names = ["\ufb01rma", "FIRMA ", "Gr\u00f6\u00dfe", "\uff21cme", "\u00adAcme"]

    async def run() -> tuple[list[tuple[str, ...]], list[int]]:
        connection = await asyncpg.connect(dsn)
        try:
            await before(connection, FOLDING)
            await connection.execute(
                """
                insert into account (company_id, account_name, number_of_employees, create_timestamp, update_timestamp)
                select 1, name, 0, now(), now() from unnest($1::text[]) as name
                """,
                names,
            )
            await connection.execute(
                """
                insert into list (company_id, id, name, filter, create_timestamp, update_timestamp)
                values (1, 7, 'L', '{"city": {"equals": "Rome"}}', now(), now()), (1, 8, 'M', null, now(), now())
                """
            )
            assert FOLDING in await migrate(connection)
            accounts = await connection.fetch("select account_name, account_key from account order by id")
            filled = await connection.fetch("select subject_id from pass where kind = 'fill_list'")
            return [tuple(row.values()) for row in accounts], [row["subject_id"] for row in filled]
        finally:
            await connection.close()

    accounts, filled = asyncio.run(run())

    assert filled == [7]
    assert accounts == list(zip(names, ["firma", "firma", "gr\u00f6sse", "acme", "acme"], strict=True))


def test_old_keys_of_addresses_lose_invisible_characters_unless_another_lead_has_the_new_key(dsn: str) -> None:
    old = {
        1: "ann@example.com",
        2: "\ufeffann@example.com",  # the clean key is taken: this lead keeps its own
        3: "bob\u200b@example.com",  # the first of two that become equal
        4: "\u00adbob@example.com",
        5: "eve\u00a0@example.com",
        6: "\u200b",  # nothing would be left
        7: "\u03bd\u03b9\u03ba\u03bf\u03c2@example.gr",
        8: "plain@example.com",
    }

    async def run() -> tuple[dict[int, str], dict[int, str]]:
        connection = await asyncpg.connect(dsn)
        try:
            await before(connection, ADDRESSES)
            for number, key in old.items():
                await lead(connection, number, key)
            await connection.execute(
                """
                insert into deleted_lead (company_id, id, deleted_at, email_key, lead)
                select company_id, id + 100, now(), email_key, to_jsonb(l) from lead l
                """
            )
            assert ADDRESSES in await migrate(connection)
            leads = await connection.fetch("select id, email_key from lead")
            deleted = await connection.fetch(
                "select id, email_key from deleted_lead where lead->>'email_key' = email_key"
            )
            return {row["id"]: row["email_key"] for row in leads}, {row["id"]: row["email_key"] for row in deleted}
        finally:
            await connection.close()

    leads, deleted = asyncio.run(run())

    assert leads == old | {3: "bob@example.com", 5: "eve@example.com", 7: "\u03bd\u03b9\u03ba\u03bf\u03c3@example.gr"}
    assert deleted == {number + 100: key for number, key in leads.items()} | {
        102: "ann@example.com",
        104: "bob@example.com",  # deleted leads can share a key
    }
