"""Forms for the public, and their input fields. The noun is our own."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta

from springhead.model.capture import form_texts
from springhead.model.kit.columns import Column, Kind, Noun, choice, flag, integer, moment, text
from springhead.model.kit.errors import InvalidParameters, Problem
from springhead.model.kit.fields import SYSTEM_FIELDS, Field, FieldSet
from springhead.model.kit.texts import composed, folded
from springhead.model.leads.leads import LEAD

FIELDS_MAX = 50
"""How many fields a form can have."""

EMAIL = "emailAddress"

CONSENT = "_consent"
"""The name of the input of the consent box."""

UPLOADS = ("upload", "attachment")
"""The data types of fields that take a file."""

_ID = integer(18, "bigint")
_PLAIN = r"^[^\x00-\x1f\x7f]*\Z"
_Line = Annotated[str, Meta(max_length=255, pattern=_PLAIN)]


class FormField(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """A field of a form: the system name of a field from getFields, and how the form shows it.

    `value` is the initial value. A hidden field sends it unless the page changes it.
    """

    system_name: Annotated[str, Meta(min_length=1, max_length=255, pattern=_PLAIN)]
    label: _Line = ""
    required: bool = False
    placeholder: _Line = ""
    value: _Line = ""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A form as the public sees it."""

    id: int
    public_id: str
    name: str
    fields: tuple[FormField, ...]
    list_id: int | None
    campaign_id: int | None
    thank_you_text: str | None
    redirect_url: str | None
    notify_user_id: int | None
    allow_plain_posts: bool
    updates_known_leads: bool
    double_opt_in: bool
    consent_text: str | None
    language: str
    logo_url: str | None


_FIELDS = Kind(
    type="list",
    sql="jsonb",
    accepts=Annotated[list[FormField], Meta(min_length=1, max_length=FIELDS_MAX)],
    expected=(
        f"Expected 1 to {FIELDS_MAX} fields, each an object with systemName and, optionally, label, required, "
        "placeholder and value; a text is a single line of at most 255 characters"
    ),
)

FORM = Noun(
    name="form",
    table="form",
    about="A form for your web pages. Each submission creates a lead or updates the lead with the same address.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="name", kind=text(255), required=True),
        Column(name="fields", kind=_FIELDS, required=True),
        Column(name="listID", kind=_ID, nullable=True, references="list"),
        Column(name="campaignID", kind=_ID, nullable=True, references="campaign"),
        Column(name="thankYouText", kind=text(2_000)),
        Column(name="redirectURL", kind=text(2_000)),
        Column(name="notifyUserID", kind=_ID, nullable=True, references="user_profile"),
        Column(name="allowPlainPosts", kind=flag(), default="true"),
        Column(name="updatesKnownLeads", kind=flag(), default="false"),
        Column(name="doubleOptIn", kind=flag(), default="false"),
        Column(name="consentText", kind=text(2_000)),
        Column(name="language", kind=choice((form_texts.AUTO, *form_texts.LANGUAGES)), default=f"'{form_texts.AUTO}'"),
        Column(name="logoURL", kind=text(2_000)),
        Column(name="isActive", kind=flag(), default="true"),
        Column(name="publicID", kind=text(22), writable=False),
        Column(name="hostedURL", kind=text(2_000), writable=False, read="''"),
        Column(name="formAction", kind=text(2_000), writable=False, read="''"),
        Column(name="embedCode", kind=text(2_000), writable=False, read="''"),
        Column(name="createTimestamp", kind=moment(), writable=False),
        Column(name="updateTimestamp", kind=moment(), writable=False),
    ),
    where_columns=("isActive",),
)

_NEVER = {"leadStatus", "trackingID"}
"""Texts of a lead that the public must not set."""

_STANDARD = {
    field.system_name: field
    for field in SYSTEM_FIELDS
    if field.relationship == "lead" and field.is_available_in_forms and field.system_name not in _NEVER
}


def available_fields(fields: FieldSet) -> Mapping[str, Field]:
    """Returns the fields that forms can have: texts of a lead, and active custom fields with isAvailableInForms."""
    own = {
        field.system_name: field
        for field in fields.fields
        if field.relationship == "lead" and field.is_available_in_forms and field.is_active
    }
    return {**_STANDARD, **own}


def column_of(field: Field) -> Column:
    """Returns the column that checks values of the field."""
    return field.column if field.is_custom else LEAD.by_name[field.system_name]


