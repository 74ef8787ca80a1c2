"""Deletes and restores leads, and reads the rows around them."""

from typing import Any

from support import Company, sql


def deleted(company: Company, *ids: int) -> None:
    outcomes = company.call("deleteLeads", objects=list(ids))
    assert all(outcome["success"] for outcome in outcomes), outcomes


def restored(company: Company, *ids: int) -> None:
    outcomes = company.call("restoreLeads", objects=[{"id": lead_id} for lead_id in ids])
    assert all(outcome["success"] for outcome in outcomes), outcomes


def bin_of(company: Company, **where: Any) -> list[str]:
    return [row["id"] for row in company.call("getDeletedLeads", where=where)]


def rows(company: Company, statement: str, *arguments: object) -> list[Any]:
    return [tuple(row) for row in sql(company.dsn, statement, *arguments, company_id=company.id)]


def opportunity(company: Company, **more: Any) -> int:
    stages = company.call("getDealStages")
    stage = stages[0]["id"] if stages else company.make("createDealStages", {"dealStageName": "Offer"})[0]
    new = {"opportunityName": "Roof", "dealStageID": stage, "closeDate": "2030-01-31", **more}
    return company.make("createOpportunities", new)[0]
