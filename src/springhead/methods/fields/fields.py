"""Fields: read them, and make, change and delete custom ones (docs/wire/fields.md)."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec

from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.fields import unique_fields
from springhead.model.kit.errors import (
    ApiError,
    InvalidParameters,
    Json,
    MalformedObject,
    MissingParameters,
    NothingChanged,
    SystemField,
    UnexpectedArray,
)
from springhead.model.kit.fields import (
    CUSTOM_FIELDS_MAX,
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
    FieldSet,
    new_system_name,
)
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import Context
from springhead.rpc.method import Done, Example, Outcomes, Reads, Rows, Writes, done, method, refused
from springhead.rpc.objects import Shape
from springhead.rpc.params import PAGE, Count, Objects, Where, whole
from springhead.store.database.pool import Tx
from springhead.store.fields import fields as store
from springhead.store.fields import unique_values
from springhead.store.lists import filtered_lists
from springhead.store.scores import scoring

_NEW = Shape(FIELD, creating=True)
_CHANGED = Shape(FIELD, creating=False)
_COLUMNS = FIELD.by_name
_FIXED = ("relationship", "dataType", "source")
_SYSTEM_IDS = {field.id for field in SYSTEM_FIELDS}
_SYSTEM_NAMES = {field.system_name for field in SYSTEM_FIELDS} | LEAD.by_name.keys()

_GIVEN = (
    Example(
        {"objects": [{"relationship": "lead", "dataType": "picklist", "label": "Shoe size", "options": ["S", "M"]}]},
        [{"success": True, "error": None, "id": ...}],
        "A picklist with options (our addition; without options any text is taken).",
        method="createFields",
    ),
)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(FIELD),
    section="docs/wire/fields.md#getfields",
    differs="a unique field carries `isUnique`, and a field that has options `options`, last",
    examples=[
        Example(
            {"where": {"isCustom": "1"}, "limit": "5", "offset": "0"},
            [
                {
                    "id": ...,
                    "relationship": "lead",
                    "systemName": ...,
                    "label": "Shoe size",
                    "source": "sharpspring",
                    "dataType": "picklist",
                    "dataLength": "255",
                    "isRequired": "0",
                    "isCustom": "1",
                    "isAvailableInContactManager": "1",
                    "isEditableInContactManager": "1",
                    "isAvailableInForms": "0",
                    "isActive": "1",
                    "options": ["S", "M"],
                }
            ],
            "The custom fields.",
            given=_GIVEN,
        ),
    ],
)
async def get_fields(
    context: Context,
    *,
    where: Annotated[
        Mapping[str, Json],
        Where(FIELD, "id", "label", "systemName", "isCustom", "relationship", "dataType", "isActive"),
    ],
    limit: Annotated[int, Count("How many at most; 500 is the default and the cap.", cap=PAGE)] = PAGE,
    offset: Annotated[int, Count("How many to pass over.")] = 0,
) -> Rows:
    """List the fields of leads, accounts and opportunities: the system's own first, then the custom ones.

    The `systemName` is the key of the field on its object. All filters must match.
    """
    async with context.tx() as tx:
        known = await context.fields(tx)
        await context.verify(tx, known)
    found = [field.row() for field in (*SYSTEM_FIELDS, *known.fields) if _matches(field, where)]
    return Rows(found[offset : offset + limit])


def _matches(field: Field, where: Mapping[str, Json]) -> bool:
    for name, wanted in where.items():
        value = getattr(field, _COLUMNS[name].sql)
        if value not in wanted if isinstance(wanted, list) else value != wanted:
            return False
    return True


@method(
    *WRITE_ERRORS,
    result=Writes("creates"),
    section="docs/wire/fields.md#writing-fields",
    differs="`options` of picklist, radio and checkbox fields and `isUnique` are our additions",
    examples=[_GIVEN[0]],
)
async def create_fields(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(FIELD, "The fields: `relationship`, `dataType` and `label` at least.")],
) -> Outcomes:
    """Make custom fields and say, for each, whether it was made and its id.

    The `systemName` is made from the label and never changes; read it with getFields. `dataLength` is
    255 characters when not given, 10,000 for a textarea. A picklist, radio or checkbox field can have
    `options`; from then on its values must be among them (a checkbox: any of them, parted by commas).

    With `isUnique` 1, our addition, no two leads can have the same value (301), and upsertLeads finds leads by it.
    """
    objects, options = _apart(objects)
    checked = _NEW.check(objects)
    wrong: dict[int, ApiError] = {}
    fields: dict[int, Field] = {}
    for one, at in checked.placed():
        try:
            fields[at] = _new_field(one, options.get(at))
        except InvalidParameters as refusal:
            wrong[at] = refusal
    checked.refuse(wrong)
    async with _changing(context) as (tx, known):
        room = {name: CUSTOM_FIELDS_MAX - len(columns) for name, columns in known.columns.items()}
        for at, field in list(fields.items()):
            room[field.relationship] -= 1
            if room[field.relationship] < 0:
                message = f"A company can have {CUSTOM_FIELDS_MAX} custom fields of this relationship"
                checked.refusals[at] = InvalidParameters(_COLUMNS["relationship"].problem(message))
                del fields[at]
        ids = dict(zip(fields, await store.insert(tx, context.company.id, list(fields.values())), strict=True))
    return Outcomes([done(ids[at]) if at in ids else refused(checked.refusals[at]) for at in range(len(objects))])


def _apart(objects: Sequence[Json]) -> tuple[list[Json], dict[int, Json]]:
    """The objects without their `options`, which are a list and so no column of the wire's."""
    options = {at: one["options"] for at, one in enumerate(objects) if isinstance(one, dict) and "options" in one}
    plain: list[Json] = [
        {name: value for name, value in one.items() if name != "options"} if isinstance(one, dict) else one
        for one in objects
    ]
    return plain, options


