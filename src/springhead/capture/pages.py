"""The pages and the script of forms. Templates escape every value. A page's security policy allows no other source."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import resources
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from springhead.model.capture import form_texts
from springhead.model.capture.forms import Form, FormInput, consent_input, is_image_address, option_of
from springhead.wire.http.messages import SAFE_HEADERS

TRAP = "_confirm"
"""The name of an input that people do not see. A submission with a value in it comes from a bot."""

TOKEN = "_token"  # noqa: S105 - the name of an input
"""The name of the input with the signed token."""

PAGE = "_page"
"""The name of the input with the address of the page that shows the form."""

TRACKING = "trackingid__sb"
"""The name of the input with the visitor's tracking id."""

SCRIPT_WAIT = 2_200
"""Milliseconds between loading and sending a form that the script waits for, a little more than the server requires."""


def _static(name: str) -> str:
    text = (resources.files("springhead.capture") / "static" / name).read_text("utf-8")
    return re.sub(r"^\s+", "", text, flags=re.MULTILINE)


_FORM_STYLE = _static("form.css")
_STYLE = _static("page.css") + _FORM_STYLE
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_SCRIPT = _static("form.js").rstrip()
_TEMPLATES = Environment(
    loader=PackageLoader("springhead.capture"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class FormValues(msgspec.Struct, frozen=True, kw_only=True):
    """The typed values of a form and the errors, both by system name. `message` is about the whole form."""

    values: Mapping[str, Sequence[str]] = {}
    errors: Mapping[str, str] = {}
    message: str = ""


def form_page(
    form: Form, inputs: Sequence[FormInput], values: FormValues, token: str, language: str, *, status: int = 200
) -> Response:
    """Returns the hosted page in a language. It works without a script, and other sites may show it in a frame."""
    inputs = [*inputs, *consent_input(form)]
    values_by_name = {item.name: _shown(item, values.values.get(item.name) or _default(item)) for item in inputs}
    text = _TEMPLATES.get_template("form.html").render(
        title=form.name,
        language=language,
        text=partial(form_texts.text, language),
        logo=logo_of(form),
        style=Markup(_STYLE),  # noqa: S704 - our own files
        action=f"/f/{form.public_id}",
        inputs=inputs,
        has_files=any(item.type == "file" for item in inputs),
        values=values_by_name,
        errors=values.errors,
        message=values.message,
        token=token,
        token_name=TOKEN,
        trap=TRAP,
    )
    return _page(text, status, target=_target(redirects=bool(form.redirect_url)), logo=logo_of(form))


def logo_of(form: Form) -> str:
    """Returns the address of the form's logo, or "". Checked again, because it becomes part of the page's policy."""
    return form.logo_url if form.logo_url and is_image_address(form.logo_url) else ""


def _shown(item: FormInput, texts: Sequence[str]) -> Sequence[str]:
    """Returns the values of a field, where it has options those that the texts mean."""
    return [option_of(item.options, value) or value for value in texts]


def _default(item: FormInput) -> Sequence[str]:
    """Returns the values of a field before anybody types."""
    if item.type == "checkboxes":
        return item.value.split(",")
    return [item.value] if item.value else []


def text_page(title: str, text: str, *, status: int = 200, language: str = "en", logo: str = "") -> Response:
    """Returns a page with a short text."""
    template = _TEMPLATES.get_template("page.html")
    style = Markup(_STYLE)  # noqa: S704 - our own files
    page = template.render(title=title, message=text, style=style, inputs=(), language=language, logo=logo)
    return _page(page, status, target="'none'", logo=logo)


def button_page(
    title: str,
    *texts: str,
    button: str,
    action: str,
    language: str = "en",
    logo: str = "",
    redirects: bool = False,
) -> Response:
    """Returns a page with short texts and a button that posts, which may be answered with a redirect.

    Other sites cannot show it in a frame, where they could hide its text.
    """
    template = _TEMPLATES.get_template("button.html")
    style = Markup(_STYLE)  # noqa: S704 - our own files
    page = template.render(
        title=title, texts=texts, button=button, action=action, style=style, inputs=(), language=language, logo=logo
    )
    return _page(page, 200, target=_target(redirects=redirects), frames="'none'", logo=logo)


def _target(*, redirects: bool) -> str:
    """Returns where a page may post. Browsers apply it to redirects, too, whose targets may redirect again."""
    return "'self' https: http:" if redirects else "'self'"


def _page(text: str, status: int, *, target: str, frames: str = "*", logo: str = "") -> Response:
    images = f"img-src https://{urlsplit(logo).netloc}; " if logo else ""
    policy = (
        f"default-src 'none'; {images}style-src 'sha256-{_STYLE_HASH}'; form-action {target}; base-uri 'none'; "
        f"frame-ancestors {frames}"
    )
    headers = {**SAFE_HEADERS, "content-security-policy": policy, "vary": "accept-language"}
    return Response(text, status, headers, media_type="text/html")


def script(form: Form, inputs: Sequence[FormInput], token: str, language: str) -> Response:
    """Returns the script that shows the form in a page of another site, in a shadow DOM and without a frame."""
    description = {
        "path": f"/f/{form.public_id}",
        "inputs": [*inputs, *consent_input(form)],
        "language": language,
        "texts": {key: form_texts.text(language, key) for key in ("send", "optional", "choose", "trap", "not_sent")},
        "style": _FORM_STYLE,
        "token": token,
        "tokenName": TOKEN,
        "trap": TRAP,
        "wait": SCRIPT_WAIT,
    }
    text = f"{_SCRIPT}({msgspec.json.encode(description).decode()});\n"
    headers = {**SAFE_HEADERS, "cross-origin-resource-policy": "cross-origin", "vary": "accept-language"}
    return Response(text, 200, headers, media_type="text/javascript")


def answer(content: Mapping[str, object], *, status: int = 200, retry_after: int = 0) -> Response:
    """Returns the JSON answer for the script. Any site may read it, because the script sends no credentials."""
    headers = {**SAFE_HEADERS, "access-control-allow-origin": "*", "vary": "accept, accept-language"}
    if retry_after:
        headers["retry-after"] = str(retry_after)
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")
