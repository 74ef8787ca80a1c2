"""createActions, getActions, stopActions and undoActions: changes of many leads, with undo. Our addition."""

from collections.abc import Mapping
from typing import Annotated, Any

from springhead.methods.actions import runs
from springhead.methods.actions.starting import OnlyLeadRefused, Start, rows_of, sent, undo
from springhead.methods.bulk.writes import WRITE_ERRORS, id_of
from springhead.methods.examples import CREATED, DONE, GIVEN_LEAD, NOTHING_CHANGED, failed
from springhead.methods.reads import Limit, Offset
from springhead.model.actions import (
    ACTION,
    ACTIONS_MAX,
    AT_ONCE,
    NEW_ACTION,
    UPDATE,
    check_new_action,
)
from springhead.model.kit.errors import (
    ApiError,
    EntryExists,
    InvalidParameters,
    Json,
    NoSuchRecord,
    NotAllowed,
    NothingChanged,
    TooManyObjects,
    UnexpectedArray,
    UnknownReference,
    ValueChanged,
)
from springhead.model.kit.fields import FieldSet
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context, object_schema
from springhead.rpc.key_params import OneOrMoreIds, TooManyIds
from springhead.rpc.method import Example, Outcome, ReadResult, Reads, WriteResult, Writes, find, method, refused
from springhead.rpc.objects import ObjectSchema
from springhead.rpc.params import PAGE, Objects
from springhead.rpc.rights import right_of
from springhead.store.actions import actions

_SECTION = "own: actions"
_SHAPE = ObjectSchema(NEW_ACTION, creating=True)
_STARTED = {**CREATED, "action": ...}
_CITY = {"kind": "update", "ids": ["{lead}"], "values": {"city": "Rome"}}
_GIVEN = (*GIVEN_LEAD, Example({"objects": [_CITY]}, [_STARTED], method="createActions"))
_TITLE = {"kind": "update", "ids": ["{lead}"], "values": {"title": "CEO"}}
_GIVEN_TWO = (*_GIVEN, Example({"objects": [_TITLE]}, [_STARTED], method="createActions"))
_ROW: Mapping[str, Any] = {
    "id": ...,
    "kind": "update",
    "state": "done",
    "total": "1",
    "done": "1",
    "changed": "1",
    "failed": "0",
    "failures": [],
    "secondsLeft": None,
    "fields": ["city"],
    "listID": None,
    "undoes": None,
    "undoneBy": None,
    "keyID": ...,
    "userID": None,
    "createTimestamp": ...,
    "endTimestamp": ...,
    "undoTimestamp": ...,
}
_NOT_FOUND = failed(404, "A record with that ID does not exist")


@method(
    *WRITE_ERRORS,
    EntryExists,
    NothingChanged,
    UnknownReference,
    NoSuchRecord,
    ValueChanged,
    result=Writes("creates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"objects": [_CITY]},
            [_STARTED],
            "Another city of one lead, which can be undone.",
            given=GIVEN_LEAD,
        ),
        Example(
            {"objects": [{"kind": "delete", "filter": {"leadStatus": "unqualified"}, "dryRun": 1}]},
            [{**DONE, "total": 1, "until": ...}],
            "How many leads a filter would delete.",
            given=GIVEN_LEAD,
        ),
        Example(
            {"objects": [{"kind": "update", "filter": {"firstName": "Lead"}, "values": {"leadStatus": "open"}}]},
            [_STARTED],
            "The status of all leads that match a filter.",
            given=GIVEN_LEAD,
        ),
    ],
)
async def create_actions(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(NEW_ACTION, f"The actions; at most {ACTIONS_MAX} per call.")],
) -> WriteResult:
    """Starts up to 20 actions: each changes, deletes or restores the selected leads, or changes their lists.

    `kind` is `update` (sets the `values` of fields, custom fields included), `addToList` and `removeFromList` (with
    `listID`), `delete`, or `restore`. The leads are given by `ids`, up to 500, or by `filter`, `text` and `inactive` as
    in searchLeads; `restore` takes only `ids`. With `dryRun` 1, nothing is changed: the outcome has the number of leads
    in `total`, and `until`. Send this `until` with the same filter to leave out all leads that were created or changed
    since the dry run.

    The leads are those that match when the call is made. Leads that begin to match later are not changed, also while
    the action runs. Up to 500 leads are changed within the call. For more leads, the action runs in the background, and
    getActions returns its progress. stopActions stops it. A company can have 10 running actions; more get 107.

    The outcome has the `id` of the action, and in `action` what getActions returns. A lead that is refused does not
    stop the others: `failures` has the reasons. The action of a single lead that is refused is refused with the same
    error, and is not stored. With `ids`, `expected` has values as in updateLeads: a lead with other values is refused
    with 409. 302: no lead matches. For 30 minutes after its end, undoActions undoes an action.
    """
    if len(objects) > ACTIONS_MAX:
        problem = {"param": "objects", "message": f"Expected at most {ACTIONS_MAX} actions, got {len(objects)}"}
        raise TooManyObjects(problem, limit=ACTIONS_MAX)  # pyright: ignore[reportArgumentType]
    checked = _SHAPE.check(objects)
    async with context.tx() as tx:
        fields = await context.fields(tx)
        errors = {
            position: error
            for record, position in checked.with_positions()
            if (error := _check(context, record, fields))
        }
        if errors:
            await context.verify(tx, fields)
    checked.refuse(errors)
    outcomes = checked.refused_outcomes()
    left = AT_ONCE
    for record, position in checked.with_positions():
        starting = Start(context, record)
        try:
            outcomes[position] = await (starting.count() if record.dryRun is True else starting.start(at_once=left))
        except OnlyLeadRefused as cause:
            outcomes[position] = {"success": False, "error": cause.error}
        except InvalidParameters as error:  # a wrong filter, or one that takes too long
            outcomes[position] = refused(error)
        left -= starting.changed_now
    return WriteResult.in_order(outcomes)


