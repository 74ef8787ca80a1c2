"""The parameters of methods: how each is read from the wire, and how the docs describe it.

Parameters are read as leniently as clients need it (docs/wire/envelope.md#params): numbers can be strings, an empty
string or null means "not sent", `where` can be [], {}, null or "", and `objects` can be a hash. A wrong value raises
the wire's error.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from springhead.model.kit import times
from springhead.model.kit.columns import ID_MAX, Column, Kind, Noun
from springhead.model.kit.errors import (
    ApiError,
    InvalidParameters,
    Json,
    MalformedObject,
    MissingObjects,
    MissingParameters,
    Problem,
    TooManyObjects,
    UnexpectedArray,
    WrongValue,
)

PAGE = 500
"""The default number of rows of a page, and the largest one of getLeads (docs/wire/limits.md)."""

VALUES_MAX = 10_000
"""How many values a list in `where` can have."""

NAMES_MAX = 2_000
_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")


class Param:
    """A parameter: the values that it accepts, and their description. `about` is its text in the docs."""

    type: ClassVar[str] = "string"
    length: int | None = None
    about: str = ""

    def read(self, name: str, value: Json, *, required: bool) -> Any:
        """Returns the value for the method. Raises the ApiError that refuses a wrong value."""
        raise NotImplementedError

    def schema(self) -> dict[str, Json]:
        """Returns the parameter's JSON Schema for OpenRPC."""
        return {"type": self.type}

    def is_empty(self, value: Json) -> bool:
        """Whether the value counts as not sent."""
        return value is None

    def missing_error(self, name: str) -> ApiError:
        """Returns the error for a required parameter that is missing."""
        return MissingParameters(self.problem(name, "Required parameter is missing", required=True))

    def problem(self, name: str, message: str, *, required: bool) -> Any:
        """Returns an entry of the error's `data.params`."""
        valid = {"type": self.type, "length": self.length, "required": required}
        return {"param": name, "message": message, "validFormat": valid}

    def scalar(self, name: str, value: Json, *, required: bool) -> str | int | bool:
        """Returns a single value. Raises UnexpectedArray (210) for a list or an object."""
        if isinstance(value, (list, dict)):
            raise UnexpectedArray(self.problem(name, "Expected a single value", required=required))
        if isinstance(value, str) and "\0" in value:
            raise InvalidParameters(self.problem(name, "The character NUL is not allowed", required=required))
        if isinstance(value, (str, int)):
            return value
        raise InvalidParameters(self.problem(name, f"Expected data of type {self.type}", required=required))


class Integer(Param):
    """A whole number, as a JSON number or a numeric string."""

    type = "integer"

    def __init__(self, about: str, *, low: int = -ID_MAX - 1, high: int = ID_MAX, length: int = 11) -> None:
        self.about, self.length, self._low, self._high = about, length, low, high

    def read(self, name: str, value: Json, *, required: bool) -> int:
        """Returns the number. Raises InvalidParameters (205) if it is no number or out of range."""
        number = whole_number(self.scalar(name, value, required=required))
        if number is None:
            raise InvalidParameters(self.problem(name, "Expected data of type integer", required=required))
        if not self._low <= number <= self._high:
            message = f"Expected an integer from {self._low} to {self._high}"
            raise InvalidParameters(self.problem(name, message, required=required))
        return number

    def problem(self, name: str, message: str, *, required: bool) -> Any:
        """Returns an entry of `data.params` as captured, with the type `int` (docs/wire/errors.md#error-object)."""
        return {
            "param": name,
            "message": message,
            "validFormat": {"type": "int", "length": self.length, "required": required},
        }

    def schema(self) -> dict[str, Json]:
        """Returns the schema of a number or a numeric string."""
        return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}


class LimitOrOffset(Integer):
    """A `limit` or `offset`: not negative. "" means the default. A number above `cap` is silently reduced to it."""

    def __init__(self, about: str, *, cap: int | None = None) -> None:
        super().__init__(about, low=0)
        self._cap = cap

    def read(self, name: str, value: Json, *, required: bool) -> int:
        """Returns the number, at most `cap`."""
        number = super().read(name, value, required=required)
        return number if self._cap is None else min(number, self._cap)

    def is_empty(self, value: Json) -> bool:
        """Whether the value is "" or null, which mean the default (docs/wire/envelope.md#params)."""
        return value is None or value == ""


