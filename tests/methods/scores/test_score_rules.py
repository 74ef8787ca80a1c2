"""The methods of score rules: valid rules, and refused ones."""

from typing import Any

import pytest

from support import Company

KNOWN = {"name": "Known", "part": "completeness", "points": 10, "fields": ["firstName", "city"]}
CALLED = {"name": "Called", "part": "engagement", "points": 5, "eventSource": "incomingCall"}
LOOKED = {"name": "Looked", "part": "pageTracking", "points": 1}
FITS = {"name": "Fits", "part": "fit", "points": 3, "filter": {"city": "Rome"}}


def rule(company: Company, rule_id: int) -> dict[str, Any]:
    (row,) = company.call("getScoreRules", where={"id": rule_id})
    return row


def refused(company: Company, method: str, values: dict[str, Any]) -> list[str]:
    error = company.refusal(method, values)
    assert error is not None
    assert error["code"] == 205, error
    return [f"{problem['param']}: {problem['message']}" for problem in error["data"]["params"]]


def test_a_rule_of_each_part_is_read_as_it_was_made(company: Company) -> None:
    ids = company.make("createScoreRules", KNOWN, {**CALLED, "pattern": "*invoice*", "most": 3}, LOOKED, FITS)

    known, called, looked, fits = company.call("getScoreRules")
    assert [int(row["id"]) for row in (known, called, looked, fits)] == ids
    assert list(known) == [
        "id", "name", "part", "points", "eventSource", "pattern", "most", "filter", "fields", "isActive",
        "createTimestamp", "updateTimestamp",
    ]  # fmt: skip
    assert (known["part"], known["points"], known["fields"], known["isActive"]) == (
        "completeness", "10", ["firstName", "city"], "1"
    )  # fmt: skip
    assert (called["eventSource"], called["pattern"], called["most"]) == ("incomingCall", "*invoice*", "3")
    assert (looked["eventSource"], looked["pattern"], looked["most"], looked["filter"]) == (None, None, None, None)
    assert fits["filter"] == {"city": {"equals": "Rome"}}


def test_rules_are_filtered_by_part_and_by_whether_they_are_active(company: Company) -> None:
    first, second = company.make("createScoreRules", KNOWN, {**LOOKED, "isActive": 0})

    assert [row["id"] for row in company.call("getScoreRules", where={"part": "completeness"})] == [str(first)]
    assert [row["id"] for row in company.call("getScoreRules", where={"isActive": 0})] == [str(second)]
    assert company.error("getScoreRules", where={"points": 1})["code"] == 205


def test_an_update_changes_only_the_given_values(company: Company) -> None:
    (rule_id,) = company.make("createScoreRules", {**CALLED, "pattern": "x*", "most": 3})

    assert company.refusal("updateScoreRules", {"id": rule_id, "points": -5, "pattern": ""}) is None
    row = rule(company, rule_id)
    assert (row["points"], row["pattern"], row["most"], row["eventSource"]) == ("-5", None, "3", "incomingCall")
    assert company.code("updateScoreRules", {"id": rule_id, "points": -5}) == 302
    assert company.code("updateScoreRules", {"id": 1, "points": 5}) == 302


def test_a_rule_can_change_its_part_with_the_values_that_the_new_part_needs(company: Company) -> None:
    (rule_id,) = company.make("createScoreRules", FITS)

    assert refused(company, "updateScoreRules", {"id": rule_id, "part": "completeness"}) == [
        "filter: Not allowed in a rule of the part completeness",
        "fields: Required in a rule of the part completeness",
    ]
    change = {"id": rule_id, "part": "completeness", "filter": None, "fields": ["title"]}
    assert company.refusal("updateScoreRules", change) is None
    assert rule(company, rule_id)["filter"] is None


