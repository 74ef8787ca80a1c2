"""updateLeadsV2: like updateLeads, but 404 if there is no such lead (docs/wire/leads.md#updateleadsv2)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company

MISSING = {"code": 404, "message": "A record with that ID does not exist", "data": []}
UNKNOWN = 777


def test_an_unknown_id_is_404_as_in_the_reference(company: Company) -> None:
    answer = company.envelope("updateLeadsV2", {"objects": [{"id": 1, "title": "CEO"}]}, id="r4")

    assert answer == {
        "result": {"updates": [{"success": False, "error": MISSING}]},
        "error": [MISSING],
        "id": "r4",
    }


@pytest.mark.parametrize(
    "target",
    [
        {"id": UNKNOWN, "emailAddress": "new@example.com"},  # an unknown id with an unknown address
        {"id": UNKNOWN, "emailAddress": "a@example.com"},  # ... with the address of a lead: the id counts
        {"emailAddress": "new@example.com", "title": "x"},  # no id and an unknown address
        {"title": "x"},  # neither
        {},
    ],
)
def test_an_object_without_a_matching_lead_is_404_and_changes_nothing(company: Company, target: dict[str, Any]) -> None:
    (lead_id,) = company.create({"emailAddress": "a@example.com"})
    before = company.lead(lead_id)

    assert company.refusal("updateLeadsV2", target) == MISSING

    assert company.call("getLeads", where={}) == [before]


def test_a_deleted_lead_is_404_and_an_inactive_one_is_not(company: Company) -> None:
    deleted, inactive = company.create({}, {"active": 0})
    company.call("deleteLeads", objects=[{"id": deleted}])

    assert company.code("updateLeadsV2", {"id": deleted, "active": 0}) == 404
    assert company.code("updateLeadsV2", {"id": inactive, "title": "x"}) is None


def test_another_companys_lead_is_404(company: Company, given_company: Callable[..., Company]) -> None:
    (lead_id,) = given_company().create({})

    assert company.code("updateLeadsV2", {"id": lead_id, "title": "x"}) == 404


def test_other_rules_are_those_of_update_leads(company: Company) -> None:
    first, second = company.create({"emailAddress": "a@example.com"}, {"emailAddress": "b@example.com"})

    answer = company.envelope(
        "updateLeadsV2",
        {
            "objects": [
                {"id": first, "title": "CEO"},
                {"emailAddress": "B@example.com", "title": "CTO"},
                {"id": first, "title": "CEO"},  # 302 stays (docs/wire/leads.md#updateleadsv2)
                {"id": first, "emailAddress": "b@example.com"},
                {"id": first, "ownerID": 5},
                {"id": first, "leadScore": ""},
                {"id": first, "title": ["x"]},
                "x",
                {"id": UNKNOWN, "title": "x"},
            ]
        },
    )

    errors = [outcome["error"] for outcome in answer["result"]["updates"]]
    assert [error and error["code"] for error in errors] == [None, None, 302, 301, 303, 205, 210, 208, 404]
    assert answer["error"] == [error for error in errors if error]
    assert (company.lead(first)["title"], company.lead(second)["title"]) == ("CEO", "CTO")


def test_a_moved_address_no_longer_selects_its_former_lead(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "a@example.com"})

    outcomes = company.call(
        "updateLeadsV2",
        objects=[
            {"id": lead_id, "emailAddress": "new@example.com"},
            {"emailAddress": "a@example.com", "title": "x"},
            {"emailAddress": "new@example.com", "title": "x"},
        ],
    )

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [None, 404, None]


def test_the_list_of_objects_has_the_same_rules_as_in_create_leads(company: Company) -> None:
    assert company.error("updateLeadsV2")["code"] == 207
    assert company.error("updateLeadsV2", objects=3)["code"] == 208
    assert company.error("updateLeadsV2", objects=[{}] * 501)["code"] == 209
    assert company.envelope("updateLeadsV2", {"objects": []})["result"] == {"updates": []}
    assert company.call("updateLeadsV2", objects={"9": {"id": UNKNOWN}}) == [{"success": False, "error": MISSING}]
