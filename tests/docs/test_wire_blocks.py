"""The captured calls on the pages of docs/wire: the server takes each request, and answers in the captured shape."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from doc_pages import TOP, blocks
from support import Company

WIRE = TOP / "docs" / "wire"
Caller = Callable[[Company, dict[str, Any]], Any]


def create_leads(company: Company, call: dict[str, Any]) -> Any:
    """The captured createLeads, with the field that it names."""
    name = company.field("Shoe size")
    text = re.sub(r"shoe_size_\w+", name, json.dumps(call))
    return company.envelope("createLeads", json.loads(text)["params"], call["id"])


def get_leads(company: Company, call: dict[str, Any]) -> Any:
    """The captured getLeads, with ids of this company."""
    call["params"]["where"]["id"] = company.create({"firstName": "Lead"}, {"firstName": "Lead"})
    return company.envelope("getLeads", call["params"], call["id"])


def get_all_leads(company: Company, call: dict[str, Any]) -> Any:
    """A captured request without a captured answer."""
    assert company.envelope(call["method"], call["params"], call["id"])["result"] == {"lead": []}


def update_of_nothing(company: Company, _: Any) -> Any:
    (lead,) = company.create({"firstName": "Lead"})
    return company.envelope("updateLeads", {"objects": [{"id": lead, "firstName": "Lead"}]})


def wrong_parameter(company: Company, _: Any) -> Any:
    return company.error("getLead", id="one")


def events(company: Company, _: Any) -> Any:
    (lead,) = company.create({})
    return company.envelope("getEvents", {"where": {"leadID": lead}})


def timeline(company: Company, _: Any) -> Any:
    (lead,) = company.create({})
    return company.envelope("getLeadTimeline", {"where": {"whoID": lead}})


def field(company: Company, _: Any) -> Any:
    company.field("API Big Text Area", "textarea")
    return company.envelope("getFields", {"where": {"isCustom": 1}})


def active_list(company: Company, _: Any) -> Any:
    company.make("createList", {"name": "API List", "description": "Made by a call"})
    return company.envelope("getActiveLists", {"where": {}})


def list_member(company: Company, _: Any) -> Any:
    (made,) = company.make("createList", {"name": "API List"})
    (lead,) = company.create({"firstName": "Person", "lastName": "1"})
    company.call("addListMember", listID=made, memberID=lead)
    return company.envelope("getListMembers", {"where": {"id": made}})


def users(company: Company, _: Any) -> Any:
    return company.envelope("getUserProfiles", {"where": {}})


def subscription(company: Company, _: Any) -> Any:
    return company.envelope("subscribeToLeadUpdates", {"url": "https://example.com/"})


def logged_call(company: Company, _: Any) -> Any:
    (lead,) = company.create({})
    (user,) = company.call("getUserProfiles")
    logged = {"userID": user["id"], "leadID": lead, "direction": "incoming", "createTimestamp": "2026-03-14 09:26:53"}
    return company.envelope("logCalls", {"objects": [logged]})


ANSWERS: dict[str, list[Caller]] = {
    "envelope": [get_all_leads],
    "errors": [wrong_parameter],
    "events": [events, timeline, logged_call],
    "fields": [field],
    "leads": [create_leads, update_of_nothing, get_leads],
    "lists": [active_list, list_member],
    "methods": [users],
    "pushes": [subscription],
}
"""How to get an answer like each captured one, in the order of the page. A request stands before its answer."""


@pytest.mark.parametrize("page", ANSWERS)
def test_captured_calls_work_and_our_answers_have_their_shape(page: str, given_company: Callable[..., Company]) -> None:
    company = given_company(captured_calls=True)
    captured = [json.loads(text) for _, text in blocks(WIRE / f"{page}.md", "json")]
    requests = [block for block in captured if "method" in block]
    answers = [block for block in captured if "method" not in block]
    for caller in ANSWERS[page]:
        takes_request = caller in {get_all_leads, create_leads, get_leads}
        ours = caller(company, requests.pop(0) if takes_request else {})
        if ours is not None:
            same_shape(answers.pop(0), ours, f"{page}: {caller.__name__}")
    assert not requests
    assert not answers


def same_shape(theirs: Any, ours: Any, where: str) -> None:
    """Compares keys in their order, and types. A captured null says nothing about the type."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert [name for name in ours if name in theirs] == list(theirs), where
        for name, value in theirs.items():
            same_shape(value, ours[name], f"{where}.{name}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert bool(theirs) == bool(ours), where
        for one, other in zip(theirs, ours, strict=False):
            same_shape(one, other, f"{where}[]")
    elif theirs is not None and ours is not None:
        assert type(theirs) is type(ours), where


def test_every_page_of_the_wire_with_a_captured_call_is_tried() -> None:
    assert {page.stem for page in WIRE.glob("*.md") if blocks(page, "json")} == set(ANSWERS)
