"""Rate limits of forms, and submits during kill -9, on servers of the test's own."""

import http.client
import random
import threading
import time
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from capture.forms import URLENCODED, FormOf, custom, messages
from capture.public import Public
from faults.load import Progress
from faults.postgres import kill, postmaster
from springhead.capture.form_requests import Limit
from support import Server, eventually, new_company, sql


@pytest.fixture
def limited(tmp_path: Path) -> Generator[Public]:
    """A visitor of a company's site, on a server with rate limits behind a trusted proxy."""
    url = ("--public-url", "https://crm.example.com")
    server = Server.on_copy(tmp_path / "data", "--trusted-proxies", "127.0.0.1", *url)
    company = new_company(server)
    public = Public(company)
    yield public
    public.close()
    company.close()
    assert server.stop() == 0


def reached(form: FormOf) -> FormOf:
    """The form's path on the server itself."""
    form.path = f"/f/{form.public_id}"
    return form


def follows_limit(count: int, limit: Limit, begun: float) -> bool:
    """Whether `count` is what a rate limit allows since `begun`: the burst, and then so many requests a second."""
    per_second, burst = limit.value
    return burst <= count <= burst + per_second * (time.monotonic() - begun) + 1


def test_one_address_is_slowed_down_plain_posts_sooner_and_others_are_not(limited: Public) -> None:
    form = reached(FormOf(limited))

    def plain(address: str, number: int) -> int:
        body = f"email=a{number}@example.com".encode()
        return form.raw(body, headers={"X-Forwarded-For": address}).status

    begun = time.monotonic()
    first = [plain("198.51.100.1", number) for number in range(20)]
    assert set(first[:15]) == {303}
    assert set(first) <= {303, 429}
    assert follows_limit(first.count(303), Limit.PLAIN_OF_ADDRESS, begun)
    assert plain("198.51.100.2", 100) == 303

    page = form.raw(b"email=kept@example.com", headers={"X-Forwarded-For": "198.51.100.1"})
    assert page.headers["retry-after"] == "30"
    assert messages(page) == {"": "Too many forms were sent just now. Please try again in a minute."}
    assert "kept@example.com" in page.body.decode()

    begun = time.monotonic()
    ours = [form.post(token=form.token(), emailAddress=f"b{number}@example.com").status for number in range(40)]
    assert set(ours) <= {303, 429}
    assert follows_limit(ours.count(303), Limit.OF_ADDRESS, begun)
    assert len(form.leads()) == first.count(303) + 1 + ours.count(303)


def test_addresses_begin_with_where_the_public_reaches_the_server(limited: Public) -> None:
    cv = custom(limited.company, "CV", "upload")
    form = FormOf(limited, cv)
    assert form.path == f"https://crm.example.com/f/{form.public_id}"
    form.path = f"/f/{form.public_id}"
    assert (
        form.files(("emailAddress", "a@example.com"), (cv, ("cv.txt", b"x"))).headers["location"]
        == f"{form.path}/thanks"
    )
    assert str(form.lead()[cv]).startswith(f"https://crm.example.com/files/{limited.token}/")


def test_one_form_is_slowed_down_however_many_addresses_send(limited: Public) -> None:
    form, other = reached(FormOf(limited)), reached(FormOf(limited))
    begun = time.monotonic()
    statuses = [
        form.raw(b"email=a@example.com", headers={"X-Forwarded-For": f"198.51.{number // 250}.{number % 250}"}).status
        for number in range(130)
    ]
    assert set(statuses) <= {303, 429}
    assert follows_limit(statuses.count(303), Limit.PLAIN_OF_FORM, begun)
    assert other.raw(b"email=a@example.com", headers={"X-Forwarded-For": "203.0.113.7"}).status == 303


def test_pages_are_limited_for_an_address_as_well(limited: Public) -> None:
    form = reached(FormOf(limited))
    begun = time.monotonic()
    statuses = [limited.ask(form.path, headers={"X-Forwarded-For": "198.51.100.9"}).status for _ in range(80)]
    assert set(statuses) <= {200, 429}
    assert follows_limit(statuses.count(200), Limit.VIEWS_OF_ADDRESS, begun)
    assert limited.ask(form.path, headers={"X-Forwarded-For": "198.51.100.10"}).status == 200


def test_without_a_database_a_submit_is_refused_and_not_acknowledged(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server.on_copy(data, "--no-limits")
    company = new_company(server)
    public = Public(company)
    form = FormOf(public)
    kill(postmaster(data / "postgres"))

    away = form.raw(b"email=a@example.com")
    assert away.status in {303, 503}
    assert away.status == 303 or "Please try again in a minute." in away.body.decode()
    eventually(lambda: form.raw(b"email=b@example.com").status == 303, seconds=30)

    assert len(form.leads()) == (2 if away.status == 303 else 1)
    public.close()
    company.close()
    assert server.stop() == 0


@pytest.mark.timeout(180)
def test_kill_9_during_posts_loses_no_acknowledged_form(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server.on_copy(data, "--no-limits")
    company = new_company(server)
    public = Public(company)
    form = FormOf(public, "firstName")
    key = public.signing_key
    acknowledged: set[str] = set()
    progress = Progress()
    tried: set[str] = set()
    for round_ in range(3):
        address = urlsplit(server.url)

        def send(
            worker: int, round_: int = round_, host: str = address.hostname or "", port: int = address.port or 0
        ) -> None:
            connection = http.client.HTTPConnection(host, port, timeout=10)
            number = 0
            try:
                while True:
                    email = f"a{round_}.{worker}.{number}@example.com"
                    tried.add(email)
                    body = urlencode({"email": email, "firstName": "Ann", "_token": form.token(key=key)})
                    connection.request("POST", form.path, body, {"Content-Type": URLENCODED})
                    answer = connection.getresponse()
                    answer.read()
                    assert answer.status == 303
                    acknowledged.add(email)
                    progress.add()
                    number += 1
            except (OSError, http.client.HTTPException):
                connection.close()

        threads = [threading.Thread(target=send, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        progress.wait(8)
        time.sleep(random.uniform(0.0, 0.1))  # the kill comes at a random moment of the posts
        server.kill()
        for thread in threads:
            thread.join(20)
        server = Server(data, "--no-limits")
    rows = sql(
        server.dsn,
        "select l.email_address, (select count(*) from event e where e.company_id = $1 and e.lead_id = l.id"
        " and e.event_source = 'formSubmit') as submits from lead l where l.company_id = $1",
        company.id,
        company_id=company.id,
    )
    stored = {row["email_address"]: row["submits"] for row in rows}
    assert len(acknowledged) > 20
    assert acknowledged - stored.keys() == set()
    assert stored.keys() - tried == set()
    assert set(stored.values()) == {1}, "every lead has exactly one event"
    print(f"{len(acknowledged)} acknowledged, {len(stored)} stored, 3 kills")
    public.close()
    company.close()
    assert server.stop() == 0
