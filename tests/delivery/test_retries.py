"""A failed push is retried, in order, for three days. No receiver waits for another."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from delivery.pushes import Made, caught_up, changes, state, subscribe
from delivery.receiver import Receiver
from springhead.delivery.backoff import EARLY, HOURLY, pause
from stopwatch import Stopwatch
from support import Company, eventually, sql


def make_due(company: Company) -> None:
    """Makes the next attempts due."""
    sql(company.dsn, "update push set due_at = now() where company_id = $1", company.id)


def failures(company: Company, made: Made) -> int:
    return int(state(company, made)["failures"])


def failed(company: Company, made: Made, times: int) -> None:
    """Waits until the receiver has failed `times` times. The first attempt comes by itself, the others are made due.

    The first attempt is not made due, since it may be over already: that would make the second one due.
    """
    for number in range(failures(company, made) + 1, times + 1):
        if number > 1:
            make_due(company)
        eventually(lambda number=number: failures(company, made) >= number)


def wait(company: Company, made: Made) -> float:
    """Seconds until the next attempt."""
    (row,) = sql(
        company.dsn,
        "select extract(epoch from due_at - now())::float8 as seconds from push where subscription_id = $1",
        made["id"],
    )
    return row["seconds"]


def pause_behind_attempt(company: Company, made: Made) -> float:
    """Seconds from the last attempt to the next one."""
    (row,) = sql(
        company.dsn,
        "select extract(epoch from next_at - tried_at)::float8 as seconds from delivery where subscription_id = $1",
        made["id"],
        company_id=company.id,
    )
    return row["seconds"]


def test_the_pauses_grow_to_an_hour_with_20_percent_jitter() -> None:
    for number, plain in enumerate((*EARLY, HOURLY, HOURLY, HOURLY), 1):
        pauses = [pause(number) for _ in range(200)]
        assert all(0.8 * plain <= seconds <= 1.2 * plain for seconds in pauses)
        assert max(pauses) - min(pauses) > 0.2 * plain
    assert pause(10**6) <= 1.2 * HOURLY
    assert pause(1, 100.0) == 100.0
    assert pause(3, 1.0) >= 0.8 * EARLY[2]


def test_a_failed_push_is_retried_with_the_same_id(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]] = "500"
    company.create({})
    receiver.wait(1)
    receiver.answers[made["path"]] = "204"

    first, second = receiver.wait(2, seconds=15)

    assert 3.9 < second.arrived - first.arrived < 8, "five seconds ±20 %, and the time to look for due pushes"
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    caught_up(company, made)
    (delivery,) = company.call("getLeadDeliveries")
    assert (delivery["state"], delivery["attempts"], delivery["status"]) == ("delivered", "2", "204")


def test_the_schedule_is_stored_in_the_database(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver, "/500")
    company.create({})

    for number, plain in enumerate((*EARLY, HOURLY, HOURLY), 1):
        failed(company, made, number)
        assert wait(company, made) <= 1.2 * plain
        assert 0.8 * plain <= pause_behind_attempt(company, made)
    (delivery,) = company.call("getLeadDeliveries")
    assert (delivery["state"], delivery["status"], delivery["attempts"]) == ("waiting", "500", "7")
    assert delivery["nextTimestamp"] > delivery["attemptTimestamp"]
    assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1


def test_later_changes_wait_for_the_failed_push_and_arrive_in_order(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]] = "503 Retry-After: 3600"
    (lead,) = company.create({})
    failed(company, made, 1)
    for number in range(5):
        company.call("updateLeads", objects=[{"id": lead, "title": f"T{number}"}])
    assert len(receiver.posts) == 1
    receiver.answers[made["path"]] = "200"

    make_due(company)

    caught_up(company, made)
    sequences = [[int(change["sequence"]) for change in post.json()["changes"]] for post in receiver.posts]
    assert sequences == [[1], [1], [2, 3, 4, 5, 6]]
    assert receiver.posts[1].json()["leads"][0]["title"] == "T4", "a later attempt has the current lead"


@pytest.mark.parametrize(
    ("answer", "low", "high"),
    [
        ("429 Retry-After: 7200", 7_100, 7_200),
        ("503 Retry-After: 60", 50, 60),
        ("503 Retry-After: 99999999", 86_300, 86_400),
        ("429 Retry-After: nonsense", 2, 6),
        ("500 Retry-After: 7200", 2, 6),
    ],
)
def test_retry_after_of_a_receiver_is_respected(
    pushing_company: Callable[..., Company], receiver: Receiver, answer: str, low: float, high: float
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]] = answer

    company.create({})

    eventually(lambda: failures(company, made) == 1)
    assert low < wait(company, made) <= high


def test_410_removes_the_subscription(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    gone, other = subscribe(company, receiver, "/410"), subscribe(company, receiver)

    company.create({})

    eventually(lambda: len(company.call("getLeadSubscriptions")) == 1)
    caught_up(company, other)
    company.create({})
    caught_up(company, other)
    assert len(receiver.of(gone["path"])) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_not_followed(
    pushing_company: Callable[..., Company], receiver: Receiver, status: int
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]] = f"{status} Location: {receiver.url('/200/elsewhere')}"

    company.create({})

    eventually(lambda: failures(company, made) == 1)
    assert receiver.of("/200/elsewhere") == []
    assert company.call("getLeadDeliveries")[0]["status"] == str(status)


@pytest.mark.parametrize(
    "behaviour", ["reset", "close", "half", "nonsense", "headers", "long-header", "dirty", "huge", "bomb", "endless"]
)
def test_no_receiver_harms_the_server(
    pushing_company: Callable[..., Company], receiver: Receiver, behaviour: str
) -> None:
    company = pushing_company()
    bad, good = subscribe(company, receiver, f"/{behaviour}"), subscribe(company, receiver)

    company.create({})

    caught_up(company, good, seconds=5)

    def last_delivery() -> dict[str, Any]:
        deliveries = company.call("getLeadDeliveries", where={"subscriptionID": bad["id"]})
        return deliveries[0] if deliveries else {"attempts": "0"}

    eventually(lambda: last_delivery()["attempts"] == "1", seconds=30)
    assert len((last_delivery()["answer"] or "").encode()) <= 2_048
    assert "\0" not in (last_delivery()["answer"] or "")


def test_after_three_days_a_subscription_is_switched_off_with_a_reason_and_can_resume(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]] = "500"
    (lead,) = company.create({})
    failed(company, made, 2)
    sql(company.dsn, "update delivery set begun_at = now() - interval '71.9 hours'", company_id=company.id)
    failed(company, made, 3)
    assert state(company, made)["isActive"] == "1"
    sql(company.dsn, "update delivery set begun_at = now() - interval '72 hours'", company_id=company.id)
    failed(company, made, 4)

    off = state(company, made)
    assert (off["isActive"], off["inactiveReason"]) == ("0", "No success in 72 hours; the last attempt: status 500")
    assert company.call("getLeadDeliveries")[0]["state"] == "dead"
    company.call("updateLeads", objects=[{"id": lead, "title": "Later"}])
    make_due(company)
    time.sleep(1.2)
    assert len(receiver.posts) == 4, "nothing is sent to it any more"

    receiver.answers[made["path"]] = "200"
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 1}])

    caught_up(company, made)
    assert [int(change["sequence"]) for change in receiver.posts[-1].json()["changes"]] == [1, 2]
    assert state(company, made)["inactiveReason"] is None
    assert [delivery["state"] for delivery in company.call("getLeadDeliveries")] == ["delivered", "dead"]


def test_a_receiver_that_was_away_for_a_day_gets_everything(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]] = "reset"
    leads = company.create(*({} for _ in range(400)))
    failed(company, made, 2)
    sql(company.dsn, "update delivery set begun_at = begun_at - interval '1 day'", company_id=company.id)
    for number in range(5):
        company.call("updateLeads", objects=[{"id": lead, "title": f"T{number}"} for lead in leads])
    company.call("deleteLeads", objects=leads[:10])
    receiver.answers[made["path"]] = "200"
    before = len(receiver.posts)

    make_due(company)

    caught_up(company, made)
    sequences = [int(row["sequence"]) for post in receiver.posts[before:] for row in post.json()["changes"]]
    assert sequences == list(range(1, 400 + 5 * 400 + 10 + 1))
    mirror = {row["id"]: row for post in receiver.posts[before:] for row in post.json()["leads"]}
    for change in changes(receiver, made):
        if change["kind"] == "delete":
            mirror.pop(change["leadID"], None)
    assert mirror == {row["id"]: row for row in company.call("getLeads", where={}, limit=500)}


def test_a_new_url_is_tried_at_once(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver, "/500")
    company.create({})
    failed(company, made, 3)

    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "url": receiver.url("/200/moved")}])

    receiver.wait(1, path="/200/moved", seconds=5)


def test_a_server_that_lost_its_lease_records_nothing(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver, "/slow")
    company.create({})
    receiver.wait(1)

    sql(company.dsn, "update push set lease = lease + 1, leased_until = now() where company_id = $1", company.id)

    first, second = receiver.wait(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"], "another server sends it again"
    caught_up(company, made)
    assert [delivery["attempts"] for delivery in company.call("getLeadDeliveries")] == ["1"]


def test_receivers_that_hang_do_not_delay_others(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    companies = [pushing_company() for _ in range(6)]
    for company in companies:
        for _ in range(9):
            subscribe(company, receiver, f"/hang/{company.id}/{_}")
    healthy = [(company, subscribe(company, receiver)) for company in companies]
    took: list[float] = []

    for round_ in range(3):
        for company, made in healthy:
            company.create({})
            watch = Stopwatch()
            receiver.wait(round_ + 1, path=made["path"], seconds=5)
            took.append(watch.seconds)

    assert sum(receiver.asked[path] for path in list(receiver.asked) if path.startswith("/hang")) == 54
    assert sorted(took)[len(took) // 2] < 0.25
    assert max(took) < 1.5
