"""The pages and the script of a form: every value escaped, nothing from elsewhere, and a policy that says so."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib import resources

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from springhead.model.capture.forms import Form, FormInput
from springhead.wire.http.messages import SAFE_HEADERS

TRAP = "_confirm"
"""An input that no person sees: who fills it in is a machine."""

TOKEN = "_token"  # noqa: S105 - the name of an input
PAGE = "_page"
TRACKING = "trackingid__sb"
"""The inputs beside the fields of a form: the signed token, where the form stands, and the visitor's tracking id."""

THANKS = "Thank you. We have received what you sent."
SCRIPT_WAIT = 2_200
"""Milliseconds that the script waits after its form has come up: a little more than the server asks for."""


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


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a form: values by system name as they were typed, and what is wrong with them."""

    values: Mapping[str, Sequence[str]] = {}
    errors: Mapping[str, str] = {}
    message: str = ""


def form_page(form: Form, inputs: Sequence[FormInput], filled: Filled, token: str, *, status: int = 200) -> Response:
    """The hosted page. It works without a script, and other sites may show it in a frame."""
    values = {one.name: filled.values.get(one.name) or _at_first(one) for one in inputs}
    text = _TEMPLATES.get_template("form.html").render(
        title=form.name,
        style=Markup(_STYLE),  # noqa: S704 - our own files
        action=f"/f/{form.public_id}",
        inputs=inputs,
        has_files=any(one.type == "file" for one in inputs),
        values=values,
        errors=filled.errors,
        message=filled.message,
        token=token,
        token_name=TOKEN,
        trap=TRAP,
    )
    # A browser holds `form-action` against where a redirect leads, too, and that may redirect again.
    target = "'self' https: http:" if form.redirect_url else "'self'"
    return _page(text, status, target=target)


def _at_first(one: FormInput) -> Sequence[str]:
    """What stands in a field before anybody has typed."""
    if one.type == "checkboxes":
        return one.value.split(",")
    return [one.value] if one.value else []


def text_page(title: str, text: str, *, status: int = 200) -> Response:
    """A page with a few words."""
    template = _TEMPLATES.get_template("page.html")
    page = template.render(title=title, text=text, style=Markup(_STYLE), inputs=())  # noqa: S704 - our own files
    return _page(page, status, target="'none'")


def button_page(title: str, text: str, button: str, *, action: str) -> Response:
    """A page with a few words and a button that posts; no other site can show it, and have it clicked unseen."""
    template = _TEMPLATES.get_template("button.html")
    style = Markup(_STYLE)  # noqa: S704 - our own files
    page = template.render(title=title, text=text, button=button, action=action, style=style, inputs=())
    return _page(page, 200, target="'self'", frames="'none'")


def _page(text: str, status: int, *, target: str, frames: str = "*") -> Response:
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {target}; base-uri 'none'; "
        f"frame-ancestors {frames}"
    )
    headers = {**SAFE_HEADERS, "content-security-policy": policy}
    return Response(text, status, headers, media_type="text/html")


def script(form: Form, inputs: Sequence[FormInput], token: str) -> Response:
    """The script that puts the form where it stands in somebody else's page: its own DOM, no frame, no inline code."""
    described = {
        "path": f"/f/{form.public_id}",
        "inputs": inputs,
        "style": _FORM_STYLE,
        "token": token,
        "tokenName": TOKEN,
        "trap": TRAP,
        "wait": SCRIPT_WAIT,
    }
    text = f"{_SCRIPT}({msgspec.json.encode(described).decode()});\n"
    headers = {**SAFE_HEADERS, "cross-origin-resource-policy": "cross-origin"}
    return Response(text, 200, headers, media_type="text/javascript")


def answer(described: Mapping[str, object], *, status: int = 200, retry_after: int = 0) -> Response:
    """What the script reads, on whatever site it stands: it sends no credentials, so everybody may."""
    headers = {**SAFE_HEADERS, "access-control-allow-origin": "*", "vary": "accept"}
    if retry_after:
        headers["retry-after"] = str(retry_after)
    return Response(msgspec.json.encode(described), status, headers, media_type="application/json")
