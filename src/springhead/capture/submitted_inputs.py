"""Matches the inputs of a submission to the fields of its form. The timeline keeps the inputs that match no field."""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from springhead.capture import pages
from springhead.capture.form_bodies import FILE_BYTES, FormBody, SubmittedFile
from springhead.model.capture.forms import EMAIL, Form, FormInput, is_address, option_of
from springhead.model.capture.input_names import FULL_NAME, InputNames, Understood, is_about_sender, normalised_name
from springhead.model.capture.visitors import COOKIE, one_line
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.texts import composed

OTHERS_MAX = 50
"""The most inputs without a field that the timeline keeps. It also bounds the names of what is dropped."""

OTHER_LENGTH = 1_000
"""The most characters of an input without a field that the timeline keeps."""

NAME_LENGTH = 100
"""The most characters of an input's name on the timeline."""

PAGE_NAMES = (pages.PAGE, "_wp_http_referer", "page_url", "pageurl")
"""The names of inputs with the address of the page that shows the form, or with its path. The first one counts."""

EXTRA = {name.lower() for name in (pages.TRAP, pages.TOKEN, pages.TRACKING, COOKIE, "_charset_", *PAGE_NAMES)}
"""The names of inputs that are about the submission and not about the lead."""

_SECRETS = re.compile(r"(?a)password|passwd|passwort|motdepasse|contrasena|creditcard|cardnumber|ccnumber|cvv|cvc")
_CAPTCHAS = {"grecaptcharesponse", "hcaptcharesponse", "cfturnstileresponse", "frccaptchasolution", "captcha"}
_MEMBER = re.compile(r"(?a)(.+)\[(value|name|key|id|label|title|type|raw_value|required)\](?:\[\d*\])?")
_TITLES = "name", "key", "label", "title", "id"
_TICKED = {"1", "on", "true", "yes"}


