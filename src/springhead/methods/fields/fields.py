"""Fields: read all fields, and create, change and delete custom fields (docs/wire/fields.md)."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

from springhead.methods.bulk.writes import WRITE_ERRORS
from springhead.methods.fields import unique_fields
from springhead.methods.fields.field_objects import changed_field, field_id_of, new_field, split_options
from springhead.model.kit.errors import (
    ApiError,
    InvalidParameters,
    Json,
    MissingParameters,
    NothingChanged,
    SystemField,
    UnexpectedArray,
)
from springhead.model.kit.fields import (
    CUSTOM_FIELDS_MAX,
    FIELD,
    SYSTEM_FIELDS,
    Field,
    FieldSet,
)
from springhead.model.kit.texts import composed
from springhead.rpc.context import Context
from springhead.rpc.method import Example, Outcome, ReadResult, Reads, WriteResult, Writes, method, refused, succeeded
from springhead.rpc.objects import ObjectSchema
from springhead.rpc.params import PAGE, LimitOrOffset, Objects, Where
from springhead.store.database.pool import Tx
from springhead.store.fields import fields as store
from springhead.store.fields import unique_values
from springhead.store.lists import filtered_lists
from springhead.store.scores import scoring

_NEW = ObjectSchema(FIELD, creating=True)
_CHANGED = ObjectSchema(FIELD, creating=False)
_COLUMNS = FIELD.by_name

_GIVEN = (
    Example(
        {"objects": [{"relationship": "lead", "dataType": "picklist", "label": "Shoe size", "options": ["S", "M"]}]},
        [{"success": True, "error": None, "id": ...}],
        "A picklist with options (our addition; without options it accepts any text).",
        method="createFields",
    ),
)


@method(
    MissingParameters,
    UnexpectedArray,
    result=Reads(FIELD),
    section="docs/wire/fields.md#getfields",
    differs="the last keys of a unique field are `isUnique`, and of a field with options `options`",
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
    limit: Annotated[
        int, LimitOrOffset("The most rows to return; 500 is the default and the maximum.", cap=PAGE)
    ] = PAGE,
    offset: Annotated[int, LimitOrOffset("How many rows to skip.")] = 0,
) -> ReadResult:
    """Returns the fields of leads, accounts and opportunities: system fields first, then custom fields.

    The `systemName` is the key of the field in its objects. All filters must match. Texts are compared in both codings
    of accents; their case counts.
    """
    async with context.tx() as tx:
        field_set = await context.fields(tx)
        await context.verify(tx, field_set)
    rows = [field.row() for field in (*SYSTEM_FIELDS, *field_set.fields) if _matches(field, where)]
    return ReadResult(rows[offset : offset + limit])


def _matches(field: Field, where: Mapping[str, Json]) -> bool:
    def compared(value: Json) -> Json:
        return composed(value) if isinstance(value, str) else value

    for name, expected in where.items():
        value = compared(getattr(field, _COLUMNS[name].sql))
        if value not in map(compared, expected if isinstance(expected, list) else [expected]):
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
) -> WriteResult:
    """Creates custom fields and returns, for each, whether it was created, and its id.

    The `systemName` is derived from the label and never changes; getFields returns it. `dataLength` is 255 characters
    by default, and 10,000 for a textarea. A picklist, radio or checkbox field can have `options`; then its values must
    be among them (for a checkbox: any of them, separated by commas).

    With `isUnique` 1 (our addition), no two leads can have the same value (301), and upsertLeads finds leads by it.
    """
    objects, options = split_options(objects)
    checked = _NEW.check(objects)
    refusals: dict[int, ApiError] = {}
    fields: dict[int, Field] = {}
    for record, position in checked.with_positions():
        try:
            fields[position] = new_field(record, options.get(position))
        except InvalidParameters as error:
            refusals[position] = error
    checked.refuse(refusals)
    async with _locked_fields(context) as (tx, field_set):
        free = {name: CUSTOM_FIELDS_MAX - len(columns) for name, columns in field_set.columns.items()}
        for position, field in list(fields.items()):
            free[field.relationship] -= 1
            if free[field.relationship] < 0:
                message = f"A company can have {CUSTOM_FIELDS_MAX} custom fields of this relationship"
                checked.refusals[position] = InvalidParameters(_COLUMNS["relationship"].problem(message))
                del fields[position]
        ids = dict(zip(fields, await store.insert(tx, context.company.id, list(fields.values())), strict=True))
    return WriteResult(
        [
            succeeded(ids[position]) if position in ids else refused(checked.refusals[position])
            for position in range(len(objects))
        ]
    )


@asynccontextmanager
async def _locked_fields(context: Context) -> AsyncGenerator[tuple[Tx, FieldSet]]:
    """Locks the company's custom fields for a change, and raises their version, so that all processes notice it."""
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
    differs="an unknown id gets 302; `relationship` and `dataType` cannot be changed",
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
    objects: Annotated[list[Json], Objects(FIELD, "The fields, each with its `id` and the values to change.")],
) -> WriteResult:
    """Changes the label, length, flags or options of custom fields.

    The system name, the relationship and the data type cannot change. Leads keep their values, even if a value is no
    longer among the options.

    With `isUnique` 1, no two leads can have the same value. If some leads already share a value, the field is refused
    with 205, and the message names such a value. With many leads, a background job continues the check, and `isUnique`
    reads as `filling` until it is done.
    """
    objects, options = split_options(objects)
    checked = _CHANGED.check(objects)
    checked.refuse(await unique_fields.check_values(context, checked.with_positions()))
    outcomes = checked.refused_outcomes()
    async with _locked_fields(context) as (tx, field_set):
        fields = {field.id: field for field in field_set.fields}
        changed: dict[int, Field] = {}
        for record, position in checked.with_positions():
            try:
                field = changed_field(fields, record, options.get(position))
            except ApiError as error:
                outcomes[position] = refused(error)
                continue
            fields[field.id] = changed[field.id] = field
            outcomes[position] = succeeded()
        numbers = await store.replace(tx, context.company.id, list(changed.values()))
        marked = await unique_fields.begin(context, tx, field_set, numbers)
    if marked:
        outcomes |= await unique_fields.finish(context, checked, marked)
    return WriteResult.in_order(outcomes)


