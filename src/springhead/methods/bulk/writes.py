"""Bulk writes of any noun: create, update, upsert and delete. A noun adds its own rules as hooks."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from springhead.methods.bulk import merged_ids
from springhead.methods.bulk.rounds import Creation, Rounds, Upserts
from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import (
    ApiError,
    InvalidParameters,
    Json,
    MalformedObject,
    MissingObjects,
    NoSuchRecord,
    NothingChanged,
    TooManyObjects,
    UnexpectedArray,
)
from springhead.model.kit.fields import Field, FieldSet
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context, object_schema
from springhead.rpc.method import Outcome, WriteResult, refused, succeeded
from springhead.rpc.objects import CheckedObjects
from springhead.rpc.params import whole_number
from springhead.store.database.pool import Tx
from springhead.store.nouns.table import table

FLAT_ERRORS = (MalformedObject, TooManyObjects, UnexpectedArray)
"""The errors of every write of a single object or a list of objects, besides 205."""

WRITE_ERRORS = (MissingObjects, *FLAT_ERRORS)
"""The errors of every bulk write, besides 205."""

Check = Callable[[Any], ApiError | None]
"""A noun's rule about one object: returns why the object is refused, or None. It may complete the object."""

BeforeWrite = Callable[[Context, Tx, FieldSet, Sequence[Any]], Awaitable[None]]
"""Runs before the objects are stored, in the same transaction: takes locks, reads related rows."""

AfterWrite = Callable[[Context, Tx, FieldSet, Sequence[int]], Awaitable[None]]
"""Runs after the objects with these ids were written or deleted, in the same transaction."""

AfterValues = Callable[[Context, Tx, Sequence[tuple[int, Any]]], Awaitable[None]]
"""Runs after a value was written, in the same transaction. Gets ids and values in the order sent."""

Undeletable = Callable[[Context, Tx, FieldSet, Sequence[int]], Awaitable[Mapping[int, ApiError]]]
"""Returns an error for each of these ids that cannot be deleted. Locks the rows on which this depends."""

BeforeDelete = Callable[[Context, Tx, FieldSet, Sequence[int]], Awaitable[Sequence[int] | None]]
"""Runs before the objects with these ids are deleted. May return the ids to delete instead of these."""


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a noun for its writes. Each hook runs in the transaction of the write.

    `check` runs for each well-formed object. `before_write` runs before the objects of a create or an update are
    stored, `after_write` after that. Calls for which `after_write_applies` is false do not need the transaction.
    `after_values` has hooks by column: they run only for objects that were sent with a value for the column. A delete
    does not delete the objects that `undeletable` names, and runs `before_delete` and `after_delete`. `starts_jobs`
    says that a delete can start background jobs: the call runs them for a while, so that for a small company everything
    is done when the call returns.
    """

    check: Check | None = None
    before_write: BeforeWrite | None = None
    after_write: AfterWrite | None = None
    after_write_applies: Callable[[FieldSet], bool] = lambda _fields: True
    after_values: Mapping[str, AfterValues] = {}
    undeletable: Undeletable | None = None
    before_delete: BeforeDelete | None = None
    after_delete: AfterWrite | None = None
    starts_jobs: bool = False

    def after_values_of(self, records: Sequence[Any]) -> Mapping[str, AfterValues]:
        """Returns the hooks of the columns for which any of the objects has a value."""
        return {
            name: hook
            for name, hook in self.after_values.items()
            if any(_has_value(record, name) for record in records)
        }


NO_HOOKS = Hooks()
_NOTHING_CHANGED = NothingChanged()
_NO_ADDRESS = "Expected an email address, not an empty text"


async def create(context: Context, noun: Noun, objects: list[Json], hooks: Hooks = NO_HOOKS) -> WriteResult:
    """Creates the objects and returns an outcome for each; a refused object does not stop the others."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
        checked = await _check(context, tx, noun, fields, objects, hooks=hooks, creating=True)
        after_write = hooks.after_write if hooks.after_write and hooks.after_write_applies(fields) else None
        after_values = hooks.after_values_of(checked.valid)
        creation = Creation(context, noun, fields, checked)
        # A single statement needs no explicit transaction, unless it may have to be rolled back.
        can_roll_back = creation.has_unique_values or noun.lead_columns
        atomic = bool(hooks.before_write or after_write or after_values or can_roll_back)
        async with _transaction(tx, needed=atomic):
            if checked.valid and hooks.before_write:
                await hooks.before_write(context, tx, fields, checked.valid)
            outcomes = checked.refused_outcomes() | await creation.run(tx)
            if creation.written and after_write:
                await after_write(context, tx, fields, [row_id for row_id, _ in creation.written])
            await _run_after_values(context, tx, after_values, creation.written)
    return WriteResult.in_order(outcomes)


