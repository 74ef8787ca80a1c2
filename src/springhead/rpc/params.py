"""The parameters that methods take: how each is read leniently from the wire, and described for the docs.

Lenient as clients need it (docs/wire/envelope.md#params): numbers as strings, an empty string or null for "not given",
`where` as [], {}, null or "", objects keyed by strings. What is wrong raises the wire's own error.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
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
"""Rows of a page: the default, and the most that getLeads gives (docs/wire/limits.md)."""

VALUES_MAX = 10_000
"""How many values a list in `where` can have."""

NAMES_MAX = 2_000
_NUMBER = re.compile(r"-?\d{1,30}", re.ASCII)


class Param:
    """What a parameter accepts. `read` gives the value for the method, or raises what the wire answers."""

    type: ClassVar[str] = "string"
    length: int | None = None
    about: str = ""

    def read(self, name: str, value: Json, *, required: bool) -> Any:
        """The parameter's value."""
        raise NotImplementedError

    def schema(self) -> dict[str, Json]:
        """The parameter as JSON Schema, for OpenRPC."""
        return {"type": self.type}

    def is_empty(self, value: Json) -> bool:
        """Whether the value counts as not given."""
        return value is None

    def missing_error(self, name: str) -> ApiError:
        """What the wire answers when a required parameter is absent."""
        return MissingParameters(self.problem(name, "Required parameter is missing", required=True))

    def problem(self, name: str, message: str, *, required: bool) -> Any:
        """An entry for `data.params`."""
        valid = {"type": self.type, "length": self.length, "required": required}
        return {"param": name, "message": message, "validFormat": valid}

    def scalar(self, name: str, value: Json, *, required: bool) -> str | int | bool:
        """The value when it is a single one; UnexpectedArray for a list or an object."""
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
        """The number; 205 when it is none or out of range."""
        number = whole_number(self.scalar(name, value, required=required))
        if number is None:
            raise InvalidParameters(self.problem(name, "Expected data of type integer", required=required))
        if not self._low <= number <= self._high:
            message = f"Expected an integer from {self._low} to {self._high}"
            raise InvalidParameters(self.problem(name, message, required=required))
        return number

    def problem(self, name: str, message: str, *, required: bool) -> Any:
        """As captured: the vendor calls the type `int` here (docs/wire/errors.md#error-object)."""
        return {
            "param": name,
            "message": message,
            "validFormat": {"type": "int", "length": self.length, "required": required},
        }

    def schema(self) -> dict[str, Json]:
        """A number or a numeric string."""
        return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]}


class LimitOrOffset(Integer):
    """A `limit` or `offset`: never negative; "" means the default; over `cap` it is cut, silently."""

    def __init__(self, about: str, *, cap: int | None = None) -> None:
        super().__init__(about, low=0)
        self._cap = cap

    def read(self, name: str, value: Json, *, required: bool) -> int:
        """The number, cut to the cap."""
        number = super().read(name, value, required=required)
        return number if self._cap is None else min(number, self._cap)

    def is_empty(self, value: Json) -> bool:
        """An empty text and null mean the default (docs/wire/envelope.md#params)."""
        return value is None or value == ""


