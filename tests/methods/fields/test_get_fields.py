"""getFields, rule by rule (docs/wire/fields.md#getfields)."""

from collections.abc import Callable
from typing import Any

import pytest

from springhead.model.kit.fields import SYSTEM_FIELDS
from springhead.model.sales.accounts import ACCOUNT
from springhead.model.sales.opportunities import OPPORTUNITY
from support import Company

CAPTURED = {
    "relationship": "lead",
    "label": "API Big Text Area",
    "source": "sharpspring",
    "dataType": "textarea",
    "dataLength": "10000",
    "isRequired": "0",
    "isCustom": "1",
    "isAvailableInContactManager": "1",
    "isEditableInContactManager": "1",
    "isAvailableInForms": "0",
    "isActive": "1",
}
ORDER = [
    "id", "relationship", "systemName", "label", "source", "dataType", "dataLength", "isRequired", "isCustom",
    "isAvailableInContactManager", "isEditableInContactManager", "isAvailableInForms", "isActive",
]  # fmt: skip


@pytest.fixture
def three(company: Company) -> Company:
    """A company with a custom field of each relationship."""
    new = [
        {"relationship": "lead", "dataType": "string", "label": "Shoe size"},
        {"relationship": "opportunity", "dataType": "picklist", "label": "Region"},
        {"relationship": "account", "dataType": "phone", "label": "Hotline", "isActive": 0},
    ]
    assert company.envelope("createFields", {"objects": new})["error"] == []
    return company


def labels(company: Company, **params: Any) -> list[str]:
    return [field["label"] for field in company.call("getFields", **params)]


def test_the_example_of_the_reference_is_answered_to_the_letter(company: Company) -> None:
    company.call(
        "createFields", objects=[{"relationship": "lead", "dataType": "textarea", "label": "API Big Text Area"}]
    )

    answer = company.envelope("getFields", {"where": {"isCustom": "1"}, "limit": "5", "offset": "0"}, id="")

    (field,) = answer["result"]["field"]
    assert list(field) == ORDER
    assert {name: field[name] for name in CAPTURED} == CAPTURED
    assert field["systemName"].startswith("api_big_text_area_")
    assert int(field["id"]) > 0
    assert (answer["error"], answer["id"]) == (None, "")


def test_system_fields_come_first_then_custom_ones_of_all_relationships_in_the_order_made(three: Company) -> None:
    fields = three.call("getFields", where={})

    assert [field["systemName"] for field in fields[:-3]] == [field.system_name for field in SYSTEM_FIELDS]
    assert [field["label"] for field in fields[-3:]] == ["Shoe size", "Region", "Hotline"]
    assert {field["isCustom"] for field in fields[:-3]} == {"0"}
    assert len({field["id"] for field in fields}) == len(fields)


def test_every_relationship_lists_its_system_fields(company: Company) -> None:
    by_relationship = {
        relationship: [field["systemName"] for field in company.call("getFields", where={"relationship": relationship})]
        for relationship in ("lead", "opportunity", "account")
    }

    assert by_relationship["account"] == [column.name for column in ACCOUNT.columns]
    assert by_relationship["opportunity"] == [column.name for column in OPPORTUNITY.columns]
    assert sum(map(len, by_relationship.values())) == len(SYSTEM_FIELDS)


def test_the_systems_list_is_the_captured_one_not_the_leads_columns(company: Company) -> None:
    names = {field["systemName"] for field in company.call("getFields", where={"relationship": "lead"})}

    assert {"crmID", "numBounces", "hardBounced", "hasOpportunity", "isQualified", "isContact", "emailAddress"} <= names
    assert not {"accountID", "active"} & names


def test_system_fields_have_the_systems_data_types(company: Company) -> None:
    types = {field["systemName"]: field["dataType"] for field in company.call("getFields", where={})}

    assert (types["emailAddress"], types["leadScore"], types["isUnsubscribed"]) == ("email", "int", "bit")
    assert (types["firstName"], types["description"], types["leadStatus"]) == ("string", "text", "picklist")


