"""searchLeads by events, and by changes of fields since a time (our own)."""

from typing import Any

import pytest

from springhead.model.leads.leads import LEAD
from support import Company, sql

EVENTS = """
insert into event (company_id, lead_id, create_timestamp, event_name, event_source)
select $1, $2, timestamptz '2026-01-01 10:00:00+00' + n * interval '1 day', $4 || n, $3
from generate_series(0, $5 - 1) n
"""


def matching(company: Company, filter: Any, **more: Any) -> str:
    """The first letters of the addresses of the leads that a search finds."""
    rows = company.call("searchLeads", filter=filter, fields=["emailAddress"], **more)
    return "".join(row["emailAddress"][0] for row in rows)


@pytest.fixture
def visitors(company: Company) -> Company:
    """Four leads: a saw three pages and b two, one page a day from 1 January 2026; c submitted a form."""
    a, b, c, _ = company.create(*({"emailAddress": f"{letter}@example.com"} for letter in "abcd"))
    for lead, source, name, count in (
        (a, "pageVisit", "Pricing ", 3),
        (b, "pageVisit", "Home ", 2),
        (c, "formSubmit", "Pricing_", 1),
    ):
        sql(company.dsn, EVENTS, company.id, lead, source, name, count, company_id=company.id)
    return company


@pytest.mark.parametrize(
    ("event", "letters"),
    [
        ("pageVisit", "ab"),
        (["pageVisit", "formSubmit"], "abc"),
        ({"source": "pageVisit"}, "ab"),
        ({"source": ["formSubmit"]}, "c"),
        ({"source": "emailOpened"}, ""),
        ({"source": "pageVisit", "count": 2}, "b"),
        ({"source": "pageVisit", "count": {"equals": "3"}}, "a"),
        ({"source": "pageVisit", "count": {"atLeast": 3}}, "a"),
        ({"source": "pageVisit", "count": {"greater": 1}}, "ab"),
        ({"source": "pageVisit", "count": {"less": 3}}, "bcd"),
        ({"source": "pageVisit", "count": {"less": 0}}, ""),
        ({"source": "pageVisit", "count": {"atMost": 0}}, "cd"),
        ({"source": "pageVisit", "count": {"atMost": 2}}, "bcd"),
        ({"source": "pageVisit", "count": 0}, "cd"),
        ({"source": "pageVisit", "count": {"atLeast": 0}}, "abcd"),
        ({"source": "pageVisit", "count": {"between": [2, 3]}}, "ab"),
        ({"source": "pageVisit", "since": "2026-01-03"}, "a"),
        ({"source": "pageVisit", "since": "2026-01-02 10:00:00"}, "ab"),
        ({"source": "pageVisit", "since": "2026-01-02 10:00:01"}, "a"),
        ({"source": "pageVisit", "until": "2026-01-01"}, "ab"),
        ({"source": "pageVisit", "until": "2026-01-01 10:00:00"}, "ab"),
        ({"source": "pageVisit", "until": "2026-01-01 09:59:59"}, ""),
        ({"since": "2026-01-01", "until": "2026-01-01 23:59:59", "count": 1}, "abc"),
        ({"source": "pageVisit", "since": "2026-01-02", "count": 1}, "b"),
        ({"name": "pricing 2"}, "a"),
        ({"name": {"startsWith": "PRICING"}}, "ac"),
        ({"name": {"contains": "g_"}}, "c"),
        ({"name": {"endsWith": "1"}, "source": "pageVisit"}, "ab"),
        ({"name": {"contains": "i"}, "source": "pageVisit", "count": {"atLeast": 2}}, "a"),
        ({"name": {"contains": "' or true --"}}, ""),
        ("leadCreation", "abcd"),
    ],
)
def test_leads_are_found_by_their_events(visitors: Company, event: Any, letters: str) -> None:
    assert matching(visitors, {"event": event}) == letters
    assert matching(visitors, {"not": {"event": event}}) == "".join(sorted(set("abcd") - set(letters)))


def test_conditions_on_events_combine_with_others(visitors: Company) -> None:
    both = {"or": [{"event": {"source": "pageVisit", "count": 3}}, {"event": "formSubmit"}], "not": {"city": "Rome"}}
    assert matching(visitors, both) == "ac"
    page = visitors.envelope("searchLeads", {"filter": both, "limit": 1, "total": 1, "fields": ["emailAddress"]})[
        "result"
    ]
    assert (page["total"], page["totalIsExact"]) == (2, True)
    assert matching(visitors, both, cursor=page["cursor"]) == "c"
    other = {**both, "or": [{"event": {"source": "pageVisit", "count": 2}}, {"event": "formSubmit"}]}
    assert visitors.error("searchLeads", filter=other, cursor=page["cursor"])["code"] == 205


