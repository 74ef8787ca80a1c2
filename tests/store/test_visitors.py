"""Page views of visitors, and the timelines that they join."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from springhead.store.capture import visitors
from springhead.store.capture.visitors import View
from springhead.store.database.background_jobs import STEP_ROWS
from springhead.store.database.pool import Database
from support import Company, eventually, sql, with_database

ANN = "202611|5fb6a1c2e5e4a70b0c4b7d71"
BEN = "5fb6a1c2e5e4a70b0c4b7d715fb6a1c2"


def view(tracking_id: str, page: str, *, seen: float | None = None) -> View:
    return View(
        tracking_id=tracking_id,
        seen=time.time() if seen is None else seen,
        source="pageVisit",
        name=page,
        data={"url": f"https://example.com/{page}"},
    )


def write_views(company: Company, *views: View) -> None:
    async def take(database: Database) -> None:
        async with database.company(company.id) as tx:
            await visitors.write_views(tx, company.id, views)

    with_database(company.dsn, take)


def rows(company: Company, statement: str, *arguments: object) -> list[dict[str, Any]]:
    return [dict(row) for row in sql(company.dsn, statement, company.id, *arguments, company_id=company.id)]


def page_views(company: Company, lead: int) -> list[str]:
    """The page views on a lead's timeline, oldest first."""
    events = rows(
        company,
        "select event_name from event where company_id = $1 and lead_id = $2 and event_source = 'pageVisit'"
        " order by create_timestamp, id",
        lead,
    )
    return [row["event_name"] for row in events]


def waiting(company: Company) -> int:
    return rows(company, "select count(*) as waiting from page_view where company_id = $1")[0]["waiting"]


def test_earlier_page_views_of_a_visitor_join_the_timeline_of_a_new_lead(company: Company) -> None:
    now = time.time()
    write_views(company, view(ANN, "first", seen=now - 100), view(BEN, "other"), view(ANN, "second", seen=now - 50))
    assert waiting(company) == 3

    (lead,) = company.create({"trackingID": ANN})

    assert page_views(company, lead) == ["first", "second"]
    assert waiting(company) == 1
    (row,) = rows(
        company,
        "select extract(epoch from create_timestamp)::float8 as at, what_type, what_id, event_data::text as data"
        " from event where company_id = $1 and event_name = 'first'",
    )
    assert abs(row["at"] - (now - 100)) < 0.001
    assert (row["what_type"], row["what_id"], row["data"]) == ("page", None, '{"url": "https://example.com/first"}')


def test_later_page_views_of_a_visitor_are_on_the_timeline_at_once(company: Company) -> None:
    (lead,) = company.create({"trackingID": ANN})
    write_views(company, view(ANN, "first"))
    write_views(company, view(ANN, "second"), view(BEN, "other"), view(ANN, "third"))

    assert page_views(company, lead) == ["first", "second", "third"]
    assert waiting(company) == 1


def test_an_update_with_a_tracking_id_links_too(company: Company) -> None:
    write_views(company, view(ANN, "first"))
    (lead,) = company.create({})
    assert page_views(company, lead) == []

    assert company.refusal("updateLeads", {"id": lead, "trackingID": ANN}) is None

    assert page_views(company, lead) == ["first"]


def test_of_two_leads_with_one_tracking_id_the_last_one_sent_gets_later_views(company: Company) -> None:
    (ann,) = company.create({"trackingID": ANN})
    write_views(company, view(ANN, "first"))
    (ben,) = company.create({"trackingID": ANN})
    write_views(company, view(ANN, "second"))
    assert (page_views(company, ann), page_views(company, ben)) == (["first"], ["second"])

    assert company.refusal("updateLeads", {"id": ann, "title": "CEO"}) is None  # says nothing about the visitor
    write_views(company, view(ANN, "third"))
    assert (page_views(company, ann), page_views(company, ben)) == (["first"], ["second", "third"])


def test_within_a_call_too_the_last_one_sent_wins(company: Company) -> None:
    ann, ben = company.create({}, {})
    changes = [{"id": ben, "trackingID": ANN}, {"id": ann, "trackingID": ANN}]
    assert all(outcome["success"] for outcome in company.call("updateLeads", objects=changes))
    write_views(company, view(ANN, "first"))
    assert (page_views(company, ann), page_views(company, ben)) == (["first"], [])

    first, second = company.create({"trackingID": BEN}, {"trackingID": BEN})
    write_views(company, view(BEN, "second"))
    assert (page_views(company, first), page_views(company, second)) == ([], ["second"])


@pytest.mark.parametrize("nothing", ["", None])
def test_no_tracking_id_links_nothing(company: Company, nothing: str | None) -> None:
    write_views(company, view(ANN, "first"))
    company.call("createLeads", objects=[{"emailAddress": "a@example.com", "trackingID": nothing}])

    assert waiting(company) == 1
    assert rows(company, "select from visitor where company_id = $1 and lead_id is not null") == []


