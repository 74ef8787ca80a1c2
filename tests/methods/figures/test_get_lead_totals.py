"""getLeadTotals: totals of fields over leads (our own)."""

from decimal import Decimal
from typing import Any

import pytest

from springhead.model.figures.totals import totals_of
from springhead.model.leads.leads import LEAD
from support import Company, sql


def total(company: Company, field: str, word: str, **params: Any) -> str | None:
    (row,) = company.call("getLeadTotals", totals={field: word}, **params)
    assert (row["field"], row["total"]) == (field, word)
    return row["value"]


def totals(company: Company, field: str, *words: str, **params: Any) -> list[str | None]:
    return [total(company, field, word, **params) for word in words]


def test_totals_of_a_number(company: Company) -> None:
    company.create(*({"leadScore": score} for score in (-3, 10, 10, 4)))

    assert totals(company, "leadScore", "count", "empty", "different", "share") == ["4", "0", "3", "1"]
    assert totals(company, "leadScore", "sum", "average", "least", "most") == ["21", "5.25", "-3", "10"]


def test_totals_of_a_text_count_what_filters_hold_for_equal(company: Company) -> None:
    company.create(*({"city": city} for city in ("Köln", "KÖLN", "Ko\u0308ln", "Bonn", "", "  ")))

    assert totals(company, "city", "count", "empty", "different", "share") == ["4", "2", "2", "0.6667"]
    assert total(company, "city", "count") == str(len(company.call("searchLeads", filter={"city": {"empty": 0}})))


def test_totals_of_a_flag_count_the_leads_that_have_it(company: Company) -> None:
    vip = company.field("VIP", "boolean")
    company.create({"isUnsubscribed": 1, vip: "1"}, {"isUnsubscribed": 0, vip: "0"}, {}, {})

    for field in ("isUnsubscribed", vip):
        assert totals(company, field, "count", "empty", "share") == ["1", "3", "0.25"]


def test_sums_of_custom_texts_are_exact_and_leave_out_what_is_no_number(company: Company) -> None:
    budget = company.field("Budget")
    texts = (
        "0.1",
        "0.2",
        " 1200.50 ",
        "-3",
        "+4",
        "12a",
        "",
        "1,5",
        "1e3",
        "NaN",
        "99999999999999.9999999999",
        "9" * 15,
    )
    company.create(*({budget: value} for value in texts))

    row = company.call("getLeadTotals", totals={budget: "sum"})[0]

    exact = sum(Decimal(text) for text in ("0.1", "0.2", "1200.50", "-3", "+4", "99999999999999.9999999999"))
    assert Decimal(row["value"]) == exact
    assert (row["type"], row["counted"]) == ("number", "6")
    assert totals(company, budget, "least", "most") == ["-3", "99999999999999.9999999999"]
    assert totals(company, budget, "count", "different") == ["11", "11"]
    assert total(company, budget, "average", filter={budget: ["0.1", "0.2"]}) == "0.15"


def test_times_are_in_the_zone_of_the_call_and_dates_are_dates(given_company: Any) -> None:
    company = given_company(time_zone="America/New_York")
    born, met = company.field("Born", "date"), company.field("Met", "datetime")
    company.create({born: "1999-12-31", met: "2026-03-14 09:26:53"}, {born: "1980-02-29"}, {born: ""})
    sql(
        company.dsn,
        "update lead set create_timestamp = '2026-01-01 03:00:00+00' where company_id = $1",
        company.id,
        company_id=company.id,
    )

    wanted = {"createTimestamp": "least", born: "most", met: "least"}
    rows = company.call("getLeadTotals", totals=wanted)

    assert [(row["field"], row["type"], row["value"], row["counted"]) for row in rows] == [
        ("createTimestamp", "time", "2025-12-31 22:00:00", "3"),
        (born, "date", "1999-12-31", "2"),
        (met, "time", "2026-03-14 09:26:53", "1"),
    ]
    assert total(company.at("v1.2"), "createTimestamp", "most") == "2026-01-01 03:00:00"


def test_without_leads_sums_are_null_and_counts_are_zero(company: Company) -> None:
    assert totals(company, "leadScore", "count", "empty", "different") == ["0", "0", "0"]
    assert totals(company, "leadScore", "share", "sum", "average", "least", "most") == [None] * 5


def test_the_filter_and_the_words_select_the_leads(company: Company) -> None:
    company.create(
        {"leadScore": 1, "lastName": "Smith"},
        {"leadScore": 2, "city": "Rome"},
        {"leadScore": 4, "lastName": "Smith", "active": 0},
    )

    assert total(company, "leadScore", "sum") == "3"
    assert total(company, "leadScore", "sum", inactive=1) == "7"
    assert total(company, "leadScore", "sum", filter={"city": "rome"}) == "2"
    assert total(company, "leadScore", "sum", text="smtih") == "1"


def test_every_total_of_every_field_is_answered_in_one_call(company: Company) -> None:
    company.create({}, {"city": "Rome"})
    custom = [company.field(kind, kind) for kind in ("string", "textarea", "checkbox", "phone", "date", "bit", "url")]

    for word in ("count", "empty", "different", "share", "sum", "average", "least", "most"):
        names = [name for name, column in LEAD.by_name.items() if word in totals_of(column, custom=False)]
        plain = word in {"count", "empty", "different", "share"}
        rows = company.call("getLeadTotals", totals=dict.fromkeys([*names, *(custom if plain else [])], word))
        assert [row["field"] for row in rows] == [*names, *(custom if plain else [])]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"totals": {"nobody": "sum"}}, "totals.nobody"),
        ({"totals": {"list": "count"}}, "totals.list"),
        ({"totals": {"city": "sum"}}, "totals.city"),
        ({"totals": {"accountID": "sum"}}, "totals.accountID"),
        ({"totals": {"id": "average"}}, "totals.id"),
        ({"totals": {"createTimestamp": "sum"}}, "totals.createTimestamp"),
        ({"totals": {"city": "count(*)"}}, "totals.city"),
        ({"totals": {"city": ["count"]}}, "totals.city"),
        ({"totals": {"city": None}}, "totals.city"),
        ({"totals": {"city'; drop table lead; --": "count"}}, "totals.city'; drop table lead; --"),
        ({"totals": {"x" * 300: "count"}}, f"totals.{'x' * 255}"),
        ({"totals": {f"{number}": "count" for number in range(51)}}, "totals"),
        ({"totals": ["city"]}, "totals"),
        ({"totals": "city"}, "totals"),
        ({"totals": {"city": "count"}, "filter": {"nobody": 1}}, "filter.nobody"),
        ({"totals": {"city": "count"}, "inactive": 2}, "inactive"),
    ],
)
def test_wrong_parameters_are_refused(company: Company, params: dict[str, Any], named: str) -> None:
    refused = company.error("getLeadTotals", **params)

    assert refused["code"] == 205
    assert refused["data"]["params"][0]["param"] == named


def test_totals_must_be_sent(company: Company) -> None:
    assert company.error("getLeadTotals")["code"] == 206
    assert company.error("getLeadTotals", totals={})["code"] == 206


def test_the_leads_of_others_are_not_in_totals(company: Company, given_company: Any) -> None:
    given_company().create({"leadScore": 9})

    assert totals(company, "leadScore", "count", "sum") == ["0", None]
