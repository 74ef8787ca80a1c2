"""The validation of the objects of a bulk write: all at once at C speed, and one by one only if one is wrong."""

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
from springhead.rpc import expected_values
from springhead.rpc.expected_values import Accepted
from springhead.rpc.method import Outcome, refused

PROBLEMS_MAX = 100
"""How many problems of an object its error names."""

ENTRIES_MAX = 2_000
"""How many problems, options and valid names the errors of a call have together. Further errors are shortened."""

_encode = msgspec.json.Encoder().encode


class CheckedObjects(msgspec.Struct):
    """The objects of a call after the check.

    `valid` are the objects that passed the check, and `positions` are their positions in the call. `refusals` are the
    errors of the other objects, by position. A field that was not sent is UNSET. `encoded` is the JSON of `valid`, if
    it is known. `accepted` has the values with which objects that were sent with `expected` are written, by position.
    """

    valid: list[Any]
    positions: list[int]
    refusals: dict[int, ApiError]
    encoded: bytes | None = None
    accepted: dict[int, Accepted] = msgspec.field(default_factory=dict[int, Accepted])

    def refuse(self, wrong: Mapping[int, ApiError]) -> None:
        """Refuses valid objects, given by their positions."""
        if not wrong:
            return
        remaining = [(record, position) for record, position in self.with_positions() if position not in wrong]
        self.refusals.update(wrong)
        self.encoded = None
        self.valid = [record for record, _ in remaining]
        self.positions = [position for _, position in remaining]

    def with_positions(self) -> list[tuple[Any, int]]:
        """Returns the valid objects with their positions in the call."""
        return list(zip(self.valid, self.positions, strict=True))

    def refused_outcomes(self) -> dict[int, Outcome]:
        """Returns the outcomes of the refused objects by position. Callers add the outcomes of the other objects."""
        return {position: refused(error) for position, error in self.refusals.items()}

    def to_json(self) -> str:
        """Returns the valid objects as a JSON array for the store."""
        return (self.encoded or _encode(self.valid)).decode()


class ObjectSchema:
    """The schema of a noun's objects in creates, or in updates."""

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
        self._cleaned = {column.name: column.kind.clean for column in columns if column.kind.clean}
        self._nullable = [column.name for column in noun.writable_columns if column.nullable]
        # Required fields come first, because a Struct takes no field without a default after a field with a default.
        ordered = sorted(columns, key=lambda column: column.name not in self._required)
        self.struct: type[Any] = msgspec.defstruct(
            noun.name,
            [self._field(column) for column in ordered],
            forbid_unknown_fields=True,
            omit_defaults=True,
            gc=False,  # its values cannot refer back to it
        )
        self._list_type: Any = list[self.struct]  # pyright: ignore - a type that is made at run time

    def _field(self, column: Column) -> Any:
        accepts = column.kind.accepts | None if column.nullable else column.kind.accepts
        if column.name in self._required:
            return (column.name, accepts)
        return (column.name, accepts | UnsetType, UNSET)

    def check(self, objects: Sequence[Json], *, with_expected: bool = False) -> CheckedObjects:
        """Separates valid objects from wrong ones. The error of a wrong object names each of its problems.

        With `with_expected`, objects can have the member `expected`.
        """
        records = [self._without_ignored(record) for record in objects]
        if not with_expected:
            return self._check(records)
        records, expected = expected_values.split(records)
        checked = self._check(records)
        wrong: dict[int, ApiError] = {}
        for record, position in checked.with_positions():
            if position in expected:
                accepted = expected_values.accepted(self._columns, expected[position], record)
                if isinstance(accepted, ApiError):
                    wrong[position] = accepted
                else:
                    checked.accepted[position] = accepted
        checked.refuse(wrong)
        return checked

    def _check(self, records: list[Json]) -> CheckedObjects:
        try:
            valid = msgspec.convert(records, self._list_type, strict=False)
        except msgspec.ValidationError:
            valid = None
        # Not inside the except: its error would be the context of the refusals, and keep the whole call in memory.
        if valid is None:
            return self._check_each(records)
        for record in valid:
            self._clean(record)
        encoded = _encode(valid)
        if b"\\u0000" in encoded:
            return self._check_each(records, exact=True)
        return CheckedObjects(valid, list(range(len(valid))), {}, encoded)

    def _clean(self, record: Any) -> None:
        for name, clean in self._cleaned.items():
            value = getattr(record, name)
            if isinstance(value, str):
                setattr(record, name, clean(value))

    def _without_ignored(self, record: Json) -> Json:
        if not isinstance(record, dict) or self._ignored.isdisjoint(record):
            return record if record != [] else {}  # PHP sends [] for an empty object
        return {name: value for name, value in record.items() if name not in self._ignored}

    def _check_each(self, records: Sequence[Json], *, exact: bool = False) -> CheckedObjects:
        checked = CheckedObjects([], [], {})
        entries_left = ENTRIES_MAX
        for position, record in enumerate(records):
            try:
                checked.valid.append(self._check_record(record, exact=exact))
                checked.positions.append(position)
            except WrongParameters as refusal:
                entries_left -= refusal.entry_count
                # The traceback would keep this frame, and so the whole call, in memory until a garbage collection.
                checked.refusals[position] = refusal.with_traceback(None) if entries_left >= 0 else refusal.shortened()
        return checked

    def _check_record(self, record: Json, *, exact: bool) -> Any:
        if not isinstance(record, dict):
            raise MalformedObject({"param": self._noun.name, "message": "Expected an object"})
        if not exact:
            try:
                valid = msgspec.convert(record, self.struct, strict=False)
                if b"\\u0000" not in _encode(valid):
                    self._clean(valid)
                    return valid
            except msgspec.ValidationError:
                pass
        values, problems, arrays = self._read_values(record)
        if arrays and not problems:
            raise UnexpectedArray(*arrays)
        if problems:
            unknown = any("validFormat" not in problem for problem in problems)
            known = {"validParams": list(self._columns)} if unknown else {}
            raise InvalidParameters(*problems, *arrays, **known)
        return self.struct(**values)

    def _read_values(self, record: Mapping[str, Json]) -> tuple[dict[str, Any], list[Problem], list[Problem]]:
        """Returns the values of an object, its problems, and the problems of lists in place of single values."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        arrays: list[Problem] = []
        for name, value in record.items():
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
        missing = sorted(self._required - record.keys())
        problems += [self._columns[name].problem("Required parameter is missing") for name in missing]
        return values, problems, arrays

    def custom_to_json(self, records: Sequence[Any]) -> str:
        """Returns the custom values of valid objects as a JSON array. Null unsets a field."""
        if not self._custom:
            return "[]"
        return _encode(
            [
                {name: value or None for name in self._custom if (value := getattr(record, name)) is not UNSET}
                for record in records
            ]
        ).decode()

    def null_bits(self, records: Sequence[Any]) -> list[int]:
        """Returns for each valid object a number with a bit for each nullable column that the object sets to null."""
        bits = [(name, 1 << bit) for bit, name in enumerate(self._nullable)]
        return [sum(bit for name, bit in bits if getattr(record, name) is None) for record in records]


def _takes_several(column: Column, value: Json) -> bool:
    """Whether the column takes this list or object."""
    if column.kind.sql == "jsonb":
        return isinstance(value, list if column.kind.type == "list" else dict)
    return isinstance(value, list) and column.kind.type == "checkbox"
