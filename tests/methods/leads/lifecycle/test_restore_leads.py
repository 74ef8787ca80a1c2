"""restoreLeads and getDeletedLeads: the recycle bin, and which data come back from it."""

from collections.abc import Callable

import pytest

from recycling import bin_of, deleted, opportunity, restored, rows
from related_objects import about, make_notes, stored, user
from support import Company, eventually, sql


def test_a_deleted_lead_is_restored_unchanged(company: Company) -> None:
    field = company.field("Shoe size")
    (lead,) = company.create(
        {"emailAddress": "A.B@example.com", "firstName": "Ann", "leadStatus": "open", "leadScore": 7, field: "38",
         "ownerID": user(company), "isUnsubscribed": 1, "active": 0}
    )  # fmt: skip
    before = company.lead(lead)
    deleted(company, lead)
    assert company.call("getLead", id=lead) == []

    restored(company, lead)

    after = company.lead(lead)
    assert {**after, "updateTimestamp": ""} == {**before, "updateTimestamp": ""}
    assert rows(company, "select version from lead where id = $1", lead) == [(2,)]
    assert company.call("getLeads", where={"emailAddress": "a.b@EXAMPLE.com"}) == [after]
    assert bin_of(company) == []


def test_the_timeline_has_the_deletion_and_the_restoration(company: Company) -> None:
    (lead,) = company.create({})
    deleted(company, lead)
    restored(company, lead)

    events = company.call("getLeadTimeline", where={"whoID": lead})

    assert [event["eventSource"] for event in events] == ["leadCreation", "leadDeletion", "leadRestoration"]
    assert events[-1]["eventName"] == "Lead restored"


def test_the_bin_shows_deleted_leads_with_their_values_last_deleted_first(company: Company) -> None:
    field = company.field("Shoe size")
    first, second, kept = company.create({"emailAddress": "one@example.com", field: "38"}, {"city": "Rome"}, {})
    before = company.lead(first)
    deleted(company, first)
    deleted(company, second)

    in_bin = company.call("getDeletedLeads")

    assert [row["id"] for row in in_bin] == [str(second), str(first)]
    assert {name: in_bin[1][name] for name in before} == before
    assert in_bin[1]["mergedInto"] is None
    assert in_bin[1]["deleteTimestamp"] >= before["createTimestamp"]
    assert bin_of(company, id=[first, kept]) == [str(first)]
    assert bin_of(company, emailAddress="ONE@example.com") == [str(first)]
    assert bin_of(company, emailAddress="one@example.com", id=second) == []
    assert [row["id"] for row in company.call("getDeletedLeads", limit=1, offset=1)] == [str(first)]
    selected = company.call("getDeletedLeads", fields=["city", field, "mergedInto"])
    assert selected == [
        {"city": "Rome", "mergedInto": None, field: ""},
        {"city": None, "mergedInto": None, field: "38"},
    ]
    assert company.error("getDeletedLeads", fields=["x"])["code"] == 205


def test_a_lead_that_is_not_in_the_bin_is_404(company: Company) -> None:
    alive, gone = company.create({}, {})
    deleted(company, gone)

    outcomes = company.call("restoreLeads", objects=[alive, {"id": 1}, str(gone), gone])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [404, 404, None, 404]


def test_an_address_that_another_lead_has_now_is_301_and_the_lead_stays_in_the_bin(company: Company) -> None:
    first, other = company.create({"emailAddress": "one@example.com"}, {})
    deleted(company, first, other)
    (new,) = company.create({"emailAddress": "ONE@example.com"})

    outcomes = company.call("restoreLeads", objects=[first, other])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [301, None]
    assert bin_of(company) == [str(first)]
    deleted(company, new)
    restored(company, first)
    assert company.lead(first)["emailAddress"] == "one@example.com"