def test_a_deleted_rule_is_gone(company: Company) -> None:
    (rule_id,) = company.make("createScoreRules", KNOWN)

    outcomes = company.call("deleteScoreRules", objects=[rule_id, 1])
    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [None, 302]
    assert company.call("getScoreRules") == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**KNOWN, "fields": None}, "fields: Required in a rule of the part completeness"),
        ({**KNOWN, "fields": ["nothing"]}, "fields: nothing: rules cannot name this field"),
        ({**KNOWN, "fields": ["leadScore"]}, "fields: leadScore: rules cannot name this field"),
        ({**KNOWN, "fields": ["isQualified"]}, "fields: isQualified: rules cannot name this field"),
        ({**KNOWN, "fields": ["city", "city"]}, "fields: city: sent twice"),
        ({**KNOWN, "most": 1}, "most: Not allowed in a rule of the part completeness"),
        ({**CALLED, "eventSource": None}, "eventSource: Required in a rule of the part engagement"),
        ({**CALLED, "eventSource": "pageVisit"}, "eventSource: Page visits belong to the part pageTracking"),
        ({**CALLED, "filter": {"city": "Rome"}}, "filter: Not allowed in a rule of the part engagement"),
        ({**CALLED, "most": 101}, "most: Expected at most 100"),
        ({**LOOKED, "eventSource": "formSubmit"}, "eventSource: Expected one of: pageVisit, importantPageVisit"),
        ({**FITS, "filter": None}, "filter: Required in a rule of the part fit"),
        ({**FITS, "filter": {"leadScore": {"atLeast": 5}}}, "filter.leadScore: There is no such field"),
        ({**FITS, "filter": {"leadScoreWeighted": 5}}, "filter.leadScoreWeighted: There is no such field"),
        ({**FITS, "filter": {"hasOpportunity": 1}}, "filter.hasOpportunity: There is no such field"),
        ({**FITS, "filter": {"city": {"like": "x"}}},
         "filter.city.like: Expected one of: equals, in, contains, startsWith, endsWith, empty"),
        ({**FITS, "pattern": "x"}, "pattern: Not allowed in a rule of the part fit"),
    ],
)  # fmt: skip
def test_a_rule_that_could_not_work_is_refused_with_the_reason(
    company: Company, values: dict[str, Any], message: str
) -> None:
    assert refused(company, "createScoreRules", values) == [message]


@pytest.mark.parametrize(
    "wrong",
    [
        {"part": "x"}, {"part": ""}, {"part": None}, {"part": []}, {"name": ""}, {"name": " "}, {"name": None},
        {"points": "x"}, {"points": 40_000}, {"points": -40_000}, {"points": 1.5}, {"points": None}, {"points": ""},
        {"eventSource": "x"}, {"eventSource": ""}, {"eventSource": 5}, {"most": 0}, {"most": -1}, {"most": "x"},
        {"pattern": "x" * 256}, {"pattern": "a\0b"}, {"pattern": []}, {"filter": []}, {"filter": "x"}, {"filter": {}},
        {"filter": {"city": {}}}, {"filter": {"city": "a\0b"}}, {"filter": {"a\0b": 1}}, {"filter": 5},
        {"fields": []}, {"fields": {}}, {"fields": "city"}, {"fields": [5]}, {"fields": [None]}, {"fields": [[]]},
        {"fields": ["a\0b"]}, {"fields": ["city"] * 101}, {"isActive": "x"}, {"x": 1}, {"companyID": 1},
        {"version": 5}, {"fields": ["custom"]}, {"fields": ["id; drop table lead"]}, {"fields": ["x' or '1'='1"]},
    ],
    ids=repr,
)  # fmt: skip
def test_hostile_rules_are_refused_and_nothing_is_stored(company: Company, wrong: dict[str, Any]) -> None:
    part = {"filter": FITS, "fields": KNOWN}.get(next(iter(wrong)), CALLED)

    assert company.code("createScoreRules", {**part, **wrong}) in {205, 210}
    assert company.call("getScoreRules") == []


def test_a_company_can_have_a_hundred_rules(company: Company) -> None:
    company.make("createScoreRules", *[{**LOOKED, "isActive": 0}] * 100)

    assert company.error("createScoreRules", objects=[LOOKED])["code"] == 205
    assert len(company.call("getScoreRules")) == 100
    assert (
        company.refusal("updateScoreRules", {"id": int(company.call("getScoreRules")[99]["id"]), "points": 7}) is None
    )


def test_a_wrong_rule_is_refused_alone(company: Company) -> None:
    outcomes = company.call("createScoreRules", objects=[KNOWN, {**KNOWN, "fields": ["x"]}, "x", FITS])

    assert [outcome["success"] for outcome in outcomes] == [True, False, False, True]
    assert len(company.call("getScoreRules")) == 2


def test_times_in_a_filter_are_in_the_zone_of_the_call(given_company: Any) -> None:
    company = given_company(time_zone="America/New_York")
    after = {"createTimestamp": {"atLeast": "2026-01-01 00:00:00"}}
    (rule_id,) = company.make("createScoreRules", {**FITS, "filter": after})

    assert rule(company, rule_id)["filter"] == after
    assert rule(company.at("v1.2"), rule_id)["filter"] == {"createTimestamp": {"atLeast": "2026-01-01 05:00:00"}}
