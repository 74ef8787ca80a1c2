"""The values of a submission: matches inputs to fields, and finds the invalid values."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from starlette.requests import Request

from springhead.capture import pages
from springhead.capture.form_bodies import FILE_BYTES, FormBody, SubmittedFile
from springhead.capture.pages import FormValues
from springhead.capture.submissions import Submission
from springhead.capture.visitor_headers import objects_to_tracking, tracking_id_of_cookie
from springhead.model.capture.forms import (
    EMAIL,
    Form,
    FormInput,
    InvalidInput,
    available_fields,
    normalised_name,
    read_value,
    system_names,
)
from springhead.model.capture.sites import Site
from springhead.model.capture.visitors import COOKIE, URL_LENGTH, is_tracking_id, is_url, one_line
from springhead.model.kit.fields import FieldSet
from springhead.rpc.context import Context

CHECK = "Please check the fields below."
_TOO_LARGE = f"Please choose a file of at most {FILE_BYTES // 1024 // 1024} MB."


class LoadedForm(msgspec.Struct, frozen=True, kw_only=True):
    """A form, its inputs, and its company's site, fields and context."""

    form: Form
    site: Site
    fields: FieldSet
    inputs: Sequence[FormInput]
    context: Context


class SubmissionRefused(Exception):
    """A refused submission: `values` has the typed values and the errors, `status` is the HTTP status.

    `age` is the age of the submitted page in seconds, 0 if this server did not make the page. The page of the answer
    counts as equally old, so that the person need not wait again.
    """

    def __init__(self, values: FormValues, status: int = 422, *, retry_after: int = 0) -> None:
        super().__init__(values.message)
        self.values, self.status, self.retry_after = values, status, retry_after
        self.age = 0.0


class SubmittedInputs(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs of a submission: `extra` by the name of the input, the others by the system name of their field."""

    extra: Mapping[str, str]
    typed: Mapping[str, Sequence[str]]
    files: Mapping[str, SubmittedFile]
    too_large: Collection[str]


_EXTRA = {name.lower() for name in (pages.TRAP, pages.TOKEN, pages.PAGE, pages.TRACKING, COOKIE)}


def inputs_of(body: FormBody, loaded: LoadedForm) -> SubmittedInputs:
    """Returns the inputs of a body that belong to the form; ignores all others."""
    names = system_names(loaded.form, loaded.fields)
    extra: dict[str, str] = {}
    typed: dict[str, list[str]] = {}
    for name, value in body.fields:
        if name.lower() in _EXTRA:
            extra[name.lower()] = value
        elif system_name := names.get(normalised_name(name)):
            typed.setdefault(system_name, []).append(value)
    files = {names[normalised_name(name)]: file for name, file in body.files if normalised_name(name) in names}
    return SubmittedInputs(
        extra=extra,
        typed=typed,
        files=files,
        too_large={names.get(normalised_name(name), "") for name in body.too_large},
    )


def submission_of(request: Request, loaded: LoadedForm, inputs: SubmittedInputs, nonce: str) -> Submission:
    """Returns the submission with valid values. Raises SubmissionRefused with a message for each invalid field."""
    values, errors = _checked(loaded, inputs)
    if errors or EMAIL not in values:
        raise SubmissionRefused(FormValues(values=inputs.typed, errors=errors, message=CHECK))
    page = inputs.extra.get(pages.PAGE) or request.headers.get("referer", "")
    return Submission(
        values=values,
        files={item.name: inputs.files[item.name] for item in loaded.inputs if _has_file(item, inputs)},
        tracking_id=_tracking_id(request, loaded.site, inputs.extra),
        page=one_line(page, URL_LENGTH) if is_url(page) else "",
        nonce=nonce,
    )


def _has_file(item: FormInput, inputs: SubmittedInputs) -> bool:
    return item.type == "file" and item.name in inputs.files


def _checked(loaded: LoadedForm, inputs: SubmittedInputs) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the valid values that are not empty, and the messages for the invalid values, both by system name."""
    values: dict[str, str] = {}
    errors: dict[str, str] = {}
    fields = available_fields(loaded.fields)
    for item in loaded.inputs:
        typed: Sequence[str] = () if item.type == "file" else inputs.typed.get(item.name, ())
        if _has_file(item, inputs):
            token = inputs.files[item.name].token
            typed = (f"{loaded.context.public_url}/files/{loaded.site.token}/{token}",)
        try:
            if item.name in inputs.too_large:
                raise InvalidInput(_TOO_LARGE)
            value = read_value(item, fields[item.name], typed)
        except InvalidInput as invalid:
            errors[item.name] = str(invalid)
        else:
            if value:
                values[item.name] = value
    return values, errors


def _tracking_id(request: Request, site: Site, extra: Mapping[str, str]) -> str:
    """Returns the visitor's tracking id, from the form or the cookie; "" if there is none or the visitor objects."""
    headers = request.headers.raw
    if site.respects_signals and objects_to_tracking(headers):
        return ""
    tracking_id = extra.get(pages.TRACKING) or extra.get(COOKIE) or tracking_id_of_cookie(headers) or ""
    return tracking_id if is_tracking_id(tracking_id) else ""
