"""getLeadHistory and getLeadsAsOf: every change, and every past state exactly (our own)."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from related_objects import user
from support import Company, new_email, sql

BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - in the zone of the call


def history(company: Company, lead: int, **more: Any) -> list[dict[str, Any]]:
    return company.call("getLeadHistory", id=lead, **more)


def as_of(company: Company, lead: Any, moment: Any, **more: Any) -> list[dict[str, Any]]:
    return company.call("getLeadsAsOf", id=lead, at=str(moment), **more)


def filled(lead: dict[str, Any]) -> dict[str, Any]:
    """The lead with "" for null: a text that was null and is sent as "" is no change, and has no event."""
    return {name: value or "" for name, value in lead.items()}


def set_time(company: Company, lead: int, moment: datetime) -> None:
    """Sets the time of the lead's latest events, and of the lead itself."""
    sql(
        company.dsn,
        "update event set create_timestamp = $2::timestamp at time zone 'UTC'"
        " where lead_id = $1 and create_timestamp > now() - interval '1 hour'",
        lead,
        moment,
        company_id=company.id,
    )
    sql(
        company.dsn,
        "update lead set update_timestamp = $2::timestamp at time zone 'UTC',"
        " create_timestamp = least(create_timestamp, $2::timestamp at time zone 'UTC') where id = $1",
        lead,
        moment,
        company_id=company.id,
    )


def test_every_change_has_its_old_and_new_values_oldest_first(company: Company) -> None:
    (lead,) = company.create({"city": "Oslo", "firstName": "Ada"})
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome", "firstName": ""}])
    company.call("updateLeads", objects=[{"id": lead, "leadStatus": "open"}])
    company.call("deleteLeads", objects=[{"id": lead}])

    changes = history(company, lead)

    assert [change["kind"] for change in changes] == ["create", "update", "update", "delete"]
    assert [change["changed"] for change in changes[:3]] == [
        None,
        {"city": ["Oslo", "Rome"], "firstName": ["Ada", ""]},
        {"leadStatus": ["unqualified", "open"]},
    ]
    assert [change["eventSource"] for change in changes] == [
        "leadCreation",
        "leadUpdate",
        "changeLeadStatus",
        "leadDeletion",
    ]
    assert [change["eventID"] for change in changes] == [
        event["id"] for event in company.call("getEvents", where={"leadID": lead})
    ]
    assert {change["leadID"] for change in changes} == {str(lead)}


def test_only_the_changes_of_some_fields(company: Company) -> None:
    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome", "title": "CEO"}, {"id": lead, "state": "x"}])

    assert [change["changed"] for change in history(company, lead, fields=["city"])] == [{"city": [None, "Rome"]}]
    assert history(company, lead, fields=["country"]) == []
    assert company.error("getLeadHistory", id=lead, fields=["nothing"])["code"] == 205


def test_a_long_history_comes_page_by_page(company: Company) -> None:
    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "city": f"City {number}"} for number in range(30)])

    pages = [history(company, lead, limit=10, offset=offset) for offset in (0, 10, 20, 30, 40)]

    assert [len(page) for page in pages] == [10, 10, 10, 1, 0]
    assert [change["eventID"] for page in pages for change in page] == [
        change["eventID"] for change in history(company, lead)
    ]


def test_an_event_that_does_not_change_the_lead_is_no_change(company: Company) -> None:
    (lead,) = company.create({})
    (made,) = company.call("createList", name="Fair")
    company.call("addListMembers", objects=[{"listID": made["id"], "memberID": lead}])

    assert [change["kind"] for change in history(company, lead)] == ["create"]
    assert history(company, 1) == []