def test_of_two_deleted_leads_with_one_address_one_can_be_restored(company: Company) -> None:
    (first,) = company.create({"emailAddress": "one@example.com"})
    deleted(company, first)
    (second,) = company.create({"emailAddress": "one@example.com"})
    deleted(company, second)

    outcomes = company.call("restoreLeads", objects=[first, second])

    assert sorted(outcome["success"] for outcome in outcomes) == [False, True]
    assert len(company.call("getLeads", where={})) == 1
    assert len(bin_of(company)) == 1


def test_memberships_are_restored_unchanged(company: Company) -> None:
    lead, removed = company.create({"city": "Rome"}, {})
    static, gone = company.call("createList", objects=[{"name": "Static"}, {"name": "Gone"}])
    (ruled,) = company.call("createList", name="Ruled", filter={"city": "Rome"})
    pairs = [{"listID": row["id"], "memberID": lead} for row in (static, gone)]
    members = company.make("addListMembers", *pairs, {"listID": static["id"], "memberID": removed})
    company.call("removeListMember", listID=static["id"], memberID=removed)
    before = company.call("getListMembers", where={"id": static["id"]})

    deleted(company, lead, removed)
    company.call("deleteList", id=gone["id"])
    counts = company.call("getActiveLists", where={"id": static["id"]})
    assert (counts[0]["memberCount"], counts[0]["removedCount"]) == ("0", "0")
    restored(company, lead, removed)

    assert company.call("getListMembers", where={"id": static["id"]}) == before
    lists = {row["id"]: row for row in company.call("getActiveLists")}
    assert (lists[str(static["id"])]["memberCount"], lists[str(static["id"])]["removedCount"]) == ("1", "1")
    assert lists[str(ruled["id"])]["memberCount"] == "1"
    assert rows(company, "select id from list_member where list_id = $1 order by id", static["id"]) == [
        (members[0],), (members[2],)
    ]  # fmt: skip
    assert rows(company, "select count(*) from list_member where list_id = $1", gone["id"]) == [(0,)]


def test_references_and_links_of_opportunities_are_restored_and_the_status_follows(company: Company) -> None:
    lead, other = company.create({"leadStatus": "open"}, {})
    roof, wall = opportunity(company, primaryLeadID=lead, originatingLeadID=lead), opportunity(company)
    (link,) = company.make("createOpportunityLeads", {"opportunityID": wall, "leadID": lead})
    deleted(company, lead)
    assert company.call("getOpportunity", id=roof)[0]["primaryLeadID"] is None
    company.call("updateOpportunities", objects=[{"id": roof, "primaryLeadID": other}])
    company.call("deleteOpportunities", objects=[wall])

    restored(company, lead)

    (row,) = company.call("getOpportunity", id=roof)
    assert (row["primaryLeadID"], row["originatingLeadID"]) == (str(other), str(lead))
    links = company.call("getOpportunityLeads", where={"leadID": lead})
    assert [link_row["opportunityID"] for link_row in links] == [str(roof)]
    assert company.call("getOpportunityLead", id=link) == []
    assert company.lead(lead)["leadStatus"] == "contactWithOpp"


def test_a_lead_whose_open_opportunity_is_gone_is_restored_as_a_contact(company: Company) -> None:
    (lead,) = company.create({"leadStatus": "open"})
    roof = opportunity(company, primaryLeadID=lead)
    deleted(company, lead)
    company.call("deleteOpportunities", objects=[roof])

    restored(company, lead)

    assert company.lead(lead)["leadStatus"] == "contact"


