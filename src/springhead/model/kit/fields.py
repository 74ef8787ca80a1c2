"""Fields of leads, accounts and opportunities: system fields and a company's custom fields (docs/wire/fields.md)."""

import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import msgspec

from springhead.model.kit.columns import Column, Kind, Noun, choice, custom, flag, integer, text
from springhead.model.kit.errors import Json
from springhead.model.leads.leads import LAST_EVENT_COLUMNS, LEAD
from springhead.model.sales.accounts import ACCOUNT
from springhead.model.sales.opportunities import OPPORTUNITY

RELATIONSHIPS = ("lead", "opportunity", "account")
SOURCE = "sharpspring"
CUSTOM_FIELDS_MAX = 500
"""How many custom fields a company can have in one relationship."""

OPTIONS_MAX = 500
OPTION_LENGTH = 255
OPTION_TYPES = ("picklist", "radio", "checkbox")
"""The data types whose fields can have options."""

DATA_TYPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lead": (
            "string", "textarea", "hidden", "picklist", "country", "state", "boolean", "checkbox", "radio",
            "phone", "date", "datetime", "url", "bit", "upload", "attachment",
        ),
        "opportunity": ("string", "textarea", "picklist", "checkbox", "phone", "upload"),
        "account": ("string", "picklist", "checkbox", "phone", "upload"),
    }
)  # fmt: skip
"""The data types that a custom field can have, by relationship."""

DATA_LENGTH: Mapping[str, int] = MappingProxyType({"textarea": 10_000})
"""The default lengths of custom fields by data type, in characters. All other data types have 255."""

DATA_LENGTH_MAX = 65_535

UNIQUE_TYPES = ("string", "textarea", "hidden", "phone", "date", "datetime", "url")
"""The data types that can be unique. Fields of the other data types choose between a few values."""

_ALL_TYPES = tuple(dict.fromkeys(name for names in DATA_TYPES.values() for name in names))

FIELD = Noun(
    name="field",
    table="field",
    about="A field of leads, opportunities or accounts: a system field, or a custom field of your company.",
    columns=(
        Column(name="id", kind=integer(18, "bigint"), writable=False),
        Column(name="relationship", kind=choice(RELATIONSHIPS), required=True),
        Column(name="systemName", kind=text(255), writable=False),
        Column(name="label", kind=text(255), required=True),
        Column(name="source", kind=choice((SOURCE,)), default=f"'{SOURCE}'"),
        Column(name="dataType", kind=choice(_ALL_TYPES), required=True),
        Column(name="dataLength", kind=integer(18, "bigint", low=1)),
        Column(name="isRequired", kind=flag(), default="false"),
        Column(name="isCustom", kind=flag(), writable=False),
        Column(name="isAvailableInContactManager", kind=flag(), default="true"),
        Column(name="isEditableInContactManager", kind=flag(), default="true"),
        Column(name="isAvailableInForms", kind=flag(), default="false"),
        Column(name="isActive", kind=flag(), default="true"),
        Column(name="isUnique", kind=flag(), default="false"),
    ),
)


FILLING = "filling"
"""The value of `isUnique` while a background job still collects the values of existing leads."""


class Field(msgspec.Struct, frozen=True, kw_only=True, rename=None):
    """A field, with its attributes in the order of the wire (docs/wire/fields.md#the-field).

    `is_unique` and `options` are our own and come last. A unique field has the id `unique_id` in the store.
    `unique_filled` is False until the store knows the values of all leads.
    """

    id: int
    relationship: str
    system_name: str
    label: str
    source: str = SOURCE
    data_type: str
    data_length: int
    is_required: bool = False
    is_custom: bool = True
    is_available_in_contact_manager: bool = True
    is_editable_in_contact_manager: bool = True
    is_available_in_forms: bool = False
    is_active: bool = True
    is_unique: bool = False
    options: tuple[str, ...] = ()
    unique_id: int | None = None
    unique_filled: bool = False

    def row(self) -> dict[str, Json]:
        """Returns the field as reads show it: scalars as strings, and our own attributes only if they are set."""
        values = (getattr(self, column.sql) for column in FIELD.columns)
        names = (column.name for column in FIELD.columns)
        texts = (str(int(value)) if isinstance(value, bool) else str(value) for value in values)
        shown: dict[str, Json] = dict(zip(names, texts, strict=True))
        if not self.is_unique:
            del shown["isUnique"]
        elif not self.unique_filled:
            shown["isUnique"] = FILLING
        return shown | ({"options": list(self.options)} if self.options else {})

    @property
    def column(self) -> Column:
        """The column that checks the values of this custom field."""
        kind = custom(self.data_type, self.data_length, self.options)
        return Column(name=self.system_name, kind=kind, nullable=True)


class ListFilter(msgspec.Struct, frozen=True):
    """A list whose members are the leads that match a filter. `filter` is canonical JSON (model/kit/filters.py)."""

    list_id: int
    filter: str


class FieldSet(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The custom fields and list filters of a company in one version. A write checks that the version is current."""

    version: int
    fields: tuple[Field, ...]
    list_filters: tuple[ListFilter, ...] = ()

    @cached_property
    def columns(self) -> Mapping[str, tuple[Column, ...]]:
        """The columns of the custom fields by relationship, sorted by system name (docs/wire/leads.md#column-order)."""
        return {
            relationship: tuple(
                field.column
                for field in sorted(self.fields, key=lambda field: field.system_name)
                if field.relationship == relationship
            )
            for relationship in RELATIONSHIPS
        }

    @cached_property
    def unique_fields(self) -> Mapping[str, Field]:
        """The unique fields by system name."""
        return {field.system_name: field for field in self.fields if field.unique_id is not None}

    @cached_property
    def cache(self) -> dict[tuple[str, ...], Any]:
        """A cache for what is computed from this version: SQL statements and schemas of objects."""
        return {}


def new_system_name(label: str) -> str:
    """Returns a new system name in the vendor's format: the label's letters and digits, `_`, 13 hex digits.

    A system name never changes and is never used again. A new field with the same label gets another system name.
    """
    ascii_label = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", ascii_label).strip("_")[:200]
    if not slug or not slug[0].isalpha():
        slug = f"field_{slug}".rstrip("_")
    return f"{slug}_{secrets.token_hex(7)[:13]}"


def _label(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _system_type(name: str, kind: Kind) -> str:
    if name == "emailAddress":
        return "email"
    return {
        "bigint": "int",
        "smallint": "int",
        "tinyint": "bit",
        "varchar": "string",
        "timestamp": "datetime",
        "double": "string",
    }.get(kind.type, kind.type)


def _system_fields(noun: Noun, first_id: int, hidden: Iterable[str]) -> tuple[Field, ...]:
    shown = [column for column in noun.columns if column.name not in set(hidden)]
    return tuple(
        Field(
            id=first_id + position * 1024,
            relationship=noun.name,
            system_name=column.name,
            label=_label(column.name),
            data_type=_system_type(column.name, column.kind),
            data_length=column.kind.length or 255,
            is_required=column.required,
            is_custom=False,
            is_editable_in_contact_manager=column.writable,
            is_available_in_forms=column.writable and column.kind.sql == "text",
        )
        for position, column in enumerate(shown)
    )


SYSTEM_FIELDS = (
    *_system_fields(LEAD, 100_000_512, hidden=("accountID", "active", *LAST_EVENT_COLUMNS)),
    *_system_fields(ACCOUNT, 110_000_512, hidden=()),
    *_system_fields(OPPORTUNITY, 120_000_512, hidden=()),
)
"""The system fields, in the order of getFields. They leave out two columns of leads (docs/wire/fields.md#getfields)."""
