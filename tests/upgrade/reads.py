"""All reads of a company: each read method of the API, for all objects of the company."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from support import Company
from upgrade.fill import SPRING

Read = tuple[str, dict[str, Any]]
"""A method and its parameters."""

ALL = {"where": {}, "limit": 500}
EVER = {"startDate": "1900-01-01 00:00:00", "endDate": "2999-12-31 23:59:59"}

LISTINGS = (
    "getAccounts", "getCampaigns", "getDealStages", "getOpportunities", "getOpportunityLeads", "getProducts",
    "getTasks", "getForms", "getFields", "getUserProfiles", "getActiveLists", "getScoreRules", "getLeads",
    "getDeletedLeads", "getLeadSubscriptions", "getLeadDeliveries", "getContactsNotes", "getAccountsNotes",
    "getOpportunitiesNotes", "getEvents", "getViews",
)  # fmt: skip
PLAIN = ("getCaptureSettings", "getScoring", "getListTags", "getErasures", "findDuplicateLeads")
RANGES = (
    "getAccountsDateRange", "getCampaignsDateRange", "getDealStagesDateRange", "getOpportunitiesDateRange",
    "getOpportunityLeadsDateRange", "getLeadsDateRange",
)  # fmt: skip
BY_ID = {
    "getAccounts": ("getAccount", "getAccountNotes"),
    "getCampaigns": ("getCampaign",),
    "getDealStages": ("getDealStage",),
    "getOpportunities": ("getOpportunity", "getOpportunityNotes"),
    "getOpportunityLeads": ("getOpportunityLead",),
}


def of_specification(file: Path) -> set[str]:
    """The names of all read methods in an OpenRPC document."""
    names = {method["name"] for method in json.loads(file.read_text())["methods"]}
    return {name for name in names if name.startswith(("get", "find", "search", "export"))}


def reads(company: Company) -> Generator[Read]:
    """All reads, in an order that can be repeated."""
    for method in PLAIN:
        yield method, {}
    for method in LISTINGS:
        yield method, ALL
        for single in BY_ID.get(method, ()):
            for row in company.call(method, **ALL):
                yield single, {"id": row["id"]}
    for method in RANGES:
        for stamp in ("create", "update"):
            fields = {"fields": ["id", "createTimestamp", "updateTimestamp"]} if method == "getLeadsDateRange" else {}
            yield method, {**EVER, "timestamp": stamp, **fields}
    for row in company.call("getActiveLists", **ALL):
        yield "getListMembers", {"where": {"id": row["id"]}, "limit": 500}
        for flag in ("removed", "unsubscribed"):
            yield "getRemovedListMembers", {"where": {"id": row["id"], "flag": flag}, "limit": 500}
        yield "searchLeads", {"filter": {"list": row["id"]}, "fields": ["id"], "limit": 500}
    yield "getLeadChanges", {"leads": 0}
    yield "getLeadChanges", {"fields": ["emailAddress", "leadStatus"]}
    yield "getEventsByType", {"eventSource": "formSubmit,leadMerge,pageVisit", "createTimestamp": "1900-01-01"}
    yield "getLeadCount", {"inactive": 1}
    yield "getLeadTotals", {"totals": {"leadStatus": "different", "city": "share", "firstName": "count"}}
    yield "getFieldSpread", {"field": "city"}
    yield "findTime", {"text": "friday 14:00", "base": "1999-12-28 09:00:00"}
    selection = {"fields": ["id", "emailAddress", "hasOpportunity", "numBounces", "hardBounced", "crmID"]}
    yield "searchLeads", {"inactive": 1, "sort": ["lastName", "createTimestamp"], "limit": 500, "total": 1, **selection}
    for words in ("lovelace chief", "lovelase", "zoë", "世界"):
        yield "searchLeads", {"text": words, "fields": ["id", "emailAddress"], "limit": 500}
    yield from reads_of_leads(company)


def reads_of_leads(company: Company) -> Generator[Read]:
    """The reads of single leads, also of inactive, merged and deleted leads."""
    leads = company.call("searchLeads", inactive=1, limit=500)
    gone = company.call("getDeletedLeads", where={}, limit=500)
    erased = [row["leadID"] for row in company.call("getErasures")]
    known = [row["id"] for row in leads]
    listed = [row["id"] for row in company.call("getLeads", **ALL)]
    for lead_id in dict.fromkeys([*known, *(row["id"] for row in gone), *erased]):
        if lead_id not in listed[1:]:
            yield "getLead", {"id": lead_id}
            yield "getLeadTimeline", {"where": {"whoID": lead_id}, "limit": 500}
        yield "getLeadHistory", {"id": lead_id, "limit": 500}
        yield "getContactNotes", {"id": lead_id}
        yield "getContactListMemberships", {"where": {"contactID": lead_id}}
    for lead_id in known:
        yield "getScoreExplanation", {"leadID": lead_id}
        yield "findDuplicateLeads", {"id": lead_id}
    for lead_id in known[:2]:  # a lead with all related objects, and a merged lead
        yield "exportLead", {"id": lead_id}
    for lead in [*leads, *gone]:
        yield "getListMemberships", {"emailAddress": lead["emailAddress"]}
    yield "getRelatedLeadsByEmail", {"where": {"emailAddress": "nfc@example.com"}}
    for address in ("erased@example.com", "bin@example.com"):
        yield "getErasures", {"emailAddress": address}
    yield "getLeadListMemberships", {"memberIDs": known}
    yield "getLeadsAsOf", {"id": known, "at": leads[-1]["createTimestamp"], "fields": ["id", "firstName", "city"]}
    yield "getTrackedLinks", {"leadID": known, "urls": [SPRING]}
