"""createLeads, value by value: types, lengths, null, statuses, references and custom fields (docs/wire/leads.md)."""

from collections.abc import Callable
from typing import Any

import pytest

from springhead.model.kit.fields import DATA_TYPES
from springhead.model.leads.leads import LEAD
from support import Company, new_email

NULLABLE = ["accountID", "ownerID", "campaignID", "isUnsubscribed", "active"]


def params(error: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The wrong fields of a refused lead, with their messages."""
    assert error is not None
    assert (error["code"], error["message"]) == (205, "Invalid parameters")
    return [(problem["param"], problem["message"]) for problem in error["data"]["params"]]


# Values of all types (docs/wire/values.md)


@pytest.mark.parametrize("name", NULLABLE)
def test_null_is_accepted_where_the_vendor_accepts_it(company: Company, name: str) -> None:
    (lead_id,) = company.create({name: None})

    assert company.lead(lead_id)[name] == ("1" if name == "active" else None)


@pytest.mark.parametrize("name", [column.name for column in LEAD.writable_columns if column.name not in NULLABLE])
def test_null_is_205_everywhere_else(company: Company, name: str) -> None:
    refused = company.refusal("createLeads", {"emailAddress": new_email(), name: None})

    assert [param for param, _ in params(refused)] == [name]


@pytest.mark.parametrize(
    "name", ["accountID", "ownerID", "campaignID", "leadScore", "leadScoreWeighted", "active", "isUnsubscribed"]
)
def test_an_empty_text_for_a_number_is_205(company: Company, name: str) -> None:
    refused = company.refusal("createLeads", {"emailAddress": new_email(), name: ""})

    assert [param for param, _ in params(refused)] == [name]


def test_an_empty_text_is_distinct_from_no_text(company: Company) -> None:
    (lead_id,) = company.create({"title": ""})

    assert (company.lead(lead_id)["title"], company.lead(lead_id)["city"]) == ("", None)


@pytest.mark.parametrize(("sent", "read"), [(0, "0"), (1, "1"), ("0", "0"), ("1", "1"), (True, "1"), (False, "0")])
def test_a_flag_is_read_as_0_or_1_however_it_was_sent(company: Company, sent: Any, read: str) -> None:
    (lead_id,) = company.create({"isUnsubscribed": sent, "active": sent})

    assert (company.lead(lead_id)["isUnsubscribed"], company.lead(lead_id)["active"]) == (read, read)


@pytest.mark.parametrize(("sent", "read"), [(20, "20"), ("20", "20"), (-5, "-5"), (32767, "32767")])
def test_a_score_is_read_as_a_string_however_it_was_sent(company: Company, sent: Any, read: str) -> None:
    (lead_id,) = company.create({"leadScore": sent, "leadScoreWeighted": sent})

    assert (company.lead(lead_id)["leadScore"], company.lead(lead_id)["leadScoreWeighted"]) == (read, read)


@pytest.mark.parametrize("name", ["leadScore", "accountID"])
@pytest.mark.parametrize("sent", [2**63, -(2**63), "9" * 30, 1.5, True, "x"])
def test_a_number_out_of_range_or_with_a_fraction_is_205(company: Company, name: str, sent: Any) -> None:
    assert [
        param for param, _ in params(company.refusal("createLeads", {"emailAddress": new_email(), name: sent}))
    ] == [name]


@pytest.mark.parametrize(("sent", "read"), [(5551234, "5551234"), (1.5, "1.5"), ("007", "007")])
def test_a_number_for_a_text_is_stored_as_its_text(company: Company, sent: Any, read: str) -> None:
    (lead_id,) = company.create({"phoneNumber": sent})

    assert company.lead(lead_id)["phoneNumber"] == read


def test_a_text_beyond_its_length_is_refused_and_never_cut(company: Company) -> None:
    longest = "\U0001f600" * 50

    (lead_id,) = company.create({"firstName": longest})

    assert company.lead(lead_id)["firstName"] == longest
    assert params(company.refusal("createLeads", {"emailAddress": new_email(), "firstName": longest + "x"})) == [
        ("firstName", "Expected at most 50 characters, got 51")
    ]


def test_a_nul_is_205_and_its_escaped_text_is_not(company: Company) -> None:
    shoe = company.field("Shoe size")

    for name in ("firstName", "emailAddress", shoe):
        refused = company.refusal("createLeads", {"emailAddress": new_email(), name: "a\0b"})
        assert params(refused) == [(name, "The character NUL (\\u0000) cannot be stored")]
    (lead_id,) = company.create({"firstName": "a\\u0000b"})
    assert company.lead(lead_id)["firstName"] == "a\\u0000b"


def test_a_nul_in_one_lead_does_not_stop_the_others(company: Company) -> None:
    outcomes = company.call(
        "createLeads", objects=[{"emailAddress": "a@example.com"}, {"emailAddress": "b@example.com", "title": "\0"}]
    )

    assert [outcome["success"] for outcome in outcomes] == [True, False]


# leadStatus (docs/wire/leads.md#leadstatus)


@pytest.mark.parametrize("status", ["open", "unqualified", "qualified", "contact", "customer"])
def test_every_status_of_the_vendor_is_accepted(company: Company, status: str) -> None:
    (lead_id,) = company.create({"leadStatus": status})

    lead = company.lead(lead_id)
    assert (lead["leadStatus"], lead["status"]) == (status, status)
    assert [lead["isQualified"], lead["isContact"], lead["isCustomer"]] == [
        "1" if status == wanted else "0" for wanted in ("qualified", "contact", "customer")
    ]


def test_contact_with_opp_is_ignored_with_success(company: Company) -> None:
    (lead_id,) = company.create({"leadStatus": "contactWithOpp"})

    assert company.lead(lead_id)["leadStatus"] == "unqualified"


@pytest.mark.parametrize("status", ["", "Open", "lead", "OPEN ", 0, 1, None, True])
def test_any_other_status_is_205(company: Company, status: Any) -> None:
    refused = company.refusal("createLeads", {"emailAddress": new_email(), "leadStatus": status})

    assert params(refused) == [
        ("leadStatus", "Expected one of: open, unqualified, qualified, contact, contactWithOpp, customer")
    ]


# References (docs/wire/leads.md#references)


def test_an_owner_is_a_user_of_the_company(company: Company, given_company: Callable[..., Company]) -> None:
    (own,) = company.call("getUserProfiles")
    (foreign,) = given_company().call("getUserProfiles")

    (lead_id,) = company.create({"ownerID": own["id"]})

    assert company.lead(lead_id)["ownerID"] == own["id"]
    refused = company.refusal("createLeads", {"emailAddress": new_email(), "ownerID": foreign["id"]})
    assert refused is not None
    assert refused["code"] == 303
    assert refused["message"] == "Cannot add or update a child row: a foreign key constraint fails"
    assert refused["data"]["params"][0]["param"] == "ownerID"


def test_a_taken_address_with_an_unknown_owner_has_one_error(company: Company) -> None:
    company.create({"emailAddress": "a@example.com"})

    assert company.code("createLeads", {"emailAddress": "a@example.com", "ownerID": 1}) == 303


# Custom fields (docs/wire/leads.md#custom-fields)


@pytest.mark.parametrize("data_type", DATA_TYPES["lead"])
def test_a_custom_field_of_every_type_is_empty_when_unset_and_keeps_what_is_set(
    company: Company, data_type: str
) -> None:
    name = company.field("Custom", data_type)
    value = {
        "date": "2024-02-29",
        "datetime": "2024-02-29 10:00:00",
        "boolean": "1",
        "bit": "0",
        "url": "example.com",
    }.get(data_type, "x")

    unset, cleared, null, given = company.create({}, {name: ""}, {name: None}, {name: value})

    assert [company.lead(lead_id)[name] for lead_id in (unset, cleared, null, given)] == ["", "", "", value]


@pytest.mark.parametrize(
    ("data_type", "wrong"),
    [("date", "2024-02-30"), ("datetime", "2024-02-29"), ("boolean", "yes"), ("bit", 2), ("url", "a b")],
)
def test_a_custom_field_refuses_values_of_other_types(company: Company, data_type: str, wrong: Any) -> None:
    name = company.field("Custom", data_type)

    assert [
        param for param, _ in params(company.refusal("createLeads", {"emailAddress": new_email(), name: wrong}))
    ] == [name]


def test_a_custom_field_counts_characters_up_to_its_length(company: Company) -> None:
    name = company.field("Short", dataLength=3)

    (lead_id,) = company.create({name: "\U0001f600" * 3})

    assert company.lead(lead_id)[name] == "\U0001f600" * 3
    assert params(company.refusal("createLeads", {"emailAddress": new_email(), name: "four"})) == [
        (name, "Expected at most 3 characters, got 4")
    ]


@pytest.mark.parametrize("data_type", ["picklist", "radio"])
def test_a_field_with_options_takes_one_of_them(company: Company, data_type: str) -> None:
    name = company.field("Size", data_type, options=["S", "M"])

    (lead_id,) = company.create({name: "M"})

    assert company.lead(lead_id)[name] == "M"
    refused = company.refusal("createLeads", {"emailAddress": new_email(), name: "L"})
    assert params(refused) == [(name, "Expected one of: S, M")]
    assert refused is not None
    assert refused["data"]["params"][0]["validFormat"]["options"] == ["S", "M"]


def test_a_checkbox_field_takes_several_options_as_text_or_list(company: Company) -> None:
    name = company.field("Colours", "checkbox", options=["red", "green", "blue"])

    text, many = company.create({name: "red,blue"}, {name: ["green", "red"]})

    assert [company.lead(text)[name], company.lead(many)[name]] == ["red,blue", "green,red"]
    assert company.code("createLeads", {"emailAddress": new_email(), name: ["red", "pink"]}) == 205


def test_a_field_of_an_account_is_unknown_on_a_lead(company: Company) -> None:
    company.call("createFields", objects=[{"relationship": "account", "dataType": "string", "label": "Branch"}])
    (field,) = company.call("getFields", where={"isCustom": 1})

    assert company.code("createLeads", {"emailAddress": new_email(), field["systemName"]: "x"}) == 205
