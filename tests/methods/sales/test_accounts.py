"""Accounts: their own rules (docs/wire/sales.md#accounts); the rules of every noun are in test_every_noun*.py."""

from typing import Any

import pytest

from support import Company

CAPTURED = [
    "id", "ownerID", "accountName", "industry", "phone", "annualRevenue", "numberOfEmployees", "website",
    "yearStarted", "fax", "billingCity", "billingCountry", "billingPostalCode", "billingState",
    "billingStreetAddress", "shippingCity", "shippingCountry", "shippingPostalCode", "shippingState",
    "shippingStreetAddress",
]  # fmt: skip


def test_an_account_has_the_captured_columns_in_the_captured_order(company: Company) -> None:
    (account_id,) = company.make("createAccounts", {"accountName": "Acme Inc."})

    answer = company.envelope("getAccount", {"id": account_id}, id="")

    (account,) = answer["result"]["account"]
    assert list(account) == CAPTURED
    assert (answer["error"], answer["id"]) == (None, "")


def test_an_unset_text_is_null_and_the_number_of_employees_zero(company: Company) -> None:
    company.make("createAccounts", {"accountName": "Acme Inc."})

    (account,) = company.call("getAccounts", where={})

    assert account["numberOfEmployees"] == "0"  # captured (docs/wire/values.md#answers)
    assert {account[name] for name in CAPTURED[3:] if name != "numberOfEmployees"} == {None}


def test_two_accounts_can_have_one_name(company: Company) -> None:
    company.make("createAccounts", {"accountName": "Acme Inc."}, {"accountName": "Acme Inc."})

    assert [row["accountName"] for row in company.call("getAccounts")] == ["Acme Inc."] * 2


def test_accounts_are_found_by_owner(company: Company) -> None:
    (user,) = company.call("getUserProfiles")
    owned, _ = company.make("createAccounts", {"accountName": "A", "ownerID": user["id"]}, {"accountName": "B"})

    assert [row["id"] for row in company.call("getAccounts", where={"ownerID": user["id"]})] == [str(owned)]
    assert company.code("updateAccounts", {"id": owned, "ownerID": None}) is None
    assert company.call("getAccounts", where={"ownerID": user["id"]}) == []


def test_500_accounts_are_created_changed_read_by_time_and_deleted_in_one_call_each(company: Company) -> None:
    ids = company.make("createAccounts", *({"accountName": f"Account {number}"} for number in range(500)))

    changes = company.call("updateAccounts", objects=[{"id": account_id, "website": "a.example"} for account_id in ids])
    rows = company.call("getAccountsDateRange", startDate="2000-01-01", endDate="2999-12-31", timestamp="update")
    deletes = company.call("deleteAccounts", objects=ids)

    assert {outcome["success"] for outcome in (*changes, *deletes)} == {True}
    assert [row["id"] for row in rows] == [str(account_id) for account_id in ids]
    assert company.call("getAccounts") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"accountName": "x" * 256},
        {"accountName": "A", "billingPostalCode": "x" * 51},
        {"accountName": "A", "fax": True},
    ],
)
def test_lengths_are_those_of_the_vendor(company: Company, wrong: dict[str, Any]) -> None:
    refusal = company.refusal("createAccounts", wrong)

    assert refusal is not None
    assert refusal["code"] == 205
    assert refusal["data"]["params"][0]["param"] == list(wrong)[-1]
