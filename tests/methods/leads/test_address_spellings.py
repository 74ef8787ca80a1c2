"""Spellings of an address are one lead, and a spelling is no change (docs/wire/values.md#email-addresses)."""

from typing import Any

import pytest

from support import Company

SPELLINGS = {
    "a byte order mark before it": "\ufeffann@example.com",
    "a zero width space after the name": "ann\u200b@example.com",
    "joiners between letters": "an\u200dn@exam\u200cple.com",
    "soft hyphens": "ann@exam\u00adple.com",
    "bidirectional marks around it": "\u202aann@example.com\u202c\u200e",
    "no-break spaces around it": "\u00a0ann@example.com\u202f",
    "a no-break space inside": "ann\u00a0@example.com",
    "a word joiner": "ann@\u2060example.com",
    "a control character": "ann\u0007@example.com",
    "spaces and line ends around it": " \tann@example.com\r\n",
    "ideographic spaces around it": "\u3000ann@example.com\u3000",
}


def outcomes(company: Company, method: str, *leads: dict[str, Any]) -> list[int | None]:
    result = company.call(method, objects=list(leads))
    return [outcome["error"] and outcome["error"]["code"] for outcome in result]


def changes(company: Company) -> int:
    """The number of entries in the feed, each of which is pushed."""
    return len(company.envelope("getLeadChanges", {"limit": 500})["result"]["leadChange"])


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_invisible_characters_and_outer_space_are_no_part_of_an_address(company: Company, spelling: str) -> None:
    (lead_id,) = company.create({"emailAddress": spelling})

    assert company.lead(lead_id)["emailAddress"] == "ann@example.com"
    assert company.code("createLeads", {"emailAddress": "ann@example.com"}) == 301
    assert company.code("createLeads", {"emailAddress": spelling.upper()}) == 301
    for address in (spelling, "ann@example.com"):
        (row,) = company.call("getLeads", where={"emailAddress": address})
        assert row["id"] == str(lead_id)
        (row,) = company.call("searchLeads", filter={"emailAddress": [address]})
        assert row["id"] == str(lead_id)


def test_an_address_of_invisible_characters_alone_is_refused_as_an_empty_one(company: Company) -> None:
    (lead_id,) = company.create({})
    for address in ("\ufeff", " \u200b\u00a0 ", "\u00ad"):
        assert company.code("createLeads", {"emailAddress": address}) == 205
        assert company.code("updateLeads", {"id": lead_id, "emailAddress": address}) == 205
        assert company.code("upsertLeads", {"emailAddress": address}) == 205


def test_joiners_that_words_need_stay_in_the_address_and_do_not_make_a_second_lead(company: Company) -> None:
    address = "info@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example"
    (lead_id,) = company.create({"emailAddress": address})

    assert company.lead(lead_id)["emailAddress"] == address
    assert company.code("createLeads", {"emailAddress": address.replace("\u200c", "")}) == 301


@pytest.mark.parametrize("method", ["updateLeads", "updateLeadsV2", "upsertLeads"])
@pytest.mark.parametrize("spelling", [" ANN@EXAMPLE.COM ", "Ann@Example.com.", *SPELLINGS.values()])
def test_an_address_that_finds_the_lead_is_not_written(company: Company, method: str, spelling: str) -> None:
    (lead_id,) = company.create({"emailAddress": "ann@example.com", "city": "Rome"})
    before, known = company.lead(lead_id), changes(company)

    lead = {"emailAddress": spelling}
    expected = None if method == "upsertLeads" else 302
    assert outcomes(company, method, lead, {**lead, "city": "Rome"}) == [expected] * 2

    assert company.lead(lead_id) == before
    assert changes(company) == known


def test_two_systems_that_spell_an_address_differently_do_not_change_it_in_turns(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "ann@example.com"})
    known = changes(company)

    for number, spelling in enumerate(["ANN@EXAMPLE.COM", "ann@example.com", "Ann@Example.Com"]):
        assert outcomes(company, "updateLeads", {"emailAddress": spelling, "city": f"Rome {number}"}) == [None]

    assert company.lead(lead_id)["emailAddress"] == "ann@example.com"
    assert changes(company) == known + 3
    events = company.call("getLeadTimeline", where={"whoID": lead_id, "eventSource": "leadUpdate"})
    assert not any("emailAddress" in event["eventData"] for event in events)


def test_another_spelling_sent_with_the_id_is_stored(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "ANN@example.com"})

    assert outcomes(company, "updateLeads", {"id": lead_id, "emailAddress": "Ann@Example.com\u200b"}) == [None]
    assert outcomes(company, "updateLeads", {"id": lead_id, "emailAddress": " Ann@Example.com"}) == [302]

    assert company.lead(lead_id)["emailAddress"] == "Ann@Example.com"


@pytest.mark.parametrize("name", ["title", "description", "phoneNumber"])
@pytest.mark.parametrize("method", ["updateLeads", "updateLeadsV2", "upsertLeads"])
def test_an_empty_text_on_an_empty_field_is_a_success_without_event_and_push(
    company: Company, name: str, method: str
) -> None:
    (lead_id,) = company.create({})
    before, known = company.lead(lead_id), changes(company)

    lead = {"id": lead_id, name: ""}
    again = None if method == "upsertLeads" else 302
    assert outcomes(company, method, lead, lead) == [None, again]

    assert company.lead(lead_id) == before | {name: ""}  # with the updateTimestamp of before
    assert changes(company) == known
    (second_id,) = company.create({})
    assert outcomes(company, method, {"id": second_id, name: "", "city": "Rome"}) == [None]
    (event,) = company.call("getLeadTimeline", where={"whoID": second_id, "eventSource": "leadUpdate"})
    assert event["eventData"] == '{"city": [null, "Rome"]}'
    assert outcomes(company, method, lead | {name: "555"}, lead) == [None, None]  # a text and none are changes
    assert changes(company) == known + 4


def test_an_empty_value_on_an_empty_custom_field_changes_nothing(company: Company) -> None:
    name = company.field("Nickname")
    (lead_id,) = company.create({})
    known = changes(company)

    assert outcomes(company, "updateLeads", {"id": lead_id, name: ""}) == [302]
    assert outcomes(company, "upsertLeads", {"id": lead_id, name: ""}) == [None]
    assert changes(company) == known


@pytest.mark.parametrize("method", ["addListMembersEmailAddress", "convertLeads", "eraseLeads"])
def test_every_method_finds_a_lead_by_any_spelling_of_its_address(company: Company, method: str) -> None:
    (lead_id,) = company.create({"emailAddress": "ann@example.com"})
    objects: list[dict[str, Any]] = [{"emailAddress": "\ufeffANN\u200b@example.com "}]
    if method == "addListMembersEmailAddress":
        (list_id,) = company.make("createList", {"name": "Readers"})
        objects[0]["listID"] = list_id

    (outcome,) = company.call(method, objects=objects)

    assert outcome["success"], (outcome, lead_id)
