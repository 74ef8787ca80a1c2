"""getUserProfiles, rule by rule (docs/wire/methods.md#users)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company, sql

ADMINISTRATOR = {
    "firstName": "",
    "lastName": "",
    "displayName": "Administrator",
    "emailAddress": "admin@example.com",
    "isActive": "1",
    "isReseller": "0",
    "userTimezone": None,
    "phone": None,
}


@pytest.fixture
def three(company: Company) -> Company:
    """A company with the administrator and two other users, one of them inactive."""
    sql(
        company.dsn,
        """
        insert into user_profile
            (company_id, first_name, last_name, display_name, email_address, email_key, is_active, user_timezone, phone)
        values
            ($1, 'Ann', 'Lee', 'Ann Lee', 'Ann@Example.com', 'ann@example.com', true, 'America/New_York', '555'),
            ($1, 'Bob', 'Lee', 'Bob', 'bob@example.com', 'bob@example.com', false, null, null)
        """,
        company.id,
        company_id=company.id,
    )
    return company


def names(company: Company, **params: Any) -> list[str]:
    return [user["displayName"] for user in company.call("getUserProfiles", **params)]


def test_a_user_has_the_captured_keys_in_order_and_empty_names_for_none(company: Company) -> None:
    answer = company.envelope("getUserProfiles", {"where": {}})

    (user,) = answer["result"]["userProfile"]
    assert int(user.pop("id")) > 0
    assert list(user.items()) == list(ADMINISTRATOR.items())
    assert answer["error"] is None


@pytest.mark.parametrize("where", [[], {}, None, ""])
def test_an_empty_where_is_everybody_in_the_order_of_ids(three: Company, where: Any) -> None:
    assert names(three, where=where) == ["Administrator", "Ann Lee", "Bob"]


def test_where_may_be_left_out(three: Company) -> None:
    assert names(three) == ["Administrator", "Ann Lee", "Bob"]
    assert len(three.envelope("getUserProfiles", [])["result"]["userProfile"]) == 3


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"firstName": "Ann"}, ["Ann Lee"]),
        ({"firstName": "ann"}, []),  # only addresses are compared without regard to case
        ({"lastName": "Lee"}, ["Ann Lee", "Bob"]),
        ({"displayName": "Bob"}, ["Bob"]),
        ({"emailAddress": "ANN@example.com"}, ["Ann Lee"]),
        ({"isActive": "0"}, ["Bob"]),
        ({"isActive": 1}, ["Administrator", "Ann Lee"]),
        ({"isActive": True, "lastName": "Lee"}, ["Ann Lee"]),  # all filters must match
        ({"lastName": "Lee", "firstName": "Ann"}, ["Ann Lee"]),
        ({"firstName": ["Ann", "Bob"]}, ["Ann Lee", "Bob"]),
        ({"firstName": []}, []),
        ({"firstName": ""}, ["Administrator"]),
        ({"id": 1}, []),
    ],
)
def test_users_are_filtered(three: Company, where: dict[str, Any], expected: list[str]) -> None:
    assert names(three, where=where) == expected


def test_a_user_is_found_by_its_id(three: Company) -> None:
    users = three.call("getUserProfiles")

    for user in users:
        assert three.call("getUserProfiles", where={"id": user["id"]}) == [user]
    assert three.call("getUserProfiles", where={"id": [int(user["id"]) for user in users]}) == users


def test_a_page_of_users(three: Company) -> None:
    assert names(three, limit=1, offset=1) == ["Ann Lee"]
    assert names(three, limit="", offset="2") == ["Bob"]
    assert names(three, limit=0) == []
    assert names(three, offset=3) == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"where": {"phone": "555"}}, 205),
        ({"where": {"id": "x"}}, 205),
        ({"where": {"isActive": "maybe"}}, 205),
        ({"where": {"firstName": "\0"}}, 205),
        ({"where": {"firstName": {"like": "A"}}}, 210),
        ({"where": 5}, 205),
        ({"limit": -1}, 205),
        ({"offset": "x"}, 205),
        ({"limit": [1]}, 210),
    ],
)
def test_a_wrong_filter_is_refused(company: Company, params: dict[str, Any], code: int) -> None:
    assert company.error("getUserProfiles", **params)["code"] == code


def test_another_companys_users_are_not_there(company: Company, given_company: Callable[..., Company]) -> None:
    (own,) = company.call("getUserProfiles")
    (other,) = given_company().call("getUserProfiles")

    assert own["id"] != other["id"]
    assert company.call("getUserProfiles", where={"id": other["id"]}) == []
