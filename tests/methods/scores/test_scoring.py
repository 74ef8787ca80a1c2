"""The scores of leads: what each part gives, how points decay, and which leads change (docs/scoring.md)."""

import re
from collections.abc import Callable

import pytest

from doc_pages import TOP
from scores import CREATED, add_events, lines, score_new_events, scores
from support import Company, sql


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
    assert company.error("updateScoring")["code"] == 206
    assert company.error("updateScoring", halfLifeDays=[5])["code"] == 210


def test_without_an_active_rule_scores_are_what_calls_make_them(company: Company) -> None:
    (lead,) = company.create({"leadScore": 7})
    company.make("createScoreRules", {**CREATED, "isActive": 0})

    assert scores(company, lead) == (7, 0)
    assert company.refusal("updateLeads", {"id": lead, "leadScore": 9, "leadScoreWeighted": -2}) is None
    assert scores(company, lead) == (9, -2)
    assert company.call("getScoring")[0]["isActive"] == "0"


def test_the_first_rule_scores_every_lead_within_the_call(company: Company) -> None:
    leads = company.create({"leadScore": 7}, {"active": 0}, {})
    company.make("createScoreRules", CREATED)

    assert [scores(company, lead) for lead in leads] == [(4, 4)] * 3
    (row,) = company.call("getScoring")
    assert (row["isActive"], row["isRunning"], row["leadsDone"], row["leadsTotal"]) == ("1", "0", "3", "3")


def test_a_score_that_a_call_sets_holds_until_the_lead_is_scored_next(company: Company) -> None:
    company.make("createScoreRules", CREATED)
    (lead,) = company.create({"leadScore": 50})
    score_new_events(company)

    assert scores(company, lead) == (4, 4)


def test_after_the_last_rule_is_deleted_scores_are_0_and_calls_can_set_them(company: Company) -> None:
    (lead,) = company.create({})
    (rule,) = company.make("createScoreRules", CREATED)
    company.call("deleteScoreRules", objects=[rule])
    assert scores(company, lead) == (0, 0)

    company.call("updateLeads", objects=[{"id": lead, "leadScore": 50}])
    score_new_events(company)
    assert scores(company, lead) == (50, 0)


# Parts


def test_completeness_divides_its_points_among_the_fields(company: Company) -> None:
    custom = company.field("Size")
    leads = company.create({"city": "Rome"}, {"city": "Rome", custom: "5", "title": "x"}, {"city": "", "title": ""})
    company.make(
        "createScoreRules", {"name": "x", "part": "completeness", "points": 10, "fields": ["city", custom, "title"]}
    )

    assert [scores(company, lead) for lead in leads] == [(3, 3), (10, 10), (0, 0)]
    company.call("updateLeads", objects=[{"id": leads[0], custom: "7"}])
    score_new_events(company)
    assert scores(company, leads[0]) == (7, 7)


def test_a_deleted_field_no_longer_counts_in_any_rule(company: Company) -> None:
    custom = company.field("Size")
    (lead,) = company.create({"city": "Rome", custom: "5"})
    company.make(
        "createScoreRules",
        {"name": "x", "part": "completeness", "points": 10, "fields": ["city", "title", custom]},
        {"name": "y", "part": "completeness", "points": 100, "fields": [custom]},
        {"name": "z", "part": "fit", "points": 1000, "filter": {custom: "5"}},
    )
    assert scores(company, lead)[0] == 1107

    company.call("deleteFields", objects=[{"systemName": custom}])
    assert scores(company, lead)[0] == 5
    assert len(company.call("getScoreRules")) == 3
    assert [line["points"] for line in lines(company, lead)] == ["5", "0", "0"]


def test_fit_gives_its_points_to_matching_leads(company: Company) -> None:
    leads = company.create({"city": "rome", "title": "x"}, {"city": "Rome"}, {})
    company.make(
        "createScoreRules",
        {"name": "x", "part": "fit", "points": 20, "filter": {"city": "Rome"}},
        {"name": "y", "part": "fit", "points": -5, "filter": {"not": {"title": {"empty": True}}}},
    )

    assert [scores(company, lead)[0] for lead in leads] == [15, 20, 0]
    company.call("updateLeads", objects=[{"id": leads[2], "city": "Rome"}])
    score_new_events(company)
    assert scores(company, leads[2])[0] == 20


def test_fit_follows_an_account_that_is_deleted(company: Company) -> None:
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    (lead,) = company.create({"accountID": account})
    company.make("createScoreRules", {"name": "x", "part": "fit", "points": 9, "filter": {"accountID": account}})
    assert scores(company, lead)[0] == 9

    company.call("deleteAccounts", objects=[account])
    score_new_events(company)
    assert scores(company, lead)[0] == 0


