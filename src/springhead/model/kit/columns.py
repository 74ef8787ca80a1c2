"""The columns of nouns: their names on the wire and in SQL, their types, and whether callers can write them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from springhead.model.kit import times
from springhead.model.kit.errors import Json, Problem, UnknownReference
from springhead.model.kit.texts import clean_phone, composed

ID_MAX = 2**63 - 1
SMALL_MAX = 2**15 - 1

WHOLE_DIGITS, DECIMAL_DIGITS = 14, 10
"""How many digits a number can have before and after the decimal point."""

OPTIONS_SHOWN, OPTIONS_SHOWN_LENGTH = 50, 1_000
"""How many options the message of an error lists, and how many characters of them."""

# msgspec matches these at C speed. The days 29 to 31, which not every month has, take the slow, exact way.
_PLAIN_DATE = r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_PLAIN_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"


_NUMBER_LENGTH = 100
_DECIMAL = re.compile(r" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *")
"""The format of a number. Python itself would also accept NaN, underscores and the digits of other scripts."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a column's values.

    `accepts` is the type that msgspec converts a valid value to; numeric strings become numbers. `expected` is the
    message for an invalid value. `empty_allowed` says whether "" is valid too, if the kind has options. `whole_days`
    is True for times that can be a whole day. `clean` returns a valid text as it is stored.
    """

    type: str
    sql: str
    accepts: Any
    expected: str
    length: int | None = None
    options: tuple[str, ...] = ()
    empty_allowed: bool = True
    whole_days: bool = False
    clean: Callable[[str], str] | None = None

    def valid_format(self, *, required: bool) -> dict[str, Json]:
        """Returns the wire's `validFormat` (docs/wire/errors.md#error-object). `options` of a picklist are our own."""
        described: dict[str, Json] = {"type": self.type, "length": self.length, "required": required}
        return described | ({"options": list(self.options)} if self.options else {})

    def read(self, value: Any) -> Any:
        """Returns the value as it is stored. Raises ValueError with the message for the caller."""
        value = self._checked(value)
        return self.clean(value) if self.clean else value

    def _checked(self, value: Any) -> Any:
        if not (isinstance(value, str) and "\0" in value):  # PostgreSQL cannot store NUL
            with suppress(msgspec.ValidationError):
                return msgspec.convert(value, self.accepts, strict=False)
        return self._read_exactly(value)

    def _read_exactly(self, value: Any) -> Any:
        """Reads a value that `accepts` does not take: it is wrong, or right in an unusual form."""
        if self.sql == "text" and isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**30 else value
        if self.sql == "numeric" and isinstance(value, str):
            return self._number(value)
        if self.sql == "timestamptz" and isinstance(value, str) and (time := times.parse(value)) is not None:
            return time.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")
        if self.type in {"tinyint", "boolean", "bit"} and (number := _zero_or_one(value)) is not None:
            return bool(number) if self.type == "tinyint" else str(number)
        if self.type == "checkbox" and isinstance(value, list):
            value = _joined(cast("list[object]", value))
        if not isinstance(value, str):
            raise ValueError(self.expected)  # noqa: TRY004 - the caller's value is wrong, not our types
        return self._text(value)

    def _number(self, value: str) -> str:
        if len(value) > _NUMBER_LENGTH or not _DECIMAL.fullmatch(value):
            raise ValueError(self.expected)
        try:
            number = Decimal(value.strip(" "))
        except InvalidOperation:  # an exponent of many digits
            raise ValueError(self.expected) from None
        _, digits, exponent = number.as_tuple()
        if len(digits) + int(exponent) > WHOLE_DIGITS or -int(exponent) > DECIMAL_DIGITS:
            raise ValueError(self.expected)
        return f"{number:f}"

    def _text(self, value: str) -> str:
        if self.sql != "text":
            raise ValueError(self.expected)
        if self.length is not None and len(value) > self.length:
            message = f"Expected at most {self.length} characters, got {len(value)}"
            raise ValueError(message)
        if "\0" in value:
            message = "The character NUL (\\u0000) cannot be stored"
            raise ValueError(message)
        options = {composed(option) for option in self.options}
        is_valid = {
            "date": lambda: not value or (len(value) == 10 and times.parse(value) is not None),
            "datetime": lambda: not value or (len(value) == 19 and times.parse(value) is not None),
            "url": lambda: re.fullmatch(_URL, value) is not None,
            "boolean": lambda: value in {"", "0", "1"},
            "bit": lambda: value in {"", "0", "1"},
            "checkbox": lambda: (
                not self.options or set(composed(value).split(",")) <= {"", *map(composed, self.options)}
            ),
        }.get(self.type, lambda: not options or composed(value) in options or (self.empty_allowed and not value))
        if not is_valid():
            raise ValueError(self.expected)
        return value