def test_every_past_state_is_returned_exactly(company: Company) -> None:
    picker = random.Random(5)
    plain, long = company.field("Plain"), company.field("Long", "textarea")
    account, other = company.make("createAccounts", {"accountName": "Acme"}, {"accountName": "Other"})
    values: dict[str, list[Any]] = {
        "firstName": ["Ada", "Zoë 😀", "", 'quo"ted\\'],
        "city": ["Rome", "Oslo", ""],
        "accountID": [account, other, None],
        "ownerID": [user(company), None],
        "isUnsubscribed": [1, 0, None],
        "active": [1, 0],
        "leadScore": [0, 5, -7],
        "leadStatus": ["open", "customer", "contact"],
        plain: ["a", "", "b"],
        long: ["x" * 3_000, ""],
    }
    leads = company.create({"city": "Oslo", plain: "a"}, {})
    states: list[list[dict[str, Any]]] = []
    for step in range(40):
        for lead in leads:
            if step:
                names = picker.sample(sorted(values), picker.randint(1, 4))
                change = {"id": lead, **{name: picker.choice(values[name]) for name in names}}
                if picker.random() < 0.2:
                    change["emailAddress"] = new_email()
                (done,) = company.call("updateLeads", objects=[change])
                if not done["success"]:  # it was so already
                    continue
            set_time(company, lead, BEGIN + timedelta(minutes=step))
        states.append([company.lead(lead) for lead in leads])

    for step, state in enumerate(states):
        for seconds in (0, 59):
            past = as_of(company, leads, BEGIN + timedelta(minutes=step, seconds=seconds))
            assert list(map(filled, past)) == list(map(filled, state)), step
    assert as_of(company, leads, BEGIN - timedelta(seconds=1)) == []


def test_events_are_undone_in_the_order_of_their_commits(company: Company) -> None:
    (lead,) = company.create({"city": "first"})
    set_time(company, lead, BEGIN)
    company.call("updateLeads", objects=[{"id": lead, "city": "second"}])
    set_time(company, lead, BEGIN + timedelta(seconds=30))
    company.call("updateLeads", objects=[{"id": lead, "city": "third"}])
    set_time(company, lead, BEGIN + timedelta(seconds=20))  # its transaction had waited for the other one

    assert [as_of(company, lead, BEGIN + timedelta(seconds=seconds))[0]["city"] for seconds in (10, 25, 30)] == [
        "first",
        "first",
        "third",
    ]


def test_a_past_state_is_of_a_time_in_the_zone_of_the_call(given_company: Any) -> None:
    company: Company = given_company(time_zone="America/New_York")
    (lead,) = company.create({"city": "first"})
    set_time(company, lead, BEGIN)
    company.call("updateLeads", objects=[{"id": lead, "city": "second"}])
    set_time(company, lead, BEGIN + timedelta(hours=2))

    assert as_of(company, lead, "2025-12-31 20:00:00")[0]["city"] == "first"
    assert as_of(company, lead, "2025-12-31 21:00:00")[0]["city"] == "second"
    utc = company.at("v1.2")
    assert as_of(utc, lead, "2026-01-01 01:00:00")[0]["city"] == "first"
    assert as_of(utc, lead, "2026-01-01 02:00:00")[0]["updateTimestamp"] == "2026-01-01 02:00:00"


def test_a_deleted_account_is_still_in_past_states(company: Company) -> None:
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    (lead,) = company.create({"accountID": account})
    set_time(company, lead, BEGIN)
    company.call("deleteAccounts", objects=[account])
    assert company.lead(lead)["accountID"] is None

    assert as_of(company, lead, BEGIN)[0]["accountID"] == str(account)


def test_past_states_have_the_status_before_an_opportunity_or_a_conversion(company: Company) -> None:
    (lead,) = company.create({"companyName": "Acme"})
    set_time(company, lead, BEGIN)
    before = company.lead(lead)
    (done,) = company.call("convertLeads", objects=[{"id": lead, "opportunity": {"opportunityName": "A roof"}}])
    if not done["success"]:
        (done,) = company.call("convertLeads", objects=[{"id": lead}])
    assert done["success"], done
    after = company.lead(lead)
    assert after["leadStatus"] != before["leadStatus"]

    assert as_of(company, lead, BEGIN) == [before]
    assert as_of(company, lead, "2999-01-01") == [after]


@pytest.mark.parametrize(("fields", "columns"), [(["id", "city"], ["id", "city"]), ([], None)])
def test_only_requested_fields_are_returned(company: Company, fields: list[str], columns: list[str] | None) -> None:
    (lead,) = company.create({})

    (row,) = as_of(company, lead, "2999-01-01", fields=fields)

    assert list(row) == (columns or list(company.lead(lead)))


def test_a_deleted_or_unknown_lead_has_no_row(company: Company) -> None:
    (lead,) = company.create({})
    company.call("deleteLeads", objects=[lead])

    assert as_of(company, [lead, 1], "2999-01-01") == []
