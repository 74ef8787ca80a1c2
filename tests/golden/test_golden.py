"""P11: the answers to calls stay the same, byte by byte.

After an intended change: `SPRINGHEAD_TEST_GOLDEN=write .venv/bin/pytest tests/golden`, then read the diff. A change
that removes or renames something breaks clients: it needs a new version of the API.
"""

import json
import os
from typing import Any

import pytest

import transcripts
from support import Company


@pytest.mark.parametrize("name", transcripts.NAMES)
def test_the_answers_are_those_of_the_transcript(name: str, company: Company) -> None:
    transcript = transcripts.read(name)

    answers = transcripts.replay(transcript, company)

    if os.environ.get("SPRINGHEAD_TEST_GOLDEN") == "write":
        transcripts.write(name, transcript, answers)
        return
    for call, answer in zip(transcript["calls"], answers, strict=True):
        assert answer == call["answer"], f"{name}: {call['about']}"


def test_the_transcripts_have_forty_calls_and_every_method() -> None:
    from springhead.rpc.method import REGISTRY

    requests = [call["request"] for name in transcripts.NAMES for call in transcripts.read(name)["calls"]]
    assert len(requests) >= 40
    assert [name for name in REGISTRY if not any(f'"{name}"' in request for request in requests)] == []


CAPTURED = json.loads((transcripts.FOLDER / "captured.json").read_text())
LEAD, FIELD, USER = (CAPTURED["columns"][name] for name in ("lead", "field", "userProfile"))


def _rows(company: Company, method: str, **params: Any) -> list[dict[str, Any]]:
    return company.call(method, **params)


def test_a_lead_is_as_captured(company: Company) -> None:
    name = company.field("API Big Text Area", "textarea")
    (lead_id,) = company.create({"leadScore": 20, "isUnsubscribed": 0, "emailAddress": "Lead.One@example.com"})

    lead = company.lead(lead_id)

    assert [key for key in lead if key in LEAD] == LEAD
    assert list(lead)[: len(LEAD)] == LEAD, "our own columns follow the captured ones"
    assert list(lead)[-1] == name, "custom fields are the last"
    assert lead[name] == ""
    assert lead["firstName"] is None
    assert (lead["id"], lead["leadScore"], lead["active"], lead["isUnsubscribed"]) == (str(lead_id), "20", "1", "0")


def test_leads_of_a_range_are_as_captured_without_the_weighted_score(company: Company) -> None:
    company.create({})

    (lead,) = _rows(company, "getLeadsDateRange", startDate="2016-01-01", endDate="2999-01-01", timestamp="update")

    wanted = [key for key in LEAD if key != "leadScoreWeighted"]
    assert list(lead)[: len(wanted)] == wanted
    assert "leadScoreWeighted" not in lead


def test_a_field_is_as_captured(company: Company) -> None:
    name = company.field("API Big Text Area", "textarea")

    (field,) = _rows(company, "getFields", where={"isCustom": "1"}, limit="5", offset="0")

    captured = ["lead", name, "API Big Text Area", "sharpspring", "textarea", "10000", *"0111", "0", "1"]
    assert list(field) == FIELD
    assert list(field.values())[1:] == captured


def test_a_user_is_as_captured(company: Company) -> None:
    (user,) = _rows(company, "getUserProfiles")

    assert list(user) == USER
    assert list(user.values())[1:] == ["", "", "Administrator", "admin@example.com", "1", "0", None, None]


@pytest.mark.parametrize("call", CAPTURED["calls"], ids=lambda call: call["about"])
def test_the_captured_answer_is_given_to_the_letter(call: dict[str, str], company: Company) -> None:
    names = transcripts.Names()
    made = '{"method":"createLeads","params":{"objects":[{"emailAddress":"taken@example.com"}]},"id":1}'
    names.hide(company.send(names.fill(made))[1])

    _, body = company.send(names.fill(call["request"]))

    assert names.hide(body) == call["answer"]


def _sent(company: Company, method: str, **params: Any) -> str:
    """The answer of a call as it went over the wire, ids and times hidden."""
    _, body = company.send(json.dumps({"method": method, "params": params, "id": ""}).encode())
    return transcripts.Names().hide(body)


def test_lists_and_their_members_are_answered_to_the_letter(company: Company) -> None:
    (lead,) = company.create({"emailAddress": "person.1@example.com", "firstName": "Person", "lastName": "1"})
    (made,) = company.call("createList", name="API List", description="…")

    added = _sent(company, "addListMember", listID=str(made["id"]), memberID=str(lead))
    lists = _sent(company, "getActiveLists", where={"id": made["id"]})
    members = _sent(company, "getListMembers", where={"id": made["id"]}, limit=5, offset=0)

    assert added == '{"result":{"creates":[{"success":true,"error":null,"id":<id:1>}]},"error":[],"id":""}'
    assert lists == (
        '{"result":{"activeList":[{"id":"<id:1>","name":"API List","memberCount":"1","removedCount":"0",'
        '"createTimestamp":"<time>","description":"…"}]},"error":null,"id":""}'
    )
    assert members == (
        '{"hasMore":false,"result":{"getWherelistMemberGets":[{"id":"<id:1>","listID":"<id:2>","companyName":"",'
        '"leadID":"<id:3>","firstName":"Person","lastName":"1","emailAddress":"person.1@example.com"}],'
        '"hasMore":false},"error":[],"id":""}'
    )


def test_a_lead_that_is_on_the_list_refuses_the_whole_call_of_one_and_its_own_object_of_several(
    company: Company,
) -> None:
    (lead,) = company.create({})
    (made,) = company.call("createList", name="API List")
    pair = {"listID": made["id"], "memberID": lead}
    company.call("addListMember", **pair)
    error = '{"code":213,"message":"The lead you tried to add is already a member","data":[]}'

    assert _sent(company, "addListMember", **pair) == f'{{"result":null,"error":{error},"id":""}}'
    assert _sent(company, "addListMembers", objects=[pair]) == (
        f'{{"result":{{"creates":[{{"success":false,"error":{error}}}]}},"error":[{error}],"id":""}}'
    )


ACCOUNT = [
    "id", "ownerID", "accountName", "industry", "phone", "annualRevenue", "numberOfEmployees", "website", "yearStarted",
    "fax", "billingCity", "billingCountry", "billingPostalCode", "billingState", "billingStreetAddress", "shippingCity",
    "shippingCountry", "shippingPostalCode", "shippingState", "shippingStreetAddress",
]  # fmt: skip


def test_an_account_is_as_captured(company: Company) -> None:
    company.call("createAccounts", objects=[{"accountName": "Acme"}])

    (account,) = _rows(company, "getAccounts", where={})

    assert list(account) == ACCOUNT
    assert (account["numberOfEmployees"], account["website"]) == ("0", None)


def test_removed_members_have_the_captured_lower_case_keys(company: Company) -> None:
    (lead,) = company.create({"firstName": "Person"})
    (made,) = company.call("createList", name="API List")
    pair = {"listID": made["id"], "memberID": lead}
    company.call("addListMember", **pair)
    company.call("removeListMember", **pair)

    (row,) = company.call("getRemovedListMembers", where={"id": made["id"], "flag": "removed"})

    assert list(row) == [
        "listMemberID", "listID", "isRemoved", "isUnsubscribed", "hardBounced", "leadID", "firstname", "lastname",
        "emailaddress",
    ]  # fmt: skip
