"""What the objects of a call want of unique fields: looked at before each round, made sure of behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import EntryExists
from springhead.model.kit.fields import Field, FieldSet
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context
from springhead.rpc.method import Done, refused
from springhead.store.database.pool import TryAgain, Tx
from springhead.store.fields import unique_values
from springhead.store.fields.unique_values import Found, Wish

Pair = tuple[Any, int]
"""An object and its position in the call."""


def key_of(keyed: Column | None, one: Any) -> str | None:
    """The normalised text by which an object is found, when it carries one."""
    value = getattr(one, keyed.name) if keyed else UNSET
    return keyed.normalise(value) if keyed and keyed.normalise and isinstance(value, str) else None


def marks(noun: Noun, one: Any) -> set[object]:
    """What tells which row an object means, or will: its id and its key."""
    found = {getattr(one, "id", UNSET), key_of(noun.keyed, one)}
    return {mark for mark in found if mark is not None and mark is not UNSET}


TAKEN_VALUE = "Another lead has this value, and the field is unique"

LATER = 50
"""How many of the objects that had to wait are looked at in a round: where each depends on the one before, one goes."""


class Sifted:
    """What becomes of the objects of a call for now: some go on, some wait for a round, some are refused."""

    def __init__(self) -> None:
        self.go: list[Pair] = []
        self.wait: list[Pair] = []
        self.outcomes: dict[int, Done] = {}


class Claims:
    """The unique fields of one call. Objects that carry none of them are let through, and cost nothing.

    The database decides (store/fields/unique_values.py). The look before the write tells each object which of
    its values is taken. If another call takes a value after that look, the call starts again and finds it.
    With `by` leads are found by that field.
    """

    def __init__(self, context: Context, noun: Noun, fields: FieldSet, *, by: Field | None = None) -> None:
        self._context, self._noun, self._fields, self.by = context, noun, fields, by
        self._unique: Mapping[str, Field] = fields.unique if noun is LEAD else {}
        self._written: set[int] = set()
        self.tried: set[int] = set()
        """Positions of objects that no lead was found for, and none made: their address is taken."""

    def concern(self, objects: Sequence[Any]) -> bool:
        """Whether any of the objects carries a unique field."""
        return any(getattr(one, name) is not UNSET for name in self._unique for one in objects)

    def wrote(self, lead_id: int, one: Any) -> None:
        """Remember that this object was written to this lead."""
        if self._unique and self.concern([one]):
            self._written.add(lead_id)

    async def settle(self, tx: Tx) -> None:
        """Let the values follow what was written since; TryAgain when somebody else was faster."""
        if self._written:
            conflicts = await unique_values.follow(tx, self._context.company.id, self._fields, sorted(self._written))
            self._written.clear()
            if conflicts:
                raise TryAgain

    async def sift(self, tx: Tx, left: Sequence[Pair], *, creating: bool = False, again: bool = False) -> Sifted:
        """Part the objects whose turn it is from those that depend on earlier ones, and refuse what is taken (301).

        `again` says that all of them had to wait in an earlier round.
        """
        sifted = Sifted()
        if not self._unique:
            sifted.go = list(left)
            return sifted
        await self.settle(tx)
        rest: Sequence[Pair] = left[LATER:] if again else ()
        left = left[: len(left) - len(rest)]
        wishes = [wish for pair in left for wish in self._wishes(pair, creating=creating)]
        if not wishes:
            sifted.go, sifted.wait = list(left), list(rest)
            return sifted
        found: dict[int, list[Found]] = {}
        for row in await unique_values.look(tx, self._context.company.id, wishes):
            found.setdefault(row.position, []).append(row)
        earlier, waiting = set[object](), set[object]()
        giving = set[tuple[int, int]]()
        awaited = set[tuple[int, int | None]]()  # values that waiting objects ask for, by field and holder
        for one, at in left:
            rows = found.get(at, [])
            target = self._target(one, rows)
            mine = marks(self._noun, one) | {(row.unique_id, row.key) for row in rows if row.key}
            taken = [row for row in rows if row.holder_id not in {None, target}]
            freed = any((row.unique_id, row.holder_id) in giving for row in taken)
            gives_early = any((row.unique_id, target) in awaited for row in rows)
            if mine & (earlier if rows else waiting) or freed or gives_early:
                sifted.wait.append((one, at))
                waiting |= mine
                awaited |= {(row.unique_id, row.holder_id) for row in taken}
            elif taken or (at in self.tried and target is None):
                sifted.outcomes[at] = refused(self._taken(taken))
                continue
            else:
                sifted.go.append((one, at))
            earlier |= mine
            giving |= {(row.unique_id, target) for row in rows if target is not None}
        sifted.wait += rest
        return sifted

    def _wishes(self, pair: Pair, *, creating: bool) -> list[Wish]:
        one, at = pair
        values = [(field, getattr(one, name)) for name, field in self._unique.items()]
        if all(value is UNSET for _, value in values):
            return []
        lead_id = None if creating or one.id is UNSET else one.id
        key = None if creating or self.by or lead_id is not None else key_of(self._noun.keyed, one)
        return [
            Wish(at, lead_id, key, field.unique_id or 0, value or "") for field, value in values if value is not UNSET
        ]

    def _target(self, one: Any, rows: Sequence[Found]) -> int | None:
        """The lead that the object means, as far as it is known; one that is found by a field gets its id."""
        if self.by and one.id is UNSET:
            found = next((row.holder_id for row in rows if row.unique_id == self.by.unique_id), None)
            if found is not None:
                one.id = found
            return found
        return next((row.lead_id for row in rows), None)

    def _taken(self, rows: Sequence[Found]) -> EntryExists:
        names = {field.unique_id: field for field in self._unique.values()}
        return EntryExists(*(names[row.unique_id].column.problem(TAKEN_VALUE) for row in rows))
