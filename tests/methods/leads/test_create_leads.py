"""createLeads, rule by rule (docs/wire/leads.md#createleads)."""

import itertools
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from support import Company, new_email

CAPTURED = [
    "id", "accountID", "ownerID", "companyName", "title", "firstName", "lastName", "street", "city", "country", "state",
    "zipcode", "emailAddress", "website", "phoneNumber", "officePhoneNumber", "phoneNumberExtension",
    "mobilePhoneNumber", "faxNumber", "description", "campaignID", "leadScore", "industry", "active", "isUnsubscribed",
    "updateTimestamp", "leadScoreWeighted", "leadStatus",
]  # fmt: skip

TAKEN = {"code": 301, "message": "Entry already exists", "data": []}


def params(error: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The wrong fields of a refused lead, with their messages."""
    assert error is not None
    assert (error["code"], error["message"]) == (205, "Invalid parameters")
    return [(problem["param"], problem["message"]) for problem in error["data"]["params"]]


def test_the_example_of_the_reference_is_answered_to_the_letter(company: Company) -> None:
    shoe = company.field("Shoe size")

    answer = company.envelope(
        "createLeads",
        {
            "objects": [
                {
                    "emailAddress": "lead.one@example.com",
                    "firstName": "Lead",
                    "lastName": "One",
                    "leadStatus": "open",
                    shoe: "12",
                },
                {"emailAddress": "LEAD.ONE@example.com"},
            ]
        },
        id="r1",
    )

    first, second = answer["result"]["creates"]
    assert isinstance(first["id"], int)
    assert first["id"] < 2**53
    assert answer == {
        "result": {
            "creates": [{"success": True, "error": None, "id": first["id"]}, {"success": False, "error": TAKEN}]
        },
        "error": [TAKEN],
        "id": "r1",
    }
    assert list(answer) == ["result", "error", "id"]
    assert list(first) == ["success", "error", "id"]
    assert list(second) == ["success", "error"]
    assert list(second["error"]) == ["code", "message", "data"]


def test_without_refusals_the_error_is_an_empty_list(company: Company) -> None:
    assert company.envelope("createLeads", {"objects": [{"emailAddress": new_email()}]})["error"] == []


def test_a_created_lead_is_read_back_as_it_was_written(company: Company) -> None:
    (account_id,) = company.make("createAccounts", {"accountName": "Company One"})
    (campaign_id,) = company.make("createCampaigns", {"campaignName": "Campaign One"})
    written = {
        "accountID": str(account_id), "companyName": "Company One", "title": "VPOP", "firstName": "Lead",
        "lastName": "One", "street": "555 SW 5th St", "city": "Gainesville", "country": "United States",
        "state": "FL", "zipcode": "32601",
        "emailAddress": "Lead.One@Example.com", "website": "www.leadone.com", "phoneNumber": "5555555555",
        "officePhoneNumber": "0987654321", "phoneNumberExtension": "55", "mobilePhoneNumber": "3333333333",
        "faxNumber": "8888888888",
        "description": 'a < b & "c" &lt; \u65e5\u672c\u8a9e \U0001f600\n',
        "campaignID": str(campaign_id),
        "leadScore": "20", "industry": "Finance", "active": "1", "isUnsubscribed": "0", "leadScoreWeighted": "20",
        "leadStatus": "qualified", "persona": "Buyer", "trackingID": "54ff",
    }  # fmt: skip

    (lead_id,) = company.create(written)

    lead = company.lead(lead_id)
    assert {name: lead[name] for name in written} == written
    assert lead["id"] == str(lead_id)


def test_a_lead_has_all_columns_in_the_captured_order_then_custom_fields_by_system_name(company: Company) -> None:
    custom = [company.field(label) for label in ("Zebra", "apple", "Mango")]

    (lead_id,) = company.create({})

    names = list(company.lead(lead_id))
    assert names[: len(CAPTURED)] == CAPTURED
    assert names[len(CAPTURED) : -3] == [
        "createTimestamp", "isQualified", "isContact", "isCustomer", "status", "persona", "trackingID",
    ]  # fmt: skip
    assert names[-3:] == sorted(custom)


def test_the_defaults_of_a_lead(company: Company) -> None:
    shoe = company.field("Shoe size")

    (lead_id,) = company.create({"emailAddress": "lead.one@example.com"})

    lead = company.lead(lead_id)
    stamps = {lead.pop("createTimestamp"), lead.pop("updateTimestamp")}
    assert len(stamps) == 1
    given = {name: value for name, value in lead.items() if value is not None}
    assert given == {
        "id": str(lead_id),
        "emailAddress": "lead.one@example.com",
        "leadScore": "0",
        "leadScoreWeighted": "0",
        "active": "1",
        "leadStatus": "unqualified",
        "status": "unqualified",
        "isQualified": "0",
        "isContact": "0",
        "isCustomer": "0",
        shoe: "",
    }


@pytest.mark.parametrize("sent", ["0", 0, "", None, "abc", 12, [1], {"a": 1}])
def test_an_id_is_ignored(company: Company, sent: Any) -> None:
    (lead_id,) = company.create({"id": sent})

    assert lead_id not in {0, 12}


@pytest.mark.parametrize(
    "name",
    ["updateTimestamp", "createTimestamp", "isQualified", "isContact", "isCustomer", "status", "crmID", "numBounces",
     "hardBounced", "hasOpportunity"],
)  # fmt: skip
@pytest.mark.parametrize("sent", [1478711902000, "2016-11-09 17:18:22", "", None])
def test_a_read_only_column_is_ignored(company: Company, name: str, sent: Any) -> None:
    (plain, other) = company.create({}, {name: sent})

    assert company.lead(plain)["status"] == company.lead(other)["status"]
    assert company.lead(plain)["createTimestamp"] == company.lead(other)["createTimestamp"]


def test_ids_made_in_one_call_follow_each_other_in_steps_of_1024(company: Company) -> None:
    ids = company.create(*[{"emailAddress": f"{letter}@example.com"} for letter in "abc"])

    assert {second - first for first, second in itertools.pairwise(ids)} == {1024}
    assert all(10**11 <= lead_id < 2**53 for lead_id in ids)


# Unique addresses (docs/wire/leads.md#uniqueness)


@pytest.mark.parametrize(
    "again", ["lead.one@example.com", "LEAD.ONE@EXAMPLE.COM", " lead.one@example.com ", "Lead.One@example.com."]
)
def test_addresses_are_unique_regardless_of_case(company: Company, again: str) -> None:
    company.create({"emailAddress": "lead.one@example.com"})

    assert company.refusal("createLeads", {"emailAddress": again}) == TAKEN


def test_the_case_of_an_address_is_kept(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "Lead.ONE@Example.com"})

    assert company.lead(lead_id)["emailAddress"] == "Lead.ONE@Example.com"


def test_an_inactive_lead_keeps_its_address(company: Company) -> None:
    company.create({"emailAddress": "lead.one@example.com", "active": 0})

    assert company.code("createLeads", {"emailAddress": "lead.one@example.com"}) == 301


def test_the_second_of_two_leads_of_one_call_with_one_address_gets_301(company: Company) -> None:
    first, second, third = company.call(
        "createLeads",
        objects=[
            {"emailAddress": "a@example.com", "firstName": "1"},
            {"emailAddress": "A@example.com"},
            {"emailAddress": "b@example.com"},
        ],
    )

    assert (first["success"], second["error"], third["success"]) == (True, TAKEN, True)
    assert company.lead(first["id"])["firstName"] == "1"


def test_a_refused_lead_blocks_no_address_for_a_later_one_of_the_same_call(company: Company) -> None:
    outcomes = company.call(
        "createLeads",
        objects=[
            {"emailAddress": "a@example.com", "firstName": "x" * 51},
            {"emailAddress": "a@example.com", "ownerID": 1},
            {"emailAddress": "A@example.com", "ownerID": 2},
            {"emailAddress": "a@example.com", "firstName": "this one"},
            {"emailAddress": "a@example.com"},
        ],
    )

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [205, 303, 303, None, 301]
    assert company.lead(outcomes[3]["id"])["firstName"] == "this one"


def test_another_company_can_have_the_same_address(company: Company, given_company: Callable[..., Company]) -> None:
    company.create({"emailAddress": "lead.one@example.com"})

    given_company().create({"emailAddress": "lead.one@example.com"})


@pytest.mark.parametrize(
    "address", ["not an address", "a@b@c", "@", "\u00fc@\u00fc", "x" * 150, "a b", "<a@example.com>"]
)
def test_the_syntax_of_an_address_is_not_checked(company: Company, address: str) -> None:
    (lead_id,) = company.create({"emailAddress": address})

    assert company.lead(lead_id)["emailAddress"] == address


@pytest.mark.parametrize("address", ["", " ", "\t\n", "\u00a0"])
def test_an_empty_address_is_205(company: Company, address: str) -> None:
    assert params(company.refusal("createLeads", {"emailAddress": address})) == [
        ("emailAddress", "Expected an email address, not an empty text")
    ]


def test_a_lead_without_an_address_is_205_with_the_valid_fields(company: Company) -> None:
    assert company.refusal("createLeads", {"firstName": "Lead"}) == {
        "code": 205,
        "message": "Invalid parameters",
        "data": {
            "params": [
                {
                    "param": "emailAddress",
                    "message": "Required parameter is missing",
                    "validFormat": {"type": "varchar", "length": 150, "required": True},
                }
            ]
        },
    }


# One refused object does not stop the others (docs/wire/envelope.md#outcomes)


def test_every_wrong_field_of_a_lead_is_named(company: Company) -> None:
    refused = company.refusal("createLeads", {"firstName": "x" * 51, "leadScore": "many", "active": 7, "nickname": "x"})

    assert params(refused) == [
        ("firstName", "Expected at most 50 characters, got 51"),
        ("leadScore", "Expected data of type integer, from -32768 to 32767"),
        ("active", "Expected 0 or 1"),
        ("nickname", "Unknown parameter"),
        ("emailAddress", "Required parameter is missing"),
    ]


def test_the_error_list_holds_the_errors_of_the_refused_objects_in_order(company: Company) -> None:
    objects: list[Any] = [
        {"emailAddress": "a@example.com"},
        {"emailAddress": "A@example.com"},
        5,
        {"emailAddress": "b@example.com", "leadScore": "x"},
        {"emailAddress": "c@example.com", "title": [1]},
        {"emailAddress": "d@example.com", "ownerID": 5},
        None,
        {"emailAddress": "e@example.com"},
    ]

    answer = company.envelope("createLeads", {"objects": objects})

    outcomes = answer["result"]["creates"]
    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [
        None,
        301,
        208,
        205,
        210,
        303,
        208,
        None,
    ]
    assert answer["error"] == [outcome["error"] for outcome in outcomes if not outcome["success"]]
    assert ["id" in outcome for outcome in outcomes] == [outcome["success"] for outcome in outcomes]


def test_an_unknown_field_is_205_with_the_valid_names(company: Company) -> None:
    shoe = company.field("Shoe size")

    refused = company.refusal("createLeads", {"emailAddress": new_email(), "Firstname": "x"})

    assert refused is not None
    assert params(refused) == [("Firstname", "Unknown parameter")]  # names are case-sensitive (docs/wire/values.md)
    assert {"accountID", "active", "firstName", shoe} <= set(refused["data"]["validParams"])
    assert "crmID" not in refused["data"]["validParams"]


@pytest.mark.parametrize("value", [[], ["x"], {}, {"a": 1}])
def test_a_list_or_hash_for_a_single_value_is_210(company: Company, value: Any) -> None:
    refused = company.refusal("createLeads", {"emailAddress": new_email(), "title": value})

    assert refused is not None
    assert (refused["code"], refused["message"]) == (210, "Got array, expected variable")
    assert refused["data"]["params"][0]["param"] == "title"


# The list of objects (docs/wire/leads.md#createleads)


@pytest.mark.parametrize("params_", [{}, {"objects": None}, {"objects": ""}, {"emailAddress": "a@example.com"}, []])
def test_no_objects_is_207(company: Company, params_: Any) -> None:
    error = company.envelope("createLeads", params_)["error"]

    assert (error["code"], error["message"]) == (207, "Missing objects array")


@pytest.mark.parametrize("objects", [5, "x", True, 0])
def test_a_scalar_for_the_objects_is_208(company: Company, objects: Any) -> None:
    error = company.error("createLeads", objects=objects)

    assert (error["code"], error["message"]) == (208, "Object is malformed (expected array, got scalar)")


@pytest.mark.parametrize("wrong", [5, "x", None, True, ["a"], [{"emailAddress": "a@example.com"}]])
def test_an_element_that_is_not_an_object_is_208_alone(company: Company, wrong: Any) -> None:
    outcomes = company.call("createLeads", objects=[wrong, {"emailAddress": new_email()}])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [208, None]


def test_an_empty_array_of_php_is_an_object_without_members(company: Company) -> None:
    assert company.refusal("createLeads", []) == company.refusal("createLeads", {})


def test_an_empty_list_of_objects_is_an_empty_result(company: Company) -> None:
    for empty in ([], {}):
        answer = company.envelope("createLeads", {"objects": empty})
        assert (answer["result"], answer["error"]) == ({"creates": []}, [])


def test_keys_of_the_objects_are_ignored(company: Company) -> None:
    outcomes = company.call(
        "createLeads", objects={"7": {"emailAddress": "a@example.com"}, "x": {"emailAddress": "A@example.com"}}
    )

    assert [outcome["success"] for outcome in outcomes] == [True, False]


def test_limits_and_unknown_parameters_are_ignored(company: Company) -> None:
    answer = company.envelope(
        "createLeads", {"objects": [{"emailAddress": new_email()}], "limit": "", "offset": "", "x": {}}
    )

    assert answer["error"] == []


def test_500_leads_are_created_in_one_call_and_501_are_209(company: Company) -> None:
    leads = [{"emailAddress": f"lead{number}@example.com"} for number in range(501)]

    error = company.error("createLeads", objects=leads)
    ids = company.create(*leads[:500])

    assert (error["code"], error["message"]) == (209, "Attempting to execute an excess amount of queries")
    assert error["data"]["limit"] == 500
    assert len(set(ids)) == 500
    assert len(company.call("getLeads", where={})) == 500


def test_a_company_can_have_its_own_limit_of_objects(given_company: Callable[..., Company]) -> None:
    company = given_company(objects_per_call=2)

    company.create({}, {})

    assert company.error("createLeads", objects=[{}, {}, {}])["code"] == 209


# The switch for clients written from the vendor's documents (docs/wire/envelope.md#successful-writes)


def test_a_key_can_get_null_as_the_error_of_a_successful_write(given_company: Callable[..., Company]) -> None:
    company = given_company(plain_success=True)

    clean = company.envelope("createLeads", {"objects": [{"emailAddress": "a@example.com"}]})
    unclean = company.envelope("createLeads", {"objects": [{"emailAddress": "a@example.com"}]})

    assert clean["error"] is None
    assert unclean["error"] == [TAKEN]
    assert company.envelope("createLeads", {"objects": []})["error"] is None
    assert company.error("createLeads")["code"] == 207


def test_ids_rise_by_1024_in_the_order_sent(company: Company) -> None:
    """Clients page by id, so they read the leads of a call in the order sent (docs/wire/values.md)."""
    ids = company.create(*({"emailAddress": f"{name}.{new_email()}"} for name in ("z", "b", "y", "a")))

    assert [later - earlier for earlier, later in pairwise(ids)] == [1024, 1024, 1024]
