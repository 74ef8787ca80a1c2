"""getLeadChanges: complete, in order, and without skipping changes that commit late."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from springhead.model.leads.events import Event
from springhead.store.database.pool import Database
from springhead.store.leads import events
from stopwatch import within
from support import Company, Server, calls_under_way, eventually, new_email, sql, with_database


def feed(company: Company, cursor: str = "", **params: Any) -> tuple[list[dict[str, Any]], str]:
    """All changes after a cursor, read page by page, and the cursor after them."""
    changes: list[dict[str, Any]] = []
    while True:
        result = company.envelope("getLeadChanges", {"cursor": cursor, **params})["result"]
        changes += result["leadChange"]
        cursor = result["cursor"]
        if not result["more"]:
            return changes, cursor


def short(changes: list[dict[str, Any]]) -> list[tuple[str, int, Any]]:
    return [(change["kind"], int(change["leadID"]), change["changed"]) for change in changes]


def test_changes_come_in_order_with_old_and_new_values(company: Company) -> None:
    first, second = company.create({"city": "Rome"}, {})
    company.call("updateLeads", objects=[{"id": first, "city": "Oslo", "title": "CEO"}, {"id": second, "city": "Bonn"}])
    company.call("deleteLeads", objects=[{"id": second}])

    changes, _ = feed(company)

    assert short(changes) == [
        ("create", first, None),
        ("create", second, None),
        ("update", first, {"title": [None, "CEO"], "city": ["Rome", "Oslo"]}),
        ("update", second, {"city": [None, "Bonn"]}),
        ("delete", second, None),
    ]
    assert [int(change["sequence"]) for change in changes] == [1, 2, 3, 4, 5]
    assert [change["lead"] for change in changes] == [company.lead(first), None, company.lead(first), None, None]


def test_changes_are_the_events_of_the_timeline(company: Company) -> None:
    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "leadStatus": "open", "city": "Oslo"}])

    changes, _ = feed(company)

    timeline = company.call("getLeadTimeline", where={"whoID": lead})
    assert [(change["eventID"], change["createTimestamp"]) for change in changes] == [
        (event["id"], event["createTimestamp"]) for event in timeline
    ]
    assert [change["kind"] for change in changes] == ["create", "update", "update"]


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_pages_of_any_size_give_every_change_once(company: Company, limit: int) -> None:
    leads = company.create({}, {}, {}, {})
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"} for lead in leads])

    changes, cursor = feed(company, limit=limit)

    assert [int(change["sequence"]) for change in changes] == list(range(1, 9))
    assert cursor == "8"
    assert feed(company, cursor) == ([], "8")


def test_a_limit_of_0_returns_no_change_and_the_same_cursor(company: Company) -> None:
    company.create({}, {})
    assert company.envelope("getLeadChanges", {"cursor": "1", "limit": 0})["result"] == {
        "leadChange": [], "cursor": "1", "more": True
    }  # fmt: skip


def test_a_cursor_continues_after_the_last_change_seen(company: Company) -> None:
    company.create({})
    _, cursor = feed(company)
    (lead,) = company.create({})

    changes, _ = feed(company, cursor)

    assert short(changes) == [("create", lead, None)]


def test_the_cursor_now_is_the_end_of_the_feed(company: Company) -> None:
    (lead,) = company.create({})
    _, cursor = feed(company, "now")
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"}])

    assert short(feed(company, cursor)[0]) == [("update", lead, {"city": [None, "Oslo"]})]


def test_changes_are_filtered_by_kinds_and_fields(company: Company) -> None:
    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo", "title": "CEO"}])
    company.call("updateLeads", objects=[{"id": lead, "state": "x"}])

    changes, cursor = feed(company, kinds=["update"], fields=["title"])

    assert short(changes) == [("update", lead, {"title": [None, "CEO"]}), ("update", lead, {})]
    assert [change["lead"] for change in changes] == [{"title": "CEO"}] * 2
    assert cursor == "3"
    assert "lead" not in feed(company, leads=0)[0][0]


def test_changes_of_other_kinds_are_skipped(company: Company) -> None:
    company.create(*[{}] * 20)
    assert feed(company, kinds=["erase"]) == ([], "20")


def test_a_write_that_changes_nothing_is_no_change(company: Company) -> None:
    (lead,) = company.create({"city": "Oslo"})
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"}])
    company.call("createLeads", objects=[{"emailAddress": company.lead(lead)["emailAddress"]}])
    company.call("deleteLeads", objects=[{"id": 1}])

    assert short(feed(company)[0]) == [("create", lead, None)]


def test_a_change_caused_by_another_object_is_in_the_feed(company: Company) -> None:
    (campaign,) = company.make("createCampaigns", {"campaignName": "C"})
    (lead,) = company.create({"campaignID": campaign})
    company.call("deleteCampaigns", objects=[{"id": campaign}])
    converted = company.call("convertLeads", objects=[{"id": lead, "leadStatus": "contact", "accountName": "A"}])

    changes, _ = feed(company)

    status, account = ["unqualified", "contact"], [None, str(converted[0]["accountID"])]
    assert [change["changed"] for change in changes] == [
        None,
        {"campaignID": [str(campaign), None]},
        {"leadStatus": status, "accountID": account},
        {"leadStatus": status},
    ]


def test_scores_are_changes_without_events(company: Company) -> None:
    (lead,) = company.create({"title": "Chief"})
    _, cursor = feed(company)
    rule = {"name": "Decides", "part": "fit", "points": 20, "filter": {"title": {"contains": "chief"}}}
    company.make("createScoreRules", rule)

    changes, _ = feed(company, cursor)

    assert [(change["kind"], change["eventID"], change["changed"]) for change in changes] == [("score", None, None)]
    assert changes[0]["lead"]["leadScore"] == "20"
    assert int(changes[0]["leadID"]) == lead


def test_a_change_that_commits_late_is_not_skipped(company: Company, server: Server) -> None:
    """A slow transaction has drawn its ids before others that commit and are read first."""
    slow, fast = company.create({}, {})
    _, cursor = feed(company)
    written, read = threading.Event(), threading.Event()

    async def work(database: Database) -> None:
        async with database.company(company.id) as tx, tx.atomic():
            await events.write(tx, company.id, [Event(lead_id=slow, source="leadUpdate", name="slow", data={})])
            written.set()
            await asyncio.to_thread(read.wait, 60)

    thread = threading.Thread(target=lambda: with_database(server.dsn, work))
    thread.start()
    assert written.wait(60)
    company.call("updateLeads", objects=[{"id": fast, "city": "Oslo"}])
    before, cursor = feed(company, cursor)
    read.set()
    thread.join()
    after, _ = feed(company, cursor)

    assert [int(change["leadID"]) for change in before] == [fast]
    assert [int(change["leadID"]) for change in after] == [slow]
    assert int(after[0]["eventID"]) < int(before[0]["eventID"]), "its id is older than one that was read before"


def test_a_call_that_waits_gets_the_next_change_at_once(company: Company, server: Server) -> None:
    (lead,) = company.create({})
    _, cursor = feed(company)
    other = Company(company.url, company.account_id, company.secret)

    def change() -> None:
        eventually(lambda: calls_under_way(server) == 1)
        other.call("updateLeads", objects=[{"id": lead, "city": "Oslo"}])

    thread = threading.Thread(target=change)
    thread.start()
    with within(5):
        changes, _ = feed(company, cursor, wait=20)
    thread.join()

    assert short(changes) == [("update", lead, {"city": [None, "Oslo"]})]
    other.close()


def test_a_call_that_waits_gets_what_another_process_writes(company: Company, server: Server) -> None:
    (lead,) = company.create({})
    _, cursor = feed(company)

    async def write(database: Database) -> None:
        async with database.company(company.id) as tx:
            await events.write(tx, company.id, [Event(lead_id=lead, source="leadUpdate", name="x", data={"a": [1, 2]})])

    def change() -> None:
        eventually(lambda: calls_under_way(server) == 1)
        with_database(server.dsn, write)

    thread = threading.Thread(target=change)
    thread.start()
    changes, _ = feed(company, cursor, wait=20)
    thread.join()

    assert short(changes) == [("update", lead, {"a": [1, 2]})]


def test_a_call_that_waits_ends_without_a_change(company: Company) -> None:
    _, cursor = feed(company)
    begun = time.monotonic()
    with within(10):
        assert feed(company, cursor, wait=1) == ([], cursor)
    assert time.monotonic() - begun > 0.9


def test_a_server_that_stops_ends_waiting_calls(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    company = Company(server.url, server.ready["accountID"], server.ready["secretKey"])
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(company.envelope("getLeadChanges", {"wait": 25})))
    thread.start()
    eventually(lambda: calls_under_way(server) == 1)

    with within(10):
        assert server.stop() == 0
        thread.join()

    assert answers[0]["result"]["leadChange"] == []


def test_changes_of_a_killed_server_get_their_numbers(company: Company, server: Server) -> None:
    """A background job numbers changes that nobody reads, also those of other processes."""
    (lead,) = company.create({})

    async def write(database: Database) -> None:
        async with database.company(company.id) as tx:
            await events.write(tx, company.id, [Event(lead_id=lead, source="leadUpdate", name="x")])

    with_database(server.dsn, write)

    def numbered() -> bool:
        rows = sql(server.dsn, "select last from change where company_id = $1 order by id", company.id)
        return [row["last"] for row in rows] == [1, 2]

    eventually(numbered)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "-1"}, "cursor"),
        ({"cursor": "٣"}, "cursor"),
        ({"cursor": "9" * 30}, "cursor"),
        ({"cursor": "7"}, "cursor"),
        ({"kinds": ["updates"]}, "kinds"),
        ({"fields": ["nothing"]}, "nothing"),
        ({"wait": 26}, "wait"),
        ({"wait": -1}, "wait"),
        ({"leads": 2}, "leads"),
    ],
)
def test_wrong_parameters_are_named(company: Company, params: dict[str, Any], name: str) -> None:
    error = company.error("getLeadChanges", **params)
    assert (error["code"], error["data"]["params"][0]["param"]) == (205, name)


def test_times_are_in_the_zone_of_the_call(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="Asia/Tokyo")
    company.create({"emailAddress": new_email()})
    ((local,), _), ((utc,), _) = feed(company), feed(company.at("v1.2"))
    now = datetime.now(UTC)
    assert abs((datetime.fromisoformat(utc["createTimestamp"]).replace(tzinfo=UTC) - now).total_seconds()) < 60
    apart = datetime.fromisoformat(local["createTimestamp"]) - datetime.fromisoformat(utc["createTimestamp"])
    assert apart.total_seconds() == 9 * 3600
