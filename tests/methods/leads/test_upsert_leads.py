"""upsertLeads, rule by rule: by id or by address (our own)."""

import random
from collections import Counter
from typing import Any

import pytest

from callers import at_once, clients
from lists import members, new_list
from support import Company, Server, new_email, sql


def upsert(company: Company, *leads: Any) -> list[dict[str, Any]]:
    """The outcomes of an upsert."""
    return company.call("upsertLeads", objects=list(leads))


def codes(outcomes: list[dict[str, Any]]) -> list[int | bool]:
    """For each outcome the error code, or whether the lead was created."""
    return [outcome["error"]["code"] if outcome["error"] else outcome["created"] for outcome in outcomes]


def event_sources(company: Company, lead_id: int) -> list[str]:
    """The sources of a lead's events, the oldest first."""
    events = company.call("getLeadTimeline", where={"whoID": lead_id})
    return [event["eventSource"] for event in sorted(events, key=lambda event: int(event["id"]))]


# One after the other


def test_an_existing_lead_is_changed_and_a_new_one_created(company: Company) -> None:
    (there,) = company.create({"emailAddress": "there@example.com", "firstName": "There"})

    answer = company.envelope(
        "upsertLeads",
        {
            "objects": [
                {"emailAddress": "THERE@example.com", "city": "Rome"},
                {"emailAddress": "new@example.com", "city": "Paris"},
                {"id": str(there), "title": "CEO"},
            ]
        },
    )

    first, second, third = answer["result"]["upserts"]
    assert first == {"success": True, "error": None, "id": there, "created": False}
    assert second == {"success": True, "error": None, "id": second["id"], "created": True}
    assert third == first
    assert answer["error"] == []
    assert list(second) == ["success", "error", "id", "created"]
    lead = company.lead(there)
    assert (lead["emailAddress"], lead["firstName"], lead["city"], lead["title"]) == (
        "there@example.com", "There", "Rome", "CEO",
    )  # fmt: skip
    new = company.lead(second["id"])
    assert (new["emailAddress"], new["city"], new["leadStatus"], new["active"]) == (
        "new@example.com", "Paris", "unqualified", "1",
    )  # fmt: skip


def test_an_upsert_without_a_change_succeeds(company: Company, server: Server) -> None:
    lead = {"emailAddress": "same@example.com", "firstName": "Same", "ownerID": None}
    (first,) = upsert(company, lead)

    again = upsert(company, lead, lead, {"id": first["id"]})

    assert codes(again) == [False] * 3
    assert {outcome["id"] for outcome in again} == {first["id"]}
    (row,) = sql(server.dsn, "select version from lead", company_id=company.id)
    assert row["version"] == 1
    assert event_sources(company, first["id"]) == ["leadCreation"]


def test_a_second_object_changes_the_lead_that_the_first_created(company: Company, server: Server) -> None:
    outcomes = upsert(
        company,
        {"emailAddress": "a@example.com", "firstName": "One", "city": "Rome"},
        {"emailAddress": "A@example.com", "firstName": "Two"},
        {"emailAddress": "a@example.com ", "title": "CEO"},
    )

    assert codes(outcomes) == [True, False, False]
    assert len({outcome["id"] for outcome in outcomes}) == 1
    lead = company.lead(outcomes[0]["id"])
    assert (lead["firstName"], lead["city"], lead["title"]) == ("Two", "Rome", "CEO")
    assert len(sql(server.dsn, "select from lead", company_id=company.id)) == 1


def test_refused_objects_do_not_stop_the_others(company: Company) -> None:
    company.create({"emailAddress": "there@example.com"})
    objects = [
        {"id": 1, "title": "x"},
        {"emailAddress": "a@example.com"},
        {"firstName": "Nobody"},
        {"emailAddress": " "},
        {"emailAddress": "b@example.com", "ownerID": 1},
        {"emailAddress": "there@example.com", "ownerID": 1},
        5,
        {"emailAddress": "b@example.com"},
        {"id": "x"},
        {"emailAddress": "c@example.com", "title": []},
        {},
    ]

    answer = company.envelope("upsertLeads", {"objects": objects})

    outcomes = answer["result"]["upserts"]
    assert codes(outcomes) == [404, True, 205, 205, 303, 303, 208, True, 205, 210, 205]
    assert answer["error"] == [outcome["error"] for outcome in outcomes if outcome["error"]]
    assert outcomes[2]["error"]["data"]["params"] == [
        {
            "param": "emailAddress",
            "message": "Required parameter is missing",
            "validFormat": {"type": "varchar", "length": 150, "required": True},
        }
    ]


