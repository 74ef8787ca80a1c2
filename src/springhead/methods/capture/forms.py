"""Forms: create, change, delete and read. The public part is in capture/. Our addition."""

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Annotated, Any, cast

import msgspec

from springhead.methods import reads
from springhead.methods.bulk import writes
from springhead.methods.bulk.writes import WRITE_ERRORS, Hooks
from springhead.methods.examples import CREATED, DONE, NOTHING_CHANGED, row
from springhead.methods.reads import Limit, Offset
from springhead.model.capture.forms import FORM, FormField, check_form
from springhead.model.kit.errors import Json, NothingChanged, UnexpectedArray, UnknownReference
from springhead.model.kit.fields import FieldSet
from springhead.rpc.context import Context
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.capture import forms
from springhead.store.database.pool import Tx

_OBJECTS = "The forms, each a hash of system names and values; at most 500 per call."
_SECTION = "own: forms"
_NAME = "Newsletter"
_FIELDS: list[Json] = [
    {"systemName": "firstName"},
    {"systemName": "emailAddress", "label": "Your email", "required": True},
]
_GIVEN = (Example({"objects": [{"name": _NAME, "fields": _FIELDS}]}, [CREATED], method="createForms"),)
_ROW = row(FORM, name=_NAME, fields=_FIELDS, publicID=..., hostedURL=..., formAction=..., embedCode=...)


async def _hooks(context: Context, **hooks: Any) -> Hooks:
    """Returns the hooks of a write, which check each form against the company's fields."""
    async with context.tx() as tx:
        return Hooks(check=partial(check_form, fields=await context.fields(tx)), **hooks)


async def _publish(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await forms.publish(tx, context.company.id, ids)


async def _unpublish(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await forms.unpublish(tx, context.company.id, ids)


@method(
    *WRITE_ERRORS,
    UnknownReference,
    result=Writes("creates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"objects": [{"name": _NAME, "fields": _FIELDS, "thankYouText": "Welcome!"}]},
            [CREATED],
            "A form with two fields.",
        )
    ],
)
async def create_forms(context: Context, *, objects: Annotated[list[Json], Objects(FORM, _OBJECTS)]) -> WriteResult:
    """Creates up to 500 forms and returns, for each, whether it was created.

    `name` and `fields` are required. A field is `{"systemName"}`, optionally with `label`, `required`, `placeholder`
    and `value`. Its input element and its valid values follow from its dataType and options in getFields.
    `emailAddress` must be among the fields. A form can have the text fields of a lead except `leadStatus` and
    `trackingID`, and custom fields with `isAvailableInForms` and `isActive`; any other field gets 205. A list with a
    filter, and a `redirectURL` that is not an http or https address, get 205 too. A lead that submits the form joins
    `listID`, gets `campaignID` if it is new, and then sees `thankYouText` or is redirected to `redirectURL`.
    `notifyUserID` gets a task "New lead from form …". `allowPlainPosts` (1 by default) says whether pages outside
    Springhead can post to the form. A known lead gets values for its empty fields only; with `updatesKnownLeads`, all
    values are overwritten, and the earlier page views of the visitor join its timeline. With `doubleOptIn`, a
    submission is an event with a `confirmURL` that you send to the address, and does nothing else until the person has
    confirmed there; then its values overwrite those of the lead. `consentText` is the text of a box that people have to
    tick; who ticks it is subscribed again. `language` is the language of labels and messages, `auto` by default: that
    of the visitor. `logoURL` is an https address of an image for the hosted page. The form is
    public at once: getForms returns its addresses.
    """
    return await writes.create(context, FORM, objects, await _hooks(context, after_write=_publish))


@method(
    *WRITE_ERRORS,
    UnknownReference,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"objects": [{"id": "{id}", "isActive": 0}]},
            [DONE],
            "A form that accepts no more submissions.",
            given=_GIVEN,
        ),
        Example({"objects": [{"id": 1, "isActive": 0}]}, [NOTHING_CHANGED], "An id that no form has."),
    ],
)
async def update_forms(context: Context, *, objects: Annotated[list[Json], Objects(FORM, _OBJECTS)]) -> WriteResult:
    """Changes up to 500 forms, each found by its `id`; the requirements are those of createForms.

    Sent fields overwrite the stored values, `fields` as a whole; other fields stay. The addresses stay too: pages that
    embed the form show its current version. The addresses of an inactive form answer 404. An unknown form gets 302, and
    so does a form that already has all sent values.
    """
    return await writes.update(context, FORM, objects, await _hooks(context))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"objects": [{"id": "{id}"}, {"id": 1}]},
            [DONE, NOTHING_CHANGED],
            "A form, and an id that no form has.",
            given=_GIVEN,
        )
    ],
)
async def delete_forms(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(FORM, "The forms, each as `{id}` or as the bare id.")],
) -> WriteResult:
    """Deletes up to 500 forms permanently, by id; then their addresses answer 404.

    The leads, their events and the uploaded files of the forms stay.
    """
    return await writes.delete(context, FORM, objects, Hooks(before_delete=_unpublish))


@method(
    UnexpectedArray,
    result=Reads(FORM),
    vendor=False,
    section=_SECTION,
    examples=[Example({"where": {}}, [_ROW], "All forms.", given=_GIVEN)],
)
async def get_forms(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(FORM, "id", "isActive", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> ReadResult:
    """Returns a page of the forms that match all filters, in the order of their ids, with their addresses.

    `hostedURL` is a page with the form, `embedCode` is a snippet that embeds it into any page, and `formAction` is the
    address to which a `<form>` of your own page posts. They begin with the setting `public_url`; if it is not set, they
    are paths on this server.
    """
    rows = await reads.listing(context, FORM, where, limit=limit, offset=offset)
    return ReadResult([_with_addresses(form, context.public_url) for form in rows.page])


def _with_addresses(form: Mapping[str, Json], public_url: str) -> Mapping[str, Json]:
    address = f"{public_url}/f/{form['publicID']}"
    return {
        **form,
        "fields": msgspec.to_builtins(msgspec.json.decode(cast("str", form["fields"]), type=list[FormField])),
        "hostedURL": address,
        "formAction": address,
        "embedCode": f'<script async src="{escape(address)}.js"></script>',
    }
