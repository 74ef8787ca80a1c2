"""The rounds in which the objects of a call change rows: each changes a row once, in one statement."""

from collections.abc import Sequence
from typing import Any

import msgspec

from springhead.methods.bulk import merged_ids
from springhead.methods.bulk.unique_fields import Claims, Pair, key_of, marks
from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import (
    ApiError,
    EntryExists,
    InvalidParameters,
    NoSuchRecord,
    NothingChanged,
    Unavailable,
    UnknownReference,
)
from springhead.model.kit.fields import Field, FieldSet
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context, shape
from springhead.rpc.method import Done, done, refused, upserted
from springhead.rpc.objects import Checked
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.nouns.table import Batch, Inserted, Table, Updated, table


def batch_of(
    context: Context, noun: Noun, fields: FieldSet, good: Sequence[Any], documents: str, *, creating: bool
) -> Batch:
    """The objects as the store takes them; `documents` are the same as JSON."""
    form = shape(noun, fields, creating=creating)
    return Batch(
        documents=documents,
        custom=form.custom(good),
        nulls=[] if creating else form.nulls(good),
        keys=[key_of(noun.keyed, one) for one in good] if noun.keyed else [],
        version=fields.version,
        zone=context.zone_name,
    )


def _nameless(noun: Noun) -> InvalidParameters:
    """205 for an object that makes a row and has no key."""
    message = "Required parameter is missing: no lead has this value, and a new one needs an address"
    return InvalidParameters(*([noun.keyed.problem(message)] if noun.keyed else []))


def unknown_reference(noun: Noun, bits: int) -> UnknownReference:
    """303 that names the references of which the company has no object."""
    return UnknownReference(
        *(
            column.problem(f"Your company has no {SEEN.get(str(column.refers), 'such object')} with that id")
            for bit, column in enumerate(noun.referring)
            if bits & 1 << bit
        )
    )


SEEN = {
    "user_profile": "user",
    "account": "account",
    "campaign": "campaign",
    "lead": "lead",
    "opportunity": "opportunity",
    "deal_stage": "deal stage",
}


async def _insert(context: Context, tx: Tx, noun: Noun, batch: Batch) -> list[Inserted]:
    """Insert objects; TryAgain when the fields are not those any more."""
    inserted = await table(noun).insert(tx, context.company.id, batch)
    if not inserted:
        context.server.fields.forget(context.company.id)
        raise TryAgain
    return inserted


class Creation:
    """The making of one call's objects: one statement, but for those that want what an earlier one may get.

    `written` are the ids and objects of those that were made, `claiming` says whether any has a unique field.
    """

    def __init__(self, context: Context, noun: Noun, fields: FieldSet, checked: Checked) -> None:
        self._context, self._noun, self._fields, self._checked = context, noun, fields, checked
        self._claims = Claims(context, noun, fields)
        self.claiming = self._claims.concern(checked.good)
        self.written: list[tuple[int, Any]] = []

    async def run(self, tx: Tx) -> dict[int, Done]:
        """What became of each object, by its position in the call."""
        outcomes: dict[int, Done] = {}
        left = self._checked.placed()
        while left:
            sifted = await self._claims.sift(tx, left, creating=True, again=bool(outcomes))
            outcomes |= sifted.outcomes
            if sifted.go:
                outcomes |= await self._make(tx, sifted.go)
            left = sifted.wait
        await self._claims.settle(tx)
        return outcomes

    async def _make(self, tx: Tx, pairs: Sequence[Pair]) -> dict[int, Done]:
        good, checked = [one for one, _ in pairs], self._checked
        documents = checked.documents() if len(good) == len(checked.good) else msgspec.json.encode(good).decode()
        batch = batch_of(self._context, self._noun, self._fields, good, documents, creating=True)
        outcomes: dict[int, Done] = {}
        inserted = await _insert(self._context, tx, self._noun, batch)
        if any(row.unknown for row in inserted):
            checked.encoded = None
            vain = zip(good, (row.unknown for row in inserted), strict=True)
            await merged_ids.rename(tx, self._context.company.id, self._noun, vain)
        for row, (one, at) in zip(inserted, pairs, strict=True):
            if row.id is not None:
                outcomes[at] = done(row.id)
                self.written.append((row.id, one))
                self._claims.wrote(row.id, one)
            else:
                outcomes[at] = refused(unknown_reference(self._noun, row.unknown) if row.unknown else EntryExists())
        return outcomes