def _zero_or_one(value: object) -> int | None:
    """Returns the value of a flag, which may be written as 1.0, or None for any other value."""
    with suppress(msgspec.ValidationError):
        number = int(value) if isinstance(value, bool) else msgspec.convert(value, int, strict=False)
        return number if number in {0, 1} else None
    return None


def _joined(items: list[object]) -> str | None:
    """Returns the items of a list separated by commas, or None unless all are texts and whole numbers."""
    return ",".join(str(item) for item in items) if {type(item) for item in items} <= {str, int} else None


_URL = r"(?:(?ai:https?|ftp)://)?[^\s:/?#@]+(?::[0-9]{1,5})?(?:[/?#]\S*)?|"


def text(length: int, *, type: str = "varchar", clean: Callable[[str], str] | None = None) -> Kind:
    """A text of at most `length` characters (Unicode code points, not bytes)."""
    return Kind(
        type=type,
        sql="text",
        accepts=Annotated[str, Meta(max_length=length)],
        expected="Expected data of type string",
        length=length,
        clean=clean,
    )


def integer(length: int, sql: Literal["bigint", "smallint"], *, low: int = 0) -> Kind:
    """A whole number, as a JSON number or a numeric string."""
    high = ID_MAX if sql == "bigint" else SMALL_MAX
    return Kind(
        type={"bigint": "bigint", "smallint": "smallint"}[sql],
        sql=sql,
        accepts=Annotated[int, Meta(ge=low, le=high)],
        expected=f"Expected data of type integer, from {low} to {high}",
        length=length,
    )


def flag() -> Kind:
    """Yes or no: 1 or 0, "1" or "0", true or false. Answers have "1" or "0"."""
    return Kind(type="tinyint", sql="boolean", accepts=bool, expected="Expected 0 or 1", length=1)


def choice(values: Sequence[str]) -> Kind:
    """One of a few words."""
    return Kind(
        type="picklist",
        sql="text",
        accepts=Literal[tuple(values)],
        expected="Expected one of: " + ", ".join(values),
        options=tuple(values),
        empty_allowed=False,
    )


def number() -> Kind:
    """A number that can have decimals. It is stored exactly, never rounded."""
    pattern = f"^-?[0-9]{{1,{WHOLE_DIGITS}}}(?:\\.[0-9]{{1,{DECIMAL_DIGITS}}})?\\Z"
    limit = 10**WHOLE_DIGITS
    return Kind(
        type="double",
        sql="numeric",
        accepts=Annotated[int, Meta(gt=-limit, lt=limit)] | Annotated[str, Meta(pattern=pattern)],
        expected=f"Expected a number of at most {WHOLE_DIGITS} digits before the point and {DECIMAL_DIGITS} after it",
        length=18,
    )


def moment() -> Kind:
    """A point in time, `YYYY-MM-DD HH:MM:SS` in the zone of the call. A date alone means its first second."""
    return Kind(
        type="timestamp",
        sql="timestamptz",
        accepts=Annotated[str, Meta(pattern=f"^{_PLAIN_DATE} {_PLAIN_TIME}\\Z")],
        expected=f"Expected {times.FORMAT}",
    )