class Moment(Param):
    """A timestamp `YYYY-MM-DD HH:MM:SS`, or a date alone, which means its first second, or its last with `end`."""

    type = "timestamp"
    length = 19

    def __init__(self, about: str, *, end: bool = False) -> None:
        self.about, self._end = about, end

    def read(self, name: str, value: Json, *, required: bool) -> datetime:
        """Returns the naive time. The method adds the zone of the call."""
        text = self.scalar(name, value, required=required)
        moment = times.parse(text, end_of_day=self._end) if isinstance(text, str) else None
        if moment is None:
            raise InvalidParameters(self.problem(name, f"Expected {times.FORMAT}", required=required))
        return moment

    def schema(self) -> dict[str, Json]:
        """Returns the schema of a text in the wire's format, or of a date alone."""
        return {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$"}


class OneOf(Param):
    """One of a few words. Other words are refused with 217."""

    def __init__(self, about: str, *words: str) -> None:
        self.about, self._words = about, words

    def read(self, name: str, value: Json, *, required: bool) -> str:
        """Returns the word. Raises WrongValue (217) for any other value."""
        word = self.scalar(name, value, required=required)
        if not isinstance(word, str) or word not in self._words:
            message = "Expected one of: " + ", ".join(self._words)
            raise WrongValue(self.problem(name, message, required=required))
        return word

    def schema(self) -> dict[str, Json]:
        """Returns the schema of an enumeration."""
        return {"enum": list(self._words)}


class Names(Param):
    """A list of system names. [], "" and null mean all names. The method itself checks the names."""

    type = "list"

    def __init__(self, about: str) -> None:
        self.about = about

    def read(self, name: str, value: Json, *, required: bool) -> list[str]:
        """Returns the names. Raises InvalidParameters (205) for other values and for too many names."""
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InvalidParameters(self.problem(name, "Expected a list of system names", required=required))
        if len(value) > NAMES_MAX:
            message = f"Expected at most {NAMES_MAX} names, got {len(value)}"
            raise InvalidParameters(self.problem(name, message, required=required))
        return [str(item) for item in value]

    def schema(self) -> dict[str, Json]:
        """Returns the schema of a list of strings."""
        return {"type": "array", "items": {"type": "string"}, "maxItems": NAMES_MAX}

    def is_empty(self, value: Json) -> bool:
        """Whether the value is empty, which means all names."""
        return value in (None, "", [], {})


def _either(words: Sequence[str]) -> str:
    """Returns the words of an enumeration: `id`, `id or name`, `id, name or label`."""
    return " or ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


class Where(Param):
    """A filter by a few columns of a noun. A column must be equal to a value, or to one of a list of values.

    Unknown keys are refused with 205, because a read that ignored them would return too many objects.
    """

    type = "hash"

    def __init__(self, noun: Noun, *keys: str, required: bool = True, about: str = "") -> None:
        self.noun, self.keys, self.required = noun, keys, required
        self.columns: Mapping[str, Column] = {key: noun.by_name[key] for key in keys}
        self.about = about or f"A filter by {_either(keys)}. An empty filter matches all objects."

    def read(self, name: str, value: Json, *, required: bool) -> dict[str, Json]:
        """Returns the values by column, each converted to the column's type."""
        if value in (None, "", [], {}):
            return {}
        if not isinstance(value, dict):
            raise InvalidParameters(self.problem(name, "Expected a hash of filters", required=required))
        unknown = [key for key in value if key not in self.keys]
        if unknown:
            message = f"Expected one of: {', '.join(self.keys)}"
            raise InvalidParameters(
                *(Problem(param=key[:255], message=f"Unknown filter. {message}") for key in unknown[:100]),
                validParams=list(self.keys),
            )
        return {key: self._filter(self.columns[key], item) for key, item in value.items()}

    def _filter(self, column: Column, value: Json) -> Json:
        if isinstance(value, list):
            if len(value) > VALUES_MAX:
                message = f"Expected at most {VALUES_MAX} values, got {len(value)}"
                raise InvalidParameters(column.problem(message))
            return [self._value(column, item) for item in value]
        if isinstance(value, dict):
            raise UnexpectedArray(column.problem("Expected a single value or a list of them"))
        return self._value(column, value)

    def _value(self, column: Column, value: Json) -> Json:
        if isinstance(value, (list, dict)):
            raise UnexpectedArray(column.problem("Expected a list of single values"))
        kind = column.kind
        if kind.sql in {"bigint", "smallint"}:
            number = whole_number(value) if isinstance(value, (str, int)) else None
            if number is None:
                raise InvalidParameters(column.problem("Expected data of type integer"))
            if not -ID_MAX - 1 <= number <= ID_MAX:
                raise InvalidParameters(column.problem("Expected an integer of 64 bits"))
            return number
        try:
            return kind.read(value)
        except ValueError as wrong:
            raise InvalidParameters(column.problem(str(wrong))) from None

    def schema(self) -> dict[str, Json]:
        """Returns the schema of an object with these keys, or of an empty list, which PHP sends for an empty object."""
        scalar: Json = {"type": ["string", "integer"]}
        either: Json = {"anyOf": [scalar, {"type": "array", "items": scalar, "maxItems": VALUES_MAX}]}
        return {
            "type": ["object", "array"],
            "properties": dict.fromkeys(self.keys, either),
            "additionalProperties": False,
            "maxItems": 0,
        }

    def is_empty(self, value: Json) -> bool:  # noqa: ARG002 - the base's signature
        """Whether the value counts as not sent. An empty `where` does not: it matches all objects."""
        return False


class Objects(Param):
    """The list `objects` of a bulk call. The method itself checks the objects."""

    type = "list"

    def __init__(self, noun: Noun, about: str, *, creating: bool = True) -> None:
        self.noun, self.about, self.creating = noun, about, creating

    def read(self, name: str, value: Json, *, required: bool) -> list[Json]:
        """Returns the objects in order. The keys of a hash of objects are ignored (docs/wire/envelope.md#params)."""
        if isinstance(value, dict):
            return list(value.values())
        if not isinstance(value, list):
            raise MalformedObject(self.problem(name, "Expected a list of objects", required=required))
        return list(value)

    def check_count(self, objects: Sequence[Json], most: int) -> None:
        """Raises TooManyObjects (209) if there are more objects than the company may send in one call."""
        if len(objects) > most:
            message = f"Expected at most {most} objects, got {len(objects)}"
            raise TooManyObjects(self.problem("objects", message, required=True), limit=most)

    def missing_error(self, name: str) -> ApiError:
        """Returns the error 207, which the wire has for this parameter."""
        return MissingObjects(self.problem(name, "Required parameter is missing", required=True))

    def is_empty(self, value: Json) -> bool:
        """Whether the value is null or "", which count as not sent."""
        return value is None or value == ""

    def schema(self) -> dict[str, Json]:
        """Returns the schema of a list of the noun's objects."""
        return {
            "type": "array",
            "items": {"$ref": f"#/components/schemas/{self.noun.name}"},
            "maxItems": PAGE,
        }


class FlatOrObjects(Objects):
    """An object whose columns are sent in the params themselves, or a list `objects` (docs/wire/envelope.md#params).

    Without the list, parameters that are not columns are ignored, and an error of the object refuses the call.
    """

    @staticmethod
    def has_single_object(params: Mapping[str, Json]) -> bool:
        """Whether the call sends an object without a list."""
        return params.get("objects") in (None, "")

    def documented_columns(self, *, deleting: bool) -> list[tuple[Column, bool]]:
        """Returns the columns that an object without a list can have, and whether each is required."""
        identity = self.noun.by_name.get("id")
        if self.creating or identity is None:
            return [(column, column.required) for column in self.noun.writable_columns]
        others = () if deleting else self.noun.writable_columns
        return [(identity, True), *((column, False) for column in others)]

    def single_object(self, params: Mapping[str, Json]) -> list[Json]:
        """Returns the object of a call without a list. Raises MissingParameters (206) without a required column."""
        record = {column.name: params[column.name] for column in self.noun.columns if column.name in params}
        missing = [column for column in self.noun.writable_columns if column.required and column.name not in record]
        if missing and self.creating:
            raise MissingParameters(*(column.problem("Required parameter is missing") for column in missing))
        return [record]


def whole_number(value: str | int | bool) -> int | None:
    """Returns the whole number of a number or a numeric string, or None for any other value.

    7.0 and 1e3 are whole numbers too, as in objects. They arrive as text, as every number with a point does.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    number = Decimal(value) if _NUMBER.fullmatch(value) else None
    return int(number) if number is not None and number == int(number) else None


def kind_schema(kind: Kind) -> dict[str, Json]:
    """Returns the schema of a value in an answer: a string or null (docs/wire/values.md#answers).

    Our own columns can also be lists or objects.
    """
    if kind.sql == "jsonb":
        return {"type": ["array" if kind.type == "list" else "object", "null"]}
    described: dict[str, Json] = {"type": ["string", "null"]}
    if kind.sql == "text" and kind.length:
        described["maxLength"] = kind.length
    if kind.options:
        described["enum"] = [*kind.options, None]
    return described


def noun_schema(noun: Noun) -> dict[str, Json]:
    """Returns the schema of a noun's objects in answers. Custom fields are further properties."""
    properties: Mapping[str, Json] = {column.name: kind_schema(column.kind) for column in noun.columns}
    return {
        "type": "object",
        "description": noun.about,
        "properties": properties,
        "additionalProperties": {"type": ["string", "null"]},
    }


class DeclaredParam(msgspec.Struct, frozen=True):
    """A parameter of a method. `argument` is its name in the function, and `name` is its name on the wire."""

    argument: str
    name: str
    accepts: Param
    required: bool
    default: Any = None

    def value_from(self, params: Mapping[str, Json]) -> Any:
        """Returns the parameter's value from the params of a call."""
        if isinstance(self.accepts, FlatOrObjects) and self.accepts.has_single_object(params):
            return self.accepts.single_object(params)
        value = params.get(self.name)
        if (self.name not in params or self.accepts.is_empty(value)) and self.required:
            raise self.accepts.missing_error(self.name)
        if self.name not in params or self.accepts.is_empty(value):
            return self.default
        return self.accepts.read(self.name, value, required=self.required)
