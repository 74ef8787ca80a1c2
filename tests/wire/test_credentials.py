"""Credentials: where accountID and secretKey may be given, and that nothing shows a secret (A04, A05, A46 to A48)."""

import http.client
import json
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from springhead.model.companies.companies import hash_secret
from springhead.store.companies import companies
from stopwatch import Stopwatch
from support import Company, Server, eventually, new_company, sql, with_database

TEXT = b'"Unable to determine clusterID from provided accountID/secretKey"'
CALL = b'{"method":"getLead","params":{"id":1},"id":"1"}'
NOTHING = b'{"result":{"lead":[]},"error":null,"id":"1"}'
CANARY = "CANARY7Zq"


def query(account: str, secret: str) -> str:
    return "/pubapi/v1/?" + urlencode({"accountID": account, "secretKey": secret})


def bearer(account: str, secret: str) -> dict[str, str]:
    return {"X-Account-Id": account, "Authorization": f"Bearer {secret}"}


def wrong(a: str, s: str, other: Company) -> dict[str, tuple[str, dict[str, str]]]:
    """Wrong credentials, as path and headers."""
    path = "/pubapi/v1/"
    return {
        "none": (path, {}),
        "empty": (query("", ""), {}),
        "an empty secretKey": (query(a, ""), {}),
        "an empty accountID": (query("", s), {}),
        "accountID alone": (f"{path}?accountID={a}", {}),
        "secretKey alone": (f"{path}?secretKey={s}", {}),
        "a wrong secretKey": (query(a, "0" * 56), {}),
        "an unknown accountID": (query("0" * 32, s), {}),
        "another company's secretKey": (query(a, other.secret), {}),
        "another company's accountID": (query(other.account_id, s), {}),
        "a secretKey in lower case": (query(a, s.lower()), {}),
        "a secretKey cut": (query(a, s[:-1]), {}),
        "a secretKey and more": (query(a, s + "0"), {}),
        "a space inside": (query(a, f"{s[:9]} {s[9:]}"), {}),
        "a space alone": (query(a, " "), {}),
        "a NUL after the secretKey": (query(a, s + "\0"), {}),
        "a NUL after the accountID": (query(a + "\0", s), {}),
        "a NUL alone": (query("\0", "\0"), {}),
        "the hash": (query(a, hash_secret(s).hex()), {}),
        "a long secretKey": (query(a, s * 200), {}),
        "a long accountID": (query(a * 400, s), {}),
        "SQL": (query("' or '1'='1", "' or '1'='1"), {}),
        "no UTF-8": (f"{path}?accountID={a}&secretKey=%ff%fe", {}),
        "half a letter": (f"{path}?accountID=%ed%a0%80&secretKey={s}", {}),
        "a broken escape": (f"{path}?accountID={a}&secretKey={s}%zz", {}),
        "secretKey twice": (f"{path}?accountID={a}&secretKey={s}&secretKey={s}", {}),
        "secretKey twice, one wrong": (f"{path}?accountID={a}&secretKey=x&secretKey={s}", {}),
        "accountID twice": (f"{path}?accountID={a}&accountID={a}&secretKey={s}", {}),
        "lists of PHP": (f"{path}?accountID[]={a}&secretKey[]={s}", {}),
        "names in lower case": (f"{path}?accountid={a}&secretkey={s}", {}),
        "a hundred and one parameters": (f"{query(a, s)}&{'&'.join(f'a{n}=1' for n in range(100))}", {}),
        "half in the query, half in the headers": (f"{path}?accountID={a}", bearer(a, s)),
        "Basic": (path, bearer(a, s) | {"Authorization": f"Basic {s}"}),
        "no scheme": (path, bearer(a, s) | {"Authorization": s}),
        "Bearer alone": (path, bearer(a, s) | {"Authorization": "Bearer"}),
        "a header without the other": (path, {"Authorization": f"Bearer {s}"}),
        "an account header alone": (path, {"X-Account-Id": a}),
        "a cookie": (path, {"Cookie": f"accountID={a}; secretKey={s}"}),
        "a wrong query beside right headers": (query(a, "x"), bearer(a, s)),
        "wrong headers": (path, bearer(a, "x")),
        "ISO 8859-1 in a header": (path, bearer(a, "\xe9")),
    }