def day_or_moment() -> Kind:
    """A whole day, or a point in time like `moment`. 00:00:00 and a date alone mean the whole day.

    A whole day is the same day in every time zone, so it reads as 00:00:00 of this day at v1 and at v1.2.
    """
    return msgspec.structs.replace(moment(), whole_days=True)


def custom(data_type: str, length: int, options: Sequence[str]) -> Kind:
    """The type of a custom field with this dataType, dataLength and options (docs/wire/fields.md#datatype).

    A picklist, radio or checkbox field without options takes any text. The vendor's API knows no options, so its
    clients rely on that.
    """
    plain = text(length, type=data_type, clean=clean_phone if data_type == "phone" else None)
    listed = _listed(options)
    never = Literal["\0"]  # accepts no value, so that every value is read exactly
    accepts, expected = {
        "date": (Annotated[str, Meta(pattern=f"^(?:{_PLAIN_DATE})?\\Z")], "Expected a date, YYYY-MM-DD"),
        "datetime": (
            Annotated[str, Meta(pattern=f"^(?:{_PLAIN_DATE} {_PLAIN_TIME})?\\Z")],
            f"Expected {times.FORMAT}",
        ),
        "boolean": (Literal["", "0", "1"], "Expected 0 or 1"),
        "bit": (Literal["", "0", "1"], "Expected 0 or 1"),
        "url": (never, "Expected an address such as https://example.com/page"),
        "checkbox": (
            never if options else plain.accepts,
            f"Expected one or more of these, separated by commas: {listed}",
        ),
    }.get(data_type, (Literal["", *options] if options else plain.accepts, plain.expected))
    if options and data_type != "checkbox":
        expected = f"Expected one of: {listed}"
    return msgspec.structs.replace(plain, accepts=accepts, expected=expected, options=tuple(options))


def _listed(options: Sequence[str]) -> str:
    """Returns the options separated by commas, only the first ones if there are many."""
    listed = ", ".join(options)
    shown = ", ".join(options[:OPTIONS_SHOWN])[:OPTIONS_SHOWN_LENGTH]
    return shown if shown == listed else f"{shown} …"


@lru_cache(maxsize=1_000)
def snake_case(name: str) -> str:
    """Returns the SQL name for a name of the wire: `first_name` for `firstName`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a noun.

    `writable` is False for a column that a caller may send and the server ignores (`id`, `updateTimestamp` …).
    A `nullable` column takes null as "no value"; other columns refuse null (docs/wire/values.md#requests). `read` is
    SQL that reads use instead of the column itself. An `on_request` column is read only if `fields` names it.
    `required` columns must be sent when an object is created.

    `default` is SQL for a value that is not sent. `default_text` describes the default in words if it is no plain
    value. `references` is the table whose ids the column holds. If there are several tables, it maps words to tables,
    and the column `reference_type` holds the word. An id that the company does not have is refused with 303.
    `reserved` is a value that only the server sets: sending it changes nothing, and no sent value replaces it.
    `make_key` computes a key of the text, such as an address in lower case, and `key_sql` is the SQL column that holds
    it. The key is unique, and objects are found by it.
    """

    name: str
    kind: Kind
    required: bool = False
    nullable: bool = False
    writable: bool = True
    on_request: bool = False
    default: str | None = None
    default_text: str = ""
    read: str | None = None
    references: Mapping[str, str] | str | None = None
    reference_type: str | None = None
    reserved: str | None = None
    key_sql: str | None = None
    make_key: Callable[[str], str] | None = None

    @property
    def sql(self) -> str:
        """The column's name in the database: `first_name` for `firstName`."""
        return snake_case(self.name)

    def can_refer_to(self, table: str) -> bool:
        """Whether the column can hold an id of that table."""
        if isinstance(self.references, str):
            return self.references == table
        return table in (self.references or {}).values()

    def problem(self, message: str) -> Problem:
        """Returns the entry of `data.params` for a wrong value of this column."""
        return {
            "param": self.name,
            "message": message,
            "validFormat": self.kind.valid_format(required=self.required),
        }