def _new_field(one: Any, options: Json) -> Field:
    if one.dataType not in DATA_TYPES[one.relationship]:
        message = f"Expected, for {one.relationship}, one of: {', '.join(DATA_TYPES[one.relationship])}"
        raise InvalidParameters(_COLUMNS["dataType"].problem(message))
    field = Field(
        id=0,
        relationship=one.relationship,
        system_name=new_system_name(one.label),
        label=one.label,
        data_type=one.dataType,
        data_length=DATA_LENGTH.get(one.dataType, 255),
    )
    return _with(field, one, options)


def _with(field: Field, one: Any, options: Json) -> Field:
    """The field with what the object says of label, length, flags and options."""
    given = {
        column.sql: value
        for column in FIELD.written
        if column.name not in _FIXED and (value := getattr(one, column.name)) is not msgspec.UNSET
    }
    if not given.get("label", "x").strip():
        raise InvalidParameters(_COLUMNS["label"].problem("Expected a text that is not empty"))
    if given.get("data_length", 1) > DATA_LENGTH_MAX:
        message = f"Expected at most {DATA_LENGTH_MAX}"
        raise InvalidParameters(_COLUMNS["dataLength"].problem(message))
    if given.get("is_unique") and (field.relationship != "lead" or field.data_type not in UNIQUE_TYPES):
        message = f"Only fields of leads can be unique, of these types: {', '.join(UNIQUE_TYPES)}"
        raise InvalidParameters(_COLUMNS["isUnique"].problem(message))
    if options is not None:
        given["options"] = _options(field.data_type, options)
    return msgspec.structs.replace(field, **given)


def _options(data_type: str, options: Json) -> tuple[str, ...]:
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise _wrong_options("Expected a list of texts")
    texts = tuple(str(option) for option in options)
    if texts and data_type not in OPTION_TYPES:
        raise _wrong_options(f"Only fields of these types have options: {', '.join(OPTION_TYPES)}")
    if len(texts) > OPTIONS_MAX:
        raise _wrong_options(f"Expected at most {OPTIONS_MAX} options, got {len(texts)}")
    if len(set(texts)) < len(texts):
        raise _wrong_options("Expected each option once")
    for text in texts:
        if not text.strip() or len(text) > OPTION_LENGTH or "\0" in text:
            raise _wrong_options(f"Expected options of 1 to {OPTION_LENGTH} characters")
        if data_type == "checkbox" and "," in text:
            raise _wrong_options("A comma parts the values of a checkbox field, so no option can have one")
    return texts


def _wrong_options(message: str) -> InvalidParameters:
    return InvalidParameters(
        {
            "param": "options",
            "message": message,
            "validFormat": {"type": "list", "length": OPTIONS_MAX, "required": False},
        }
    )


