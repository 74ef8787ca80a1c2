"""updateLeads, rule by rule (docs/wire/leads.md#updateleads)."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company, sql
from updates import UNKNOWN, outcomes

NO_CHANGE = {"code": 302, "message": "No table rows affected", "data": []}
TAKEN = {"code": 301, "message": "Entry already exists", "data": []}


def test_the_example_of_the_reference_is_answered_to_the_letter(company: Company) -> None:
    lead, _ = company.create({"emailAddress": "lead.one@example.com"}, {"emailAddress": "lead.two@example.com"})
    objects = [{"id": str(lead), "title": "CEO"}, {"emailAddress": "lead.two@example.com", "city": "Orlando"}]

    answer = company.envelope("updateLeads", {"objects": objects}, id="r2")
    again = company.envelope("updateLeads", {"objects": objects[:1]}, id="r3")

    assert answer == {
        "result": {"updates": [{"success": True, "error": None}, {"success": True, "error": None}]},
        "error": [],
        "id": "r2",
    }
    assert again == {"result": {"updates": [{"success": False, "error": NO_CHANGE}]}, "error": [NO_CHANGE], "id": "r3"}


# The table of docs/wire/leads.md#updateleads, row by row


def test_an_id_without_an_address_updates_that_lead(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "a@example.com", "city": "Gainesville"})

    assert outcomes(company, {"id": lead_id, "title": "CEO"}) == [None]

    lead = company.lead(lead_id)
    assert (lead["title"], lead["city"], lead["emailAddress"]) == ("CEO", "Gainesville", "a@example.com")


def test_an_address_without_an_id_updates_the_lead_that_has_it_whatever_its_case(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "lead.one@example.com"})

    assert outcomes(company, {"emailAddress": "LEAD.ONE@example.com", "title": "CEO"}) == [None]

    assert company.lead(lead_id)["title"] == "CEO"
    assert company.lead(lead_id)["emailAddress"] == "lead.one@example.com"  # it only finds the lead


def test_an_id_with_a_new_address_changes_the_address(company: Company) -> None:
    (lead_id,) = company.create({"emailAddress": "old@example.com"})

    assert outcomes(company, {"id": lead_id, "emailAddress": "new@example.com"}) == [None]

    assert company.lead(lead_id)["emailAddress"] == "new@example.com"
    assert company.call("getLeads", where={"emailAddress": "old@example.com"}) == []
    company.create({"emailAddress": "old@example.com"})  # the old one is free again


@pytest.mark.parametrize("method", ["updateLeads", "updateLeadsV2"])
def test_an_id_with_the_address_of_another_lead_is_301_and_changes_nothing(company: Company, method: str) -> None:
    lead, _ = company.create({"emailAddress": "a@example.com"}, {"emailAddress": "b@example.com"})
    before = company.lead(lead)

    answer = company.envelope(method, {"objects": [{"id": lead, "emailAddress": "B@example.com", "title": "CEO"}]})

    assert answer["error"] == [TAKEN]
    assert company.lead(lead) == before


def test_an_inactive_lead_keeps_its_address_from_others_too(company: Company) -> None:
    lead, _ = company.create({}, {"emailAddress": "b@example.com", "active": 0})

    assert outcomes(company, {"id": lead, "emailAddress": "b@example.com"}) == [301]


@pytest.mark.parametrize(
    "target",
    [
        {"id": UNKNOWN, "title": "x"},  # unknown id
        {"id": UNKNOWN, "emailAddress": "new@example.com", "title": "x"},  # ... with an unknown address
        {"id": UNKNOWN, "emailAddress": "a@example.com", "title": "x"},  # ... with the address of a lead
        {"emailAddress": "new@example.com", "title": "x"},  # no id and an unknown address
        {"title": "x"},  # neither id nor address
        {},
    ],
)
def test_an_object_without_a_matching_lead_succeeds_and_changes_nothing(
    company: Company, target: dict[str, Any]
) -> None:
    (lead_id,) = company.create({"emailAddress": "a@example.com"})
    before = company.lead(lead_id)

    assert outcomes(company, target) == [None]

    assert company.call("getLeads", where={}) == [before]


@pytest.mark.parametrize(
    "same",
    [
        {},  # nothing given
        {"firstName": "Lead"},  # the same text
        {"leadScore": 20},  # the same number, written differently
        {"active": True, "isUnsubscribed": "0"},  # the same flags, written differently
        {"accountID": None, "ownerID": None, "campaignID": None},  # null for an empty value
        {"updateTimestamp": "2016-11-09 17:18:22", "createTimestamp": "x", "status": "open"},  # ignored fields
        {"leadStatus": "contactWithOpp"},  # read-only values
        {"emailAddress": "a@example.com"},
        {"active": None},  # null is refused for it
    ],
)
def test_an_update_without_a_change_is_302_and_the_timestamp_stays(company: Company, same: dict[str, Any]) -> None:
    (lead_id,) = company.create(
        {"emailAddress": "a@example.com", "firstName": "Lead", "leadScore": "20", "isUnsubscribed": 0}
    )
    aged(company)
    before = company.lead(lead_id)

    assert company.refusal("updateLeads", {"id": lead_id, **same}) == NO_CHANGE

    assert company.lead(lead_id) == before


# Effects of an update


def aged(company: Company) -> None:
    """Makes all leads of the company a day old."""
    statement = (
        "update lead set create_timestamp = now() - interval '1 day', update_timestamp = now() - interval '1 day'"
    )
    sql(company.dsn, statement, company_id=company.id)


def test_a_change_sets_the_update_timestamp_and_leaves_the_creation_alone(company: Company) -> None:
    (lead_id,) = company.create({})
    aged(company)
    before = company.lead(lead_id)

    assert outcomes(company, {"id": lead_id, "title": "CEO", "updateTimestamp": "1999-01-01 00:00:00"}) == [None]

    after = company.lead(lead_id)
    assert after["createTimestamp"] == before["createTimestamp"] == before["updateTimestamp"]
    assert str(after["updateTimestamp"]) > str(before["updateTimestamp"])


def test_an_empty_text_clears_and_is_a_change_of_its_own(company: Company) -> None:
    given_title, no_title = company.create({"title": "CEO"}, {})

    assert outcomes(company, {"id": given_title, "title": ""}, {"id": no_title, "title": ""}) == [None, None]

    assert company.lead(given_title)["title"] == ""
    assert company.lead(no_title)["title"] == ""  # from null to "" is a change (docs/wire/values.md#requests)
    assert outcomes(company, {"id": no_title, "title": ""}) == [302]


@pytest.mark.parametrize("name", ["accountID", "campaignID", "isUnsubscribed"])
def test_null_unsets_a_reference_or_flag(company: Company, name: str) -> None:
    (account_id,) = company.make("createAccounts", {"accountName": "Acme Inc."})
    (campaign_id,) = company.make("createCampaigns", {"campaignName": "Spring fair"})
    (lead_id,) = company.create({"accountID": account_id, "campaignID": campaign_id, "isUnsubscribed": 1})
    before = company.lead(lead_id)
    assert before[name] is not None

    assert outcomes(company, {"id": lead_id, name: None}) == [None]

    changed = {name: None, "updateTimestamp": company.lead(lead_id)["updateTimestamp"]}
    assert company.lead(lead_id) == before | changed


def test_null_unsets_the_owner(company: Company) -> None:
    (user,) = company.call("getUserProfiles")
    (lead_id,) = company.create({"ownerID": user["id"]})

    assert outcomes(company, {"id": lead_id, "ownerID": None}) == [None]

    assert company.lead(lead_id)["ownerID"] is None


def test_null_leaves_active_as_it_is(company: Company) -> None:
    (lead_id,) = company.create({"active": 0})

    assert outcomes(company, {"id": lead_id, "active": None, "title": "x"}) == [None]

    assert company.lead(lead_id)["active"] == "0"


@pytest.mark.parametrize("name", ["firstName", "emailAddress", "leadStatus", "leadScore", "description", "id"])
def test_null_is_205_everywhere_else(company: Company, name: str) -> None:
    (lead_id,) = company.create({})

    refused = company.refusal("updateLeads", {"id": lead_id, name: None})

    assert refused is not None
    assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("id", ""), ("id", "abc"), ("id", -1), ("ownerID", ""), ("leadScore", ""), ("active", ""), ("isUnsubscribed", ""),
     ("leadStatus", ""), ("leadStatus", "Open"), ("emailAddress", ""), ("emailAddress", "x" * 151),
     ("firstName", "x" * 51), ("firstName", "\0"), ("nickname", "x")],
)  # fmt: skip
def test_a_wrong_value_is_205_and_nothing_of_that_object_is_stored(company: Company, name: str, value: Any) -> None:
    (lead_id,) = company.create({})
    before = company.lead(lead_id)

    refused = company.refusal("updateLeads", {"id": lead_id, "title": "CEO", name: value})

    assert refused is not None
    assert (refused["code"], refused["data"]["params"][0]["param"]) == (205, name)
    assert company.lead(lead_id) == before


def test_one_refused_object_does_not_stop_the_others(company: Company) -> None:
    first, second = company.create({}, {})

    codes = outcomes(
        company, {"id": first, "leadScore": "x"}, 5, {"id": second, "title": "CEO"}, {"id": first, "title": ["x"]}
    )

    assert codes == [205, 208, None, 210]
    assert company.lead(second)["title"] == "CEO"


def test_contact_with_opp_is_neither_set_nor_unset(company: Company) -> None:
    plain, derived = company.create({"leadStatus": "open"}, {})
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    sale = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31", "primaryLeadID": derived}
    company.make("createOpportunities", sale)

    assert outcomes(company, {"id": plain, "leadStatus": "contactWithOpp", "title": "x"}) == [None]
    assert outcomes(company, {"id": derived, "leadStatus": "open", "title": "x"}) == [None]

    assert company.lead(plain)["leadStatus"] == "open"
    lead = company.lead(derived)
    assert (lead["leadStatus"], lead["isContact"], lead["title"]) == ("contactWithOpp", "1", "x")


def test_an_owner_is_a_user_of_the_company(company: Company, given_company: Callable[..., Company]) -> None:
    (lead_id,) = company.create({})
    (own,) = company.call("getUserProfiles")
    (foreign,) = given_company().call("getUserProfiles")

    assert outcomes(company, {"id": lead_id, "ownerID": foreign["id"], "title": "x"}) == [303]
    assert company.lead(lead_id)["title"] is None
    assert outcomes(company, {"id": lead_id, "ownerID": own["id"]}) == [None]
    assert company.lead(lead_id)["ownerID"] == own["id"]


def test_a_deactivated_lead_can_be_activated_again(company: Company) -> None:
    (lead_id,) = company.create({})

    assert outcomes(company, {"id": lead_id, "active": 0}) == [None]
    assert company.call("getLeads", where={}) == []
    assert outcomes(company, {"id": lead_id, "active": "1"}) == [None]
    assert len(company.call("getLeads", where={})) == 1


def test_custom_fields_change_one_by_one(company: Company) -> None:
    shoe, hat = company.field("Shoe size"), company.field("Hat size")
    (lead_id,) = company.create({shoe: "12", hat: "7"})

    assert outcomes(company, {"id": lead_id, shoe: "13"}) == [None]
    assert outcomes(company, {"id": lead_id, shoe: "13"}) == [302]
    assert (company.lead(lead_id)[shoe], company.lead(lead_id)[hat]) == ("13", "7")

    assert outcomes(company, {"id": lead_id, shoe: "", hat: None}) == [None]
    assert outcomes(company, {"id": lead_id, shoe: None, hat: ""}) == [302]
    assert (company.lead(lead_id)[shoe], company.lead(lead_id)[hat]) == ("", "")


def test_another_companys_lead_is_unknown(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    (lead_id,) = other.create({"emailAddress": "a@example.com"})
    before = other.lead(lead_id)

    assert outcomes(company, {"id": lead_id, "title": "x"}, {"emailAddress": "a@example.com", "title": "x"}) == [
        None,
        None,
    ]

    assert other.lead(lead_id) == before


# The list of objects (docs/wire/envelope.md#params)


def test_the_list_of_objects_has_the_same_rules_as_in_create_leads(company: Company) -> None:
    assert company.error("updateLeads")["code"] == 207
    assert company.error("updateLeads", objects="")["code"] == 207
    assert company.error("updateLeads", objects=3)["code"] == 208
    assert company.error("updateLeads", objects=[{}] * 501)["code"] == 209
    assert company.envelope("updateLeads", {"objects": [], "limit": "", "offset": ""})["error"] == []
    assert company.call("updateLeads", objects={"9": {"id": UNKNOWN}}) == [{"success": True, "error": None}]


def test_500_leads_are_updated_in_one_call(company: Company) -> None:
    ids = company.create(*[{"emailAddress": f"lead{number}@example.com"} for number in range(500)])

    assert outcomes(company, *({"id": lead_id, "title": str(lead_id)} for lead_id in reversed(ids))) == [None] * 500

    assert [lead["title"] for lead in company.call("getLeads", where={})] == [str(lead_id) for lead_id in sorted(ids)]


def test_a_key_can_get_null_as_the_error_of_a_successful_write(given_company: Callable[..., Company]) -> None:
    company = given_company(plain_success=True)
    (lead_id,) = company.create({})

    assert company.envelope("updateLeads", {"objects": [{"id": lead_id, "title": "x"}]})["error"] is None
    assert company.envelope("updateLeads", {"objects": [{"id": lead_id, "title": "x"}]})["error"] == [NO_CHANGE]