def unknown_references(columns: Iterable[Column]) -> UnknownReference:
    """Returns the error 303 for columns that have ids of unknown objects. It names each of the columns."""
    problems: list[Problem] = []
    for column in columns:
        table = column.references if isinstance(column.references, str) else "such object"
        noun = {"user_profile": "user"}.get(table, table.replace("_", " "))
        problems.append(column.problem(f"Your company has no {noun} with that id"))
    return UnknownReference(*problems)


class WriteEvents(msgspec.Struct, frozen=True, kw_only=True):
    """The events that writes of a noun add to the timeline. Each is a pair of the event's source and its name.

    `special` has, by column, the event for a change of that column. If the column is a flag, only setting the flag
    adds the event. `opted_in` is the event for an object whose address opts in again.
    """

    created: tuple[str, str]
    changed: tuple[str, str]
    deleted: tuple[str, str]
    special: Mapping[str, tuple[str, str]]
    opted_in: tuple[str, str] = ("", "")


class Noun(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A kind of object: its name on the wire, its table, and its columns in the wire's order.

    `about` describes the noun on the reference pages. `custom` says whether a company can add custom fields. `unique`
    names the columns that are unique together: an object with the same values is refused with 301. Reads without a
    filter leave out objects whose `active_flag` is not set. `where_columns` are the columns that reads can filter by; a
    change of such a column moves rows between pages. `events` are the events that writes add to the timeline.
    `recycled` says whether deleted objects go into the recycle bin. `opt_out_flag` is the flag that an opt-out of the
    object's address sets. `takes_expected` says whether an update can carry the values that its caller has read.
    """

    name: str
    table: str
    columns: tuple[Column, ...]
    about: str
    custom: bool = False
    unique: tuple[str, ...] = ()
    active_flag: str | None = None
    where_columns: tuple[str, ...] = ()
    events: WriteEvents | None = None
    recycled: bool = False
    opt_out_flag: str | None = None
    takes_expected: bool = False

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The columns by their name on the wire."""
        return {column.name: column for column in self.columns}

    @cached_property
    def writable_columns(self) -> tuple[Column, ...]:
        """The columns that a caller may set."""
        return tuple(column for column in self.columns if column.writable)

    @cached_property
    def nullable_columns(self) -> tuple[Column, ...]:
        """The columns that a caller may set to null."""
        return tuple(column for column in self.writable_columns if column.nullable)

    @cached_property
    def required_texts(self) -> tuple[Column, ...]:
        """The required columns of texts. Their text must not be empty."""
        return tuple(column for column in self.writable_columns if column.required and column.kind.sql == "text")

    @cached_property
    def reference_columns(self) -> tuple[Column, ...]:
        """The columns that hold ids of other objects."""
        return tuple(column for column in self.writable_columns if column.references)

    @cached_property
    def lead_columns(self) -> tuple[Column, ...]:
        """The columns that can hold ids of leads, also if they can hold other ids too."""
        return tuple(column for column in self.reference_columns if column.can_refer_to("lead"))

    @cached_property
    def key_column(self) -> Column | None:
        """The column by whose normalised text objects are unique and found, or None."""
        return next((column for column in self.columns if column.key_sql and column.name in self.unique), None)

    @cached_property
    def ignored_names(self) -> frozenset[str]:
        """The names of columns that a caller may send and the server ignores."""
        return frozenset(column.name for column in self.columns if not column.writable)


WRITTEN_NOUNS: dict[str, Noun] = {}
"""The nouns that methods write, by table: `@method` adds the noun of its parameter `objects` (rpc/method.py)."""
