"""getFieldSpread: how the values of a field are spread over leads (our own)."""

import asyncio
from typing import Any

import asyncpg
import pytest

from cluster_rules import faults
from in_process import WatchedDatabase, answer, context_of, shared_parts
from springhead.model.figures import spreads
from springhead.model.kit.filter_values import value_type
from springhead.model.leads.leads import LEAD
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Sql
from support import BOX, Company, sql


def spread(company: Company, field: str, **params: Any) -> dict[str, Any]:
    result: dict[str, Any] = company.envelope("getFieldSpread", {"field": field, **params})["result"]
    return result


def values(company: Company, field: str, **params: Any) -> list[tuple[str, int]]:
    return [(row["value"], int(row["count"])) for row in spread(company, field, **params)["fieldSpread"]]


def ranges(company: Company, field: str, **params: Any) -> dict[str, int]:
    """The ranges that have leads, by their beginning."""
    rows = spread(company, field, **params)["fieldSpread"]
    assert all(row["value"] is None for row in rows)
    assert [row["from"] for row in rows[1:]] == [row["to"] for row in rows[:-1]]
    return {row["from"]: int(row["count"]) for row in rows if row["count"] != "0"}


def test_numbers_are_a_histogram_with_round_edges(company: Company) -> None:
    company.create(*({"leadScore": score} for score in (3, 3, 4, 12, 97)))

    result = spread(company, "leadScore")

    assert {name: result[name] for name in ("shape", "unit", "leads", "empty", "isExact")} == {
        "shape": "number", "unit": None, "leads": 5, "empty": 0, "isExact": True
    }  # fmt: skip
    assert len(result["fieldSpread"]) == 20
    assert result["fieldSpread"][0] == {"value": None, "from": "0", "to": "5", "count": "3"}
    assert ranges(company, "leadScore") == {"0": 3, "10": 1, "95": 1}


def test_a_range_and_a_filter_find_the_same_leads(company: Company) -> None:
    company.create(*({"leadScore": score} for score in (-50, -1, 0, 4, 5, 5, 9, 10, 200)))

    for row in spread(company, "leadScore")["fieldSpread"]:
        found = company.call("searchLeads", filter={"leadScore": {"atLeast": row["from"], "less": row["to"]}})
        assert len(found) == int(row["count"]), row


def test_times_have_a_unit_and_are_in_the_zone_of_the_call(given_company: Any) -> None:
    company = given_company(time_zone="America/New_York")
    first, second, third = company.create({}, {}, {})
    for lead_id, moment in (
        (first, "2026-03-01 03:00:00+00"),
        (second, "2026-03-01 12:00:00+00"),
        (third, "2026-05-31"),
    ):
        sql(
            company.dsn,
            "update lead set create_timestamp = ($3::text)::timestamptz where company_id = $1 and id = $2",
            company.id, lead_id, moment, company_id=company.id,
        )  # fmt: skip

    here, utc = spread(company, "createTimestamp"), spread(company.at("v1.2"), "createTimestamp")

    assert (here["shape"], here["unit"], len(here["fieldSpread"])) == ("time", "week", 14)
    assert here["fieldSpread"][0] == {
        "value": None, "from": "2026-02-23 00:00:00", "to": "2026-03-02 00:00:00", "count": "2"
    }  # fmt: skip
    assert utc["fieldSpread"][0]["from"] == "2026-02-23 00:00:00"
    hours = spread(company, "createTimestamp", filter={"createTimestamp": {"less": "2026-03-02"}})
    assert (hours["unit"], hours["fieldSpread"][0]["from"]) == ("hour", "2026-02-28 22:00:00")


def test_custom_dates_and_times_are_ranges_of_their_own_calendar(company: Company) -> None:
    born, met = company.field("Born", "date"), company.field("Met", "datetime")
    company.create(
        {born: "1980-02-29", met: "2026-03-14 09:26:53"},
        {born: "1999-12-31", met: "2026-03-14 23:59:59"},
        {born: "", met: ""},
        {},
    )

    result = spread(company, born)
    assert (result["shape"], result["unit"], result["leads"], result["empty"]) == ("date", "year", 4, 2)
    assert ranges(company, born) == {"1980-01-01": 1, "1999-01-01": 1}
    assert ranges(company, met) == {"2026-03-14 09:00:00": 1, "2026-03-14 23:00:00": 1}


def test_texts_are_counted_as_filters_compare_them_the_most_frequent_first(company: Company) -> None:
    company.create(
        *({"city": city} for city in ("Köln", "KÖLN", "Köln", "Ko\u0308ln", "Berlin", "berlin", "Rome", "", "  ")), {}
    )

    assert values(company, "city") == [("Köln", 4), ("Berlin", 2), ("Rome", 1)]
    result = spread(company, "city")
    assert (result["shape"], result["leads"], result["empty"]) == ("value", 10, 3)


