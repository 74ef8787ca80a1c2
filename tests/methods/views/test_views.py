"""Saved views of tables: what they store, what they refuse, and what stays of a view whose field was deleted."""

import json
from typing import Any

import pytest

from support import Company, new_email, sql

BERLIN = {
    "name": "Berlin",
    "filter": {"city": ["Berlin", "Bonn"], "leadScore": {"atLeast": 10}},
    "sort": ["lastName", {"field": "leadScore", "direction": "desc"}],
    "columns": [{"field": "emailAddress", "width": 240, "pinned": True}, "city"],
}


def view(company: Company, view_id: int) -> dict[str, Any]:
    (row,) = company.call("getViews", where={"id": view_id})
    return row


def problems(company: Company, method: str, values: dict[str, Any]) -> list[str]:
    error = company.refusal(method, values)
    assert error is not None
    assert error["code"] == 205, error
    return [f"{problem['param']}: {problem['message']}" for problem in error["data"]["params"]]


def new_user(company: Company) -> int:
    (row,) = sql(
        company.dsn,
        """
        insert into user_profile (company_id, display_name, email_address, email_key)
        values ($1, 'Another', $2, $2) returning id
        """,
        company.id,
        new_email(),
        company_id=company.id,
    )
    return row["id"]


def test_a_view_is_read_as_it_was_made(company: Company) -> None:
    (view_id,) = company.make("createViews", BERLIN)

    row = view(company, view_id)
    assert list(row) == [
        "id", "name", "noun", "ownerID", "isShared", "filter", "sort", "columns", "tabPosition", "missingFields",
        "createTimestamp", "updateTimestamp",
    ]  # fmt: skip
    assert row["filter"] == {"and": [{"city": {"in": ["Berlin", "Bonn"]}}, {"leadScore": {"atLeast": 10}}]}
    assert row["sort"] == [{"field": "lastName", "direction": "asc"}, {"field": "leadScore", "direction": "desc"}]
    assert row["columns"] == [{"field": "emailAddress", "width": 240, "pinned": True}, {"field": "city"}]
    assert (row["noun"], row["ownerID"], row["isShared"], row["tabPosition"]) == ("lead", None, "1", None)
    assert row["missingFields"] == []


@pytest.mark.parametrize(
    "test",
    [
        {"event": {"source": "pageVisit", "since": "2026-01-01", "name": {"contains": "price"}}},
        {"event": {"source": ["pageVisit", "formSubmit"], "until": "2026-02-03", "count": {"less": 1}}},
        {"event": {"count": {"atLeast": 1_000}}},
        {"event": {"count": {"greater": 1_000}}},
        {"event": {"count": {"less": 0}}},
        {"event": {"count": {"atMost": 0}}},
        {"event": {"count": {"between": [2, 5]}}},
        {"city": {"changedSince": "2026-03-01 08:00:00"}},
        {"list": [1, 2]},
        {"createTimestamp": {"between": ["2026-01-01", "2026-01-31"]}},
        {"not": {"or": [{"city": {"empty": True}}, {"isUnsubscribed": 1}]}},
    ],
)
def test_the_filter_of_a_view_is_one_that_a_search_takes(company: Company, test: dict[str, Any]) -> None:
    """Stored, read in the zone of the call, sent again: it stays the same filter."""
    for at in (company, company.at("v1.2")):
        (view_id,) = at.make("createViews", {"name": "x", "filter": test})
        stored = view(at, view_id)["filter"]

        assert at.envelope("searchLeads", {"filter": stored})["error"] is None
        assert at.code("updateViews", {"id": view_id, "filter": stored}) == 302
        assert at.code("updateViews", {"id": view_id, "filter": test}) == 302


def test_a_view_of_a_deleted_field_can_be_read_and_changed_and_names_the_field(company: Company) -> None:
    size, colour, born = company.field("Size"), company.field("Colour"), company.field("Born", "date")
    (view_id,) = company.make(
        "createViews",
        {
            "name": "x",
            "filter": {size: {"changedSince": "2026-01-01"}, "city": "Berlin", born: {"less": "2000-01-01"}},
            "sort": [colour],
            "columns": ["city", colour],
        },
    )
    before = view(company, view_id)
    assert before["missingFields"] == []
    for name in (size, colour, born):
        company.call("deleteFields", objects=[{"systemName": name}])

    row = view(company, view_id)
    assert sorted(row["missingFields"]) == sorted([size, colour, born])
    assert {key: row[key] for key in ("filter", "sort", "columns")} == {
        key: before[key] for key in ("filter", "sort", "columns")
    }
    assert company.refusal("updateViews", {"id": view_id, "name": "y"}) is None
    assert company.code("updateViews", {"id": view_id, "columns": [colour]}) == 205
    assert company.refusal("updateViews", {"id": view_id, "filter": None, "sort": None, "columns": ["city"]}) is None
    assert view(company, view_id)["missingFields"] == []


def test_null_and_what_is_empty_remove_a_part_of_a_view(company: Company) -> None:
    (first, second) = company.make("createViews", BERLIN, {**BERLIN, "tabPosition": 3})

    assert company.refusal("updateViews", {"id": first, "filter": {}, "sort": [], "columns": []}) is None
    assert company.refusal("updateViews", {"id": second, "filter": None, "tabPosition": None}) is None
    row = view(company, first)
    assert (row["filter"], row["sort"], row["columns"]) == (None, None, None)
    row = view(company, second)
    assert (row["filter"], row["tabPosition"]) == (None, None)
    assert row["sort"] is not None


