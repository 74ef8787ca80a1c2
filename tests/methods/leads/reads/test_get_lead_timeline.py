"""getLeadTimeline, getEvents and getEventsByType, rule by rule (docs/wire/events.md)."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from springhead.model.leads.events import SOURCES
from support import Company, sql

VENDORS = [
    "callConvert",
    "cartComplete",
    "changeLeadStatus",
    "dealStageChange",
    "emailSent",
    "emailOpened",
    "emailClick",
    "emailBounce",
    "emailSpamComplaint",
    "emailUnsubscribe",
    "emailVisit",
    "formSubmit",
    "importantPageVisit",
    "incomingCall",
    "leadCreation",
    "leadOwnerChange",
    "mailboxRecv",
    "mailboxSend",
    "mailboxEmailOpen",
    "mediaOpen",
    "oppCreate",
    "oppLost",
    "oppWon",
    "outgoingCall",
    "pageVisit",
    "referredOnTheForm",
    "shoppingCartAbandoned",
]


def move_back(company: Company) -> None:
    """Makes the company's events ten seconds older, so that their seconds are complete."""
    sql(
        company.dsn,
        "update event set create_timestamp = create_timestamp - interval '10 seconds' where company_id = $1",
        company.id,
        company_id=company.id,
    )


def timeline(company: Company, lead: int, **where: Any) -> list[dict[str, Any]]:
    return company.call("getLeadTimeline", where={"whoID": lead, **where})


def sources(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventSource"] for event in events]


def user(company: Company) -> str:
    return company.call("getUserProfiles")[0]["id"]


def test_an_event_has_the_keys_that_clients_read(company: Company) -> None:
    (lead,) = company.create({})

    (event,) = timeline(company, lead)

    assert list(event) == [
        "id", "whoID", "whatType", "whatID", "eventName", "eventSource", "eventData", "createTimestamp",
    ]  # fmt: skip
    assert event["whoID"] == str(lead)
    assert event["eventSource"] == "leadCreation"


def test_every_change_of_a_lead_is_an_event_with_the_old_and_the_new_values(company: Company) -> None:
    field = company.field("Size")
    (lead,) = company.create({"city": "Rome", field: "S"})

    company.call(
        "updateLeads",
        objects=[
            {"id": lead, "city": "Oslo", "title": "CEO", field: "M", "leadStatus": "open", "ownerID": user(company)},
            {"id": lead, "isUnsubscribed": 1, "ownerID": None},
        ],
    )

    _, *changes = timeline(company, lead)
    sources_and_data = [(event["eventSource"], json.loads(event["eventData"])) for event in changes]
    assert sorted(sources_and_data, key=str) == sorted(
        [
            ("changeLeadStatus", {"leadStatus": ["unqualified", "open"]}),
            ("leadOwnerChange", {"ownerID": [None, user(company)]}),
            ("leadUpdate", {"city": ["Rome", "Oslo"], "title": [None, "CEO"], field: ["S", "M"]}),
            ("emailUnsubscribe", {"isUnsubscribed": [None, "1"], "source": [None, "updateLeads"]}),
            ("leadOwnerChange", {"ownerID": [user(company), None]}),
        ],
        key=str,
    )
    assert changes[2]["eventName"] == "Lead changed"


def test_opting_out_and_in_again_are_events_with_their_source(company: Company) -> None:
    (lead,) = company.create({"isUnsubscribed": 1})
    company.call("updateLeads", objects=[{"id": lead, "isUnsubscribed": 0}, {"id": lead, "isUnsubscribed": 1}])

    _, first, again, off = timeline(company, lead)

    source = {"source": [None, "createLeads"]}
    assert json.loads(first["eventData"]) == {"isUnsubscribed": [None, "1"], **source}
    assert (again["eventSource"], again["eventName"]) == ("emailResubscribe", "Subscribed again")
    source = {"source": [None, "updateLeads"]}
    assert json.loads(again["eventData"]) == {"isUnsubscribed": ["1", "0"], **source}
    assert (off["eventSource"], off["eventName"]) == ("emailUnsubscribe", "Unsubscribed")
    assert json.loads(off["eventData"]) == {"isUnsubscribed": ["0", "1"], **source}


def test_a_write_that_changes_nothing_or_is_refused_makes_no_event(company: Company) -> None:
    (lead,) = company.create({"city": "Rome", "emailAddress": "taken@example.com"})

    company.call(
        "updateLeads",
        objects=[{"id": lead, "city": "Rome"}, {"id": lead, "ownerID": 1}, {"id": lead, "leadStatus": "none"}],
    )
    company.call("createLeads", objects=[{"emailAddress": "taken@example.com"}])

    assert sources(timeline(company, lead)) == ["leadCreation"]


def test_an_unset_custom_field_is_null_in_the_event(company: Company) -> None:
    field = company.field("Size")
    (lead,) = company.create({field: "S"})
    company.call("updateLeads", objects=[{"id": lead, field: ""}])

    assert json.loads(timeline(company, lead)[-1]["eventData"]) == {field: ["S", None]}


def test_five_hundred_changes_are_five_hundred_events(company: Company) -> None:
    leads = company.create(*({} for _ in range(500)))
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"} for lead in leads])

    move_back(company)
    events = company.call("getEventsByType", eventSource="leadUpdate", createTimestamp="2000-01-01", limit=500)

    assert [event["leadID"] for event in events] == [str(lead) for lead in leads]


def test_a_deleted_lead_leaves_its_deletion_event(company: Company) -> None:
    (lead,) = company.create({})
    company.call("deleteLeads", objects=[{"id": lead}])

    assert sources(timeline(company, lead)) == ["leadCreation", "leadDeletion"]


def test_filters_must_all_match_and_take_one_value_or_several(company: Company) -> None:
    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "leadStatus": "open"}])

    assert sources(timeline(company, lead, eventSource="leadCreation")) == ["leadCreation"]
    assert sources(timeline(company, lead, eventSource=["leadCreation", "changeLeadStatus"])) == [
        "leadCreation",
        "changeLeadStatus",
    ]
    assert timeline(company, lead, eventSource="leadCreation", eventName="x") == []
    assert len(timeline(company, lead, eventName="Lead created")) == 1
    assert timeline(company, lead, whatType="form") == []
    move_back(company)
    assert len(timeline(company, lead, createTimestamp="2000-01-01")) == 2
    assert timeline(company, lead, createTimestamp="2999-01-01 00:00:00") == []