def test_engagement_counts_the_events_of_a_source_up_to_its_maximum(company: Company) -> None:
    (lead,) = company.create({})
    company.make(
        "createScoreRules",
        {"name": "x", "part": "engagement", "points": 10, "eventSource": "formSubmit", "most": 2},
        {"name": "y", "part": "engagement", "points": 1, "eventSource": "emailOpened"},
    )
    for number, source in enumerate(("formSubmit", "emailOpened", "formSubmit", "pageVisit", "formSubmit")):
        add_events(company, lead, source)
        score_new_events(company)
        assert scores(company, lead)[0] == (10, 11, 21, 21, 21)[number]
    add_events(company, lead, "emailOpened", times=150)
    score_new_events(company)
    assert scores(company, lead)[0] == 20 + 100, "a hundred events at most"


@pytest.mark.parametrize(
    ("pattern", "name", "counts"),
    [
        ("*invoice*", "Your Invoice of May", True), ("invoice*", "Your Invoice", False), ("YOUR*", "your", True),
        ("100%", "100%", True), ("100%", "1000", False), ("a_c", "abc", False), ("a\\*", "a\\b", True), ("*", "", True),
        ("'; drop table lead; --", "x", False), ("*$1*", "it is $1", True), ("ÄRGER", "ärger", True),
    ],
)  # fmt: skip
def test_a_pattern_of_engagement_matches_the_name_of_the_event(
    company: Company, pattern: str, name: str, counts: bool
) -> None:
    (lead,) = company.create({})
    add_events(company, lead, "emailClick", name=name)
    company.make(
        "createScoreRules",
        {"name": "x", "part": "engagement", "points": 5, "eventSource": "emailClick", "pattern": pattern},
    )

    assert scores(company, lead)[0] == (5 if counts else 0)


@pytest.mark.parametrize(
    ("pattern", "url", "counts"),
    [
        ("/pricing*", "https://example.com/pricing/team?x=1#y", True),
        ("/pricing", "https://example.com/pricing/", True),
        ("/pricing/", "https://example.com/pricing?x=/other", True),
        ("/pricing", "https://example.com/pricing/team", False),
        ("/pricing", "https://example.com/?go=/pricing", False),
        ("*/pricing", "https://example.com/de/pricing", True),
        ("/", "https://example.com", True),
        ("/", "https://example.com/x", False),
        ("/größe", "https://example.com/gr%C3%B6%C3%9Fe", True),
        ("/gr%C3%B6%C3%9Fe", "https://example.com/größe", True),
        ("/a b", "https://example.com/a%20b", True),
        ("/Pricing", "https://example.com/pricing", False),
        ("/100%", "https://example.com/1000", False),
        ("*", "https://example.com/anything", True),
        ("example.com*", "https://example.com/", False),
    ],
)
def test_a_pattern_of_page_tracking_matches_the_path(company: Company, pattern: str, url: str, counts: bool) -> None:
    (lead,) = company.create({})
    add_events(company, lead, "pageVisit", url=url)
    company.make("createScoreRules", {"name": "x", "part": "pageTracking", "points": 5, "pattern": pattern})

    assert scores(company, lead)[0] == (5 if counts else 0)


def test_page_tracking_counts_pages_of_both_kinds_or_of_one(company: Company) -> None:
    (lead,) = company.create({})
    add_events(company, lead, "pageVisit", url="https://example.com/a")
    add_events(company, lead, "importantPageVisit", url="https://example.com/b")
    add_events(company, lead, "formSubmit")
    (rule,) = company.make("createScoreRules", {"name": "x", "part": "pageTracking", "points": 5})
    assert scores(company, lead)[0] == 10

    company.call("updateScoreRules", objects=[{"id": rule, "eventSource": "importantPageVisit"}])
    assert scores(company, lead)[0] == 5


# Decay


def test_an_event_is_worth_half_after_a_half_life_and_a_quarter_after_two(company: Company) -> None:
    company.make("createScoreRules", {"name": "x", "part": "engagement", "points": 100, "eventSource": "formSubmit"})
    leads = company.create({}, {}, {}, {}, {})
    for lead, days in zip(leads, (0, 30, 60, 3000, -5), strict=True):
        add_events(company, lead, "formSubmit", days=days)
    score_new_events(company)

    assert [scores(company, lead) for lead in leads] == [(100, 100), (100, 50), (100, 25), (100, 0), (100, 100)]
    company.call("updateScoring", halfLifeDays=60)
    assert [scores(company, lead)[1] for lead in leads] == [100, 71, 50, 0, 100]
    company.call("updateScoring", halfLifeDays=1)
    assert [scores(company, lead)[1] for lead in leads] == [100, 0, 0, 0, 100]


