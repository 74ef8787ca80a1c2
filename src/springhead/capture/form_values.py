"""What a person has filled in: which input means which field, and what is right about it."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from starlette.requests import Request

from springhead.capture import pages
from springhead.capture.bodies import FILE_BYTES, Body, File
from springhead.capture.pages import Filled
from springhead.capture.submits import Submit
from springhead.capture.visitor_headers import objects_to_tracking, tracking_id_of_cookie
from springhead.model.capture.forms import (
    EMAIL,
    Form,
    FormInput,
    InvalidInput,
    available_fields,
    named,
    normalised_name,
    read_value,
)
from springhead.model.capture.sites import Site
from springhead.model.capture.visitors import COOKIE, URL_LENGTH, is_tracking_id, is_url, one_line
from springhead.model.kit.fields import FieldSet
from springhead.rpc.context import Context

CHECK = "Please check the fields below."


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A form that was asked for, with all that belongs to it."""

    form: Form
    site: Site
    fields: FieldSet
    inputs: Sequence[FormInput]
    call: Context


class Refused(Exception):
    """A submit that was not taken: what the person should read, and HTTP's status.

    `age` are the seconds since the page was made that was filled in, 0 when it is not known to be ours: the page
    that answers counts as no younger.
    """

    def __init__(self, filled: Filled, status: int = 422, *, retry_after: int = 0) -> None:
        super().__init__(filled.message)
        self.filled, self.status, self.retry_after = filled, status, retry_after
        self.age = 0.0


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What came: the inputs beside the fields by their name, and what was typed and chosen, by system name."""

    extra: Mapping[str, str]
    typed: Mapping[str, Sequence[str]]
    files: Mapping[str, File]
    too_large: Collection[str]


_EXTRA = {name.lower() for name in (pages.TRAP, pages.TOKEN, pages.PAGE, pages.TRACKING, COOKIE)}


def sent_with(body: Body, served: Served) -> Sent:
    """The parts of a body that mean something to the form; all others are ignored."""
    names = named(served.form, served.fields)
    extra: dict[str, str] = {}
    typed: dict[str, list[str]] = {}
    for name, value in body.fields:
        if name.lower() in _EXTRA:
            extra[name.lower()] = value
        elif found := names.get(normalised_name(name)):
            typed.setdefault(found, []).append(value)
    files = {names[normalised_name(name)]: file for name, file in body.files if normalised_name(name) in names}
    return Sent(
        extra=extra,
        typed=typed,
        files=files,
        too_large={names.get(normalised_name(name), "") for name in body.too_large},
    )


def submit_of(request: Request, served: Served, sent: Sent, nonce: str) -> Submit:
    """What was sent, checked; raises Refused with a message at each field that is wrong."""
    values: dict[str, str] = {}
    files: dict[str, File] = {}
    errors: dict[str, str] = {}
    known = available_fields(served.fields)
    for one in served.inputs:
        given: Sequence[str] = () if one.type == "file" else sent.typed.get(one.name, ())
        if one.type == "file" and (file := sent.files.get(one.name)):
            files[one.name] = file
            given = (f"{served.call.server.public_url}/files/{served.site.token}/{file.token}",)
        try:
            if one.name in sent.too_large:
                raise InvalidInput(_TOO_LARGE)
            value = read_value(one, known[one.name], given)
        except InvalidInput as wrong:
            errors[one.name] = str(wrong)
        else:
            if value:
                values[one.name] = value
    if errors or EMAIL not in values:
        raise Refused(Filled(values=sent.typed, errors=errors, message=CHECK))
    page = sent.extra.get(pages.PAGE) or request.headers.get("referer", "")
    return Submit(
        values=values,
        files=files,
        tracking_id=_tracking_id(request, served.site, sent.extra),
        page=one_line(page, URL_LENGTH) if is_url(page) else "",
        nonce=nonce,
    )


_TOO_LARGE = f"Please choose a file of at most {FILE_BYTES // 1024 // 1024} MB."


def _tracking_id(request: Request, site: Site, extra: Mapping[str, str]) -> str:
    """Who the page script says the visitor is; "" when nobody, or when the visitor does not want to be known."""
    headers = request.headers.raw
    if site.respects_signals and objects_to_tracking(headers):
        return ""
    found = extra.get(pages.TRACKING) or extra.get(COOKIE) or tracking_id_of_cookie(headers) or ""
    return found if is_tracking_id(found) else ""