async def update(
    context: Context,
    noun: Noun,
    objects: list[Json],
    hooks: Hooks = NO_HOOKS,
    *,
    missing: ApiError | None = _NOTHING_CHANGED,
) -> WriteResult:
    """Changes the objects and returns an outcome for each; `missing` is the error for an unknown object.

    Runs in rounds: a round is one statement, and changes each row at most once. A further object for the same row waits
    for the next round. A call whose objects are all for different rows needs one round.
    """
    return await _write_in_rounds(context, noun, objects, hooks, kind=Rounds, missing=missing)


async def upsert(
    context: Context, noun: Noun, objects: list[Json], hooks: Hooks, *, by: Field | None = None
) -> WriteResult:
    """Changes the objects that exist, creates the others, and returns an outcome for each; 404 for an unknown id.

    With `by`, objects are looked up by that unique field, for which each has a value.
    """
    return await _write_in_rounds(context, noun, objects, hooks, kind=Upserts, missing=NoSuchRecord(), by=by)


async def delete(context: Context, noun: Noun, objects: list[Json], hooks: Hooks = NO_HOOKS) -> WriteResult:
    """Deletes the objects, each given as `{id}` or as the bare id; 302 for an unknown object."""
    ids_or_errors: list[int | ApiError] = [id_of(record, noun) for record in objects]
    ids = list(dict.fromkeys(row_id for row_id in ids_or_errors if isinstance(row_id, int)))
    undeletable: Mapping[int, ApiError] = {}
    async with context.tx() as tx:
        fields = await context.fields(tx)
        async with _transaction(tx, needed=bool(hooks.undeletable or hooks.before_delete or hooks.after_delete)):
            if hooks.undeletable:
                undeletable = await hooks.undeletable(context, tx, fields, ids)
                ids = [row_id for row_id in ids if row_id not in undeletable]
            if hooks.before_delete:
                other_ids = await hooks.before_delete(context, tx, fields, ids)
                ids = ids if other_ids is None else list(other_ids)
            deleted = await table(noun).delete(tx, context.company.id, ids)
            if hooks.after_delete and deleted:
                await hooks.after_delete(context, tx, fields, sorted(deleted))
    if hooks.starts_jobs and deleted:
        await context.server.jobs.finish(context.company.id)
    outcomes: list[Outcome] = []
    for row_id in ids_or_errors:
        if isinstance(row_id, ApiError):
            outcomes.append(refused(row_id))
        elif row_id in undeletable:
            outcomes.append(refused(undeletable[row_id]))
        elif row_id in deleted:
            deleted.remove(row_id)
            outcomes.append(succeeded())
        else:
            outcomes.append(refused(NothingChanged()))
    return WriteResult(outcomes)


def id_of(record: Json, noun: Noun, name: str = "id") -> int | ApiError:
    """Returns the id of an object to delete, or an error if the object has no valid id."""
    column = noun.by_name[name]
    value = record.get(name) if isinstance(record, dict) else record
    if isinstance(record, dict) and name not in record:
        return InvalidParameters(column.problem("Required parameter is missing"))
    if isinstance(value, (list, dict)):
        return UnexpectedArray(column.problem("Expected a single value"))
    number = whole_number(value) if isinstance(value, (str, int)) else None
    if number is None and not isinstance(record, dict):
        return MalformedObject({"param": noun.name, "message": f"Expected an object with {name}"})
    if number is None or not 0 <= number < 2**63:
        return InvalidParameters(column.problem("Expected data of type integer"))
    return number


