"""mergeLeads: which value wins, which objects move, and that the old ids still work."""

import json
from pathlib import Path
from typing import Any

import pytest

from recycling import bin_of, deleted, opportunity, restored, rows
from related_objects import about, make_notes, notes_of, stored, user
from support import Company, Server, eventually, new_company, sql, superuser


def merge(company: Company, survivor: int, *others: int, **more: Any) -> None:
    (outcome,) = company.call("mergeLeads", objects=[{"id": survivor, "mergeIDs": list(others), **more}])
    assert outcome == {"success": True, "error": None, "id": survivor}


def event_sources(company: Company, lead: int, *sources: str) -> list[str]:
    events = company.call("getLeadTimeline", where={"whoID": lead})
    return [event["eventSource"] for event in events if not sources or event["eventSource"] in sources]


def set_times(company: Company, *leads: int) -> None:
    """Sets the times of the leads: each was changed a day before the next, and created a day after it."""
    for days, lead in enumerate(reversed(leads)):
        sql(
            company.dsn,
            """
            update lead set update_timestamp = now() - make_interval(days => $2),
                create_timestamp = now() - make_interval(days => 100 - $2)
            where id = $1
            """,
            lead,
            days,
            company_id=company.id,
        )


# Which value wins


def test_the_survivor_keeps_its_values_and_gets_missing_ones_from_the_lead_changed_last(company: Company) -> None:
    field = company.field("Shoe size")
    survivor, old, new = company.create(
        {"city": "Rome", "title": ""},
        {"city": "Oslo", "title": "CEO", "firstName": "Old", field: "38"},
        {"city": "Bonn", "title": "", "firstName": "New", "ownerID": user(company)},
    )
    set_times(company, survivor, old, new)

    merge(company, survivor, old, new)

    lead = company.lead(survivor)
    assert [lead[name] for name in ("city", "title", "firstName", field)] == ["Rome", "CEO", "New", "38"]
    assert lead["ownerID"] == user(company)
    assert [row["id"] for row in company.call("getLeads", where={})] == [str(survivor)]


@pytest.mark.parametrize("rule", ["newest", "oldest"])
def test_a_rule_chooses_the_value_changed_last_or_created_first(rule: str, company: Company) -> None:
    survivor, second, third = company.create({"city": "Rome"}, {"title": "CEO"}, {"city": "Bonn"})
    set_times(company, survivor, second, third)

    merge(company, survivor, second, third, rule=rule)

    lead = company.lead(survivor)
    assert (lead["city"], lead["title"]) == ("Bonn", "CEO")


def test_under_every_rule_the_survivor_keeps_address_and_activity_and_is_never_resubscribed(company: Company) -> None:
    survivor, other = company.create(
        {"emailAddress": "a@example.com", "active": 0, "isUnsubscribed": 0},
        {"emailAddress": "b@example.com", "active": 1, "isUnsubscribed": 1},
    )
    set_times(company, survivor, other)

    merge(company, survivor, other, rule="newest")

    lead = company.lead(survivor)
    assert (lead["emailAddress"], lead["active"], lead["isUnsubscribed"]) == ("a@example.com", "0", "1")


def test_single_fields_take_the_value_of_a_lead_or_a_given_value(company: Company) -> None:
    field = company.field("Shoe size")
    survivor, other = company.create(
        {"city": "Rome", "title": "CEO", field: "38", "isUnsubscribed": 1},
        {"emailAddress": "B@example.com", "city": "", "isUnsubscribed": 0},
    )

    merge(
        company,
        survivor,
        other,
        valuesFrom={"city": other, "emailAddress": str(other), field: other, "isUnsubscribed": other},
        values={"title": "CFO", "leadScore": "7", "ownerID": None, "id": 5},
    )

    lead = company.lead(survivor)
    values = [lead[name] for name in ("city", "emailAddress", field, "title", "leadScore", "isUnsubscribed")]
    assert values == ["", "B@example.com", "", "CFO", "7", "0"]
    assert company.call("getLeads", where={"emailAddress": "b@EXAMPLE.com"}) == [lead]
    assert len(company.create({"emailAddress": "lead.free@example.com"})) == 1


