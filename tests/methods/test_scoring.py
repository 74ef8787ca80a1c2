"""How leads get their scores: each part, decay, and when it happens (docs/scoring.md)."""

from support import Company


def test_scoring_is_off_and_has_a_half_life_until_there_is_a_rule(company: Company) -> None:
    (row,) = company.call("getScoring")
    assert row == {
        "halfLifeDays": "30", "isActive": "0", "isRunning": "0", "leadsDone": "0", "leadsTotal": None,
        "startTimestamp": None, "endTimestamp": None,
    }  # fmt: skip


def test_the_half_life_is_changed_within_bounds(company: Company) -> None:
    assert company.call("updateScoring", halfLifeDays=14)[0]["success"]
    assert company.call("getScoring")[0]["halfLifeDays"] == "14"
    assert company.error("updateScoring", halfLifeDays=14)["code"] == 302
    for wrong in (0, -1, 3651, 10**6, "x", 1.5, None, ""):
        assert company.error("updateScoring", halfLifeDays=wrong)["code"] == 205, wrong


def test_an_explanation_of_an_unscored_lead_says_that_its_score_was_set(company: Company) -> None:
    (lead,) = company.create({"leadScore": 7, "leadScoreWeighted": -2})
    (line,) = company.call("getScoreExplanation", leadID=lead)
    assert (line["part"], line["points"], line["pointsWeighted"], line["scoreRuleID"]) == ("set", "7", "-2", None)
