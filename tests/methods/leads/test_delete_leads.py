"""deleteLeads, rule by rule (docs/wire/leads.md#deleteleads)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}


def codes(company: Company, *objects: Any) -> list[int | None]:
    """The error codes of a call's outcomes, None for a success."""
    answer = company.envelope("deleteLeads", {"objects": list(objects)})
    errors = [outcome["error"] for outcome in answer["result"]["deletes"]]
    assert answer["error"] == [error for error in errors if error]
    return [error and error["code"] for error in errors]


def test_the_example_of_the_reference_is_answered_to_the_letter(company: Company) -> None:
    (lead_id,) = company.create({})

    answer = company.envelope("deleteLeads", {"objects": [{"id": lead_id}]}, id="r5")

    assert answer == {"result": {"deletes": [{"success": True, "error": None}]}, "error": [], "id": "r5"}


def test_a_deleted_lead_is_gone_for_good_and_its_address_is_free(company: Company) -> None:
    gone, kept = company.create({"emailAddress": "a@example.com"}, {})

    assert codes(company, {"id": gone}) == [None]

    assert company.call("getLead", id=gone) == []
    assert company.call("getLeads", where={"emailAddress": "a@example.com"}) == []
    assert [lead["id"] for lead in company.call("getLeads", where={})] == [str(kept)]
    day = {"startDate": "2000-01-01", "endDate": "2999-12-31"}
    for stamp in ("create", "update"):
        assert len(company.call("getLeadsDateRange", timestamp=stamp, **day)) == 1
    (again,) = company.create({"emailAddress": "a@example.com"})
    assert again != gone


def test_an_inactive_lead_is_deleted_too(company: Company) -> None:
    (lead_id,) = company.create({"active": 0})

    assert codes(company, {"id": lead_id}) == [None]
    assert company.call("getLead", id=lead_id) == []


def test_an_id_may_be_a_numeric_string_or_stand_alone(company: Company) -> None:
    first, second, third, fourth = company.create({}, {}, {}, {})

    assert (
        codes(company, {"id": str(first)}, second, str(third), {"id": fourth, "emailAddress": "x", "foo": []})
        == [None] * 4
    )

    assert company.call("getLeads", where={}) == []


def test_an_unknown_id_is_302_as_is_the_second_time(company: Company) -> None:
    (lead_id,) = company.create({})

    answer = company.envelope("deleteLeads", {"objects": [{"id": 777}, {"id": lead_id}, {"id": str(lead_id)}]})

    assert answer["result"]["deletes"] == [
        {"success": False, "error": NOTHING},
        {"success": True, "error": None},
        {"success": False, "error": NOTHING},
    ]
    assert answer["error"] == [NOTHING, NOTHING]


def test_an_address_is_no_key(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "a@example.com"})

    refused = company.refusal("deleteLeads", {"emailAddress": "a@example.com"})

    assert refused is not None
    assert refused["code"] == 205
    assert refused["data"]["params"] == [
        {
            "param": "id",
            "message": "Required parameter is missing",
            "validFormat": {"type": "bigint", "length": 20, "required": False},
        }
    ]
    assert company.lead(lead_id)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"id": ""}, 205),
        ({"id": None}, 205),
        ({"id": "abc"}, 205),
        ({"id": 1.5}, 205),
        ({"id": True}, 205),
        ({"id": -1}, 205),
        ({"id": 2**63}, 205),
        ({}, 205),
        ({"id": [1, 2]}, 210),  # what one client sends by mistake
        ({"id": {"id": 1}}, 210),
        ([1], 210),
        ("abc", 208),
        (None, 208),
        (True, 208),
        (-1, 205),
        (0, 302),
        (2**63 - 1, 302),
    ],
)
def test_an_element_that_names_no_lead_is_refused_alone(company: Company, wrong: Any, code: int) -> None:
    (lead_id,) = company.create({})

    assert codes(company, wrong, {"id": lead_id}) == [code, None]


def test_another_companys_lead_is_unknown(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    (lead_id,) = other.create({})

    assert codes(company, {"id": lead_id}) == [302]

    assert other.lead(lead_id)


def test_the_list_of_objects_has_the_same_rules_as_in_create_leads(company: Company) -> None:
    assert company.error("deleteLeads")["code"] == 207
    assert company.error("deleteLeads", objects=None)["code"] == 207
    assert company.error("deleteLeads", objects=3)["code"] == 208
    assert company.error("deleteLeads", objects=[{"id": 1}] * 501)["code"] == 209
    assert company.envelope("deleteLeads", {"objects": [], "limit": ""})["result"] == {"deletes": []}
    assert (
        company.call("deleteLeads", objects={"x": {"id": 1}, "y": {"id": 2}})
        == [{"success": False, "error": NOTHING}] * 2
    )


def test_500_leads_are_deleted_in_one_call(company: Company) -> None:
    ids = company.create(*[{}] * 500)
    (kept,) = company.create({})

    assert codes(company, *({"id": lead_id} for lead_id in reversed(ids))) == [None] * 500

    assert [lead["id"] for lead in company.call("getLeads", where={})] == [str(kept)]


def test_a_key_can_get_null_as_the_error_of_a_successful_write(given_company: Callable[..., Company]) -> None:
    company = given_company(plain_success=True)
    (lead_id,) = company.create({})

    assert company.envelope("deleteLeads", {"objects": [{"id": lead_id}]})["error"] is None
    assert company.envelope("deleteLeads", {"objects": [{"id": lead_id}]})["error"] == [NOTHING]