def test_a_reference_to_a_deleted_object_is_not_taken(company: Company) -> None:
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    survivor, other = company.create({}, {"accountID": account})
    # As after the deletion and before its background job.
    sql(company.dsn, "delete from account", company_id=company.id)

    merge(company, survivor, other)

    assert company.lead(survivor)["accountID"] is None


def test_the_event_has_the_ids_and_every_value_that_changed(company: Company) -> None:
    field = company.field("Shoe size")
    survivor, other = company.create({"city": "Rome"}, {"city": "Oslo", "title": "CEO", field: "38"})

    merge(company, survivor, other, valuesFrom={"city": other})

    event = company.call("getLeadTimeline", where={"whoID": survivor, "eventSource": "leadMerge"})[0]
    assert json.loads(event["eventData"]) == {
        "merged": [None, [str(other)]], "city": ["Rome", "Oslo"], "title": [None, "CEO"], field: [None, "38"]
    }  # fmt: skip
    assert rows(company, "select version from lead") == [(2,)]


def test_the_feed_has_the_deletions_and_then_the_merge(company: Company) -> None:
    survivor, other = company.create({}, {"title": "CEO"})

    merge(company, survivor, other)

    changes = company.call("getLeadChanges")[2:]
    assert [(change["kind"], change["leadID"], change["changed"]) for change in changes] == [
        ("delete", str(other), {"mergedInto": [None, str(survivor)]}),
        ("merge", str(survivor), {"merged": [None, [str(other)]], "title": [None, "CEO"]}),
    ]


# What moves


def test_memberships_move_and_none_is_doubled(company: Company) -> None:
    survivor, first, second = company.create({}, {}, {})
    both, his, theirs, gone = (
        made["id"] for made in company.call("createList", objects=[{"name": name} for name in "abcd"])
    )
    pairs = [
        (both, survivor),
        (both, first),
        (his, survivor),
        (his, first),
        (theirs, first),
        (theirs, second),
        (gone, second),
    ]
    company.make("addListMembers", *({"listID": list_id, "memberID": lead} for list_id, lead in pairs))
    company.call("removeListMembers", objects=[
        {"listID": list_id, "contactID": lead} for list_id, lead in ((his, survivor), (theirs, first), (gone, second))
    ])  # fmt: skip

    merge(company, survivor, first, second)

    memberships = {
        (row["listID"], row["isRemoved"]) for row in company.call("getContactListMemberships", where={"id": survivor})
    }
    assert memberships == {(str(both), "0"), (str(his), "1"), (str(theirs), "0"), (str(gone), "1")}
    counts = [(row["memberCount"], row["removedCount"]) for row in company.call("getActiveLists")]
    assert counts == [("1", "0"), ("0", "1"), ("1", "0"), ("0", "1")]


def test_lists_with_a_filter_follow_the_merged_values(company: Company) -> None:
    survivor, other = company.create({"city": "Rome"}, {"city": "Oslo"})
    for city in ("Rome", "Oslo"):
        company.call("createList", name=city, filter={"city": city})

    merge(company, survivor, other, valuesFrom={"city": other})

    assert [row["memberCount"] for row in company.call("getActiveLists")] == ["0", "1"]


def test_opportunities_move_and_the_status_follows(company: Company) -> None:
    survivor, first, second = company.create({"leadStatus": "open"}, {}, {})
    shared, theirs = opportunity(company, primaryLeadID=survivor), opportunity(company, primaryLeadID=first)
    company.make(
        "createOpportunityLeads",
        {"opportunityID": shared, "leadID": first},
        {"opportunityID": theirs, "leadID": second},
    )
    company.call("updateOpportunities", objects=[{"id": shared, "originatingLeadID": second}])

    merge(company, survivor, first, second)

    links = company.call("getOpportunityLeads", where={"leadID": survivor})
    assert sorted(link["opportunityID"] for link in links) == sorted([str(shared), str(theirs)])
    assert len(company.call("getOpportunityLeads")) == 2
    deals = {row["id"]: row for row in company.call("getOpportunities", where={})}
    assert {(row["primaryLeadID"]) for row in deals.values()} == {str(survivor)}
    assert deals[str(shared)]["originatingLeadID"] == str(survivor)
    assert company.lead(survivor)["leadStatus"] == "contactWithOpp"


