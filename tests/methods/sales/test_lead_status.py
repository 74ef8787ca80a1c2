"""The effects of opportunities on the status of their leads (docs/wire/leads.md#leadstatus)."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from callers import at_once, clients
from support import Company, sql


def stage(company: Company) -> int:
    (made,) = company.make("createDealStages", {"dealStageName": "Offer"})
    return made


def opportunity(company: Company, stage_id: int, **more: Any) -> int:
    values = {"opportunityName": "A roof", "dealStageID": stage_id, "closeDate": "2030-01-31", **more}
    (made,) = company.make("createOpportunities", values)
    return made


def status(company: Company, lead: int) -> str | None:
    return company.lead(lead)["leadStatus"]


def change(company: Company, opportunity_id: int, **more: Any) -> None:
    assert company.code("updateOpportunities", {"id": opportunity_id, **more}) is None


def link(company: Company, opportunity_id: int, lead: int) -> int:
    (made,) = company.make("createOpportunityLeads", {"opportunityID": opportunity_id, "leadID": lead})
    return made


@pytest.mark.parametrize("before", ["unqualified", "open", "qualified", "contact"])
def test_leads_are_contact_with_opp_while_an_opportunity_is_open_and_contacts_afterwards(
    company: Company, before: str
) -> None:
    (lead,) = company.create({"leadStatus": before})
    made = opportunity(company, stage(company), primaryLeadID=lead)

    row = company.lead(lead)
    assert (row["leadStatus"], row["status"]) == ("contactWithOpp", "contactWithOpp")
    assert (row["isContact"], row["isCustomer"], row["isQualified"]) == ("1", "0", "0")
    (selected,) = company.call("getLeads", where={"id": lead}, fields=["hasOpportunity"])
    assert selected == {"hasOpportunity": "1"}

    change(company, made, isClosed=1)
    assert status(company, lead) == "contact"


def test_contact_with_opp_ends_with_the_last_open_opportunity_however_it_ends(company: Company) -> None:
    stage_id = stage(company)
    (lead,) = company.create({})
    closed, inactive, unlinked, deleted = (opportunity(company, stage_id, primaryLeadID=lead) for _ in range(4))
    (link_id,) = [row["id"] for row in company.call("getOpportunityLeads", where={"opportunityID": unlinked})]

    change(company, closed, isClosed=1)
    change(company, inactive, isActive=0)
    company.call("deleteOpportunityLeads", objects=[link_id])
    assert status(company, lead) == "contactWithOpp"

    company.call("deleteOpportunities", objects=[deleted])
    assert status(company, lead) == "contact"
    change(company, inactive, isActive=1)
    assert status(company, lead) == "contactWithOpp"


@pytest.mark.parametrize("more", [{"isClosed": 1}, {"isActive": 0}])
def test_an_opportunity_that_is_not_open_does_not_change_the_status(company: Company, more: dict[str, int]) -> None:
    (lead,) = company.create({})

    made = opportunity(company, stage(company), primaryLeadID=lead, **more)

    assert status(company, lead) == "unqualified"
    change(company, made, **{name: 1 - value for name, value in more.items()})
    assert status(company, lead) == "contactWithOpp"


def test_winning_makes_customers_who_stay_customers(company: Company) -> None:
    stage_id = stage(company)
    (lead,) = company.create({})
    made = opportunity(company, stage_id, primaryLeadID=lead)

    change(company, made, isWon=1)
    row = company.lead(lead)
    assert (row["leadStatus"], row["isCustomer"], row["isContact"]) == ("customer", "1", "0")

    change(company, made, isClosed=0)
    opportunity(company, stage_id, primaryLeadID=lead)
    company.call("deleteOpportunities", objects=[made])
    assert status(company, lead) == "customer"


def test_a_customer_with_a_changed_status_follows_the_open_opportunities(company: Company) -> None:
    stage_id = stage(company)
    busy, idle = company.create({"leadStatus": "customer"}, {"leadStatus": "customer"})
    made = opportunity(company, stage_id, primaryLeadID=busy)
    assert status(company, busy) == "customer"

    company.call("updateLeads", objects=[{"id": lead, "leadStatus": "open"} for lead in (busy, idle)])

    assert (status(company, busy), status(company, idle)) == ("contactWithOpp", "open")
    change(company, made, isActive=0)
    assert status(company, busy) == "contact"


def test_whoever_is_linked_to_a_won_opportunity_is_a_customer(company: Company) -> None:
    stage_id = stage(company)
    by_name, by_hand, later = company.create({}, {}, {})
    won = opportunity(company, stage_id, isWon=1, primaryLeadID=by_name)

    link(company, won, by_hand)
    change(company, won, originatingLeadID=later)

    assert [status(company, lead) for lead in (by_name, by_hand, later)] == ["customer"] * 3


def test_contact_with_opp_can_neither_be_set_nor_unset_by_calls(company: Company) -> None:
    stage_id = stage(company)
    plain, busy = company.create({"leadStatus": "contactWithOpp"}, {})
    made = opportunity(company, stage_id, primaryLeadID=busy)

    assert status(company, plain) == "unqualified"
    for value in ("open", "customer", "contactWithOpp"):
        code = company.code("updateLeads", {"id": busy, "leadStatus": value, "title": value})
        assert code is None
        assert (status(company, busy), company.lead(busy)["title"]) == ("contactWithOpp", value)
    company.call("updateLeads", objects=[{"id": plain, "leadStatus": "contactWithOpp"}])
    assert status(company, plain) == "unqualified"

    change(company, made, isClosed=1)
    company.call("updateLeads", objects=[{"id": busy, "leadStatus": "open"}])
    assert status(company, busy) == "open"


def test_a_change_without_effect_on_the_status_leaves_the_lead_untouched(company: Company) -> None:
    (lead,) = company.create({})
    made = opportunity(company, stage(company), primaryLeadID=lead)

    def version() -> int:
        (row,) = sql(company.dsn, "select version from lead where id = $1", lead, company_id=company.id)
        return row["version"]

    assert version() == 2
    change(company, made, amount=5, opportunityName="Two roofs")
    change(company, made, dealStageID=stage(company))
    assert version() == 2


def test_a_change_of_status_shows_in_the_date_range_of_updates(company: Company) -> None:
    (lead,) = company.create({})
    sql(
        company.dsn,
        "update lead set update_timestamp = '2001-01-01', create_timestamp = '2001-01-01' where id = $1",
        lead,
        company_id=company.id,
    )

    opportunity(company, stage(company), primaryLeadID=lead)

    range_ = {"startDate": "2020-01-01", "endDate": "2999-01-01", "timestamp": "update"}
    assert [row["id"] for row in company.call("getLeadsDateRange", **range_)] == [str(lead)]


def test_lists_follow_the_status_at_once(company: Company) -> None:
    stage_id = stage(company)
    busy, buyers = (
        company.call("createList", name=value, filter={"leadStatus": value})[0]["id"]
        for value in ("contactWithOpp", "customer")
    )
    lead, other = company.create({}, {})

    def member_ids(list_id: int) -> list[str]:
        return [row["leadID"] for row in company.call("getListMembers", where={"id": list_id})]

    made = opportunity(company, stage_id, primaryLeadID=lead)
    sale = {"opportunityName": "A roof", "dealStageID": stage_id, "closeDate": "2030-01-31"}
    company.call("convertLeads", objects=[{"id": other, **sale}])
    assert (member_ids(busy), member_ids(buyers)) == ([str(lead), str(other)], [])

    change(company, made, isWon=1)
    assert (member_ids(busy), member_ids(buyers)) == ([str(other)], [str(lead)])
    company.call("convertLeads", objects=[{"id": other, "leadStatus": "customer"}])
    assert (member_ids(busy), member_ids(buyers)) == ([], [str(lead), str(other)])


def test_another_companys_leads_do_not_change(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    (theirs,) = other.create({})

    assert company.code("createOpportunityLeads", {"opportunityID": 1, "leadID": theirs}) == 303
    assert status(other, theirs) == "unqualified"


# Many at once


def run_at_once(company: Company, works: list[Callable[[Company], Any]]) -> list[Any]:
    """Runs all `works` at the same moment, each on a connection of its own."""
    return at_once(clients(company, len(works)), lambda own, worker: works[worker](own))


def test_the_last_two_opportunities_of_a_lead_closed_at_once_leave_a_contact(company: Company) -> None:
    """Without locks each transaction would see the other's opportunity still open."""
    stage_id = stage(company)
    for _ in range(15):
        (lead,) = company.create({})
        made = [opportunity(company, stage_id, primaryLeadID=lead) for _ in range(4)]
        (link_id,) = [row["id"] for row in company.call("getOpportunityLeads", where={"opportunityID": made[3]})]

        works: list[Callable[[Company], Any]] = [
            lambda own, deal=made[0]: own.code("updateOpportunities", {"id": deal, "isClosed": 1}),
            lambda own, deal=made[1]: own.code("updateOpportunities", {"id": deal, "isActive": 0}),
            lambda own, deal=made[2]: own.code("deleteOpportunities", deal),
            lambda own, linked=link_id: own.code("deleteOpportunityLeads", linked),
        ]
        assert run_at_once(company, works) == [None] * 4

        assert status(company, lead) == "contact"


