"""Bulk writes of any noun: what a noun adds are its rules, before the objects are stored and after."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from springhead.methods.call import Call, shape
from springhead.model.columns import Column, Noun
from springhead.model.errors import (
    ApiError,
    EntryExists,
    InvalidParameters,
    Json,
    MalformedObject,
    MissingObjects,
    NothingChanged,
    TooManyObjects,
    Unavailable,
    UnexpectedArray,
    UnknownReference,
)
from springhead.model.fields import FieldSet
from springhead.rpc.method import Done, Outcomes, done, refused
from springhead.rpc.objects import Checked
from springhead.rpc.params import whole
from springhead.store.db import Locked, TryAgain, Tx
from springhead.store.table import Batch, Table, Updated, table

WRITE_ERRORS = (MissingObjects, MalformedObject, TooManyObjects, UnexpectedArray)
"""What every bulk write can answer, besides 205."""

Examine = Callable[[Any], ApiError | None]
"""A noun's rule about one object: None when it is right; it may also complete the object."""

Before = Callable[[Call, Tx, FieldSet, Sequence[Any]], Awaitable[None]]
"""What comes before these objects are stored, in the same transaction: locks, and a look at what is there."""

Kept = Callable[[Call, Tx, FieldSet, Sequence[int]], Awaitable[Mapping[int, ApiError]]]
"""Which of the objects with these ids cannot be deleted, and why; it locks what could change that."""

Then = Callable[[Call, Tx, FieldSet, Sequence[int]], Awaitable[None]]
"""What follows in the same transaction from the objects with these ids having been written."""

Carried = Callable[[Call, Tx, Sequence[tuple[int, Any]]], Awaitable[None]]
"""What follows in the same transaction from a value having been written: ids and values, in the order sent."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a noun adds to the common way of writing.

    `examine` sees each object that is well-formed. `before` runs before the right objects of a create or an
    update are stored, `then` after that with the ids; `before_delete` before and `after_delete` after a delete,
    from which `kept` spares some objects: each in the same transaction. `needed` says whether there is anything
    to follow, so that calls without it are spared the transaction. `passes` says that a delete may start passes
    (store/passes.py): the call drives them for a while, so that small companies find all done. `carried` follows,
    by column, from objects that were written and came with a value for it; calls without one pay nothing for it.
    """

    examine: Examine | None = None
    before: Before | None = None
    then: Then | None = None
    kept: Kept | None = None
    before_delete: Then | None = None
    after_delete: Then | None = None
    needed: Callable[[FieldSet], bool] = lambda _fields: True
    passes: bool = False
    carried: Mapping[str, Carried] = {}

    def carrying(self, good: Sequence[Any]) -> Mapping[str, Carried]:
        """What is to follow for the columns that any of the objects has a value for."""
        return {name: step for name, step in self.carried.items() if any(_carries(one, name) for one in good)}


def _carries(one: Any, name: str) -> bool:
    value = getattr(one, name)
    return value is not msgspec.UNSET and value is not None and value != ""


PLAIN = Rules()
PASS_SECONDS = 2.0
"""For how long a call drives the passes that it has started; what is left goes on beside the calls."""

_NOTHING = NothingChanged()


@asynccontextmanager
async def _together(tx: Tx, *, atomic: bool) -> AsyncGenerator[None]:
    """Everything inside commits together, when it is more than one statement."""
    if atomic:
        async with tx.atomic():
            yield
    else:
        yield


async def create(call: Call, noun: Noun, objects: list[Json], rules: Rules = PLAIN) -> Outcomes:
    """Create the objects and say what became of each; a refused one does not stop the others."""
    async with call.tx() as tx:
        fields = await call.fields(tx)
        checked = await _check(call, tx, noun, fields, objects, rules=rules, creating=True)
        follows = rules.then is not None and rules.needed(fields)
        carrying = rules.carrying(checked.good)
        outcomes: dict[int, Done] = {}
        async with _together(tx, atomic=follows or bool(carrying) or rules.before is not None):
            if checked.good and rules.before:
                await rules.before(call, tx, fields, checked.good)
            batch = _batch(call, noun, fields, checked, creating=True)
            inserted = await table(noun).insert(tx, call.company.id, batch) if checked.good else []
            if checked.good and not inserted:
                call.server.fields.forget(call.company.id)
                raise TryAgain
            made: list[int] = []
            for row, at in zip(inserted, checked.positions, strict=True):
                if row.id is not None:
                    made.append(row.id)
                    outcomes[at] = done(row.id)
                else:
                    outcomes[at] = refused(_unknown(noun, row.unknown) if row.unknown else EntryExists())
            if made and follows and rules.then:
                await rules.then(call, tx, fields, made)
            written = [(row.id, one) for row, one in zip(inserted, checked.good, strict=False) if row.id is not None]
            await _carry(call, tx, carrying, written)
    return _in_order(objects, outcomes, checked)