def test_an_address_that_another_lead_has_is_refused_for_an_id(company: Company) -> None:
    lead, _ = company.create({"emailAddress": "one@example.com"}, {"emailAddress": "two@example.com"})

    assert codes(upsert(company, {"id": lead, "emailAddress": "two@example.com"})) == [301]
    assert company.lead(lead)["emailAddress"] == "one@example.com"


def test_an_address_freed_earlier_in_the_call_creates_a_new_lead(company: Company) -> None:
    (lead,) = company.create({"emailAddress": "old@example.com"})

    moved, made, same = upsert(
        company,
        {"id": lead, "emailAddress": "moved@example.com"},
        {"emailAddress": "old@example.com", "firstName": "New"},
        {"emailAddress": "moved@example.com", "firstName": "Moved"},
    )

    assert codes([moved, made, same]) == [False, True, False]
    assert (moved["id"], same["id"]) == (lead, lead)
    assert company.lead(lead)["firstName"] == "Moved"
    assert company.lead(made["id"])["firstName"] == "New"


def test_an_address_created_earlier_in_the_call_is_taken_for_a_later_id(company: Company) -> None:
    (lead,) = company.create({"emailAddress": "old@example.com"})

    outcomes = upsert(company, {"emailAddress": "new@example.com"}, {"id": lead, "emailAddress": "new@example.com"})

    assert codes(outcomes) == [True, 301]


def test_the_address_of_a_refused_object_is_free(company: Company) -> None:
    (lead,) = company.create({})

    outcomes = upsert(
        company, {"id": lead, "emailAddress": "new@example.com", "ownerID": 1}, {"emailAddress": "new@example.com"}
    )

    assert codes(outcomes) == [303, True]


def test_read_only_fields_and_null_are_treated_as_in_other_writes(company: Company) -> None:
    (made,) = upsert(
        company, {"emailAddress": "a@example.com", "createTimestamp": "x", "active": None, "isQualified": 1}
    )
    assert company.lead(made["id"])["active"] == "1"

    upsert(company, {"id": made["id"], "active": 0, "leadStatus": "contactWithOpp", "updateTimestamp": ""})
    lead = company.lead(made["id"])
    assert (lead["active"], lead["leadStatus"]) == ("0", "unqualified")


def test_500_leads_are_upserted_in_one_call_half_of_them_new(company: Company, server: Server) -> None:
    emails = [new_email() for _ in range(500)]
    ids = company.create(*({"emailAddress": email} for email in emails[::2]))

    outcomes = upsert(company, *({"emailAddress": email, "title": email} for email in emails))
    again = upsert(company, *({"id": outcome["id"], "emailAddress": email} for outcome, email in zip(outcomes, emails)))  # noqa: B905

    assert codes(outcomes) == [False, True] * 250
    assert [outcome["id"] for outcome in outcomes[::2]] == ids
    assert again == [outcome | {"created": False} for outcome in outcomes]
    rows = sql(server.dsn, "select title from lead", company_id=company.id)
    assert {row["title"] for row in rows} == set(emails)
    assert company.error("upsertLeads", objects=[{"emailAddress": "x"}] * 501)["code"] == 209


# Effects of an upsert


def test_custom_fields_are_written(company: Company) -> None:
    shoe = company.field("Shoe size")
    hat = company.field("Hat")

    (made,) = upsert(company, {"emailAddress": "a@example.com", shoe: "12", hat: "L"})
    (changed,) = upsert(company, {"emailAddress": "a@example.com", hat: ""})

    assert codes([made, changed]) == [True, False]
    lead = company.lead(made["id"])
    assert (lead[shoe], lead[hat]) == ("12", "")
    assert codes(upsert(company, {"emailAddress": "a@example.com", "shoe_0": "1"})) == [205]


def test_events_say_whether_a_lead_was_created_or_changed(company: Company) -> None:
    (made,) = upsert(company, {"emailAddress": "a@example.com", "leadStatus": "open"})
    upsert(
        company,
        {"emailAddress": "a@example.com", "leadStatus": "contact", "city": "Rome"},
        {"emailAddress": "A@example.com", "city": "Paris"},
    )

    events = event_sources(company, made["id"])

    assert Counter(events) == {"leadCreation": 1, "leadUpdate": 2, "changeLeadStatus": 1}
    assert events[0] == "leadCreation"


