"""Forms: made and read by methods of our own; what they serve to the public is in capture/."""

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
from springhead.rpc.method import Example, Outcomes, Reads, Rows, Writes, method
from springhead.rpc.params import PAGE, Objects, Where
from springhead.store.capture import forms
from springhead.store.database.pool import Tx

_OBJECTS = "The forms, each a hash by system name; 500 a call at most."
_SECTION = "own: forms"
_NAME = "Newsletter"
_FIELDS: list[Json] = [
    {"systemName": "firstName"},
    {"systemName": "emailAddress", "label": "Your email", "required": True},
]
_GIVEN = (Example({"objects": [{"name": _NAME, "fields": _FIELDS}]}, [CREATED], method="createForms"),)
_ROW = row(FORM, name=_NAME, fields=_FIELDS, publicID=..., hostedURL=..., formAction=..., embedCode=...)


async def _hooks(context: Context, **more: Any) -> Hooks:
    """The hooks of forms, which check against the company's fields; a write verifies that the fields are current."""
    async with context.tx() as tx:
        return Hooks(check=partial(check_form, fields=await context.fields(tx)), **more)


async def _publish(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
    await forms.publish(tx, context.company.id, ids)


async def _withdraw(context: Context, tx: Tx, _fields: FieldSet, ids: Sequence[int]) -> None:
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
            "A form that asks for two things.",
        )
    ],
)
async def create_forms(context: Context, *, objects: Annotated[list[Json], Objects(FORM, _OBJECTS)]) -> Outcomes:
    """Create up to 500 forms and say, for each, whether it was created.

    `name` and `fields` are required. A field is `{"systemName"}` with, if you like, `label`, `required`,
    `placeholder` and `value`; what it looks like and takes follows from its dataType and options in getFields.
    `emailAddress` must be among them. A form can ask for the texts of a lead, but not for `leadStatus` and
    `trackingID`, and for custom fields that have `isAvailableInForms` and `isActive`; anything else gets 205, and so
    do a list with a filter and a `redirectURL` that is no http or https address. Whoever submits the form joins
    `listID`, gets `campaignID` if new, then sees `thankYouText` or goes to `redirectURL`; `notifyUserID` finds a
    task "New lead from form …". `allowPlainPosts` is whether pages that are not ours can post to it (1 when not
    given). The form is reachable as soon as it is made: getForms has its addresses.
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
        Example({"objects": [{"id": "{id}", "isActive": 0}]}, [DONE], "A form that takes no more.", given=_GIVEN),
        Example({"objects": [{"id": 1, "isActive": 0}]}, [NOTHING_CHANGED], "An id that no form has."),
    ],
)
async def update_forms(context: Context, *, objects: Annotated[list[Json], Objects(FORM, _OBJECTS)]) -> Outcomes:
    """Change up to 500 forms, each found by its `id`; the rules are those of createForms.

    What is given overwrites, `fields` as a whole; what is not given stays. The addresses stay too: pages that
    embed a form show it as it is now. An inactive form answers 404 to the public. A form that is not there,
    or that is already as asked for, gets 302.
    """
    return await writes.update(context, FORM, objects, await _hooks(context))


@method(
    *WRITE_ERRORS,
    NothingChanged,
    result=Writes("deletes"),
    vendor=False,
    section=_SECTION,
    examples=[Example({"objects": [{"id": "{id}"}, {"id": 1}]}, [DONE, NOTHING_CHANGED], "A form.", given=_GIVEN)],
)
async def delete_forms(
    context: Context,
    *,
    objects: Annotated[list[Json], Objects(FORM, "The forms, each as `{id}` or as the bare id.")],
) -> Outcomes:
    """Delete up to 500 forms for good, by id: their addresses answer 404 from then on.

    The leads, their events and the files that came with the forms stay.
    """
    return await writes.delete(context, FORM, objects, Hooks(after_delete=_withdraw))


@method(
    UnexpectedArray,
    result=Reads(FORM),
    vendor=False,
    section=_SECTION,
    examples=[Example({"where": {}}, [_ROW], "All of them.", given=_GIVEN)],
)
async def get_forms(
    context: Context,
    *,
    where: Annotated[Mapping[str, Json], Where(FORM, "id", "isActive", required=False)] = {},
    limit: Limit = PAGE,
    offset: Offset = 0,
) -> Rows:
    """Read a page of the forms that match all filters, in the order of their ids, with their addresses.

    `hostedURL` is a page with the form, `embedCode` a line that puts it into any page, `formAction` what the
    `<form>` of a page of your own posts to. They begin with the setting `public_url`; without it they are
    paths on this server.
    """
    found = await reads.listing(context, FORM, where, limit=limit, offset=offset)
    return Rows([_with_addresses(one, context.server.public_url) for one in found.page])


def _with_addresses(form: Mapping[str, Json], public_url: str) -> Mapping[str, Json]:
    address = f"{public_url}/f/{form['publicID']}"
    return {
        **form,
        "fields": msgspec.to_builtins(msgspec.json.decode(cast("str", form["fields"]), type=list[FormField])),
        "hostedURL": address,
        "formAction": address,
        "embedCode": f'<script async src="{escape(address)}.js"></script>',
    }