@pytest.mark.parametrize("where", [{}, [], None, {"whoID": ""}, {"whoID": "x"}, {"whoID": []}, {"eventName": "x"}])
def test_without_a_valid_lead_it_is_220(company: Company, where: Any) -> None:
    assert company.error("getLeadTimeline", where=where)["code"] == 220


def test_an_unknown_lead_has_no_events(company: Company) -> None:
    assert timeline(company, 1) == []


@pytest.mark.parametrize("source", ["", "x", "LeadCreation", "leadCreation,x", ["leadCreation", "x"]])
def test_an_unknown_source_is_219(company: Company, source: Any) -> None:
    assert company.error("getLeadTimeline", where={"whoID": 1, "eventSource": source})["code"] == 219


def test_every_source_of_the_vendor_is_accepted(company: Company) -> None:
    (lead,) = company.create({})
    assert set(VENDORS) <= set(SOURCES)
    assert len(VENDORS) == 27
    assert sources(timeline(company, lead, eventSource=list(SOURCES))) == ["leadCreation"]
    answer = company.envelope("getEventsByType", {"leadID": lead, "eventSource": ",".join(VENDORS)})
    assert list(answer["result"]) == VENDORS
    assert [name for name, events in answer["result"].items() if events] == ["leadCreation"]


def test_pages_follow_one_another(company: Company) -> None:
    (lead,) = company.create({})
    for number in range(6):
        company.call("updateLeads", objects=[{"id": lead, "city": str(number)}])
    every_event = timeline(company, lead)

    pages = [company.call("getLeadTimeline", where={"whoID": lead}, limit=3, offset=offset) for offset in (0, 3, 6, 9)]

    assert [event for page in pages for event in page] == every_event
    assert len(every_event) == 7


def test_joining_and_leaving_a_list_are_events_of_the_lead(company: Company) -> None:
    (lead,) = company.create({})
    (made,) = company.call("createList", name="Fair 2026")
    pair = {"listID": made["id"], "memberID": lead}
    for method in ("addListMember", "removeListMember", "addListMember"):
        company.call(method, **pair)
    company.error("addListMember", **pair)
    company.call("removeListMembersAll", listID=made["id"])

    events = timeline(company, lead, eventSource=["listJoin", "listLeave"])

    assert sources(events) == ["listJoin", "listLeave", "listJoin", "listLeave"]
    assert [event["eventName"] for event in events[:2]] == ["Joined list: Fair 2026", "Left list: Fair 2026"]
    assert {(event["whatType"], event["whatID"]) for event in events} == {("list", str(made["id"]))}


def test_joining_and_leaving_a_list_with_a_filter_are_events_of_the_lead(company: Company) -> None:
    (lead,) = company.create({"city": "Rome"})
    company.call("createList", name="Romans", filter={"city": "Rome"})
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"}])
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome"}])

    assert sources(timeline(company, lead, eventSource=["listJoin", "listLeave"])) == [
        "listJoin",
        "listLeave",
        "listJoin",
    ]


def test_notes_and_tasks_about_a_lead_are_events_of_it(company: Company) -> None:
    lead, other = company.create({}, {})
    (note,) = company.call(
        "createNotes",
        objects=[{"authorID": user(company), "note": "Called back", "whoID": lead, "whoType": "lead"}],
    )
    both = {"whoID": lead, "whoType": "lead", "whatID": other, "whatType": "lead"}
    company.call("createTasks", objects=[{"title": "Call", **both}, {"title": "About nobody"}])

    _, written, made = timeline(company, lead)

    assert (written["eventSource"], written["whatType"], written["whatID"]) == ("noteCreate", "note", str(note["id"]))
    assert json.loads(written["eventData"]) == {"title": None, "note": "Called back"}
    assert (made["eventSource"], json.loads(made["eventData"])["title"]) == ("taskCreate", "Call")
    assert sources(timeline(company, other)) == ["leadCreation", "taskCreate"]