async def _write_in_rounds(
    context: Context,
    noun: Noun,
    objects: list[Json],
    hooks: Hooks,
    *,
    kind: type[Rounds],
    missing: ApiError | None,
    by: Field | None = None,
) -> WriteResult:
    """Writes the objects in rounds of the given class, and runs the hooks, in one transaction."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
        checked = await _check(context, tx, noun, fields, objects, hooks=hooks, creating=False)
        async with tx.atomic():
            if checked.valid and hooks.before_write:
                await hooks.before_write(context, tx, fields, checked.valid)
            rounds = kind(context, noun, fields, checked, missing, by=by)
            outcomes = await rounds.run(tx, checked.with_positions())
            if rounds.changed and hooks.after_write and hooks.after_write_applies(fields):
                await hooks.after_write(context, tx, fields, sorted(rounds.changed))
            await _run_after_values(context, tx, hooks.after_values_of(checked.valid), rounds.written())
    return WriteResult.in_order(checked.refused_outcomes() | outcomes)


async def _check(
    context: Context, tx: Tx, noun: Noun, fields: FieldSet, objects: list[Json], *, hooks: Hooks, creating: bool
) -> CheckedObjects:
    """Checks the objects of a call. If an object is refused, makes sure that the cached custom fields are current."""
    schema = object_schema(noun, fields, creating=creating)
    checked = schema.check(objects, with_expected=noun.takes_expected and not creating)
    check = hooks.check
    refusals: dict[int, ApiError] = {}
    for record, position in checked.with_positions():
        refusal = (
            _empty_text(noun, record) or _foreign_owner(context, noun, record) or (check(record) if check else None)
        )
        if refusal:
            refusals[position] = refusal
    if check:
        checked.encoded = None  # a check may have changed objects
    checked.refuse(refusals)
    if checked.refusals:
        await context.verify(tx, fields)
    if context.attempt.merged:
        merged_ids.replace(noun, checked, context.attempt.merged, id_names=("id",) if noun is LEAD else ())
    return checked


def _empty_text(noun: Noun, record: Any) -> InvalidParameters | None:
    """Returns 205 if a required text is empty, or None."""
    problems = [
        column.problem("Expected a text that is not empty" if not column.key_sql else _NO_ADDRESS)
        for column in noun.required_texts
        if isinstance(value := getattr(record, column.name), str) and not value.strip()
    ]
    return InvalidParameters(*problems) if problems else None


def _foreign_owner(context: Context, noun: Noun, record: Any) -> InvalidParameters | None:
    """Returns 205 if a user who sees only the own leads gives an object to another user, or None.

    Row-level security refuses it too, but for the whole call.
    """
    if context.viewer is None or "ownerID" not in noun.by_name:
        return None
    owner = record.ownerID
    if owner is msgspec.UNSET or owner is None or owner == context.viewer:
        return None
    return InvalidParameters(noun.by_name["ownerID"].problem("Your role assigns only to yourself or to nobody"))


@asynccontextmanager
async def _transaction(tx: Tx, *, needed: bool) -> AsyncGenerator[None]:
    """Opens a transaction around the block if it is needed."""
    if needed:
        async with tx.atomic():
            yield
    else:
        yield


async def _run_after_values(
    context: Context, tx: Tx, hooks: Mapping[str, AfterValues], written: Sequence[tuple[int, Any]]
) -> None:
    for name, hook in hooks.items():
        values = [(row_id, getattr(record, name)) for row_id, record in written if _has_value(record, name)]
        if values:
            await hook(context, tx, values)


def _has_value(record: Any, name: str) -> bool:
    value = getattr(record, name)
    return value is not msgspec.UNSET and value is not None and value != ""
