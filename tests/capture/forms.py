"""Fills in forms as browsers do, as scripts do, and as any other program does."""

import html
import json
import re
import secrets
import time
from typing import Any
from urllib.parse import urlencode

from capture.public import Answer, Public
from springhead.model.capture import signing
from support import Company

EMAIL = {"systemName": "emailAddress"}
URLENCODED = "application/x-www-form-urlencoded"
BOUNDARY = "xYzZy"


class FormOf:
    """A form of a company, and a visitor who submits it."""

    def __init__(self, public: Public, *fields: str | dict[str, Any], **more: Any) -> None:
        self.public, self.company = public, public.company
        form_fields = [{"systemName": field} if isinstance(field, str) else field for field in fields]
        new = {"name": "Contact", "fields": [EMAIL, *form_fields], **more}
        (self.id,) = self.company.make("createForms", new)
        (row,) = self.company.call("getForms", where={"id": self.id})
        self.path: str = row["hostedURL"]
        self.public_id: str = row["publicID"]

    def token(self, *, age: float = 60, form: int = 0, nonce: str = "", key: bytes = b"") -> str:
        """A token as the form's page has it, of any age."""
        key = key or self.public.signing_key
        return signing.sign(key, "form", form or self.id, int(time.time() - age), nonce or secrets.token_urlsafe(12))

    def post(self, *pairs: tuple[str, str], token: str | None = "", script: bool = False, **values: str) -> Answer:
        """Submits values. The token is a valid one unless another, or None, is given."""
        good = self.token() if token == "" else token
        body = [*values.items(), *pairs, *([("_token", good)] if good is not None else [])]
        return self.raw(urlencode(body).encode(), script=script)

    def raw(
        self, body: bytes, *, kind: str = URLENCODED, script: bool = False, headers: dict[str, str] | None = None
    ) -> Answer:
        """Posts any bytes."""
        accept = {"Accept": "application/json"} if script else {}
        return self.public.ask(
            self.path, verb="POST", body=body, headers={"Content-Type": kind, **accept, **(headers or {})}
        )

    def files(self, *parts: tuple[str, str | tuple[str, bytes]], token: str | None = "") -> Answer:
        """Posts multipart values. A pair is the name and the bytes of a file."""
        good = self.token() if token == "" else token
        return self.raw(
            multipart(*parts, *([("_token", good)] if good is not None else [])),
            kind=f"multipart/form-data; boundary={BOUNDARY}",
        )

    def leads(self) -> list[dict[str, str | None]]:
        """All leads of the company."""
        return self.company.call("getLeads", where={})

    def lead(self) -> dict[str, str | None]:
        """The only lead."""
        (lead,) = self.leads()
        return lead

    def submits(self) -> list[dict[str, Any]]:
        """The data of the formSubmit events, oldest first."""
        events = self.public.rows(
            "select event_name, what_type, what_id, lead_id, event_data::text as data from event"
            " where company_id = $1 and event_source = 'formSubmit' order by id"
        )
        return [{**event, "data": json.loads(event["data"])} for event in events]


def multipart(*parts: tuple[str, str | tuple[str, bytes]]) -> bytes:
    """A multipart body. Names and values are written into it without quoting."""
    made = b""
    for name, value in parts:
        named = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if isinstance(value, str):
            made += named + b"\r\n\r\n" + value.encode() + b"\r\n"
        else:
            file, content = value
            made += named + f'; filename="{file}"\r\nContent-Type: text/html\r\n\r\n'.encode() + content + b"\r\n"
    return made + f"--{BOUNDARY}--\r\n".encode()


def inputs(page: Answer) -> dict[str, str]:
    """The inputs of a page with their values."""
    text = page.body.decode()
    pairs = re.findall(r'<input[^>]* name="([^"]*)"[^>]*? value="([^"]*)"', text)
    areas = re.findall(r'<textarea[^>]* name="([^"]*)"[^>]*>\n(.*?)</textarea>', text, re.DOTALL)
    return {name: html.unescape(value) for name, value in [*pairs, *areas]}


def messages(page: Answer) -> dict[str, str]:
    """The error messages of a page by field. The message about the whole form has the key ""."""
    text = page.body.decode()
    values = {
        name: html.unescape(message)
        for name, message in re.findall(r'<p class="error" id="(.*?)-error">(.*?)</p>', text)
    }
    whole_form = re.search(r'<p class="message" role="alert">(.*?)</p>', text)
    return values | ({"": html.unescape(whole_form[1])} if whole_form else {})


def custom(company: Company, label: str, data_type: str, **more: Any) -> str:
    """A custom field that forms can ask for."""
    return company.field(label, data_type, isAvailableInForms=1, **more)
