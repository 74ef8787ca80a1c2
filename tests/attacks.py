"""Attacks on every method: another's ids, addresses and names in every parameter that takes some."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import nouns
from isolation import RELATED_TABLES, Attacker, Stranger
from springhead.model.kit.columns import Column, Noun
from springhead.rpc.method import REGISTRY, Method
from springhead.rpc.params import DeclaredParam, FlatOrObjects, Objects, Where

EVER = {"startDate": "1990-01-01 00:00:00", "endDate": "2990-01-01 00:00:00"}
RIGHT = EVER | {"at": "2990-01-01 00:00:00"}


def _update(me: Attacker, theirs: Stranger) -> list[dict[str, Any]]:
    """The attacks on updateLeads and updateLeadsV2."""
    return [
        {"objects": [{"id": theirs.leads[0], "firstName": "Hacked"}, {"id": str(theirs.leads[1]), "active": 0}]},
        {"objects": [{"id": theirs.leads[0], "emailAddress": "new@example.com"}]},
        {"objects": [{"emailAddress": theirs.emails[0], "firstName": "Hacked"}, {"id": me.lead, "title": "Mine"}]},
        {"objects": [{"id": me.lead, "ownerID": theirs.users[0]}, {"id": me.lead, "ownerID": str(theirs.users[0])}]},
        {"objects": [{"id": me.lead, "accountID": theirs.leads[0], "campaignID": theirs.leads[1]}]},
        {"objects": [{"id": me.lead, theirs.names[0]: "Hacked"}]},
        {
            "objects": {
                "a": {"id": theirs.leads[2], "description": ""},
                "b": {"id": theirs.leads[2], "description": "x"},
            }
        },
        {"objects": [{"id": me.lead, "emailAddress": theirs.emails[1]}]},  # free in my company: it becomes mine
        {"objects": [{"emailAddress": theirs.emails[1], "city": "Mine"}]},
    ]


CASES: dict[str, Callable[[Attacker, Stranger], list[dict[str, Any]]]] = {
    "getLead": lambda me, theirs: [
        *(
            {"id": object_id}
            for object_id in (theirs.leads[0], str(theirs.leads[1]), theirs.fields[0], theirs.users[0])
        ),
        {"id": me.lead, "where": {"id": theirs.leads[0]}},
    ],
    "getLeads": lambda me, theirs: [
        {"where": {"id": theirs.leads[0]}},
        {"where": {"id": str(theirs.leads[0]), "emailAddress": theirs.emails[0]}},
        {"where": {"id": [me.lead, *theirs.leads]}},
        {"where": {"emailAddress": theirs.emails[0].upper()}},
        {"where": {"emailAddress": [*theirs.emails, "own@example.com"]}},
        {"where": {"id": theirs.leads, "emailAddress": theirs.emails}},
        {"where": {"id": me.lead, "emailAddress": theirs.emails[0]}},
        {"where": {}, "fields": ["id", theirs.names[0]]},
        *({"where": [], "limit": limit, "offset": offset} for limit in (1, 500) for offset in (0, 1, 2, 3, 500)),
    ],
    "getLeadsDateRange": lambda me, theirs: [
        *({**EVER, "timestamp": by} for by in ("create", "update")),
        *({**EVER, "timestamp": "update", "limit": 10_000, "offset": offset} for offset in (0, 1, 2)),
        {**EVER, "timestamp": "create", "fields": ["emailAddress", theirs.names[1]]},
    ],
    "createLeads": lambda me, theirs: [
        {"objects": [{"emailAddress": "a@example.com", "ownerID": theirs.users[0]}]},
        {"objects": [{"emailAddress": "b@example.com", "accountID": theirs.leads[0], "campaignID": theirs.leads[0]}]},
        {"objects": [{"emailAddress": "c@example.com", theirs.names[0]: "Hacked"}]},
        {"objects": [{"emailAddress": theirs.emails[0], "id": theirs.leads[0], "firstName": "Hacked"}]},
        {"objects": [{"emailAddress": theirs.emails[1].upper(), "id": str(theirs.leads[1])}]},
    ],
    "updateLeads": _update,
    "updateLeadsV2": _update,
    "upsertLeads": lambda me, theirs: [
        *_update(me, theirs),
        {"objects": [{"emailAddress": "u@example.com", me.unique: "Secret 0"}]},  # free in my company
        {"objects": [{"emailAddress": "v@example.com", me.unique: "Secret 1"}], "key": me.unique},
        {"objects": [{me.unique: "Secret 2", "title": "Hacked"}], "key": me.unique},
        {"objects": [{"emailAddress": "w@example.com", theirs.names[1]: "Secret 0"}], "key": theirs.names[1]},
    ],
    "searchLeads": lambda me, theirs: [
        *({"text": text} for text in ("Secret", "secrte", "their")),
        *({"filter": {"list": list_ids}} for list_ids in (theirs.ids("list")[0], theirs.ids("list"))),
        *({"filter": {"firstName": condition}} for condition in ("Secret", {"contains": "ecre"})),
        {"filter": {"id": theirs.leads}, "inactive": 1},
        {"filter": {"emailAddress": theirs.emails[0]}},
        {"filter": {theirs.names[0]: "Secret"}},
        {"filter": {"hasOpportunity": 1}, "sort": "emailAddress"},
        {"sort": theirs.names[0]},
        {"sort": [{"field": "lastEventTimestamp", "direction": "desc"}], "fields": ["id", "lastEventName"]},
        {"fields": theirs.names},
        {"limit": 1, "total": 1},
        {"text": "Secret", "cursor": "WyJ4IixmYWxzZSxbMCxudWxsLDEsMV1d"},
        {"filter": {"event": {"source": "leadCreation", "name": {"contains": "ead"}}}},
        {"filter": {"city": {"changedSince": "2000-01-01"}}},
    ],
    "deleteLeads": lambda me, theirs: [
        {"objects": [{"id": theirs.leads[0]}, {"id": str(theirs.leads[1])}, theirs.leads[2]]},
        {"objects": [{"emailAddress": theirs.emails[0]}, {"id": theirs.leads[0], "emailAddress": theirs.emails[0]}]},
        {"objects": {"0": {"id": theirs.leads[0]}}},
        {"objects": [{"id": theirs.users[0]}, {"id": theirs.fields[0]}, {"id": me.lead}]},
    ],
    "restoreLeads": lambda me, theirs: [
        {"objects": [*theirs.ids("deleted_lead"), {"id": str(theirs.ids("deleted_lead")[0])}, {"id": theirs.leads[0]}]},
    ],
    "mergeLeads": lambda me, theirs: (
        [
            {"objects": [{"id": me.lead, "mergeIDs": [lead]}]}
            for lead in (*theirs.leads, *theirs.ids("deleted_lead"), theirs.users[0])
        ]
        + [{"objects": [{"id": lead, "mergeIDs": [me.spare]}]} for lead in (*theirs.leads, *theirs.ids("deleted_lead"))]
        + [
            {"objects": [{"id": me.lead, "mergeIDs": [me.spare], **more}]}
            for more in (
                {"valuesFrom": {"city": theirs.leads[0]}},
                {"valuesFrom": {theirs.names[0]: me.spare}},
                {"values": {"ownerID": theirs.users[0]}},
                {"values": {"accountID": theirs.ids("account")[0]}},
                {"values": {theirs.names[0]: "Mine"}},
                {"values": {"emailAddress": theirs.emails[0]}},  # free in my company: it becomes mine
            )
        ]
    ),
    "getFields": lambda me, theirs: [
        {"where": {"id": theirs.fields[0]}},
        {"where": {"id": [*theirs.fields, me.field]}},
        {"where": {"systemName": theirs.names[0]}},
        {"where": {"systemName": theirs.names, "isCustom": 1}},
        {"where": {"label": "Their field"}},
        {"where": {"isCustom": "1", "relationship": "lead", "dataType": "string", "isActive": 1}},
        {"where": {}, "limit": 500, "offset": 30},
    ],
    "createFields": lambda me, theirs: [
        {
            "objects": [
                {
                    "id": theirs.fields[0],
                    "systemName": theirs.names[0],
                    "relationship": "lead",
                    "dataType": "string",
                    "label": "Their field",
                }
            ]
        },
    ],
    "updateFields": lambda me, theirs: [
        {"objects": [{"id": theirs.fields[0], "label": "Hacked"}, {"id": str(theirs.fields[1]), "isActive": 0}]},
        {"objects": [{"id": me.field, "systemName": theirs.names[0], "label": "Mine"}]},
        {"objects": [{"systemName": theirs.names[0], "label": "Hacked"}]},
    ],
    "deleteFields": lambda me, theirs: [
        {"objects": [{"systemName": theirs.names[0]}, {"id": theirs.fields[1]}]},
        {"objects": [{"systemName": theirs.names[0], "id": me.field}, {"id": str(theirs.fields[0])}]},
    ],
    "getUserProfiles": lambda me, theirs: [
        {"where": {"id": theirs.users[0]}},
        {"where": {"id": theirs.users}},
        {"where": {"emailAddress": theirs.user_email}},
        {"where": {"emailAddress": [theirs.user_email, "admin@example.com"]}},
        {"where": {"firstName": "Their"}},
        {"where": {"lastName": ["User"], "isActive": 1}},
        {"where": {"displayName": "Their user"}},
        {"where": [], "limit": 500, "offset": 1},
    ],
}
"""What methods with parameters of their own are tried with; of the others see `tries`."""

TABLES = {
    "ownerID": "user_profile",
    "authorID": "user_profile",
    "notifyUserID": "user_profile",
    "accountID": "account",
    "campaignID": "campaign",
    "dealStageID": "deal_stage",
    "opportunityID": "opportunity",
    "listID": "list",
    **dict.fromkeys(("leadID", "memberID", "contactID", "originatingLeadID", "primaryLeadID", "whoID"), "lead"),
    "whatID": "account",
    "subscriptionID": "subscription",
    "deliveryID": "delivery",
}
TABLES = {f"{case.noun.name}ID": case.noun.table for case in nouns.CASES} | TABLES
"""The table of which a column or parameter holds an id."""


def tries(name: str, me: Attacker, theirs: Stranger) -> list[dict[str, Any]]:
    """The attacks on a method: another company's ids, addresses and names in every parameter that takes some."""
    if name in CASES:
        return CASES[name](me, theirs)
    method = REGISTRY[name]
    right = {given.name: RIGHT.get(given.name, "update") for given in method.params if given.required}
    return [right | more for given in method.params for more in _tried(method, given, me, theirs)]


