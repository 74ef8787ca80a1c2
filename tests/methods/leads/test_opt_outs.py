"""An opt-out belongs to the address: whatever becomes of its lead, the address stays unsubscribed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from recycling import deleted, restored
from springhead.model.leads.leads import email_key
from springhead.model.leads.opt_outs import address_hash
from support import Company, new_email, sql

ANN = "ann@example.com"


def flag(company: Company, lead: int) -> str | None:
    return company.lead(lead)["isUnsubscribed"]


def unsubscribed(company: Company, address: str = ANN, **more: Any) -> int:
    """A lead that is unsubscribed."""
    (lead,) = company.create({"emailAddress": address, "isUnsubscribed": 1, **more})
    return lead


def gone(company: Company, address: str = ANN) -> int:
    """A lead that was unsubscribed and deleted."""
    lead = unsubscribed(company, address)
    deleted(company, lead)
    return lead


def events(company: Company, lead: int) -> list[tuple[str, dict[str, Any]]]:
    """The events about the emails of a lead, oldest first."""
    rows = company.call("getLeadTimeline", where={"whoID": lead})
    return [
        (row["eventSource"], json.loads(row["eventData"]))
        for row in rows
        if row["eventSource"] in {"emailUnsubscribe", "emailResubscribe"}
    ]


def stored(company: Company, address: str = ANN) -> list[tuple[bool, str]]:
    """Whether the address has an opt-out, and the source of its last decision."""
    rows = sql(
        company.dsn,
        "select active, source from opt_out where company_id = $1 and address_hash = $2"
        " and change_timestamp between now() - interval '1 minute' and now()",
        company.id,
        address_hash(company.id, email_key(address)),
        company_id=company.id,
    )
    return [tuple(row) for row in rows]


# Every way in looks at the opt-outs


@pytest.mark.parametrize("sent", [{}, {"isUnsubscribed": 0}, {"isUnsubscribed": None}, {"isUnsubscribed": 1}])
@pytest.mark.parametrize("method", ["createLeads", "upsertLeads"])
def test_an_address_that_comes_back_stays_unsubscribed(company: Company, method: str, sent: dict[str, Any]) -> None:
    gone(company)
    other = new_email()
    first, second = company.make(method, {"emailAddress": "ANN@example.com.", **sent}, {"emailAddress": other, **sent})

    assert flag(company, first) == "1"
    assert flag(company, second) == (None if sent.get("isUnsubscribed") is None else str(sent["isUnsubscribed"]))
    assert events(company, first)[0] == (
        "emailUnsubscribe",
        {"isUnsubscribed": [None, "1"], "source": [None, "createLeads"]},
    )


def test_an_upsert_by_a_unique_field_looks_at_the_opt_outs(company: Company) -> None:
    key = company.field("Customer number", isUnique=True)
    gone(company)
    (outcome,) = company.call("upsertLeads", objects=[{"emailAddress": ANN, key: "7", "isUnsubscribed": 0}], key=key)
    assert flag(company, outcome["id"]) == "1"

    company.call("upsertLeads", objects=[{key: "7", "isUnsubscribed": 0, "city": "Rome"}], key=key)
    assert flag(company, outcome["id"]) == "1"


def test_an_erased_address_stays_unsubscribed(company: Company) -> None:
    lead = unsubscribed(company)
    company.call("eraseLeads", objects=[{"id": lead}])

    (again,) = company.create({"emailAddress": ANN, "isUnsubscribed": 0})
    assert flag(company, again) == "1"
    texts = sql(company.dsn, "select o::text from opt_out o where company_id = $1", company.id, company_id=company.id)
    assert "ann" not in str(texts)


def test_the_address_of_a_merged_lead_stays_unsubscribed(company: Company) -> None:
    (survivor,) = company.create({"emailAddress": "ann.b@example.com"})
    company.make("mergeLeads", {"id": survivor, "mergeIDs": [unsubscribed(company)]})
    assert flag(company, survivor) == "1"
    assert stored(company, "ann.b@example.com") == [(True, "mergeLeads")]

    (again,) = company.create({"emailAddress": ANN})
    assert flag(company, again) == "1"


def test_a_merge_that_takes_an_address_takes_its_opt_out(company: Company) -> None:
    (survivor,) = company.create({})
    lead = unsubscribed(company)
    other = {"valuesFrom": {"emailAddress": lead, "isUnsubscribed": survivor}}
    company.make("mergeLeads", {"id": survivor, "mergeIDs": [lead], **other})

    assert (company.lead(survivor)["emailAddress"], flag(company, survivor)) == (ANN, "1")


def test_a_merge_does_not_opt_in(company: Company) -> None:
    (other,) = company.create({})
    survivor = unsubscribed(company)
    company.make("mergeLeads", {"id": survivor, "mergeIDs": [other], "values": {"isUnsubscribed": 0}})
    assert flag(company, survivor) == "1"


def test_a_restored_lead_follows_the_opt_out_of_its_address(company: Company) -> None:
    (first,) = company.create({"emailAddress": ANN})
    deleted(company, first)
    gone(company)
    restored(company, first)

    assert flag(company, first) == "1"
    assert events(company, first) == [
        ("emailUnsubscribe", {"isUnsubscribed": [None, "1"], "source": [None, "createLeads"]})
    ]


def test_a_restored_lead_is_subscribed_if_its_address_has_opted_in_since(company: Company) -> None:
    first = gone(company)
    (second,) = company.create({"emailAddress": ANN})
    company.call("updateLeads", objects=[{"id": second, "isUnsubscribed": 0}])
    deleted(company, second)
    restored(company, first)

    assert flag(company, first) == "0"
    assert events(company, first)[-1] == (
        "emailResubscribe",
        {"isUnsubscribed": ["1", "0"], "source": [None, "restoreLeads"]},
    )


def test_an_unmerged_lead_is_unsubscribed_as_before(company: Company) -> None:
    (survivor,) = company.create({})
    lead = unsubscribed(company)
    company.make("mergeLeads", {"id": survivor, "mergeIDs": [lead]})
    restored(company, lead)
    assert flag(company, lead) == "1"


@pytest.mark.parametrize("method", ["updateLeads", "updateLeadsV2", "upsertLeads"])
def test_a_lead_that_gets_an_opted_out_address_is_unsubscribed(company: Company, method: str) -> None:
    gone(company)
    (lead,) = company.create({})
    company.call(method, objects=[{"id": lead, "emailAddress": ANN}])

    assert flag(company, lead) == "1"
    assert events(company, lead) == [
        ("emailUnsubscribe", {"isUnsubscribed": [None, "1"], "source": [None, "createLeads"]})
    ]


def test_a_new_address_of_an_unsubscribed_lead_is_opted_out_too(company: Company) -> None:
    lead = unsubscribed(company)
    company.call("updateLeads", objects=[{"id": lead, "emailAddress": "ann.new@example.com"}])
    assert flag(company, lead) == "1"

    (old,) = company.create({"emailAddress": ANN})
    deleted(company, lead)
    (new,) = company.create({"emailAddress": "ann.new@example.com"})
    assert (flag(company, old), flag(company, new)) == ("1", "1")


def test_leads_that_exchange_addresses_in_one_call_keep_no_opted_out_address_subscribed(company: Company) -> None:
    ann, (ben,) = unsubscribed(company), company.create({"emailAddress": "ben@example.com"})
    company.call(
        "updateLeads",
        objects=[
            {"id": ann, "emailAddress": "swap@example.com"},
            {"id": ben, "emailAddress": ANN, "isUnsubscribed": 1},
            {"id": ann, "emailAddress": "ben@example.com"},
        ],
    )
    assert (flag(company, ann), flag(company, ben)) == ("1", "1")


def test_companies_have_their_own_opt_outs(given_company: Callable[..., Company]) -> None:
    one, other = given_company(), given_company()
    gone(one)
    (lead,) = other.create({"emailAddress": ANN})
    assert flag(other, lead) is None
    assert address_hash(one.id, ANN) != address_hash(other.id, ANN)


# Only updateLeads for the id opts in again


@pytest.mark.parametrize("value", [0, "0", False, None])
@pytest.mark.parametrize("method", ["updateLeads", "updateLeadsV2"])
def test_an_update_for_the_id_opts_in_again(company: Company, method: str, value: Any) -> None:
    lead = unsubscribed(company)
    assert company.refusal(method, {"id": lead, "isUnsubscribed": value}) is None

    now = None if value is None else "0"
    assert flag(company, lead) == now
    assert stored(company) == [(False, method)]
    assert events(company, lead)[1:] == [("emailResubscribe", {"isUnsubscribed": ["1", now], "source": [None, method]})]
    (change,) = company.call("getLeadHistory", id=lead)[-1:]
    assert (change["kind"], change["changed"]["isUnsubscribed"]) == ("update", ["1", now])
    deleted(company, lead)
    (again,) = company.create({"emailAddress": ANN})
    assert flag(company, again) is None


def test_an_update_for_the_address_never_opts_in(company: Company) -> None:
    lead = unsubscribed(company)
    assert company.code("updateLeads", {"emailAddress": ANN, "isUnsubscribed": 0}) == 302
    assert company.code("updateLeads", {"emailAddress": ANN, "isUnsubscribed": None}) == 302
    assert company.refusal("updateLeads", {"emailAddress": ANN, "isUnsubscribed": 0, "city": "Rome"}) is None

    assert (flag(company, lead), company.lead(lead)["city"]) == ("1", "Rome")
    assert stored(company) == [(True, "createLeads")]


def test_an_upsert_never_opts_in(company: Company) -> None:
    lead = unsubscribed(company)
    for named in ({"id": lead}, {"emailAddress": ANN}, {"id": lead, "emailAddress": ANN}):
        company.call("upsertLeads", objects=[{**named, "isUnsubscribed": 0}])
        assert flag(company, lead) == "1"


def test_an_update_that_moves_a_lead_to_an_opted_out_address_can_opt_in(company: Company) -> None:
    gone(company)
    (lead,) = company.create({})
    company.call("updateLeads", objects=[{"id": lead, "emailAddress": ANN, "isUnsubscribed": 0}])

    assert flag(company, lead) == "0"
    assert stored(company) == [(False, "updateLeads")]
    assert events(company, lead) == [
        ("emailResubscribe", {"isUnsubscribed": [None, "0"], "source": [None, "updateLeads"]})
    ]


def test_an_opt_in_for_an_address_that_never_opted_out_is_a_plain_change(company: Company) -> None:
    (lead,) = company.create({"emailAddress": ANN})
    company.call("updateLeads", objects=[{"id": lead, "isUnsubscribed": 0}])

    assert (flag(company, lead), events(company, lead), stored(company)) == ("0", [], [])


@pytest.mark.parametrize("method", ["createLeads", "updateLeads", "updateLeadsV2", "upsertLeads"])
def test_an_opt_out_is_recorded_with_time_and_source(company: Company, method: str) -> None:
    if method.startswith("update"):
        company.create({"emailAddress": ANN})
    company.call(method, objects=[{"emailAddress": ANN, "isUnsubscribed": 1}])

    (lead,) = (int(row["id"]) for row in company.call("getLeads", where={"emailAddress": ANN}))
    assert stored(company) == [(True, method)]
    assert events(company, lead) == [("emailUnsubscribe", {"isUnsubscribed": [None, "1"], "source": [None, method]})]


def test_an_opt_out_that_is_sent_again_keeps_its_source(company: Company) -> None:
    lead = unsubscribed(company)
    company.call("updateLeads", objects=[{"id": lead, "isUnsubscribed": 1, "city": "Rome"}])
    assert stored(company) == [(True, "createLeads")]


def test_an_export_shows_the_decision_of_the_address(company: Company) -> None:
    lead = unsubscribed(company)
    for part in ("lead", "deletedLead"):
        (data,) = (row["data"] for row in company.call("exportLead", id=lead) if row["part"] == part)
        assert (data["optOutActive"], data["optOutSource"]) == ("1", "createLeads")
        assert data["optOutTimestamp"] == data["createTimestamp"]
        company.call("deleteLeads", objects=[lead])


@pytest.mark.parametrize(
    "address", ["a\\b@example.com", "Jürgen@Müller.example", "'\"$1{}@x", "한글@例え.jp", "x" * 150]
)
def test_the_database_hashes_an_address_as_the_server_does(company: Company, address: str) -> None:
    unsubscribed(company, address)
    assert stored(company, address) == [(True, "createLeads")]
