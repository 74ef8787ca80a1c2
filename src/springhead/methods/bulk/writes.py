"""Bulk writes of any noun: what a noun adds are its rules, before the objects are stored and after."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
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
from springhead.rpc.context import Context, shape
from springhead.rpc.method import Done, Outcomes, done, refused
from springhead.rpc.objects import Checked
from springhead.rpc.params import whole
from springhead.store.database.pool import Locked, Tx
from springhead.store.nouns.table import table

FLAT_ERRORS = (MalformedObject, TooManyObjects, UnexpectedArray)
"""What every write about one object, or a list of them, can answer besides 205."""

WRITE_ERRORS = (MissingObjects, *FLAT_ERRORS)
"""What every bulk write can answer, besides 205."""

Examine = Callable[[Any], ApiError | None]
"""A noun's rule about one object: None when it is right; it may also complete the object."""

Before = Callable[[Context, Tx, FieldSet, Sequence[Any]], Awaitable[None]]
"""What comes before these objects are stored, in the same transaction: locks, and a look at what is there."""

Kept = Callable[[Context, Tx, FieldSet, Sequence[int]], Awaitable[Mapping[int, ApiError]]]
"""Which of the objects with these ids cannot be deleted, and why; it locks what could change that."""

BeforeDelete = Callable[[Context, Tx, FieldSet, Sequence[int]], Awaitable[Sequence[int] | None]]
"""What comes before the objects with these ids are deleted; it may give those that are to be deleted, and no others."""

Then = Callable[[Context, Tx, FieldSet, Sequence[int]], Awaitable[None]]
"""What follows in the same transaction from the objects with these ids having been written."""

Carried = Callable[[Context, Tx, Sequence[tuple[int, Any]]], Awaitable[None]]
"""What follows in the same transaction from a value having been written: ids and values, in the order sent."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a noun adds to the common way of writing.

    `examine` sees each object that is well-formed. `before` runs before the right objects of a create or an
    update are stored, `then` after that with the ids; `before_delete` before and `after_delete` after a delete,
    from which `kept` spares some objects: each in the same transaction. `needed` says whether there is anything
    to follow, so that calls without it are spared the transaction. `starts_jobs` says that a delete may start
    background jobs: the call runs them for a while, so that small companies find all done.
    `carried` follows, by column, from objects that were written and came with a value for it; calls without one pay
    nothing for it.
    """

    examine: Examine | None = None
    before: Before | None = None
    then: Then | None = None
    kept: Kept | None = None
    before_delete: BeforeDelete | None = None
    after_delete: Then | None = None
    needed: Callable[[FieldSet], bool] = lambda _fields: True
    starts_jobs: bool = False
    carried: Mapping[str, Carried] = {}

    def carrying(self, good: Sequence[Any]) -> Mapping[str, Carried]:
        """What is to follow for the columns that any of the objects has a value for."""
        return {name: step for name, step in self.carried.items() if any(_carries(one, name) for one in good)}


def _carries(one: Any, name: str) -> bool:
    value = getattr(one, name)
    return value is not msgspec.UNSET and value is not None and value != ""


PLAIN = Rules()
_NOTHING = NothingChanged()


@asynccontextmanager
async def _together(tx: Tx, *, atomic: bool) -> AsyncGenerator[None]:
    """Everything inside commits together, when it is more than one statement."""
    if atomic:
        async with tx.atomic():
            yield
    else:
        yield


