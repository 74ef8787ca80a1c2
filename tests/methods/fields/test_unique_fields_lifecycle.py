"""Unique fields stay unique when leads are merged, deleted, restored and erased."""

from typing import Any

import pytest

from support import Company


@pytest.fixture
def code(company: Company) -> str:
    """A unique field."""
    return company.field("Code", isUnique=1)


def refused(company: Company, method: str, values: dict[str, Any]) -> int:
    code = company.code(method, values)
    assert code is not None
    return code


def test_the_survivor_of_a_merge_takes_the_value_of_a_merged_lead(company: Company, code: str) -> None:
    survivor, goes = company.create({}, {code: "A"})

    company.call("mergeLeads", objects=[{"id": survivor, "mergeIDs": [goes]}])

    assert company.lead(survivor)[code] == "A"
    assert company.code("createLeads", {"emailAddress": "new@example.com", code: "A"}) == 301
    (outcome,) = company.call("upsertLeads", objects=[{code: "A", "city": "Rome"}], key=code)
    assert (outcome["id"], outcome["created"]) == (survivor, False)


def test_a_value_of_a_third_lead_is_301_and_nothing_is_merged(company: Company, code: str) -> None:
    survivor, goes, _ = company.create({}, {"firstName": "Goes"}, {code: "A"})

    (outcome,) = company.call("mergeLeads", objects=[{"id": survivor, "mergeIDs": [goes], "values": {code: "A"}}])

    assert outcome["error"]["code"] == 301
    assert outcome["error"]["data"]["params"][0]["param"] == code
    assert company.lead(goes)["firstName"] == "Goes"


def test_the_value_that_the_merge_dropped_is_free(company: Company, code: str) -> None:
    survivor, goes = company.create({code: "A"}, {code: "B"})

    company.call("mergeLeads", objects=[{"id": survivor, "mergeIDs": [goes]}])

    assert company.lead(survivor)[code] == "A"
    assert company.code("createLeads", {"emailAddress": "new@example.com", code: "B"}) is None


def test_a_deleted_lead_releases_its_value_and_gets_it_back_when_restored(company: Company, code: str) -> None:
    (lead,) = company.create({code: "A"})
    company.call("deleteLeads", objects=[{"id": lead}])
    (other,) = company.create({code: "A"})

    assert refused(company, "restoreLeads", {"id": lead}) == 301
    company.call("updateLeads", objects=[{"id": other, code: "B"}])
    assert company.code("restoreLeads", {"id": lead}) is None

    assert company.lead(lead)[code] == "A"
    assert refused(company, "updateLeads", {"id": other, code: "A"}) == 301


def test_of_two_deleted_leads_with_the_same_value_one_can_be_restored(company: Company, code: str) -> None:
    (first,) = company.create({code: "A"})
    company.call("deleteLeads", objects=[{"id": first}])
    (second,) = company.create({code: "A"})
    company.call("deleteLeads", objects=[{"id": second}])

    outcomes = company.call("restoreLeads", objects=[{"id": first}, {"id": second}])

    assert sorted(outcome["success"] for outcome in outcomes) == [False, True]
    assert next(outcome["error"]["code"] for outcome in outcomes if outcome["error"]) == 301


def test_an_erased_lead_releases_its_value(company: Company, code: str) -> None:
    (lead,) = company.create({code: "A"})

    company.call("eraseLeads", objects=[{"id": lead}])

    assert company.code("createLeads", {"emailAddress": "new@example.com", code: "A"}) is None