def check_form(record: Any, fields: FieldSet) -> InvalidParameters | None:
    """Returns the error (205) with all problems of a form that could not work, or None."""
    problems = [*_field_problems(record.fields, fields)] if record.fields is not UNSET else []
    if isinstance(record.redirectURL, str) and record.redirectURL and not is_web_address(record.redirectURL):
        problems.append(_problem("redirectURL", "Expected an address that begins with https:// or http://"))
    if isinstance(record.logoURL, str) and record.logoURL and not is_image_address(record.logoURL):
        problems.append(_problem("logoURL", "Expected an address of an image that begins with https://"))
    if isinstance(record.listID, int) and record.listID in {rule.list_id for rule in fields.list_filters}:
        problems.append(_problem("listID", "This list has a filter, so no form can add leads to it"))
    return InvalidParameters(*problems) if problems else None


def _field_problems(given: Sequence[FormField], fields: FieldSet) -> list[Problem]:
    known = available_fields(fields)
    names = [field.system_name for field in given]
    repeated = sorted({name for name in names if names.count(name) > 1})
    problems = [_problem("fields", f"{name}: forms cannot have this field") for name in names if name not in known]
    problems += [_problem("fields", f"{name}: sent twice") for name in repeated]
    if EMAIL not in names:
        problems.append(_problem("fields", f"{EMAIL} is missing: every form needs it"))
    return problems


def _problem(name: str, message: str) -> Problem:
    return FORM.by_name[name].problem(message)


_AUTHORITY = re.compile(r"(?ai)(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?")


def is_web_address(address: str) -> bool:
    """Whether every browser opens a web page for this address: http or https, a host, and no unusual characters."""
    if not re.fullmatch(r"(?ai)https?://[!-~]+", address) or set(address) & set('\\"<>^`{|}'):
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return _AUTHORITY.fullmatch(parts.netloc) is not None


def is_image_address(address: str) -> bool:
    """Whether pages of forms can show an image from this address. Browsers load no http image on an https page."""
    return address[:8].lower() == "https://" and is_web_address(address)


