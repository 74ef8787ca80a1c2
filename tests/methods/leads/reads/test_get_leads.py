"""getLeads, rule by rule (docs/wire/leads.md#getleads)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company, new_email

UNKNOWN = 777


@pytest.fixture
def four(company: Company) -> Company:
    """A company with the leads a, b, c and d@example.com, of which c is not active."""
    company.create(*({"emailAddress": f"{letter}@example.com", "active": letter != "c"} for letter in "abcd"))
    return company


def letters(company: Company, **params: Any) -> str:
    """The first letters of the addresses of the leads of a read."""
    return "".join(lead["emailAddress"][0] for lead in company.call("getLeads", **params))


def id_of(company: Company, letter: str) -> int:
    (lead,) = company.call("getLeads", where={"emailAddress": f"{letter}@example.com"})
    return int(lead["id"])


def test_the_examples_of_the_reference_are_answered_to_the_letter(company: Company) -> None:
    first, second = company.create(
        {"emailAddress": "lead.one@example.com", "firstName": "Lead"},
        {"emailAddress": "lead.two@example.com", "firstName": "Lead"},
    )

    params = {"where": {"id": [first, second]}, "fields": ["id", "firstName", "emailAddress"]}
    answer = company.envelope("getLeads", params, id="r7")

    assert answer == {
        "result": {
            "lead": [
                {"id": str(first), "firstName": "Lead", "emailAddress": "lead.one@example.com"},
                {"id": str(second), "firstName": "Lead", "emailAddress": "lead.two@example.com"},
            ]
        },
        "error": None,
        "id": "r7",
    }
    assert list(answer) == ["result", "error", "id"]


def test_every_scalar_is_a_string_or_null(company: Company) -> None:
    (account_id,) = company.make("createAccounts", {"accountName": "Acme Inc."})
    company.create({"leadScore": 5, "active": 1, "isUnsubscribed": 0, "accountID": account_id})

    (lead,) = company.call("getLeads", where={})

    assert {type(value) for value in lead.values()} == {str, type(None)}
    assert [lead[name] for name in ("leadScore", "active", "isUnsubscribed")] == ["5", "1", "0"]
    assert lead["accountID"] == str(account_id)


# where


@pytest.mark.parametrize("where", [[], {}, None, ""])
def test_an_empty_where_is_all_active_leads_in_the_order_of_their_ids(four: Company, where: Any) -> None:
    assert letters(four, where=where) == "abd"


def test_a_missing_where_is_206(company: Company) -> None:
    error = company.error("getLeads", limit=5)

    assert (error["code"], error["message"]) == (206, "Missing parameters")
    assert error["data"]["params"][0]["param"] == "where"
    assert company.envelope("getLeads", [])["error"]["code"] == 206


def test_a_scalar_finds_the_lead_active_or_not(four: Company) -> None:
    for letter in "abcd":
        assert letters(four, where={"emailAddress": f"{letter}@example.com"}) == letter
        assert letters(four, where={"id": id_of(four, letter)}) == letter
        assert letters(four, where={"id": str(id_of(four, letter))}) == letter


def test_an_address_is_found_whatever_its_case(four: Company) -> None:
    assert letters(four, where={"emailAddress": "A@EXAMPLE.COM"}) == "a"
    assert letters(four, where={"emailAddress": " a@example.com. "}) == "a"
    assert letters(four, where={"emailAddress": ["B@Example.com"]}) == "b"


def test_an_id_and_an_address_must_both_match(four: Company) -> None:
    a = id_of(four, "a")

    assert letters(four, where={"id": a, "emailAddress": "a@example.com"}) == "a"
    assert letters(four, where={"id": a, "emailAddress": "b@example.com"}) == ""


def test_a_list_finds_each_lead_once_active_or_not(four: Company) -> None:
    a, c = id_of(four, "a"), id_of(four, "c")

    assert letters(four, where={"id": [c, str(a), a, UNKNOWN]}) == "ac"
    assert letters(four, where={"emailAddress": ["d@example.com", "C@example.com", "x@example.com"]}) == "cd"


def test_with_a_list_single_values_are_ignored(four: Company) -> None:
    a = id_of(four, "a")

    assert letters(four, where={"id": [a], "emailAddress": "b@example.com"}) == "a"
    assert letters(four, where={"id": a, "emailAddress": ["b@example.com"]}) == "b"


def test_two_lists_are_combined_leads_by_id_first(four: Company) -> None:
    where = {"emailAddress": ["a@example.com", "b@example.com"], "id": [id_of(four, "d"), id_of(four, "b")]}

    assert letters(four, where=where) == "bda"
    assert letters(four, where=where, limit=2) == "bd"
    assert letters(four, where=where, limit=2, offset=2) == "a"


def test_of_lists_at_most_500_leads_come_back_ids_first(company: Company) -> None:
    addresses = [f"lead{number}@example.com" for number in range(400)]
    company.create(*({"emailAddress": address} for address in addresses))
    by_id = company.create(*[{}] * 300)

    leads = company.call("getLeads", where={"emailAddress": addresses, "id": by_id}, limit=1000)

    assert [int(lead["id"]) for lead in leads[:300]] == sorted(by_id)
    assert len(leads) == 500
    assert {lead["emailAddress"] for lead in leads[300:]} <= set(addresses)


def test_an_empty_list_finds_nothing_since_ignoring_it_would_return_everything(four: Company) -> None:
    assert letters(four, where={"id": []}) == ""
    assert letters(four, where={"id": [], "emailAddress": ["a@example.com"]}) == "a"


def test_another_companys_leads_are_not_found(four: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    a = id_of(four, "a")

    assert other.call("getLeads", where={}) == []
    assert other.call("getLeads", where={"id": a}) == []
    assert other.call("getLeads", where={"id": [a], "emailAddress": ["a@example.com"]}) == []


@pytest.mark.parametrize(
    "key", ["phoneNumber", "updateTimestamp", "leadStatus", "ownerID", "firstName", "ID", "active", "x"]
)
def test_any_other_filter_is_205_since_ignoring_it_would_return_everything(company: Company, key: str) -> None:
    error = company.error("getLeads", where={"emailAddress": "a@example.com", key: "1"})

    assert error["code"] == 205
    assert [problem["param"] for problem in error["data"]["params"]] == [key]
    assert error["data"]["validParams"] == ["id", "emailAddress"]


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("x", 205),
        (5, 205),
        (["a@example.com"], 205),
        ([{"id": 1}], 205),
        ({"id": "abc"}, 205),
        ({"id": ""}, 205),
        ({"id": None}, 205),
        ({"id": True}, 205),
        ({"id": 1.5}, 205),
        ({"id": 2**63}, 205),
        ({"id": [1, "x"]}, 205),
        ({"id": [None]}, 205),
        ({"id": [2**64]}, 205),
        ({"id": list(range(10_001))}, 205),
        ({"id": {"from": 1}}, 210),
        ({"id": [[1]]}, 210),
        ({"emailAddress": None}, 205),
        ({"emailAddress": True}, 205),
        ({"emailAddress": "x" * 151}, 205),
        ({"emailAddress": "a\0b"}, 205),
        ({"emailAddress": ["a\0b"]}, 205),
        ({"emailAddress": [{}]}, 210),
    ],
)
def test_a_wrong_filter_is_refused(company: Company, where: Any, code: int) -> None:
    assert company.error("getLeads", where=where)["code"] == code


# limit and offset


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({"limit": 2}, "ab"),
        ({"limit": "2"}, "ab"),
        ({"limit": 2, "offset": 1}, "bd"),
        ({"limit": "2", "offset": "2"}, "d"),
        ({"limit": "", "offset": ""}, "abd"),
        ({"limit": None, "offset": None}, "abd"),
        ({"limit": 0}, ""),
        ({"limit": 1_000_000}, "abd"),
        ({"offset": 3}, ""),
        ({"offset": 2**63 - 1}, ""),
        ({"limit": 2**63 - 1, "offset": 0}, "abd"),
    ],
)
def test_a_page_is_limit_rows_from_offset_on(four: Company, page: dict[str, Any], expected: str) -> None:
    assert letters(four, where={}, **page) == expected


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize(
    ("value", "code"), [(-1, 205), ("x", 205), (1.5, 205), (2**63, 205), (True, 205), ([1], 210), ({}, 210)]
)
def test_a_wrong_limit_or_offset_is_refused(company: Company, name: str, value: Any, code: int) -> None:
    error = company.error("getLeads", where={}, **{name: value})

    assert error["code"] == code
    assert error["data"]["params"][0]["param"] == name


def test_a_page_has_500_leads_at_most_and_by_default(company: Company) -> None:
    ids = sorted([*company.create(*[{}] * 500), *company.create(*[{}] * 7)])

    for limit in ({}, {"limit": 501}, {"limit": "5000"}):
        first = company.call("getLeads", where={}, **limit)
        assert [int(lead["id"]) for lead in first] == ids[:500]
    rest = company.call("getLeads", where={}, limit=5000, offset=500)
    assert [int(lead["id"]) for lead in rest] == ids[500:]


def test_a_limit_and_an_offset_apply_to_lists_too(four: Company) -> None:
    where = {"emailAddress": [f"{letter}@example.com" for letter in "abcd"]}

    assert letters(four, where=where, limit=2) == "ab"
    assert letters(four, where=where, limit=2, offset=3) == "d"
    assert letters(four, where={"emailAddress": "a@example.com"}, offset=1) == ""


# fields


def test_fields_are_returned_as_asked_for_in_the_order_of_the_table(company: Company) -> None:
    shoe, hat = company.field("Shoe size"), company.field("Hat size")
    (lead_id,) = company.create({"emailAddress": "a@example.com", shoe: "12"})

    fields = [shoe, "leadStatus", "emailAddress", "crmID", "hasOpportunity", "emailAddress"]
    (lead,) = company.call("getLeads", where={"id": lead_id}, fields=fields)

    assert list(lead.items()) == [
        ("emailAddress", "a@example.com"),
        ("leadStatus", "unqualified"),
        ("crmID", None),
        ("hasOpportunity", "0"),
        (shoe, "12"),
    ]
    assert company.call("getLeads", where={}, fields=[hat]) == [{hat: ""}]


@pytest.mark.parametrize("fields", [[], None, "", {}])
def test_no_fields_are_all_fields(company: Company, fields: Any) -> None:
    company.create({})

    assert company.call("getLeads", where={}, fields=fields) == company.call("getLeads", where={})


def test_an_unknown_field_is_205_with_the_valid_names(company: Company) -> None:
    shoe = company.field("Shoe size")

    error = company.error("getLeads", where={}, fields=["id", "Firstname", "nickname"])

    assert error["code"] == 205
    assert [problem["param"] for problem in error["data"]["params"]] == ["Firstname", "nickname"]
    assert {"firstName", shoe} <= set(error["data"]["validParams"])


@pytest.mark.parametrize(
    "fields", ["id", 5, [5], [["id"]], [None], {"0": "id"}, ["a\0b"], ["'; drop table lead; --"], ["id"] * 2_001]
)
def test_wrong_fields_are_205(company: Company, fields: Any) -> None:
    assert company.error("getLeads", where={}, fields=fields)["code"] == 205


def test_a_lead_without_values_has_all_columns(company: Company) -> None:
    company.create({"emailAddress": new_email()})

    (lead,) = company.call("getLeads", where={})

    assert len(lead) == 35
    assert lead["title"] is None
