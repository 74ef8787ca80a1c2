"""Decisions of docs/compatibility.md that concern all methods."""

import json
from typing import Any

import pytest

from support import Company


def sent(company: Company, body: Any, **more: Any) -> tuple[int, Any]:
    """Status and decoded body of one request; `body` is JSON or the bytes themselves."""
    status, answer = company.send(body if isinstance(body, bytes) else json.dumps(body).encode(), **more)
    return status, json.loads(answer) if answer else None


UNAUTHORIZED = (401, "Unable to determine clusterID from provided accountID/secretKey")
WRONG_KEY = "/pubapi/v1/?accountID=A&secretKey=B"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", 101),
        ({"method": "", "params": 5}, 102),  # nor method nor params are looked at without an id
        ({"method": "", "params": 5, "id": 1}, 201),
        ({"method": "nothing", "params": 5, "id": 1}, 202),
        ({"method": "nothing", "params": {"id": "x"}, "id": 1}, 204),
        ({"method": "getLead", "params": {"id": "x"}, "id": 1}, 205),
    ],
)
def test_when_several_things_are_wrong_the_first_of_the_list_is_answered(
    company: Company, body: Any, code: int
) -> None:
    status, answer = sent(company, body)

    assert status == 200
    assert answer["result"] is None
    assert answer["error"]["code"] == code


def test_credentials_come_before_everything_else(company: Company) -> None:
    assert sent(company, b"{", path=WRONG_KEY) == UNAUTHORIZED
    assert sent(company, b"x" * 11_000_000, path=WRONG_KEY)[0] == 401


def test_get_is_101_with_right_credentials_and_401_without(company: Company) -> None:
    status, answer = sent(company, b"", verb="GET")
    assert (status, answer["error"]["code"], answer["id"]) == (200, 101, None)
    assert sent(company, b"", verb="GET", path="/pubapi/v1") == UNAUTHORIZED


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH"])
def test_other_http_methods_are_405(company: Company, verb: str) -> None:
    assert company.send(b"{}", verb=verb)[0] == 405


@pytest.mark.parametrize("path", ["/nothing", "/pubapi", "/pubapi/v3/", "/pubapi/v1/getLead"])
def test_other_paths_are_404(company: Company, path: str) -> None:
    assert company.send(b"{}", path=path)[0] == 404


@pytest.mark.parametrize("missing", [{}, {"id": None}])
def test_a_missing_id_is_102_and_null(company: Company, missing: dict[str, Any]) -> None:
    _, answer = sent(company, {"method": "getLead", "params": {"id": 1}, **missing})
    assert answer == {
        "result": None,
        "error": {"code": 102, "message": "Header missing request ID", "data": []},
        "id": None,
    }


def test_a_lead_instead_of_objects_or_a_list_as_params_is_207(company: Company) -> None:
    lead = {"emailAddress": "lead@example.com"}
    for params in (lead, [lead]):
        _, answer = sent(company, {"method": "createLeads", "params": params, "id": 1})
        assert answer["error"]["code"] == 207


@pytest.mark.parametrize(
    "body",
    [
        b'{"method":"getLead","params":{"id":1},"params":{"id":2},"id":1}',
        b'{"method":"getLead","params":{"id":1,"id":2},"id":1}',
        b'{"method":"getLeads","params":{"where":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b'},"id":1}',
    ],
    ids=["a member twice", "a key twice", "too deep"],
)
def test_json_that_parsers_could_read_differently_is_101(company: Company, body: bytes) -> None:
    assert sent(company, body)[1]["error"]["code"] == 101


def test_a_compressed_body_is_101(company: Company) -> None:
    assert sent(company, b"\x1f\x8b", headers={"Content-Encoding": "gzip"})[1]["error"]["code"] == 101


def test_an_answer_has_three_members_and_is_json(company: Company) -> None:
    assert list(company.envelope("getLead", {"id": 1})) == ["result", "error", "id"]
    assert company.envelope("getLead", {"id": 1}, id="")["id"] == ""


def test_a_required_custom_field_is_read_as_such_and_not_enforced(company: Company) -> None:
    name = company.field("Shoe size", isRequired=1)
    (field,) = company.call("getFields", where={"systemName": name})
    assert field["isRequired"] == "1"
    (lead_id,) = company.create({})
    assert company.lead(lead_id)[name] == ""


def test_a_reference_that_the_company_does_not_have_is_303(company: Company) -> None:
    for name in ("accountID", "campaignID", "ownerID"):
        refusal = company.refusal("createLeads", {"emailAddress": "lead@example.com", name: 77})
        assert refusal is not None
        assert refusal["code"] == 303
        assert [problem["param"] for problem in refusal["data"]["params"]] == [name]


def test_a_text_comes_back_as_it_was_sent(company: Company) -> None:
    (lead_id,) = company.create({"title": "a < b &amp; c &lt; <script>"})
    assert company.lead(lead_id)["title"] == "a < b &amp; c &lt; <script>"