class SubmittedInputs(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs of a submission.

    `typed` and `files` are by the system name of their field, and `extra` by the lower-case name of the input. `others`
    has the inputs without a field, and `dropped` says for each input what of it is not stored.
    """

    extra: Mapping[str, str] = {}
    typed: Mapping[str, Sequence[str]] = {}
    files: Mapping[str, Sequence[SubmittedFile]] = {}
    too_large: frozenset[str] = frozenset()
    others: Mapping[str, Sequence[str]] = {}
    dropped: Mapping[str, str] = {}


class _Typed(msgspec.Struct, frozen=True):
    """A value of an input that stands for a field."""

    name: str
    understood: Understood
    value: str


class _Matching:
    """The state of matching the inputs of one body."""

    def __init__(self, form_inputs: Sequence[FormInput], names: InputNames) -> None:
        self.by_name = {item.name: item for item in form_inputs}
        self.names = names
        self.extra: dict[str, str] = {}
        self.typed: dict[str, list[str]] = {}
        self.files: dict[str, list[SubmittedFile]] = {}
        self.too_large: set[str] = set()
        self.others: dict[str, list[str]] = {}
        self.dropped: dict[str, str] = {}

    def match_fields(self, fields: Sequence[tuple[str, str]]) -> None:
        matched: dict[str, list[_Typed]] = {}
        for name, value, titles in _without_descriptions(fields):
            if name.lower() in EXTRA:
                self.extra[name.lower()] = value
            elif understood := next(filter(None, map(self.names.understand, (name, *titles))), None):
                matched.setdefault(understood.system_name, []).append(_Typed(name, understood, value))
            else:
                self.keep(titles[0] if titles else name, value)
        full_names = matched.pop(FULL_NAME, [])
        for system_name, values in matched.items():
            self.match_field(system_name, values)
        for typed in full_names:
            self.split_name(typed)
        if EMAIL not in self.typed:
            self.find_address()

    def match_field(self, system_name: str, values: Sequence[_Typed]) -> None:
        """Takes the values of the inputs that name the field best. Others are kept, such as `friend[email]`."""
        item = self.by_name.get(system_name)
        best = min(
            (typed.understood.rank for typed in values if typed.value.strip()), default=values[0].understood.rank
        )
        taken = [typed for typed in values if typed.understood.rank == best]
        if item and item.type == "file":  # the text names a file of the visitor's disk, or pretends to be our address
            taken = []
        elif item and item.type == "checkboxes":
            self.typed[system_name] = [_option(item, typed) for typed in taken]
        else:
            *_, last = [typed for typed in taken if typed.value.strip()] or taken
            self.typed[system_name] = [last.value]
            taken = [typed for typed in taken if typed.value == last.value]
        for typed in values:
            if typed not in taken and not (item and item.type == "checkbox"):
                self.keep(typed.name, typed.value)

    def split_name(self, typed: _Typed) -> None:
        """Splits the whole name of a person: the first word is the first name, unless the last name ends in a comma."""
        names = [name for name in ("firstName", "lastName") if name in self.by_name]
        if any("".join(self.typed.get(name, ())).strip() for name in names):
            self.keep(typed.name, typed.value)
            return
        last, comma, first = typed.value.partition(",")
        if not comma:
            first, _, last = typed.value.strip().partition(" ")
        parts = {"firstName": first.strip(), "lastName": last.strip()} if len(names) == 2 else {names[0]: typed.value}
        self.typed.update({name: [value] for name, value in parts.items()})

    def find_address(self) -> None:
        """Takes the only address among the inputs without a field: form plugins name inputs by numbers."""
        found = {
            value.strip(): name
            for name, values in self.others.items()
            for value in values
            if is_address(value.strip()) and is_about_sender(name)
        }
        if len(found) == 1:
            ((address, name),) = found.items()
            self.typed[EMAIL] = [address]
            del self.others[name]

    def match_files(self, body: FormBody) -> None:
        for name, file in body.files:
            system_name = self.file_field(name)
            if system_name:
                self.files.setdefault(system_name, []).append(file)
            else:
                self.drop(name, f"the file {file.name}: the form has no field for it")
        for name in body.too_large:
            if system_name := self.file_field(name):
                self.too_large.add(system_name)
            else:
                self.drop(name, f"a file of more than {FILE_BYTES // 1024 // 1024} MB")

    def file_field(self, name: str) -> str:
        understood = self.names.understand(name)
        item = self.by_name.get(understood.system_name) if understood else None
        return item.name if item and item.type == "file" else ""

    def keep(self, name: str, value: str) -> None:
        """Keeps an input for the timeline, within its bounds. Passwords, card numbers and captchas are not kept."""
        value = value.replace("\r\n", "\n").replace("\0", "").strip()
        plain = normalised_name(name)
        if not value:
            return
        if _SECRETS.search(plain) or plain in _CAPTCHAS:
            self.drop(name, "a secret, which the timeline does not keep")
            return
        name = one_line(name, NAME_LENGTH)
        if sum(map(len, self.others.values())) >= OTHERS_MAX:
            self.drop(name, f"the timeline keeps {OTHERS_MAX} inputs that the form does not ask for")
            return
        if len(value) > OTHER_LENGTH:
            self.drop(name, f"the last {len(value) - OTHER_LENGTH:,} of {len(value):,} characters")
        self.others.setdefault(name, []).append(value[:OTHER_LENGTH])

    def drop(self, name: str, reason: str) -> None:
        if len(self.dropped) < OTHERS_MAX:
            self.dropped[one_line(name, NAME_LENGTH)] = reason


def _without_descriptions(
    fields: Sequence[tuple[str, str]],
) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yields name, value and titles of each input.

    Page builders send inputs with descriptions: `fields[7][value]=Ann`, `fields[7][title]=First name` and more.
    """
    members = [_MEMBER.fullmatch(name) if len(name) <= NAME_LENGTH else None for name, _ in fields]
    descriptions: dict[str, dict[str, str]] = {}
    for member, (_, value) in zip(members, fields, strict=True):
        if member and member[2] != "value":
            descriptions.setdefault(member[1], {})[member[2]] = value
    described = {member[1] for member in members if member and member[2] == "value"}
    for member, (name, value) in zip(members, fields, strict=True):
        if member is None or member[1] not in described:
            yield name, value, ()
        elif member[2] == "value":
            texts = descriptions.get(member[1], {})
            yield name, value, [texts[title] for title in _TITLES if texts.get(title)]


def _option(item: FormInput, typed: _Typed) -> str:
    """Returns the chosen option: the value, or the key of a ticked box such as `colours[Red]=1`."""
    option, value = option_of(item.options, typed.understood.key), typed.value.strip()
    if option and composed(value) not in map(composed, item.options):
        return option if value.lower() in _TICKED else ""
    return typed.value


def match_inputs(body: FormBody, form: Form, fields: FieldSet, form_inputs: Sequence[FormInput]) -> SubmittedInputs:
    """Returns the inputs of a body, matched to the fields of its form."""
    matching = _Matching(form_inputs, InputNames(form, fields))
    matching.match_fields(body.fields)
    matching.match_files(body)
    for name in body.damaged:
        matching.drop(name, "bytes that are no text: each is replaced by \ufffd")
    return SubmittedInputs(
        extra=matching.extra,
        typed=matching.typed,
        files=matching.files,
        too_large=frozenset(matching.too_large),
        others=matching.others,
        dropped=matching.dropped,
    )