def test_a_won_opportunity_of_a_merged_lead_makes_a_customer(company: Company) -> None:
    survivor, other = company.create({}, {})
    opportunity(company, primaryLeadID=other, isWon=1)

    merge(company, survivor, other)

    assert company.lead(survivor)["leadStatus"] == "customer"
    assert event_sources(company, survivor, "leadMerge", "changeLeadStatus") == ["leadMerge", "changeLeadStatus"]


def test_notes_tasks_calls_and_visitors_move(company: Company) -> None:
    survivor, other = company.create({}, {"trackingID": "visitor-1"})
    notes = make_notes(
        company, about("who", "lead", other), {**about("who", "lead", other), **about("what", "lead", survivor)}
    )
    company.make("createTasks", {"title": "Call", **about("what", "lead", other)})
    call = {"userID": user(company), "leadID": other, "direction": "incoming", "createTimestamp": "2020-01-01 10:00:00"}
    company.call("logCalls", objects=[call])

    merge(company, survivor, other)

    assert stored(company) == {notes[0]: (None, None, "lead", survivor), notes[1]: ("lead", survivor, "lead", survivor)}
    assert [row["whatID"] for row in company.call("getTasks")] == [str(survivor)]
    for table in ("call", "visitor"):
        assert rows(company, f"select lead_id from {table}") == [(survivor,)]
    assert event_sources(company, survivor) == [
        "incomingCall", "leadCreation", "noteCreate", "noteCreate", "noteCreate", "taskCreate", "leadMerge"
    ]  # fmt: skip


def test_the_events_of_the_merged_record_itself_stay_with_it(company: Company) -> None:
    survivor, other = company.create({}, {})
    company.call("updateLeads", objects=[{"id": other, "city": "Rome"}])

    merge(company, survivor, other)

    assert event_sources(company, survivor) == ["leadCreation", "leadMerge"]
    events = [(row["leadID"], row["eventSource"]) for row in company.call("getEvents", where={})]
    assert [source for lead, source in events if lead == str(other)] == ["leadCreation", "leadUpdate", "leadDeletion"]


def views(company: Company, lead: int) -> None:
    """Gives the lead 12,000 events: a merge moves these in several steps."""
    sql(
        company.dsn,
        """
        insert into event (company_id, lead_id, create_timestamp, event_name, event_source)
        select $1, $2, now(), 'Visited', 'pageVisit' from generate_series(1, 12000)
        """,
        company.id,
        lead,
        company_id=company.id,
    )


def moved(company: Company, lead: int) -> bool:
    count = "select count(*) from event where lead_id = $1 and event_source = 'pageVisit'"
    job = "select from pass where company_id = $1 and kind = 'merge'"
    return rows(company, count, lead) == [(12_000,)] and rows(company, job, company.id) == []


def test_a_background_job_moves_many_events(company: Company) -> None:
    survivor, other = company.create({}, {})
    views(company, other)

    merge(company, survivor, other)

    eventually(lambda: moved(company, survivor))


def test_many_events_move_although_the_server_knows_only_small_tables(tmp_path: Path) -> None:
    """After five executions PostgreSQL keeps a plan, and that plan was made for tables with a handful of rows."""
    server = Server.on_copy(tmp_path / "data", "--no-limits")
    company = new_company(server)
    sql(superuser(server.dsn), "analyze")
    survivor, *others = company.create(*({} for _ in range(13)))
    for other in others:
        merge(company, survivor, other)
    lead, other = company.create({}, {})
    views(company, other)

    merge(company, lead, other)

    eventually(lambda: moved(company, lead))
    company.close()
    assert server.stop() == 0


