"""The parameters that say by keys and ids what a read is about, where a filter over columns (Where) does not fit."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from springhead.model.kit.columns import ID_MAX, Column, Noun
from springhead.model.kit.errors import InvalidParameters, Json, MissingParameters, UnexpectedArray, WrongParameters
from springhead.rpc.params import Param, Where, whole_number


class WhereKeys(Where):
    """What a read is about: single values under keys that need not be columns of what is read.

    Without any of the keys `needed` it is 206.
    """

    def __init__(self, noun: Noun, *columns: Column, needed: Sequence[str]) -> None:
        super().__init__(noun)
        self.columns = {column.name: column for column in columns}
        self.keys, self._needed = tuple(self.columns), needed
        self.about = f"Which objects: {' or '.join(needed)} must be given."

    def read(self, name: str, value: Json, *, required: bool) -> dict[str, Json]:
        """The values by key."""
        found = super().read(name, value, required=required)
        if not set(found) & set(self._needed):
            raise MissingParameters(
                *(self.columns[key].problem("Required parameter is missing") for key in self._needed)
            )
        return found

    def _filter(self, column: Column, value: Json) -> Json:
        if isinstance(value, list):
            raise UnexpectedArray(column.problem("Expected a single value"))
        return super()._filter(column, value)

    def schema(self) -> dict[str, Json]:
        """An object with these keys."""
        scalar: Json = {"type": ["string", "integer"]}
        return {"type": "object", "properties": dict.fromkeys(self.keys, scalar), "additionalProperties": False}


class Text(Param):
    """A text of any characters but NUL."""

    def __init__(self, about: str, *, length: int = 255) -> None:
        self.about, self.length = about, length

    def read(self, name: str, value: Json, *, required: bool) -> str:
        """The text; 205 when it is none, or too long."""
        found = self.scalar(name, value, required=required)
        if not isinstance(found, str):
            raise InvalidParameters(self.problem(name, "Expected data of type string", required=required))
        if self.length is not None and len(found) > self.length:
            message = f"Expected at most {self.length} characters, got {len(found)}"
            raise InvalidParameters(self.problem(name, message, required=required))
        return found


class Hash(Param):
    """A hash whose keys are the method's business; [], {}, "" and null are none."""

    type = "hash"

    def __init__(self, about: str) -> None:
        self.about = about

    def read(self, name: str, value: Json, *, required: bool) -> Mapping[str, Json]:
        """The hash; 205 for anything else."""
        if not isinstance(value, dict):
            raise InvalidParameters(self.problem(name, "Expected a hash", required=required))
        return cast("dict[str, Json]", value)

    def schema(self) -> dict[str, Json]:
        """An object; PHP writes an empty one as a list."""
        return {"type": ["object", "array"], "maxItems": 0}

    def is_empty(self, value: Json) -> bool:
        """Nothing asked for."""
        return value in (None, "", [], {})


class Sort(Param):
    """By which fields to sort: a name, or up to `most` names or `{field, direction}`; read as (name, descending)."""

    type = "list"

    def __init__(self, about: str, *, most: int) -> None:
        self.about, self._most = about, most

    def read(self, name: str, value: Json, *, required: bool) -> list[tuple[str, bool]]:
        """The fields in their order; 205 for what is none of these forms, or twice the same field."""
        given = cast("list[Json]", value) if isinstance(value, list) else [value]
        if len(given) > self._most:
            raise InvalidParameters(self.problem(name, f"Expected at most {self._most} fields", required=required))
        found: list[tuple[str, bool]] = []
        for place, one in enumerate(given):
            entry = cast("dict[str, Json]", one) if isinstance(one, dict) else {"field": one}
            field, direction = entry.get("field"), entry.get("direction", "asc")
            if not isinstance(field, str) or direction not in ("asc", "desc") or set(entry) - {"field", "direction"}:
                message = 'Expected a field, or {"field": its name, "direction": "asc" or "desc"}'
                raise InvalidParameters(self.problem(f"{name}[{place}]", message, required=required))
            if field in {other for other, _ in found}:
                message = "Expected each field once"
                raise InvalidParameters(self.problem(f"{name}[{place}]", message, required=required))
            found.append((field, direction == "desc"))
        return found

    def schema(self) -> dict[str, Json]:
        """A name, or a list of names and of objects."""
        field: Json = {
            "type": "object",
            "required": ["field"],
            "properties": {"field": {"type": "string"}, "direction": {"enum": ["asc", "desc"]}},
            "additionalProperties": False,
        }
        one: Json = {"anyOf": [{"type": "string"}, field]}
        return {"anyOf": [{"type": "string"}, field, {"type": "array", "items": one, "maxItems": self._most}]}

    def is_empty(self, value: Json) -> bool:
        """By nothing but the id."""
        return value in (None, "", [], {})


Excess: TypeAlias = type[WrongParameters]
"""The error that too many ids are."""


class Ids(Param):
    """A list of ids, as JSON numbers or numeric strings; more than `most` are the error that the method names."""

    type = "list"

    def __init__(self, about: str, *, most: int, excess: Excess) -> None:
        self.about, self._most, self._excess = about, most, excess

    def read(self, name: str, value: Json, *, required: bool) -> list[int]:
        """The ids in the order sent; what is no 64-bit number is 205."""
        if not isinstance(value, list):
            raise InvalidParameters(self.problem(name, "Expected a list of ids", required=required))
        if len(value) > self._most:
            message = f"Expected at most {self._most} ids, got {len(value)}"
            raise self._excess(self.problem(name, message, required=required))
        if any(isinstance(item, (list, dict)) for item in value):
            raise UnexpectedArray(self.problem(name, "Expected a list of single values", required=required))
        ids = [whole_number(item) if isinstance(item, (str, int)) else None for item in value]
        found = [one for one in ids if one is not None and -ID_MAX - 1 <= one <= ID_MAX]
        if len(found) < len(ids):
            raise InvalidParameters(self.problem(name, "Expected data of type integer", required=required))
        return found

    def schema(self) -> dict[str, Json]:
        """A list of numbers or numeric strings."""
        one: Json = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}
        return {"type": "array", "items": one, "maxItems": self._most}


class TooManyIds(InvalidParameters):
    """More ids than one call takes."""


class OneOrMoreIds(Ids):
    """One id, or a list of them."""

    def read(self, name: str, value: Json, *, required: bool) -> list[int]:
        """The ids, each once, in the order sent."""
        several = value if isinstance(value, (list, dict)) else [value]
        return list(dict.fromkeys(super().read(name, several, required=required)))

    def schema(self) -> dict[str, Json]:
        """An id or a list."""
        several = super().schema()
        return {"anyOf": [cast("dict[str, Json]", several["items"]), several]}
