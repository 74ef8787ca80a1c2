"""The paths, verbs and headers of the server, and no others (A12, A13; docs/wire/transport.md)."""

import http.client
import json
import socket

import pytest

from springhead.rpc.method import REGISTRY
from support import Company, Server

CALL = b'{"method":"getLead","params":{"id":1},"id":"1"}'
NOTHING = b'{"result":{"lead":[]},"error":null,"id":"1"}'
PAGES = {
    "/healthz": "text/plain; charset=utf-8",
    "/readyz": "text/plain; charset=utf-8",
    "/metrics": "text/plain; version=0.0.4; charset=utf-8",
    "/openrpc.json": "application/json",
}
ELSEWHERE = [
    "//", "/pubapi", "/pubapi/", "/pubapi/v0", "/pubapi/v0/", "/pubapi/v2",
    "/pubapi/v2/", "/pubapi/v1.1", "/pubapi/v1.2.0",
    "/pubapi/v1//", "///pubapi/v1/", "/pubapi//v1/", "//pubapi/v2/", "//healthz", "//pubapi//v1/",
    "/pubapi/v1/x", "/pubapi/v1.2/x", "/PUBAPI/V1/", "/pubapi/V1",
    "/pubapi/v1/uploadFiles/x", "/pubapi/v1/..", "/pubapi/v1/../v1/", "/api/../pubapi/v1/",
    "/./pubapi/v1/", "/pubapi/v1/.",
    "/pubapi/v1%2f", "/pubapi%2fv1", "/pubapi/v1/%2e%2e/v1/", "/%70ubapi/v1/", "/pubapi/v%31",
    "/pubapi/v1;x=1", "/pubapi/v1/;x",
    "/pubapi/v1%00", "/pubapi/v1%0d%0aX:1", "/pubapi\\v1\\", "/pubapi/v1%20", "/%68ealthz", "/healthz/",
    "/metrics/", "/readyz/x",
    "/openrpc", "/openapi.json", "/docs", "/redoc", "/admin", "/debug", "/static/", "/static/../etc/passwd",
    "/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/.git/HEAD", "/.env", "/favicon.ico",
    "/robots.txt", "/server-status",
    "/phpinfo.php", "/console", "/graphql",
]  # fmt: skip


def ask(company: Company, verb: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(company.address.netloc, timeout=20)
    connection.putrequest(verb, path, skip_accept_encoding=True)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    answer = connection.getresponse()
    result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


def credentials(company: Company) -> str:
    return company.path.partition("?")[2]


@pytest.mark.parametrize(
    "path",
    [f"{slash}pubapi/{version}{end}" for slash in ("/", "//") for version in ("v1", "v1.2") for end in ("", "/")],
)
def test_both_versions_answer_with_and_without_the_slash_and_without_a_redirect(company: Company, path: str) -> None:
    status, headers, content = ask(company, "POST", f"{path}?{credentials(company)}", CALL)
    assert (status, content) == (200, NOTHING)
    assert {name: value for name, value in headers.items() if name != "date"} == {
        "content-type": "application/json",
        "content-length": str(len(NOTHING)),
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
    }


@pytest.mark.parametrize("scheme", ["http", "HTTP", "https"])
def test_an_absolute_target_is_answered_as_its_path(company: Company, scheme: str) -> None:
    path = f"{scheme}://api.sharpspring.com/pubapi/v1/?{credentials(company)}"
    assert ask(company, "POST", path, CALL)[::2] == (200, NOTHING)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_other_paths_are_refused(company: Company, path: str) -> None:
    for verb in ("GET", "POST"):
        request = f"{verb} {path}?{credentials(company)} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        with socket.create_connection((company.address.hostname or "", company.address.port or 0), 10) as sock:
            sock.sendall(request.encode() + b"Content-Length: %d\r\n\r\n" % len(CALL) + CALL)
            answer = b""
            while piece := sock.recv(65_536):
                answer += piece
        head, _, content = answer.partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), (verb, answer)
        assert b"location" not in head.lower()
        assert len(content) < 100
        assert company.secret.encode() not in answer