@pytest.mark.parametrize("where", [[], {}, None, ""])
def test_an_empty_where_is_all_fields(three: Company, where: Any) -> None:
    assert len(labels(three, where=where)) == len(SYSTEM_FIELDS) + 3


def test_a_missing_where_is_206(company: Company) -> None:
    assert company.error("getFields")["code"] == 206
    assert company.envelope("getFields", [])["error"]["code"] == 206


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"isCustom": "1"}, ["Shoe size", "Region", "Hotline"]),
        ({"isCustom": 1, "relationship": "account"}, ["Hotline"]),  # all filters must match
        ({"label": "Shoe size"}, ["Shoe size"]),
        ({"label": "shoe size"}, []),
        ({"label": ["Region", "Hotline"]}, ["Region", "Hotline"]),
        ({"dataType": "phone"}, ["Hotline"]),
        ({"isActive": "0"}, ["Hotline"]),
        ({"systemName": "emailAddress"}, ["Email address"]),
        ({"systemName": "EmailAddress"}, []),
        ({"systemName": "nothing"}, []),
        ({"id": 1}, []),
        ({"id": []}, []),
    ],
)
def test_fields_are_filtered(three: Company, where: dict[str, Any], expected: list[str]) -> None:
    assert labels(three, where=where) == expected


def test_a_field_is_found_by_id_and_by_system_name_custom_or_not(three: Company) -> None:
    fields = {field["label"]: field for field in three.call("getFields", where={})}

    for field in (fields["Email address"], fields["Hotline"]):
        assert three.call("getFields", where={"id": field["id"]}) == [field]
        assert three.call("getFields", where={"id": int(field["id"])}) == [field]
        assert three.call("getFields", where={"systemName": field["systemName"]}) == [field]
    two = [fields["Region"], fields["Hotline"]]
    assert three.call("getFields", where={"id": [field["id"] for field in two]}) == two


def test_a_page_of_fields(three: Company) -> None:
    every = labels(three, where={})

    assert labels(three, where={}, limit=2) == every[:2]
    assert labels(three, where={}, limit="2", offset="1") == every[1:3]
    assert labels(three, where={}, limit="", offset="") == every
    assert labels(three, where={}, limit=0) == []
    assert labels(three, where={}, offset=len(every)) == []
    assert labels(three, where={}, limit=2**63 - 1, offset=2**63 - 1) == []
    assert labels(three, where={"isCustom": 1}, limit=1, offset=1) == ["Region"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"where": {"source": "x"}}, 205),
        ({"where": {"dataLength": 5}}, 205),
        ({"where": {"id": "x"}}, 205),
        ({"where": {"id": {}}}, 210),
        ({"where": {"isCustom": "maybe"}}, 205),
        ({"where": {"relationship": "person"}}, 205),
        ({"where": {"label": "x" * 256}}, 205),
        ({"where": "x"}, 205),
        ({"where": {}, "limit": -1}, 205),
        ({"where": {}, "offset": "x"}, 205),
        ({"where": {}, "offset": []}, 210),
    ],
)
def test_a_wrong_filter_is_refused(company: Company, params: dict[str, Any], code: int) -> None:
    assert company.error("getFields", **params)["code"] == code


def test_only_a_field_with_options_shows_them_and_shows_them_last(company: Company) -> None:
    company.field("Size", "picklist", options=["S", "M"])
    company.field("Free", "picklist")

    size, free = company.call("getFields", where={"isCustom": 1})

    assert list(size) == [*ORDER, "options"]
    assert size["options"] == ["S", "M"]
    assert list(free) == ORDER


def test_another_companys_fields_are_not_there(three: Company, given_company: Callable[..., Company]) -> None:
    (field,) = three.call("getFields", where={"label": "Region"})
    other = given_company()

    assert labels(other, where={"isCustom": 1}) == []
    assert labels(other, where={"id": field["id"]}) == []
    assert labels(other, where={"systemName": field["systemName"]}) == []
