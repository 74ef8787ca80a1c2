"""exportLead: all data of a lead, as JSON."""

import base64
import json
from typing import Any

from related_objects import about, make_notes, user
from support import Company, sql


def export(company: Company, lead: int) -> list[dict[str, Any]]:
    return company.call("exportLead", id=lead)


def part(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [row["data"] for row in rows if row["part"] == name]


def test_an_export_shows_the_same_rows_as_other_reads(company: Company) -> None:
    size = company.field("Shoe size")
    (lead, other) = company.create({"firstName": "Ada", size: "42"}, {})
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome"}, {"id": other, "city": "Oslo"}])
    (made_list,) = company.call("createList", name="Fair")
    membership = {"listID": made_list["id"], "memberID": lead}
    company.call("addListMembers", objects=[membership, {**membership, "memberID": other}])
    company.call("removeListMembers", objects=[membership])
    (note,) = make_notes(company, about("who", "lead", lead))
    make_notes(company, about("who", "lead", other))
    (task,) = company.make("createTasks", {"title": "Call", **about("what", "lead", lead)})
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    new = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31"}
    primary, linked, _ = company.make("createOpportunities", {**new, "primaryLeadID": lead}, new, new)
    company.make("createOpportunityLeads", {"opportunityID": linked, "leadID": lead})
    called = {"userID": user(company), "leadID": lead, "direction": "incoming", "createTimestamp": "2026-01-01"}
    assert company.call("logCalls", objects=[{**called, "callNotes": "A note"}])

    rows = export(company, lead)

    (exported,) = part(rows, "lead")
    assert exported.items() >= company.lead(lead).items()
    assert exported["hasOpportunity"] == "1"
    (field,) = part(rows, "field")
    assert (field["systemName"], field["label"]) == (size, "Shoe size")
    assert [row["id"] for row in part(rows, "note")] == [str(note)]
    assert part(rows, "task") == company.call("getTasks", where={"id": task})
    assert [row["id"] for row in part(rows, "opportunity")] == [str(primary), str(linked)]
    assert len(part(rows, "opportunityLead")) == 2
    assert [(row["name"], row["status"]) for row in part(rows, "listMember")] == [("Fair", "removed")]
    assert [row["callNotes"] for row in part(rows, "call")] == ["A note"]
    events = [{name: event[name] for name in event if name != "actionID"} for event in part(rows, "event")]
    assert sorted(events, key=lambda event: int(event["id"])) == sorted(
        company.call("getEvents", where={"leadID": lead}), key=lambda event: int(event["id"])
    )
    assert part(rows, "score") == company.call("getScoreExplanation", leadID=lead)
    assert str(other) not in json.dumps(rows)


def test_an_export_has_the_content_of_files_and_the_views_of_visitors(company: Company) -> None:
    (lead,) = company.create({"trackingID": "t-1"})
    sql(
        company.dsn,
        """
        insert into upload
            (company_id, token, form_id, lead_id, name, content_type, size, sha256, data, create_timestamp)
        select $1, 'token' || n, 1, $2, 'cv.pdf', 'text/plain', 300, sha256($3), $3, now() from generate_series(1, 3) n
        """,
        company.id,
        lead,
        b"content" * 50,
        company_id=company.id,
    )
    sql(
        company.dsn,
        """
        insert into page_view (company_id, visitor_id, create_timestamp, event_source, event_name, event_data)
        select $1, id, now(), 'pageVisit', 'Visited', '{"url": "/a"}' from visitor where lead_id = $2
        """,
        company.id,
        lead,
        company_id=company.id,
    )

    rows = export(company, lead)

    uploads = part(rows, "upload")
    assert len(uploads) == 3
    assert {base64.b64decode(upload["base64"]) for upload in uploads} == {b"content" * 50}
    assert [row["trackingID"] for row in part(rows, "visitor")] == ["t-1"]
    assert [json.loads(row["eventData"]) for row in part(rows, "pageView")] == [{"url": "/a"}]


def test_an_export_has_each_event_of_a_long_timeline_once(company: Company) -> None:
    (lead,) = company.create({})
    sql(
        company.dsn,
        """
        insert into event (company_id, lead_id, create_timestamp, event_name, event_source)
        select $1, $2, now() - (n % 100) * interval '1 minute', 'Seen', 'pageVisit' from generate_series(1, 2345) n
        """,
        company.id,
        lead,
        company_id=company.id,
    )

    events = part(export(company, lead), "event")

    assert len(events) == len({event["id"] for event in events}) == 2_346


def test_a_deleted_lead_has_its_timeline_an_erased_lead_its_receipt_an_unknown_id_nothing(company: Company) -> None:
    (lead,) = company.create({})
    company.call("deleteLeads", objects=[lead])
    assert [row["part"] for row in export(company, lead)] == ["event", "event", "deletedLead"]

    company.call("eraseLeads", objects=[lead])

    assert export(company, 1) == []
    erased = export(company, lead)
    assert [row["part"] for row in erased] == ["erasure"]
    assert erased[0]["data"]["erased"] == {"event": "2", "deletedLead": "1"}


def test_times_are_in_the_zone_of_the_version(given_company: Any) -> None:
    company: Company = given_company(time_zone="Asia/Tokyo")
    (lead,) = company.create({})

    (local,) = part(export(company, lead), "lead")
    (utc,) = part(export(company.at("v1.2"), lead), "lead")

    assert local == company.lead(lead) | local
    assert utc["createTimestamp"] == company.at("v1.2").lead(lead)["createTimestamp"] != local["createTimestamp"]
