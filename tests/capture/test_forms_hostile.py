"""Hostile submits: no input comes back as code, and no input exhausts the server."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from capture.forms import BOUNDARY, EMAIL, FormOf, custom, inputs, messages, multipart
from capture.public import Public
from springhead.capture.form_bodies import plain_name
from springhead.model.capture import signing
from support import Company

NASTY = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'onmouseover='alert(1)", "{{ 7*7 }}",
    "</textarea><script>x</script>",
    "{% raw %}", "</style><script>x</script>", "javascript:alert(1)", "--><script>x</script>", "${7*7}",
    "\u202e\u2028\u2029", "%3Cscript%3E", "<!--", "]]>", "\x1b[31m", "a\tb", "=cmd|' /C calc'!A0",
    "&lt;b&gt;", "\ud7ff\ue000",
)  # fmt: skip


@pytest.mark.parametrize("nasty", NASTY)
def test_what_is_typed_comes_back_as_text(public: Public, nasty: str) -> None:
    form = FormOf(public, "firstName", "description", thankYouText=nasty, name=f"A {nasty}")

    for page in (
        form.post(firstName=nasty, description=nasty),
        public.ask(form.path),
        public.ask(f"{form.path}/thanks"),
    ):
        text = page.body.decode()
        assert re.findall(r"<script|<img|onerror=(?!alert)|onmouseover='", text) == []
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert page.headers["x-content-type-options"] == "nosniff"
    wrong = form.post(firstName=nasty, description=nasty)
    assert inputs(wrong)["firstName"] == nasty
    assert inputs(wrong)["description"] == nasty

    assert form.post(emailAddress="a@example.com", description=nasty).status == 303
    assert form.submits()[0]["data"]["values"].get("description") == (nasty.strip() or None)


def test_labels_placeholders_and_options_are_text_too(public: Public) -> None:
    nasty = '"><script>x</script>'
    name = custom(public.company, "Thing", "picklist", options=[nasty])
    field = {"systemName": name, "label": nasty, "placeholder": nasty, "value": nasty}
    form = FormOf(public, field, {"systemName": "firstName", "label": nasty, "placeholder": nasty, "value": nasty})

    assert "<script" not in public.ask(form.path).body.decode()
    script = public.ask(f"{form.path}.js").body.decode()
    assert "innerHTML" not in script
    assert "document.write" not in script


def test_no_input_reaches_a_header(public: Public) -> None:
    form = FormOf(public, "firstName", redirectURL="https://www.example.com/")
    sent = form.post(emailAddress="a@example.com", firstName="x\r\nSet-Cookie: a=b")
    assert sent.headers["location"] == "https://www.example.com/"
    assert "set-cookie" not in sent.headers
    assert form.lead()["firstName"] == "x Set-Cookie: a=b"


def test_nul_and_half_characters_are_not_stored(public: Public) -> None:
    form = FormOf(public, "firstName")
    for number, typed in enumerate((b"a%00b", b"%ED%A0%80", b"%ff%fe", b"\xff")):
        body = b"email=a%d@example.com&firstName=%s" % (number, typed)
        assert form.raw(body).status == 303
    assert form.leads()[0]["firstName"] == "ab"


@pytest.mark.parametrize(
    "kind",
    [
        "", "text/plain", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x", f"multipart/form-data; boundary={'x' * 300}",
        "application/x-www-form-urlencoded; charset=idna",
        "application/x-www-form-urlencoded; charset=punycode", "multipart/form-data; boundary=x; charset=utf-16",
        'multipart/form-data; boundary="\\"', "multipart/form-data; boundary=é", "\x01", "a/b;" * 100,
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"\xff" * 100, b"--x\r\n\r\n", b"{}", b"&" * 1000, b"=" * 1000, b"--x--"])
def test_a_body_that_is_not_a_form_is_refused(public: Public, kind: str, body: bytes) -> None:
    form = FormOf(public)
    page = form.raw(body, kind=kind.encode("utf-8").decode("latin-1"))
    assert page.status in {400, 413, 415, 422}
    assert form.leads() == []


BROKEN = [
    b"",
    b"--%b",
    b"--%b\r\n",
    b"--%b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--%b--",
    b'--%b\r\nContent-Disposition: form-data; name="email"\r\n\r\na@example.com',
    b"--%b\r\nno header\r\n\r\nx\r\n--%b--",
    b"--%b\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--%b--",
    b"--%b\r\n" + b"X: y\r\n" * 10_000 + b"\r\nx\r\n--%b--",
    b'--%b\r\nContent-Disposition: form-data; name="email"; filename="\xff"\r\n\r\nx\r\n--%b--',
    b'--%b\r\nContent-Disposition: form-data; name="\xff"\r\nContent-Type: \xff\r\n\r\nx\r\n--%b--',
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_broken_multipart_is_refused(public: Public, body: bytes) -> None:
    form = FormOf(public)
    page = form.raw(body.replace(b"%b", BOUNDARY.encode()), kind=f"multipart/form-data; boundary={BOUNDARY}")
    assert page.status in {400, 422}
    assert form.leads() == []


def test_thousands_of_parts_and_of_fields_are_refused(public: Public) -> None:
    form = FormOf(public)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    parts: list[tuple[str, Any]] = [("emailAddress", "a@example.com"), *[("x", "y")] * 5_000]
    assert form.raw(multipart(*parts), kind=kind).status == 400
    assert form.raw(multipart(*[("x", ("a.txt", b"y"))] * 5_000), kind=kind).status == 400
    assert form.raw(b"emailAddress=a@example.com" + b"&x=y" * 5_000).status == 400
    assert form.leads() == []


def test_a_huge_body_is_refused_before_it_is_read_and_after(public: Public) -> None:
    form = FormOf(public)
    assert form.raw(b"email=a@example.com&x=" + b"y" * 300_000).status == 413
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    begun = time.monotonic()
    page = form.raw(multipart(("emailAddress", "a@example.com"), ("x", "y" * 300_000)), kind=kind)
    assert page.status == 400
    page = form.raw(multipart(("x", ("a", b"y" * 11_000_000))), kind=kind)
    assert page.status == 413
    assert time.monotonic() - begun < 5
    assert form.leads() == []


def test_a_compressed_body_is_refused(public: Public) -> None:
    form = FormOf(public)
    assert form.raw(b"email=a@example.com", headers={"Content-Encoding": "gzip"}).status == 415


class TestTheToken:
    def test_of_another_form_company_key_or_purpose_is_invalid(
        self, public: Public, given_company: Callable[..., Company]
    ) -> None:
        form, other = FormOf(public), FormOf(public)
        theirs = FormOf(Public(given_company()))
        key = public.signing_key
        tokens = [
            other.token(), theirs.token(), form.token(key=b"x" * 32), form.token() + "A", form.token()[:-1], "", "x",
            "A" * 10_000, signing.sign(key, "email", form.id, int(time.time()) - 60, "x"),
            signing.sign(key, "form", str(form.id), int(time.time()) - 60, "x"),
            signing.sign(key, "form", form.id, int(time.time()) - 60), signing.sign(key, "form", form.id, None, None),
            form.token(age=90_000), form.token(age=-1_000),
        ]  # fmt: skip
        theirs.public.close()
        for token in tokens:
            page = form.raw(f"emailAddress=a@example.com&_token={token}".encode())
            assert page.status == 422, token
            assert inputs(page)["emailAddress"] == "a@example.com"
            assert inputs(page)["_token"] not in {"", token}
        assert form.leads() == []

    def test_is_valid_once_and_a_repeated_submit_is_not_stored_twice(self, public: Public) -> None:
        form = FormOf(public, "firstName")
        token = form.token()
        assert [form.post(token=token, emailAddress="a@example.com").status for _ in range(3)] == [303] * 3
        assert len(form.submits()) == 1
        page = form.post(token=token, emailAddress="b@example.com")
        assert page.status == 422
        assert messages(page) == {
            "": "This page was open for too long, or it was sent before. Please send the form again."
        }
        assert len(form.leads()) == 1

    def test_that_is_too_young_is_refused_and_the_input_stays(self, public: Public) -> None:
        form = FormOf(public)
        page = form.raw(f"emailAddress=a@example.com&_token={inputs(public.ask(form.path))['_token']}".encode())
        assert page.status == 422
        assert messages(page) == {"": "That was very fast. Please send the form again."}
        assert inputs(page)["emailAddress"] == "a@example.com"
        assert form.post(token=form.token(age=2.5), emailAddress="a@example.com").status == 303

    def test_of_the_page_itself_is_valid_after_two_seconds(self, public: Public) -> None:
        form = FormOf(public)
        token = inputs(public.ask(form.path))["_token"]
        time.sleep(2.1)
        assert form.post(token=token, emailAddress="a@example.com").status == 303

    def test_is_needed_where_the_form_takes_no_plain_posts(self, public: Public) -> None:
        form = FormOf(public, allowPlainPosts=0)
        page = form.post(token=None, emailAddress="a@example.com")
        assert page.status == 422
        assert messages(page) == {"": "Please check your entries, and send the form once more."}
        assert inputs(page)["emailAddress"] == "a@example.com"
        assert form.leads() == []
        assert form.post(emailAddress="a@example.com").status == 303


def test_a_submit_with_the_hidden_field_filled_in_is_refused_politely(public: Public) -> None:
    form = FormOf(public)
    for token in ("", None):
        page = form.post(("_confirm", "http://spam.example"), token=token, emailAddress="a@example.com")
        assert page.status == 422
        assert messages(page) == {"": 'Please clear the field that says "Leave this empty", and send the form again.'}
    assert form.leads() == []
    assert form.post(("_confirm", ""), emailAddress="a@example.com").status == 303


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_other_verbs_are_refused(public: Public, verb: str) -> None:
    form = FormOf(public)
    assert public.ask(form.path, verb=verb).status == 405


def test_a_form_of_one_company_makes_no_lead_of_another(public: Public, given_company: Callable[..., Company]) -> None:
    other = given_company()
    (list_id,) = other.make("createList", {"name": "Theirs"})
    form = FormOf(public)
    pairs = [("listID", str(list_id)), ("company_id", str(other.id)), ("accountID", other.account_id)]
    assert form.post(*pairs, emailAddress="a@example.com").status == 303
    assert other.call("getLeads", where={}) == []
    assert len(form.leads()) == 1


def test_a_page_that_is_not_a_web_address_is_not_stored(public: Public) -> None:
    form = FormOf(public)
    for number, page in enumerate(("javascript:alert(1)", "https://user:pw@example.com/", "file:///etc/passwd", "x")):
        assert form.post(("_page", page), emailAddress=f"a{number}@example.com").status == 303
    assert [event["data"].get("page") for event in form.submits()] == [None] * 4


def test_no_input_is_in_the_log(public: Public, server: Any) -> None:
    form = FormOf(public, "firstName")
    form.post(emailAddress="secret.person@example.com", firstName="Cassandra", token="")
    form.post(emailAddress="secret.person@", firstName="Cassandra")
    log = server.log.read_text()
    assert "secret.person" not in log
    assert "Cassandra" not in log
    assert json.dumps("form") in log


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("cv.pdf", "cv.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Ann\\cv.pdf", "cv.pdf"),
        ("..", "file"),
        ("", "file"),
        ("a\r\nSet-Cookie: b.txt", "aSet-Cookie b.txt"),
        ('a"; filename=evil.exe', "a; filename=evil.exe"),
        ("ann\u202efdp.exe", "annfdp.exe"),
        (".htaccess", "htaccess"),
        ("Lebenslauf Müller.pdf", "Lebenslauf Müller.pdf"),
        ("x" * 300 + ".pdf", "x" * 80 + ".pdf"),
        ("a\0b", "ab"),
    ],
)
def test_the_name_of_a_file_is_only_a_name(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_fields_named_like_parts_of_a_program_are_unknown_fields(public: Public) -> None:
    form = FormOf(public)
    names = ("__proto__", "constructor", "self", "_token.x", "emailAddress.__class__", "{{x}}", "a" * 10_000, "\0", "")
    assert form.post(*((name, "x") for name in names), emailAddress="a@example.com").status == 303
    assert form.submits()[0]["data"]["values"] == {"emailAddress": "a@example.com"}
    assert public.company.refusal("updateForms", {"id": form.id, "fields": [EMAIL]}) is not None