def test_scores_follow_the_events_that_moved(company: Company) -> None:
    rule = {"name": "Call", "part": "engagement", "points": 9, "eventSource": "incomingCall"}
    company.make("createScoreRules", rule)
    survivor, other = company.create({}, {})
    call = {"userID": user(company), "leadID": other, "direction": "incoming", "createTimestamp": "2026-01-01 10:00:00"}
    company.call("logCalls", objects=[call])

    merge(company, survivor, other)

    eventually(lambda: company.lead(survivor)["leadScore"] == "9", seconds=20)


# Refusals


def test_an_object_that_cannot_be_merged_is_refused_alone(company: Company) -> None:
    survivor, other, third = company.create({"emailAddress": "a@example.com"}, {}, {"emailAddress": "c@example.com"})
    before = company.call("getLeads", where={})

    def code(**values: Any) -> int | None:
        return company.code("mergeLeads", {"id": survivor, "mergeIDs": [other], **values})

    assert code(id=1) == 404
    assert code(mergeIDs=[other, 1]) == 404
    assert code(mergeIDs=[other, survivor]) == 205
    assert code(mergeIDs=[]) == 205
    assert code(mergeIDs=["x"]) == 205
    assert code(mergeIDs=other) == 205
    assert code(mergeIDs=list(range(51))) == 205
    assert code(rule="best") == 205
    assert code(valuesFrom={"city": third}) == 205
    assert code(valuesFrom={"x": other}) == 205
    assert code(valuesFrom=["city"]) == 210
    assert code(values={"x": 1}) == 205
    assert code(values={"city": []}) == 210
    assert code(values={"city": "a\0b"}) == 205
    assert code(values={"emailAddress": " "}) == 205
    assert code(values={"emailAddress": "C@example.com"}) == 301
    assert code(values={"ownerID": 1}) == 303
    assert company.call("getLeads", where={}) == before
    assert bin_of(company) == []
    assert code(values={"emailAddress": "A@example.com"}) is None
    assert company.lead(survivor)["emailAddress"] == "A@example.com"


def test_more_leads_than_a_call_can_merge_refuse_it(company: Company) -> None:
    objects = [
        {"id": 1000 + number, "mergeIDs": list(range(number * 50 + 5000, number * 50 + 5050))} for number in range(11)
    ]

    assert company.error("mergeLeads", objects=objects)["code"] == 209


def test_merging_again_changes_nothing(company: Company) -> None:
    survivor, other = company.create({}, {})
    merge(company, survivor, other)
    version = rows(company, "select version from lead")

    assert company.code("mergeLeads", {"id": survivor, "mergeIDs": [other]}) == 302
    assert company.code("mergeLeads", {"id": other, "mergeIDs": [survivor]}) == 302
    assert rows(company, "select version from lead") == version


def test_objects_work_one_after_the_other(company: Company) -> None:
    first, second, third, fourth = company.create({}, {"city": "Rome"}, {"title": "CEO"}, {"firstName": "Ann"})

    outcomes = company.call(
        "mergeLeads",
        objects=[
            {"id": first, "mergeIDs": [second]},
            {"id": second, "mergeIDs": [third]},
            {"id": 7, "mergeIDs": [fourth]},
            {"id": first, "mergeIDs": [second]},
            {"id": third, "mergeIDs": [fourth]},
        ],
    )

    codes = [outcome["error"] and outcome["error"]["code"] for outcome in outcomes]
    assert codes == [None, None, 404, 302, None]
    assert {outcome.get("id", first) for outcome in outcomes} == {first}
    lead = company.lead(first)
    assert (lead["city"], lead["title"], lead["firstName"]) == ("Rome", "CEO", "Ann")
    assert rows(company, "select distinct lead_id from merged_lead") == [(first,)]


