"""getLeadCount: the exact number of leads for a filter (our own)."""

import asyncio
from typing import Any

import asyncpg
import pytest

from in_process import WatchedDatabase, answer, context_of, shared_parts
from springhead.methods.leads import selections
from springhead.model.leads import search
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Sql
from support import BOX, Company, sql

MANY = search.TOTAL_MAX + 5
FILL = """
    insert into lead (company_id, email_key, email_address, description, lead_score, lead_score_weighted,
        active, lead_status, create_timestamp, update_timestamp)
    select $1, g || '@fill.example', g || '@fill.example', repeat('ä', $3), g % 2, 0, true, 'open', now(), now()
    from generate_series(1, $2) as g
"""


def counted(company: Company, **params: Any) -> tuple[int, bool]:
    (row,) = company.call("getLeadCount", **params)
    return int(row["count"]), row["isExact"] == "1"


@pytest.mark.parametrize(
    ("params", "number"),
    [
        ({}, 3),
        ({"inactive": 1}, 4),
        ({"filter": {"city": "berlin"}}, 2),
        ({"filter": {"city": "Berlin"}, "inactive": 1}, 3),
        ({"filter": {"city": "Rome"}}, 0),
        ({"text": "smith"}, 2),
        ({"text": "smtih"}, 2),
        ({"text": "smith", "filter": {"city": "Bonn"}}, 1),
        ({"filter": {"event": {"source": "leadCreation"}}}, 3),
        ({"filter": [], "text": ""}, 3),
    ],
)
def test_as_many_leads_are_counted_as_a_search_finds(company: Company, params: dict[str, Any], number: int) -> None:
    company.create(
        {"lastName": "Smith", "city": "Berlin"},
        {"lastName": "Smith", "city": "Bonn"},
        {"lastName": "Jones", "city": "Berlin"},
        {"lastName": "Jones", "city": "Berlin", "active": 0},
    )

    assert counted(company, **params) == (number, True)
    assert len(company.call("searchLeads", **params)) == number


def test_more_than_ten_thousand_leads_are_counted_exactly(company: Company) -> None:
    sql(company.dsn, FILL, company.id, MANY, 1, company_id=company.id)

    assert counted(company) == (MANY, True)
    assert counted(company, filter={"leadScore": 0}) == (MANY // 2, True)


class Slow(Tx):
    """Sleeps in the database instead of counting; with `only_all`, only if all leads are counted."""

    only_all: bool

    async def rows(self, sql: Sql, *arguments: object) -> list[asyncpg.Record]:
        counts = "count(*)" in sql and not (self.only_all and "limit" in sql)
        return await (super().rows("select pg_sleep(60)") if counts else super().rows(sql, *arguments))


def slowly_counted(company: Company, *, only_all: bool) -> dict[str, Any]:
    """The answer of a call in this process, whose statements are slow."""

    def watch(connection: Any) -> Tx:
        tx = Slow(connection, BOX)
        tx.only_all = only_all
        return tx

    async def call() -> dict[str, Any]:
        database = WatchedDatabase(watch)
        await database.open(company.dsn)
        try:
            return await answer(await context_of(shared_parts(database), company), "getLeadCount", {})
        finally:
            await database.close()

    return asyncio.run(call())


def test_a_count_that_takes_too_long_says_that_it_is_not_exact(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(company.dsn, FILL, company.id, MANY, 1, company_id=company.id)
    monkeypatch.setattr(selections, "SECONDS", 3.0)

    answered = slowly_counted(company, only_all=True)

    assert answered["result"] == {"leadCount": [{"count": "10000", "isExact": "0"}]}


def test_a_count_that_takes_too_long_from_the_beginning_is_refused(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selections, "SECONDS", 0.2)

    refused = slowly_counted(company, only_all=False)

    assert refused["error"]["code"] == 205
    assert refused["error"]["data"]["params"][0]["param"] == "filter"


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"filter": 5}, "filter"),
        ({"filter": {"nobody": 1}}, "filter.nobody"),
        ({"filter": {"city": {"like": "x"}}}, "filter.city.like"),
        ({"text": " ".join(map(str, range(11)))}, "text"),
        ({"inactive": 2}, "inactive"),
    ],
)
def test_wrong_parameters_are_refused(company: Company, params: dict[str, Any], named: str) -> None:
    refused = company.error("getLeadCount", **params)

    assert refused["code"] == 205
    assert refused["data"]["params"][0]["param"] == named


def test_the_leads_of_others_are_not_counted(company: Company, given_company: Any) -> None:
    given_company().create({"city": "Berlin"}, {"city": "Berlin"})

    assert counted(company) == (0, True)
    assert counted(company, filter={"city": "Berlin"}) == (0, True)
