"""Actions: changes of many leads that are started together, can be stopped, and can be undone (docs/actions.md)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, cast

import msgspec
from msgspec import UNSET, Meta

from springhead.model.kit.columns import ID_MAX, Column, Kind, Noun, choice, flag, integer, moment, text
from springhead.model.kit.errors import ErrorBody, InvalidParameters, Problem
from springhead.model.kit.fields import FieldSet

AT_ONCE = 500
"""The most leads that a call changes itself, and the most that one transaction changes. A job changes more of them."""

ACTIONS_MAX = 20
"""How many actions one call can start."""

RUNNING_MAX = 10
"""How many actions of a company can run at the same time."""

UNDO_SECONDS = 30 * 60
"""For how long after its end an action can be undone."""

REASONS_MAX = 20
"""How many reasons of refusals an action keeps. Leads that were refused for other reasons are only counted."""

IDS_SHOWN = 100
"""How many ids of leads an action keeps for each reason."""

UPDATE, ADD, REMOVE, DELETE, RESTORE = "update", "addToList", "removeFromList", "delete", "restore"

INVERSE: Mapping[str, str] = {UPDATE: UPDATE, ADD: REMOVE, REMOVE: ADD, DELETE: RESTORE, RESTORE: DELETE}
"""The kind of the action that undoes an action, by its kind."""

KINDS = tuple(INVERSE)

RUNNING, DONE, STOPPED = "running", "done", "stopped"
STATES = (RUNNING, DONE, STOPPED)

OF_ONE_LEAD = frozenset({"emailAddress", "trackingID"})
"""The fields that no two leads share, besides unique fields."""

_ID = integer(18, "bigint")
_IDS = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[list[Annotated[int, Meta(ge=0, le=ID_MAX)]], Meta(min_length=1, max_length=AT_ONCE)],
    expected=f"Expected a list of 1 to {AT_ONCE} ids of leads",
)


def _hash(expected: str) -> Kind:
    return Kind(type="hash", sql="jsonb", accepts=dict[str, Any], expected=expected)


NEW_ACTION = Noun(
    name="newAction",
    table="action",
    about="An action to start: what to do, and with which leads.",
    columns=(
        Column(name="kind", kind=choice(KINDS), required=True),
        Column(name="ids", kind=_IDS),
        Column(name="filter", kind=_hash("Expected a hash of fields and their tests, as in searchLeads")),
        Column(name="text", kind=text(255)),
        Column(name="inactive", kind=flag()),
        Column(name="until", kind=_ID),
        Column(name="values", kind=_hash('Expected a hash of system names with values, such as {"city": "Rome"}')),
        Column(name="expected", kind=_hash("Expected a hash of system names with the values that were read")),
        Column(name="listID", kind=_ID),
        Column(name="dryRun", kind=flag()),
    ),
)

ACTION = Noun(
    name="action",
    table="action",
    about="A change of many leads that were selected together, and its progress.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="kind", kind=choice(KINDS), writable=False),
        Column(name="state", kind=choice(STATES), writable=False),
        Column(name="total", kind=_ID, writable=False),
        Column(name="done", kind=_ID, writable=False),
        Column(name="changed", kind=_ID, writable=False),
        Column(name="failed", kind=_ID, writable=False),
        Column(
            name="failures",
            kind=Kind(type="list", sql="jsonb", accepts=list[Any], expected="Expected a list"),
            writable=False,
            read="l.failures::text",
        ),
        Column(
            name="secondsLeft",
            kind=_ID,
            writable=False,
            read=f"""(case when l.state = '{RUNNING}' and l.done > 0 then
                ceil(extract(epoch from now() - l.create_timestamp) * (l.total - l.done) / l.done)::bigint end)""",
        ),
        Column(
            name="fields",
            kind=Kind(type="list", sql="jsonb", accepts=list[str], expected="Expected a list"),
            writable=False,
            read="l.fields::text",
        ),
        Column(name="listID", kind=_ID, writable=False),
        Column(name="undoes", kind=_ID, writable=False),
        Column(name="undoneBy", kind=_ID, writable=False),
        Column(name="keyID", kind=_ID, writable=False),
        Column(name="userID", kind=_ID, writable=False),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="endTimestamp", kind=moment(), writable=False),
        Column(
            name="undoTimestamp",
            kind=moment(),
            writable=False,
            read=f"""(case when l.changed > 0 and l.undone_by is null then
                l.end_timestamp + interval '{UNDO_SECONDS} seconds' end)""",
        ),
    ),
)


class Failure(msgspec.Struct, kw_only=True, rename={"lead_ids": "leadIDs"}):
    """Leads that an action could not change for one reason: how many, and the ids of the first ones."""

    code: int
    message: str
    params: list[Problem]
    leads: int = 0
    lead_ids: list[str] = msgspec.field(default_factory=list[str])


class PartResult(msgspec.Struct, kw_only=True):
    """The result of a part of an action: how many leads were changed, and the error of each refused lead."""

    leads: int
    changed: int
    errors: Sequence[tuple[int, ErrorBody]]


def check_new_action(record: Any, fields: FieldSet) -> InvalidParameters | None:
    """Returns the error (205) of an action whose valid parameters do not go together, or None."""
    problems = list(_problems(record, fields))
    return InvalidParameters(*problems[:100]) if problems else None


_NEEDED: Mapping[str, tuple[str, ...]] = {UPDATE: ("values",), ADD: ("listID",), REMOVE: ("listID",), RESTORE: ("ids",)}
"""The parameters that a kind of action needs."""

_ONLY_OF: Mapping[str, tuple[str, ...]] = {"values": (UPDATE,), "expected": (UPDATE,), "listID": (ADD, REMOVE)}
"""The kinds of actions that take a parameter; all others are for every kind."""


def _problems(record: Any, fields: FieldSet) -> Iterator[Problem]:
    sent = {column.name for column in NEW_ACTION.columns if getattr(record, column.name) is not UNSET}
    columns = NEW_ACTION.by_name
    selects = bool(sent & {"filter", "text"})
    if ("ids" in sent) == selects:
        yield columns["ids"].problem("Expected either the ids of leads, or a filter or a text that selects leads")
    for name in sorted(sent & ({"expected"} if selects else {"inactive", "until"})):
        yield columns[name].problem("Allowed only with ids" if selects else "Allowed only with a filter or a text")
    for name in sorted({*_NEEDED.get(record.kind, ())} - sent):
        yield columns[name].problem("Required parameter is missing")
    for name, kinds in _ONLY_OF.items():
        if name in sent and record.kind not in kinds:
            yield columns[name].problem(f"Not allowed for the kind {record.kind}")
    if record.kind == UPDATE and "values" in sent:
        yield from _problems_of_values(record, fields)


def _problems_of_values(record: Any, fields: FieldSet) -> Iterator[Problem]:
    if not record.values or record.values.keys() & {"id", "expected"}:
        yield NEW_ACTION.by_name["values"].problem("Expected the fields to set, with their values")
    if record.ids is UNSET or len(set(record.ids)) > 1:
        for name in sorted(record.values.keys() & {*OF_ONE_LEAD, *fields.unique_fields}):
            yield {"param": name, "message": "No two leads share this value: set it for one lead, by its id"}


def add_failures(failures: list[Failure], errors: Sequence[tuple[int, ErrorBody]]) -> list[Failure]:
    """Returns the failures with more refused leads, grouped by their reasons."""
    by_reason = {_reason(failure.code, failure.params): failure for failure in failures}
    for lead_id, error in errors:
        params = _params(error)
        failure = by_reason.get(_reason(error["code"], params))
        if failure is None:
            if len(by_reason) == REASONS_MAX:
                continue
            failure = Failure(code=error["code"], message=error["message"], params=params)
            by_reason[_reason(failure.code, params)] = failure
        failure.leads += 1
        if len(failure.lead_ids) < IDS_SHOWN:
            failure.lead_ids.append(str(lead_id))
    return list(by_reason.values())


def _params(error: ErrorBody) -> list[Problem]:
    """Returns the wrong parameters of an error, without values of leads."""
    data = error["data"]
    params = cast("list[Problem]", data.get("params", []) if isinstance(data, dict) else [])
    return [Problem(param=problem["param"], message=problem["message"]) for problem in params[:REASONS_MAX]]


def _reason(code: int, params: Sequence[Problem]) -> tuple[object, ...]:
    return (code, *((problem["param"], problem["message"]) for problem in params))