@asynccontextmanager
async def _changing(context: Context) -> AsyncGenerator[tuple[Tx, FieldSet]]:
    """Change the company's fields, one call at a time; every server process notices by the version."""
    async with context.tx() as tx:
        async with tx.atomic():
            await store.raise_version(tx, context.company.id)
            yield tx, await store.load(tx, context.company.id)
        context.server.fields.forget(context.company.id)


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    section="docs/wire/fields.md#writing-fields",
    differs="an unknown id is answered with 302; `relationship` and `dataType` cannot be changed",
    examples=[
        Example(
            {"objects": [{"id": "{id}", "label": "Size of shoe"}]},
            [{"success": True, "error": None}],
            "A new label; the system name stays.",
            given=_GIVEN,
        ),
    ],
)
async def update_fields(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(FIELD, "The fields, each with its `id` and what is to change.")],
) -> Outcomes:
    """Change the label, length, flags or options of custom fields.

    The system name, the relationship and the data type stay as they are. Values that leads already have
    stay too, also when they are no longer among the options.

    `isUnique` 1 lets no two leads have the same value; when some have it already, the field is refused with 205,
    which names one. With many leads this goes on beside the calls: `isUnique` reads as `filling` until then.
    """
    objects, options = _apart(objects)
    checked = _CHANGED.check(objects)
    checked.refuse(await unique_fields.doubled(context, checked.placed()))
    outcomes = checked.refused()
    async with _changing(context) as (tx, known):
        fields = {field.id: field for field in known.fields}
        changed: dict[int, Field] = {}
        for one, at in checked.placed():
            try:
                field = _changed(fields, one, options.get(at))
            except ApiError as refusal:
                outcomes[at] = refused(refusal)
                continue
            fields[field.id] = changed[field.id] = field
            outcomes[at] = done()
        numbers = await store.replace(tx, context.company.id, list(changed.values()))
        marked = await unique_fields.begin(context, tx, known, numbers)
    if marked:
        outcomes |= await unique_fields.finished(context, checked, marked)
    return Outcomes.in_order(outcomes)


def _changed(fields: Mapping[int, Field], one: Any, options: Json) -> Field:
    if one.id is msgspec.UNSET:
        raise InvalidParameters(_COLUMNS["id"].problem("Required parameter is missing"))
    if one.id in _SYSTEM_IDS:
        raise InvalidParameters(_COLUMNS["id"].problem("Only custom fields can be changed"))
    field = fields.get(one.id)
    if field is None:
        raise NothingChanged
    for name in _FIXED:
        value = getattr(one, name)
        if value is not msgspec.UNSET and value != getattr(field, _COLUMNS[name].sql):
            raise InvalidParameters(_COLUMNS[name].problem("Cannot be changed; make a new field instead"))
    after = _with(field, one, options)
    if after == field:
        raise NothingChanged
    return after


@method(
    *WRITE_ERRORS,
    SystemField,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/fields.md#writing-fields",
    differs="a field can be named by `id` too; an unknown one is answered with 302",
    examples=[
        Example(
            {"objects": [{"systemName": "firstName"}]},
            [
                {
                    "success": False,
                    "error": {"code": 211, "message": "Only custom fields can be deleted", "data": []},
                }
            ],
            "System fields stay.",
        ),
    ],
)
async def delete_fields(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(FIELD, "The fields, each by its `systemName`, or by its `id`.")],
) -> Outcomes:
    """Delete custom fields.

    Their values disappear from every object, and their system names never come back. To the filter of a list
    that names one, and to a score rule, it is unset for every lead from then on.
    """
    async with _changing(context) as (tx, known):
        by_name = {field.system_name: field.id for field in known.fields}
        left = set(by_name.values())
        outcomes: list[Done] = []
        gone: list[int] = []
        for one in objects:
            try:
                field_id = _field_meant(one, by_name)
                if field_id not in left:
                    raise NothingChanged
            except ApiError as refusal:
                outcomes.append(refused(refusal))
                continue
            left.remove(field_id)
            gone.append(field_id)
            outcomes.append(done())
        await store.delete(tx, context.company.id, gone)
        names = [field.system_name for field in known.fields if field.id in gone]
        named = filtered_lists.lists_naming(known, names)
        await filtered_lists.fill(tx, context.company.id, named)
        scored = await scoring.fields_gone(tx, context.company.id, known, names)
        numbers = [field.unique_id for field in known.fields if field.id in gone and field.unique_id is not None]
        await unique_values.clear(tx, context.company.id, numbers)
    if named or scored:
        await context.server.jobs.finish(context.company.id)
    return Outcomes(outcomes)


def _field_meant(one: Json, by_name: Mapping[str, int]) -> int:
    """The id of the field that an object names; 0 when there is none."""
    if not isinstance(one, dict):
        raise MalformedObject({"param": "field", "message": "Expected an object with a systemName"})
    name, number = one.get("systemName"), one.get("id")
    if isinstance(name, (list, dict)) or isinstance(number, (list, dict)):
        raise UnexpectedArray(_COLUMNS["systemName"].problem("Expected a single value"))
    if isinstance(name, str):
        if name in _SYSTEM_NAMES:
            raise SystemField
        return by_name.get(name, 0)
    field_id = whole(number) if isinstance(number, (str, int)) else None
    if field_id is None:
        raise InvalidParameters(_COLUMNS["systemName"].problem("Required parameter is missing"))
    if field_id in _SYSTEM_IDS:
        raise SystemField
    return field_id
