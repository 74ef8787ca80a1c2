"""eraseLeads and getErasures: nothing but a receipt is left of a lead, and it recognizes the address (P10, A58)."""

import json
from pathlib import Path
from typing import Any

import pytest

from erasure import CANARY, erase, lead_with_canary, receipts, tables_with_canary
from related_objects import about, make_notes, user
from springhead.rpc.method import REGISTRY, Reads
from support import Company, Server, eventually, new_company, sql, superuser


def test_nothing_is_left_of_an_erased_lead_anywhere(server: Server, company: Company) -> None:
    lead = lead_with_canary(company)
    tables = {line.partition(":")[0] for line in tables_with_canary(server, company)}
    assert tables == {"lead", "event", "note", "task", "call", "visitor", "page_view", "upload"}

    (outcome,) = erase(company, {"emailAddress": f"{CANARY.upper()}@Example.com"})

    assert outcome["success"], outcome
    assert tables_with_canary(server, company) == []
    assert [event["eventSource"] for event in company.call("getEvents", where={"leadID": lead})] == ["leadErasure"]
    (receipt,) = receipts(company, leadID=lead)
    assert receipt["erased"] == {
        "lead": "1", "listMember": "2", "opportunityLead": "1", "note": "1", "task": "1", "call": "1", "upload": "1",
        "pageView": "1", "visitor": "2", "event": receipt["erased"]["event"],
    }  # fmt: skip
    assert receipt["kept"] == {"opportunity": "1"}
    assert receipt["doneTimestamp"] is not None


def test_no_read_shows_anything_of_an_erased_lead(company: Company) -> None:
    lead = lead_with_canary(company)
    erase(company, lead)
    params_of: dict[str, dict[str, Any]] = {
        "getLeadTimeline": {"where": {"whoID": lead}},
        "getEventsByType": {"eventSource": "leadUpdate,formSubmit,noteCreate", "leadID": lead},
        "getLeadsDateRange": {"startDate": "2000-01-01", "endDate": "2999-01-01", "timestamp": "update"},
        "getLeadsAsOf": {"id": lead, "at": "2999-01-01"},
        "getTrackedLinks": {"leadID": lead},
        "getScoreExplanation": {"leadID": lead},
        "getRelatedLeadsByEmail": {"emailAddress": f"{CANARY}@example.com"},
        "searchLeads": {"text": "example"},
        "getContactListMemberships": {"emailAddress": f"{CANARY}@example.com"},
        "getListMemberships": {"emailAddress": f"{CANARY}@example.com"},
        "getLeadListMemberships": {"memberIDs": [lead]},
    }
    tried = 0
    for name, method in REGISTRY.items():
        if not isinstance(method.result, Reads):
            continue
        for params in (params_of.get(name), {"id": lead}, {"where": {}}, {"where": {"id": lead}}, {}):
            if params is not None:
                answer = company.envelope(name, params)
                tried += answer["result"] is not None
                assert CANARY not in json.dumps(answer["result"]).lower(), name
    assert tried > 40


def test_the_feed_says_that_a_lead_was_erased_and_nothing_else(company: Company) -> None:
    (lead,) = company.create({"firstName": CANARY})
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome"}])
    erase(company, lead)

    changes = company.call("getLeadChanges")

    assert [(change["kind"], change["leadID"], change["changed"]) for change in changes] == [("erase", str(lead), None)]


def test_a_receipt_says_who_erased_and_how_many_rows_and_recognizes_the_address(company: Company) -> None:
    (lead, other) = company.create({"emailAddress": "Zoë@Example.com"}, {})
    (outcome,) = erase(company, {"id": lead})
    erase(company, {"id": other})

    (receipt,) = receipts(company, emailAddress=" zoë@example.COM ")

    assert receipt["leadID"] == str(lead)
    assert [int(receipt["id"])] == outcome["receipts"]
    keys = sql(company.dsn, "select id from api_key where company_id = $1", company.id)
    assert receipt["keyID"] == str(keys[0]["id"])
    assert (receipt["erased"], receipt["kept"]) == ({"lead": "1", "event": "1"}, {})
    assert receipts(company, emailAddress="nobody@example.com") == []
    assert [erasure["leadID"] for erasure in company.call("getErasures")] == [str(lead), str(other)]
    assert receipts(company, limit=1, offset=1)[0]["leadID"] == str(other)


def test_the_address_of_an_erased_lead_is_free_for_a_new_lead(company: Company) -> None:
    (lead,) = company.create({"emailAddress": "a@example.com", "city": "Rome"})
    erase(company, lead)

    (new,) = company.create({"emailAddress": "a@example.com"})

    assert new != lead
    assert company.lead(new)["city"] is None
    assert [change["kind"] for change in company.call("getLeadHistory", id=new)] == ["create"]