@method(
    *WRITE_ERRORS,
    SystemField,
    NothingChanged,
    result=Writes("deletes"),
    section="docs/wire/fields.md#writing-fields",
    differs="a field can also be named by `id`; an unknown field gets 302",
    examples=[
        Example(
            {"objects": [{"systemName": "firstName"}]},
            [
                {
                    "success": False,
                    "error": {"code": 211, "message": "Only custom fields can be deleted", "data": []},
                }
            ],
            "A system field, which cannot be deleted.",
        ),
    ],
)
async def delete_fields(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(FIELD, "The fields, each by its `systemName`, or by its `id`.")],
) -> WriteResult:
    """Deletes custom fields.

    Their values disappear from every object, and their system names are never used again. Filters of lists and score
    rules that name a deleted field treat it as empty for every lead.
    """
    async with _locked_fields(context) as (tx, field_set):
        by_name = {field.system_name: field.id for field in field_set.fields}
        remaining = set(by_name.values())
        outcomes: list[Outcome] = []
        deleted: list[int] = []
        for record in objects:
            try:
                field_id = field_id_of(record, by_name)
                if field_id not in remaining:
                    raise NothingChanged
            except ApiError as error:
                outcomes.append(refused(error))
                continue
            remaining.remove(field_id)
            deleted.append(field_id)
            outcomes.append(succeeded())
        await store.delete(tx, context.company.id, deleted)
        names = [field.system_name for field in field_set.fields if field.id in deleted]
        affected_lists = filtered_lists.lists_naming(field_set, names)
        await filtered_lists.fill(tx, context.company.id, affected_lists)
        scored = await scoring.fields_gone(tx, context.company.id, field_set, names)
        numbers = [field.unique_id for field in field_set.fields if field.id in deleted and field.unique_id is not None]
        await unique_values.clear(tx, context.company.id, numbers)
    if affected_lists or scored:
        await context.server.jobs.finish(context.company.id)
    return WriteResult(outcomes)
