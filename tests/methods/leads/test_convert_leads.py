"""convertLeads, rule by rule: our own addition."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from support import Company, new_email, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}


def stage(company: Company, **more: Any) -> int:
    (made,) = company.make("createDealStages", {"dealStageName": "Offer", "defaultProbability": 40, **more})
    return made


def convert(company: Company, *objects: Any) -> list[dict[str, Any]]:
    answer = company.envelope("convertLeads", {"objects": list(objects)})
    assert list(answer["result"]) == ["converts"]
    outcomes = answer["result"]["converts"]
    assert answer["error"] == [outcome["error"] for outcome in outcomes if outcome["error"]]
    return outcomes


def converted(company: Company, *objects: Any) -> list[dict[str, Any]]:
    outcomes = convert(company, *objects)
    assert all(outcome["success"] for outcome in outcomes), outcomes
    return outcomes


def accounts(company: Company) -> list[str]:
    return [row["accountName"] for row in company.call("getAccounts")]


def events(company: Company, lead: int) -> list[tuple[str, Any]]:
    rows = sql(
        company.dsn,
        """
        select event_source, event_data::text as data from event
        where lead_id = $1 and event_source <> 'leadCreation' order by id
        """,
        lead,
        company_id=company.id,
    )
    return [(row["event_source"], row["data"] and json.loads(row["data"])) for row in rows]


def everything(company: Company, lead: int) -> Any:
    """The rows that a refused conversion must not change."""
    (row,) = sql(company.dsn, "select l::text as row from lead l where id = $1", lead, company_id=company.id)
    counts = sql(
        company.dsn,
        """
        select (select count(*) from account) as accounts, (select count(*) from opportunity) as opportunities,
            (select count(*) from opportunity_lead) as links, (select count(*) from event) as events
        """,
        company_id=company.id,
    )
    return row["row"], tuple(counts[0])


# Status


def test_a_lead_becomes_a_contact_by_id_or_by_address(company: Company) -> None:
    first, second = company.create({}, {"emailAddress": "Two@Example.com"})

    answer = company.envelope("convertLeads", {"objects": [{"id": str(first)}, {"emailAddress": "two@example.COM "}]})

    assert answer == {
        "result": {
            "converts": [
                {"success": True, "error": None, "leadID": first, "accountID": None, "opportunityID": None},
                {"success": True, "error": None, "leadID": second, "accountID": None, "opportunityID": None},
            ]
        },
        "error": [],
        "id": "1",
    }
    for lead in (first, second):
        row = company.lead(lead)
        assert (row["leadStatus"], row["isContact"], row["isCustomer"]) == ("contact", "1", "0")


@pytest.mark.parametrize("before", ["unqualified", "open", "qualified"])
@pytest.mark.parametrize("requested", ["contact", "customer"])
def test_any_status_becomes_the_requested_one(company: Company, before: str, requested: str) -> None:
    (lead,) = company.create({"leadStatus": before})

    converted(company, {"id": lead, "leadStatus": requested})

    assert company.lead(lead)["leadStatus"] == requested
    assert events(company, lead) == [
        ("leadConversion", {"leadStatus": [before, requested]}),
        ("changeLeadStatus", {"leadStatus": [before, requested]}),
    ]


def test_a_customer_stays_a_customer_and_an_open_opportunity_keeps_its_contact(company: Company) -> None:
    stage_id = stage(company)
    busy, buyer = company.create({}, {"leadStatus": "customer"})
    sale = {"opportunityName": "A roof", "dealStageID": stage_id, "closeDate": "2030-01-31"}
    company.make("createOpportunities", {**sale, "primaryLeadID": busy})

    converted(company, {"id": busy, "accountName": "Acme"}, {"id": buyer, **sale})
    assert [company.lead(lead_id)["leadStatus"] for lead_id in (busy, buyer)] == ["contactWithOpp", "customer"]

    converted(company, {"id": busy, "leadStatus": "customer"})
    assert company.lead(busy)["leadStatus"] == "customer"


@pytest.mark.parametrize(
    "more", [{}, {"leadStatus": "contact"}, {"account": 0}, {"account": "1"}, {"accountName": " ACME "}]
)
def test_a_conversion_that_changes_nothing_is_302(company: Company, more: dict[str, Any]) -> None:
    (lead,) = company.create({"companyName": "Acme"})
    converted(company, {"id": lead, "account": 1})
    before = everything(company, lead)

    (outcome,) = convert(company, {"id": lead, **more})

    assert outcome == {"success": False, "error": NOTHING}
    assert everything(company, lead) == before


# Accounts


def test_the_account_with_the_leads_company_name_is_found_in_any_case_or_created(company: Company) -> None:
    owner = company.call("getUserProfiles")[0]["id"]
    first, again = company.make("createAccounts", {"accountName": "ÄCME Inc."}, {"accountName": "äcme inc."})
    known, new = company.create({"companyName": "  äcme INC. "}, {"companyName": " Globex ", "ownerID": owner})

    of_known, of_new = converted(company, {"id": known, "account": 1}, {"id": new, "account": True})

    assert of_known["accountID"] == first != again, "the oldest"
    assert company.lead(known)["accountID"] == str(first)
    (made,) = company.call("getAccount", id=of_new["accountID"])
    assert (made["accountName"], made["ownerID"], made["numberOfEmployees"]) == ("Globex", owner, "0")
    assert company.lead(new)["accountID"] == made["id"]
    assert company.lead(new)["companyName"] == " Globex "


def test_leads_with_one_company_name_share_the_new_account(company: Company) -> None:
    leads = company.create({"companyName": "Acme"}, {"companyName": "ACME "}, {}, {"companyName": "Globex"})

    outcomes = converted(
        company,
        {"id": leads[0], "account": 1},
        {"id": leads[1], "account": 1},
        {"id": leads[2], "accountName": " acme"},
        {"id": leads[3], "account": 1},
    )

    assert accounts(company) == ["Acme", "Globex"]
    assert len({outcome["accountID"] for outcome in outcomes[:3]}) == 1


def test_a_lead_keeps_its_account_unless_another_is_given(company: Company) -> None:
    first, second = company.make("createAccounts", {"accountName": "First"}, {"accountName": "Second"})
    lead, other = company.create(*[{"companyName": "Third", "accountID": first}] * 2)

    by_lead, by_other = converted(company, {"id": lead, "account": 1}, {"id": other, "accountName": "second"})
    assert (by_lead["accountID"], by_other["accountID"]) == (first, second)

    (moved,) = converted(company, {"id": lead, "accountID": str(second)})
    assert moved["accountID"] == second
    assert accounts(company) == ["First", "Second"]
    assert events(company, lead)[-1] == ("leadConversion", {"accountID": [str(first), str(second)]})


def test_without_any_company_name_an_account_is_205(company: Company) -> None:
    for name in (None, "", "  "):
        (lead,) = company.create({} if name is None else {"companyName": name})
        before = everything(company, lead)
        (outcome,) = convert(company, {"id": lead, "account": 1})
        assert (outcome["error"]["code"], outcome["error"]["data"]["params"][0]["param"]) == (205, "account")
        assert everything(company, lead) == before


# Opportunities


def test_an_opportunity_is_created_with_its_links_and_events(company: Company) -> None:
    stage_id = stage(company)
    owner = company.call("getUserProfiles")[0]["id"]
    (campaign,) = company.make("createCampaigns", {"campaignName": "Fair"})
    (lead,) = company.create({"companyName": "Acme", "ownerID": owner, "campaignID": campaign})

    (outcome,) = converted(
        company,
        {"id": lead, "account": 1, "opportunityName": "A roof", "dealStageID": stage_id, "closeDate": "2030-01-31"},
    )

    (row,) = company.call("getOpportunity", id=outcome["opportunityID"])
    assert row == {
        "id": str(outcome["opportunityID"]),
        "ownerID": owner,
        "dealStageID": str(stage_id),
        "accountID": str(outcome["accountID"]),
        "campaignID": str(campaign),
        "opportunityName": "A roof",
        "probability": "40",
        "amount": "0",
        "isClosed": "0",
        "isWon": "0",
        "isActive": "1",
        "closeDate": "2030-01-31 00:00:00",
        "originatingLeadID": str(lead),
        "primaryLeadID": str(lead),
    }
    (link,) = company.call("getOpportunityLeads", where={"leadID": lead})
    assert link["opportunityID"] == row["id"]
    assert company.lead(lead)["leadStatus"] == "contactWithOpp"
    data_by_source = dict(events(company, lead))
    assert list(data_by_source) == ["leadConversion", "changeLeadStatus", "oppCreate"]
    assert data_by_source["leadConversion"] == {
        "leadStatus": ["unqualified", "contactWithOpp"],
        "accountID": [None, str(outcome["accountID"])],
        "opportunityID": [None, row["id"]],
    }
    (version,) = sql(company.dsn, "select version from lead where id = $1", lead, company_id=company.id)
    assert version["version"] == 2, "one change, not several"


def test_given_values_of_the_opportunity_override_those_of_the_lead(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="America/New_York")
    stage_id = stage(company)
    first, second = company.make("createCampaigns", {"campaignName": "One"}, {"campaignName": "Two"})
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    owner = company.call("getUserProfiles")[0]["id"]
    (lead,) = company.create({"campaignID": first, "accountID": account})

    (outcome,) = converted(
        company,
        {
            "id": lead,
            "leadStatus": "customer",
            "opportunityName": "A roof",
            "dealStageID": str(stage_id),
            "closeDate": "2030-07-04 09:00:00",
            "amount": "12.50",
            "probability": 77,
            "ownerID": owner,
            "campaignID": second,
        },
    )

    (row,) = company.at("v1.2").call("getOpportunity", id=outcome["opportunityID"])
    assert (row["amount"], row["probability"], row["ownerID"]) == ("12.5", "77", owner)
    assert (row["campaignID"], row["accountID"], row["closeDate"]) == (str(second), str(account), "2030-07-04 13:00:00")
    assert company.lead(lead)["leadStatus"] == "customer"


# Refusals


SALE = {"opportunityName": "A roof", "dealStageID": "{stage}", "closeDate": "2030-01-31"}


@pytest.mark.parametrize(
    ("values", "code", "param"),
    [
        ({"leadStatus": "open"}, 205, "leadStatus"),
        ({"leadStatus": "contactWithOpp"}, 205, "leadStatus"),
        ({"leadStatus": None}, 205, "leadStatus"),
        ({"account": 2}, 205, "account"),
        ({"account": 0, "accountName": "Acme"}, 205, "account"),
        ({"accountName": " "}, 205, "accountName"),
        ({"accountName": "x" * 256}, 205, "accountName"),
        ({"accountName": "a\0"}, 205, "accountName"),
        ({"accountName": "Acme", "accountID": 1}, 205, "accountName"),
        ({"accountID": None}, 205, "accountID"),
        ({"opportunityName": "A roof"}, 205, "dealStageID"),
        ({**SALE, "opportunityName": ""}, 205, "opportunityName"),
        ({**SALE, "closeDate": "soon"}, 205, "closeDate"),
        ({**SALE, "amount": "much"}, 205, "amount"),
        ({"dealStageID": 1}, 205, "dealStageID"),
        ({"amount": 5}, 205, "amount"),
        ({"ownerID": 1}, 205, "ownerID"),
        ({"emailAddress": "lead@example.com"}, 205, "id"),
        ({"primaryLeadID": 1}, 205, "primaryLeadID"),
        ({"accountID": [1]}, 210, "accountID"),
        ({"accountID": 1}, 303, "accountID"),
        ({**SALE, "dealStageID": 1}, 303, "dealStageID"),
        ({**SALE, "ownerID": 1}, 303, "ownerID"),
        ({**SALE, "campaignID": 1, "accountName": "New"}, 303, "campaignID"),
    ],
)
def test_a_refused_lead_is_unchanged_and_the_others_are_converted(
    company: Company, values: dict[str, Any], code: int, param: str
) -> None:
    lead, other = company.create({"companyName": "Acme"}, {})
    stage_id = stage(company)
    values = {name: stage_id if value == "{stage}" else value for name, value in values.items()}
    before = everything(company, lead)

    refused, through = convert(company, {"id": lead, **values}, {"id": other, "leadStatus": "customer"})

    assert through["success"]
    assert (refused["error"]["code"], refused["error"]["data"]["params"][0]["param"]) == (code, param)
    assert list(refused) == ["success", "error"]
    after = everything(company, lead)
    assert after[0] == before[0]
    assert after[1] == (*before[1][:3], before[1][3] + 2), "only the events of the other lead are new"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"id": 1}, 404),
        ({"emailAddress": "nobody@example.com"}, 404),
        ({"emailAddress": ""}, 205),
        ({"emailAddress": None}, 205),
        ({"id": "x"}, 205),
        ({"id": None}, 205),
        ({"id": -1}, 205),
        ({"id": [1]}, 210),
        ({"account": 1}, 205),
        ({}, 205),
        ([], 205),
        (5, 208),
        ("lead@example.com", 208),
    ],
)
def test_an_element_that_names_no_lead_is_refused_alone(company: Company, wrong: Any, code: int) -> None:
    (lead,) = company.create({})

    refused, through = convert(company, wrong, {"id": lead})

    assert (refused["error"]["code"], through["success"]) == (code, True)


def test_the_second_object_of_a_lead_in_one_call_is_301_even_if_the_first_was_refused(company: Company) -> None:
    first, second = company.create({"emailAddress": "one@example.com"}, {})

    outcomes = convert(
        company,
        {"id": first},
        {"emailAddress": "ONE@example.com", "leadStatus": "customer"},
        {"id": second, "accountID": 1},
        {"id": second},
    )

    assert [each["error"] and each["error"]["code"] for each in outcomes] == [None, 301, 303, 301]
    assert [company.lead(lead)["leadStatus"] for lead in (first, second)] == ["contact", "unqualified"]


def test_another_companys_leads_and_references_are_unknown(
    company: Company, given_company: Callable[..., Company]
) -> None:
    other = given_company()
    address = new_email()
    (theirs,) = other.create({"emailAddress": address, "companyName": "Acme"})
    (account,) = other.make("createAccounts", {"accountName": "Acme"})
    (lead,) = company.create({"companyName": "Acme"})

    outcomes = convert(company, {"id": theirs}, {"emailAddress": address}, {"id": lead, "accountID": account})
    assert [outcome["error"]["code"] for outcome in outcomes] == [404, 404, 303]

    (made,) = converted(company, {"id": lead, "account": 1})
    assert made["accountID"] != account
    assert other.lead(theirs)["leadStatus"] == "unqualified"
    assert accounts(other) == ["Acme"]


def test_the_list_of_objects_has_the_same_rules_as_in_every_write(company: Company) -> None:
    assert company.error("convertLeads")["code"] == 207
    assert company.error("convertLeads", objects=3)["code"] == 208
    assert company.error("convertLeads", objects=[{"id": 1}] * 501)["code"] == 209
    assert convert(company) == []


# Many


def test_500_leads_of_250_companies_are_converted_in_one_call(company: Company) -> None:
    stage_id = stage(company)
    leads = company.create(*({"companyName": f"Company {number // 2}"} for number in range(500)))
    sale = {"opportunityName": "A roof", "dealStageID": stage_id, "closeDate": "2030-01-31", "amount": 1}

    outcomes = converted(company, *({"id": lead, "account": 1, **sale} for lead in leads))

    assert [outcome["leadID"] for outcome in outcomes] == leads
    assert len(accounts(company)) == 250
    assert len({outcome["opportunityID"] for outcome in outcomes}) == 500
    rows = company.call("getLeads", where={})
    assert {row["leadStatus"] for row in rows} == {"contactWithOpp"}
    assert [row["accountID"] for row in rows] == [str(outcome["accountID"]) for outcome in outcomes]
    assert all(len(events(company, lead)) == 3 for lead in leads[:3])


def test_concurrent_conversions_create_one_account_of_a_name(company: Company) -> None:
    together = threading.Barrier(8)
    leads = [company.create(*({"companyName": f"Acme {number}"} for number in range(5))) for _ in range(8)]

    def work(mine: list[int]) -> None:
        own = Company(company.url, company.account_id, company.secret, id=company.id)
        own.call("getLead", id=1)  # connected
        together.wait()
        converted(own, *({"id": lead, "account": 1} for lead in mine))
        own.close()

    threads = [threading.Thread(target=work, args=(mine,)) for mine in leads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(accounts(company)) == [f"Acme {number}" for number in range(5)]
    rows = company.call("getLeads", where={})
    assert len({row["accountID"] for row in rows}) == 5
    assert {row["leadStatus"] for row in rows} == {"contact"}


def test_a_lead_is_converted_once_by_concurrent_calls(company: Company) -> None:
    (lead,) = company.create({"companyName": "Acme"})
    together = threading.Barrier(6)
    codes: list[int | None] = []

    def work() -> None:
        own = Company(company.url, company.account_id, company.secret, id=company.id)
        own.call("getLead", id=1)  # connected
        together.wait()
        codes.append(own.code("convertLeads", {"id": lead, "account": 1}))
        own.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(codes, key=str) == [302] * 5 + [None]
    assert [source for source, _ in events(company, lead)] == ["leadConversion", "changeLeadStatus"]