def test_notes_and_tasks_are_about_the_restored_lead_again(company: Company) -> None:
    lead, other = company.create({}, {})
    alone, twice, both, taken = make_notes(
        company,
        about("who", "lead", lead),
        {**about("who", "lead", lead), **about("what", "lead", lead)},
        {**about("who", "lead", lead), **about("what", "lead", other)},
        {**about("who", "lead", lead), **about("what", "lead", other)},
    )
    (task,) = company.make("createTasks", {"title": "Call", **about("what", "lead", lead)})
    before = stored(company)
    deleted(company, lead)
    company.call("updateNotes", objects=[{"id": taken, **about("who", "lead", other)}])

    restored(company, lead)

    after = stored(company)
    assert {lead_id: after[lead_id] for lead_id in (alone, twice, both)} == {
        lead_id: before[lead_id] for lead_id in (alone, twice, both)
    }
    assert after[taken] == ("lead", other, "lead", other)
    (row,) = company.call("getTasks", where={"id": task})
    assert (row["whatID"], row["whatType"]) == (str(lead), "lead")


def test_a_note_that_was_deleted_since_stays_deleted(company: Company) -> None:
    lead, other = company.create({}, {})
    (note,) = make_notes(company, {**about("who", "lead", lead), **about("what", "lead", other)})
    deleted(company, lead)
    company.call("deleteNotes", objects=[note])

    restored(company, lead)

    assert stored(company) == {}


def test_a_note_about_two_deleted_leads_returns_with_the_first_and_is_about_both_again(company: Company) -> None:
    first, second = company.create({}, {})
    (note,) = make_notes(company, {**about("who", "lead", first), **about("what", "lead", second)})
    before = stored(company)
    deleted(company, first, second)
    assert stored(company) == {}

    restored(company, second)
    assert stored(company) == {note: ("lead", second, None, None)}
    restored(company, first)

    assert stored(company) == before


def test_calls_files_and_visitors_are_restored(company: Company) -> None:
    (lead,) = company.create({"trackingID": "visitor-1"})
    call = {"userID": user(company), "leadID": lead, "direction": "incoming", "createTimestamp": "2020-01-01 10:00:00"}
    company.call("logCalls", objects=[call])
    sql(
        company.dsn,
        """
        insert into upload
            (company_id, token, form_id, lead_id, name, content_type, size, sha256, data, create_timestamp)
        values ($1, 'token', 1, $2, 'a.txt', 'text/plain', 1, 'x', 'x', now())
        """,
        company.id,
        lead,
        company_id=company.id,
    )
    state = """
        select (select count(*) from call where lead_id = $1), (select count(*) from upload where lead_id = $1),
            (select count(*) from visitor where lead_id = $1)
        """
    assert rows(company, state, lead) == [(1, 1, 1)]
    deleted(company, lead)
    assert rows(company, state, lead) == [(0, 0, 0)]

    restored(company, lead)

    assert rows(company, state, lead) == [(1, 1, 1)]


def test_a_visitor_who_is_linked_to_another_lead_now_stays_linked_to_it(company: Company) -> None:
    (lead,) = company.create({"trackingID": "visitor-1"})
    deleted(company, lead)
    (other,) = company.create({"trackingID": "visitor-1"})

    restored(company, lead)

    assert rows(company, "select lead_id from visitor") == [(other,)]


def test_references_and_fields_that_were_deleted_since_are_not_restored(company: Company) -> None:
    kept, gone = company.field("Kept"), company.field("Gone")
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    (campaign,) = company.make("createCampaigns", {"campaignName": "Spring"})
    (lead,) = company.create({"accountID": account, "campaignID": campaign, kept: "1", gone: "2"})
    deleted(company, lead)
    company.call("deleteAccounts", objects=[account])
    company.call("deleteFields", objects=[{"systemName": gone}])

    restored(company, lead)

    back = company.lead(lead)
    assert (back["accountID"], back["campaignID"], back[kept]) == (None, str(campaign), "1")
    assert rows(company, "select custom::text from lead where id = $1", lead) == [(f'{{"{kept}": "1"}}',)]


