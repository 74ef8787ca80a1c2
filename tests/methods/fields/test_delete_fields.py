"""deleteFields, rule by rule (docs/wire/fields.md)."""

from collections.abc import Callable
from typing import Any

import pytest

from springhead.model.kit.fields import SYSTEM_FIELDS
from support import Company, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}
SYSTEM = {"code": 211, "message": "Only custom fields can be deleted", "data": []}


def codes(company: Company, *objects: Any) -> list[int | None]:
    """The error codes of a call's outcomes, None for a success."""
    answer = company.envelope("deleteFields", {"objects": list(objects)})
    errors = [outcome["error"] for outcome in answer["result"]["deletes"]]
    assert answer["error"] == [error for error in errors if error]
    return [error and error["code"] for error in errors]


def test_a_field_is_deleted_by_its_system_name(company: Company) -> None:
    name = company.field("Shoe size")

    answer = company.envelope("deleteFields", {"objects": [{"systemName": name}]})

    assert answer["result"] == {"deletes": [{"success": True, "error": None}]}
    assert answer["error"] == []
    assert company.call("getFields", where={"isCustom": 1}) == []


def test_a_field_is_deleted_by_its_id_too(company: Company) -> None:
    company.field("Shoe size")
    company.field("Hat size")
    shoe, hat = company.call("getFields", where={"isCustom": 1})

    assert codes(company, {"id": shoe["id"]}, {"id": int(hat["id"])}) == [None, None]
    assert company.call("getFields", where={"isCustom": 1}) == []


def test_a_deleted_field_disappears_from_every_lead(company: Company) -> None:
    shoe, hat = company.field("Shoe size"), company.field("Hat size")
    (lead_id,) = company.create({shoe: "12", hat: "7"})

    assert codes(company, {"systemName": shoe}) == [None]

    lead = company.lead(lead_id)
    assert shoe not in lead
    assert lead[hat] == "7"
    assert company.code("updateLeads", {"id": lead_id, shoe: "13"}) == 205
    assert company.error("getLeads", where={}, fields=[shoe])["code"] == 205


def test_a_deleted_field_never_comes_back(company: Company) -> None:
    shoe = company.field("Shoe size")
    (lead_id,) = company.create({shoe: "12"})
    codes(company, {"systemName": shoe})

    again = company.field("Shoe size", systemName=shoe)

    assert again != shoe
    assert company.lead(lead_id)[again] == ""
    assert shoe not in company.lead(lead_id)


@pytest.mark.parametrize("field", [SYSTEM_FIELDS[0], SYSTEM_FIELDS[-1]])
def test_a_system_field_is_211_and_stays(company: Company, field: Any) -> None:
    answer = company.envelope("deleteFields", {"objects": [{"systemName": field.system_name}, {"id": field.id}]})

    assert answer["error"] == [SYSTEM, SYSTEM]
    assert len(company.call("getFields", where={})) == len(SYSTEM_FIELDS)


@pytest.mark.parametrize("name", ["accountID", "active"])
def test_a_column_of_leads_that_get_fields_does_not_list_is_211_too(company: Company, name: str) -> None:
    assert company.refusal("deleteFields", {"systemName": name}) == SYSTEM


def test_an_unknown_field_is_302_as_is_the_second_time(company: Company) -> None:
    name = company.field("Shoe size")

    outcomes = company.call(
        "deleteFields", objects=[{"systemName": "x"}, {"systemName": name}, {"systemName": name}, {"id": 5}]
    )

    assert [outcome["error"] for outcome in outcomes] == [NOTHING, None, NOTHING, NOTHING]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({}, 205),
        ({"label": "Shoe size"}, 205),
        ({"systemName": None}, 205),
        ({"systemName": 5.5}, 302),
        ({"systemName": ["x"]}, 210),
        ({"id": [5]}, 210),
        ({"id": "x"}, 205),
        ({"id": ""}, 205),
        ({"id": True}, 205),
        ({"systemName": "\0"}, 302),
        ({"systemName": ""}, 302),
        ({"id": 2**70}, 302),
        ("shoe_size", 208),
        (5, 208),
        (None, 208),
        ([], 208),
    ],
)
def test_an_element_that_names_no_field_is_refused_alone(company: Company, wrong: Any, code: int) -> None:
    name = company.field("Shoe size")

    assert codes(company, wrong, {"systemName": name}) == [code, None]


def test_another_companys_field_is_not_there(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    name = other.field("Shoe size")
    (field,) = other.call("getFields", where={"systemName": name})

    assert codes(company, {"systemName": name}, {"id": field["id"]}) == [302, 302]

    assert other.call("getFields", where={"systemName": name}) == [field]


def test_a_deleted_field_makes_room_for_another(company: Company) -> None:
    new = {"relationship": "lead", "dataType": "string", "label": "x"}
    company.call("createFields", objects=[new] * 500)
    assert company.code("createFields", new) == 205

    company.call("deleteFields", objects=[{"id": company.call("getFields", where={"isCustom": 1})[7]["id"]}])

    assert company.code("createFields", new) is None


def test_an_update_does_not_rewrite_the_values_of_a_deleted_field(company: Company) -> None:
    """The values stay in the row, but reads do not show them. A lead is not rewritten to remove them."""
    shoe = company.field("Shoe size")
    (lead_id,) = company.create({shoe: "12"})
    codes(company, {"systemName": shoe})

    assert company.code("updateLeads", {"id": lead_id}) == 302
    ((version,),) = sql(company.dsn, "select version from lead where id = $1", lead_id, company_id=company.id)
    assert version == 1


def test_the_list_of_objects_has_the_same_rules_as_in_create_leads(company: Company) -> None:
    assert company.error("deleteFields")["code"] == 207
    assert company.error("deleteFields", objects=5)["code"] == 208
    assert company.error("deleteFields", objects=[{"id": 1}] * 501)["code"] == 209
    assert company.envelope("deleteFields", {"objects": []})["result"] == {"deletes": []}
    assert company.call("deleteFields", objects={"x": {"id": 1}}) == [{"success": False, "error": NOTHING}]