# getEvents


def test_get_events_has_the_captured_keys_and_then_the_source(company: Company) -> None:
    (lead,) = company.create({})

    (event,) = company.call("getEvents", where={"leadID": lead})

    captured = ["id", "leadID", "eventName", "whatID", "whatType", "eventData", "createTimestamp"]
    assert list(event) == [*captured, "eventSource"]


def test_get_events_gives_everything_after_a_time(company: Company) -> None:
    first, second = company.create({}, {})
    sql(
        company.dsn,
        "update event set create_timestamp = '2020-01-01 10:00:00+00' where company_id = $1 and lead_id = $2",
        company.id,
        first,
        company_id=company.id,
    )

    sql(
        company.dsn,
        "update event set create_timestamp = '2020-01-01 10:00:01+00' where company_id = $1 and lead_id = $2",
        company.id,
        second,
        company_id=company.id,
    )

    def matching(**where: Any) -> list[str]:
        return [event["leadID"] for event in company.call("getEvents", where=where)]

    assert matching() == [str(first), str(second)]
    assert matching(createTimestamp="2020-01-01 09:59:59") == [str(first), str(second)]
    assert matching(createTimestamp="2020-01-01 10:00:00") == [str(second)]
    assert matching(createTimestamp="2020-01-01 09:00:00", leadID=first) == [str(first)]


def test_get_events_needs_its_where_and_one_value_for_each_filter(company: Company) -> None:
    assert company.error("getEvents")["code"] == 206
    assert company.error("getEvents", where={"leadID": [1]})["code"] == 210
    assert company.error("getEvents", where={"createTimestamp": ["2020-01-01"]})["code"] == 210
    assert company.error("getEvents", where={"createTimestamp": "x"})["code"] == 205
    assert company.error("getEvents", where={"eventName": "x"})["code"] == 205


# getEventsByType


def test_events_of_each_source_come_by_themselves_under_both_spellings(company: Company) -> None:
    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "leadStatus": "open", "city": "Rome"}])
    params = {"leadID": lead, "eventSource": "changeLeadStatus, leadCreation"}

    answer = company.envelope("getEventsByType", params)
    _, other = company.send(json.dumps({"method": "getEventsbyType", "params": params, "id": "1"}).encode())

    assert list(answer["result"]) == ["changeLeadStatus", "leadCreation"]
    assert [len(events) for events in answer["result"].values()] == [1, 1]
    assert answer["error"] is None
    assert json.loads(other) == answer


def test_a_lead_or_a_time_must_be_given(company: Company) -> None:
    error = company.error("getEventsByType", eventSource="leadCreation")
    assert error["code"] == 206
    assert {problem["param"] for problem in error["data"]["params"]} == {"leadID", "createTimestamp"}
    assert company.error("getEventsByType", leadID=1)["code"] == 206
    assert company.error("getEventsByType", leadID=1, eventSource="x")["code"] == 219


def test_the_limit_counts_for_each_source(company: Company) -> None:
    (lead,) = company.create({})
    for number in range(4):
        company.call("updateLeads", objects=[{"id": lead, "city": str(number)}])

    answer = company.envelope("getEventsByType", {"leadID": lead, "eventSource": "leadUpdate,leadCreation", "limit": 2})

    assert [len(events) for events in answer["result"].values()] == [2, 1]


def test_times_are_in_the_zone_of_the_version(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="Asia/Tokyo")
    (lead,) = company.create({})
    (local,) = timeline(company, lead)
    (utc,) = timeline(company.at("v1.2"), lead)

    assert local["createTimestamp"] > utc["createTimestamp"]
    move_back(company)
    (earlier,) = timeline(company, lead)
    before = str(datetime.fromisoformat(earlier["createTimestamp"]) - timedelta(seconds=1))
    assert timeline(company, lead, createTimestamp=before) == [earlier]
    assert timeline(company, lead, createTimestamp=earlier["createTimestamp"]) == []
    assert timeline(company.at("v1.2"), lead, createTimestamp=before) == []


def test_the_newest_events_can_come_first(company: Company) -> None:
    (lead,) = company.create({"emailAddress": "newest@example.com"})
    for city in ("Rome", "Oslo"):
        company.call("updateLeads", objects=[{"id": lead, "city": city}])
    oldest = timeline(company, lead)
    newest = company.call("getLeadTimeline", where={"whoID": lead}, order="newest")
    assert newest == oldest[::-1]
    assert company.call("getLeadTimeline", where={"whoID": lead}, order="oldest") == oldest
    second = company.call("getLeadTimeline", where={"whoID": lead}, order="newest", limit=1, offset=1)
    assert second == [oldest[1]]
    assert company.envelope("getLeadTimeline", {"where": {"whoID": lead}, "order": "x"})["error"]["code"] == 217
