"""The API, one file per noun. Importing this package registers every method."""

from springhead.methods import (
    accounts,
    campaigns,
    deal_stages,
    fields,
    lead_reads,
    leads,
    notes,
    opportunities,
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
    "notes",
    "opportunities",
    "products",
    "related_leads",
    "tasks",
    "users",
]
