"""The API, a folder per subject and a file per noun. Importing this package registers every method."""

from springhead.methods.actions import actions
from springhead.methods.capture import capture_settings, forms
from springhead.methods.companies import users
from springhead.methods.feed import changes, deliveries, subscriptions
from springhead.methods.fields import fields
from springhead.methods.figures import counts, spreads, totals
from springhead.methods.leads import (
    conversion,
    duplicates,
    erasure,
    exports,
    history,
    lead_reads,
    leads,
    merging,
    recycling,
    related_leads,
    search,
    timeline,
)
from springhead.methods.lists import list_members, list_reads, lists
from springhead.methods.sales import (
    accounts,
    campaigns,
    deal_stages,
    logged_calls,
    notes,
    opportunities,
    opportunity_leads,
    products,
    tasks,
)
from springhead.methods.scores import score_rules, scoring
from springhead.methods.times import times_in_words
from springhead.methods.views import views

__all__ = [
    "accounts",
    "actions",
    "campaigns",
    "capture_settings",
    "changes",
    "conversion",
    "counts",
    "deal_stages",
    "deliveries",
    "duplicates",
    "erasure",
    "exports",
    "fields",
    "forms",
    "history",
    "lead_reads",
    "leads",
    "list_members",
    "list_reads",
    "lists",
    "logged_calls",
    "merging",
    "notes",
    "opportunities",
    "opportunity_leads",
    "products",
    "recycling",
    "related_leads",
    "score_rules",
    "scoring",
    "search",
    "spreads",
    "subscriptions",
    "tasks",
    "timeline",
    "times_in_words",
    "totals",
    "users",
    "views",
]
