"""eraseLeads, exportLead and getLeadsAsOf for leads in the recycle bin and for merged leads."""

from typing import Any

import pytest

from erasure import CANARY, erase, lead_with_canary, receipts, tables_with_canary
from recycling import bin_of, deleted, restored
from support import Company, Server, sql


def as_of(company: Company, lead: int, moment: str) -> list[dict[str, Any]]:
    return company.call("getLeadsAsOf", id=lead, at=moment)


def move_events_back(company: Company, lead: int, days: int) -> None:
    """Moves all events of the lead so far some days into the past."""
    sql(
        company.dsn,
        "update event set create_timestamp = create_timestamp - make_interval(days => $2) where lead_id = $1",
        lead,
        days,
        company_id=company.id,
    )
    sql(
        company.dsn,
        """
        update lead set create_timestamp = create_timestamp - make_interval(days => $2),
            update_timestamp = update_timestamp - make_interval(days => $2)
        where id = $1
        """,
        lead,
        days,
        company_id=company.id,
    )


def test_nothing_is_left_of_a_lead_that_was_deleted_before_it_was_erased(server: Server, company: Company) -> None:
    lead = lead_with_canary(company)
    deleted(company, lead)
    assert {line.partition(":")[0] for line in tables_with_canary(server, company)} >= {
        "deleted_lead",
        "deleted_lead_part",
        "task",
    }

    (outcome,) = erase(company, lead)

    assert outcome["success"]
    assert tables_with_canary(server, company) == []
    assert bin_of(company) == []
    assert len(receipts(company, emailAddress=f"{CANARY}@example.com")) == 1


def test_an_address_erases_all_deleted_leads_that_had_it(server: Server, company: Company) -> None:
    leads: list[int] = []
    for _ in range(3):
        (lead,) = company.create({"emailAddress": f"{CANARY}@example.com"})
        leads.append(lead)
        if len(leads) < 3:
            deleted(company, lead)

    (outcome,) = erase(company, {"emailAddress": f"{CANARY}@example.com"})

    assert len(outcome["receipts"]) == 3
    assert tables_with_canary(server, company) == []
    assert {int(receipt["leadID"]) for receipt in receipts(company)} == set(leads)


@pytest.mark.parametrize("position", range(3))
def test_a_merged_lead_is_erased_with_its_survivor_by_any_of_the_ids(
    position: int, server: Server, company: Company
) -> None:
    first = lead_with_canary(company)
    (second, third) = company.create({"emailAddress": "b@example.com", "city": CANARY}, {"city": CANARY})
    merged = {"id": third, "mergeIDs": [first, second]}
    assert company.call("mergeLeads", objects=[merged])[0]["success"]

    (outcome,) = erase(company, (first, second, third)[position])

    assert len(outcome["receipts"]) == 3
    assert tables_with_canary(server, company) == []
    assert bin_of(company) == []
    assert company.call("getLead", id=first) == company.call("getLead", id=third) == []


def test_an_erased_lead_cannot_be_restored(company: Company) -> None:
    (lead,) = company.create({})
    deleted(company, lead)
    erase(company, lead)

    (outcome,) = company.call("restoreLeads", objects=[{"id": lead}])

    assert not outcome["success"]


def test_past_states_of_a_deleted_lead_have_its_values_and_no_row_while_it_was_deleted(company: Company) -> None:
    field = company.field("Nickname")
    (lead,) = company.create({"city": "Oslo", field: "A"})
    move_events_back(company, lead, 10)
    company.call("updateLeads", objects=[{"id": lead, "city": "Rome", field: ""}])
    move_events_back(company, lead, 10)
    days = {row["d"]: row["t"] for row in sql(
        company.dsn,
        "select d, to_char(now() at time zone 'UTC' - make_interval(days => d), 'YYYY-MM-DD HH24:MI:SS') as t"
        " from unnest(array[0, 5, 15, 25]) d",
    )}  # fmt: skip
    deleted(company, lead)

    for _ in range(2):
        assert as_of(company, lead, days[25]) == []
        (row,) = as_of(company, lead, days[15])
        assert (row["city"], row[field]) == ("Oslo", "A")
        (row,) = as_of(company, lead, days[5])
        assert (row["city"], row[field]) == ("Rome", "")
        if bin_of(company):
            assert as_of(company, lead, "2999-01-01") == []
            restored(company, lead)
    (row,) = as_of(company, lead, "2999-01-01")
    assert row["city"] == "Rome"


def test_an_export_has_the_data_in_the_recycle_bin_and_of_merged_ids(company: Company) -> None:
    (survivor, goes) = company.create({"city": "Rome"}, {"city": "Oslo", "title": "CEO"})
    assert company.call("mergeLeads", objects=[{"id": survivor, "mergeIDs": [goes]}])[0]["success"]

    rows = company.call("exportLead", id=goes)

    assert rows == company.call("exportLead", id=survivor)
    parts = {row["part"]: row["data"] for row in rows}
    assert parts["lead"]["id"] == str(survivor)
    assert (parts["deletedLead"]["city"], parts["deletedLead"]["mergedInto"]) == ("Oslo", str(survivor))
    assert parts["mergedID"]["id"] == str(goes)
    assert {row["data"]["leadID"] for row in rows if row["part"] == "event"} == {str(survivor), str(goes)}
