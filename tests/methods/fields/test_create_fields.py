"""createFields, rule by rule (docs/wire/fields.md)."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from springhead.model.kit.fields import CUSTOM_FIELDS_MAX, DATA_TYPES
from support import Company, Server

NEW = {"relationship": "lead", "dataType": "string", "label": "Shoe size"}


def created_field(company: Company, **new: Any) -> dict[str, Any]:
    """The field that createFields makes."""
    (outcome,) = company.call("createFields", objects=[{**NEW, **new}])
    assert outcome["success"], outcome
    (field,) = company.call("getFields", where={"id": outcome["id"]})
    return field


def params(error: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The wrong members of a refused field, with their messages."""
    assert error is not None
    assert (error["code"], error["message"]) == (205, "Invalid parameters")
    return [(problem["param"], problem["message"]) for problem in error["data"]["params"]]


def test_a_created_field_is_answered_with_its_id(company: Company) -> None:
    answer = company.envelope("createFields", {"objects": [NEW]})

    (outcome,) = answer["result"]["creates"]
    assert list(outcome) == ["success", "error", "id"]
    assert isinstance(outcome["id"], int)
    assert (outcome["success"], outcome["error"], answer["error"]) == (True, None, [])


def test_relationship_type_and_label_are_enough(company: Company) -> None:
    field = created_field(company)

    assert re.fullmatch("shoe_size_[0-9a-f]{13}", field.pop("systemName"))
    assert int(field.pop("id")) > 0
    assert field == {
        "relationship": "lead",
        "label": "Shoe size",
        "source": "sharpspring",
        "dataType": "string",
        "dataLength": "255",
        "isRequired": "0",
        "isCustom": "1",
        "isAvailableInContactManager": "1",
        "isEditableInContactManager": "1",
        "isAvailableInForms": "0",
        "isActive": "1",
    }


@pytest.mark.parametrize(
    ("relationship", "data_type"), [(name, data_type) for name, types in DATA_TYPES.items() for data_type in types]
)
def test_a_field_of_every_type_of_every_relationship_can_be_made(
    company: Company, relationship: str, data_type: str
) -> None:
    field = created_field(company, relationship=relationship, dataType=data_type)

    assert (field["relationship"], field["dataType"]) == (relationship, data_type)
    assert field["dataLength"] == ("10000" if data_type == "textarea" else "255")


@pytest.mark.parametrize(
    ("relationship", "data_type"),
    [("account", "textarea"), ("account", "date"), ("opportunity", "radio"), ("opportunity", "url"), ("lead", "int")],
)
def test_a_type_that_the_relationship_does_not_have_is_205(company: Company, relationship: str, data_type: str) -> None:
    refused = company.refusal("createFields", {**NEW, "relationship": relationship, "dataType": data_type})

    ((param, message),) = params(refused)
    assert param == "dataType"
    assert message.startswith("Expected")


def test_the_vendors_sample_is_accepted_and_the_server_makes_the_system_name(company: Company) -> None:
    field = created_field(
        company, systemName="Lead Field", id="5", isCustom="0", source="sharpspring", dataLength="100", isRequired="1",
        isActive="1", isAvailableInContactManager="0", isEditableInContactManager="0", isAvailableInForms=True,
    )  # fmt: skip

    assert field["systemName"].startswith("shoe_size_")
    assert field["id"] != "5"
    assert (field["isCustom"], field["dataLength"], field["isRequired"]) == ("1", "100", "1")
    assert [field[f"is{name}"] for name in ("AvailableInContactManager", "EditableInContactManager")] == ["0", "0"]
    assert field["isAvailableInForms"] == "1"


def test_two_fields_can_have_one_label(company: Company) -> None:
    assert created_field(company)["systemName"] != created_field(company)["systemName"]


@pytest.mark.parametrize("name", ["relationship", "dataType", "label"])
def test_a_missing_required_member_is_205(company: Company, name: str) -> None:
    new = {key: value for key, value in NEW.items() if key != name}

    assert params(company.refusal("createFields", new)) == [(name, "Required parameter is missing")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("relationship", ""),
        ("relationship", "person"),
        ("relationship", None),
        ("dataType", ""),
        ("dataType", "varchar"),
        ("dataType", None),
        ("label", ""),
        ("label", " "),
        ("label", None),
        ("label", "x" * 256),
        ("label", "a\0b"),
        ("source", "acme"),
        ("source", ""),
        ("dataLength", ""),
        ("dataLength", 0),
        ("dataLength", -1),
        ("dataLength", "many"),
        ("dataLength", 65_536),
        ("dataLength", None),
        ("isRequired", "maybe"),
        ("isActive", ""),
        ("colour", "red"),
    ],
)
def test_a_wrong_member_is_205_and_named(company: Company, name: str, value: Any) -> None:
    assert [param for param, _ in params(company.refusal("createFields", {**NEW, name: value}))] == [name]
    assert company.call("getFields", where={"isCustom": 1}) == []


def test_a_list_for_a_single_value_is_210(company: Company) -> None:
    assert company.code("createFields", {**NEW, "label": ["x"]}) == 210


def test_a_refused_field_does_not_stop_the_others(company: Company) -> None:
    answer = company.envelope(
        "createFields", {"objects": [NEW, {**NEW, "label": ""}, 5, {**NEW, "options": 1}, {**NEW, "label": "Hat size"}]}
    )

    errors = [outcome["error"] for outcome in answer["result"]["creates"]]
    assert [error and error["code"] for error in errors] == [None, 205, 208, 205, None]
    assert answer["error"] == [error for error in errors if error]
    assert [field["label"] for field in company.call("getFields", where={"isCustom": 1})] == ["Shoe size", "Hat size"]