def _tried(method: Method[Any], given: DeclaredParam, me: Attacker, theirs: Stranger) -> Iterator[dict[str, Any]]:
    accepts = given.accepts
    if isinstance(accepts, Objects):
        objects = list(_objects(method, accepts.noun, me, theirs))
        yield {given.name: objects}
        yield {given.name: {str(index): element for index, element in enumerate(objects)}}
        if isinstance(accepts, FlatOrObjects):
            yield from objects
    elif isinstance(accepts, Where):
        for key in accepts.keys:
            for values in _theirs(accepts.columns[key], theirs):
                yield {given.name: {key: values[0]}}
                yield {given.name: {key: values}}
        yield from ({given.name: {}, "offset": offset} for offset in (0, 1, 2))
    elif given.name in {"id", *TABLES}:
        tables = [TABLES[given.name]] if given.name in TABLES else [*RELATED_TABLES, "lead"]
        yield from (
            {given.name: their_id} for table in tables for their_id in (theirs.ids(table)[0], str(theirs.ids(table)[0]))
        )
    elif given.name == "memberIDs":
        yield from ({given.name: ids} for ids in (theirs.leads, [str(theirs.leads[0]), me.lead]))
    elif given.name == "emailAddress":
        yield from ({given.name: address} for address in (theirs.emails[0], theirs.emails[0].upper()))
    else:
        yield {
            given.name: {"limit": 500, "offset": 1, "flag": "removed"}.get(given.name, EVER.get(given.name, "update"))
        }


