"""Fields: the system's own and the company's custom ones, of all three relationships (docs/wire/fields.md)."""

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
from springhead.model.leads.leads import LEAD
from springhead.model.sales.accounts import ACCOUNT
from springhead.model.sales.opportunities import OPPORTUNITY

RELATIONSHIPS = ("lead", "opportunity", "account")
SOURCE = "sharpspring"
CUSTOM_FIELDS_MAX = 500
"""How many custom fields one relationship of a company can have."""

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
"""Which data types a custom field can have, by relationship."""

DATA_LENGTH: Mapping[str, int] = MappingProxyType({"textarea": 10_000})
"""The length of a custom field that is given none: 255 characters but for these."""

DATA_LENGTH_MAX = 65_535

UNIQUE_TYPES = ("string", "textarea", "hidden", "phone", "date", "datetime", "url")
"""The data types of fields that no two leads need have alike: the others choose between a few values."""

_ALL_TYPES = tuple(dict.fromkeys(name for names in DATA_TYPES.values() for name in names))

FIELD = Noun(
    name="field",
    table="field",
    about="What is known of a field of a lead, an opportunity or an account.",
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
"""What `isUnique` reads as while the values that leads have already are being gone through."""


class Field(msgspec.Struct, frozen=True, kw_only=True, rename=None):
    """A field, in the order of the wire (docs/wire/fields.md#the-field).

    `is_unique` and `options` are our own and come last. A unique one has a number, `unique_id`, and is not
    `unique_filled` until the values of all leads are known.
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
        """The field as it is read: every scalar a string, and what is our own only where it says something."""
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
        """How a value of this custom field is checked."""
        kind = custom(self.data_type, self.data_length, self.options)
        return Column(name=self.system_name, kind=kind, nullable=True)


class ListFilter(msgspec.Struct, frozen=True):
    """A list whose members follow from a filter over the leads: canonical JSON text (model/kit/filters.py)."""

    list_id: int
    filter: str


class FieldSet(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The custom fields and list rules of a company as of one version; a write checks that it still holds."""

    version: int
    fields: tuple[Field, ...]
    list_filters: tuple[ListFilter, ...] = ()

    @cached_property
    def columns(self) -> Mapping[str, tuple[Column, ...]]:
        """The columns of the custom fields by relationship, by system name (docs/wire/leads.md#column-order)."""
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
        """The fields that no two leads have alike, by system name."""
        return {field.system_name: field for field in self.fields if field.unique_id is not None}

    @cached_property
    def cache(self) -> dict[tuple[str, ...], Any]:
        """Room for what is made once from this version: statements and shapes of objects."""
        return {}


def new_system_name(label: str) -> str:
    """A system name in the vendor's shape: the label's letters and digits, `_`, 13 hex digits.

    It never changes and never comes back: a new field with the same label gets another one.
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
    *_system_fields(LEAD, 100_000_512, hidden=("accountID", "active")),
    *_system_fields(ACCOUNT, 110_000_512, hidden=()),
    *_system_fields(OPPORTUNITY, 120_000_512, hidden=()),
)
"""The system's own fields, as getFields lists them: not quite the lead's columns (docs/wire/fields.md#getfields)."""
