"""Creates the objects around a lead: accounts, opportunities, users, notes."""

from typing import Any

from support import Company, sql

WORDS = ["lead", "account", "opportunity"]
ROLES = ["what", "who"]
OTHER = {"what": "who", "who": "what"}
DELETES = {"lead": "deleteLeads", "account": "deleteAccounts", "opportunity": "deleteOpportunities"}
READS = {"lead": "Contact", "account": "Account", "opportunity": "Opportunity"}
SEVERAL = {"lead": "Contacts", "account": "Accounts", "opportunity": "Opportunities"}


def user(company: Company) -> str:
    (user_row,) = company.call("getUserProfiles")
    return user_row["id"]


def create_target(company: Company, word: str) -> int:
    """Creates a lead, account or opportunity. Returns its id."""
    if word == "lead":
        return company.create({})[0]
    if word == "account":
        return company.make("createAccounts", {"accountName": "Acme"})[0]
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    new = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31"}
    return company.make("createOpportunities", new)[0]


def delete(company: Company, word: str, *ids: int) -> None:
    assert all(outcome["success"] for outcome in company.call(DELETES[word], objects=list(ids)))


def about(role: str, word: str, an_id: Any) -> dict[str, Any]:
    return {f"{role}ID": an_id, f"{role}Type": word}


def make_notes(company: Company, *several: dict[str, Any]) -> list[int]:
    author = user(company)
    return company.make("createNotes", *({"authorID": author, "note": "n", **note} for note in several))


def notes_of(company: Company, word: str, an_id: int, **more: Any) -> list[dict[str, str | None]]:
    return company.call(f"get{READS[word]}Notes", id=an_id, **more)


def ids_of(company: Company, word: str, **params: Any) -> list[int]:
    return [int(note["id"]) for note in company.call(f"get{SEVERAL[word]}Notes", **params)]


def stored(company: Company) -> dict[int, tuple[Any, ...]]:
    """The associations of every note, from the table itself."""
    rows = sql(company.dsn, "select id, what_type, what_id, who_type, who_id from note", company_id=company.id)
    return {row["id"]: tuple(row.values())[1:] for row in rows}