def test_two_objects_cannot_take_one_address(company: Company) -> None:
    first, second, third, fourth = company.create({}, {}, {}, {"emailAddress": "d@example.com"})
    value = {"values": {"emailAddress": "new@example.com"}}

    outcomes = company.call(
        "mergeLeads",
        objects=[{"id": first, "mergeIDs": [second], **value}, {"id": third, "mergeIDs": [fourth], **value}],
    )

    assert [outcome["success"] for outcome in outcomes] == [True, False]
    assert outcomes[1]["error"]["code"] == 301
    assert company.lead(fourth)["emailAddress"] == "d@example.com"


# The old ids


def test_reads_by_the_old_id_return_the_survivor(company: Company) -> None:
    survivor, other, alone = company.create({}, {"trackingID": "v"}, {})
    make_notes(company, about("who", "lead", other))
    company.make("createTasks", {"title": "Call", **about("who", "lead", other)})
    opportunity(company, primaryLeadID=other)
    (made,) = company.call("createList", name="All")
    company.make("addListMembers", {"listID": made["id"], "memberID": other})
    merge(company, survivor, other)
    lead = company.lead(survivor)

    assert company.call("getLead", id=other) == [lead]
    assert company.call("getLeads", where={"id": other}) == [lead]
    assert company.call("getLeads", where={"id": other}, fields=["firstName"]) == [{"firstName": None}]
    assert company.call("getLeads", where={"id": [alone, other]}) == company.call("getLeads", where={})
    assert company.call("getLeads", where={"id": [alone, other]}, fields=["city"]) == [{"city": None}] * 2
    assert company.call("getLeads", where={"id": [survivor, other]}) == [lead]
    assert event_sources(company, other) == event_sources(company, survivor)
    assert company.call("getEvents", where={"leadID": other}) == company.call("getEvents", where={"leadID": survivor})
    by_type = [
        company.envelope("getEventsByType", {"eventSource": "listJoin,leadMerge", "leadID": lead_id})["result"]
        for lead_id in (other, survivor)
    ]
    assert by_type[0] == by_type[1]
    assert [len(events) for events in by_type[0].values()] == [1, 1]
    assert len(notes_of(company, "lead", other)) == 1
    assert len(company.call("getContactsNotes", where={"id": [alone, other]})) == 1
    assert len(company.call("getTasks", where={"whoID": other})) == 1
    assert len(company.call("getOpportunityLeads", where={"leadID": other})) == 1
    assert len(company.call("getContactListMemberships", where={"contactID": other})) == 1
    assert [row["memberID"] for row in company.call("getLeadListMemberships", memberIDs=[alone, other])] == [
        str(survivor)
    ]
    assert [row["leadID"] for row in company.call("getTrackedLinks", leadID=[other, alone])] == [
        str(survivor),
        str(alone),
    ]
    assert [row["part"] for row in company.call("getScoreExplanation", leadID=other)] == ["set"]


def test_writes_by_the_old_id_change_the_survivor(company: Company) -> None:
    survivor, other = company.create({}, {})
    merge(company, survivor, other)
    (made,) = company.call("createList", name="All")

    for method in ("updateLeads", "updateLeadsV2", "upsertLeads"):
        assert company.code(method, {"id": other, "city": method}) is None
        assert company.lead(survivor)["city"] == method
    both = [{"id": other, "title": "CEO"}, {"id": survivor, "title": "CFO"}, {"id": other, "title": "CTO"}]
    assert all(outcome["success"] for outcome in company.call("updateLeads", objects=both))
    assert company.lead(survivor)["title"] == "CTO"
    company.call("addListMember", listID=made["id"], memberID=other)
    assert company.code("addListMembers", {"listID": made["id"], "memberID": survivor}) == 213
    assert company.code("addListMembers", {"listID": made["id"], "memberID": other}) == 213
    company.call("removeListMember", listID=made["id"], contactID=other)
    assert company.call("getActiveLists")[0]["removedCount"] == "1"
    roof = opportunity(company, primaryLeadID=other)
    assert company.lead(survivor)["leadStatus"] == "contactWithOpp"
    wall = opportunity(company)
    company.make("createOpportunityLeads", {"opportunityID": wall, "leadID": other})
    assert company.code("updateOpportunities", {"id": wall, "originatingLeadID": other}) is None
    links = company.call("getOpportunityLeads", where={"leadID": survivor})
    assert sorted(link["opportunityID"] for link in links) == sorted([str(roof), str(wall)])
    (note,) = make_notes(company, about("who", "lead", other))
    assert company.code("updateNotes", {"id": note, **about("what", "lead", other)}) is None
    assert stored(company) == {note: ("lead", survivor, "lead", survivor)}
    company.make("createTasks", {"title": "Call", **about("what", "lead", other)})
    call = {"userID": user(company), "leadID": other, "direction": "incoming", "createTimestamp": "2026-01-01 10:00:00"}
    assert company.call("logCalls", objects=[call]) is True
    assert rows(company, "select lead_id from call") == [(survivor,)]
    (converted,) = company.call("convertLeads", objects=[{"id": other, "leadStatus": "customer"}])
    assert converted["leadID"] == survivor
    assert company.lead(survivor)["leadStatus"] == "customer"