async def update(
    call: Call,
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
    async with call.tx() as tx:
        fields = await call.fields(tx)
        checked = await _check(call, tx, noun, fields, objects, rules=rules, creating=False)
        follows = rules.then if rules.then and rules.needed(fields) else None
        carrying = rules.carrying(checked.good)

        async def run(*, skip_locked: bool) -> dict[int, Done]:
            async with tx.atomic():
                if checked.good and rules.before:
                    await rules.before(call, tx, fields, checked.good)
                rounds = _Rounds(call, noun, fields, missing, skip_locked=skip_locked)
                outcomes = await rounds.run(tx, checked)
                if rounds.changed and follows:
                    await follows(call, tx, fields, sorted(rounds.changed))
                await _carry(call, tx, carrying, rounds.written())
                return outcomes

        try:
            outcomes = await run(skip_locked=False)
        except Locked:
            outcomes = await run(skip_locked=True)
    return _in_order(objects, outcomes, checked)


async def delete(call: Call, noun: Noun, objects: list[Json], rules: Rules = PLAIN) -> Outcomes:
    """Delete the objects, each given as `{id}` or as the bare id; 302 for one that is not there."""
    wanted: list[int | ApiError] = [id_of(one, noun) for one in objects]
    ids = list(dict.fromkeys(one for one in wanted if isinstance(one, int)))
    kept: Mapping[int, ApiError] = {}
    async with call.tx() as tx:
        fields = await call.fields(tx)
        async with _together(tx, atomic=bool(rules.kept or rules.before_delete or rules.after_delete)):
            if rules.kept:
                kept = await rules.kept(call, tx, fields, ids)
                ids = [one for one in ids if one not in kept]
            if rules.before_delete:
                await rules.before_delete(call, tx, fields, ids)
            gone = await table(noun).delete(tx, call.company.id, ids)
            if rules.after_delete and gone:
                await rules.after_delete(call, tx, fields, sorted(gone))
    if rules.passes and gone:
        await call.server.passes.finish(call.company.id, PASS_SECONDS)
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


def _in_order(objects: Sequence[Json], outcomes: dict[int, Done], checked: Checked) -> Outcomes:
    return Outcomes([outcomes[at] if at in outcomes else refused(checked.refusals[at]) for at in range(len(objects))])


async def _carry(call: Call, tx: Tx, carrying: Mapping[str, Carried], written: Sequence[tuple[int, Any]]) -> None:
    for name, step in carrying.items():
        values = [(row_id, getattr(one, name)) for row_id, one in written if _carries(one, name)]
        if values:
            await step(call, tx, values)


async def _check(
    call: Call, tx: Tx, noun: Noun, fields: FieldSet, objects: list[Json], *, rules: Rules, creating: bool
) -> Checked:
    """Check the objects of a call; before one is refused, make sure that the fields are still these."""
    checked = shape(noun, fields, creating=creating).check(objects)
    examine = rules.examine
    wrong: dict[int, ApiError] = {}
    for one, at in zip(checked.good, checked.positions, strict=True):
        refusal = _blank(noun, one) or (examine(one) if examine else None)
        if refusal:
            wrong[at] = refusal
    if examine:
        checked.encoded = None  # it may have completed objects
    checked.refuse(wrong)
    if checked.refusals:
        await call.verify(tx, fields)
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


def _batch(call: Call, noun: Noun, fields: FieldSet, checked: Checked, *, creating: bool) -> Batch:
    return _batch_of(call, noun, fields, checked.good, checked.documents(), creating=creating)


def _batch_of(
    call: Call, noun: Noun, fields: FieldSet, good: Sequence[Any], documents: str, *, creating: bool
) -> Batch:
    form = shape(noun, fields, creating=creating)
    return Batch(
        documents=documents,
        custom=form.custom(good),
        nulls=[] if creating else form.nulls(good),
        keys=[_key(noun.keyed, one) for one in good] if noun.keyed else [],
        version=fields.version,
        zone=call.zone_name,
    )


def _key(keyed: Column | None, one: Any) -> str | None:
    """The normalised text by which an object is found, when it carries one."""
    value = getattr(one, keyed.name) if keyed else msgspec.UNSET
    return keyed.normalise(value) if keyed and keyed.normalise and isinstance(value, str) else None


def _unknown(noun: Noun, bits: int) -> UnknownReference:
    """303 that names the references of which the company has no object."""
    return UnknownReference(
        *(
            column.problem(f"Your company has no {_SEEN.get(str(column.refers), 'such object')} with that id")
            for bit, column in enumerate(noun.referring)
            if bits & 1 << bit
        )
    )


_SEEN = {
    "user_profile": "user",
    "account": "account",
    "campaign": "campaign",
    "lead": "lead",
    "opportunity": "opportunity",
    "deal_stage": "deal stage",
}


class _Rounds:
    """The rounds of one update."""

    def __init__(
        self, call: Call, noun: Noun, fields: FieldSet, missing: ApiError | None, *, skip_locked: bool
    ) -> None:
        self._call, self._noun, self._fields, self._missing = call, noun, fields, missing
        self._skip_locked = skip_locked
        self._table: Table = table(noun)
        self.changed: set[int] = set()
        self._written: list[tuple[int, int, Any]] = []

    async def run(self, tx: Tx, checked: Checked) -> dict[int, Done]:
        """What became of each right object, by its position in the call."""
        outcomes: dict[int, Done] = {}
        left = list(zip(checked.good, checked.positions, strict=True))
        while left:
            now, later = self._apart(left)
            good = [one for one, _ in now]
            documents = msgspec.json.encode(good).decode()
            batch = _batch_of(self._call, self._noun, self._fields, good, documents, creating=False)
            found = await self._table.update(tx, self._call.company.id, batch, skip_locked=self._skip_locked)
            if not found:
                self._call.server.fields.forget(self._call.company.id)
                raise TryAgain
            again = {row.position for row in found if row.found and not row.first} | self._perhaps_free(found, good)
            outcomes |= {now[row.position - 1][1]: self._outcome(row) for row in found if row.position not in again}
            for row in found:
                if row.changed and row.id is not None:
                    self.changed.add(row.id)
                    self._written.append((now[row.position - 1][1], row.id, now[row.position - 1][0]))
            # Sorted by their place in the call, so that objects for one row stay in the order sent.
            left = sorted([now[at - 1] for at in again] + later, key=lambda pair: pair[1])
        return outcomes

    def written(self) -> list[tuple[int, Any]]:
        """The ids of what was changed, with the objects that did it, in the order sent."""
        return [(row_id, one) for _, row_id, one in sorted(self._written, key=lambda entry: entry[0])]

    def _marks(self, one: Any) -> set[object]:
        return {
            mark for mark in (one.id, _key(self._noun.keyed, one)) if mark is not None and mark is not msgspec.UNSET
        }

    def _apart(self, left: Sequence[tuple[Any, int]]) -> tuple[list[tuple[Any, int]], list[tuple[Any, int]]]:
        """The objects that surely mean different rows and keys, and those that must wait for them.

        Keys move in the order sent: one that may move waits when an earlier one does.
        """
        seen: set[object] = set()
        now: list[tuple[Any, int]] = []
        later: list[tuple[Any, int]] = []
        waiting = False
        for pair in left:
            marks = self._marks(pair[0])
            moves = len(marks) == 2
            if seen & marks or (moves and waiting):
                later.append(pair)
                waiting = waiting or moves
            else:
                now.append(pair)
            seen |= marks
        return now, later

    def _perhaps_free(self, found: Sequence[Updated], good: Sequence[Any]) -> set[int]:
        """The objects whose key was taken before the round, and may have been given up in it before their turn.

        They wait for the next round; so leads can swap their addresses in one call.
        """
        moved = [row.position for row in found if row.changed and _key(self._noun.keyed, good[row.position - 1])]
        first = min(moved, default=len(good))
        return {row.position for row in found if row.taken and row.first and row.position > first}

    def _outcome(self, row: Updated) -> Done:
        # What was waited for and is not there was deleted meanwhile.
        if not row.found or not (row.locked or self._skip_locked):
            return refused(self._missing) if self._missing else done()
        if not row.locked:
            return refused(Unavailable())
        if row.unknown:
            return refused(_unknown(self._noun, row.unknown))
        if row.taken:
            return refused(EntryExists())
        return done() if row.changed else refused(NothingChanged())
