"""Writing and reading subscriptions. Their pushes are tested in tests/delivery."""

import itertools
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support import BOX, Company, sql

USUAL = ["create", "update", "delete", "merge", "restore", "erase"]
_numbers = itertools.count(1)


def new_url() -> str:
    return f"https://receiver{next(_numbers)}.example/pushes"


def subscribed(company: Company, **more: Any) -> dict[str, Any]:
    """Creates a subscription. Returns the outcome."""
    (made,) = company.call("createLeadSubscriptions", objects=[{"url": new_url(), **more}])
    assert made["success"], made
    return made


def row(company: Company, subscription: int) -> dict[str, Any]:
    (read,) = company.call("getLeadSubscriptions", where={"id": subscription})
    return read


# The vendor's call


def test_the_vendors_call_is_answered_with_success_and_nothing_else(company: Company) -> None:
    answer = company.envelope("subscribeToLeadUpdates", {"url": "https://hook.example/a"})

    assert answer == {"result": {"success": True}, "error": None, "id": "1"}
    (subscription,) = company.call("getLeadSubscriptions")
    assert (subscription["url"], subscription["kinds"], subscription["fields"], subscription["isActive"]) == (
        "https://hook.example/a",
        USUAL,
        None,
        "1",
    )


def test_subscribing_a_url_twice_succeeds_and_changes_nothing(company: Company) -> None:
    company.call("subscribeToLeadUpdates", url="https://hook.example/b?x=1")
    before = company.call("getLeadSubscriptions")

    assert company.call("subscribeToLeadUpdates", url="https://hook.example/b?x=1") is True
    assert company.call("subscribeToLeadUpdates", url="HTTPS://Hook.Example:443/b?x=1") is True

    assert company.call("getLeadSubscriptions") == before


def test_calls_that_race_for_one_url_make_one_subscription(company: Company) -> None:
    others = [company.at("v1") for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda own: own.call("subscribeToLeadUpdates", url="https://hook.example/race"), others))

    assert done == [True] * 8
    assert len(company.call("getLeadSubscriptions")) == 1


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://example.com/", "http://receiver.example/", "https://user:pass@receiver.example/",
        "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/", "https://2130706433/", "https://0x7f.1/", "https://receiver.example:22/",
        "https://receiver.example/#x", "https://receiver.example/ x", "https://receiver.example/\nx",
        "https://" + "a" * 2_100 + ".example/",
    ],
)  # fmt: skip
def test_a_url_that_pushes_may_not_go_to_is_205(company: Company, url: str) -> None:
    error = company.error("subscribeToLeadUpdates", url=url)
    refusal = company.refusal("createLeadSubscriptions", {"url": url})

    assert error["code"] == 205
    assert refusal is not None
    assert refusal["code"] == 205
    assert refusal["data"]["params"][0]["param"] == "url"
    assert company.call("getLeadSubscriptions") == []


def test_the_url_is_required(company: Company) -> None:
    assert company.error("subscribeToLeadUpdates")["code"] == 206
    assert company.error("subscribeToLeadUpdates", url=[])["code"] == 210
    assert company.code("createLeadSubscriptions", {}) == 205


def test_a_company_can_have_ten_subscriptions(company: Company) -> None:
    ten = [{"url": f"https://hook.example/{number}"} for number in range(10)]
    assert all(outcome["success"] for outcome in company.call("createLeadSubscriptions", objects=ten))

    assert company.error("subscribeToLeadUpdates", url="https://hook.example/more")["code"] == 205
    assert company.error("createLeadSubscriptions", objects=[{"url": "https://hook.example/more"}])["code"] == 205
    assert company.call("subscribeToLeadUpdates", url="https://hook.example/0") is True

    assert len(company.call("getLeadSubscriptions")) == 10


def test_calls_that_race_for_the_last_places_make_no_more_than_ten(company: Company) -> None:
    others = [company.at("v1") for _ in range(16)]

    def subscribe(own: Company) -> Any:
        return own.envelope("subscribeToLeadUpdates", {"url": new_url()})["error"]

    with ThreadPoolExecutor(16) as pool:
        errors = list(pool.map(subscribe, others))

    assert errors.count(None) == 10
    assert {error["code"] for error in errors if error} == {205}
    assert len(company.call("getLeadSubscriptions")) == 10


# Ours


def test_the_secret_is_shown_when_a_subscription_is_made_and_in_no_list(company: Company) -> None:
    made = subscribed(company)

    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"])
    assert made["secret"] not in company.send(b'{"method":"getLeadSubscriptions","params":{},"id":"1"}')[1].decode()
    assert subscribed(company)["secret"] != made["secret"]


def test_a_new_secret_replaces_the_old_one_which_stays_valid_for_a_day(company: Company) -> None:
    made = subscribed(company)

    (outcome, unknown) = company.call("rotateLeadSubscriptionSecrets", objects=[{"id": made["id"]}, 1])

    assert outcome["success"]
    assert outcome["secret"] != made["secret"]
    assert unknown["error"]["code"] == 404
    (kept,) = sql(
        company.dsn,
        "select encrypted_secret, encrypted_previous,"
        " round(extract(epoch from previous_until - now()) / 3600)::int as hours from subscription",
        company_id=company.id,
    )
    secrets = [BOX.decrypt(kept[column], company.id, f"subscription {made['id']}").decode() for column in (0, 1)]
    assert (secrets, kept["hours"]) == ([outcome["secret"], made["secret"]], 24)