def test_times_of_events_are_in_the_zone_of_the_call(given_company: Any) -> None:
    company = given_company(time_zone="America/New_York")
    (lead,) = company.create({"emailAddress": "a@example.com"})
    sql(company.dsn, EVENTS, company.id, lead, "pageVisit", "x", 1, company_id=company.id)  # 05:00 there

    assert matching(company, {"event": {"source": "pageVisit", "since": "2026-01-01 05:00:00"}}) == "a"
    assert matching(company, {"event": {"source": "pageVisit", "since": "2026-01-01 05:00:01"}}) == ""
    assert matching(company.at("v1.2"), {"event": {"source": "pageVisit", "since": "2026-01-01 10:00:01"}}) == ""


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({}, ""),
        ("nothing", ".source"),
        ([], ".source"),
        (["pageVisit", "nothing"], ".source[1]"),
        ({"source": ["pageVisit", {}]}, ".source[1]"),
        ({"source": [[]]}, ".source[0]"),
        (5, ".source"),
        (None, ".source"),
        ({"source": "pageVisit", "sources": 1}, ".sources"),
        ({"since": "yesterday"}, ".since"),
        ({"since": ""}, ".since"),
        ({"until": 5}, ".until"),
        ({"name": {"greater": "a"}}, ".name"),
        ({"name": {"contains": ""}}, ".name.contains"),
        ({"name": {"contains": "\0"}}, ".name.contains"),
        ({"name": ["a"]}, ".name"),
        ({"count": -1}, ".count.equals"),
        ({"count": 1001}, ".count.equals"),
        ({"count": 1.5}, ".count.equals"),
        ({"count": {"atLeast": "x"}}, ".count.atLeast"),
        ({"count": {"between": [3, 2]}}, ".count.between"),
        ({"count": {"between": 3}}, ".count.between"),
        ({"count": {"atLeast": 1, "atMost": 2}}, ".count"),
        ({"count": {">=": 1}}, ".count"),
    ],
)
def test_a_wrong_condition_on_events_is_205_and_named(company: Company, event: Any, named: str) -> None:
    refused = company.error("searchLeads", filter={"event": event})

    assert refused["code"] == 205
    assert refused["data"]["params"][0]["param"] == f"filter.event{named}"


def test_lists_cannot_filter_by_events_or_changes(company: Company) -> None:
    for tests in ({"event": "pageVisit"}, {"city": {"changedSince": "2026-01-01"}}):
        assert company.error("createList", name="No", filter=tests)["code"] == 205


@pytest.mark.parametrize("column", LEAD.writable_columns, ids=lambda column: column.name)
def test_every_writable_field_has_a_time_of_its_last_change(company: Company, column: Any) -> None:
    assert isinstance(company.call("searchLeads", filter={column.name: {"changedSince": "2026-01-01 00:00:00"}}), list)
    assert matching(company, {column.name: {"changedSince": "2999-01-01"}}) == ""


def test_changes_since_a_time_are_found_by_field(company: Company) -> None:
    size = company.field("Size")
    a, b, c, d, e = company.create(*({"emailAddress": f"{letter}@example.com", "city": "Rome"} for letter in "abcde"))
    sql(company.dsn, "update lead set create_timestamp = '2020-01-01'", company_id=company.id)
    company.call(
        "updateLeads",
        objects=[
            {"id": a, "city": "Oslo"}, {"id": b, size: "M"}, {"id": c, "city": ""}, {"id": d, "leadStatus": "open"},
            {"id": e, "isUnsubscribed": 1},
        ],
    )  # fmt: skip
    (f,) = company.create({"emailAddress": "f@example.com", "city": "Rome", size: "S"})

    assert matching(company, {"city": {"changedSince": "2021-01-01"}}) == "acf"
    assert matching(company, {size: {"changedSince": "2021-01-01"}}) == "bf"
    assert matching(company, {"leadStatus": {"changedSince": "2021-01-01"}}) == "df"
    assert matching(company, {"isUnsubscribed": {"changedSince": "2021-01-01"}}) == "e"
    assert matching(company, {"title": {"changedSince": "2021-01-01"}}) == ""
    assert matching(company, {"not": {"city": {"changedSince": "2021-01-01"}}}) == "bde"
    assert matching(company, {"city": {"changedSince": "2021-01-01", "equals": "Oslo"}}) == "a"
    sql(company.dsn, "update event set create_timestamp = '2020-01-01' where lead_id = $1", a, company_id=company.id)
    assert matching(company, {"city": {"changedSince": "2021-01-01"}}) == "cf"
    assert f


def test_fields_that_are_never_written_cannot_be_searched_by_change(company: Company) -> None:
    for name in ("id", "updateTimestamp", "isQualified", "list", "hasOpportunity"):
        refused = company.error("searchLeads", filter={name: {"changedSince": "2026-01-01"}})
        assert refused["data"]["params"][0]["param"] == f"filter.{name}.changedSince"
    assert company.error("searchLeads", filter={"city": {"changedSince": "x"}})["code"] == 205