class FormInput(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An input field of a form's page, for the HTML template and for the script.

    `type` is a type of `<input>`, or textarea, select, radio or checkboxes. `complete` is the HTML attribute
    `autocomplete`, and `mode` is `inputmode`.
    """

    name: str
    label: str
    type: str
    required: bool = False
    placeholder: str = ""
    value: str = ""
    options: tuple[str, ...] = ()
    max_length: int | None = None
    complete: str = ""
    mode: str = ""


_COMPLETE = {
    EMAIL: "email",
    "firstName": "given-name",
    "lastName": "family-name",
    "companyName": "organization",
    "title": "organization-title",
    "street": "street-address",
    "city": "address-level2",
    "state": "address-level1",
    "country": "country-name",
    "zipcode": "postal-code",
    "website": "url",
    "phoneNumber": "tel",
    "mobilePhoneNumber": "tel",
    "officePhoneNumber": "work tel",
}
_TYPES = {
    "email": "email",
    "phone": "tel",
    "text": "textarea",
    "textarea": "textarea",
    "date": "date",
    "datetime": "datetime-local",
    "boolean": "checkbox",
    "bit": "checkbox",
    "hidden": "hidden",
    "upload": "file",
    "attachment": "file",
}
TEXT_MAX = 10_000
"""How many characters people can type into a large field."""


def inputs_of(form: Form, fields: FieldSet, language: str) -> list[FormInput]:
    """Returns the input fields of a form's page in a language. Fields that the company no longer has are left out."""
    known = available_fields(fields)
    return [
        _input(form_field, known[form_field.system_name], language)
        for form_field in form.fields
        if form_field.system_name in known
    ]


def consent_input(form: Form) -> list[FormInput]:
    """Returns the consent box of a form, if the form has one."""
    return (
        [FormInput(name=CONSENT, label=form.consent_text, type="checkbox", required=True)] if form.consent_text else []
    )


def _input(form_field: FormField, field: Field, language: str) -> FormInput:
    name, kind = form_field.system_name, column_of(field).kind
    shown = _TYPES.get(field.data_type, "text")
    if name in _COMPLETE and _COMPLETE[name].endswith("tel"):
        shown = "tel"
    if field.options:
        shown = {"radio": "radio", "checkbox": "checkboxes", "picklist": "select"}.get(field.data_type, "select")
    typed = shown in {"text", "email", "tel", "textarea"}
    return FormInput(
        name=name,
        label=form_field.label or form_texts.label(language, name) or field.label,
        type=shown,
        required=form_field.required or field.is_required or name == EMAIL,
        placeholder=form_field.placeholder if typed else "",
        value=form_field.value,
        options=field.options,
        max_length=min(kind.length or TEXT_MAX, TEXT_MAX) if typed else None,
        complete=_COMPLETE.get(name, "") if typed else "",
        mode="url" if name == "website" or field.data_type == "url" else "",
    )


class InvalidInput(Exception):
    """A wrong value of an input. `text` tells the person who filled in the form what is expected."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self._key, self._values = key, values

    def text(self, language: str) -> str:
        """Returns the message in a language."""
        return form_texts.text(language, self._key, **self._values)


def read_value(form_input: FormInput, field: Field, values: Sequence[str]) -> str:
    """Returns the stored value for what was sent for an input, "" if nothing was. Raises InvalidInput."""
    if form_input.type == "checkboxes":
        value = ",".join(dict.fromkeys(option for value in values for option in _options(form_input, value)))
    else:
        value = values[-1] if values else ""
        value = _option(form_input, value) if form_input.options else value
    value = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    value = value.strip() if form_input.type == "textarea" else re.sub(r"\s*\n\s*", " ", value).strip()
    if field.data_type in {"boolean", "bit"}:
        value = {"on": "1", "true": "1", "yes": "1", "off": "0", "false": "0", "no": "0"}.get(value.lower(), value)
    if field.data_type == "datetime" and (local := re.fullmatch(r"([0-9-]{10})[T ]([0-9:]{5})(:[0-9]{2})?", value)):
        value = f"{local[1]} {local[2]}{local[3] or ':00'}"
    if not value:
        if form_input.required:
            raise InvalidInput(_MISSING.get(form_input.type, "missing"))
        return ""
    try:
        stored = column_of(field).kind.read(value)
    except ValueError:
        raise _expected(form_input, field, value) from None
    if form_input.name == EMAIL and not is_address(value):
        raise InvalidInput("address")
    return cast("str", stored)


def _options(form_input: FormInput, value: str) -> list[str]:
    """Returns the options of a text with commas, with or without spaces."""
    return [_option(form_input, option) for option in value.split(",") if option.strip()]


def _option(form_input: FormInput, value: str) -> str:
    return option_of(form_input.options, value) or value.strip()


def option_of(options: Sequence[str], text: str) -> str | None:
    """Returns the option that a text means: as sent, in the other coding of accents, or in another case.

    Spaces around the text do not count. Returns None if the text means no option.
    """
    if text in options:
        return text
    for compared in (composed, folded):
        same = [option for option in options if compared(option.strip()) == compared(text.strip())]
        if len(same) == 1:
            return same[0]
    return None


def check_consent(values: Sequence[str]) -> None:
    """Raises InvalidInput unless the consent box was ticked. Plugins send many words for a ticked box."""
    if not {value.strip().lower() for value in values} - {"", "0", "off", "false", "no"}:
        raise InvalidInput(_MISSING["checkbox"])


_MISSING = {
    "select": "missing_one",
    "radio": "missing_one",
    "checkboxes": "missing_some",
    "checkbox": "missing_tick",
    "file": "missing_file",
}


def is_address(value: str) -> bool:
    """Whether this looks like an email address. The rules are those of browsers, with letters of all scripts."""
    return (
        re.fullmatch(r"[^\s@<>()\[\]\\,;:\"]{1,64}@[^\s@<>()\[\]\\,;:\"/?#]+\.[^\s@<>()\[\]\\,;:\"/?#.]{2,}", value)
        is not None
    )


def _expected(form_input: FormInput, field: Field, value: str) -> InvalidInput:
    length = column_of(field).kind.length
    if field.options:
        return InvalidInput("some_of" if form_input.type == "checkboxes" else "one_of")
    if field.data_type in _SHAPES:
        return InvalidInput(_SHAPES[field.data_type])
    if length is not None and len(value) > length:
        return InvalidInput("too_long", most=length, length=len(value))
    return InvalidInput("text")


_SHAPES = {"date": "date", "datetime": "datetime", "url": "url", "boolean": "yes_or_no", "bit": "yes_or_no"}
"""The messages of data types by key."""
