"""Links of opportunities and leads (docs/wire/sales.md#links-to-leads). The leads' status: test_lead_status.py."""

from collections.abc import Callable
from typing import Any

import pytest

from support import Company, sql

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}
TAKEN = {"code": 301, "message": "Entry already exists", "data": []}
EVER = {"startDate": "2000-01-01", "endDate": "2999-12-31"}


def opportunities(company: Company, count: int = 1, **more: Any) -> list[int]:
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    values = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31", **more}
    return company.make("createOpportunities", *[values] * count)


def pair(opportunity: int, lead: int) -> dict[str, int]:
    return {"opportunityID": opportunity, "leadID": lead}


def test_the_read_is_answered_as_the_vendor_generates_it(company: Company) -> None:
    (lead,) = company.create({})
    (opportunity,) = opportunities(company)
    (link,) = company.make("createOpportunityLeads", pair(opportunity, lead))

    answer = company.envelope("getOpportunityLeads", {"where": {"leadID": lead}}, id="")

    row = {"id": str(link), "opportunityID": str(opportunity), "leadID": str(lead)}
    assert answer == {
        "hasMore": False,
        "result": {"getWhereopportunityLeads": [row], "hasMore": False},
        "error": [],
        "id": "",
    }
    assert list(answer) == ["hasMore", "result", "error", "id"]
    assert list(answer["result"]) == ["getWhereopportunityLeads", "hasMore"]
    by_id = company.envelope("getOpportunityLead", {"id": link})
    assert by_id == {"result": {"opportunityLead": [row]}, "error": None, "id": "1"}
    for stamp in ("create", "update"):
        assert company.call("getOpportunityLeadsDateRange", timestamp=stamp, **EVER) == [row]


def test_has_more_says_whether_there_are_more_rows_after_the_page(company: Company) -> None:
    leads = company.create(*[{}] * 5)
    (opportunity,) = opportunities(company)
    links = company.make("createOpportunityLeads", *(pair(opportunity, lead) for lead in leads))

    def page(**params: Any) -> tuple[list[int], bool]:
        answer = company.envelope("getOpportunityLeads", params)
        assert answer["hasMore"] == answer["result"]["hasMore"]
        link_ids = [int(row["id"]) for row in answer["result"]["getWhereopportunityLeads"]]
        return [links.index(link_id) for link_id in link_ids], answer["hasMore"]

    where = {"opportunityID": opportunity}
    for chosen in (where, {}, {"id": links}):
        assert page(where=chosen, limit=2) == ([0, 1], True)
        assert page(where=chosen, limit=2, offset=2) == ([2, 3], True)
        assert page(where=chosen, limit=2, offset=4) == ([4], False)
        assert page(where=chosen, limit=5) == ([0, 1, 2, 3, 4], False)
        assert page(where=chosen, offset=5) == ([], False)
        assert page(where=chosen, limit=0) == ([], True)
    assert page(where={"leadID": [leads[3], leads[1]], **where}) == ([1, 3], False)


def test_an_offset_is_right_after_links_were_deleted_with_their_lead_or_opportunity(company: Company) -> None:
    leads = company.create(*[{}] * 6)
    first, second = opportunities(company, 2)
    company.make("createOpportunityLeads", *(pair(first, lead) for lead in leads[:5]), pair(second, leads[5]))
    sql(
        company.dsn,
        "update opportunity_lead set create_timestamp = now() - interval '1 hour'",
        company_id=company.id,
    )

    def page(offset: int) -> list[int]:
        rows = company.call("getOpportunityLeads", where={}, limit=2, offset=offset)
        return [leads.index(int(row["leadID"])) for row in rows]

    assert [page(0), page(2), page(4)] == [[0, 1], [2, 3], [4, 5]]
    company.call("deleteLeads", objects=[leads[0]])
    assert [page(0), page(2), page(4)] == [[1, 2], [3, 4], [5]]
    company.call("deleteOpportunities", objects=[first])
    assert [page(0), page(2)] == [[5], []]


def test_a_pair_that_is_linked_already_is_301_also_within_a_call(company: Company) -> None:
    first, second = company.create({}, {})
    (opportunity,) = opportunities(company, primaryLeadID=first)

    outcomes = company.call(
        "createOpportunityLeads",
        objects=[pair(opportunity, first), pair(opportunity, second), pair(opportunity, second)],
    )

    assert [outcome["error"] for outcome in outcomes] == [TAKEN, None, TAKEN]
    assert len(company.call("getOpportunityLeads")) == 2