def test_a_user_sees_shared_views_and_own_ones(company: Company) -> None:
    ann, ben = new_user(company), new_user(company)
    shared, of_ann, of_ben = company.make(
        "createViews", {"name": "s"}, {"name": "a", "ownerID": ann}, {"name": "b", "ownerID": ben}
    )

    def seen(**params: Any) -> list[int]:
        return [int(row["id"]) for row in company.call("getViews", **params)]

    assert seen() == [shared, of_ann, of_ben]
    assert seen(userID=ann) == [shared, of_ann]
    assert seen(userID=1) == [shared]
    assert seen(where={"isShared": 1}) == [shared]
    assert seen(where={"ownerID": [ann, ben]}) == [of_ann, of_ben]
    assert company.error("getViews", userID=ann, where={"isShared": 1})["code"] == 205
    assert company.refusal("updateViews", {"id": of_ben, "ownerID": None}) is None
    assert seen(userID=ann) == [shared, of_ann, of_ben]
    assert company.code("createViews", {"name": "x", "ownerID": 1}) == 303


def test_a_company_has_200_shared_views_and_a_user_100_own_ones(company: Company) -> None:
    ann, ben = new_user(company), new_user(company)
    shared = company.make("createViews", *[{"name": "s"}] * 200)
    own = company.make("createViews", *[{"name": "o", "ownerID": ann}] * 100)

    assert company.error("createViews", objects=[{"name": "x"}])["code"] == 205
    assert company.error("createViews", objects=[{"name": "x", "ownerID": ann}])["code"] == 205
    assert company.error("updateViews", objects=[{"id": shared[0], "ownerID": ann}])["code"] == 205
    assert company.error("updateViews", objects=[{"id": own[0], "ownerID": None}])["code"] == 205
    company.make("createViews", {"name": "x", "ownerID": ben})
    assert company.refusal("updateViews", {"id": own[0], "ownerID": ben}) is None
    company.make("createViews", {"name": "x", "ownerID": ann})
    assert len(company.call("getViews", where={"ownerID": ann})) == 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "name: Expected a text that is not empty"),
        ({"name": "x" * 101}, "name: Expected at most 100 characters, got 101"),
        ({"noun": "account"}, "noun: Expected one of: lead"),
        ({"filter": {"x": 1}}, "filter.x: There is no such field"),
        ({"filter": {"city": {"like": 1}}}, None),
        ({"sort": ["x"]}, "sort: There is no field x"),
        ({"sort": ["city", "city"]}, "sort: city: sent twice"),
        ({"sort": ["a", "b", "c", "d"]}, None),
        ({"sort": [{"field": "city", "direction": "up"}]}, None),
        ({"columns": ['x"; drop table lead; --']}, 'columns: There is no field x"; drop table lead; --'),
        ({"columns": ["city", {"field": "city"}]}, "columns: city: sent twice"),
        ({"columns": ["city"] * 201}, None),
        ({"columns": [{"field": "city", "width": 39}]}, None),
        ({"columns": [{"field": "city", "width": 10**30}]}, None),
        ({"columns": [{"field": "city", "pinned": 2}]}, None),
        ({"columns": [{"field": "city", "colour": "red"}]}, None),
        ({"columns": [{}]}, None),
        ({"columns": [["city"]]}, None),
        ({"columns": [None]}, None),
        ({"columns": ["city\u0000"]}, None),
        ({"tabPosition": -1}, None),
        ({"tabPosition": 40_000}, None),
        ({"filter": {"city": [f"{number} " + "y" * 990 for number in range(40)]}}, None),
    ],
)
def test_a_wrong_view_is_refused(company: Company, wrong: dict[str, Any], message: str | None) -> None:
    refused = problems(company, "createViews", {**BERLIN, **wrong})

    assert refused
    if message:
        assert refused == [message]
    assert company.call("getViews") == []


@pytest.mark.parametrize("wrong", [{"filter": []}, {"filter": "x"}, {"sort": "city"}, {"sort": {}}, {"columns": {}}])
def test_a_part_of_the_wrong_form_is_refused(company: Company, wrong: dict[str, Any]) -> None:
    assert company.code("createViews", {"name": "x", **wrong}) in {205, 210}


def test_a_refused_view_does_not_stop_the_others(company: Company) -> None:
    outcomes = company.call("createViews", objects=[BERLIN, {**BERLIN, "sort": ["x"]}, {"name": "y"}])

    assert [outcome["success"] for outcome in outcomes] == [True, False, True]
    assert len(company.call("getViews")) == 2


def test_a_field_of_another_call_can_be_used_at_once(company: Company) -> None:
    company.make("createViews", BERLIN)  # caches the fields
    size = company.field("Size")

    company.make("createViews", {"name": "x", "filter": {size: "XL"}, "sort": [size], "columns": [size]})


def test_a_deleted_view_is_gone_and_its_leads_stay(company: Company) -> None:
    (lead_id,) = company.create({"city": "Berlin"})
    (view_id,) = company.make("createViews", BERLIN)

    assert company.refusal("deleteViews", {"id": view_id}) is None
    assert company.call("getViews") == []
    assert company.code("deleteViews", {"id": view_id}) == 302
    assert company.lead(lead_id)["city"] == "Berlin"


def test_the_longest_view_is_stored_whole(company: Company) -> None:
    columns = [company.field(f"{number}") for number in range(100)]
    values = [f"{number:04}" + "x" * 70 for number in range(400)]
    (view_id,) = company.make(
        "createViews", {"name": "n" * 100, "columns": columns, "filter": {"city": values}, "tabPosition": 32_767}
    )

    row = view(company, view_id)
    assert [column["field"] for column in row["columns"]] == columns
    assert row["filter"] == {"city": {"in": values}}
    assert len(json.dumps(row["filter"])) > 30_000