def ask(
    company: Company, path: str, headers: dict[str, str], body: bytes = CALL, verb: str = "POST"
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(company.address.netloc, timeout=20)
    connection.putrequest(verb, path)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        connection.putheader(name, value.encode("latin-1"))
    connection.endheaders(body)
    answer = connection.getresponse()
    result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


def test_all_wrong_credentials_get_the_same_answer(given_company: Callable[..., Company]) -> None:
    company, other = given_company(), given_company()
    cases = wrong(company.account_id, company.secret, other)
    jobs = [(case, body, verb) for case in cases for body, verb in ((CALL, "POST"), (b"", "POST"), (b"", "GET"))]
    with ThreadPoolExecutor(40) as pool:  # at once, since each waits a second: there are so many of them
        answers = list(pool.map(lambda job: ask(company, *cases[job[0]], job[1], job[2]), jobs))
    seen = {
        (
            status,
            content,
            tuple(sorted((name, value) for name, value in headers.items() if name not in {"date", "connection"})),
        )
        for status, headers, content in answers
    }
    assert len(seen) == 1, [job[0] for job, answer in zip(jobs, answers, strict=True) if answer[0] != 401]
    status, headers, content = answers[0]
    assert (status, content) == (401, TEXT)
    assert headers["www-authenticate"] == 'Basic realm="SharpSpring"'
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(TEXT))
    assert {"server", "set-cookie", "location"}.isdisjoint(headers)


def test_right_credentials_in_the_query_or_the_headers_are_accepted(company: Company) -> None:
    a, s = company.account_id, company.secret
    right: list[tuple[str, dict[str, str]]] = [
        (query(a, s), {}),
        (query(a, s) + "&more=1", {}),
        (f"/pubapi/v1?secretKey={s}&accountID={a}", {}),
        (f"/pubapi/v1/?account%49D={a}&secretKey={quote(s[:1])}%{ord(s[1]):02x}{s[2:]}", {}),
        ("/pubapi/v1", bearer(a, s)),
        ("/pubapi/v1/?more=1", bearer(a, s) | {"Authorization": f"bEARER {s}"}),
        ("/pubapi/v1/", {"x-account-id": a, "authorization": f"Bearer   {s} "}),
    ]
    for path, headers in right:
        assert ask(company, path, headers)[::2] == (200, NOTHING), path


