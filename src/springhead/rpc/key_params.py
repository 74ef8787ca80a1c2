"""Parameters of reads: keys, ids, texts and sort orders. Filters by columns (Where) are in `params.py`."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from springhead.model.kit.columns import ID_MAX, Column, Noun
from springhead.model.kit.errors import InvalidParameters, Json, MissingParameters, UnexpectedArray, WrongParameters
from springhead.rpc.params import Param, Where, whole_number


class WhereKeys(Where):
    """A filter with single values. Its keys need not be columns of the noun that is read.

    At least one of the keys in `needed` must be sent; otherwise the call is refused with 206.
    """

    def __init__(self, noun: Noun, *columns: Column, needed: Sequence[str]) -> None:
        super().__init__(noun)
        self.columns = {column.name: column for column in columns}
        self.keys, self._needed = tuple(self.columns), needed
        self.about = f"A filter. It must have {' or '.join(needed)}."

    def read(self, name: str, value: Json, *, required: bool) -> dict[str, Json]:
        """Returns the values by key."""
        values = super().read(name, value, required=required)
        if not set(values) & set(self._needed):
            raise MissingParameters(
                *(self.columns[key].problem("Required parameter is missing") for key in self._needed)
            )
        return values

    def _filter(self, column: Column, value: Json) -> Json:
        if isinstance(value, list):
            raise UnexpectedArray(column.problem("Expected a single value"))
        return super()._filter(column, value)

    def schema(self) -> dict[str, Json]:
        """Returns the schema of an object with these keys."""
        scalar: Json = {"type": ["string", "integer"]}
        return {"type": "object", "properties": dict.fromkeys(self.keys, scalar), "additionalProperties": False}


class Text(Param):
    """A text of any characters except NUL."""

    def __init__(self, about: str, *, length: int = 255) -> None:
        self.about, self.length = about, length

    def read(self, name: str, value: Json, *, required: bool) -> str:
        """Returns the text. Raises InvalidParameters (205) if it is no text or too long."""
        text = self.scalar(name, value, required=required)
        if not isinstance(text, str):
            raise InvalidParameters(self.problem(name, "Expected data of type string", required=required))
        if self.length is not None and len(text) > self.length:
            message = f"Expected at most {self.length} characters, got {len(text)}"
            raise InvalidParameters(self.problem(name, message, required=required))
        return text


class Hash(Param):
    """A hash (JSON object) that the method itself checks. [], {}, "" and null count as not sent."""

    type = "hash"

    def __init__(self, about: str) -> None:
        self.about = about

    def read(self, name: str, value: Json, *, required: bool) -> Mapping[str, Json]:
        """Returns the hash. Raises InvalidParameters (205) for any other value."""
        if not isinstance(value, dict):
            raise InvalidParameters(self.problem(name, "Expected a hash", required=required))
        return cast("dict[str, Json]", value)

    def schema(self) -> dict[str, Json]:
        """Returns the schema of an object, or of an empty list, which PHP sends for an empty object."""
        return {"type": ["object", "array"], "maxItems": 0}

    def is_empty(self, value: Json) -> bool:
        """Whether the value counts as not sent."""
        return value in (None, "", [], {})


class Sort(Param):
    """A sort order: a field's name, or a list of up to `most` names or objects `{field, direction}`."""

    type = "list"

    def __init__(self, about: str, *, most: int) -> None:
        self.about, self._most = about, most

    def read(self, name: str, value: Json, *, required: bool) -> list[tuple[str, bool]]:
        """Returns pairs of (name, descending). Raises InvalidParameters (205) for other forms and repeated fields."""
        items = cast("list[Json]", value) if isinstance(value, list) else [value]
        if len(items) > self._most:
            raise InvalidParameters(self.problem(name, f"Expected at most {self._most} fields", required=required))
        order: list[tuple[str, bool]] = []
        for position, item in enumerate(items):
            entry = cast("dict[str, Json]", item) if isinstance(item, dict) else {"field": item}
            field, direction = entry.get("field"), entry.get("direction", "asc")
            if not isinstance(field, str) or direction not in ("asc", "desc") or set(entry) - {"field", "direction"}:
                message = 'Expected a field, or {"field": its name, "direction": "asc" or "desc"}'
                raise InvalidParameters(self.problem(f"{name}[{position}]", message, required=required))
            if field in {earlier for earlier, _ in order}:
                message = "Expected each field once"
                raise InvalidParameters(self.problem(f"{name}[{position}]", message, required=required))
            order.append((field, direction == "desc"))
        return order

    def schema(self) -> dict[str, Json]:
        """Returns the schema of a name, an object, or a list of them."""
        field: Json = {
            "type": "object",
            "required": ["field"],
            "properties": {"field": {"type": "string"}, "direction": {"enum": ["asc", "desc"]}},
            "additionalProperties": False,
        }
        entry: Json = {"anyOf": [{"type": "string"}, field]}
        return {"anyOf": [{"type": "string"}, field, {"type": "array", "items": entry, "maxItems": self._most}]}

    def is_empty(self, value: Json) -> bool:
        """Whether the value counts as not sent: the order is then by id only."""
        return value in (None, "", [], {})


Excess: TypeAlias = type[WrongParameters]
"""The error for too many ids."""


class Ids(Param):
    """A list of ids, as JSON numbers or numeric strings. More than `most` ids are refused with the error `excess`."""

    type = "list"

    def __init__(self, about: str, *, most: int, excess: Excess) -> None:
        self.about, self._most, self._excess = about, most, excess

    def read(self, name: str, value: Json, *, required: bool) -> list[int]:
        """Returns the ids in the order sent. Raises InvalidParameters (205) unless all are 64-bit numbers."""
        if not isinstance(value, list):
            raise InvalidParameters(self.problem(name, "Expected a list of ids", required=required))
        if len(value) > self._most:
            message = f"Expected at most {self._most} ids, got {len(value)}"
            raise self._excess(self.problem(name, message, required=required))
        if any(isinstance(item, (list, dict)) for item in value):
            raise UnexpectedArray(self.problem(name, "Expected a list of single values", required=required))
        numbers = [whole_number(item) if isinstance(item, (str, int)) else None for item in value]
        ids = [number for number in numbers if number is not None and -ID_MAX - 1 <= number <= ID_MAX]
        if len(ids) < len(numbers):
            raise InvalidParameters(self.problem(name, "Expected data of type integer", required=required))
        return ids

    def schema(self) -> dict[str, Json]:
        """Returns the schema of a list of numbers or numeric strings."""
        number: Json = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}
        return {"type": "array", "items": number, "maxItems": self._most}


class TooManyIds(InvalidParameters):
    """The call names more ids than the method takes."""


class OneOrMoreIds(Ids):
    """An id, or a list of ids."""

    def read(self, name: str, value: Json, *, required: bool) -> list[int]:
        """Returns the ids in the order sent, each once."""
        several = value if isinstance(value, (list, dict)) else [value]
        return list(dict.fromkeys(super().read(name, several, required=required)))

    def schema(self) -> dict[str, Json]:
        """Returns the schema of an id or a list of ids."""
        several = super().schema()
        return {"anyOf": [cast("dict[str, Json]", several["items"]), several]}
