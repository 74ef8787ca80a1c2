"""JSON posted to the address of a form, in the shapes of scripts, form plugins and page builders."""

import json
from typing import Any

import pytest

from capture.forms import FormOf, custom
from capture.public import Answer, Public
from springhead.capture.form_bodies import FIELDS

ANN: dict[str, Any] = {"email": "ann@example.com"}


def post(form: FormOf, content: object, **headers: str) -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return form.raw(body, kind="application/json", headers=headers)


def test_json_is_stored_like_a_form_and_answered_in_json(public: Public) -> None:
    form = FormOf(public, "firstName", "phoneNumber", redirectURL="https://www.example.com/thanks")
    sent = post(form, {**ANN, "first_name": "Ann", "phone": 4915112345678, "subject": "Prices"})
    assert (sent.status, sent.headers["content-type"]) == (200, "application/json")
    assert json.loads(sent.body)["redirect"] == "https://www.example.com/thanks"
    assert sent.headers["access-control-allow-origin"] == "*"
    lead = form.lead()
    assert (lead["emailAddress"], lead["firstName"], lead["phoneNumber"]) == ("ann@example.com", "Ann", "4915112345678")
    assert form.submits()[0]["data"]["inputs"] == {"subject": "Prices"}


def test_a_wrong_value_is_named_in_json(public: Public) -> None:
    form = FormOf(public, {"systemName": "firstName", "required": 1})
    sent = post(form, {"email": "ann"})
    assert sent.status == 422
    assert set(json.loads(sent.body)["errors"]) == {"emailAddress", "firstName"}
    assert form.leads() == []


@pytest.mark.parametrize(
    "content",
    [
        {"email": "ann@example.com", "firstName": "Ann", "colours": ["Red", "Green"]},
        {"email": "ann@example.com", "first_name": "Ann", "colours": "Red, Green"},
        {"email": "ann@example.com", "first_name": "Ann", "colours": {"Red": True, "Green": True, "Blue": False}},
        {"form_fields": {"email": "ann@example.com", "first_name": "Ann", "colours": ["Red", "Green"]}},
        {"data": {"contact": {"email": "ann@example.com", "first_name": "Ann"}, "colours": ["Red", "Green"]}},
        {"fields": [
            {"name": "email", "value": "ann@example.com"}, {"name": "firstname", "value": "Ann"},
            {"name": "colours", "value": ["Red", "Green"]}]},
        {"fields": {
            "f1": {"title": "Email", "value": "ann@example.com", "type": "email"},
            "f2": {"title": "First name", "value": "Ann", "type": "text"},
            "f3": {"title": "Colours", "value": "Red, Green", "required": "1"}}},
        {"fields": {
            "email": {"id": "email", "type": "email", "title": "Your address", "value": "ann@example.com",
                      "raw_value": "ann@example.com", "required": "1"},
            "firstName": {"id": "firstName", "title": "Given", "value": "Ann"},
            "colours": {"id": "colours", "value": "Red, Green"}}},
    ],
    ids=range(8),
)  # fmt: skip
def test_every_shape_of_json_is_understood(public: Public, content: dict[str, Any]) -> None:
    colours = custom(public.company, "Colours", "checkbox", options=["Red", "Green", "Blue"])
    form = FormOf(public, "firstName", "title", colours)
    sent = post(form, content)
    assert sent.status == 200, sent.body
    lead = form.lead()
    assert (lead["emailAddress"], lead["firstName"], lead[colours]) == ("ann@example.com", "Ann", "Red,Green")
    assert lead["title"] is None
    assert "inputs" not in form.submits()[0]["data"]


def test_numbers_and_flags_keep_what_was_sent(public: Public) -> None:
    form = FormOf(public, "firstName")
    numbers = b'{"email": "ann@example.com", "a": 1.10, "b": 12345678901234567890123, "c": true, "d": false, "e": null}'
    assert post(form, numbers).status == 200
    expected = {"a": "1.10", "b": "12345678901234567890123", "c": "1", "d": "0"}
    assert form.submits()[0]["data"]["inputs"] == expected


def test_a_byte_order_mark_and_half_characters_are_no_obstacle(public: Public) -> None:
    form = FormOf(public, "firstName")
    body = b'\xef\xbb\xbf{"email": "ann@example.com", "first_name": "A\\ud800\\u0000nn"}'
    assert post(form, body).status == 200
    assert form.lead()["firstName"] == "A\ufffdnn"


DEEP = 100_000
HOSTILE = [
    b"", b"null", b"1", b'"email"', b"[]", b'[{"email": "ann@example.com"}]', b"{", b'{"email": NaN}', b"\xff", b"{}{}",
    b'{"email": "ann@example.com",}', b"[" * DEEP, b'{"a":' * (DEEP // 2), b'{"a":' + b"[" * 20 + b"]" * 20 + b"}",
    b'{"email": "ann@example.com"' + b', "x": "y"' * FIELDS + b"}",
    b'{"email": ["ann@example.com"' + b", 1" * 300 + b"]}",
    b'{"email": 1' + b"0" * 200_000 + b"}", '{"email": "ann@example.com"}'.encode("utf-16"),
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_other_json_is_refused_in_json(public: Public, body: bytes) -> None:
    form = FormOf(public)
    sent = post(form, body)
    assert sent.status in {400, 422}
    assert json.loads(sent.body)["ok"] is False
    assert form.leads() == []


def test_json_has_the_limits_of_other_bodies(public: Public) -> None:
    form = FormOf(public)
    assert post(form, {**ANN, "x": "y" * 300_000}).status == 413
    closed = FormOf(public, allowPlainPosts=0)
    assert post(closed, ANN).status == 422
    assert post(closed, {**ANN, "_token": closed.token()}).status == 200


@pytest.mark.parametrize("name", ["__proto__", "constructor", "a" * 50_000, "\u0000", "", "][", "[[[[", "a[b", "'--"])
def test_names_are_only_names(public: Public, name: str) -> None:
    form = FormOf(public)
    assert post(form, {**ANN, name: {name: "x", "value": [name]}}).status == 200
    assert form.lead()["emailAddress"] == "ann@example.com"


def test_a_page_of_another_site_may_post_json(public: Public) -> None:
    form = FormOf(public)
    asked = {"Origin": "https://www.example.com", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type"}  # fmt: skip
    answer = public.ask(form.path, verb="OPTIONS", headers=asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "content-type"
    assert "access-control-allow-credentials" not in answer.headers
