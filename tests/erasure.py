"""A lead whose every text contains one marker word, the canary. After an erasure the word must be nowhere."""

import json
from typing import Any

from isolation import dump
from related_objects import about, make_notes
from support import Company, Server, sql

CANARY = "kanarienvogel7"


def erase(company: Company, *objects: Any) -> list[dict[str, Any]]:
    return company.call("eraseLeads", objects=list(objects))


def receipts(company: Company, **params: Any) -> list[dict[str, Any]]:
    return company.call("getErasures", **params)


def tables_with_canary(server: Server, company: Company) -> list[str]:
    """The tables that still contain the canary, as text or as bytes."""
    return [
        f"{table}: {row[:300]}"
        for table, rows in dump(server, company).items()
        for row in rows
        if CANARY in row.lower() or CANARY.encode().hex() in row
    ]


def with_key(company: Company, key: str, method: str, **params: Any) -> Any:
    body = json.dumps({"method": method, "params": params, "id": "1"}).encode()
    _, answer = company.send(body, headers={"Idempotency-Key": key})
    return json.loads(answer)["result"]


def lead_with_canary(company: Company) -> int:
    """Creates a lead with the canary in every text that can be stored about it."""
    address = f"{CANARY}@example.com"
    custom = company.field("Nickname", "textarea")
    text = f"text of {CANARY}"
    made = with_key(
        company,
        f"import-{address}",
        "createLeads",
        objects=[{"emailAddress": f"first.{address}", "firstName": CANARY, "description": text, custom: text}],
    )
    lead = made["creates"][0]["id"]
    changed = {"emailAddress": address, "lastName": CANARY, "city": text, custom: f"other {text}", "trackingID": CANARY}
    assert with_key(company, CANARY, "updateLeads", objects=[{"id": lead, **changed}])["updates"][0]["success"]
    company.call("updateLeads", objects=[{"id": lead, "phoneNumber": "7" * 260, "city": "x" * 300}])
    (user_id,) = (user["id"] for user in company.call("getUserProfiles"))
    make_notes(company, {"title": CANARY, "note": text, **about("who", "lead", lead)})
    company.make("createTasks", {"title": CANARY, "description": text, **about("what", "lead", lead)})
    called = {"userID": user_id, "leadID": lead, "direction": "incoming", "createTimestamp": "2026-01-01"}
    assert company.call("logCalls", objects=[{**called, "callResult": CANARY, "callNotes": text}])
    (made_list,) = company.call("createList", name="Fair")
    (ruled,) = company.call("createList", name="Rule", filter={"firstName": {"empty": False}})
    assert ruled["success"]
    company.call("addListMembers", objects=[{"listID": made_list["id"], "memberID": lead}])
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    new = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31", "primaryLeadID": lead}
    company.make("createOpportunities", new)
    sql(
        company.dsn,
        """
        with seen as (
            insert into visitor (company_id, tracking_id, lead_id, first_seen, last_seen)
            values ($1, $3 || 'two', $2, now(), now()) returning id
        )
        insert into page_view (company_id, visitor_id, create_timestamp, event_source, event_name, event_data)
        select $1, id, now(), 'pageVisit', $3, jsonb_build_object('url', $3::text) from seen
        """,
        company.id,
        lead,
        CANARY,
        company_id=company.id,
    )
    sql(
        company.dsn,
        """
        insert into upload
            (company_id, token, form_id, lead_id, name, content_type, size, sha256, data, create_timestamp)
        values ($1, 'token', 1, $2, $3, 'text/plain', 1, 'x', $4, now())
        """,
        company.id,
        lead,
        CANARY,
        CANARY.encode(),
        company_id=company.id,
    )
    sql(
        company.dsn,
        """
        insert into event (company_id, lead_id, create_timestamp, event_name, event_source, event_data)
        values ($1, $2, now(), $3, 'formSubmit', jsonb_build_object('url', $3::text))
        """,
        company.id,
        lead,
        CANARY,
        company_id=company.id,
    )
    return lead