@pytest.mark.parametrize(
    "verb", ["PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO", "post", "get", "head", "options"]
)
def test_other_verbs_are_refused_before_anything_is_read(company: Company, verb: str) -> None:
    for path in (f"/pubapi/v1/?{credentials(company)}", "/pubapi/v1.2"):
        status, headers, content = ask(company, verb, path, X_HTTP_Method_Override="POST", X_Method_Override="POST")
        assert status in {405, 400}
        assert status == 400 or headers["allow"] == "GET, HEAD, OPTIONS, POST"
        assert company.secret.encode() not in content


@pytest.mark.parametrize("path", PAGES)
def test_the_pages_answer_get_and_head_only(company: Company, path: str) -> None:
    status, headers, content = ask(company, "GET", path)
    assert (status, headers["content-type"]) == (200, PAGES[path])
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    head = ask(company, "HEAD", path)
    assert (head[0], head[1]["content-type"], head[2]) == (200, PAGES[path], b"")
    assert content
    for verb in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        assert ask(company, verb, path)[0] == 405


def test_the_description_names_every_method_and_the_figures_no_company(company: Company) -> None:
    company.call("getLead", id=1)
    described = json.loads(ask(company, "GET", "/openrpc.json")[2])
    assert {method["name"] for method in described["methods"]} == set(REGISTRY)
    figures = ask(company, "GET", "/metrics")[2].decode()
    assert 'springhead_calls_total{code="0",method="getLead"}' in figures
    assert company.account_id not in figures


@pytest.mark.parametrize(
    "name",
    [" getLead", "getLead ", "GETLEAD", "getlead", "get_lead", "__class__", "call", "", "getLead\0", "getClients"],
)
def test_a_method_of_another_name_is_unknown(company: Company, name: str) -> None:
    body = json.dumps({"method": name, "params": {"id": 1}, "id": "1"}).encode()
    error = json.loads(company.send(body)[1])["error"]
    if name:
        assert (error["code"], error["message"]) == (204, "Invalid method signature")
    else:
        assert error["code"] == 201


@pytest.mark.parametrize("name", [1, True, ["getLead"], {"getLead": 1}, 1.5])
def test_a_method_that_is_no_text_is_unknown(company: Company, name: object) -> None:
    body = json.dumps({"method": name, "params": {"id": 1}, "id": "1"}).encode()
    assert json.loads(company.send(body)[1])["error"]["code"] == 204


def test_no_answer_names_its_software_or_allows_other_sites_to_read_it(server: Server, company: Company) -> None:
    origin = {"Origin": "https://evil.example", "Access_Control_Request_Method": "POST"}
    paths = [
        ("POST", company.path, CALL),
        ("GET", company.path, b""),
        ("POST", "/pubapi/v1/", CALL),
        ("OPTIONS", company.path, b""),
        ("GET", "/nowhere", b""),
        ("GET", "/%6eowhere", b""),
        ("GET", "/metrics", b""),
        ("GET", "/healthz", b""),
        ("PUT", "/healthz", b""),
    ]
    for verb, path, body in paths:
        _, headers, content = ask(company, verb, path, body, **origin)
        assert not [
            name
            for name in headers
            if name.startswith("access-control") or name in {"server", "x-powered-by", "set-cookie"}
        ]
        assert b"Traceback" not in content
        assert (
            not [word for word in (b"uvicorn", b"starlette", b"python", b"PostgreSQL") if word in content.lower()]
            or path == "/metrics"
        )
        assert headers["x-content-type-options"] == "nosniff", path


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "text/plain", "applications/json",
     "application/x-www-form-urlencoded", "multipart/form-data", "text/xml; charset=utf-16", "\xff", ""],
)  # fmt: skip
def test_any_content_type_is_accepted(company: Company, content_type: str) -> None:
    status, content = company.send(CALL, headers={"Content-Type": content_type})
    assert (status, content) == (200, NOTHING)