def test_a_refused_lead_links_nothing(company: Company) -> None:
    write_views(company, view(ANN, "first"))
    company.create({"emailAddress": "taken@example.com"})

    assert company.code("createLeads", {"emailAddress": "taken@example.com", "trackingID": ANN}) == 301
    assert company.code("createLeads", {"emailAddress": "b@example.com", "ownerID": 1, "trackingID": ANN}) == 303

    assert waiting(company) == 1


def test_deleting_a_lead_deletes_its_visitors(company: Company) -> None:
    (lead,) = company.create({"trackingID": ANN})
    write_views(company, view(ANN, "first"))

    assert company.refusal("deleteLeads", {"id": lead}) is None

    assert rows(company, "select from visitor where company_id = $1") == []
    write_views(company, view(ANN, "second"))
    assert waiting(company) == 1
    assert "second" not in page_views(company, lead)


def test_a_lead_can_be_several_visitors(company: Company) -> None:
    write_views(company, view(ANN, "phone"), view(BEN, "laptop"))
    (lead,) = company.create({"trackingID": ANN})
    assert company.refusal("updateLeads", {"id": lead, "trackingID": BEN}) is None
    write_views(company, view(ANN, "phone again"))

    assert page_views(company, lead) == ["phone", "laptop", "phone again"]


def test_a_visitor_of_one_company_is_unknown_to_another(
    company: Company, given_company: Callable[..., Company]
) -> None:
    other = given_company()
    (lead,) = other.create({"trackingID": ANN})
    write_views(company, view(ANN, "first"))

    assert page_views(other, lead) == []
    (own,) = company.create({"trackingID": ANN})
    assert page_views(company, own) == ["first"]


def test_very_many_views_join_the_timeline_in_a_background_job(company: Company) -> None:
    many = STEP_ROWS * 2 + 10
    write_views(company, *(view(ANN, str(number)) for number in range(many)))

    (lead,) = company.create({"trackingID": ANN})

    eventually(lambda: waiting(company) == 0)
    assert len(page_views(company, lead)) == many


def test_no_view_is_lost_while_its_visitor_is_linked(company: Company) -> None:
    """Views are written in small batches while the lead is created: each is on the timeline, none twice."""

    async def race(database: Database) -> None:
        async def take(batch: int) -> None:
            async with database.company(company.id) as tx:
                await visitors.write_views(tx, company.id, [view(ANN, f"{batch}.{number}") for number in range(5)])

        async def link() -> None:
            await asyncio.sleep(0.02)
            await asyncio.to_thread(company.create, {"trackingID": ANN})

        await asyncio.gather(link(), *(take(batch) for batch in range(40)))

    with_database(company.dsn, race)

    assert waiting(company) == 0
    (lead,) = [row["id"] for row in rows(company, "select id from lead where company_id = $1")]
    assert sorted(page_views(company, lead)) == sorted(
        f"{batch}.{number}" for batch in range(40) for number in range(5)
    )


def test_a_visitor_without_a_lead_who_does_not_return_is_deleted(company: Company) -> None:
    now = time.time()
    long_ago = now - 396 * 86_400
    write_views(company, view(ANN, "old", seen=long_ago), view(BEN, "recent", seen=now - 390 * 86_400))
    (lead,) = company.create({"trackingID": "the-visitor-of-a-lead"})
    write_views(company, view("the-visitor-of-a-lead", "of a lead", seen=long_ago))
    sql(company.dsn, "update visitor set last_seen = to_timestamp($2) where company_id = $1 and lead_id is not null",
        company.id, long_ago, company_id=company.id)  # fmt: skip

    async def forget(database: Database) -> None:
        async with database.company(company.id) as tx:
            assert await visitors.delete_old(tx, company.id) is False

    with_database(company.dsn, forget)

    left = rows(company, "select tracking_id from visitor where company_id = $1 order by tracking_id")
    assert [row["tracking_id"] for row in left] == [BEN, "the-visitor-of-a-lead"]
    assert waiting(company) == 1
    assert page_views(company, lead) == ["of a lead"]


def test_a_visitor_has_the_times_of_the_first_and_the_last_visit(company: Company) -> None:
    now = time.time()
    for days in (300, 299.9, 10, 9.9, 20):
        write_views(company, view(ANN, "page", seen=now - days * 86_400))

    (row,) = rows(
        company,
        "select extract(epoch from now() - first_seen)::float8 / 86400 as first,"
        " extract(epoch from now() - last_seen)::float8 / 86400 as last from visitor where company_id = $1",
    )
    assert abs(row["first"] - 300) < 0.01
    assert abs(row["last"] - 10) < 1
