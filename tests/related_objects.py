"""Creates the objects around a lead: accounts, opportunities, users, notes."""

from typing import Any

from support import Company, sql

OBJECT_TYPES = ["lead", "account", "opportunity"]
ROLES = ["what", "who"]
OTHER = {"what": "who", "who": "what"}
DELETES = {"lead": "deleteLeads", "account": "deleteAccounts", "opportunity": "deleteOpportunities"}
READS = {"lead": "Contact", "account": "Account", "opportunity": "Opportunity"}
SEVERAL = {"lead": "Contacts", "account": "Accounts", "opportunity": "Opportunities"}


def user(company: Company) -> str:
    """The id of the company's only user."""
    user_row, *_ = company.call("getUserProfiles")
    return user_row["id"]


def create_target(company: Company, object_type: str) -> int:
    """Creates a lead, account or opportunity. Returns its id."""
    if object_type == "lead":
        return company.create({})[0]
    if object_type == "account":
        return company.make("createAccounts", {"accountName": "Acme"})[0]
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    new = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31"}
    return company.make("createOpportunities", new)[0]


def delete(company: Company, object_type: str, *ids: int) -> None:
    assert all(outcome["success"] for outcome in company.call(DELETES[object_type], objects=list(ids)))


def about(role: str, object_type: str, an_id: Any) -> dict[str, Any]:
    return {f"{role}ID": an_id, f"{role}Type": object_type}


def make_notes(company: Company, *several: dict[str, Any]) -> list[int]:
    author = user(company)
    return company.make("createNotes", *({"authorID": author, "note": "n", **note} for note in several))


def notes_of(company: Company, object_type: str, an_id: int, **more: Any) -> list[dict[str, str | None]]:
    return company.call(f"get{READS[object_type]}Notes", id=an_id, **more)


def ids_of(company: Company, object_type: str, **params: Any) -> list[int]:
    return [int(note["id"]) for note in company.call(f"get{SEVERAL[object_type]}Notes", **params)]


def stored(company: Company) -> dict[int, tuple[Any, ...]]:
    """The associations of every note, from the table itself."""
    rows = sql(company.dsn, "select id, what_type, what_id, who_type, who_id from note", company_id=company.id)
    return {row["id"]: tuple(row.values())[1:] for row in rows}
