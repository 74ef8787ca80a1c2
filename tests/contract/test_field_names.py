"""Custom fields with the longest names: every read returns every value, and no name becomes a part of a read."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from springhead.model.kit.columns import Column, Noun, text
from springhead.model.leads.leads import LEAD
from springhead.model.leads.recycling import DELETED_LEAD
from springhead.model.sales.accounts import ACCOUNT
from springhead.model.sales.opportunities import OPPORTUNITY
from springhead.store.database.pool import Tx
from springhead.store.nouns import reads
from springhead.store.nouns.custom_values import FEW
from springhead.store.nouns.paging import PageStarts
from springhead.store.nouns.reads import Select
from support import Company, new_email

YEARS = "2000-01-01", "2999-01-01"
OPT_OUT = {"optOutActive", "optOutSource", "optOutTimestamp"}
"""What an export shows with a lead."""

LONGEST = 255
"""The most characters of a label (docs/wire/fields.md)."""

Values = dict[str, str]


def _fields(company: Company, relationship: str = "lead") -> list[str]:
    """Creates fields whose names are equal up to the last characters, and returns their names."""
    question = "How likely are you to recommend our company to a friend or a colleague in "
    labels = [question + "2025?", question + "2026?", "x" * LONGEST, "x" * (LONGEST - 1) + "y"]
    names = [company.field(label, relationship=relationship) for label in labels]
    assert min(map(len, names)) > 63
    return names


def _values(names: list[str]) -> Values:
    return {name: f"value {number}" for number, name in enumerate(names)}


def _reads_of_leads(company: Company, lead: int, address: str, names: list[str]) -> Iterator[tuple[str, Any]]:
    """The lead in the answer of each read, with all fields and with the named fields only."""
    start, end = YEARS
    ranges = {"startDate": start, "endDate": end, "timestamp": "create"}
    for fields in ({}, {"fields": names}, {"fields": [*names, "id"]}):
        yield "getLead", company.call("getLead", id=lead)[0]
        yield "getLeads by id", company.call("getLeads", where={"id": lead}, **fields)[0]
        yield "getLeads", company.call("getLeads", where={}, **fields)[0]
        yield "getLeadsDateRange", company.call("getLeadsDateRange", **ranges, **fields)[0]
        for search in ({"filter": {name: f"value {number}"}} for number, name in enumerate(names)):
            yield "searchLeads", company.call("searchLeads", **search, **fields)[0]
        yield "searchLeads, sorted", company.call("searchLeads", sort=names[:3], **fields)[0]
        yield "searchLeads, ranked", company.call("searchLeads", text=address, **fields)[0]
        yield "getLeadsAsOf", company.call("getLeadsAsOf", id=[lead], at="2999-01-01 00:00:00", **fields)[0]
        yield "getLeadChanges", company.call("getLeadChanges", **fields)[-1]["lead"]
    yield "getRelatedLeadsByEmail", company.call("getRelatedLeadsByEmail", where={"emailAddress": address})[0]
    yield "exportLead", next(row["data"] for row in company.call("exportLead", id=lead) if row["part"] == "lead")


@pytest.mark.parametrize("more", [0, FEW])
def test_every_read_of_leads_returns_every_value_of_a_long_name(company: Company, more: int) -> None:
    names, address = _fields(company), new_email()
    others = {company.field(f"Field {number}"): "" for number in range(more)}
    values = _values(names)
    (lead,) = company.create({"emailAddress": address, **values})

    for method, row in _reads_of_leads(company, lead, address, names):
        custom = {name: value for name, value in row.items() if name not in LEAD.by_name and name not in OPT_OUT}
        assert custom in (values, values | others), method


def test_a_deleted_lead_returns_every_value_of_a_long_name(company: Company) -> None:
    values = _values(_fields(company))
    (lead,) = company.create(values)
    assert company.code("deleteLeads", {"id": lead}) is None

    (row,) = company.call("getDeletedLeads", where={"id": lead})

    assert values.items() <= row.items()


@pytest.mark.parametrize(
    ("noun", "new"),
    [
        (ACCOUNT, {"accountName": "Acme"}),
        (OPPORTUNITY, {"opportunityName": "Deal", "probability": 10, "closeDate": "2026-01-01 00:00:00"}),
    ],
    ids=lambda value: value.name if isinstance(value, Noun) else "",
)
def test_every_read_of_accounts_and_opportunities_returns_every_value_of_a_long_name(
    company: Company, noun: Noun, new: dict[str, Any]
) -> None:
    one, many = {"account": ("Account", "Accounts"), "opportunity": ("Opportunity", "Opportunities")}[noun.name]
    values = _values(_fields(company, noun.name))
    if noun is OPPORTUNITY:
        (owner, *_) = company.call("getUserProfiles")
        (stage,) = company.make("createDealStages", {"dealStageName": "Open", "defaultProbability": 10, "weight": 1})
        new = {**new, "ownerID": int(owner["id"]), "dealStageID": stage}
    (made,) = company.make(f"create{many}", {**new, **values})

    start, end = YEARS
    for method, params in (
        (f"get{one}", {"id": made}),
        (f"get{many}", {"where": {}}),
        (f"get{many}", {"where": {"id": made}}),
        (f"get{many}DateRange", {"startDate": start, "endDate": end, "timestamp": "create"}),
    ):
        (row,) = company.call(method, **params)
        assert values.items() <= row.items(), method


class _Recorder(Tx):
    """Records statements, and returns no rows."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def rows(self, sql: str, *_arguments: object) -> list[Any]:
        self.seen.append(sql)
        return []


@pytest.mark.parametrize("noun", [LEAD, ACCOUNT, OPPORTUNITY, DELETED_LEAD], ids=lambda noun: noun.name)
def test_no_read_has_an_identifier_made_of_the_name_of_a_field(noun: Noun) -> None:
    names = ["a" * 200 + f"_{number}" for number in range(FEW + 1)]
    custom = [Column(name=name, kind=text(255)) for name in names]
    tx, moment = _Recorder(), datetime(2026, 1, 1, tzinfo=UTC)
    more: dict[str, Any] = {"zone": "UTC", "version": 1, "limit": 5, "offset": 0}

    async def read(select: Select) -> None:
        await reads.find(tx, 1, select, {"id": [1]}, **more)
        await reads.page(tx, 1, select, {}, PageStarts(), **more)
        await reads.in_range(tx, company_id=1, select=select, by="create", between=(moment, moment), **more)

    for wanted in (None, names, [*names, "id"], names[:3]):
        asyncio.run(read(Select(noun, wanted, custom)))

    assert len(tx.seen) == 12
    assert [query for query in tx.seen if "aaa" in re.sub(r"'(?:[^']|'')*'", "''", query)] == []
