"""Unique-field checks of a bulk write: checked before each round, verified after it."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import EntryExists
from springhead.model.kit.fields import Field, FieldSet
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context
from springhead.rpc.method import Outcome, refused
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.fields import unique_values
from springhead.store.fields.unique_values import ValueHolder, WantedValue

Placed = tuple[Any, int]
"""An object and its position in the call."""

VALUE_TAKEN = "Another lead has this value, and the field is unique"

WAITING_MAX = 50
"""The most objects that a later round checks: if each depends on the one before, a round can write only one."""


def key_of(keyed: Column | None, record: Any) -> str | None:
    """Returns the normalised text by which the object's row is found, or None if the object has no such text."""
    value = getattr(record, keyed.name) if keyed else UNSET
    return keyed.make_key(value) if keyed and keyed.make_key and isinstance(value, str) else None


def identities(noun: Noun, record: Any) -> set[object]:
    """Returns the id and the key of an object, either of which identifies its row."""
    pair = {getattr(record, "id", UNSET), key_of(noun.key_column, record)}
    return {identity for identity in pair if identity is not None and identity is not UNSET}


class Turn:
    """The objects of a call, split for the next round.

    `ready` are written now, `waiting` in a later round. `outcomes` has the refusals by position.
    """

    def __init__(self) -> None:
        self.ready: list[Placed] = []
        self.waiting: list[Placed] = []
        self.outcomes: dict[int, Outcome] = {}


class UniqueFields:
    """Checks the unique fields of one call. A call without values for them needs no query.

    The unique constraint of the database decides (store/fields/unique_values.py). The check before the write only finds
    out which values are taken. If another call takes a value after the check, the call is retried and gets 301.
    With `by`, leads are looked up by that field.
    """

    def __init__(self, context: Context, noun: Noun, fields: FieldSet, *, by: Field | None = None) -> None:
        self._context, self._noun, self._fields, self.by = context, noun, fields, by
        self._unique: Mapping[str, Field] = fields.unique_fields if noun is LEAD else {}
        self._written: set[int] = set()
        self.address_taken: set[int] = set()
        """Positions of objects without a lead whose creation failed, because their address is taken."""

    def has_values(self, records: Sequence[Any]) -> bool:
        """Returns whether any of the objects has a value for a unique field."""
        return any(getattr(record, name) is not UNSET for name in self._unique for record in records)

    def written(self, lead_id: int, record: Any) -> None:
        """Notes that the object was written to the lead, so that `verify` stores its unique values."""
        if self._unique and self.has_values([record]):
            self._written.add(lead_id)

    async def verify(self, tx: Tx) -> None:
        """Stores the unique values of the written leads. Raises TryAgain if another call took one of them first."""
        if self._written:
            conflicts = await unique_values.store_values(
                tx, self._context.company.id, self._fields, sorted(self._written)
            )
            self._written.clear()
            if conflicts:
                raise TryAgain

    async def next_turn(
        self, tx: Tx, remaining: Sequence[Placed], *, creating: bool = False, later_round: bool = False
    ) -> Turn:
        """Splits the objects into those that can be written now, those that depend on them, and refused ones (301).

        With `later_round`, all of them waited in an earlier round.
        """
        turn = Turn()
        if not self._unique:
            turn.ready = list(remaining)
            return turn
        await self.verify(tx)
        later: Sequence[Placed] = remaining[WAITING_MAX:] if later_round else ()
        remaining = remaining[: len(remaining) - len(later)]
        wanted = [value for placed in remaining for value in self._wanted_values(placed, creating=creating)]
        if not wanted:
            turn.ready, turn.waiting = list(remaining), list(later)
            return turn
        rows_by_position: dict[int, list[ValueHolder]] = {}
        for row in await unique_values.find_holders(tx, self._context.company.id, wanted):
            rows_by_position.setdefault(row.position, []).append(row)
        self._fill(turn, remaining, rows_by_position)
        turn.waiting += later
        return turn

    def _fill(
        self, turn: Turn, remaining: Sequence[Placed], rows_by_position: Mapping[int, Sequence[ValueHolder]]
    ) -> None:
        """Splits the objects into the lists of the turn, by the current holders of the values they want."""
        used, used_by_waiting = set[object](), set[object]()
        freed = set[tuple[int, int]]()  # values that earlier objects replace, by field and lead
        awaited = set[tuple[int, int | None]]()  # values that waiting objects want, by field and holder
        for record, position in remaining:
            rows = rows_by_position.get(position, [])
            lead_id = self._lead_of(record, rows)
            row_keys = identities(self._noun, record) | {(row.unique_id, row.key) for row in rows if row.key}
            taken = [row for row in rows if row.holder_id not in {None, lead_id}]
            becomes_free = any((row.unique_id, row.holder_id) in freed for row in taken)
            frees_too_early = any((row.unique_id, lead_id) in awaited for row in rows)
            if row_keys & (used if rows else used_by_waiting) or becomes_free or frees_too_early:
                turn.waiting.append((record, position))
                awaited |= {(row.unique_id, row.holder_id) for row in taken}
                used_by_waiting |= row_keys
            elif taken or (position in self.address_taken and lead_id is None):
                turn.outcomes[position] = refused(self._taken_error(taken))
                continue
            else:
                turn.ready.append((record, position))
            used |= row_keys
            freed |= {(row.unique_id, lead_id) for row in rows if lead_id is not None}

    def _wanted_values(self, placed: Placed, *, creating: bool) -> list[WantedValue]:
        record, position = placed
        values = [(field, getattr(record, name)) for name, field in self._unique.items()]
        if all(value is UNSET for _, value in values):
            return []
        lead_id = None if creating or record.id is UNSET else record.id
        key = None if creating or self.by or lead_id is not None else key_of(self._noun.key_column, record)
        return [
            WantedValue(position, lead_id, key, field.unique_id or 0, value or "")
            for field, value in values
            if value is not UNSET
        ]

    def _lead_of(self, record: Any, rows: Sequence[ValueHolder]) -> int | None:
        """Returns the id of the object's lead, or None. Sets the `id` of an object whose lead was found by a field."""
        if self.by and record.id is UNSET:
            lead_id = next((row.holder_id for row in rows if row.unique_id == self.by.unique_id), None)
            if lead_id is not None:
                record.id = lead_id
            return lead_id
        return next((row.lead_id for row in rows), None)

    def _taken_error(self, rows: Sequence[ValueHolder]) -> EntryExists:
        names = {field.unique_id: field for field in self._unique.values()}
        return EntryExists(*(names[row.unique_id].column.problem(VALUE_TAKEN) for row in rows))
