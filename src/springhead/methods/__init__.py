"""The API, one file per noun. Importing this package registers every method."""

from springhead.methods import (
    accounts,
    campaigns,
    deal_stages,
    fields,
    lead_reads,
    leads,
    list_members,
    list_reads,
    lists,
    notes,
    opportunities,
    opportunity_leads,
    products,
    related_leads,
    tasks,
    users,
)

__all__ = [
    "accounts",
    "campaigns",
    "deal_stages",
    "fields",
    "lead_reads",
    "leads",
    "list_members",
    "list_reads",
    "lists",
    "notes",
    "opportunities",
    "opportunity_leads",
    "products",
    "related_leads",
    "tasks",
    "users",
]