def test_the_table_of_the_documentation_is_what_an_explanation_says(company: Company) -> None:
    page = (TOP / "docs" / "scoring.md").read_text()
    table = re.findall(r"^\| (just sent|\d+ days) \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    assert len(table) == 4
    (lead,) = company.create({})
    for age, _, _ in table:
        add_events(company, lead, "formSubmit", days=float(age.removesuffix(" days")) if age != "just sent" else 0)
    company.make("createScoreRules", {"name": "x", "part": "engagement", "points": 20, "eventSource": "formSubmit"})

    assert [line["pointsWeighted"] for line in lines(company, lead)][:4] == [row[1] for row in table]
    company.call("updateScoring", halfLifeDays=14)
    assert [line["pointsWeighted"] for line in lines(company, lead)][:4] == [row[2] for row in table]


def test_of_capped_events_the_newest_count(company: Company) -> None:
    (lead,) = company.create({})
    company.make(
        "createScoreRules", {"name": "x", "part": "engagement", "points": 100, "eventSource": "formSubmit", "most": 2}
    )
    for days in (90, 30, 60):
        add_events(company, lead, "formSubmit", days=days)
    score_new_events(company)

    assert scores(company, lead) == (200, 75)


def test_completeness_and_fit_do_not_decay(company: Company) -> None:
    (lead,) = company.create({"city": "Rome"})
    sql(company.dsn, "update event set create_timestamp = now() - interval '1 year'", company_id=company.id)
    company.make(
        "createScoreRules",
        {"name": "x", "part": "completeness", "points": 5, "fields": ["city"]},
        {"name": "y", "part": "fit", "points": 6, "filter": {"city": "Rome"}},
        CREATED,
    )
    assert scores(company, lead) == (15, 11)


def test_negative_points_are_subtracted_and_scores_stay_within_a_smallint(company: Company) -> None:
    much, little, less = company.create({"city": "a"}, {"city": "b"}, {"city": "c"})
    company.make(
        "createScoreRules",
        *[{"name": "x", "part": "fit", "points": 30_000, "filter": {"city": "a"}}] * 2,
        *[{"name": "x", "part": "fit", "points": -30_000, "filter": {"city": "b"}}] * 2,
        {"name": "x", "part": "completeness", "points": -5, "fields": ["city", "title"]},
    )
    assert scores(company, much) == (32767, 32767)
    assert scores(company, little) == (-32768, -32768)
    assert scores(company, less) == (-3, -3), "halves are rounded away from zero"


# Which leads change


def test_a_score_changes_no_time_leaves_no_event_and_counts_as_no_change_of_the_lead(company: Company) -> None:
    (lead,) = company.create({})
    read = "select update_timestamp, version from lead where company_id = $1 and id = $2"
    before = sql(company.dsn, read, company.id, lead, company_id=company.id)
    company.make("createScoreRules", CREATED)

    assert scores(company, lead) == (4, 4)
    assert sql(company.dsn, read, company.id, lead, company_id=company.id) == before
    assert [event["eventSource"] for event in company.call("getLeadTimeline", where={"whoID": lead})] == [
        "leadCreation"
    ]


def test_lists_follow_the_score(company: Company) -> None:
    hot, cold = company.create({}, {})
    (a_list,) = company.make("createList", {"name": "Hot", "filter": {"leadScore": {"atLeast": 10}}})
    company.make("createScoreRules", {"name": "x", "part": "engagement", "points": 5, "eventSource": "formSubmit"})

    def on_it() -> list[int]:
        return [int(member["leadID"]) for member in company.call("getListMembers", where={"id": a_list})]

    assert on_it() == []
    add_events(company, hot, "formSubmit", times=2)
    add_events(company, cold, "formSubmit")
    score_new_events(company)
    assert on_it() == [hot]
    (rule,) = company.call("getScoreRules")
    company.call("updateScoreRules", objects=[{"id": rule["id"], "points": 10}])
    assert on_it() == [hot, cold]
    company.call("deleteScoreRules", objects=[rule["id"]])
    assert on_it() == []


def test_companies_have_independent_scores(given_company: Callable[..., Company]) -> None:
    first, other = given_company(), given_company()
    (ours,), (theirs,) = first.create({}), other.create({"leadScore": 3})
    first.make("createScoreRules", CREATED)
    (rule,) = first.call("getScoreRules")

    assert scores(first, ours) == (4, 4)
    assert scores(other, theirs) == (3, 0)
    assert other.call("getScoreRules") == []
    assert other.call("getScoring")[0]["isActive"] == "0"
    assert lines(other, ours) == []
    assert other.code("updateScoreRules", {"id": rule["id"], "points": 9}) == 302
    assert other.code("deleteScoreRules", {"id": rule["id"]}) == 302
    other.make("createScoreRules", {**CREATED, "points": 8})
    score_new_events(first)
    assert (scores(first, ours), scores(other, theirs)) == ((4, 4), (8, 8))
