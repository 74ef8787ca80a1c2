"""Every text by which calls can filter is found in both codings of its accents, whichever of them was stored."""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from springhead.model.kit.fields import FIELD
from springhead.model.leads.leads import LEAD
from springhead.rpc.method import REGISTRY
from springhead.rpc.params import Where
from support import Company, new_email, sql

NAME = "Bj\u00f6rn\ud55c\uae00"
CODINGS = [unicodedata.normalize(form, NAME) for form in ("NFC", "NFD")]

Make = Callable[[Company, str, str], tuple[Mapping[str, Any], Mapping[str, Any]]]
"""Stores a text in a column. Returns filters that are needed beside it, and the key and value of the row to find."""


def product(company: Company, column: str, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    (made,) = company.make("createProducts", {"productName": "Other", column: text})
    return {}, {"id": str(made)}


def user(company: Company, column: str, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    values = {"firstName": "", "lastName": "", "displayName": "Another", "emailAddress": new_email(), column: text}
    key = LEAD.by_name["emailAddress"].make_key
    assert key is not None
    (row,) = sql(
        company.dsn,
        """
        insert into user_profile (company_id, first_name, last_name, display_name, email_address, email_key,
            is_active, is_reseller, create_timestamp)
        values ($1, $2, $3, $4, $5, $6, true, false, now()) returning id
        """,
        company.id,
        *values.values(),
        key(values["emailAddress"]),
        company_id=company.id,
    )
    return {}, {"id": str(row["id"])}


def lead(company: Company, _column: str, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    (made,) = company.create({"emailAddress": text})
    return {}, {"id": str(made)}


def deleted_lead(company: Company, column: str, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    more, row = lead(company, column, text)
    company.call("deleteLeads", objects=[row])
    return more, row


def event(company: Company, column: str, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    (made,) = company.create({})
    sql(
        company.dsn,
        "insert into event (company_id, lead_id, create_timestamp, event_source, event_name)"
        " values ($1, $2, now(), 'formSubmit', $3)",
        company.id,
        made,
        text,
        company_id=company.id,
    )
    return {"whoID": str(made)}, {column: text}


def field(company: Company, column: str, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    company.make("createFields", {"relationship": "lead", "dataType": "string", column: text})
    return {}, {column: text}


def subscription(company: Company, _column: str, text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    (made,) = company.call("createLeadSubscriptions", objects=[{"url": text}])
    return {}, {"id": str(made["id"])}


MADE: Mapping[tuple[str, str], tuple[Make, str]] = {
    ("getProducts", "productName"): (product, "{}"),
    ("getUserProfiles", "firstName"): (user, "{}"),
    ("getUserProfiles", "lastName"): (user, "{}"),
    ("getUserProfiles", "displayName"): (user, "{}"),
    ("getUserProfiles", "emailAddress"): (user, "{}@example.com"),
    ("getLeads", "emailAddress"): (lead, "{}@example.com"),
    ("getRelatedLeadsByEmail", "emailAddress"): (lead, "{}@example.com"),
    ("getDeletedLeads", "emailAddress"): (deleted_lead, "{}@example.com"),
    ("getLeadTimeline", "eventName"): (event, "{}"),
    ("getFields", "label"): (field, "{}"),
    ("getLeadSubscriptions", "url"): (subscription, "https://{}.example/"),
}
"""How a text gets into each column. A new filter by a text that callers write is a row here."""

OUR_WORDS = {
    ("getLeadTimeline", "eventSource"),
    ("getLeadTimeline", "whatType"),
    ("getRemovedListMembers", "flag"),
    ("getLeadDeliveries", "messageID"),
    ("getFields", "systemName"),
}
"""Filters by texts that the server makes, all of ASCII."""


def test_every_filter_by_a_text_of_callers_is_tried() -> None:
    texts = {
        (method.name, name)
        for method in REGISTRY.values()
        for param in method.params
        if isinstance(param.accepts, Where)
        for name, column in param.accepts.columns.items()
        if column.kind.sql == "text" and not column.kind.options
    }

    assert texts == {*MADE, *OUR_WORDS}


@pytest.mark.parametrize("stored", CODINGS, ids=["NFC", "NFD"])
@pytest.mark.parametrize(("method", "column"), MADE)
def test_both_codings_find_what_is_stored_in_one_and_it_is_returned_as_sent(
    company: Company, method: str, column: str, stored: str
) -> None:
    make, template = MADE[method, column]
    text = template.format(stored)
    more, expected = make(company, column, text)

    for coding in map(template.format, CODINGS):
        values: list[Any] = [coding, [coding], ["other", coding]]
        for value in values[:1] if method == "getRelatedLeadsByEmail" else values:
            rows = company.call(method, where={**more, column: value})
            assert [{key: row[key] for key in expected} for row in rows] == [dict(expected)], value
            if make is not subscription:  # stored in its canonical form
                assert rows[0][column] == text
    assert company.call(method, where={**more, column: f"{text}x"}) == []


def test_case_counts_in_filters_but_not_in_addresses(company: Company) -> None:
    product(company, "productName", "\u00c4pfel")

    assert company.call("getProducts", where={"productName": "\u00e4pfel"}) == []


def test_a_subscription_is_found_by_its_url_as_it_was_sent(company: Company) -> None:
    url = "HTTPS://B\u00fccher.Example:443/\u00fc"
    _, row = subscription(company, "url", url)

    for spelled in (url, "https://xn--bcher-kva.example/%C3%BC"):
        assert [found["id"] for found in company.call("getLeadSubscriptions", where={"url": spelled})] == [row["id"]]
    assert company.call("getLeadSubscriptions", where={"url": "no url"}) == []


TEXTS = [
    column.name
    for column in LEAD.writable_columns
    if column.kind.sql == "text" and not column.kind.options and column.name != "emailAddress"
]
OPTIONS = {"picklist", "radio", "checkbox"}
NO_NAMES = {"date", "datetime", "boolean", "bit", "url", "int"}
"""Types whose values cannot have accents, and of which no text is searched."""


def test_searches_and_lists_find_both_codings_in_every_text_of_a_lead(company: Company) -> None:
    custom = [
        company.field(f"Own {kind}", kind, **({"options": [f"{NAME}{kind}"]} if kind in OPTIONS else {}))
        for kind in FIELD.by_name["dataType"].kind.options
        if kind not in NO_NAMES
    ]
    suffix = {name: name.split("_")[1] if name.split("_")[1] in OPTIONS else "" for name in custom}
    names = [*TEXTS, *custom]
    leads = company.create(*({name: f"{coding}{suffix.get(name, '')}" for name in names} for coding in CODINGS))
    lists = [
        company.make("createList", {"name": "L", "filter": {name: f"{coding}{suffix.get(name, '')}"}})[0]
        for name in names
        for coding in CODINGS
    ]

    for name in names:
        for coding in CODINGS:
            text = f"{coding}{suffix.get(name, '')}"
            for test in (text, [text], {"contains": coding}, {"startsWith": coding}, {"endsWith": text}):
                rows = company.call("searchLeads", filter={name: test}, fields=["id"])
                assert [int(row["id"]) for row in rows] == leads, (name, test)
    later = company.create(*({name: f"{coding}{suffix.get(name, '')}" for name in names} for coding in CODINGS))
    for list_id in lists:
        members = company.call("getListMembers", where={"id": list_id})
        assert {int(member["leadID"]) for member in members} >= set(later)
