"""A page view that a server received before an erasure, and writes after it, is not recorded."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erasure import CANARY, erase, tables_with_canary
from springhead.store.capture import erased_visitors, visitors
from springhead.store.capture.visitors import View
from springhead.store.database.deadlines import LAST_WRITE_SECONDS
from springhead.store.database.pool import Database
from springhead.store.lifecycle import erasing
from support import Company, Server, sql, until_blocked, with_database

OTHER = "somebody else 16"


def view(tracking_id: str, *, age: float = 0.0) -> View:
    """A page view that was received some seconds ago."""
    return View(tracking_id=tracking_id, seen=time.time() - age, source="pageVisit", name=tracking_id, data={})


def write(company: Company, *views: View) -> int:
    """Writes page views as a server does; returns how many were left out."""

    async def run(database: Database) -> int:
        async with database.company(company.id) as tx:
            return await visitors.write_views(tx, company.id, views)

    return with_database(company.dsn, run)


def rows(company: Company, statement: str, *arguments: object) -> list[Any]:
    return sql(company.dsn, statement, company.id, *arguments, company_id=company.id)


def shift(company: Company, seconds: float) -> None:
    """Moves the erasures of visitors into the past: so many seconds after the last view that they concern."""
    rows(
        company,
        "update erased_visitor set until = until - make_interval(secs => $2) where company_id = $1",
        LAST_WRITE_SECONDS + seconds,
    )


def test_the_docs_say_for_how_long() -> None:
    page = Path("docs/history-and-erasure.md").read_text()
    assert f"or in the {LAST_WRITE_SECONDS:g} seconds after it" in page
    assert "recognised | a month |" in page
    assert erased_visitors.KEPT_DAYS == 30


def test_views_of_an_erased_visitor_are_left_out_and_those_of_others_are_written(
    server: Server, company: Company
) -> None:
    (lead,) = company.create({"trackingID": CANARY})
    buffered = [view(CANARY), view(OTHER), view(CANARY)]
    erase(company, lead)

    assert write(company, *buffered) == 2

    assert tables_with_canary(server, company) == []
    assert [row["event_name"] for row in rows(company, "select event_name from page_view where company_id = $1")] == [
        OTHER
    ]
    (left,) = rows(company, "select tracking_id from visitor where company_id = $1")
    assert left["tracking_id"] == OTHER, "no visitor is created for views that are left out"


def test_a_visitor_of_a_deleted_lead_is_erased_too(server: Server, company: Company) -> None:
    (lead,) = company.create({"trackingID": CANARY})
    buffered = view(CANARY)
    company.call("deleteLeads", objects=[{"id": lead}])
    erase(company, lead)

    assert write(company, buffered) == 1
    assert tables_with_canary(server, company) == []


def test_the_age_of_a_view_decides(company: Company) -> None:
    """By the age, and not by the time: the clocks of server and database may differ."""
    (lead,) = company.create({"trackingID": CANARY})
    erase(company, lead)
    shift(company, 3600)

    assert write(company, view(CANARY, age=7200), view(CANARY, age=1800)) == 1
    (kept,) = rows(company, "select create_timestamp from page_view where company_id = $1")
    assert abs(kept["create_timestamp"].timestamp() - (time.time() - 1800)) < 600


def test_a_visitor_who_belongs_to_another_lead_by_now_gets_no_view_of_before(company: Company) -> None:
    (lead,) = company.create({"trackingID": CANARY})
    erase(company, lead)
    (other,) = company.create({"trackingID": CANARY})

    assert write(company, view(CANARY)) == 1
    assert rows(company, "select from event where company_id = $1 and what_type = 'page'") == []
    (left,) = rows(company, "select lead_id from visitor where company_id = $1")
    assert left["lead_id"] == other


def test_erasures_of_visitors_are_forgotten_after_a_month(company: Company) -> None:
    old, new = company.create({"trackingID": CANARY}, {"trackingID": OTHER})
    erase(company, old)
    shift(company, erased_visitors.KEPT_DAYS * 86_400)
    erase(company, new)

    async def forget(database: Database) -> None:
        async with database.company(company.id) as tx:
            await erased_visitors.forget(tx, company.id)

    with_database(company.dsn, forget)
    assert len(rows(company, "select from erased_visitor where company_id = $1")) == 1
    assert write(company, view(CANARY), view(OTHER)) == 1


def test_two_companies_with_the_same_visitor_do_not_touch_each_other(
    company: Company, given_company: Callable[..., Company]
) -> None:
    other = given_company()
    (lead,) = company.create({"trackingID": CANARY})
    erase(company, lead)

    assert write(other, view(CANARY)) == 0


@pytest.mark.parametrize("erasure_first", [True, False])
def test_whichever_locks_first_no_view_is_left(server: Server, company: Company, erasure_first: bool) -> None:
    """The erasure and the writer of the views, each held open until the other waits for it."""
    (lead,) = company.create({"trackingID": CANARY})
    buffered = [view(CANARY), view(OTHER)]

    async def store(tx: Any) -> None:
        await visitors.write_views(tx, company.id, buffered)

    async def forget(tx: Any) -> None:
        await erasing.erase(tx, company.id, [lead], key_id=None)

    async def race(database: Database) -> None:
        first, second = (forget, store) if erasure_first else (store, forget)

        async def later() -> None:
            async with database.company(company.id) as tx, tx.atomic():
                await second(tx)

        async with database.company(company.id) as tx, tx.atomic():
            await first(tx)
            waiting = asyncio.create_task(later())
            await until_blocked(tx._connection)
        await waiting

    with_database(company.dsn, race)

    assert tables_with_canary(server, company) == []