def test_flags_and_choices_and_references_are_values(company: Company) -> None:
    (account,) = company.make("createAccounts", {"accountName": "A"})
    plan, colours, vip = (
        company.field("Plan", "picklist", options=["Free", "Pro"]),
        company.field("Colours", "checkbox", options=["red", "blue"]),
        company.field("VIP", "boolean"),
    )
    company.create(
        {"isUnsubscribed": 1, "accountID": account, plan: "Pro", colours: "red,blue", vip: "1"},
        {"isUnsubscribed": 0, plan: "Pro", colours: "blue"},
        {plan: "Free"},
    )

    assert values(company, "isUnsubscribed") == [("0", 2), ("1", 1)]
    assert spread(company, "isUnsubscribed")["empty"] == 0
    assert values(company, vip) == [("0", 2), ("1", 1)]
    assert values(company, "accountID") == [(str(account), 1)]
    assert values(company, plan) == [("Pro", 2), ("Free", 1)]
    assert values(company, colours) == [("blue", 2), ("red", 1)]
    assert values(company, "leadStatus") == [("unqualified", 3)]
    assert values(company, "hasOpportunity") == [("0", 3)]


def test_twenty_values_are_named(company: Company) -> None:
    company.create(*({"city": f"City {number}"} for number in range(30)), {"city": "City 29"})

    named = values(company, "city")
    assert len(named) == 20
    assert named[0] == ("City 29", 2)


def test_the_filter_and_the_words_select_the_leads(company: Company) -> None:
    company.create(
        {"city": "Rome", "leadScore": 1, "lastName": "Smith"},
        {"city": "Rome", "leadScore": 2},
        {"city": "Bonn", "leadScore": 3, "lastName": "Smith"},
        {"city": "Bonn", "active": 0},
    )

    assert values(company, "city", filter={"leadScore": {"atLeast": 2}}) == [("Bonn", 1), ("Rome", 1)]
    assert values(company, "city", text="smtih") == [("Bonn", 1), ("Rome", 1)]
    assert values(company, "city", inactive=1) == [("Bonn", 2), ("Rome", 2)]


@pytest.mark.parametrize("field", [*LEAD.by_name])
def test_every_field_has_a_spread_with_leads_and_without(company: Company, field: str) -> None:
    assert spread(company, field)["fieldSpread"] == []
    company.create({}, {"city": "Rome"})

    result = spread(company, field)

    assert result["leads"] == 2
    rows, empty = result["fieldSpread"], result["empty"]
    assert sum(int(row["count"]) for row in rows) + empty == 2
    assert len(rows) <= 24
    assert (result["shape"] == "value") == (
        value_type(LEAD.by_name[field]) in {"text", "flag"} or field.endswith("ID") or field == "id"
    )


def test_of_many_leads_a_sample_is_read_that_is_spread_over_all_of_them(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch in range(4):
        company.create(*({"leadScore": batch, "city": f"City {batch}"} for _ in range(500)))
    monkeypatch.setattr(spreads, "SAMPLE_MAX", 400)

    calls = (
        {"field": "leadScore"},
        {"field": "city", "text": "example"},
        {"field": "city", "filter": {"leadScore": 1}},
        {"field": "city", "filter": {"leadScore": 1, "id": {"greater": 0}}, "text": "exmaple"},
    )
    statements: list[str] = []

    class Recorded(Tx):
        async def rows(self, sql: Sql, *arguments: object) -> list[asyncpg.Record]:
            statements.append(sql)
            return await super().rows(sql, *arguments)

    async def call() -> list[dict[str, Any]]:
        database = WatchedDatabase(lambda connection: Recorded(connection, BOX))
        await database.open(company.dsn)
        try:
            context = await context_of(shared_parts(database), company)
            return [(await answer(context, "getFieldSpread", params))["result"] for params in calls]
        finally:
            await database.close()

    scores, cities, one, typos = asyncio.run(call())

    assert (scores["leads"], scores["isExact"]) == (400, False)
    assert [int(row["count"]) for row in scores["fieldSpread"]] == [100] * 4
    assert [(row["value"], row["count"]) for row in cities["fieldSpread"]] == [(f"City {n}", "100") for n in range(4)]
    assert (one["isExact"], one["leads"]) == (False, 100)
    assert typos["leads"] in {0, 100}
    assert any("cross join lateral" in text for text in statements)
    assert [fault for text in statements if "from lead l" in text for fault in faults(text)] == []


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"field": "nobody"}, "field"),
        ({"field": "list"}, "field"),
        ({"field": "event"}, "field"),
        ({"field": "city'; drop table lead; --"}, "field"),
        ({"field": "x" * 256}, "field"),
        ({"field": "city", "filter": {"nobody": 1}}, "filter.nobody"),
        ({"field": "city", "filter": 5}, "filter"),
        ({"field": "city", "inactive": 2}, "inactive"),
    ],
)
def test_wrong_parameters_are_refused(company: Company, params: dict[str, Any], named: str) -> None:
    refused = company.error("getFieldSpread", **params)

    assert refused["code"] == 205
    assert refused["data"]["params"][0]["param"] == named


def test_a_custom_field_of_a_hostile_name_and_values_is_only_data(company: Company) -> None:
    hostile = company.field("x'); drop table lead; --")
    company.create({hostile: "'; drop table lead; --"}, {hostile: "%_\\"}, {hostile: "{a,b}"})

    assert sorted(value for value, _ in values(company, hostile)) == ["%_\\", "'; drop table lead; --", "{a,b}"]


def test_the_leads_of_others_are_not_read(company: Company, given_company: Any) -> None:
    given_company().create({"city": "Berlin"})

    assert spread(company, "city") == {
        "fieldSpread": [], "shape": "value", "unit": None, "leads": 0, "empty": 0, "isExact": True
    }  # fmt: skip
