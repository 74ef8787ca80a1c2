"""The last event of a lead as columns, and the order by it (decision 39)."""

import random
from typing import Any

import pytest

from support import Company, sql

EVENT = """
insert into event (company_id, lead_id, create_timestamp, event_name, event_source)
values ($1, $2, ($3::text)::timestamptz, $4, $5)
"""
FIELDS = ["lastEventTimestamp", "lastEventSource", "lastEventName"]
NEWEST = [{"field": "lastEventTimestamp", "direction": "desc"}]


def happen(company: Company, lead_id: int, time: str, name: str = "Prices", source: str = "pageVisit") -> None:
    sql(company.dsn, EVENT, company.id, lead_id, f"{time}+00", name, source, company_id=company.id)


def forget_events(company: Company, *lead_ids: int) -> None:
    sql(
        company.dsn,
        "delete from event where company_id = $1 and lead_id = any($2::bigint[])",
        company.id,
        list(lead_ids),
        company_id=company.id,
    )


def walk(company: Company, limit: int, **params: Any) -> list[int]:
    """The ids of all pages of a search."""
    ids: list[int] = []
    cursor = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        result = company.envelope("searchLeads", {"limit": limit, "fields": ["id"], **params, **more})["result"]
        ids += [int(row["id"]) for row in result["lead"]]
        cursor = result["cursor"]
        if cursor is None:
            return ids


def test_the_columns_are_those_of_the_newest_event(company: Company) -> None:
    utc = company.at("v1.2")
    (lead_id,) = company.create({})
    (created,) = utc.call("searchLeads", fields=FIELDS)
    assert (created["lastEventSource"], created["lastEventName"]) == ("leadCreation", "Lead created")

    company.call("updateLeads", objects=[{"id": lead_id, "leadStatus": "open"}])
    assert utc.call("searchLeads", fields=FIELDS)[0]["lastEventSource"] == "changeLeadStatus"

    happen(company, lead_id, "2099-03-14 09:26:53")
    happen(company, lead_id, "2020-01-01 00:00:00", "Home")
    expected = {
        "lastEventTimestamp": "2099-03-14 09:26:53", "lastEventSource": "pageVisit", "lastEventName": "Prices"
    }  # fmt: skip
    assert utc.call("searchLeads", fields=FIELDS) == [expected]
    assert utc.call("getLeads", where={"id": lead_id}, fields=FIELDS) == [expected]


def test_a_read_without_names_of_fields_has_the_vendors_columns_only(company: Company) -> None:
    (lead_id,) = company.create({})

    for row in (company.lead(lead_id), *company.call("searchLeads"), *company.call("getLeads", where={})):
        assert not set(row) & set(FIELDS)


def test_the_vendors_list_of_fields_stays_as_it_is(company: Company) -> None:
    assert not {field["systemName"] for field in company.call("getFields", where={}, limit=500)} & set(FIELDS)


def test_a_caller_cannot_write_the_columns(company: Company) -> None:
    (lead_id,) = company.create({"lastEventTimestamp": "2099-01-01 00:00:00", "lastEventName": "x"})

    assert company.call("searchLeads", fields=["lastEventName"]) == [{"lastEventName": "Lead created"}]
    assert company.code("updateLeads", {"id": lead_id, "lastEventName": "x"}) == 302
    assert company.call("searchLeads", fields=["lastEventName"]) == [{"lastEventName": "Lead created"}]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_each_lead_comes_once_in_the_order_of_its_last_event(company: Company, limit: int) -> None:
    """Leads of one time by the other sort fields and by id; leads without events last."""
    chance = random.Random(7)
    ids = company.create(*({"city": chance.choice(("Rome", "Bonn", ""))} for _ in range(30)))
    forget_events(company, *ids)
    last: dict[int, str] = {}
    for lead_id in ids[3:]:
        times = [f"2026-03-{chance.randrange(1, 9):02} 10:00:00" for _ in range(chance.randrange(1, 6))]
        for time in times:
            happen(company, lead_id, time)
        last[lead_id] = max(times)

    cities = {int(row["id"]): row["city"] for row in company.call("searchLeads", fields=["id", "city"])}

    def expected(chosen: list[int], *, by_city: bool = False) -> list[int]:
        ordered = sorted(
            chosen, key=lambda lead_id: (not cities[lead_id], cities[lead_id], lead_id) if by_city else lead_id
        )
        return sorted(ordered, key=lambda lead_id: last.get(lead_id, ""), reverse=True)

    assert walk(company, limit, sort=NEWEST) == expected(ids)
    assert walk(company, limit, sort=[*NEWEST, "city"]) == expected(ids, by_city=True)
    romans = [lead_id for lead_id in ids if cities[lead_id] == "Rome"]
    assert walk(company, limit, sort=NEWEST, filter={"city": "rome"}) == expected(romans)
    oldest = walk(company, limit, sort="lastEventTimestamp")
    assert [last.get(lead_id, "9") for lead_id in oldest] == sorted(last.get(lead_id, "9") for lead_id in ids)
    assert sorted(oldest) == sorted(ids)


def test_words_and_the_order_by_last_events_go_together(company: Company) -> None:
    first, second, _ = company.create({"lastName": "Smith"}, {"lastName": "Smith"}, {"lastName": "Jones"})
    happen(company, first, "2099-01-01 00:00:00")

    assert walk(company, 1, sort=NEWEST, text="smith") == [first, second]
    assert walk(company, 5, sort=NEWEST, text="smtih") == [first, second]


def test_a_filter_can_test_the_last_event(company: Company) -> None:
    first, second = company.create({}, {})
    happen(company, first, "2099-01-01 00:00:00")

    for test, found in (
        ({"lastEventTimestamp": {"atLeast": "2098-01-01"}}, [first]),
        ({"lastEventTimestamp": {"less": "2098-01-01"}}, [second]),
        ({"lastEventSource": "pageVisit"}, [first]),
        ({"lastEventName": {"startsWith": "lead"}}, [second]),
        ({"lastEventTimestamp": {"empty": 1}}, []),
    ):
        assert walk(company, 5, filter=test) == found, test
    forget_events(company, second)
    assert walk(company, 5, filter={"lastEventTimestamp": {"empty": 1}}) == [second]


def test_the_survivor_of_a_merge_has_the_last_event_of_both(company: Company) -> None:
    first, second = company.create({}, {})
    happen(company, second, "2099-01-01 00:00:00")
    company.make("mergeLeads", {"id": first, "mergeIDs": [second]})

    assert company.at("v1.2").call("searchLeads", fields=["lastEventTimestamp"], sort=NEWEST) == [
        {"lastEventTimestamp": "2099-01-01 00:00:00"}
    ]


def test_lists_and_scores_cannot_depend_on_it_because_no_write_of_the_lead_would_update_them(company: Company) -> None:
    assert company.error("createList", name="x", filter={"lastEventSource": "pageVisit"})["code"] == 205


def test_the_events_of_others_are_not_seen(company: Company, given_company: Any) -> None:
    other = given_company()
    (theirs,) = other.create({})
    (lead_id,) = company.create({})
    sql(
        company.dsn, EVENT, other.id, lead_id, "2099-01-01 00:00:00+00", "x", "pageVisit", company_id=other.id
    )  # an id of another company
    happen(other, theirs, "2099-01-01 00:00:00")

    assert walk(company, 5, sort=NEWEST) == [lead_id]
    assert walk(other, 5, sort=NEWEST) == [theirs]
    assert company.call("searchLeads", fields=["lastEventName"]) == [{"lastEventName": "Lead created"}]