def test_a_link_created_while_its_opportunity_ends_leaves_no_wrong_status(company: Company) -> None:
    stage_id = stage(company)
    for _ in range(15):
        (lead,) = company.create({})
        closed, deleted = opportunity(company, stage_id), opportunity(company, stage_id)
        pairs = [{"opportunityID": deal, "leadID": lead} for deal in (closed, deleted)]

        run_at_once(
            company,
            [
                lambda own, pair=pairs[0]: own.code("createOpportunityLeads", pair),
                lambda own, deal=closed: own.code("updateOpportunities", {"id": deal, "isClosed": 1}),
                lambda own, pair=pairs[1]: own.code("createOpportunityLeads", pair),
                lambda own, deal=deleted: own.code("deleteOpportunities", deal),
            ],
        )

        assert status(company, lead) != "contactWithOpp"


def test_after_concurrent_changes_every_status_agrees_with_its_opportunities(company: Company) -> None:
    stage_id = stage(company)
    leads = company.create(*[{}] * 12)
    made = [opportunity(company, stage_id) for _ in range(12)]

    def storm(own: Company) -> list[int | None]:
        codes: list[int | None] = []
        for _ in range(12):
            chosen = random.sample(made, 4)
            match random.randrange(6):
                case 0:
                    objects = [{"id": deal, "isClosed": random.randrange(2)} for deal in chosen]
                    outcomes = own.call("updateOpportunities", objects=objects)
                case 1:
                    objects = [{"id": deal, "isActive": random.randrange(2)} for deal in chosen]
                    outcomes = own.call("updateOpportunities", objects=objects)
                case 2:
                    objects = [{"id": deal, "primaryLeadID": random.choice(leads)} for deal in chosen]
                    outcomes = own.call("updateOpportunities", objects=objects)
                case 3:
                    objects = [{"opportunityID": deal, "leadID": random.choice(leads)} for deal in chosen]
                    outcomes = own.call("createOpportunityLeads", objects=objects)
                case 4:
                    links = [row["id"] for row in own.call("getOpportunityLeads")]
                    outcomes = own.call("deleteOpportunityLeads", objects=random.sample(links, min(3, len(links))))
                case _:
                    objects = [{"id": lead, "title": str(random.random())} for lead in random.sample(leads, 6)]
                    outcomes = own.call("updateLeads", objects=objects)
            codes += [outcome["error"] and outcome["error"]["code"] for outcome in outcomes]
        return codes

    answers = run_at_once(company, [storm] * 6)

    assert {code for codes in answers for code in codes} <= {None, 301, 302}
    wrong = sql(
        company.dsn,
        """
        select l.id, l.lead_status, x.busy
        from lead l, lateral (
            select exists (
                select from opportunity_lead ol join opportunity o on o.id = ol.opportunity_id
                where ol.lead_id = l.id and not o.is_closed and o.is_active
            ) as busy
        ) as x
        where (l.lead_status = 'contactWithOpp') <> x.busy
        """,
        company_id=company.id,
    )
    assert wrong == []
    named = sql(
        company.dsn,
        """
        select from opportunity o
        where o.primary_lead_id is not null and not exists (
            select from opportunity_lead ol where ol.opportunity_id = o.id and ol.lead_id = o.primary_lead_id
        )
        """,
        company_id=company.id,
    )
    assert named == []
