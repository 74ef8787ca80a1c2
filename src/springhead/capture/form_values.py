"""The values of a submission: checks the inputs of the fields, and finds the invalid values."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request

from springhead.capture import pages
from springhead.capture.form_bodies import FILE_BYTES
from springhead.capture.pages import FormValues
from springhead.capture.submissions import Submission
from springhead.capture.submitted_inputs import PAGE_NAMES, SubmittedInputs
from springhead.capture.visitor_headers import objects_to_tracking, tracking_id_of_cookie
from springhead.model.capture import form_texts
from springhead.model.capture.forms import (
    CONSENT,
    EMAIL,
    Form,
    FormInput,
    InvalidInput,
    available_fields,
    check_consent,
    is_web_address,
    read_value,
)
from springhead.model.capture.sites import Site
from springhead.model.capture.visitors import COOKIE, URL_LENGTH, is_tracking_id, is_url, one_line
from springhead.model.kit.fields import FieldSet
from springhead.rpc.context import Context


class LoadedForm(msgspec.Struct, frozen=True, kw_only=True):
    """A form, its inputs in the language of the page, and its company's site, fields and context."""

    form: Form
    site: Site
    fields: FieldSet
    inputs: Sequence[FormInput]
    context: Context
    language: str

    @property
    def thanks(self) -> str:
        """The text for a person whose submission is stored."""
        return self.form.thank_you_text or self.text("thanks")

    @property
    def redirect_url(self) -> str | None:
        """The page that such a person sees instead, if any. Checked again, because the company chose it."""
        url = self.form.redirect_url
        return url if url and is_web_address(url) else None

    def text(self, key: str, **values: object) -> str:
        """Returns a text of the page in its language, with values in place of their names in braces."""
        return form_texts.text(self.language, key, **values)


class SubmissionRefused(Exception):
    """A refused submission: `values` has the typed values and the errors, `status` is the HTTP status.

    `age` is the age of the submitted page in seconds, 0 if this server did not make the page. The page of the answer
    counts as equally old, so that the person need not wait again.
    """

    def __init__(self, values: FormValues, status: int = 422, *, retry_after: int = 0) -> None:
        super().__init__(values.message)
        self.values, self.status, self.retry_after = values, status, retry_after
        self.age = 0.0


def submission_of(request: Request, loaded: LoadedForm, inputs: SubmittedInputs, nonce: str) -> Submission:
    """Returns the submission with valid values. Raises SubmissionRefused with a message for each invalid field."""
    values, errors = _checked(loaded, inputs)
    if errors or EMAIL not in values:
        raise SubmissionRefused(FormValues(values=inputs.typed, errors=errors, message=loaded.text("check")))
    page = _page_address(request, inputs)
    return Submission(
        values=values,
        files=inputs.files,
        others={name: values[0] if len(values) == 1 else values for name, values in inputs.others.items()},
        dropped=inputs.dropped,
        consent=_consent(loaded.form),
        tracking_id=_tracking_id(request, loaded.site, inputs.extra),
        page=one_line(page, URL_LENGTH) if is_url(page) else "",
        nonce=nonce,
    )


def _consent(form: Form) -> Mapping[str, str]:
    """Returns the text of the form's consent box and the time, because it was ticked; nothing without a box."""
    if not form.consent_text:
        return {}
    return {"text": form.consent_text, "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")}


def _page_address(request: Request, inputs: SubmittedInputs) -> str:
    """Returns the address of the page with the form, as the page says it, else as the browser does (Referer).

    Browsers leave out the path if the page is on another host. A page can say its path alone.
    """
    referer = request.headers.get("referer", "")
    named = next(filter(None, (inputs.extra.get(name, "").strip() for name in PAGE_NAMES)), "")
    origin = re.match(r"(?ai)https?://(?:[^/?#\[\]]+|\[[0-9a-f:.]+\])", referer)
    return origin[0] + named if origin and re.match(r"/(?!/)", named) else named or referer


def _checked(loaded: LoadedForm, inputs: SubmittedInputs) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the valid values that are not empty, and the messages for the invalid values, both by system name."""
    values: dict[str, str] = {}
    errors: dict[str, str] = {}
    fields = available_fields(loaded.fields)
    for item in loaded.inputs:
        typed = inputs.typed.get(item.name, ())
        if files := inputs.files.get(item.name):
            base = f"{loaded.context.public_url}/files/{loaded.site.token}"
            typed = (",".join(f"{base}/{file.token}" for file in files),)
        try:
            if item.name in inputs.too_large:
                raise InvalidInput("file_too_large", megabytes=FILE_BYTES // 1024 // 1024)
            value = read_value(item, fields[item.name], typed)
        except InvalidInput as invalid:
            errors[item.name] = invalid.text(loaded.language)
        else:
            if value:
                values[item.name] = value
    if loaded.form.consent_text:
        try:
            check_consent(inputs.typed.get(CONSENT, ()))
        except InvalidInput as invalid:
            errors[CONSENT] = invalid.text(loaded.language)
    return values, errors


def _tracking_id(request: Request, site: Site, extra: Mapping[str, str]) -> str:
    """Returns the visitor's tracking id, from the form or the cookie; "" if there is none or the visitor objects."""
    headers = request.headers.raw
    if site.respects_signals and objects_to_tracking(headers):
        return ""
    tracking_id = extra.get(pages.TRACKING) or extra.get(COOKIE) or tracking_id_of_cookie(headers) or ""
    return tracking_id if is_tracking_id(tracking_id) else ""
