"""The objects of a bulk write: checked at C speed, and one by one only where something is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import (
    ApiError,
    InvalidParameters,
    Json,
    MalformedObject,
    Problem,
    UnexpectedArray,
    WrongParameters,
)
from springhead.rpc.method import Outcome, refused

PROBLEMS_MAX = 100
"""How many problems of one object are named."""

ENTRIES_MAX = 2_000
"""Problems, options and valid names that the refusals of one call hold; beyond, each is cut to a sentence."""

_encode = msgspec.json.Encoder().encode


class CheckedObjects(msgspec.Struct):
    """The objects of one call after the check.

    `valid` are the objects that passed the check, and `positions` their positions in the call. `refusals` are the
    errors of the other objects, by position. A field that was not sent is UNSET.
    """

    valid: list[Any]
    positions: list[int]
    refusals: dict[int, ApiError]
    encoded: bytes | None = None

    def refuse(self, wrong: Mapping[int, ApiError]) -> None:
        """Move objects, by position, to the refused ones."""
        if not wrong:
            return
        self.refusals.update(wrong)
        self.encoded = None
        kept = [(one, at) for one, at in zip(self.valid, self.positions, strict=True) if at not in wrong]
        self.valid = [one for one, _ in kept]
        self.positions = [at for _, at in kept]

    def with_positions(self) -> list[tuple[Any, int]]:
        """The right objects with their positions in the call."""
        return list(zip(self.valid, self.positions, strict=True))

    def refused_outcomes(self) -> dict[int, Outcome]:
        """The outcomes of the refused objects, by their positions: what the others' outcomes are added to."""
        return {at: refused(error) for at, error in self.refusals.items()}

    def to_json(self) -> str:
        """The right objects as one JSON array, as the store takes them."""
        return (self.encoded or _encode(self.valid)).decode()


class ObjectSchema:
    """What an object of a noun must be when it is created, or when it is changed."""

    def __init__(self, noun: Noun, custom: Sequence[Column] = (), *, creating: bool) -> None:
        self._noun = noun
        self._custom = tuple(column.name for column in custom)
        columns = [*noun.writable_columns, *custom]
        self._ignored = noun.ignored_names
        if not creating:
            columns.insert(0, noun.by_name["id"])
            self._ignored -= {"id"}
        self._columns = {column.name: column for column in columns}
        self._required = {column.name for column in columns if column.required} if creating else set[str]()
        self._nullable = [column.name for column in noun.writable_columns if column.nullable]
        # Required fields stand first: a Struct takes no field without a default after one with it.
        ordered = sorted(columns, key=lambda column: column.name not in self._required)
        self.struct: type[Any] = msgspec.defstruct(
            noun.name,
            [self._field(column) for column in ordered],
            forbid_unknown_fields=True,
            omit_defaults=True,
            gc=False,  # it holds nothing that could hold it
        )
        self._many: Any = list[self.struct]  # pyright: ignore - a type that is made at run time

    def _field(self, column: Column) -> Any:
        accepts = column.kind.accepts | None if column.nullable else column.kind.accepts
        if column.name in self._required:
            return (column.name, accepts)
        return (column.name, accepts | UnsetType, UNSET)

    def check(self, objects: Sequence[Json]) -> CheckedObjects:
        """Part the right objects from the wrong ones; every problem of a wrong one is named."""
        clean = [self._without_ignored(one) for one in objects]
        try:
            good = msgspec.convert(clean, self._many, strict=False)
        except msgspec.ValidationError:
            good = None
        if good is None:  # beside the except: the refusals would hold it as their context, and so the whole call
            return self._check_each(clean)
        encoded = _encode(good)
        if b"\\u0000" in encoded:
            return self._check_each(clean, exact=True)
        return CheckedObjects(good, list(range(len(good))), {}, encoded)

    def _without_ignored(self, one: Json) -> Json:
        if not isinstance(one, dict) or self._ignored.isdisjoint(one):
            return one if one != [] else {}  # an empty array of PHP
        return {name: value for name, value in one.items() if name not in self._ignored}

    def _check_each(self, objects: Sequence[Json], *, exact: bool = False) -> CheckedObjects:
        checked = CheckedObjects([], [], {})
        room = ENTRIES_MAX
        for position, one in enumerate(objects):
            try:
                checked.valid.append(self._check_one(one, exact=exact))
                checked.positions.append(position)
            except WrongParameters as refusal:
                room -= refusal.entry_count
                # Without its traceback, which would hold this frame, and so the whole call, until a collection.
                checked.refusals[position] = refusal.with_traceback(None) if room >= 0 else refusal.shortened()
        return checked

    def _check_one(self, one: Json, *, exact: bool) -> Any:
        if not isinstance(one, dict):
            raise MalformedObject({"param": self._noun.name, "message": "Expected an object"})
        if not exact:
            try:
                good = msgspec.convert(one, self.struct, strict=False)
                if b"\\u0000" not in _encode(good):
                    return good
            except msgspec.ValidationError:
                pass
        values, problems, arrays = self._read_values(one)
        if arrays and not problems:
            raise UnexpectedArray(*arrays)
        if problems:
            unknown = any("validFormat" not in problem for problem in problems)
            known = {"validParams": list(self._columns)} if unknown else {}
            raise InvalidParameters(*problems, *arrays, **known)
        return self.struct(**values)

    def _read_values(self, one: Mapping[str, Json]) -> tuple[dict[str, Any], list[Problem], list[Problem]]:
        """The values of an object, what is wrong with it, and where a list stands for a single value."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        arrays: list[Problem] = []
        for name, value in one.items():
            if len(problems) + len(arrays) >= PROBLEMS_MAX:
                break
            column = self._columns.get(name)
            if column is None:
                problems.append({"param": name[:255], "message": "Unknown parameter"})
            elif isinstance(value, (list, dict)) and not _takes_several(column, value):
                arrays.append(column.problem("Expected a single value"))
            elif value is None and column.nullable:
                values[name] = None
            else:
                try:
                    values[name] = column.kind.read(value)
                except ValueError as wrong:
                    problems.append(column.problem(str(wrong)))
        absent = sorted(self._required - one.keys())
        problems += [self._columns[name].problem("Required parameter is missing") for name in absent]
        return values, problems, arrays

    def custom_to_json(self, good: Sequence[Any]) -> str:
        """The custom fields of the objects as a JSON array; null where one is to be unset."""
        if not self._custom:
            return "[]"
        return _encode(
            [
                {name: value or None for name in self._custom if (value := getattr(one, name)) is not UNSET}
                for one in good
            ]
        ).decode()

    def null_bits(self, good: Sequence[Any]) -> list[int]:
        """For each object, a bit for each nullable column that is to become null."""
        bits = [(name, 1 << bit) for bit, name in enumerate(self._nullable)]
        return [sum(bit for name, bit in bits if getattr(one, name) is None) for one in good]


def _takes_several(column: Column, value: Json) -> bool:
    """Whether the value is a list or an object and the column one that takes it."""
    if column.kind.sql == "jsonb":
        return isinstance(value, list if column.kind.type == "list" else dict)
    return isinstance(value, list) and column.kind.type == "checkbox"
