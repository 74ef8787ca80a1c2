"""Lists of leads, and the several nouns by which the wire shows their members (docs/wire/lists.md)."""

from typing import Any

from springhead.model.kit.columns import Column, Kind, Noun, flag, integer, moment, text
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.filters import FilterFields
from springhead.model.leads.leads import LEAD

_ID = integer(18, "bigint")
_FILTER = Kind(
    type="hash",
    sql="jsonb",
    accepts=dict[str, Any],
    expected='Expected a filter: an object such as {"city": "Berlin"}, or null',
)

LIST_FILTERS_MAX = 100
"""How many lists of a company can have a filter. Every write of a lead evaluates all of these filters."""

LIST_FILTERS_COST_MAX = 2_000
"""How many points the filters of a company can cost together (`filters.cost`): for 500 leads, a write that changes them
takes about 0.3 s longer."""

REMOVED_FLAGS = ("removed", "unsubscribed", "hardbounced")
"""The reasons why a lead does not get the messages to a list (docs/wire/lists.md#columns)."""


def filter_fields(fields: FieldSet) -> FilterFields:
    """Returns the fields that the filter of a list can test: the columns of the lead and the company's custom fields.

    Columns that are computed from other tables are left out. A change of those tables does not write the lead, so
    the lists would not be updated.
    """
    standard = {column.name: column for column in LEAD.columns if not (column.on_request and column.read)}
    return FilterFields(standard, {column.name: column for column in fields.columns["lead"]})


ACTIVE_LIST = Noun(
    name="activeList",
    table="list",
    about="A list of leads. Leads are added to it, or, if the list has a filter, its members are the leads that match.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="name", kind=text(255), required=True),
        Column(name="memberCount", kind=_ID, writable=False),
        Column(name="removedCount", kind=_ID, writable=False),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="description", kind=text(255)),
        Column(name="filter", kind=_FILTER, nullable=True, on_request=True),
    ),
)

LIST_MEMBER = Noun(
    name="listMember",
    table="list_member",
    about="The membership of a lead in a list, also of a lead that was removed from it.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="listID", kind=_ID, required=True, references="list"),
        Column(name="memberID", kind=_ID, required=True, read="l.lead_id"),
        Column(name="isRemoved", kind=flag(), writable=False),
    ),
)

LIST_ADDRESS = Noun(
    name="listAddress",
    table="list_member",
    about="A list, and a lead named by its email address.",
    columns=(
        Column(name="listID", kind=_ID, required=True, references="list"),
        Column(name="emailAddress", kind=LEAD.by_name["emailAddress"].kind, required=True),
    ),
)

LIST_CONTACT = Noun(
    name="listContact",
    table="list_member",
    about="A list, and a lead named by its id: send it as `contactID` or as `memberID`.",
    columns=(
        Column(name="listID", kind=_ID, required=True, references="list"),
        Column(name="contactID", kind=_ID),
        Column(name="memberID", kind=_ID),
    ),
)

WHOLE_LIST = Noun(
    name="wholeList",
    table="list",
    about="A list with all of its members.",
    columns=(Column(name="listID", kind=_ID, required=True, references="list"),),
)

LEAD_LIST = Noun(
    name="leadList",
    table="list_member",
    about="The membership of a lead in a list.",
    columns=(
        Column(name="memberID", kind=_ID, writable=False, read="l.lead_id"),
        Column(name="listID", kind=_ID, writable=False),
    ),
)

_OF_LEAD = LEAD.by_name

LIST_LEAD = Noun(
    name="activeListMember",
    table="list_member",
    about="A lead on a list, with its name and email address.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="listID", kind=_ID, writable=False),
        Column(
            name="companyName", kind=_OF_LEAD["companyName"].kind, writable=False, read="coalesce(p.company_name, '')"
        ),
        Column(name="leadID", kind=_ID, writable=False),
        Column(name="firstName", kind=_OF_LEAD["firstName"].kind, writable=False, read="coalesce(p.first_name, '')"),
        Column(name="lastName", kind=_OF_LEAD["lastName"].kind, writable=False, read="coalesce(p.last_name, '')"),
        Column(name="emailAddress", kind=_OF_LEAD["emailAddress"].kind, writable=False, read="p.email_address"),
    ),
    where_columns=("listID",),
)

REMOVED_MEMBER = Noun(
    name="removedListMember",
    table="list_member",
    about="A lead that does not get the messages to a list, because it was removed, unsubscribed or bounced.",
    columns=(
        Column(name="listMemberID", kind=_ID, writable=False, read="l.id"),
        Column(name="listID", kind=_ID, writable=False),
        Column(name="isRemoved", kind=flag(), writable=False),
        Column(name="isUnsubscribed", kind=flag(), writable=False, read="coalesce(p.is_unsubscribed, false)"),
        Column(name="hardBounced", kind=flag(), writable=False, read="p.hard_bounced"),
        Column(name="leadID", kind=_ID, writable=False),
        Column(name="firstname", kind=_OF_LEAD["firstName"].kind, writable=False, read="coalesce(p.first_name, '')"),
        Column(name="lastname", kind=_OF_LEAD["lastName"].kind, writable=False, read="coalesce(p.last_name, '')"),
        Column(name="emailaddress", kind=_OF_LEAD["emailAddress"].kind, writable=False, read="p.email_address"),
    ),
)

MEMBERSHIP = Noun(
    name="listMembership",
    table="list_member",
    about="A list that a lead is on.",
    columns=(
        Column(name="id", kind=_ID, writable=False, read="l.list_id"),
        Column(name="name", kind=text(255), writable=False, read="t.name"),
        Column(
            name="status", kind=text(50), writable=False, read="case when l.is_removed then 'removed' else 'active' end"
        ),
        Column(name="createTimestamp", kind=moment(), writable=False),
    ),
)

LIST_TAG = Noun(
    name="listTag",
    table="list_tag",
    about="A label for lists.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="label", kind=text(255), required=True),
        Column(name="objectType", kind=text(50), writable=False),
    ),
)