class Rounds:
    """The rounds of one update; `changed` are the ids of what was changed."""

    def __init__(
        self,
        context: Context,
        noun: Noun,
        fields: FieldSet,
        missing: ApiError | None,
        *,
        by: Field | None,
        skip_locked: bool,
    ) -> None:
        self._context, self._noun, self._fields, self._missing = context, noun, fields, missing
        self._skip_locked = skip_locked
        self._claims = Claims(context, noun, fields, by=by)
        self._table: Table = table(noun)
        self.changed: set[int] = set()
        self._written: list[tuple[int, int, Any]] = []

    async def run(self, tx: Tx, left: Sequence[Pair]) -> dict[int, Done]:
        """What became of each object, by its position in the call."""
        outcomes: dict[int, Done] = {}
        while left:
            sifted = await self._claims.sift(tx, left, again=bool(outcomes))
            outcomes |= sifted.outcomes
            now, later = self._apart(sifted.go)
            again = await self._round(tx, now, outcomes) if now else []
            # Sorted by their place in the call, so that objects for one row stay in the order sent.
            left = sorted(again + later + sifted.wait, key=lambda pair: pair[1])
        await self._claims.settle(tx)
        return outcomes

    async def _look_again(self, tx: Tx, found: Sequence[Updated], good: Sequence[Any]) -> None:
        """Begin anew when objects mean, or name, leads that were merged into others."""
        company_id = self._context.company.id
        vain = ((good[row.position - 1], row.unknown) for row in found)
        await merged_ids.rename(tx, company_id, self._noun, vain)
        if self._noun is LEAD:
            absent = (row for row in found if not row.found or not (row.locked or self._skip_locked))
            await merged_ids.resume(tx, company_id, (good[row.position - 1] for row in absent))

    async def _round(self, tx: Tx, now: Sequence[Pair], outcomes: dict[int, Done]) -> list[Pair]:
        """Change the rows that the objects mean, and add what became of them; gives those that must wait."""
        good = [one for one, _ in now]
        documents = msgspec.json.encode(good).decode()
        batch = batch_of(self._context, self._noun, self._fields, good, documents, creating=False)
        found = await self._table.update(tx, self._context.company.id, batch, skip_locked=self._skip_locked)
        if not found:
            self._context.server.fields.forget(self._context.company.id)
            raise TryAgain
        again = {row.position for row in found if row.found and not row.first} | self._perhaps_free(found, good)
        await self._look_again(tx, found, good)
        absent: list[Pair] = []
        for row in found:
            if row.position in again:
                continue
            one, at = now[row.position - 1]
            if not row.found or not (row.locked or self._skip_locked):
                absent.append((one, at))  # what was waited for and is not there was deleted meanwhile
            else:
                outcomes[at] = self._outcome(row)
            if row.changed and row.id is not None:
                self._wrote(at, row.id, one)
        if absent:
            outcomes.update(await self._absent(tx, absent))
        return [now[at - 1] for at in again]

    def _wrote(self, at: int, row_id: int, one: Any) -> None:
        self.changed.add(row_id)
        self._written.append((at, row_id, one))
        self._claims.wrote(row_id, one)

    async def _absent(self, _tx: Tx, pairs: Sequence[Pair]) -> dict[int, Done]:
        """What becomes of the objects whose row is not there."""
        return {at: refused(self._missing) if self._missing else done() for _, at in pairs}

    def written(self) -> list[tuple[int, Any]]:
        """The ids of what was changed, with the objects that did it, in the order sent."""
        return [(row_id, one) for _, row_id, one in sorted(self._written, key=lambda entry: entry[0])]

    def _apart(self, left: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
        """The objects that surely mean different rows and keys, and those that must wait for them.

        Keys move in the order sent: one that may move waits when an earlier one does.
        """
        seen: set[object] = set()
        now: list[Pair] = []
        later: list[Pair] = []
        waiting = False
        for pair in left:
            mine = marks(self._noun, pair[0])
            moves = len(mine) == 2
            if seen & mine or (moves and waiting):
                later.append(pair)
                waiting = waiting or moves
            else:
                now.append(pair)
            seen |= mine
        return now, later

    def _perhaps_free(self, found: Sequence[Updated], good: Sequence[Any]) -> set[int]:
        """The objects whose key was taken before the round, and may have been given up in it before their turn.

        They wait for the next round; so leads can swap their addresses in one call.
        """
        moved = [row.position for row in found if row.changed and key_of(self._noun.keyed, good[row.position - 1])]
        first = min(moved, default=len(good))
        return {row.position for row in found if row.taken and row.first and row.position > first}

    def _outcome(self, row: Updated) -> Done:
        if not row.locked:
            return refused(Unavailable())
        if row.unknown:
            return refused(unknown_reference(self._noun, row.unknown))
        if row.taken:
            return refused(EntryExists())
        return self._told(row)

    def _told(self, row: Updated) -> Done:
        """What is said of an object whose row is there and was, or already is, as asked for."""
        return done() if row.changed else refused(NothingChanged())


class Upserts(Rounds):
    """The rounds of one upsert: what is not there is made. To be there already as asked for is a success."""

    _freed = False
    """Whether the call's own objects can have made a key free since it was found taken."""

    async def run(self, tx: Tx, left: Sequence[Pair]) -> dict[int, Done]:
        """What became of each object, by its position in the call.

        What can be made is made before anything is changed: keys are locked before rows, each in order, so that upserts
        do not block each other in a circle. A key that is taken is left to the rounds, and so is one that an earlier
        object may take for its row.
        """
        if self._claims.by:
            return await super().run(tx, left)
        sifted = await self._claims.sift(tx, left)
        waiting = {at for _, at in sifted.wait}
        promised: set[object] = set()
        first: list[Pair] = []
        for pair in left:
            key = key_of(self._noun.keyed, pair[0])
            if pair[1] in sifted.outcomes:
                continue
            if pair[0].id is msgspec.UNSET:
                first += [pair] if key not in promised and pair[1] not in waiting else []
            elif key is not None:
                promised.add(key)
        outcomes = await self._make(tx, first)
        self._freed = bool(promised or waiting or outcomes.keys() - {at for at, _, _ in self._written})
        outcomes |= sifted.outcomes
        return outcomes | await super().run(tx, [pair for pair in left if pair[1] not in outcomes])

    async def _round(self, tx: Tx, now: Sequence[Pair], outcomes: dict[int, Done]) -> list[Pair]:
        """Where leads are found by a unique field, what has none is made, and nothing is found by its address."""
        if not self._claims.by:
            return await super()._round(tx, now, outcomes)
        there = [pair for pair in now if pair[0].id is not msgspec.UNSET]
        new = [pair for pair in now if pair[0].id is msgspec.UNSET]
        nameless = [at for one, at in new if self._noun.keyed and getattr(one, self._noun.keyed.name) is msgspec.UNSET]
        outcomes.update(dict.fromkeys(nameless, refused(_nameless(self._noun))))
        outcomes.update(await self._make(tx, [pair for pair in new if pair[1] not in outcomes]))
        taken = [pair for pair in new if pair[1] not in outcomes]
        self._claims.tried |= {at for _, at in taken}
        return taken + (await super()._round(tx, there, outcomes) if there else [])

    async def _absent(self, tx: Tx, pairs: Sequence[Pair]) -> dict[int, Done]:
        """404 for an id; a key that an earlier object has given up, or not taken after all, makes a row.

        That locks a key after rows. Where only a delete can have made the key free, begin anew instead.
        """
        free = [pair for pair in pairs if pair[0].id is msgspec.UNSET]
        if self._claims.by or (free and not self._freed):
            raise TryAgain
        outcomes = {at: refused(self._missing or NoSuchRecord()) for one, at in pairs if one.id is not msgspec.UNSET}
        outcomes |= await self._make(tx, free)
        if len(outcomes) < len(pairs):  # somebody else made it meanwhile
            raise TryAgain
        return outcomes

    async def _make(self, tx: Tx, pairs: Sequence[Pair]) -> dict[int, Done]:
        """Make rows; says nothing of the objects whose key is taken."""
        if not pairs:
            return {}
        good = [one for one, _ in pairs]
        documents = msgspec.json.encode(good).decode()
        batch = batch_of(self._context, self._noun, self._fields, good, documents, creating=True)
        made = await _insert(self._context, tx, self._noun, batch)
        outcomes: dict[int, Done] = {}
        for row, (one, at) in zip(made, pairs, strict=True):
            if row.id is not None:
                outcomes[at] = upserted(row.id, created=True)
                self._wrote(at, row.id, one)
            elif row.unknown:
                outcomes[at] = refused(unknown_reference(self._noun, row.unknown))
        return outcomes

    def _told(self, row: Updated) -> Done:
        return upserted(row.id, created=False) if row.id is not None else refused(NoSuchRecord())