def test_a_deleted_lead_is_erased_by_its_id(server: Server, company: Company) -> None:
    (lead,) = company.create({"emailAddress": f"{CANARY}@example.com"})
    company.call("updateLeads", objects=[{"id": lead, "city": CANARY}])
    company.call("deleteLeads", objects=[lead])
    assert tables_with_canary(server, company)

    (outcome,) = erase(company, lead)

    assert outcome["success"]
    assert tables_with_canary(server, company) == []


def test_a_second_erasure_is_a_success_with_the_old_receipt_and_an_unknown_lead_is_404(company: Company) -> None:
    (lead,) = company.create({})

    outcomes = erase(company, lead, str(lead), {"id": lead}, 1, {"emailAddress": "nobody@example.com"}, {}, "x")
    again = erase(company, lead)

    assert [outcome["success"] for outcome in outcomes] == [True, True, True, False, False, False, False]
    assert [outcome["error"]["code"] for outcome in outcomes[3:5]] == [404, 404]
    assert again == outcomes[:1]
    assert len(receipts(company)) == 1


def test_objects_that_are_also_about_something_else_stay_without_the_lead(company: Company) -> None:
    (lead,) = company.create({})
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    both = {**about("who", "lead", lead), **about("what", "account", account)}
    (note,) = make_notes(company, both)
    (task,) = company.make("createTasks", {"title": "Call", **both})
    (free,) = company.make("createTasks", {"title": "Nobody's"})

    erase(company, lead)

    (kept,) = company.call("getAccountNotes", id=account)
    assert (kept["id"], kept["whoID"]) == (str(note), None)
    tasks = company.call("getTasks", where={})
    assert [(int(row["id"]), row["whoID"]) for row in tasks] == [(task, None), (free, None)]
    (receipt,) = receipts(company)
    assert receipt["kept"] == {"note": "1", "task": "1"}


def test_counts_of_lists_follow_an_erasure(company: Company) -> None:
    (first, other) = company.create({}, {})
    (made,) = company.call("createList", name="Fair")
    company.call("addListMembers", objects=[{"listID": made["id"], "memberID": lead} for lead in (first, other)])

    erase(company, first)

    (row,) = company.call("getActiveLists", where={"id": made["id"]})
    assert row["memberCount"] == "1"


def long_timeline(company: Company) -> tuple[int, int]:
    """A lead with 20,001 events, and another one with as many."""
    (lead, other) = company.create({}, {})
    sql(
        company.dsn,
        """
        insert into event (company_id, lead_id, create_timestamp, event_name, event_source)
        select $1, case when n % 2 = 0 then $2::bigint else $3::bigint end, now(), 'Seen', 'pageVisit'
        from generate_series(1, 40000) n
        """,
        company.id,
        lead,
        other,
        company_id=company.id,
    )
    return lead, other


def test_a_long_timeline_is_erased_by_a_background_job_and_the_receipt_says_when(company: Company) -> None:
    (lead, other) = long_timeline(company)

    (outcome,) = erase(company, lead)

    assert outcome["success"]
    eventually(lambda: receipts(company)[0]["doneTimestamp"] is not None, seconds=20)
    assert receipts(company)[0]["erased"]["event"] == "20001"
    assert len(company.call("getEvents", where={"leadID": lead})) == 1
    left = sql(company.dsn, "select count(*) as n from event where lead_id = $1", other, company_id=company.id)
    assert left[0]["n"] == 20_001


def test_a_long_timeline_goes_although_the_server_knows_only_small_tables(tmp_path: Path) -> None:
    """After five executions PostgreSQL keeps a plan, and that plan was made for tables with a handful of rows."""
    server = Server.on_copy(tmp_path / "data", "--no-limits")
    company = new_company(server)
    sql(superuser(server.dsn), "analyze")
    for lead in company.create(*({} for _ in range(12))):
        erase(company, lead)
    (lead, _) = long_timeline(company)

    (outcome,) = erase(company, lead)

    assert outcome["success"]
    eventually(lambda: receipts(company)[-1]["doneTimestamp"] is not None, seconds=20)
    company.close()
    assert server.stop() == 0


def test_several_leads_of_one_call_get_a_receipt_each(company: Company) -> None:
    leads = company.create(*({} for _ in range(50)))

    outcomes = erase(company, *({"id": lead} for lead in leads))

    assert [len(outcome["receipts"]) for outcome in outcomes] == [1] * 50
    assert {int(receipt["leadID"]) for receipt in receipts(company)} == set(leads)
    assert company.call("getLeads", where={}) == []


@pytest.mark.parametrize("wrong", [{"emailAddress": ""}, {"emailAddress": 5}, {"emailAddress": [1]}, {"id": "x"}])
def test_a_call_that_names_no_lead_is_refused(company: Company, wrong: Any) -> None:
    assert company.code("eraseLeads", wrong) in {205, 210}
    assert user(company)
