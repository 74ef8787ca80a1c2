"""Objects of the methods about fields: checks them, and converts them into fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from springhead.model.kit.errors import (
    InvalidParameters,
    Json,
    MalformedObject,
    NothingChanged,
    SystemField,
    UnexpectedArray,
)
from springhead.model.kit.fields import (
    DATA_LENGTH,
    DATA_LENGTH_MAX,
    DATA_TYPES,
    FIELD,
    OPTION_LENGTH,
    OPTION_TYPES,
    OPTIONS_MAX,
    SYSTEM_FIELDS,
    UNIQUE_TYPES,
    Field,
    new_system_name,
)
from springhead.model.kit.texts import composed
from springhead.model.leads.leads import LEAD
from springhead.rpc.params import whole_number

_COLUMNS = FIELD.by_name
_FIXED = ("relationship", "dataType", "source")
"""Columns that cannot change."""

_SYSTEM_IDS = {field.id for field in SYSTEM_FIELDS}
_SYSTEM_NAMES = {field.system_name for field in SYSTEM_FIELDS} | LEAD.by_name.keys()


def split_options(objects: Sequence[Json]) -> tuple[list[Json], dict[int, Json]]:
    """Returns the objects without `options`, and the `options` by position, because columns cannot be lists."""
    options: dict[int, Json] = {}
    plain: list[Json] = []
    for position, record in enumerate(objects):
        if isinstance(record, dict) and "options" in record:
            options[position] = record["options"]
            plain.append({name: value for name, value in record.items() if name != "options"})
        else:
            plain.append(record)
    return plain, options


def new_field(record: Any, options: Json) -> Field:
    """Returns the new field that an object describes. Raises 205 for invalid values."""
    if record.dataType not in DATA_TYPES[record.relationship]:
        message = f"Expected, for {record.relationship}, one of: {', '.join(DATA_TYPES[record.relationship])}"
        raise InvalidParameters(_COLUMNS["dataType"].problem(message))
    field = Field(
        id=0,
        relationship=record.relationship,
        system_name=new_system_name(record.label),
        label=record.label,
        data_type=record.dataType,
        data_length=DATA_LENGTH.get(record.dataType, 255),
    )
    return _with_values(field, record, options)


def _with_values(field: Field, record: Any, options: Json) -> Field:
    """Returns the field with the label, length, flags and options of the object."""
    values = {
        column.sql: value
        for column in FIELD.writable_columns
        if column.name not in _FIXED and (value := getattr(record, column.name)) is not msgspec.UNSET
    }
    if not values.get("label", "x").strip():
        raise InvalidParameters(_COLUMNS["label"].problem("Expected a text that is not empty"))
    if values.get("data_length", 1) > DATA_LENGTH_MAX:
        message = f"Expected at most {DATA_LENGTH_MAX}"
        raise InvalidParameters(_COLUMNS["dataLength"].problem(message))
    if values.get("is_unique") and (field.relationship != "lead" or field.data_type not in UNIQUE_TYPES):
        message = f"Only fields of leads can be unique, of these types: {', '.join(UNIQUE_TYPES)}"
        raise InvalidParameters(_COLUMNS["isUnique"].problem(message))
    if options is not None:
        values["options"] = _options(field.data_type, options)
    return msgspec.structs.replace(field, **values)


def _options(data_type: str, options: Json) -> tuple[str, ...]:
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise _wrong_options("Expected a list of texts")
    texts = tuple(str(option) for option in options)
    if texts and data_type not in OPTION_TYPES:
        raise _wrong_options(f"Only fields of these types have options: {', '.join(OPTION_TYPES)}")
    if len(texts) > OPTIONS_MAX:
        raise _wrong_options(f"Expected at most {OPTIONS_MAX} options, got {len(texts)}")
    if len(set(map(composed, texts))) < len(texts):
        raise _wrong_options("Expected each option once")
    for text in texts:
        if not text.strip() or len(text) > OPTION_LENGTH or "\0" in text:
            raise _wrong_options(f"Expected options of 1 to {OPTION_LENGTH} characters")
        if data_type == "checkbox" and "," in text:
            raise _wrong_options(
                "Values of a checkbox field are separated by commas, so an option cannot contain a comma"
            )
    return texts


def _wrong_options(message: str) -> InvalidParameters:
    return InvalidParameters(
        {
            "param": "options",
            "message": message,
            "validFormat": {"type": "list", "length": OPTIONS_MAX, "required": False},
        }
    )


def changed_field(fields: Mapping[int, Field], record: Any, options: Json) -> Field:
    """Returns the field with the changes of the object. Raises 302 if the field does not exist or does not change."""
    if record.id is msgspec.UNSET:
        raise InvalidParameters(_COLUMNS["id"].problem("Required parameter is missing"))
    if record.id in _SYSTEM_IDS:
        raise InvalidParameters(_COLUMNS["id"].problem("Only custom fields can be changed"))
    field = fields.get(record.id)
    if field is None:
        raise NothingChanged
    for name in _FIXED:
        value = getattr(record, name)
        if value is not msgspec.UNSET and value != getattr(field, _COLUMNS[name].sql):
            raise InvalidParameters(_COLUMNS[name].problem("Cannot be changed; make a new field instead"))
    changed = _with_values(field, record, options)
    if changed == field:
        raise NothingChanged
    return changed


def field_id_of(record: Json, by_name: Mapping[str, int]) -> int:
    """Returns the id of the field that an object names, or 0 for an unknown field."""
    if not isinstance(record, dict):
        raise MalformedObject({"param": "field", "message": "Expected an object with a systemName"})
    name, number = record.get("systemName"), record.get("id")
    if isinstance(name, (list, dict)) or isinstance(number, (list, dict)):
        raise UnexpectedArray(_COLUMNS["systemName"].problem("Expected a single value"))
    if isinstance(name, str):
        if name in _SYSTEM_NAMES:
            raise SystemField
        return by_name.get(name, 0)
    field_id = whole_number(number) if isinstance(number, (str, int)) else None
    if field_id is None:
        raise InvalidParameters(_COLUMNS["systemName"].problem("Required parameter is missing"))
    if field_id in _SYSTEM_IDS:
        raise SystemField
    return field_id