def test_kinds_and_fields_are_checked_and_stored_as_given(company: Company) -> None:
    name = company.field("Shoe size")
    made = subscribed(company, kinds=["update", "score"], fields=["leadStatus", name])

    assert row(company, made["id"])["kinds"] == ["update", "score"]
    assert row(company, made["id"])["fields"] == ["leadStatus", name]
    for wrong in ({"kinds": []}, {"kinds": ["x"]}, {"kinds": "update"}, {"fields": ["x"]}, {"fields": []}):
        assert company.code("createLeadSubscriptions", {"url": new_url(), **wrong}) in {205, 210}, wrong
    assert company.code("updateLeadSubscriptions", {"id": made["id"], "fields": None, "kinds": ["create"]}) is None
    assert row(company, made["id"])["fields"] is None


def test_no_two_subscriptions_have_the_same_url(company: Company) -> None:
    first, second = subscribed(company), subscribed(company)
    url = row(company, first["id"])["url"]

    assert company.code("createLeadSubscriptions", {"url": url}) == 301
    assert company.code("createLeadSubscriptions", {"url": url.upper().replace("PUSHES", "pushes")}) == 301
    assert company.code("updateLeadSubscriptions", {"id": second["id"], "url": url}) == 301
    assert company.code("updateLeadSubscriptions", {"id": first["id"], "url": url}) == 302


def test_a_pause_shows_its_reason_and_ends(company: Company) -> None:
    made = subscribed(company)

    assert company.code("updateLeadSubscriptions", {"id": made["id"], "isActive": 0}) is None
    assert (row(company, made["id"])["isActive"], row(company, made["id"])["inactiveReason"]) == ("0", "paused")
    assert company.code("updateLeadSubscriptions", {"id": made["id"], "isActive": 0}) == 302
    assert company.code("updateLeadSubscriptions", {"id": made["id"], "isActive": 1}) is None
    assert (row(company, made["id"])["isActive"], row(company, made["id"])["inactiveReason"]) == ("1", None)
    assert company.code("updateLeadSubscriptions", {"id": 1, "isActive": 0}) == 302


def test_a_deleted_subscription_is_gone_with_its_queue(company: Company) -> None:
    made = subscribed(company)

    assert company.call("deleteLeadSubscriptions", objects=[made["id"], 1])[0]["success"]

    assert company.call("getLeadSubscriptions") == []
    assert sql(company.dsn, "select from push where company_id = $1", company.id) == []


def test_reads_are_filtered_by_id_url_and_activity(company: Company) -> None:
    first, second = subscribed(company), subscribed(company, isActive=0)

    def ids(**where: Any) -> list[int]:
        return [int(subscription["id"]) for subscription in company.call("getLeadSubscriptions", where=where)]

    assert ids(id=second["id"]) == [second["id"]]
    assert ids(isActive=1) == [first["id"]]
    assert ids(url=row(company, second["id"])["url"]) == [second["id"]]
    assert ids() == [first["id"], second["id"]]
    assert row(company, second["id"])["inactiveReason"] == "paused"


# Reading deliveries


def test_a_test_says_why_a_receiver_could_not_be_reached(company: Company) -> None:
    made = subscribed(company)

    (outcome, unknown) = company.call("testLeadSubscriptions", objects=[made["id"], {"id": 1}])

    assert outcome["success"]
    assert (outcome["receiver"]["accepted"], outcome["receiver"]["status"]) == (False, None)
    assert outcome["receiver"]["error"]
    assert unknown["error"]["code"] == 404


def test_a_test_takes_no_idempotency_key(company: Company) -> None:
    made = subscribed(company)
    body = b'{"method":"testLeadSubscriptions","params":{"objects":[%d]},"id":"1"}' % made["id"]

    _, answer = company.send(body, headers={"Idempotency-Key": "x"})

    assert b'"code":205' in answer


def test_a_repeat_needs_a_delivery_or_a_subscription_and_a_time(company: Company) -> None:
    made = subscribed(company)
    when = {"subscriptionID": made["id"], "since": "2026-01-01 00:00:00"}

    for wrong in ({}, {"subscriptionID": made["id"]}, {"since": "2026-01-01"}, {"deliveryID": 1, **when}):
        assert company.code("redeliverLeadUpdates", wrong) == 205, wrong
    assert company.code("redeliverLeadUpdates", {"deliveryID": 1}) == 404
    assert company.code("redeliverLeadUpdates", {**when, "subscriptionID": 1}) == 404
    assert company.code("redeliverLeadUpdates", when) is None
    assert company.call("getLeadDeliveries") == []


def test_a_company_sees_its_own_subscriptions_only(given_company: Callable[..., Company]) -> None:
    mine, other = given_company(), given_company()
    theirs = subscribed(other)["id"]
    before = other.call("getLeadSubscriptions")

    assert mine.call("getLeadSubscriptions", where={"id": theirs}) == []
    for method in ("testLeadSubscriptions", "rotateLeadSubscriptionSecrets", "deleteLeadSubscriptions"):
        assert mine.code(method, {"id": theirs}) in {302, 404}
    assert mine.code("updateLeadSubscriptions", {"id": theirs, "isActive": 0}) == 302
    assert mine.code("redeliverLeadUpdates", {"subscriptionID": theirs, "since": "2026-01-01"}) == 404

    assert other.call("getLeadSubscriptions") == before
