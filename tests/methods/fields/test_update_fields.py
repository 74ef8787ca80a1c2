"""updateFields, rule by rule (docs/wire/fields.md)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company, new_email

NO_CHANGE = {"code": 302, "message": "No table rows affected", "data": []}


@pytest.fixture
def size(company: Company) -> dict[str, Any]:
    """A picklist of the company."""
    name = company.field("Shoe size", "picklist", options=["S", "M"])
    return read(company, name)


def read(company: Company, system_name: str) -> dict[str, Any]:
    (field,) = company.call("getFields", where={"systemName": system_name})
    return field


def test_an_update_is_answered_without_an_id(company: Company, size: dict[str, Any]) -> None:
    answer = company.envelope("updateFields", {"objects": [{"id": size["id"], "label": "Size of shoe"}]})

    assert answer["result"] == {"updates": [{"success": True, "error": None}]}
    assert answer["error"] == []


def test_a_new_label_changes_nothing_else(company: Company, size: dict[str, Any]) -> None:
    assert company.code("updateFields", {"id": int(size["id"]), "label": "Size of shoe"}) is None

    assert read(company, size["systemName"]) == size | {"label": "Size of shoe"}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("dataLength", 20, "20"),
        ("isRequired", 1, "1"),
        ("isAvailableInContactManager", "0", "0"),
        ("isEditableInContactManager", False, "0"),
        ("isAvailableInForms", True, "1"),
        ("isActive", 0, "0"),
        ("options", ["L"], ["L"]),
    ],
)
def test_members_that_can_change(company: Company, size: dict[str, Any], name: str, value: Any, shown: Any) -> None:
    assert company.code("updateFields", {"id": size["id"], name: value}) is None

    assert read(company, size["systemName"]) == size | {name: shown}


@pytest.mark.parametrize(("name", "value"), [("relationship", "account"), ("dataType", "string")])
def test_a_change_of_a_fixed_member_is_205(company: Company, size: dict[str, Any], name: str, value: str) -> None:
    refused = company.refusal("updateFields", {"id": size["id"], name: value})

    assert refused is not None
    assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, name)
    assert read(company, size["systemName"]) == size


def test_a_field_can_be_sent_back_as_it_was_read_with_a_change(company: Company, size: dict[str, Any]) -> None:
    assert company.code("updateFields", size | {"label": "Size of shoe", "systemName": "x", "isCustom": "0"}) is None

    assert read(company, size["systemName"]) == size | {"label": "Size of shoe"}


def test_an_update_without_a_change_is_302(company: Company, size: dict[str, Any]) -> None:
    assert company.refusal("updateFields", size) == NO_CHANGE
    assert company.refusal("updateFields", {"id": size["id"]}) == NO_CHANGE
    assert company.refusal("updateFields", {"id": size["id"], "options": None}) == NO_CHANGE


def test_an_unknown_id_is_302(company: Company, given_company: Callable[..., Company], size: dict[str, Any]) -> None:
    assert company.refusal("updateFields", {"id": 5, "label": "x"}) == NO_CHANGE
    assert given_company().refusal("updateFields", {"id": size["id"], "label": "x"}) == NO_CHANGE
    assert read(company, size["systemName"]) == size


def test_a_system_field_is_205(company: Company) -> None:
    field = read(company, "firstName")

    refused = company.refusal("updateFields", {"id": field["id"], "label": "x"})

    assert refused is not None
    assert refused["code"] == 205
    assert refused["data"]["params"][0]["message"] == "Only custom fields can be changed"
    assert read(company, "firstName") == field


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({"label": "x"}, "id"),
        ({"id": "", "label": "x"}, "id"),
        ({"id": None, "label": "x"}, "id"),
        ({"id": "x", "label": "x"}, "id"),
        ({"systemName": "firstName", "label": "x"}, "id"),
        ({"label": ""}, "label"),
        ({"label": None}, "label"),
        ({"label": "x" * 256}, "label"),
        ({"dataLength": 0}, "dataLength"),
        ({"dataLength": 65_536}, "dataLength"),
        ({"isActive": "maybe"}, "isActive"),
        ({"options": "S,M"}, "options"),
        ({"options": ["S", "S"]}, "options"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_member_is_205_and_named(
    company: Company, size: dict[str, Any], values: dict[str, Any], param: str
) -> None:
    refused = company.refusal("updateFields", values if param == "id" else {"id": size["id"], **values})

    assert refused is not None
    assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, param)
    assert read(company, size["systemName"]) == size


def test_objects_for_one_field_work_in_the_order_sent(company: Company, size: dict[str, Any]) -> None:
    field_id = size["id"]
    objects = [
        {"id": field_id, "label": "A"},
        {"id": field_id, "label": "A"},
        {"id": field_id, "label": "B", "isActive": 0},
        {"id": field_id, "label": ["x"]},
        7,
        {"id": field_id, "isActive": "1"},
    ]

    answer = company.envelope("updateFields", {"objects": objects})

    errors = [outcome["error"] for outcome in answer["result"]["updates"]]
    assert [error and error["code"] for error in errors] == [None, 302, None, 210, 208, None]
    assert answer["error"] == [error for error in errors if error]
    assert read(company, size["systemName"]) == size | {"label": "B"}


# Options and lengths: what is stored stays, what is written must fit


def test_new_options_apply_to_new_writes_and_old_values_stay(company: Company, size: dict[str, Any]) -> None:
    name = size["systemName"]
    (lead_id,) = company.create({name: "S"})

    assert company.code("updateFields", {"id": size["id"], "options": ["M", "L"]}) is None

    assert company.lead(lead_id)[name] == "S"
    assert company.code("updateLeads", {"id": lead_id, "title": "x"}) is None
    assert company.code("createLeads", {"emailAddress": new_email(), name: "S"}) == 205
    assert company.code("createLeads", {"emailAddress": new_email(), name: "L"}) is None


def test_without_options_a_picklist_takes_any_text(company: Company, size: dict[str, Any]) -> None:
    assert company.code("updateFields", {"id": size["id"], "options": []}) is None

    assert "options" not in read(company, size["systemName"])
    assert company.code("createLeads", {"emailAddress": new_email(), size["systemName"]: "anything"}) is None


def test_a_new_length_applies_to_new_writes_and_old_values_stay(company: Company) -> None:
    name = company.field("Code")
    (lead_id,) = company.create({name: "12345"})

    assert company.code("updateFields", {"id": read(company, name)["id"], "dataLength": 3}) is None

    assert company.lead(lead_id)[name] == "12345"
    assert company.code("updateLeads", {"id": lead_id, name: "1234"}) == 205
    assert company.code("updateLeads", {"id": lead_id, name: "123"}) is None


def test_the_list_of_objects_has_the_same_rules_as_in_create_leads(company: Company, size: dict[str, Any]) -> None:
    assert company.error("updateFields")["code"] == 207
    assert company.error("updateFields", objects="x")["code"] == 208
    assert company.error("updateFields", objects=[{}] * 501)["code"] == 209
    assert company.envelope("updateFields", {"objects": []})["result"] == {"updates": []}
    assert company.call("updateFields", objects={"x": {"id": size["id"], "label": "y"}})[0]["success"]
