"""eraseLeads for a lead in the recycle bin and for merged leads: nothing is left of any of them."""

import pytest

from erasure import CANARY, erase, lead_with_canary, tables_with_canary
from support import Company, Server

ADDRESS = f"{CANARY}@example.com"


def merged(company: Company) -> tuple[int, int]:
    """Merges a lead that has the canary everywhere into another. Returns both ids, the survivor first."""
    other = lead_with_canary(company)
    (lead,) = company.create({"firstName": "Plain"})
    (outcome,) = company.call("mergeLeads", objects=[{"id": lead, "mergeIDs": [other]}])
    assert outcome["success"], outcome
    return lead, other


@pytest.mark.parametrize("by", ["id", "address"])
def test_a_lead_in_the_recycle_bin_is_erased(server: Server, company: Company, by: str) -> None:
    lead = lead_with_canary(company)
    company.call("deleteLeads", objects=[{"id": lead}])
    assert {line.partition(":")[0] for line in tables_with_canary(server, company)} >= {
        "deleted_lead",
        "deleted_lead_part",
        "event",
    }

    (outcome,) = erase(company, {"id": lead} if by == "id" else {"emailAddress": ADDRESS})

    assert outcome["success"], outcome
    assert tables_with_canary(server, company) == []
    (refusal,) = company.call("restoreLeads", objects=[{"id": lead}])
    assert refusal["error"]["code"] == 404


@pytest.mark.parametrize("by", ["the id that stays", "the id that went", "the address that went"])
def test_merged_leads_are_erased_together(server: Server, company: Company, by: str) -> None:
    lead, other = merged(company)
    assert tables_with_canary(server, company) != []

    wanted = {"the id that stays": {"id": lead}, "the id that went": {"id": other}}.get(by, {"emailAddress": ADDRESS})
    (outcome,) = erase(company, wanted)

    assert len(outcome["receipts"]) == 2
    assert tables_with_canary(server, company) == []
    assert company.call("getLead", id=lead) == []
    assert company.call("getLead", id=other) == []
    changes = company.call("getLeadChanges", kinds=["erase"])
    assert sorted(int(change["leadID"]) for change in changes) == sorted([lead, other])


def test_a_lead_that_was_restored_from_a_merge_is_erased_alone(server: Server, company: Company) -> None:
    lead, other = merged(company)
    (outcome,) = company.call("restoreLeads", objects=[{"id": other}])
    assert outcome["success"], outcome

    erase(company, {"id": other})

    assert company.call("getLead", id=other) == []
    assert company.lead(lead)["firstName"] == "Plain"


def test_an_export_has_the_data_of_merged_leads(company: Company) -> None:
    lead, other = merged(company)

    rows = company.call("exportLead", id=lead)

    parts = {row["part"] for row in rows}
    assert parts >= {"lead", "event", "note", "task", "call", "upload", "deletedLead", "mergedID"}
    (binned,) = (row["data"] for row in rows if row["part"] == "deletedLead")
    assert (binned["id"], binned["mergedInto"]) == (str(other), str(lead))
    assert company.call("exportLead", id=other) == rows