# Options: our own addition


@pytest.mark.parametrize("data_type", ["picklist", "radio", "checkbox"])
def test_a_picklist_can_have_options(company: Company, data_type: str) -> None:
    assert created_field(company, dataType=data_type, options=["S", "M", "\U0001f600" * 255])["options"] == [
        "S",
        "M",
        "\U0001f600" * 255,
    ]


@pytest.mark.parametrize("none", [[], None])
def test_empty_options_are_no_options(company: Company, none: Any) -> None:
    assert "options" not in created_field(company, dataType="picklist", options=none)
    assert "options" not in created_field(company, dataType="string", options=none)


@pytest.mark.parametrize("data_type", ["string", "date", "country", "boolean"])
def test_other_types_have_no_options(company: Company, data_type: str) -> None:
    refused = company.refusal("createFields", {**NEW, "dataType": data_type, "options": ["a"]})

    assert params(refused) == [("options", "Only fields of these types have options: picklist, radio, checkbox")]


@pytest.mark.parametrize(
    "options",
    [
        "a,b",
        5,
        {"a": "b"},
        [1],
        [None],
        [["a"]],
        [""],
        [" "],
        ["x" * 256],
        ["a\0b"],
        ["a", "a"],
        [str(n) for n in range(501)],
    ],
)
def test_wrong_options_are_205(company: Company, options: Any) -> None:
    refused = company.refusal("createFields", {**NEW, "dataType": "picklist", "options": options})

    assert [param for param, _ in params(refused)] == ["options"]


def test_an_option_of_a_checkbox_has_no_comma_since_commas_separate_the_values(company: Company) -> None:
    assert company.code("createFields", {**NEW, "dataType": "checkbox", "options": ["a,b"]}) == 205
    assert created_field(company, dataType="radio", options=["a,b"])["options"] == ["a,b"]


# What a new field does


def test_a_new_field_is_on_every_lead_at_once(company: Company) -> None:
    (lead_id,) = company.create({})

    name = created_field(company)["systemName"]

    assert company.lead(lead_id)[name] == ""
    assert company.code("updateLeads", {"id": lead_id, name: "12"}) is None
    assert company.call("getLeads", where={}, fields=[name]) == [{name: "12"}]


def test_a_field_of_an_opportunity_is_on_no_lead(company: Company) -> None:
    (lead_id,) = company.create({})

    name = created_field(company, relationship="opportunity")["systemName"]

    assert name not in company.lead(lead_id)


def test_a_second_server_on_the_same_database_notices_a_field_at_once(company: Company, second_server: Server) -> None:
    (lead_id,) = company.create({})
    other = Company(second_server.url, company.account_id, company.secret)
    try:
        assert "shoe" not in str(other.lead(lead_id))  # its cache now says that there are no fields

        first = created_field(company)["systemName"]
        assert other.code("updateLeads", {"id": lead_id, first: "12"}) is None
        second = created_field(other)["systemName"]
        assert company.create({second: "7", "emailAddress": "a@example.com"})
        third = created_field(company)["systemName"]
        assert other.call("getLeads", where={"id": lead_id}, fields=[first, second, third]) == [
            {name: "12" if name == first else "" for name in sorted((first, second, third))}
        ]
        four = created_field(other)["systemName"]
        assert company.lead(lead_id)[four] == ""
        assert [field["systemName"] for field in other.call("getFields", where={"isCustom": 1})] == [
            first,
            second,
            third,
            four,
        ]
        company.call("deleteFields", objects=[{"systemName": first}])
        assert first not in other.lead(lead_id)
        assert other.code("updateLeads", {"id": lead_id, first: "13"}) == 205
        assert other.code("createLeads", {"emailAddress": "b@example.com", first: "13"}) == 205
        field = company.call("getFields", where={"systemName": second})[0]
        company.call("updateFields", objects=[{"id": field["id"], "dataLength": 1}])
        assert other.code("updateLeads", {"id": lead_id, second: "12"}) == 205
    finally:
        other.close()


def test_a_company_can_have_many_fields_up_to_a_limit(company: Company) -> None:
    outcomes = company.call("createFields", objects=[{**NEW, "label": f"Field {n}"} for n in range(CUSTOM_FIELDS_MAX)])
    assert all(outcome["success"] for outcome in outcomes)

    assert params(company.refusal("createFields", NEW)) == [
        ("relationship", "A company can have 500 custom fields of this relationship")
    ]
    assert company.code("createFields", {**NEW, "relationship": "account"}) is None
    (lead_id,) = company.create({})
    assert len(company.lead(lead_id)) == 535


def test_another_companys_leads_do_not_have_the_field(company: Company, given_company: Callable[..., Company]) -> None:
    name = created_field(company)["systemName"]
    other = given_company()

    assert other.code("createLeads", {"emailAddress": "a@example.com", name: "x"}) == 205


def test_the_list_of_objects_has_the_same_rules_as_in_create_leads(company: Company) -> None:
    assert company.error("createFields")["code"] == 207
    assert company.error("createFields", objects=3)["code"] == 208
    assert company.error("createFields", objects=[NEW] * 501)["code"] == 209
    assert company.envelope("createFields", {"objects": []})["result"] == {"creates": []}
    assert company.call("createFields", objects={"x": NEW})[0]["success"]