class Moment(Param):
    """A timestamp `YYYY-MM-DD HH:MM:SS`, or a date alone: its first second, or its last one for an end."""

    type = "timestamp"
    length = 19

    def __init__(self, about: str, *, end: bool = False) -> None:
        self.about, self._end = about, end

    def read(self, name: str, value: Json, *, required: bool) -> datetime:
        """The naive time; the method knows the zone."""
        text = self.scalar(name, value, required=required)
        moment = times.parse(text, end_of_day=self._end) if isinstance(text, str) else None
        if moment is None:
            raise InvalidParameters(self.problem(name, f"Expected {times.FORMAT}", required=required))
        return moment

    def schema(self) -> dict[str, Json]:
        """A text of the wire's form, or a date alone."""
        return {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$"}


class OneOf(Param):
    """One of a few words; 217 for any other."""

    def __init__(self, about: str, *words: str) -> None:
        self.about, self._words = about, words

    def read(self, name: str, value: Json, *, required: bool) -> str:
        """The word."""
        word = self.scalar(name, value, required=required)
        if not isinstance(word, str) or word not in self._words:
            message = "Expected one of: " + ", ".join(self._words)
            raise WrongValue(self.problem(name, message, required=required))
        return word

    def schema(self) -> dict[str, Json]:
        """An enumeration."""
        return {"enum": list(self._words)}


class Names(Param):
    """A list of system names; [], "" and null mean all of them. The method knows which there are."""

    type = "list"

    def __init__(self, about: str) -> None:
        self.about = about

    def read(self, name: str, value: Json, *, required: bool) -> list[str]:
        """The names."""
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InvalidParameters(self.problem(name, "Expected a list of system names", required=required))
        if len(value) > NAMES_MAX:
            message = f"Expected at most {NAMES_MAX} names, got {len(value)}"
            raise InvalidParameters(self.problem(name, message, required=required))
        return [str(item) for item in value]

    def schema(self) -> dict[str, Json]:
        """A list of strings."""
        return {"type": "array", "items": {"type": "string"}, "maxItems": NAMES_MAX}

    def is_empty(self, value: Json) -> bool:
        """Nothing asked for is everything."""
        return value in (None, "", [], {})


class Where(Param):
    """A filter: equality with one value, or with any of a list, over a few columns of a noun.

    Unknown keys are refused with 205, for to ignore a filter is to return everything.
    """

    type = "hash"

    def __init__(self, noun: Noun, *keys: str, required: bool = True) -> None:
        self.noun, self.keys, self.required = noun, keys, required
        self.columns: Mapping[str, Column] = {key: noun.by_name[key] for key in keys}
        self.about = f"Which objects: any of {', '.join(keys)}; empty for all."

    def read(self, name: str, value: Json, *, required: bool) -> dict[str, Json]:
        """The filters by column, each value converted to the column's type."""
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
        """An object with the keys that can be filtered on; PHP writes an empty one as a list."""
        scalar: Json = {"type": ["string", "integer"]}
        either: Json = {"anyOf": [scalar, {"type": "array", "items": scalar, "maxItems": VALUES_MAX}]}
        return {
            "type": ["object", "array"],
            "properties": dict.fromkeys(self.keys, either),
            "additionalProperties": False,
            "maxItems": 0,
        }

    def is_empty(self, value: Json) -> bool:  # noqa: ARG002 - the base's signature
        """A `where` that is there and empty is given: it means all."""
        return False


class Objects(Param):
    """The list `objects` of a bulk call; what each must be is the method's business."""

    type = "list"

    def __init__(self, noun: Noun, about: str, *, creating: bool = True) -> None:
        self.noun, self.about, self.creating = noun, about, creating

    def read(self, name: str, value: Json, *, required: bool) -> list[Json]:
        """The elements in order; the keys of a hash of objects count for nothing (docs/wire/envelope.md#params)."""
        if isinstance(value, dict):
            return list(value.values())
        if not isinstance(value, list):
            raise MalformedObject(self.problem(name, "Expected a list of objects", required=required))
        return list(value)

    def check_count(self, objects: Sequence[Json], most: int) -> None:
        """209 when there are more objects than one call of the company may carry."""
        if len(objects) > most:
            message = f"Expected at most {most} objects, got {len(objects)}"
            raise TooManyObjects(self.problem("objects", message, required=True), limit=most)

    def missing_error(self, name: str) -> ApiError:
        """207, the wire's own code for this one."""
        return MissingObjects(self.problem(name, "Required parameter is missing", required=True))

    def is_empty(self, value: Json) -> bool:
        """Neither null nor "" is a list."""
        return value is None or value == ""

    def schema(self) -> dict[str, Json]:
        """A list of the noun's objects."""
        return {
            "type": "array",
            "items": {"$ref": f"#/components/schemas/{self.noun.name}"},
            "maxItems": PAGE,
        }


class FlatOrObjects(Objects):
    """One object whose columns stand in the params themselves, or a list `objects` of them.

    The wire: docs/wire/envelope.md#params.
    Without the list, parameters that are no column mean nothing, and what refuses the object refuses the call.
    """

    @staticmethod
    def has_single_object(params: Mapping[str, Json]) -> bool:
        """Whether the call is about one object without a list."""
        return params.get("objects") in (None, "")

    def documented_columns(self, *, deleting: bool) -> list[tuple[Column, bool]]:
        """The columns that the one object can have, and whether each must be there."""
        identity = self.noun.by_name.get("id")
        if self.creating or identity is None:
            return [(column, column.required) for column in self.noun.writable_columns]
        others = () if deleting else self.noun.writable_columns
        return [(identity, True), *((column, False) for column in others)]

    def single_object(self, params: Mapping[str, Json]) -> list[Json]:
        """The one object of a call without a list; a required column that is absent is 206."""
        one = {column.name: params[column.name] for column in self.noun.columns if column.name in params}
        absent = [column for column in self.noun.writable_columns if column.required and column.name not in one]
        if absent and self.creating:
            raise MissingParameters(*(column.problem("Required parameter is missing") for column in absent))
        return [one]


def whole_number(value: str | int | bool) -> int | None:
    """A whole number from a number or a numeric string; None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if _NUMBER.fullmatch(value) else None


def kind_schema(kind: Kind) -> dict[str, Json]:
    """The schema of a read value: a string or null (docs/wire/values.md#answers), but for our own lists and objects."""
    if kind.sql == "jsonb":
        return {"type": ["array" if kind.type == "list" else "object", "null"]}
    described: dict[str, Json] = {"type": ["string", "null"]}
    if kind.sql == "text" and kind.length:
        described["maxLength"] = kind.length
    if kind.options:
        described["enum"] = [*kind.options, None]
    return described


def noun_schema(noun: Noun) -> dict[str, Json]:
    """An object of the noun as it is read, as JSON Schema; custom fields come beside the columns."""
    properties: Mapping[str, Json] = {column.name: kind_schema(column.kind) for column in noun.columns}
    return {
        "type": "object",
        "description": noun.about,
        "properties": properties,
        "additionalProperties": {"type": ["string", "null"]},
    }


class DeclaredParam(msgspec.Struct, frozen=True):
    """A parameter as a method declares it.

    `argument` is its name in the function, `name` on the wire.
    """

    argument: str
    name: str
    accepts: Param
    required: bool
    default: Any = None

    def value_from(self, params: Mapping[str, Json]) -> Any:
        """The parameter's value out of the call's params."""
        if isinstance(self.accepts, FlatOrObjects) and self.accepts.has_single_object(params):
            return self.accepts.single_object(params)
        value = params.get(self.name)
        if (self.name not in params or self.accepts.is_empty(value)) and self.required:
            raise self.accepts.missing_error(self.name)
        if self.name not in params or self.accepts.is_empty(value):
            return self.default
        return self.accepts.read(self.name, value, required=self.required)
