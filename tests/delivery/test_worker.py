"""Changes are pushed: to which receivers, in which order, and with which content."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from standardwebhooks import Webhook

from delivery.pushes import caught_up, changes, state, subscribe
from delivery.receiver import Receiver
from springhead.store.feed import deliveries
from support import Company, eventually, new_email, sql, with_database


def test_a_change_is_pushed_signed_with_the_lead_as_it_is_now(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)

    (lead,) = company.create({"emailAddress": "ada@example.com", "firstName": "Ada"})

    (post,) = receiver.wait(1)
    body = post.json()
    assert Webhook(made["secret"]).verify(post.body, post.headers) == body
    assert list(body) == ["leads", "changes"]
    assert body["leads"] == company.call("getLeads", where={"id": lead})
    (change,) = body["changes"]
    assert list(change) == ["sequence", "eventID", "kind", "leadID", "createTimestamp", "changed"]
    assert (change["sequence"], change["kind"], change["leadID"]) == ("1", "create", str(lead))
    assert change["changed"] is None
    assert change["eventID"].isdigit()
    assert post.headers["content-type"] == "application/json"


def test_a_subscription_by_the_vendors_call_gets_pushes(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    assert company.call("subscribeToLeadUpdates", url=receiver.url("/200")) is True
    (made,) = company.call("getLeadSubscriptions")
    (rotated,) = company.call("rotateLeadSubscriptionSecrets", objects=[{"id": made["id"]}])

    company.create({})

    (post,) = receiver.wait(1)
    Webhook(rotated["secret"]).verify(post.body, post.headers)


def test_changes_before_the_subscription_are_not_pushed(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    company.create({}, {}, {})
    made = subscribe(company, receiver)

    (lead,) = company.create({})

    receiver.wait(1)
    assert [int(change["leadID"]) for change in changes(receiver, made)] == [lead]


def test_an_update_says_what_was_changed_and_a_deletion_has_no_lead(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    (lead,) = company.create({"firstName": "Ada"})
    made = subscribe(company, receiver)

    company.call("updateLeads", objects=[{"id": lead, "firstName": "Grace", "city": "Rome"}])
    receiver.wait(1)
    company.call("deleteLeads", objects=[{"id": lead}])

    changed, deleted = receiver.wait(2)
    assert changed.json()["changes"][0]["kind"] == "update"
    assert changed.json()["changes"][0]["changed"] == {"firstName": ["Ada", "Grace"], "city": [None, "Rome"]}
    assert changed.json()["leads"][0]["firstName"] == "Grace"
    assert deleted.json()["leads"] == []
    assert [(change["kind"], change["leadID"]) for change in deleted.json()["changes"]] == [("delete", str(lead))]
    caught_up(company, made)


def test_a_call_of_500_leads_is_one_post(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)

    ids = company.create(*({} for _ in range(500)))
    caught_up(company, made)
    company.call("updateLeads", objects=[{"id": lead_id, "title": "x", "isUnsubscribed": 1} for lead_id in ids])
    caught_up(company, made)

    created, updated = receiver.posts
    assert sorted(int(lead["id"]) for lead in created.json()["leads"]) == ids
    assert len(created.json()["changes"]) == 500
    assert sorted(int(lead["id"]) for lead in updated.json()["leads"]) == ids
    assert len(updated.json()["changes"]) == 1_000, "the change, and the unsubscription"


def test_changes_during_a_push_are_sent_together_with_each_lead_once(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver, "/slow")
    (lead,) = company.create({})
    receiver.wait(1)

    for number in range(20):
        company.call("updateLeads", objects=[{"id": lead, "title": f"T{number}"}])

    _, second = receiver.wait(2)
    assert [row["title"] for row in second.json()["leads"]] == ["T19"]
    assert len(second.json()["changes"]) == 20
    caught_up(company, made)
    assert len(receiver.posts) == 2


def test_a_push_has_500_leads_at_most(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver, isActive=0)
    for _ in range(3):
        company.create(*({} for _ in range(400)))

    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 1}])

    caught_up(company, made)
    assert [len(post.json()["leads"]) for post in receiver.posts] == [500, 500, 200]
    assert [int(change["sequence"]) for change in changes(receiver, made)] == list(range(1, 1_201))


def test_a_push_ends_before_it_becomes_too_large(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)

    company.create(*({"description": "x" * 60_000} for _ in range(100)))

    caught_up(company, made)
    assert max(len(post.body) for post in receiver.posts) < 4 * 1024 * 1024
    assert len(receiver.posts) == 2
    assert [int(change["sequence"]) for change in changes(receiver, made)] == list(range(1, 101))


def test_the_order_of_changes_is_kept_under_many_writers(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    leads = company.create(*({} for _ in range(5)))
    others = [company.at("v1") for _ in range(8)]

    def write(caller: Company) -> None:
        for number in range(25):
            caller.call("updateLeads", objects=[{"id": lead, "title": f"{id(caller)} {number}"} for lead in leads])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, others))
    caught_up(company, made)

    pushed = changes(receiver, made)
    assert [int(change["sequence"]) for change in pushed] == list(range(1, len(pushed) + 1))
    for lead in leads:
        titles = [
            change["changed"]["title"]
            for change in pushed
            if change["leadID"] == str(lead) and change["kind"] == "update"
        ]
        assert [before for before, _ in titles] == [None, *(after for _, after in titles[:-1])]
    last = {row["id"]: row["title"] for post in receiver.posts for row in post.json()["leads"]}
    assert last == {row["id"]: row["title"] for row in company.call("getLeads", where={"id": leads})}


def test_only_the_kinds_asked_for_are_pushed(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver, kinds=["delete"])

    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "title": "x"}])
    caught_up(company, made)
    assert receiver.posts == [], "a batch without a matching change is not sent"
    company.call("deleteLeads", objects=[{"id": lead}])

    receiver.wait(1)
    assert [change["kind"] for change in changes(receiver, made)] == ["delete"]


def test_scores_are_pushed_to_those_who_ask_for_them(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    usual, scores = subscribe(company, receiver), subscribe(company, receiver, kinds=["score"])
    (lead,) = company.create({"firstName": "Ada"})
    rule = {"name": "Known", "part": "completeness", "points": 10, "fields": ["firstName"]}
    company.make("createScoreRules", rule)

    receiver.wait(1, path=scores["path"])
    caught_up(company, usual)

    (change,) = changes(receiver, scores)
    assert (change["kind"], change["leadID"], change["eventID"], change["changed"]) == ("score", str(lead), None, None)
    assert receiver.of(scores["path"])[0].json()["leads"][0]["leadScore"] == "10"
    assert [row["kind"] for row in changes(receiver, usual)] == ["create"]


def test_a_subscription_with_fields_gets_only_these(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    name = company.field("Shoe size")
    (lead,) = company.create({"firstName": "Ada", name: "40"})
    made = subscribe(company, receiver, fields=["city", name])

    company.call("updateLeads", objects=[{"id": lead, "firstName": "Secret"}])
    caught_up(company, made)
    assert receiver.posts == [], "updates of other fields are not pushed"
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome", "lastName": "Secret"}])
    company.call("updateLeads", objects=[{"id": lead, name: "41"}])
    company.create({"firstName": "Secret", "city": "Oslo"})
    caught_up(company, made)

    assert [change["changed"] for change in changes(receiver, made)] == [
        {"city": [None, "Rome"]},
        {name: ["40", "41"]},
        None,
    ]
    assert {frozenset(row) for post in receiver.posts for row in post.json()["leads"]} == {
        frozenset(["id", "city", name])
    }
    assert not [post for post in receiver.posts if b"Secret" in post.body]


@pytest.mark.parametrize(("version", "hour"), [("v1", "02"), ("v1.2", "00")])
def test_times_are_in_the_zone_of_the_version_that_subscribed(
    pushing_company: Callable[..., Company], receiver: Receiver, version: str, hour: str
) -> None:
    company = pushing_company(time_zone="Africa/Johannesburg").at(version)
    made = subscribe(company, receiver)
    (lead,) = company.create({})

    caught_up(company, made)

    body = receiver.posts[0].json()
    at_call = company.call("getLeads", where={"id": lead})
    assert body["leads"] == at_call
    assert body["changes"][0]["createTimestamp"] == at_call[0]["createTimestamp"]
    utc = company.at("v1.2").call("getLeads", where={"id": lead})[0]["createTimestamp"]
    assert (int(at_call[0]["createTimestamp"][11:13]) - int(utc[11:13])) % 24 == int(hour)


def test_a_test_push_is_signed_and_its_answer_is_returned(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made, broken = subscribe(company, receiver), subscribe(company, receiver, "/500")

    good, bad = company.call("testLeadSubscriptions", objects=[made["id"], {"id": broken["id"]}])

    (post,) = receiver.of(made["path"])
    assert Webhook(made["secret"]).verify(post.body, post.headers) == {"leads": [], "changes": [], "test": True}
    assert (good["receiver"]["accepted"], good["receiver"]["status"], good["receiver"]["answer"]) == (True, 200, "ok")
    assert (bad["success"], bad["receiver"]["accepted"], bad["receiver"]["status"]) == (True, False, 500)
    assert company.call("getLeadDeliveries") == []


def test_while_a_secret_is_replaced_both_verify_the_push(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    (rotated,) = company.call("rotateLeadSubscriptionSecrets", objects=[made["id"]])

    company.create({})
    (post,) = receiver.wait(1)
    Webhook(made["secret"]).verify(post.body, post.headers)
    Webhook(rotated["secret"]).verify(post.body, post.headers)
    caught_up(company, made)
    sql(company.dsn, "update subscription set previous_until = now()", company_id=company.id)
    company.create({})

    _, later = receiver.wait(2)
    Webhook(rotated["secret"]).verify(later.body, later.headers)
    assert len(later.headers["webhook-signature"].split(" ")) == 1


def test_a_pause_delays_pushes_and_loses_none(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 0}])
    leads = company.create({}, {})
    company.call("updateLeads", objects=[{"id": leads[0], "title": "x"}])
    other = subscribe(company, receiver)
    company.create({})
    caught_up(company, other)
    assert receiver.of(made["path"]) == []

    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 1}])

    caught_up(company, made)
    assert [int(change["sequence"]) for change in changes(receiver, made)] == [1, 2, 3, 4]


def test_a_deleted_subscription_gets_no_more_pushes(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made, other = subscribe(company, receiver), subscribe(company, receiver)
    company.call("deleteLeadSubscriptions", objects=[made["id"]])

    company.create({})

    caught_up(company, other)
    assert receiver.of(made["path"]) == []


def test_a_company_is_pushed_its_own_leads_only(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    companies = [pushing_company() for _ in range(3)]
    made = [subscribe(company, receiver) for company in companies]
    leads = [company.create({}, {}) for company in companies]

    for company, subscription, ids in zip(companies, made, leads, strict=True):
        caught_up(company, subscription)
        bodies = [post.json() for post in receiver.of(subscription["path"])]
        assert sorted(int(row["id"]) for body in bodies for row in body["leads"]) == ids
        assert [int(change["leadID"]) for change in changes(receiver, subscription)] == ids
        secret = Webhook(subscription["secret"])
        for post in receiver.of(subscription["path"]):
            secret.verify(post.body, post.headers)


def test_deliveries_are_listed_newest_first_with_the_receivers_answers(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    company.create({}, {})
    caught_up(company, made)
    company.create({})
    caught_up(company, made)

    second, first = company.call("getLeadDeliveries", where={"subscriptionID": made["id"]})

    assert (first["firstSequence"], first["lastSequence"], first["leads"]) == ("1", "2", "2")
    assert (second["firstSequence"], second["lastSequence"]) == ("3", "3")
    assert (first["state"], first["status"], first["attempts"], first["answer"]) == ("delivered", "200", "1", "ok")
    assert int(first["durationMs"]) < 5_000
    assert first["nextTimestamp"] is None
    assert [
        delivery["id"] for delivery in company.call("getLeadDeliveries", where={"messageID": first["messageID"]})
    ] == [first["id"]]
    assert receiver.posts[0].headers["webhook-id"] == first["messageID"]


def test_one_delivery_is_pushed_again_with_the_leads_as_they_are_now(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    (lead,) = company.create({"title": "Old"})
    caught_up(company, made)
    company.call("updateLeads", objects=[{"id": lead, "title": "New"}])
    caught_up(company, made)
    first = company.call("getLeadDeliveries")[-1]

    (outcome,) = company.call("redeliverLeadUpdates", objects=[{"deliveryID": first["id"]}])

    assert outcome["success"]
    post = receiver.wait(3)[2]
    assert [int(change["sequence"]) for change in post.json()["changes"]] == [1]
    assert post.json()["leads"][0]["title"] == "New"
    assert post.headers["webhook-id"] not in {earlier.headers["webhook-id"] for earlier in receiver.posts[:2]}
    eventually(lambda: company.call("getLeadDeliveries", where={"id": outcome["id"]})[0]["state"] == "delivered")
    assert state(company, made)["sentSequence"] == "2"


def test_everything_since_a_time_is_pushed_again_in_order(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company().at("v1.2")
    made, other = subscribe(company, receiver), subscribe(company, receiver)
    for _ in range(3):
        company.create({})
        caught_up(company, made)
    long_ago = "update change set created_at = now() - interval '1 hour' where company_id = $1 and last = 1"
    sql(company.dsn, long_ago, company.id)
    (now,) = sql(company.dsn, "select to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as text")

    (outcome,) = company.call("redeliverLeadUpdates", objects=[{"subscriptionID": made["id"], "since": now["text"]}])

    assert outcome["success"]
    caught_up(company, made)
    assert [int(change["sequence"]) for change in changes(receiver, made)] == [1, 2, 3, 2, 3]
    caught_up(company, other)
    assert [int(change["sequence"]) for change in changes(receiver, other)] == [1, 2, 3]


def test_pushing_everything_since_a_time_replaces_waiting_changes(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]] = "500"
    company.create({})
    eventually(lambda: state(company, made)["failures"] == "1")
    receiver.answers[made["path"]] = "200"

    company.call("redeliverLeadUpdates", objects=[{"subscriptionID": made["id"], "since": "2020-01-01"}])

    caught_up(company, made)
    assert [delivery["state"] for delivery in company.call("getLeadDeliveries")] == ["delivered", "replaced"]


def test_stored_deliveries_have_no_personal_data(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    company.create({"emailAddress": new_email(), "firstName": "Canary", "description": "Canary"})
    caught_up(company, made)

    for table in ("delivery", "push", "subscription"):
        rows = sql(company.dsn, f"select t::text as row from {table} t", company_id=company.id)
        assert rows
        assert not [row for row in rows if "Canary" in row["row"] or "@example.com" in row["row"]]


def test_old_deliveries_are_deleted_with_the_next_ones(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    company.create({})
    caught_up(company, made)
    sql(company.dsn, "update delivery set create_timestamp = now() - interval '31 days'", company_id=company.id)
    company.create({})
    caught_up(company, made)

    async def tidy(database: Any) -> None:
        async with database.company(company.id) as tx:
            await deliveries.delete_old(tx, company.id, made["id"])

    with_database(company.dsn, tidy)

    assert [delivery["firstSequence"] for delivery in company.call("getLeadDeliveries")] == ["2"]


def test_metrics_count_pushes(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made, broken = subscribe(company, receiver), subscribe(company, receiver, "/500")
    company.create({})
    caught_up(company, made)
    eventually(lambda: state(company, broken)["failures"] == "1")

    def text() -> str:
        return company.send(b"", path="/metrics", verb="GET")[1].decode()

    eventually(lambda: not re.search(r"springhead_pushes_waiting 0", text()))
    assert 'springhead_pushes_total{what="delivered"}' in text()
    assert 'springhead_pushes_total{what="failed"}' in text()


def test_no_secret_and_no_lead_is_in_the_log(
    pushing: Any, pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver, "/500/path-of-a-hook")
    company.create({"firstName": "Canary"})
    eventually(lambda: state(company, made)["failures"] == "1")

    text = pushing.log.read_text()
    line = next(json.loads(row) for row in text.splitlines() if '"failed"' in row)
    assert line["subscription"]
    assert made["secret"] not in text
    assert "Canary" not in text