def test_the_first_id_of_a_chain_of_merges_returns_the_last_survivor(company: Company) -> None:
    first, second, third = company.create({}, {}, {})
    merge(company, second, first)
    merge(company, third, second)

    assert company.call("getLead", id=first) == company.call("getLead", id=second) == [company.lead(third)]
    assert rows(company, "select id, lead_id from merged_lead order by id") == [(first, third), (second, third)]


def test_an_old_id_cannot_be_deleted(company: Company) -> None:
    survivor, other = company.create({}, {})
    merge(company, survivor, other)

    assert company.code("deleteLeads", {"id": other}) == 302
    assert company.call("getLead", id=other) == [company.lead(survivor)]


def test_old_ids_work_as_long_as_the_survivor_exists(company: Company) -> None:
    survivor, other = company.create({}, {})
    merge(company, survivor, other)

    deleted(company, survivor)
    assert company.call("getLead", id=other) == []
    assert company.code("updateLeadsV2", {"id": other, "city": "Rome"}) == 404

    restored(company, survivor)
    assert company.call("getLead", id=other) == [company.lead(survivor)]


def test_old_ids_of_a_permanently_deleted_lead_are_deleted(company: Company) -> None:
    survivor, other = company.create({}, {})
    merge(company, survivor, other)
    sql(company.dsn, "update company set recycle_days = 0 where id = $1", company.id)

    deleted(company, survivor)

    assert rows(company, "select * from merged_lead") == []


def test_a_merged_lead_can_be_restored_as_a_lead_of_its_own(company: Company) -> None:
    survivor, other = company.create({}, {"emailAddress": "b@example.com", "city": "Oslo"})
    (made,) = company.call("createList", name="All")
    company.make("addListMembers", {"listID": made["id"], "memberID": other})
    before = company.lead(other)
    merge(company, survivor, other)
    assert company.call("getDeletedLeads")[0]["mergedInto"] == str(survivor)

    restored(company, other)

    after = company.lead(other)
    assert {**after, "updateTimestamp": ""} == {**before, "updateTimestamp": ""}
    assert company.call("getContactListMemberships", where={"id": other}) == []
    assert len(company.call("getContactListMemberships", where={"id": survivor})) == 1
    assert company.lead(survivor)["city"] == "Oslo"
    assert event_sources(company, other) == ["leadCreation", "leadDeletion", "leadRestoration"]


def test_250_pairs_are_merged_in_one_call(company: Company) -> None:
    leads = company.create(*({"city": f"{number}"} for number in range(500)))

    outcomes = company.call(
        "mergeLeads", objects=[{"id": leads[number], "mergeIDs": [leads[number + 250]]} for number in range(250)]
    )

    assert all(outcome["success"] for outcome in outcomes)
    assert len(company.call("getLeads", where={})) == 250
    assert [int(row["id"]) for row in company.call("getLeads", where={"id": leads[250:]})] == leads[:250]