@pytest.mark.parametrize("column", ["opportunityID", "leadID"])
def test_an_unknown_lead_or_opportunity_is_303(
    company: Company, given_company: Callable[..., Company], column: str
) -> None:
    other = given_company()
    theirs = {"leadID": other.create({})[0], "opportunityID": opportunities(other)[0]}
    right = {"leadID": company.create({})[0], "opportunityID": opportunities(company)[0]}

    for value in (1, theirs[column]):
        refused = company.refusal("createOpportunityLeads", right | {column: value})
        assert refused is not None
        assert (refused["code"], refused["data"]["params"][0]["param"]) == (303, column)
    assert company.call("getOpportunityLeads") == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"opportunityID": 1}, 205),
        ({"leadID": 1}, 205),
        ({}, 205),
        ([], 205),
        ({"opportunityID": "x", "leadID": 1}, 205),
        ({"opportunityID": None, "leadID": 1}, 205),
        ({"opportunityID": -1, "leadID": 1}, 205),
        ({"opportunityID": 2**63, "leadID": 1}, 205),
        ({"opportunityID": [1], "leadID": 1}, 210),
        ({"opportunityID": 1, "leadID": 1, "isPrimary": 1}, 205),
        ("1:1", 208),
    ],
)
def test_an_invalid_pair_is_refused_alone(company: Company, wrong: Any, code: int) -> None:
    (lead,) = company.create({})
    (opportunity,) = opportunities(company)

    outcomes = company.call("createOpportunityLeads", objects=[wrong, pair(opportunity, lead)])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [code, None]


def test_a_deleted_link_is_removed_from_the_references_of_its_opportunity(company: Company) -> None:
    first, second, third = company.create({}, {}, {})
    (opportunity,) = opportunities(company, primaryLeadID=first, originatingLeadID=second)
    company.make("createOpportunityLeads", pair(opportunity, third))
    links = {int(row["leadID"]): row["id"] for row in company.call("getOpportunityLeads")}

    outcomes = company.call("deleteOpportunityLeads", objects=[{"id": links[first]}, links[third], 1, links[first]])

    assert [outcome["error"] for outcome in outcomes] == [None, None, NOTHING, NOTHING]
    (row,) = company.call("getOpportunity", id=opportunity)
    assert (row["primaryLeadID"], row["originatingLeadID"]) == (None, str(second))
    assert [row["leadID"] for row in company.call("getOpportunityLeads")] == [str(second)]
    assert company.call("getOpportunityLead", id=links[first]) == []


def test_another_companys_link_is_unknown(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    (lead,) = other.create({})
    opportunities(other, primaryLeadID=lead)
    (link,) = other.call("getOpportunityLeads")

    assert company.call("getOpportunityLead", id=link["id"]) == []
    assert company.call("getOpportunityLeads", where={"leadID": lead}) == []
    assert company.refusal("deleteOpportunityLeads", link["id"]) == NOTHING
    assert other.call("getOpportunityLeads") == [link]


def test_a_link_created_by_a_call_is_an_event_of_the_lead(company: Company) -> None:
    (lead,) = company.create({})
    (opportunity,) = opportunities(company)

    company.make("createOpportunityLeads", pair(opportunity, lead))

    rows = sql(
        company.dsn,
        "select event_source, event_name, what_id from event where event_source <> 'leadCreation' order by id",
        company_id=company.id,
    )
    assert [tuple(row) for row in rows] == [
        ("oppLink", "Linked to opportunity: A roof", opportunity),
        ("changeLeadStatus", "Lead status changed", None),
    ]


def test_500_links_are_created_and_deleted_in_one_call_each(company: Company) -> None:
    leads = company.create(*[{}] * 500)
    (opportunity,) = opportunities(company)

    links = company.make("createOpportunityLeads", *(pair(opportunity, lead) for lead in leads))

    assert {row["leadStatus"] for row in company.call("getLeads", where={})} == {"contactWithOpp"}
    assert all(outcome["success"] for outcome in company.call("deleteOpportunityLeads", objects=links))
    assert {row["leadStatus"] for row in company.call("getLeads", where={})} == {"contact"}
