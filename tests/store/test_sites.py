"""Sites: every company has one, and invented tokens cost little."""

import asyncio
import secrets
import time
from collections.abc import Callable

import asyncpg

from springhead.model.capture.sites import is_token, new_token
from springhead.model.kit.errors import Unavailable
from springhead.store.capture import sites
from springhead.store.capture.sites import KEPT_SITES, LOOKUPS_WAITING, Sites
from springhead.store.database import migrate
from springhead.store.database.pool import Database
from support import Company, sql, superuser, with_database


def token_of(company: Company) -> str:
    return sql(company.dsn, "select token from site where company_id = $1", company.id)[0]["token"]


def test_existing_companies_get_a_site_each(company: Company) -> None:
    """Runs the migrations one by one in a schema of their own, and creates companies in between."""

    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(superuser(company.dsn))
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute("create schema before; set local search_path = before")
            for number, _, text in migrate.available():
                if number == 3:
                    for name in "abc":
                        await connection.execute("insert into company (account_id, name) values ($1, $1)", name)
                await connection.execute(text)
            return await connection.fetch("select company_id, token, signing_key from site order by company_id")
        finally:
            await transaction.rollback()
            await connection.close()

    rows = asyncio.run(run())
    assert [row["company_id"] for row in rows] == [1, 2, 3]
    assert all(is_token(row["token"]) and len(row["signing_key"]) == 32 for row in rows)
    assert len({row["token"] for row in rows} | {row["signing_key"] for row in rows}) == 6


def test_a_site_is_found_by_its_token_and_remembered(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    token, their_token = token_of(company), token_of(other)

    async def look(database: Database) -> None:
        known = Sites(database)
        assert known.known(token) is None
        site = await known.find(token)
        assert site is not None
        assert (site.company.id, site.token) == (company.id, token)
        assert known.known(token) is site
        assert await known.find(token) is site
        their_site = await known.find(their_token)
        assert their_site is not None
        assert their_site.company.id == other.id
        assert their_site.signing_key != site.signing_key

    with_database(company.dsn, look)


def test_a_changed_setting_is_seen_after_two_seconds(company: Company) -> None:
    token = token_of(company)

    async def look(database: Database) -> None:
        known = Sites(database)
        assert (await known.find(token)).respects_signals  # type: ignore[union-attr]
        async with database.everyone() as tx:
            assert await sites.change(tx, company.id, respects_signals=False)
        assert (await known.find(token)).respects_signals  # type: ignore[union-attr]
        await asyncio.sleep(2.05)
        assert not (await known.find(token)).respects_signals  # type: ignore[union-attr]

    with_database(company.dsn, look)


def test_only_a_few_invented_tokens_are_looked_up_at_a_time_and_a_real_one_is_always_found(company: Company) -> None:
    token = token_of(company)

    async def flood(database: Database) -> tuple[int, int]:
        known = Sites(database)
        assert await known.find(token)
        lookups = [asyncio.create_task(known.find(new_token())) for _ in range(LOOKUPS_WAITING * 3)]
        await asyncio.sleep(0)
        assert database.connections[0] <= sites.LOOKUPS + 1
        assert (await known.find(token)) is not None
        ended = await asyncio.gather(*lookups, return_exceptions=True)
        refused = sum(isinstance(outcome, Unavailable) for outcome in ended)
        assert all(outcome is None or isinstance(outcome, Unavailable) for outcome in ended)
        assert await known.find(new_token()) is None
        return refused, len(ended)

    refused, asked = with_database(company.dsn, flood)
    assert refused == asked - LOOKUPS_WAITING


def test_a_malformed_token_is_not_looked_up(company: Company) -> None:
    async def look(database: Database) -> None:
        known = Sites(Database(pool_size=1))  # the database is not open: a look-up would fail
        for text in ("", "x", "\0" * 22, "A" * 21, "A" * 100_000, "' or '1'='1' -- xxxxx"):
            assert await known.find(text) is None

    with_database(company.dsn, look)


def test_the_number_of_cached_sites_is_bounded(company: Company) -> None:
    token = token_of(company)

    async def look(database: Database) -> None:
        known = Sites(database)
        for _ in range(KEPT_SITES):
            known._cached.put(secrets.token_hex(8), (time.monotonic() + 9, None))
        assert await known.find(token)
        assert len(known._cached) == KEPT_SITES
        assert known.known(token)

    with_database(company.dsn, look)