@pytest.mark.parametrize("space", [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003"], ids=ascii)
def test_white_space_around_credentials_is_ignored(company: Company, space: str) -> None:
    a, s = company.account_id, company.secret
    for path in (query(a, s + space), query(a, space + s), query(a + space, s), query(space + a + space, space + s)):
        assert ask(company, path, {})[::2] == (200, NOTHING), path
    if space.isascii() and "\n" not in space:
        headers = {"X-Account-Id": f"{space}{a}{space}", "Authorization": f"Bearer {space}{s}{space}"}
        assert ask(company, "/pubapi/v1/", headers)[::2] == (200, NOTHING)


def test_the_query_wins_over_the_headers(given_company: Callable[..., Company]) -> None:
    company, other = given_company(), given_company()
    (mine,) = company.create({})
    body = b'{"method":"getLead","params":{"id":%d},"id":"1"}' % mine
    path = query(company.account_id, company.secret)
    status, _, content = ask(company, path, bearer(other.account_id, other.secret), body)
    assert (status, len(json.loads(content)["result"]["lead"])) == (200, 1)
    status, _, content = ask(company, path, bearer(other.account_id, "wrong"), body)
    assert (status, len(json.loads(content)["result"]["lead"])) == (200, 1)


def test_credentials_in_the_body_are_ignored(company: Company) -> None:
    given = {"accountID": company.account_id, "secretKey": company.secret}
    for body in ({"header": given}, given, {"params": given}):
        call = json.dumps({"method": "getLead", "params": {"id": 1}, "id": "1", **body}).encode()
        assert ask(company, "/pubapi/v1/", {}, call)[::2] == (401, TEXT)
    form = urlencode(given).encode()
    assert ask(company, "/pubapi/v1/", {"Content-Type": "application/x-www-form-urlencoded"}, form)[0] == 401


def test_get_with_credentials_is_101(company: Company) -> None:
    for version in ("v1", "v1/", "v1.2", "v1.2/"):
        path = query(company.account_id, company.secret).replace("v1/", version)
        status, _, content = ask(company, path, {}, b"", "GET")
        assert (status, json.loads(content)["error"]["code"]) == (200, 101)


def test_wrong_keys_slow_their_sender_down_and_not_the_right_key(company: Company) -> None:
    with ThreadPoolExecutor(60) as pool:
        attack = [pool.submit(ask, company, query(company.account_id, f"x{n}"), {}) for n in range(120)]
        watch, calls = Stopwatch(), 0
        while not all(task.done() for task in attack):
            company.call("getLead", id=1)
            calls += 1
        took, seconds = time.monotonic() - watch.begun, watch.seconds
    assert {task.result()[0] for task in attack} == {401}
    assert took > 1
    assert calls > 10 * seconds


def test_two_keys_work_at_once_and_a_revoked_one_no_longer_than_two_seconds(server: Server) -> None:
    """A48: a new key is created, both are in use, and the old one is revoked while calls run."""
    company = new_company(server)
    first = sql(server.dsn, "select id from api_key where company_id = $1", company.id, company_id=company.id)[0]["id"]

    async def second(database: object) -> str:
        async with database.everyone() as tx:  # type: ignore[attr-defined]
            return (await companies.create_key(tx, company.id, label="second"))[1]

    async def revoke(database: object) -> bool:
        async with database.everyone() as tx:  # type: ignore[attr-defined]
            return await companies.revoke_key(tx, company.id, first)

    secret = with_database(server.dsn, second)
    new = Company(server.url, company.account_id, secret, id=company.id)
    eventually(lambda: new.send(CALL)[0] == 200, seconds=3)
    assert company.send(CALL)[0] == 200
    assert with_database(server.dsn, revoke)
    begun = sent = time.monotonic()
    while company.send(CALL)[0] == 200:
        assert sent - begun < 2.5, "a call was answered more than two seconds after the revocation"
        assert new.send(CALL)[0] == 200
        sent = time.monotonic()
    assert (company.send(CALL)[0], new.send(CALL)[0]) == (401, 200)
    company.close()
    new.close()


def test_a_secret_is_stored_as_its_hash_alone(server: Server, company: Company) -> None:
    """A47: a secret has 160 random bits and a mark for secret scanners."""
    assert re.fullmatch(r"5EAD[0-9A-F]{48}", company.secret)
    text = dump(server, company)
    assert hash_secret(company.secret).hex() in text
    assert company.secret not in text
    assert company.secret[4:20] not in text.upper()


def dump(server: Server, company: Company) -> str:
    """All rows of all tables that the company or everyone can see."""
    tables = sql(
        server.dsn, "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
    )
    rows = [sql(server.dsn, f"select t::text from {row['relname']} t", company_id=company.id) for row in tables]
    return "\n".join(row["t"] for table in rows for row in table)


def test_a_secret_is_in_no_log_metric_error_or_table(tmp_path: Path) -> None:
    """A46: makes a hundred calls of every kind with a right and a wrong secret, then searches everything for both."""
    data = tmp_path / "data"
    server = Server.on_copy(data, "--no-limits", env={"SPRINGHEAD_LOG_LEVEL": "debug"})
    company = new_company(server)
    a, s = company.account_id, company.secret
    outputs: list[bytes] = []
    bodies = [
        CALL,
        b"",
        b"{",
        b'{"id":1}',
        json.dumps({"method": "createLeads", "params": {"objects": [{"x": 1}]}, "id": s}).encode(),
    ]
    for secret in (s, CANARY):
        for path, headers in (
            (query(a, secret), {}),
            (query(secret, secret), {}),
            ("/pubapi/v1/", bearer(a, secret)),
            (query(a, secret).replace("/v1/", "/v9/"), {}),
            (f"/metrics?secretKey={secret}", {"Authorization": f"Bearer {secret}"}),
            (f"/{secret}", {"Cookie": secret, "Referer": f"http://h/?secretKey={secret}", "User-Agent": secret}),
        ):
            for body in bodies:
                outputs += [content for _, _, content in (ask(company, path, headers, body),)]
            outputs += [
                ask(company, path, headers, b"", verb)[2] for verb in ("GET", "PUT", "OPTIONS", "TRACE", "DELETE")
            ]
    outputs.append(ask(company, "/metrics", {}, b"", "GET")[2])
    activity = "".join(str(dict(row)) for row in sql(server.dsn, "select * from pg_stat_activity"))
    stored = dump(server, company)
    arguments = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    server.stop()
    company.close()
    files = "".join(
        path.read_bytes().decode("latin-1") for path in data.rglob("*") if path.is_file() and "base" not in path.parts
    )
    answers = (
        b"".join(piece for piece in outputs if piece != TEXT).decode().replace(f'"id":"{s}"', "")
    )  # an id is echoed
    places = {"log": server.log.read_text(), "answers": answers, "activity": activity, "tables": stored, "files": files,
              "arguments": arguments}  # fmt: skip
    leaks = {(place, secret[:9]) for place, text in places.items() for secret in (s, CANARY) if secret in text}
    assert not leaks
    assert '"event":"call"' in places["log"]
    assert server.ready.get("secretKey", CANARY) not in places["log"] + places["files"]


@pytest.mark.parametrize("header", ["X-Account-Id", "Authorization"])
def test_a_repeated_header_is_not_accepted_as_a_credential(company: Company, header: str) -> None:
    connection = http.client.HTTPConnection(company.address.netloc, timeout=20)
    connection.putrequest("POST", "/pubapi/v1/")
    pairs = [*bearer(company.account_id, company.secret).items()]
    for name, value in [*pairs, *((name, value) for name, value in pairs if name == header)]:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(CALL)))
    connection.endheaders(CALL)
    assert connection.getresponse().status == 401
    connection.close()
