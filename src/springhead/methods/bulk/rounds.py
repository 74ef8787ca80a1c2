"""Turns the objects of a call into SQL statements: a creation, or rounds of updates (docs/bulk-writes.md)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from springhead.methods.bulk import conflicts, merged_ids
from springhead.methods.bulk.unique_fields import Placed, UniqueFields, identities, key_of
from springhead.model.kit.columns import Noun, unknown_references
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
from springhead.rpc.context import Context, object_schema
from springhead.rpc.expected_values import Accepted
from springhead.rpc.method import Outcome, refused, succeeded, upserted
from springhead.rpc.objects import CheckedObjects
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.leads import hidden_leads
from springhead.store.nouns.table import Inserted, RecordBatch, Table, Updated, table


def batch_of(
    context: Context,
    noun: Noun,
    fields: FieldSet,
    records: Sequence[Any],
    documents: str,
    *,
    creating: bool,
    can_opt_in: bool = False,
    accepted: Sequence[Accepted | None] = (),
) -> RecordBatch:
    """Returns the objects in the form that the store expects. `documents` is the same objects as JSON.

    `accepted` has the values with which each object is written, None for an object that is written in any case.
    """
    objects = object_schema(noun, fields, creating=creating)
    return RecordBatch(
        documents=documents,
        custom=objects.custom_to_json(records),
        nulls=[] if creating else objects.null_bits(records),
        keys=[key_of(noun.key_column, record) for record in records] if noun.key_column else [],
        version=fields.version,
        zone=context.zone_name,
        source=context.source,
        can_opt_in=can_opt_in,
        accepted=msgspec.json.encode(accepted).decode() if any(accepted) else "[]",
    )


def _without_key(noun: Noun) -> InvalidParameters:
    """Returns 205 for an object that would create a lead but has no email address."""
    message = "Required parameter is missing: no lead has this value, and a new lead needs an email address"
    return InvalidParameters(*([noun.key_column.problem(message)] if noun.key_column else []))


def _unknown_reference(noun: Noun, bits: int) -> UnknownReference:
    """Returns 303 with the columns whose referenced object does not exist, by their bits (store/nouns/table.py)."""
    return unknown_references(column for bit, column in enumerate(noun.reference_columns) if bits & 1 << bit)


async def _insert(context: Context, tx: Tx, noun: Noun, batch: RecordBatch) -> list[Inserted]:
    """Inserts objects. Raises TryAgain if the custom fields have changed since they were cached."""
    inserted = await table(noun).insert(tx, context.company.id, batch)
    if not inserted:
        context.server.fields.forget(context.company.id)
        raise TryAgain
    return inserted


class Creation:
    """The creation of a call's objects: one statement, or more if objects depend on unique values of earlier objects.

    `written` has the ids and objects of the new rows. `has_unique_values` says whether any object has a value for a
    unique field.
    """

    def __init__(self, context: Context, noun: Noun, fields: FieldSet, checked: CheckedObjects) -> None:
        self._context, self._noun, self._fields, self._checked = context, noun, fields, checked
        self._unique_fields = UniqueFields(context, noun, fields)
        self.has_unique_values = self._unique_fields.has_values(checked.valid)
        self.written: list[tuple[int, Any]] = []

    async def run(self, tx: Tx) -> dict[int, Outcome]:
        """Returns the outcome of each object by its position in the call."""
        outcomes: dict[int, Outcome] = {}
        remaining = self._checked.with_positions()
        while remaining:
            turn = await self._unique_fields.next_turn(tx, remaining, creating=True, later_round=bool(outcomes))
            outcomes |= turn.outcomes
            if turn.ready:
                outcomes |= await self._create(tx, turn.ready)
            remaining = turn.waiting
        await self._unique_fields.verify(tx)
        return outcomes

    async def _create(self, tx: Tx, placed: Sequence[Placed]) -> dict[int, Outcome]:
        records, checked = [record for record, _ in placed], self._checked
        documents = checked.to_json() if len(records) == len(checked.valid) else msgspec.json.encode(records).decode()
        batch = batch_of(self._context, self._noun, self._fields, records, documents, creating=True)
        outcomes: dict[int, Outcome] = {}
        inserted = await _insert(self._context, tx, self._noun, batch)
        if any(row.unknown for row in inserted):
            unknown = zip(records, (row.unknown for row in inserted), strict=True)
            await merged_ids.check_references(tx, self._context.company.id, self._noun, unknown)
        for row, (record, position) in zip(inserted, placed, strict=True):
            if row.id is not None:
                outcomes[position] = succeeded(row.id)
                self.written.append((row.id, record))
                self._unique_fields.written(row.id, record)
            else:
                error = _unknown_reference(self._noun, row.unknown) if row.unknown else EntryExists()
                outcomes[position] = refused(error)
        return outcomes


class Rounds:
    """The rounds in which a call updates its objects. A round is one statement, and changes each row at most once.

    `changed` has the ids of the rows that the call has changed.
    """

    _can_opt_in = True
    """Whether an object with an id can opt in again. Upserts come from syncs, which send 0 for every lead."""

    def __init__(
        self,
        context: Context,
        noun: Noun,
        fields: FieldSet,
        checked: CheckedObjects,
        missing: ApiError | None,
        *,
        by: Field | None,
    ) -> None:
        self._context, self._noun, self._fields, self._missing = context, noun, fields, missing
        self._accepted = checked.accepted
        self._skip_locked = context.attempt.skip_locked
        self._unique_fields = UniqueFields(context, noun, fields, by=by)
        self._table: Table = table(noun)
        self.changed: set[int] = set()
        self._written: list[tuple[int, int, Any]] = []

    async def run(self, tx: Tx, remaining: Sequence[Placed]) -> dict[int, Outcome]:
        """Returns the outcome of each object by its position in the call."""
        outcomes: dict[int, Outcome] = {}
        while remaining:
            turn = await self._unique_fields.next_turn(tx, remaining, later_round=bool(outcomes))
            outcomes |= turn.outcomes
            now, later = self._split(turn.ready)
            again = await self._round(tx, now, outcomes) if now else []
            # Sorted by position, so that objects for the same row stay in the order sent.
            remaining = sorted(again + later + turn.waiting, key=lambda placed: placed[1])
        await self._unique_fields.verify(tx)
        return outcomes

    def written(self) -> list[tuple[int, Any]]:
        """Returns the ids of the changed rows with the objects that changed them, in the order sent."""
        return [(row_id, record) for _, row_id, record in sorted(self._written, key=lambda entry: entry[0])]

    async def _round(self, tx: Tx, placed: Sequence[Placed], outcomes: dict[int, Outcome]) -> list[Placed]:
        """Updates the rows of the objects and adds the outcomes; returns the objects for the next round."""
        records = [record for record, _ in placed]
        documents = msgspec.json.encode(records).decode()
        batch = batch_of(
            self._context,
            self._noun,
            self._fields,
            records,
            documents,
            creating=False,
            can_opt_in=self._can_opt_in,
            accepted=[self._accepted.get(position) for _, position in placed],
        )
        rows = await self._table.update(tx, self._context.company.id, batch, skip_locked=self._skip_locked)
        if not rows:
            self._context.server.fields.forget(self._context.company.id)
            raise TryAgain
        again = {row.position for row in rows if row.found and not row.first} | self._maybe_free(rows, records)
        await self._check_merged_ids(tx, rows, records)
        in_conflict = await conflicts.outcomes(self._context, tx, [row for row in rows if row.position not in again])
        absent: list[Placed] = []
        for row in rows:
            if row.position in again:
                continue
            record, position = placed[row.position - 1]
            if self._is_absent(row):
                absent.append((record, position))
            else:
                outcomes[position] = in_conflict.get(row.position) or self._outcome(row)
            if row.changed and row.id is not None:
                self._note_written(position, row.id, record)
        if absent:
            outcomes.update(await self._absent(tx, absent))
        return [placed[position - 1] for position in again]

    def _is_absent(self, row: Updated) -> bool:
        """Returns whether the row does not exist, or was deleted while this call waited for its lock."""
        return not row.found or not (row.locked or self._skip_locked)

    async def _check_merged_ids(self, tx: Tx, rows: Sequence[Updated], records: Sequence[Any]) -> None:
        """Raises MergedIds if the id or a reference of an object is a merged id."""
        company_id = self._context.company.id
        unknown = ((records[row.position - 1], row.unknown) for row in rows)
        await merged_ids.check_references(tx, company_id, self._noun, unknown)
        if self._noun is LEAD:
            absent = (records[row.position - 1].id for row in rows if self._is_absent(row))
            await merged_ids.check_ids(tx, company_id, absent)

    def _note_written(self, position: int, row_id: int, record: Any) -> None:
        self.changed.add(row_id)
        self._written.append((position, row_id, record))
        self._unique_fields.written(row_id, record)

    async def _absent(self, _tx: Tx, placed: Sequence[Placed]) -> dict[int, Outcome]:
        """Returns the outcomes of objects whose row does not exist."""
        return {position: refused(self._missing) if self._missing else succeeded() for _, position in placed}

    def _split(self, placed: Sequence[Placed]) -> tuple[list[Placed], list[Placed]]:
        """Splits the objects into those that share no row and no key, and those that must wait for the next round.

        Keys move in the order sent: an object that may move a key waits if an earlier such object waits.
        """
        used_keys: set[object] = set()
        now: list[Placed] = []
        later: list[Placed] = []
        waiting = False
        for record, position in placed:
            row_keys = identities(self._noun, record)
            moves_key = len(row_keys) == 2
            if used_keys & row_keys or (moves_key and waiting):
                later.append((record, position))
                waiting = waiting or moves_key
            else:
                now.append((record, position))
            used_keys |= row_keys
        return now, later

    def _maybe_free(self, rows: Sequence[Updated], records: Sequence[Any]) -> set[int]:
        """Returns the objects whose key was taken before the round, and which an earlier object may have freed.

        They wait for the next round, so that leads can swap their addresses in one call.
        """
        moved = [
            row.position for row in rows if row.changed and key_of(self._noun.key_column, records[row.position - 1])
        ]
        first = min(moved, default=len(records))
        return {row.position for row in rows if row.taken and row.first and row.position > first}

    def _outcome(self, row: Updated) -> Outcome:
        if not row.locked:
            return refused(Unavailable())
        if row.unknown:
            return refused(_unknown_reference(self._noun, row.unknown))
        if row.taken:
            return refused(EntryExists())
        return self._success(row)

    def _success(self, row: Updated) -> Outcome:
        """Returns the outcome of an object whose row exists and now has, or already had, the values sent."""
        return succeeded() if row.changed else refused(NothingChanged())


class Upserts(Rounds):
    """The rounds of an upsert: creates missing rows, and counts a row that already has the values as a success."""

    _can_opt_in = False
    _keys_can_be_free = False
    """Whether objects of this call can have freed a key that was taken before."""

    async def run(self, tx: Tx, remaining: Sequence[Placed]) -> dict[int, Outcome]:
        """Returns the outcome of each object by its position in the call.

        Creates all new rows before it changes any row: keys are locked before rows, each in order, so that upserts do
        not deadlock. Objects whose key is taken, or may be taken by an earlier object, are written by the rounds.
        """
        if self._unique_fields.by:
            return await super().run(tx, remaining)
        turn = await self._unique_fields.next_turn(tx, remaining)
        waiting = {position for _, position in turn.waiting}
        promised: set[object] = set()
        new: list[Placed] = []
        for record, position in remaining:
            if position in turn.outcomes:
                continue
            key = key_of(self._noun.key_column, record)
            if record.id is msgspec.UNSET:
                is_free = key not in promised and position not in waiting and position not in self._accepted
                new += [(record, position)] if is_free else []
            elif key is not None:
                promised.add(key)
        outcomes = await self._create(tx, new)
        created = {position for position, _, _ in self._written}
        self._keys_can_be_free = bool(promised or waiting or outcomes.keys() - created)
        outcomes |= turn.outcomes
        return outcomes | await super().run(tx, [placed for placed in remaining if placed[1] not in outcomes])

    async def _round(self, tx: Tx, placed: Sequence[Placed], outcomes: dict[int, Outcome]) -> list[Placed]:
        """Creates the leads that do not exist, if leads are looked up by a unique field instead of the address."""
        if not self._unique_fields.by:
            return await super()._round(tx, placed, outcomes)
        existing = [(record, position) for record, position in placed if record.id is not msgspec.UNSET]
        new = [(record, position) for record, position in placed if record.id is msgspec.UNSET]
        gone = [position for _, position in new if position in self._accepted]
        outcomes.update(dict.fromkeys(gone, refused(NoSuchRecord())))
        new = [pair for pair in new if pair[1] not in self._accepted]
        keyed = self._noun.key_column
        keyless = [position for record, position in new if keyed and getattr(record, keyed.name) is msgspec.UNSET]
        outcomes.update(dict.fromkeys(keyless, refused(_without_key(self._noun))))
        outcomes.update(await self._create(tx, [pair for pair in new if pair[1] not in outcomes]))
        taken = [pair for pair in new if pair[1] not in outcomes]
        self._unique_fields.address_taken |= {position for _, position in taken}
        return taken + (await super()._round(tx, existing, outcomes) if existing else [])

    async def _absent(self, tx: Tx, placed: Sequence[Placed]) -> dict[int, Outcome]:
        """Returns 404 for an unknown id. A key freed by an earlier object of the same call can be used.

        Using it locks a key after rows. If only another call can have freed the key, raises TryAgain instead.
        """
        hidden = await self._hidden(tx, placed)
        placed = [pair for pair in placed if pair[1] not in hidden]
        if not placed:
            return hidden
        free = [pair for pair in placed if pair[0].id is msgspec.UNSET and pair[1] not in self._accepted]
        if self._unique_fields.by or (free and not self._keys_can_be_free):
            raise TryAgain
        not_found = refused(self._missing or NoSuchRecord())
        outcomes = {position: not_found for _, position in placed}
        for _, position in free:
            del outcomes[position]
        outcomes |= await self._create(tx, free)
        if len(outcomes) < len(placed):  # another call took a key in the meantime
            raise TryAgain
        return outcomes | hidden

    async def _hidden(self, tx: Tx, placed: Sequence[Placed]) -> dict[int, Outcome]:
        """Returns 301 for objects with the address, or the unique value, of a lead that the user may not see."""
        keys = {position: key_of(self._noun.key_column, record) for record, position in placed}
        if self._context.viewer is None or self._noun is not LEAD:
            return {}
        if self._unique_fields.by:  # their leads were found by the value, and could not be read
            return {position: refused(EntryExists()) for record, position in placed if record.id is not msgspec.UNSET}
        sent = sorted({key for key in keys.values() if key is not None})
        known = await hidden_leads.with_addresses(tx, self._context.company.id, sent)
        return {position: refused(EntryExists()) for position, key in keys.items() if key in known}

    async def _create(self, tx: Tx, placed: Sequence[Placed]) -> dict[int, Outcome]:
        """Creates rows and returns their outcomes, but none for objects whose key is taken."""
        if not placed:
            return {}
        records = [record for record, _ in placed]
        documents = msgspec.json.encode(records).decode()
        batch = batch_of(self._context, self._noun, self._fields, records, documents, creating=True)
        inserted = await _insert(self._context, tx, self._noun, batch)
        outcomes: dict[int, Outcome] = {}
        for row, (record, position) in zip(inserted, placed, strict=True):
            if row.id is not None:
                outcomes[position] = upserted(row.id, created=True)
                self._note_written(position, row.id, record)
            elif row.unknown:
                outcomes[position] = refused(_unknown_reference(self._noun, row.unknown))
        return outcomes

    def _success(self, row: Updated) -> Outcome:
        return upserted(row.id, created=False) if row.id is not None else refused(NoSuchRecord())
