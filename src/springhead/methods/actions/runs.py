"""Runs the parts of actions: each is a call of the method that changes single leads, in one transaction.

A part that undoes another one reads the events of that part, and calls the method with the old values.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from springhead.methods.leads import leads, recycling
from springhead.methods.lists import list_members
from springhead.model.actions import ADD, DELETE, INVERSE, REMOVE, RESTORE, UPDATE, PartResult
from springhead.model.companies.roles import Right
from springhead.model.kit.errors import ErrorBody, Json, NoSuchRecord, ValueChanged
from springhead.model.leads.events import LIST_JOINED, LIST_LEFT
from springhead.model.leads.history import CHANGE_SOURCES, CREATION_SOURCES, REMOVAL_SOURCES
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context, Server
from springhead.rpc.method import WriteResult
from springhead.store.actions import action_jobs, actions, undone_events
from springhead.store.actions.actions import Action, Part
from springhead.store.actions.undone_events import Origin, Written
from springhead.store.companies import companies, users
from springhead.store.database.admission import Lane
from springhead.store.database.background_jobs import Step
from springhead.store.database.pool import Tx

METHODS: Mapping[str, str] = {
    UPDATE: "updateLeadsV2",
    ADD: "addListMembers",
    REMOVE: "removeListMembers",
    DELETE: "deleteLeads",
    RESTORE: "restoreLeads",
}
"""The method that does to some leads what an action of a kind does to all of its leads."""

UNCHANGED = frozenset({302, 213})
"""The codes of leads that have the values already, or are on the list already: neither changed nor failed."""

_SOURCES: Mapping[str, Collection[str]] = {
    UPDATE: CHANGE_SOURCES,
    ADD: (LIST_JOINED, LIST_LEFT),
    REMOVE: (LIST_JOINED, LIST_LEFT),
    DELETE: CHANGE_SOURCES,
    RESTORE: CHANGE_SOURCES,
}
"""The sources of the events that change what an action of a kind changes."""

_WRITTEN: Mapping[str, Collection[str]] = {
    UPDATE: CHANGE_SOURCES,
    ADD: (LIST_JOINED,),
    REMOVE: (LIST_LEFT,),
    DELETE: REMOVAL_SOURCES,
    RESTORE: CREATION_SOURCES,
}
"""The sources of the events that an action of a kind writes."""

_NOT_FIELDS = frozenset({"source", "opportunityID", "merged"})
"""Members of the data of events that are no fields."""


async def run(
    context: Context, tx: Tx, action: Action, part: Part, *, expected: Mapping[str, Json] | None = None
) -> PartResult:
    """Changes the leads of a part; returns how many were changed, and the errors of the others.

    `context` works inside the transaction. `expected` are the values that each lead must have to be changed.
    """
    await tx.begin_action(action.id)
    errors: dict[int, ErrorBody] = {}
    if action.undoes is not None:
        objects = await _undone_objects(context, tx, action, part, errors)
    else:
        values = {**(action.values or {}), **({"expected": expected} if expected else {})}
        objects = {lead_id: _object(action, lead_id, values) for lead_id in sorted(part.lead_ids)}
    if action.kind != RESTORE:
        existing = await undone_events.existing(tx, context.company.id, list(objects))
        errors |= {lead_id: NoSuchRecord().body() for lead_id in objects if lead_id not in existing}
        objects = {lead_id: record for lead_id, record in objects.items() if lead_id in existing}
    changed = await _call(context, action.kind, objects, errors)
    if action.undoes is not None and action.kind == UPDATE:
        changed |= await _call(context, UPDATE, _without_conflicts(objects, errors), {})
    return PartResult(leads=len(objects.keys() | errors.keys()), changed=len(changed), errors=list(errors.items()))


def _object(action: Action, lead_id: int, values: Mapping[str, Json]) -> dict[str, Json]:
    """Returns what the method of the action gets for a lead."""
    match action.kind:
        case "addToList":
            return {"listID": action.list_id, "memberID": lead_id}
        case "removeFromList":
            return {"listID": action.list_id, "contactID": lead_id}
        case _:
            return {"id": lead_id, **values}


async def _call(
    context: Context, kind: str, objects: Mapping[int, dict[str, Json]], errors: dict[int, ErrorBody]
) -> set[int]:
    """Calls the method of a kind of action; returns the changed leads, and adds the errors of the others."""
    if not objects:
        return set()
    sent: list[Json] = list(objects.values())
    match kind:
        case "update":
            result = await leads.update_leads_v2(context, objects=sent)
        case "addToList":
            result = await list_members.add_list_members(context, objects=sent)
        case "removeFromList":
            result = await list_members.remove_list_members(context, objects=sent)
        case "delete":
            result = await leads.delete_leads(context, objects=sent)
        case _:
            result = await recycling.restore_leads(context, objects=sent)
    assert isinstance(result, WriteResult)  # noqa: S101 - each of the methods is a write
    changed: set[int] = set()
    for lead_id, outcome in zip(objects, result.outcomes, strict=True):
        if outcome["error"] is None:
            changed.add(lead_id)
        elif outcome["error"]["code"] not in UNCHANGED:
            errors[lead_id] = outcome["error"]
    return changed


async def _undone_objects(
    context: Context, tx: Tx, action: Action, part: Part, errors: dict[int, ErrorBody]
) -> dict[int, dict[str, Json]]:
    """Returns what the method gets for each lead that the undone part has changed.

    Adds an error for each lead that was changed since, except for fields, which the method itself compares.
    """
    kind = INVERSE[action.kind]
    assert action.undoes is not None  # noqa: S101 - the caller has checked it
    assert part.undoes_at is not None  # noqa: S101 - parts of an undo have the time of the part that they undo
    origin = Origin(action.undoes, part.lead_ids, part.undoes_at, action.list_id)
    written = await undone_events.changes(tx, context.company.id, origin, _WRITTEN[kind])
    if kind == UPDATE:
        return _old_values(written)
    lead_ids = {event.lead_id for event in written}
    untouched = lead_ids & await undone_events.untouched(tx, context.company.id, origin, _SOURCES[kind])
    errors |= {lead_id: ValueChanged().body() for lead_id in sorted(lead_ids - untouched)}
    return {lead_id: _object(action, lead_id, {}) for lead_id in sorted(untouched)}


def _old_values(written: Sequence[Written]) -> dict[int, dict[str, Json]]:
    """Returns updates to the values before these events, which expect the values after them."""
    objects: dict[int, dict[str, Json]] = {}
    expected: dict[int, dict[str, Json]] = defaultdict(dict)
    for event in written:
        for name, values in event.data.items():
            if name in _NOT_FIELDS or not isinstance(values, list):
                continue
            column = LEAD.by_name.get(name)
            empty = "" if column and not column.nullable else None
            old, new = cast("list[Json]", values)
            objects.setdefault(event.lead_id, {"id": event.lead_id}).setdefault(name, empty if old is None else old)
            expected[event.lead_id][name] = new
    return {lead_id: {**record, "expected": expected[lead_id]} for lead_id, record in objects.items()}


def _without_conflicts(
    objects: Mapping[int, dict[str, Json]], errors: Mapping[int, ErrorBody]
) -> dict[int, dict[str, Json]]:
    """Returns the updates that are in conflict with their leads, without the fields that are in conflict."""
    others: dict[int, dict[str, Json]] = {}
    for lead_id, error in errors.items():
        data = error["data"]
        if error["code"] == ValueChanged.code and isinstance(data, dict) and lead_id in objects:
            conflict: Mapping[str, Json] = data["conflict"]
            record = {name: value for name, value in objects[lead_id].items() if name not in conflict}
            expected = cast("dict[str, Json]", record["expected"])
            record["expected"] = {name: value for name, value in expected.items() if name not in conflict}
            if len(record) > 2:
                others[lead_id] = record
    return others


def steps(server: Callable[[], Server]) -> Mapping[str, Step]:
    """Returns the step of the background job that changes the leads of an action. `server` is called by each step."""

    async def step(tx: Tx, company_id: int, action_id: int, cursor: int) -> int | None:
        action = await actions.claim(tx, company_id, action_id)
        part = await actions.part(tx, company_id, action_id, cursor) if action else None
        if action is None or part is None:
            return None
        company = await companies.by_id(tx, company_id)
        user = None
        if action.user_id is not None:
            user = await users.active(tx, company, action.user_id)
            if user is None:  # the user may no longer change anything
                await actions.stop(tx, company_id, [action_id])
                return None
            if not user.may(Right.ALL_LEADS):
                await tx.see_as(user.id)
        context = Context(
            server=server(),
            company=company,
            utc=False,
            key_id=action.key_id,
            source="createActions" if action.undoes is None else "undoActions",
            inside=tx,
            lane=Lane.UPKEEP,
            user=user,
        )
        result = await run(context, tx, action, part)
        await actions.finish_part(tx, company_id, action, cursor, result, ended=part.is_last)
        return None if part.is_last else cursor + 1

    return {action_jobs.JOB: step}
