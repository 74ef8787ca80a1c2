"""A pytest plugin that adds the noun gift: its methods here and in the servers, its table, and its test case."""

import os

os.environ["TEST_IMPORTS"] = "new_noun.gifts"  # read by servers when they start

import asyncpg
import pytest

import nouns
from new_noun.gifts import GIFT, TABLE
from springhead.postgres.configuration import OWNER, ROLE
from springhead.store.database import roles
from support import Server, kept, superuser

# Step 4: its row among the nouns that tests know

nouns.CASES.append(
    nouns.Case(GIFT, "createGifts", "updateGifts", "deleteGifts", "getGifts", "getGift", "getGiftsDateRange")
)


@pytest.fixture(scope="session", autouse=True)
def gift_table(shared_things: None, server: Server) -> None:
    """Step 2, on the shared server's database."""

    async def migrate() -> None:
        connection = await asyncpg.connect(superuser(server.dsn))
        async with roles.as_owner(connection, OWNER):
            await connection.execute(TABLE)
        assert await roles.set_rights(connection, OWNER, ROLE) == []
        await connection.close()

    kept.run(migrate())