def test_500_leads_are_restored_in_one_call(company: Company) -> None:
    leads = company.create(*[{}] * 500)
    (made,) = company.call("createList", name="All")
    company.make("addListMembers", *({"listID": made["id"], "memberID": lead} for lead in leads))
    make_notes(company, *(about("who", "lead", lead) for lead in leads))
    before = company.call("getLeads", where={})
    deleted(company, *leads)

    restored(company, *leads)

    after = company.call("getLeads", where={})
    assert [row["emailAddress"] for row in after] == [row["emailAddress"] for row in before]
    assert company.call("getActiveLists")[0]["memberCount"] == "500"
    assert len(stored(company)) == 500
    assert rows(company, "select count(*) from deleted_lead_part") == [(0,)]


def test_cached_page_starts_are_not_used_after_a_restoration(company: Company) -> None:
    leads = company.create(*[{}] * 6)
    deleted(company, leads[0])
    sql(company.dsn, "update lead set create_timestamp = now() - interval '1 day'", company_id=company.id)
    pages = [company.call("getLeads", where={}, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [row["id"] for page in pages for row in page] == [str(lead_id) for lead_id in leads[1:]]

    restored(company, leads[0])

    pages = [company.call("getLeads", where={}, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [row["id"] for page in pages for row in page] == [str(lead_id) for lead_id in leads]


@pytest.mark.parametrize("days", [0, 3])
def test_a_company_sets_how_long_deleted_leads_are_kept(days: int, company: Company) -> None:
    sql(company.dsn, "update company set recycle_days = $2 where id = $1", company.id, days)
    old, new = company.create({}, {})
    deleted(company, old, new)
    age = "update deleted_lead set deleted_at = now() - interval '3 days' where id = $1"
    sql(company.dsn, age, old, company_id=company.id)

    assert bin_of(company) == ([str(new)] if days else [])
    assert company.code("restoreLeads", old) == 404
    assert company.code("restoreLeads", new) == (None if days else 404)


def test_without_a_bin_nothing_is_kept(company: Company) -> None:
    sql(company.dsn, "update company set recycle_days = 0 where id = $1", company.id)
    lead, _ = company.create({"trackingID": "visitor-1"}, {})
    (made,) = company.call("createList", name="All")
    company.make("addListMembers", {"listID": made["id"], "memberID": lead})
    make_notes(company, about("who", "lead", lead))
    opportunity(company, primaryLeadID=lead)
    call = {"userID": user(company), "leadID": lead, "direction": "incoming", "createTimestamp": "2020-01-01 10:00:00"}
    company.call("logCalls", objects=[call])

    deleted(company, lead)

    for table in ("deleted_lead", "deleted_lead_part", "call", "visitor", "pass"):
        assert rows(company, f"select count(*) from {table} where company_id = {company.id}") == [(0,)], table


def test_leads_that_are_too_old_are_removed_from_the_bin(company: Company) -> None:
    old, new = company.create({"trackingID": "visitor-1"}, {})
    make_notes(company, about("who", "lead", old))
    call = {"userID": user(company), "leadID": old, "direction": "incoming", "createTimestamp": "2020-01-01 10:00:00"}
    company.call("logCalls", objects=[call])
    deleted(company, old, new)
    age = "update deleted_lead set deleted_at = now() - interval '30 days' where id = $1"
    sql(company.dsn, age, old, company_id=company.id)
    due = "select kind, due_at > now() + interval '23 hours' from pass where company_id = $1"
    assert rows(company, due, company.id) == [("recycle", True)]

    sql(company.dsn, "update pass set due_at = now() where company_id = $1 and kind = 'recycle'", company.id)

    eventually(lambda: rows(company, "select id from deleted_lead") == [(new,)])
    assert rows(company, "select lead_id from deleted_lead_part") == []
    assert rows(company, "select id from call") == []
    eventually(lambda: rows(company, due, company.id) == [("recycle", True)])


def test_many_deletions_of_a_company_have_one_background_job(given_company: Callable[..., Company]) -> None:
    company = given_company()
    for _ in range(3):
        deleted(company, *company.create({}))

    assert rows(company, "select count(*) from pass where company_id = $1", company.id) == [(1,)]
