"""`expected`: an update whose caller has read other values (docs/actions.md#expected-values)."""

from collections import Counter
from typing import Any

import pytest

from callers import at_once, clients
from support import Company, new_email

UPDATES = ["updateLeads", "updateLeadsV2", "upsertLeads"]


def write(company: Company, method: str = "updateLeads", **record: Any) -> dict[str, Any] | None:
    """Writes one lead; returns its error."""
    return company.refusal(method, record)


@pytest.mark.parametrize("method", UPDATES)
def test_a_value_that_was_changed_meanwhile_is_refused_and_shows_the_current_one(company: Company, method: str) -> None:
    (lead,) = company.create({"city": "Berlin", "title": "CEO"})
    assert write(company, id=lead, city="Hamburg") is None
    (change,) = company.call("getLeadHistory", id=lead, fields=["city"])

    error = write(company, method, id=lead, city="Rome", title="CTO", expected={"city": "Berlin"})

    assert error == {
        "code": 409,
        "message": "A value was changed since it was read",
        "data": {
            "params": [{"param": "city", "message": "Another value was stored since it was read"}],
            "conflict": {
                "city": {
                    "value": "Hamburg",
                    "eventID": change["eventID"],
                    "eventSource": "leadUpdate",
                    "createTimestamp": change["createTimestamp"],
                }
            },
        },
    }
    assert (company.lead(lead)["city"], company.lead(lead)["title"]) == ("Hamburg", "CEO")


@pytest.mark.parametrize("method", UPDATES)
def test_the_value_that_was_read_is_written_over(company: Company, method: str) -> None:
    (lead,) = company.create({"city": "Berlin"})

    assert write(company, method, id=lead, city="Rome", expected={"city": "Berlin"}) is None

    assert company.lead(lead)["city"] == "Rome"


def test_what_a_read_returns_is_what_an_update_expects(company: Company) -> None:
    """Every field that can be written, with a value and without one, also custom fields."""
    names = [company.field(kind, kind) for kind in ("string", "checkbox", "date", "phone", "boolean")]
    values = dict(zip(names, ["x", "a,b", "2026-02-03", "+49 30 1", "1"], strict=True))
    full, empty = company.create({"city": "Köln", "leadScore": 7, "isUnsubscribed": 0, **values}, {})
    for lead_id in (full, empty):
        lead = company.lead(lead_id)
        names = [
            field["systemName"] for field in company.call("getFields", where={}) if field["relationship"] == "lead"
        ]
        refused = company.refusal("updateLeads", {"id": lead_id, "title": "CEO", "expected": lead})
        assert refused is not None
        writable = set(refused["data"]["validParams"])
        expected = {name: value for name, value in lead.items() if name in writable}
        assert len(expected) > 25

        assert company.refusal("updateLeads", {"id": lead_id, "title": "CEO", "expected": expected}) is None
        assert company.lead(lead_id)["title"] == "CEO"


@pytest.mark.parametrize(
    ("stored", "expected", "agrees"),
    [
        ({"city": "Zu\u0308rich"}, {"city": "Zürich"}, True),  # the same text in another coding
        ({"city": "Berlin"}, {"city": "berlin"}, False),  # case is a difference that people see
        ({"city": "Berlin"}, {"city": "Berlin "}, False),
        ({"description": "a\nb"}, {"description": "a\r\nb"}, True),  # what a form of a web page makes of it
        ({}, {"city": None}, True),
        ({}, {"city": ""}, True),
        ({"city": ""}, {"city": None}, True),
        ({"city": "x"}, {"city": None}, False),
        ({"leadScore": 5}, {"leadScore": "5"}, True),
        ({"leadScore": 5}, {"leadScore": 5}, True),
        ({"leadScore": 5}, {"leadScore": "5.0"}, True),
        ({"leadScore": 5}, {"leadScore": 6}, False),
        ({}, {"ownerID": None}, True),
        ({}, {"ownerID": ""}, True),
        ({}, {"ownerID": 4}, False),
        ({"isUnsubscribed": 1}, {"isUnsubscribed": True}, True),
        ({}, {"isUnsubscribed": "0"}, False),  # never set is not the same as no
        ({"phoneNumber": "4915112345678"}, {"phoneNumber": "4.915112345678e12"}, True),
        ({"leadStatus": "open"}, {"leadStatus": "open"}, True),
        ({"leadStatus": "open"}, {"leadStatus": "qualified"}, False),
        ({"emailAddress": "a@example.com"}, {"emailAddress": " a@example.com"}, True),
        ({"city": "a", "title": "b"}, {"city": "a", "title": "b"}, True),
        ({"city": "a", "title": "b"}, {"city": "a", "title": "c"}, False),
    ],
)
def test_values_are_compared_as_people_and_reads_see_them(
    company: Company, stored: dict[str, Any], expected: dict[str, Any], *, agrees: bool
) -> None:
    (lead,) = company.create(stored)

    error = write(company, id=lead, website="https://example.com", expected=expected)

    assert (error is None) == agrees, error
    assert (company.lead(lead)["website"] is not None) == agrees