def _check(context: Context, record: Any, fields: FieldSet) -> ApiError | None:
    """Returns the error of an action that cannot be started, or None."""
    right = right_of(find(runs.METHODS[record.kind]))
    if context.user and right and not context.user.may(right):
        return NotAllowed({"right": right})
    if error := check_new_action(record, fields):
        return error
    if record.kind == UPDATE:
        schema = object_schema(LEAD, fields, creating=False)
        values = schema.check([{**record.values, "expected": sent(record, "expected")}], with_expected=True)
        return values.refusals.get(0)
    return None


@method(
    UnexpectedArray,
    result=Reads(ACTION),
    vendor=False,
    section=_SECTION,
    examples=[Example({}, [_ROW], "The actions of the last time.", given=_GIVEN)],
)
async def get_actions(
    context: Context,
    *,
    id: Annotated[
        list[int] | None,
        OneOrMoreIds(f"Only this action, or a list of up to {PAGE} actions.", most=PAGE, excess=TooManyIds),
    ] = None,
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns actions with their progress, the newest first.

    `state` is `running`, `done` or `stopped`. `total` is the number of selected leads; `done` of them are through, and
    `changed` were changed. The others had the values already, or are among the `failed` ones. `failures` has for each
    reason the error (`code`, `message`, `params`), the number of `leads`, and the ids of the first hundred (`leadIDs`).
    `secondsLeft` is an estimate while the action runs. `undoes` is the action that this action undoes, and `undoneBy`
    the action that undoes this one. Until `undoTimestamp`, undoActions can undo the action.

    An action of more than 500 leads is shown for a week after its end, others while they can be undone. The events of
    the leads stay, and exportLead shows the `actionID` of each.
    """
    async with context.tx() as tx:
        return ReadResult(await rows_of(context, tx, id, limit=limit, offset=offset))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    NoSuchRecord,
    result=Writes("stops"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example({"objects": [{"id": "{id}"}]}, [NOTHING_CHANGED], "An action that has ended.", given=_GIVEN),
    ],
)
async def stop_actions(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(ACTION, "The actions, each as `{id}` or as the bare id.", creating=False)],
) -> WriteResult:
    """Stops running actions. The leads that are changed already stay changed; undoActions undoes them.

    When the call returns, no other lead is changed. 302: the action does not run any more. 404: there is no such
    action.
    """
    ids_or_errors = [id_of(record, ACTION) for record in objects]
    ids = sorted({action_id for action_id in ids_or_errors if isinstance(action_id, int)})
    async with context.tx() as tx, tx.atomic():
        stopped = await actions.stop(tx, context.company.id, ids)
        known = await actions.known(tx, context.company.id, ids)
    outcomes: list[Outcome] = []
    for action_id in ids_or_errors:
        if isinstance(action_id, ApiError):
            outcomes.append(refused(action_id))
        elif action_id in stopped:
            stopped.remove(action_id)
            outcomes.append({"success": True, "error": None})
        else:
            outcomes.append(refused(NothingChanged() if action_id in known else NoSuchRecord()))
    return WriteResult(outcomes)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    NoSuchRecord,
    ValueChanged,
    result=Writes("undos"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example({"objects": [{"id": "{id}"}]}, [_STARTED], "The last action.", given=_GIVEN_TWO),
        Example({"objects": [{"id": 1}]}, [_NOT_FOUND], "An id that no action has."),
    ],
)
async def undo_actions(
    context: Context,
    *,
    objects: Annotated[
        list[Json],
        Objects(ACTION, f"The actions, each as `{{id}}` or as the bare id; at most {ACTIONS_MAX}.", creating=False),
    ],
) -> WriteResult:
    """Undoes up to 20 actions: gives the leads back the values, lists and existence that the action has changed.

    An undo is an action itself, with events on the timelines, an `id`, progress, and an undo of its own. The outcome is
    as in createActions. An action that still runs is stopped first.

    Only what nobody has changed since is undone. The other leads are among the `failures` with 409: a field has another
    value than the action has set, the lead has left the list or joined it, or was changed, restored or deleted. Of a
    lead of which some fields have changed since, the others are undone. A text that was null becomes "". What was
    erased since does not come back.

    302: the action was undone already (`data.undoneBy`), or it has changed nothing. 404: there is no such action, or it
    ended more than 30 minutes ago.
    """
    if len(objects) > ACTIONS_MAX:
        problem = {"param": "objects", "message": f"Expected at most {ACTIONS_MAX} actions, got {len(objects)}"}
        raise TooManyObjects(problem, limit=ACTIONS_MAX)  # pyright: ignore[reportArgumentType]
    outcomes: list[Outcome] = []
    for record in objects:
        action_id = id_of(record, ACTION)
        outcomes.append(refused(action_id) if isinstance(action_id, ApiError) else await undo(context, action_id))
    return WriteResult(outcomes)