def _theirs(column: Column, theirs: Stranger) -> Iterator[list[Any]]:
    """Lists of the values that another company has in a column."""
    if column.name == "id":
        yield from (theirs.ids(table) for table in (*RELATED_TABLES, "lead", "deleted_lead", "user_profile"))
    elif column.name in TABLES:
        yield theirs.ids(TABLES[column.name])
        if TABLES[column.name] == "lead":
            yield theirs.ids("deleted_lead")
    elif column.name == "emailAddress":
        yield theirs.emails
    else:
        yield list(column.kind.options) or [1 if column.kind.sql == "boolean" else "Secret"]


def _objects(method: Method[Any], noun: Noun, me: Attacker, theirs: Stranger) -> Iterator[dict[str, Any]]:
    """Objects that each name one id or address of another company. All other values are right or the attacker's own."""
    named = [column for column in noun.writable_columns if column.name in TABLES or column.name == "emailAddress"]
    own = {column.name: _own(column, me) for column in noun.writable_columns if column.required}
    new = method.result.key == "creates" or "id" not in noun.by_name
    text = next(
        (column.name for column in noun.writable_columns if column.kind.sql == "text" and not column.kind.options), None
    )
    if "id" in noun.by_name:
        table = "lead" if method.name == "convertLeads" else noun.table
        for their_id in (*theirs.ids(table), *(theirs.ids("deleted_lead") if table == "lead" else ())):
            yield {**(own if new else {}), "id": their_id, **({text: "Mine"} if text else {})}
        yield {**(own if new else {}), "id": str(theirs.ids(table)[0])}
    for column in named:
        for tables in (
            column.references.values() if isinstance(column.references, Mapping) else [TABLES.get(column.name)]
        ):
            value = theirs.ids(tables)[0] if tables else theirs.emails[0]
            object_type = {column.reference_type: tables} if column.reference_type else {}
            for their_id in (value, str(value)):
                yield {**(own if new else {"id": me.id(noun.table)}), column.name: their_id, **object_type}


def _own(column: Column, me: Attacker) -> Any:
    """A valid value of the attacker for a required column."""
    if column.name in TABLES:
        return me.id(TABLES[column.name])
    if column.name == "emailAddress":
        return "own@example.com"
    return {"timestamptz": "2030-01-01", "text": (*column.kind.options, "Mine")[0]}.get(column.kind.sql, 1)
