"""Calls from browsers: no other origin by default, exact origins by a setting; HEAD and OPTIONS (docs/operating.md)."""

import http.client
from collections.abc import Generator
from pathlib import Path

import pytest

from springhead.settings import SettingsError, load
from support import Company, Server, new_company

CALL = b'{"method":"getLead","params":{"id":1},"id":"1"}'
NOTHING = b'{"result":{"lead":[]},"error":null,"id":"1"}'
APP, LOCAL = "https://app.example.com", "http://localhost:3000"
VERSIONS = ("/pubapi/v1", "/pubapi/v1/", "/pubapi/v1.2", "//pubapi/v1.2/")
LOOK_ALIKES = [
    "null", "", "*", "https://app.example.com/", "https://app.example.com:443", "https://app.example.com:8443",
    "http://app.example.com", "HTTPS://app.example.com", "https://APP.example.com", "https://app.example.com.",
    "https://app.example.com.evil.example", "https://evil-app.example.com", "https://evil.example/app.example.com",
    "https://app.example.com@evil.example", "https://app.example.co", "https://app.example.commerce",
    "https://appxexample.com", "https://sub.app.example.com", "https://example.com", "https://app.example.com evil",
    "https://app.example.com, https://evil.example", "https://app.example.com,http://localhost:3000",
    "http://localhost", "http://localhost:30000", "http://127.0.0.1:3000", "file://", "https://\u0430pp.example.com",
    "https://app.example.com%00", "https://app.example.com\t.evil.example",
]  # fmt: skip


@pytest.fixture(scope="module")
def open_company(tmp_path_factory: pytest.TempPathFactory) -> Generator[Company]:
    """A company on a server that allows two origins."""
    running = Server.on_copy(
        tmp_path_factory.mktemp("open") / "data", "--no-limits", "--allowed-origins", f"{APP},{LOCAL}"
    )
    company = new_company(running)
    yield company
    company.close()
    assert running.stop() == 0


def ask(
    company: Company, verb: str, path: str = "", *headers: tuple[str, str], body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(company.address.netloc, timeout=20)
    connection.putrequest(verb, path or company.path, skip_accept_encoding=True)
    for name, value in (("Content-Length", str(len(body))), *headers):
        connection.putheader(name, value.encode())
    connection.endheaders(body)
    answer = connection.getresponse()
    result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


def origin(value: str) -> tuple[str, str]:
    return "Origin", value


PREFLIGHT = ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "content-type,x-account-id")


@pytest.mark.parametrize("path", VERSIONS)
def test_options_needs_no_key_and_names_the_methods(company: Company, path: str) -> None:
    status, headers, content = ask(company, "OPTIONS", path)
    assert (status, headers["allow"], content) == (200, "GET, HEAD, OPTIONS, POST", b"")


def test_head_answers_as_get_without_a_body(company: Company) -> None:
    for path, status in ((company.path, 200), ("/pubapi/v1", 401), (f"{company.path}x", 401)):
        got, head = ask(company, "GET", path), ask(company, "HEAD", path)
        assert (got[0], head[0], head[2]) == (status, status, b"")
        assert got[2]
        for headers in (got[1], head[1]):
            del headers["date"]
        assert got[1] == head[1]


def test_by_default_no_origin_is_allowed_and_answers_do_not_vary(company: Company) -> None:
    for verb, path in (("POST", company.path), ("POST", "/pubapi/v1"), ("OPTIONS", "/pubapi/v1"), ("GET", "/healthz")):
        _, headers, _ = ask(company, verb, path, origin(APP), *PREFLIGHT, body=CALL)
        assert not [name for name in headers if name.startswith("access-control") or name == "vary"]


@pytest.mark.parametrize("allowed", [APP, LOCAL])
def test_an_allowed_origin_may_read_every_answer(open_company: Company, allowed: str) -> None:
    requests = [
        ("POST", open_company.path, CALL, 200),
        ("POST", open_company.path, b"{", 200),
        ("POST", open_company.path, b" " * 11_000_000, 200),
        ("POST", f"{open_company.path}x", CALL, 401),
        ("GET", open_company.path, b"", 200),
        ("HEAD", open_company.path, b"", 200),
    ]
    for verb, path, body, status in requests:
        answer = ask(open_company, verb, path, origin(allowed), body=body)
        assert answer[0] == status
        assert (answer[1]["access-control-allow-origin"], answer[1]["vary"]) == (allowed, "Origin")
        assert "access-control-allow-credentials" not in answer[1]


@pytest.mark.parametrize("path", VERSIONS)
def test_a_preflight_of_an_allowed_origin_names_what_a_call_needs(open_company: Company, path: str) -> None:
    status, headers, content = ask(open_company, "OPTIONS", path, origin(APP), *PREFLIGHT)
    assert (status, content) == (200, b"")
    assert headers["access-control-allow-origin"] == APP
    assert headers["vary"] == "Origin"
    assert "POST" in headers["access-control-allow-methods"].split(", ")
    needed = {"authorization", "content-type", "idempotency-key", "x-account-id"}
    assert set(headers["access-control-allow-headers"].split(", ")) == needed
    assert int(headers["access-control-max-age"]) <= 600


@pytest.mark.parametrize("look_alike", LOOK_ALIKES, ids=ascii)
def test_any_other_origin_gets_an_answer_that_no_page_can_read(open_company: Company, look_alike: str) -> None:
    for verb, body in (("POST", CALL), ("OPTIONS", b"")):
        status, headers, _ = ask(open_company, verb, "", origin(look_alike), *PREFLIGHT, body=body)
        assert status in {200, 400}
        assert not [name for name in headers if name.startswith("access-control")]
        assert status == 400 or headers["vary"] == "Origin", "a cache could give this answer to an allowed origin"


def test_two_origins_in_one_request_are_not_allowed(open_company: Company) -> None:
    for pair in ((APP, "https://evil.example"), ("https://evil.example", APP), (APP, APP)):
        _, headers, _ = ask(open_company, "POST", "", *map(origin, pair), body=CALL)
        assert "access-control-allow-origin" not in headers


def test_a_client_that_is_no_browser_gets_the_same_answer_as_before(open_company: Company) -> None:
    status, headers, content = ask(open_company, "POST", body=CALL)
    assert (status, content, headers["vary"]) == (200, NOTHING, "Origin")
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://APP.example.com:443/", "https://app.example.com"),
        ("http://a.example:80", "http://a.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(written: str, read: str) -> None:
    assert load({"allowed_origins": written}, {}).settings.allowed_origins == (read,)


@pytest.mark.parametrize(
    "wrong",
    ["*", "null", "app.example.com", "https://", "https://*.example.com", "https://a.example/path", "https://a.example?x",
     "https://a.example#x", "https://user@a.example", "https://a.example:0", "https://a.example:99999", "file://",
     "https://a..example", "https://a b.example", "https://a.example\\@b", "https://%61.example"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="allowed-origins must be origins without a path"):
        load({"allowed_origins": wrong}, {})


def test_origins_come_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('allowed_origins = ["https://a.example", "https://b.example/"]')
    assert load({}, {}, config=file).settings.allowed_origins == ("https://a.example", "https://b.example")
