"""A pytest plugin that adds the noun gift: its methods here and in the servers, its table, and its test case."""

import os

os.environ["TEST_IMPORTS"] = "new_noun.gifts"  # read by servers when they start

import pytest

import nouns
from new_noun.gifts import GIFT, TABLE
from support import Server, sql

# Step 4: its row among the nouns that tests know

nouns.CASES.append(
    nouns.Case(GIFT, "createGifts", "updateGifts", "deleteGifts", "getGifts", "getGift", "getGiftsDateRange")
)


@pytest.fixture(scope="session", autouse=True)
def gift_table(shared_things: None, server: Server) -> None:
    """Step 2, on the shared server's database."""
    for statement in TABLE.split(";\n"):
        if statement.strip():
            sql(server.dsn, statement)