def test_custom_fields_are_compared_too_and_all_conflicts_are_named(company: Company) -> None:
    name = company.field("Color")
    (lead,) = company.create({name: "red", "city": "Rome"})

    error = write(company, id=lead, title="CEO", expected={name: "blue", "city": "Bonn", "title": None})

    assert error is not None
    assert {field: theirs["value"] for field, theirs in error["data"]["conflict"].items()} == {
        name: "red",
        "city": "Rome",
    }
    assert error["data"]["conflict"]["city"]["eventID"] is None  # the lead was created with it
    assert write(company, id=lead, title="CEO", expected={name: "red"}) is None
    assert company.code("updateLeads", {"id": lead, name: None, "expected": {name: "red"}}) is None
    assert company.code("updateLeads", {"id": lead, name: "green", "expected": {name: ""}}) is None


def test_a_repeated_call_is_no_conflict_with_itself(company: Company) -> None:
    (lead,) = company.create({"city": "Berlin"})
    record = {"id": lead, "city": "Rome", "expected": {"city": "Berlin"}}

    assert company.code("updateLeads", record) is None
    assert company.code("updateLeads", record) == 302  # as without `expected`: the lead has the value already
    assert company.code("upsertLeads", record) is None


def test_objects_of_a_call_are_compared_in_order_and_a_conflict_stops_no_other(company: Company) -> None:
    first, second = company.create({"city": "a"}, {"city": "a"})
    objects = [
        {"id": first, "city": "b", "expected": {"city": "a"}},
        {"id": first, "city": "c", "expected": {"city": "a"}},
        {"id": first, "city": "d", "expected": {"city": "b"}},
        {"id": second, "city": "z", "expected": {"city": "x"}},
    ]

    outcomes = company.envelope("updateLeads", {"objects": objects})["result"]["updates"]

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [None, 409, None, 409]
    assert [company.lead(lead)["city"] for lead in (first, second)] == ["d", "a"]


@pytest.mark.parametrize("expected", [None, "", [], {}])
def test_an_empty_expected_expects_nothing(company: Company, expected: Any) -> None:
    (lead,) = company.create({"city": "a"})

    assert write(company, id=lead, city="b", expected=expected) is None


@pytest.mark.parametrize(
    ("expected", "param"),
    [
        ("city", "expected"),
        ([1], "expected"),
        ({"nothing": "x"}, "expected.nothing"),
        ({"id": 4}, "expected.id"),
        ({"updateTimestamp": "2026-01-01 00:00:00"}, "expected.updateTimestamp"),
        ({"leadScore": "many"}, "expected.leadScore"),
        ({"city": ["a"]}, "expected.city"),
        ({"city": "a\0b"}, "expected.city"),
        ({"city": {"a": 1}}, "expected.city"),
    ],
)
def test_a_wrong_expected_is_205_and_writes_nothing(company: Company, expected: Any, param: str) -> None:
    (lead,) = company.create({"city": "a"})

    error = write(company, id=lead, city="b", expected=expected)

    assert error is not None
    assert (error["code"], error["data"]["params"][0]["param"]) == (205, param)
    assert company.lead(lead)["city"] == "a"


@pytest.mark.parametrize("method", ["createLeads", "updateAccounts"])
def test_other_writes_do_not_know_the_member(company: Company, method: str) -> None:
    assert company.code(method, {"id": 1, "emailAddress": new_email(), "expected": {"city": "a"}}) == 205


def test_an_upsert_that_expects_values_creates_no_lead(company: Company) -> None:
    name = company.field("Number", isUnique=1)

    assert company.code("upsertLeads", {"emailAddress": new_email(), "expected": {"city": "a"}}) == 404
    answer = company.envelope(
        "upsertLeads", {"key": name, "objects": [{name: "7", "emailAddress": new_email(), "expected": {"city": "a"}}]}
    )

    assert [error["code"] for error in answer["error"]] == [404]
    assert company.call("getLeads", where={}) == []


def test_of_writers_that_read_the_same_value_one_writes(company: Company) -> None:
    (lead,) = company.create({"title": "first"})

    for turn in range(5):
        read = company.lead(lead)["title"]

        def change(caller: Company, number: int, turn: int = turn, read: str | None = read) -> int | None:
            record = {"id": lead, "title": f"{turn} {number}", "expected": {"title": read}}
            return caller.code("updateLeads", record)

        assert Counter(at_once(clients(company, 6), change)) == {None: 1, 409: 5}
        assert company.lead(lead)["title"] != read


def test_counters_lose_no_step(company: Company) -> None:
    """Each caller reads a number and writes the next one, until it has done so ten times."""
    (lead,) = company.create({"leadScore": 0})

    def count(caller: Company, _number: int) -> None:
        steps = 0
        while steps < 10:
            read = int(caller.lead(lead)["leadScore"] or 0)
            steps += (
                caller.code("updateLeads", {"id": lead, "leadScore": read + 1, "expected": {"leadScore": read}}) is None
            )

    at_once(clients(company, 4), count)

    assert company.lead(lead)["leadScore"] == "40"
