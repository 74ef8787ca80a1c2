"""Starts actions, and the actions that undo them: selects the leads, and changes few of them at once."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from msgspec import UNSET

from springhead.methods import reads
from springhead.methods.actions import runs
from springhead.methods.leads.selections import selected
from springhead.model.actions import ACTION, INVERSE, NEW_ACTION, RESTORE, RUNNING_MAX
from springhead.model.kit.errors import (
    ApiError,
    ErrorBody,
    InvalidParameters,
    Json,
    NoSuchRecord,
    NotAllowed,
    NothingChanged,
    SecondLimit,
    UnknownReference,
)
from springhead.rpc.context import Context
from springhead.rpc.method import Outcome, find, refused
from springhead.rpc.rights import right_of
from springhead.store.actions import actions
from springhead.store.actions.actions import Action
from springhead.store.database.admission import Lane
from springhead.store.database.pool import Tx
from springhead.store.feed import changes
from springhead.store.leads.selections import SelectedLeads


class OnlyLeadRefused(Exception):
    """The only lead of an action was refused: roll back, and refuse the action with the error of the lead."""

    def __init__(self, error: ErrorBody) -> None:
        super().__init__()
        self.error = error


def sent(record: Any, name: str) -> Any:
    """Returns a value of an object, or None if it was not sent."""
    value = getattr(record, name)
    return None if value is UNSET else value


class Start:
    """The start of one action. `changed_now` is the number of leads that the call itself has changed."""

    def __init__(self, context: Context, record: Any) -> None:
        self._record = record
        self._by_ids = record.ids is not UNSET
        self._context = context if self._by_ids else msgspec.structs.replace(context, lane=Lane.LONG)
        self.changed_now = 0

    async def count(self) -> Outcome:
        """Returns the outcome of a dry run."""
        context, record = self._context, self._record
        async with context.tx() as tx:
            until = await changes.number(tx, context.company.id)
            if self._by_ids:
                total = len(await actions.survivors(tx, context.company.id, record.ids))
            else:
                async with self._selected(tx) as (leads, typos):
                    earlier = sent(record, "until")
                    total = await actions.count_selected(context.company.id, leads, typos=typos, until=earlier)
        return {"success": True, "error": None, "total": total, "until": str(until)}

    async def start(self, *, at_once: int) -> Outcome:
        """Starts the action. If it has no more leads than `at_once`, changes them in the same transaction."""
        async with self._context.tx() as tx, tx.atomic():
            return await self._start(tx, at_once)

    async def _start(self, tx: Tx, at_once: int) -> Outcome:
        context, record, company_id = self._context, self._record, self._context.company.id
        list_id = sent(record, "listID")
        if list_id is not None and (error := await _list_error(tx, company_id, list_id)):
            return refused(error)
        values: Mapping[str, Json] | None = sent(record, "values")
        action_id = await actions.insert(
            tx,
            company_id,
            kind=record.kind,
            list_id=list_id,
            fields=sorted(values or {}),
            key_id=context.key_id,
            user_id=context.user.id if context.user else None,
        )
        total = await self._add_leads(tx, action_id)
        if not total:
            raise OnlyLeadRefused(NothingChanged().body())
        if total > at_once:
            await _continue_in_background(context, tx, action_id, total, values)
        else:
            self.changed_now = total
            action = await actions.claim(tx, company_id, action_id)
            assert action is not None  # noqa: S101 - this transaction has inserted it
            action = msgspec.structs.replace(action, values=values)
            await _run_now(context, tx, action, expected=sent(record, "expected"))
        return await _outcome(context, tx, action_id)

    async def _add_leads(self, tx: Tx, action_id: int) -> int:
        record, company_id = self._record, self._context.company.id
        if self._by_ids:
            ids = sorted(set(record.ids))
            if record.kind != RESTORE:
                ids = await actions.survivors(tx, company_id, ids)
            await actions.add_leads(tx, company_id, action_id, ids)
            return len(ids)
        async with self._selected(tx) as (leads, typos):
            return await actions.add_selected(company_id, action_id, leads, typos=typos, until=sent(record, "until"))

    def _selected(self, tx: Tx) -> AbstractAsyncContextManager[tuple[SelectedLeads, bool]]:
        record = self._record
        inactive, text = int(sent(record, "inactive") or 0), sent(record, "text") or ""
        return selected(self._context, tx, SelectedLeads, sent(record, "filter"), text, inactive=inactive)


async def _list_error(tx: Tx, company_id: int, list_id: int) -> ApiError | None:
    """Returns the error of a list whose members calls cannot change, or None."""
    has_filter = await actions.list_has_filter(tx, company_id, list_id)
    column = NEW_ACTION.by_name["listID"]
    if has_filter is None:
        return UnknownReference(column.problem("Your company has no list with that id"))
    return InvalidParameters(column.problem("The members of this list follow from its filter")) if has_filter else None


async def _continue_in_background(
    context: Context, tx: Tx, action_id: int, total: int, values: Mapping[str, Json] | None
) -> None:
    """Starts the background job of an action. Raises 107 if the company has too many running actions."""
    if await actions.running(tx, context.company.id) > RUNNING_MAX:
        raise SecondLimit({"retryAfter": 10})
    await actions.continue_in_background(tx, context.company.id, action_id, total=total, values=values)
    context.server.jobs.wake()


async def _run_now(context: Context, tx: Tx, action: Action, *, expected: Mapping[str, Json] | None = None) -> None:
    """Changes all leads of an action that has one part, in this transaction. Raises if its only lead is refused."""
    part = await actions.part(tx, context.company.id, action.id, 0)
    assert part is not None  # noqa: S101 - this transaction has inserted it
    inside = msgspec.structs.replace(context, inside=tx)
    result = await runs.run(inside, tx, action, part, expected=expected)
    if result.leads == 1 and not result.changed:
        raise OnlyLeadRefused(result.errors[0][1] if result.errors else NothingChanged().body())
    await actions.finish_part(tx, context.company.id, action, part.number, result, ended=True)


async def _outcome(context: Context, tx: Tx, action_id: int) -> Outcome:
    """Returns the outcome of a started action."""
    (row,) = await rows_of(context, tx, [action_id], limit=1, offset=0)
    return {"success": True, "error": None, "id": action_id, "action": row}


async def rows_of(
    context: Context, tx: Tx, ids: Sequence[int] | None, *, limit: int, offset: int
) -> list[Mapping[str, Json]]:
    """Returns actions as getActions shows them, the newest first."""
    rows = await actions.find(tx, context.company.id, ids=ids, zone=context.zone_name, limit=limit, offset=offset)
    return [reads.decoded(ACTION, row) for row in rows]


async def undo(context: Context, action_id: int) -> Outcome:
    """Starts the action that undoes an action; returns the outcome."""
    try:
        async with context.tx() as tx, tx.atomic():
            return await _start_undo(context, tx, action_id)
    except OnlyLeadRefused as cause:
        return {"success": False, "error": cause.error}


async def _start_undo(context: Context, tx: Tx, action_id: int) -> Outcome:
    """Starts the action that undoes an action."""
    company_id = context.company.id
    await actions.stop(tx, company_id, [action_id])
    undoable = await actions.lock_undoable(tx, company_id, action_id)
    if undoable is None:
        return refused(NoSuchRecord())
    if undoable.undone_by is not None or not undoable.changed:
        return refused(NothingChanged({"undoneBy": str(undoable.undone_by)} if undoable.undone_by else ()))
    kind = INVERSE[undoable.kind]
    right = right_of(find(runs.METHODS[kind]))
    if context.user and right and not context.user.may(right):
        return refused(NotAllowed({"right": right}))
    undo_id = await actions.insert(
        tx,
        company_id,
        kind=kind,
        list_id=undoable.list_id,
        fields=undoable.fields,
        undoes=action_id,
        total=undoable.changed,
        key_id=context.key_id,
        user_id=context.user.id if context.user else None,
    )
    if await actions.copy_parts(tx, company_id, action_id, undo_id) > 1:
        await _continue_in_background(context, tx, undo_id, undoable.changed, None)
    else:
        action = await actions.claim(tx, company_id, undo_id)
        assert action is not None  # noqa: S101 - this transaction has inserted it
        await _run_now(context, tx, action)
    return await _outcome(context, tx, undo_id)