def test_rules_based_lists_follow(company: Company) -> None:
    rome = new_list(company, filter={"city": "Rome"})
    first, second, third = company.create({"city": "Rome"}, {}, {})

    outcomes = upsert(
        company,
        {"id": first, "city": "Paris"},
        {"id": second, "city": "Rome"},
        {"emailAddress": "new@example.com", "city": "Rome"},
        {"emailAddress": "other@example.com", "city": "Rome"},
        {"emailAddress": "other@example.com", "city": "Oslo"},
    )

    assert set(members(company, rome)) == {second, outcomes[2]["id"]}
    assert third not in members(company, rome)


def test_a_customer_with_an_open_opportunity_becomes_contact_with_opp_when_the_status_changes(company: Company) -> None:
    (lead,) = company.create({"emailAddress": "a@example.com"})
    (stage,) = company.make("createDealStages", {"dealStageName": "Talks"})
    (user,) = company.call("getUserProfiles")
    company.make(
        "createOpportunities",
        {
            "opportunityName": "Roof", "ownerID": user["id"], "dealStageID": stage, "closeDate": "2030-01-01",
            "primaryLeadID": lead,
        },
    )  # fmt: skip
    assert company.lead(lead)["leadStatus"] == "contactWithOpp"
    sql(company.dsn, "update lead set lead_status = 'customer' where id = $1", lead, company_id=company.id)

    assert codes(upsert(company, {"emailAddress": "a@example.com", "leadStatus": "open"})) == [False]
    assert company.lead(lead)["leadStatus"] == "contactWithOpp"


def test_a_tracking_id_links_the_visitor(company: Company, server: Server) -> None:
    (there,) = company.create({"emailAddress": "there@example.com"})

    upsert(company, {"emailAddress": "there@example.com", "trackingID": "t1"})
    (made,) = upsert(company, {"emailAddress": "new@example.com", "trackingID": "t2"})

    rows = sql(server.dsn, "select tracking_id, lead_id from visitor", company_id=company.id)
    assert {row["tracking_id"]: row["lead_id"] for row in rows} == {"t1": there, "t2": made["id"]}


# At once


@pytest.mark.timeout(120)
def test_calls_that_race_for_the_same_addresses_make_one_lead_each_and_none_fails(
    company: Company, server: Server
) -> None:
    emails = [new_email() for _ in range(200)]

    def work(own: Company, worker: int) -> list[dict[str, Any]]:
        shuffled = random.sample(emails, 200)
        outcomes = upsert(own, *({"emailAddress": email, "title": f"t{worker}"} for email in shuffled))
        return [outcome | {"emailAddress": email} for email, outcome in zip(shuffled, outcomes, strict=True)]

    answers = at_once(clients(company, 8), work)

    outcomes = [outcome for answer in answers for outcome in answer]
    assert all(outcome["success"] for outcome in outcomes), Counter(map(str, codes(outcomes)))
    created = [outcome for outcome in outcomes if outcome["created"]]
    assert Counter(outcome["emailAddress"] for outcome in created) == dict.fromkeys(emails, 1)
    ids = {outcome["emailAddress"]: outcome["id"] for outcome in created}
    assert all(ids[outcome["emailAddress"]] == outcome["id"] for outcome in outcomes)
    rows = sql(server.dsn, "select version from lead", company_id=company.id)
    assert [row["version"] for row in rows] == [8] * 200


@pytest.mark.timeout(120)
def test_upserts_never_fail_during_creates_updates_and_deletes(company: Company, server: Server) -> None:
    emails = [new_email() for _ in range(60)]

    def work(own: Company, worker: int) -> list[int | bool]:
        seen: list[int | bool] = []
        for number in range(12):
            chosen = random.sample(emails, 40)
            if worker == 0:
                gone = own.call("getLeads", where={"emailAddress": chosen}, fields=["id"])
                own.call("deleteLeads", objects=[{"id": row["id"]} for row in gone])
            elif worker == 1:
                own.call("createLeads", objects=[{"emailAddress": email} for email in chosen])
            elif worker == 2:
                own.call("updateLeads", objects=[{"emailAddress": email, "city": str(number)} for email in chosen])
            else:
                seen += codes(
                    upsert(own, *({"emailAddress": email, "title": f"{worker}.{number}"} for email in chosen))
                )
        return seen

    answers = at_once(clients(company, 6), work)

    assert set().union(*map(set, answers)) <= {True, False}
    keys = [row["email_key"] for row in sql(server.dsn, "select email_key from lead", company_id=company.id)]
    assert len(keys) == len(set(keys)) <= 60
