"""Explanations of scores: each line says what gave how many points and when, and the lines add up."""

import random
from decimal import Decimal
from typing import Any

import pytest

from scores import CREATED, add_events, lines, score_new_events, scores
from support import Company, sql

KNOWN = {"name": "Known", "part": "completeness", "points": 10, "fields": ["firstName", "city", "title"]}
FORMS = {"name": "Forms", "part": "engagement", "points": 8, "eventSource": "formSubmit", "most": 2}
PAGES = {"name": "Prices", "part": "pageTracking", "points": 3, "pattern": "/pricing*"}
FITS = {"name": "Boss", "part": "fit", "points": -7, "filter": {"title": {"contains": "chief"}}}


def test_each_line_has_its_cause_time_points_and_decayed_points(company: Company) -> None:
    (lead,) = company.create({"firstName": "Ada", "title": "Chief"})
    add_events(company, lead, "formSubmit", days=30, name="Newsletter")
    rules = company.make("createScoreRules", KNOWN, FORMS, PAGES, FITS)

    known, form, pages, fits, rounding = lines(company, lead)
    assert list(known) == [
        "scoreRuleID", "name", "part", "points", "pointsWeighted", "detail", "eventID", "eventSource", "eventName",
        "createTimestamp",
    ]  # fmt: skip
    assert [line["scoreRuleID"] for line in (known, form, pages, fits)] == [str(rule) for rule in rules]
    assert (known["points"], known["pointsWeighted"], known["detail"]) == ("6.67", "6.67", "2 of 3: firstName, title")
    assert (form["points"], form["pointsWeighted"], form["eventName"]) == ("8", "4", "Newsletter")
    (event,) = company.call("getLeadTimeline", where={"whoID": lead, "eventSource": "formSubmit"})
    assert (form["eventID"], form["createTimestamp"]) == (event["id"], event["createTimestamp"])
    assert (pages["points"], pages["detail"], pages["eventID"]) == ("0", "no such event", None)
    assert (fits["points"], fits["detail"]) == ("-7", "fits")
    assert (rounding["scoreRuleID"], rounding["part"], rounding["points"]) == (None, "rounding", "0.33")
    assert scores(company, lead) == (8, 4)


def test_an_explanation_scores_the_lead_now(company: Company) -> None:
    (lead,) = company.create({})
    company.make("createScoreRules", {**FORMS, "points": 100})
    add_events(company, lead, "formSubmit")
    (line,) = lines(company, lead)
    assert (line["pointsWeighted"], scores(company, lead)) == ("100", (100, 100))

    sql(company.dsn, "update event set create_timestamp = now() - interval '30 days'", company_id=company.id)
    (line,) = lines(company, lead)
    assert (line["points"], line["pointsWeighted"], scores(company, lead)) == ("100", "50", (100, 50))


def test_without_an_active_rule_the_only_line_has_the_score_that_was_set(company: Company) -> None:
    (lead,) = company.create({"leadScore": 7, "leadScoreWeighted": -2})
    (line,) = lines(company, lead)

    assert (line["part"], line["points"], line["pointsWeighted"], line["scoreRuleID"]) == ("set", "7", "-2", None)


def test_an_unknown_lead_has_no_explanation(company: Company) -> None:
    company.make("createScoreRules", KNOWN)

    assert lines(company, 1) == []
    assert company.call("getScoreExplanation", leadID="2") == []


@pytest.mark.parametrize("wrong", ["x", -1, 1.5, 2**63, "1; drop table lead", True])
def test_an_invalid_id_is_refused(company: Company, wrong: Any) -> None:
    assert company.error("getScoreExplanation", leadID=wrong)["code"] == 205


def test_a_clamped_score_says_how_much_is_too_much(company: Company) -> None:
    (lead,) = company.create({"city": "a"})
    company.make("createScoreRules", *[{"name": "x", "part": "fit", "points": 30_000, "filter": {"city": "a"}}] * 2)

    *_, rounding = lines(company, lead)
    assert (rounding["part"], rounding["points"], rounding["pointsWeighted"]) == ("rounding", "-27233", "-27233")


def test_times_are_in_the_zone_of_the_call(given_company: Any) -> None:
    company = given_company(time_zone="America/New_York")
    (lead,) = company.create({})
    company.make("createScoreRules", CREATED)
    (event,) = company.call("getLeadTimeline", where={"whoID": lead})

    assert lines(company, lead)[0]["createTimestamp"] == event["createTimestamp"]
    assert lines(company.at("v1.2"), lead)[0]["createTimestamp"] != event["createTimestamp"]


@pytest.mark.parametrize("seed", range(3))
def test_explanations_add_up_to_the_stored_scores(company: Company, seed: int) -> None:
    """Random leads, rules and events: the explanations agree with the stored scores."""
    chance = random.Random(seed)
    fields = ["firstName", "city", "title", "phoneNumber", "industry", "website", "state"]
    leads = company.create(*({name: "x" for name in fields if chance.random() < 0.5} for _ in range(15)))
    for lead in leads:
        for _ in range(chance.randrange(12)):
            source, days = chance.choice(["formSubmit", "emailOpened", "pageVisit"]), chance.random() * 200 - 5
            add_events(
                company, lead, source, days=days, name=chance.choice("ab"), url=f"https://x.example/{chance.random()}"
            )
    made = [
        {"name": "x", "part": "completeness", "points": chance.randrange(-99, 99), "fields": chance.sample(fields, 3)},
        {"name": "x", "part": "fit", "points": chance.randrange(-99, 99), "filter": {chance.choice(fields): "x"}},
        *(
            {"name": "x", "part": "engagement", "points": chance.randrange(-30, 30), "eventSource": source,
             "most": chance.randrange(1, 6), "pattern": chance.choice(["a", "*", None])}
            for source in ("formSubmit", "emailOpened", "formSubmit")
        ),
        {"name": "x", "part": "pageTracking", "points": chance.randrange(9), "pattern": "/0.*1*"},
    ]  # fmt: skip
    company.call("updateScoring", halfLifeDays=chance.randrange(1, 29))
    company.make("createScoreRules", *made)
    stored = {lead: scores(company, lead) for lead in leads}
    assert len(set(stored.values())) > 5

    for lead in leads:
        explained = lines(company, lead)
        sums = [sum(Decimal(line[name]) for line in explained) for name in ("points", "pointsWeighted")]
        assert scores(company, lead) == tuple(sums)
        assert abs(stored[lead][0] - sums[0]) == 0
        assert abs(stored[lead][1] - sums[1]) <= 1, "no more than the decay since then"
    score_new_events(company)