async def create(context: Context, noun: Noun, objects: list[Json], rules: Rules = PLAIN) -> Outcomes:
    """Create the objects and say what became of each; a refused one does not stop the others."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
        checked = await _check(context, tx, noun, fields, objects, rules=rules, creating=True)
        follows = rules.then is not None and rules.needed(fields)
        carrying = rules.carrying(checked.good)

        async def run() -> dict[int, Done]:
            making = Creation(context, noun, fields, checked)
            outcomes = checked.refused()
            undoes = making.claiming or merged_ids.concern(noun)
            async with _together(tx, atomic=follows or undoes or bool(carrying) or rules.before is not None):
                if checked.good and rules.before:
                    await rules.before(context, tx, fields, checked.good)
                outcomes |= await making.run(tx)
                if making.written and follows and rules.then:
                    await rules.then(context, tx, fields, [row_id for row_id, _ in making.written])
                if carrying:
                    await _carry(context, tx, carrying, making.written)
            return outcomes

        return Outcomes.in_order(await merged_ids.settled(run))


async def update(
    context: Context,
    noun: Noun,
    objects: list[Json],
    rules: Rules = PLAIN,
    *,
    missing: ApiError | None = _NOTHING,
) -> Outcomes:
    """Change the objects and say what became of each; `missing` is the answer for one that is not there.

    Runs in rounds: a round changes an object once, what it leaves over goes into the next. A call in which
    no two objects mean the same one is one round, one statement.
    """
    return await _in_rounds(context, noun, objects, rules, kind=Rounds, missing=missing)


async def upsert(
    context: Context, noun: Noun, objects: list[Json], rules: Rules, *, by: Field | None = None
) -> Outcomes:
    """Change the objects that are there, make the others, and say what became of each; 404 for an unknown id.

    With `by` they are found by that unique field, which each of them has.
    """
    return await _in_rounds(context, noun, objects, rules, kind=Upserts, missing=NoSuchRecord(), by=by)


async def _in_rounds(
    context: Context,
    noun: Noun,
    objects: list[Json],
    rules: Rules,
    *,
    kind: type[Rounds],
    missing: ApiError | None,
    by: Field | None = None,
) -> Outcomes:
    """Write objects in rounds of that kind, and all that follows, in one transaction."""
    async with context.tx() as tx:
        fields = await context.fields(tx)
        checked = await _check(context, tx, noun, fields, objects, rules=rules, creating=False)
        follows = rules.then if rules.then and rules.needed(fields) else None
        carrying = rules.carrying(checked.good)

        async def run(*, skip_locked: bool) -> dict[int, Done]:
            async with tx.atomic():
                if checked.good and rules.before:
                    await rules.before(context, tx, fields, checked.good)
                rounds = kind(context, noun, fields, missing, by=by, skip_locked=skip_locked)
                outcomes = await rounds.run(tx, checked.placed())
                if rounds.changed and follows:
                    await follows(context, tx, fields, sorted(rounds.changed))
                await _carry(context, tx, carrying, rounds.written())
                return outcomes

        try:
            outcomes = await merged_ids.settled(partial(run, skip_locked=False))
        except Locked:
            outcomes = await merged_ids.settled(partial(run, skip_locked=True))
    return Outcomes.in_order(checked.refused() | outcomes)


async def delete(context: Context, noun: Noun, objects: list[Json], rules: Rules = PLAIN) -> Outcomes:
    """Delete the objects, each given as `{id}` or as the bare id; 302 for one that is not there."""
    wanted: list[int | ApiError] = [id_of(one, noun) for one in objects]
    ids = list(dict.fromkeys(one for one in wanted if isinstance(one, int)))
    kept: Mapping[int, ApiError] = {}
    async with context.tx() as tx:
        fields = await context.fields(tx)
        async with _together(tx, atomic=bool(rules.kept or rules.before_delete or rules.after_delete)):
            if rules.kept:
                kept = await rules.kept(context, tx, fields, ids)
                ids = [one for one in ids if one not in kept]
            if rules.before_delete:
                held = await rules.before_delete(context, tx, fields, ids)
                ids = ids if held is None else list(held)
            gone = await table(noun).delete(tx, context.company.id, ids)
            if rules.after_delete and gone:
                await rules.after_delete(context, tx, fields, sorted(gone))
    if rules.starts_jobs and gone:
        await context.server.jobs.finish(context.company.id)
    outcomes: list[Done] = []
    for one in wanted:
        if isinstance(one, ApiError):
            outcomes.append(refused(one))
        elif one in kept:
            outcomes.append(refused(kept[one]))
        elif one in gone:
            gone.remove(one)
            outcomes.append(done())
        else:
            outcomes.append(refused(NothingChanged()))
    return Outcomes(outcomes)


def id_of(one: Json, noun: Noun, name: str = "id") -> int | ApiError:
    """The id that an object of a delete names, or why it names none."""
    column = noun.by_name[name]
    value = one.get(name) if isinstance(one, dict) else one
    if isinstance(one, dict) and name not in one:
        return InvalidParameters(column.problem("Required parameter is missing"))
    if isinstance(value, (list, dict)):
        return UnexpectedArray(column.problem("Expected a single value"))
    number = whole(value) if isinstance(value, (str, int)) else None
    if number is None and not isinstance(one, dict):
        return MalformedObject({"param": noun.name, "message": f"Expected an object with {name}"})
    if number is None or not 0 <= number < 2**63:
        return InvalidParameters(column.problem("Expected data of type integer"))
    return number


async def _carry(context: Context, tx: Tx, carrying: Mapping[str, Carried], written: Sequence[tuple[int, Any]]) -> None:
    for name, step in carrying.items():
        values = [(row_id, getattr(one, name)) for row_id, one in written if _carries(one, name)]
        if values:
            await step(context, tx, values)


async def _check(
    context: Context, tx: Tx, noun: Noun, fields: FieldSet, objects: list[Json], *, rules: Rules, creating: bool
) -> Checked:
    """Check the objects of a call; before one is refused, make sure that the fields are still these."""
    checked = shape(noun, fields, creating=creating).check(objects)
    examine = rules.examine
    wrong: dict[int, ApiError] = {}
    for one, at in checked.placed():
        refusal = _blank(noun, one) or (examine(one) if examine else None)
        if refusal:
            wrong[at] = refusal
    if examine:
        checked.encoded = None  # it may have completed objects
    checked.refuse(wrong)
    if checked.refusals:
        await context.verify(tx, fields)
    return checked


def _blank(noun: Noun, one: Any) -> InvalidParameters | None:
    """205 for a required text that is empty."""
    problems = [
        column.problem("Expected a text that is not empty" if not column.normal else _NO_ADDRESS)
        for column in noun.required_texts
        if isinstance(value := getattr(one, column.name), str) and not value.strip()
    ]
    return InvalidParameters(*problems) if problems else None


_NO_ADDRESS = "Expected an email address, not an empty text"
