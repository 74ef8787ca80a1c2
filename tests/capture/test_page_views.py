"""Page views over HTTP: which are recorded, ignored or refused."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from capture.public import ANN, BEN, Public
from hostile.corpus import NAUGHTY
from springhead.capture.views import BODY_BYTES, BURST, PER_SECOND
from stopwatch import pause
from support import Company, Server, eventually, new_company, sql


def test_a_page_view_is_on_the_timeline_within_a_moment(public: Public) -> None:
    (lead,) = public.company.create({"trackingID": ANN})

    assert public.report("pricing?a=b", title="Preise – für alle", referrer="https://search.example/?q=crm") == 204

    eventually(lambda: public.events(lead) != [], seconds=1.5)
    assert public.events(lead) == [
        {
            "event_source": "pageVisit",
            "event_name": "Preise – für alle",
            "what_type": "page",
            "what_id": None,
            "data": {
                "url": "https://example.com/pricing?a=b",
                "title": "Preise – für alle",
                "referrer": "https://search.example/?q=crm",
            },
        }
    ]


def test_a_view_before_the_lead_is_known_joins_its_timeline(public: Public) -> None:
    assert public.report("before") == 204
    eventually(lambda: len(public.views()) == 1)
    (lead,) = public.company.create({"trackingID": ANN})
    assert public.report("after") == 204

    eventually(lambda: len(public.events(lead)) == 2)
    assert [event["event_name"] for event in public.events(lead)] == [
        "https://example.com/before",
        "https://example.com/after",
    ]
    assert public.views() == []


def test_an_important_page_is_an_important_page_visit_and_nothing_else(public: Public) -> None:
    public.change(important_pages='["/pricing*", "/contact"]')
    for page in ("pricing/teams?plan=x", "contact/", "about"):
        assert public.report(page) == 204

    eventually(lambda: len(public.views()) == 3)
    assert [view["event_source"] for view in public.views()] == [
        "importantPageVisit",
        "importantPageVisit",
        "pageVisit",
    ]


# Visitors who are not recorded


OBJECTIONS = [{"DNT": "1"}, {"Sec-GPC": "1"}, {"DNT": "0", "Sec-GPC": "1"}]


@pytest.mark.parametrize("headers", OBJECTIONS)
def test_a_visitor_who_objects_is_not_recorded(public: Public, headers: dict[str, str]) -> None:
    assert public.report("objected", headers=headers) == 204
    assert public.report("agreed", headers={"DNT": "0"}) == 204

    eventually(lambda: len(public.views()) == 1)
    assert public.views()[0]["event_name"] == "https://example.com/agreed"


def test_a_site_can_record_visitors_who_object(public: Public) -> None:
    public.change(respects_signals=False)
    for headers in OBJECTIONS:
        assert public.report(headers=headers) == 204

    eventually(lambda: len(public.views()) == len(OBJECTIONS))


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "curl/8.5.0",
        "python-requests/2.32",
    ],
)
def test_bots_are_not_recorded(public: Public, user_agent: str) -> None:
    public.report("person")
    person, public.user_agent = public.user_agent, user_agent
    assert public.report("bot") == 204
    public.user_agent = person
    public.report("later")  # views are written in the order in which they come

    eventually(lambda: len(public.views()) >= 2)
    assert [view["event_name"] for view in public.views()] == [
        "https://example.com/person",
        "https://example.com/later",
    ]


# Addresses


def test_no_ip_address_is_stored(public: Public) -> None:
    assert public.report() == 204

    eventually(lambda: len(public.views()) == 1)
    assert list(public.views()[0]["data"]) == ["url"]


def test_the_network_of_an_ip_address_is_stored_if_the_site_is_set_so(public: Public) -> None:
    public.change(keep_addresses="truncated")
    assert public.report(headers={"X-Forwarded-For": "203.0.113.77"}) == 204

    eventually(lambda: len(public.views()) == 1)
    network = public.views()[0]["data"]["network"]
    assert network == "127.0.0.0/24", "only a trusted proxy may give the visitor's address"


def test_a_trusted_proxy_gives_the_address_of_the_visitor(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data", "--trusted-proxies", "127.0.0.1,10.0.0.0/8")
    company = new_company(server)
    public = Public(company)
    try:
        public.change(keep_addresses="truncated")
        for address in ("203.0.113.77", "198.51.100.1, 203.0.114.5, 10.1.1.1", "2001:db8:1:2:3::4", "nonsense\"'<"):
            assert public.report(quote(address), headers={"X-Forwarded-For": address}) == 204
        eventually(lambda: len(public.views()) == 4)
        assert [view["data"].get("network") for view in public.views()] == [
            "203.0.113.0/24",
            "203.0.114.0/24",
            "2001:db8:1::/48",
            None,
        ]
        begun = time.monotonic()
        statuses = Counter(public.report("many", headers={"X-Forwarded-For": "203.0.113.77"}) for _ in range(700))
        allowed = BURST + PER_SECOND * (time.monotonic() - begun) + 1
        assert statuses.keys() <= {204, 429}
        assert min(BURST - 1, 700) <= statuses[204] <= allowed
        assert public.report("other", headers={"X-Forwarded-For": "203.0.113.78"}) == 204

        # Bots are counted too, before the check for bots, and the /64 network of an IPv6 address counts as one.
        begun = time.monotonic()
        statuses = Counter(
            public.report(headers={"X-Forwarded-For": f"2001:db8:9:9::{n:x}", "User-Agent": f"curl/{n}"})
            for n in range(700)
        )
        assert statuses.keys() <= {204, 429}
        assert statuses[204] <= BURST + PER_SECOND * (time.monotonic() - begun) + 1
        assert public.report("other", headers={"X-Forwarded-For": "2001:db8:9:a::1"}) == 204
    finally:
        public.close()
        company.close()
        assert server.stop() == 0


# Wrong requests


@pytest.mark.parametrize(
    "token", ["", "A" * 22, "A" * 21, "é" * 22, "\0" * 22, "' or 1=1 --          x", "../" * 7 + "x"]
)
def test_an_unknown_site_is_404(public: Public, token: str) -> None:
    assert public.report(site=token) == 404


def test_a_view_with_another_companys_token_is_not_recorded_here(
    public: Public, given_company: Callable[..., Company]
) -> None:
    other = Public(given_company())
    (lead,) = public.company.create({"trackingID": ANN})
    assert public.report("theirs", site=other.token) == 204

    eventually(lambda: len(other.views()) == 1)
    assert public.events(lead) == []
    other.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"visitor": ""},
        {"visitor": "short"},
        {"visitor": "x" * 15},
        {"visitor": "x" * 256},
        {"visitor": "with a space in it"},
        {"visitor": "with\r\nSet-Cookie: a=b"},
        {"visitor": "é" * 20},
        {"visitor": "\0" * 20},
        {"visitor": 1234567890123456},
        {"visitor": None},
        {"url": ""},
        {"url": "javascript:alert(1)"},
        {"url": "file:///etc/passwd"},
        {"url": "https://"},
        {"url": "https:///path"},
        {"url": "//example.com/"},
        {"url": "https://user:password@example.com/"},
        {"url": "https://exa mple.com/"},
        {"url": "https://exam\nple.com/"},
        {"url": ["https://example.com/"]},
        {"title": 5},
        {"referrer": {}},
        {"site": 5},
    ],
    ids=str,
)
def test_an_invalid_page_view_is_400(public: Public, wrong: dict[str, Any]) -> None:
    assert public.report(**wrong) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"x"',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"{}",
        b'{"site":"\\ud800"}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_not_a_report_is_400(public: Public, body: bytes) -> None:
    assert public.send(body) == 400


def test_a_huge_body_is_refused_before_it_is_read(public: Public) -> None:
    assert public.report(title="x" * (BODY_BYTES - 200)) == 204
    assert public.report(title="x" * BODY_BYTES) == 413
    with socket.create_connection((public.connection.host, public.connection.port), timeout=10) as raw:
        raw.sendall(b"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((public.connection.host, public.connection.port), timeout=10) as raw:
        raw.sendall(b"POST /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            raw.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_verbs_are_405(public: Public, verb: str) -> None:
    answer = public.ask("/t", verb=verb)

    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_long_texts_are_cut_and_no_control_character_is_stored(public: Public) -> None:
    assert (
        public.report("x" * 3_000, title="a\0b\r\n\u2028c" + "é" * 400, referrer="https://r.example/" + "y" * 3_000)
        == 204
    )

    eventually(lambda: len(public.views()) == 1)
    (view,) = public.views()
    assert len(view["data"]["url"]) == 2_000
    assert view["data"]["title"] == "a b c" + "é" * 295
    assert len(view["data"]["referrer"]) == 2_000
    assert len(view["event_name"]) == 255


def test_any_text_in_a_title_is_stored_or_refused_and_nothing_breaks(public: Public) -> None:
    taken = 0
    for text in NAUGHTY:
        status = public.report("naughty?" + text, title=text, referrer=text)
        assert status in {204, 400}
        taken += status == 204

    eventually(lambda: len(public.views()) == taken)
    assert taken > len(NAUGHTY) * 0.9


def test_an_answer_is_empty_and_cannot_be_cached(public: Public) -> None:
    answer = public.ask("/t", verb="POST", body="{}")

    assert answer.body == b""
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


# Many


def test_all_views_of_a_burst_are_recorded(public: Public) -> None:
    """Four connections send views at full speed. Every view that was answered with 204 is recorded."""
    each, taken = 500, [0] * 4
    somebodies = [Public(public.company) for _ in taken]

    def send(number: int) -> None:
        for count in range(each):
            taken[number] += somebodies[number].report(str(count), visitor=f"{number:08}-{count:08}") == 204
        somebodies[number].close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(taken) == 4 * each
    eventually(lambda: public.rows("select count(*) from page_view where company_id = $1")[0]["count"] == sum(taken))
    (visitors,) = public.rows("select count(*) from visitor where company_id = $1")
    assert visitors["count"] == sum(taken)


def test_a_server_that_stops_writes_all_accepted_views(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server.on_copy(data)
    company = new_company(server)
    public = Public(company)
    for count in range(200):
        assert public.report(str(count)) == 204
    public.close()
    company.close()
    assert server.stop() == 0

    server = Server(data)
    (row,) = sql(server.dsn, "select count(*) from page_view", company_id=company.id)
    assert row["count"] == 200
    assert server.stop() == 0


def test_a_killed_server_loses_no_view_that_is_older_than_a_second(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server.on_copy(data)
    company = new_company(server)
    public = Public(company)
    for count in range(100):
        assert public.report(str(count)) == 204
    pause(1)
    public.close()
    company.close()
    server.kill()

    server = Server(data)
    (row,) = sql(server.dsn, "select count(*) from page_view", company_id=company.id)
    assert row["count"] == 100
    assert server.stop() == 0


def test_metrics_count_the_outcomes_of_page_views(public: Public) -> None:
    public.report()
    public.report(headers={"DNT": "1"})

    text = public.ask("/metrics").body.decode()
    counts = {line.split('"')[1]: float(line.split()[-1]) for line in text.splitlines() if "page_views_total{" in line}
    assert counts["taken"] >= 1
    assert counts["objected"] >= 1
    assert counts["lost"] == 0
    assert public.token not in text


def test_nothing_of_a_page_view_is_logged(public: Public, server: Server) -> None:
    public.report("secret-page-nobody-reads", title="Secret title nobody-reads")
    public.send(json.dumps({"site": "secret-site-nobody-reads"}))
    eventually(lambda: len(public.views()) == 1)

    assert "nobody-reads" not in server.log.read_text()


# The pixel


def pixel(public: Public, query: str = "", headers: dict[str, str] | None = None) -> str | None:
    """Requests the pixel from a page. Returns the cookie that it sets."""
    known = {"Referer": "https://example.com/shop", **(headers or {})}
    answer = public.ask(f"/t.gif?site={public.token}{query}", headers=known)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.body.startswith(b"GIF89a")
    return answer.headers["set-cookie"]


def test_the_pixel_records_the_visitor_of_the_cookie(public: Public) -> None:
    assert pixel(public, headers={"Cookie": f"a=b; __ss_tk={quote(ANN)}; c[1]=2"}) is None

    eventually(lambda: len(public.views()) == 1)
    assert public.views()[0]["data"] == {"url": "https://example.com/shop"}
    (visitor,) = public.rows("select tracking_id from visitor where company_id = $1")
    assert visitor["tracking_id"] == ANN


def test_the_pixel_records_the_visitor_that_the_page_names(public: Public) -> None:
    query = f"&visitor={BEN}&url={quote('https://example.com/cart?x=1', safe='')}&title=Cart"
    assert pixel(public, query) is None

    eventually(lambda: len(public.views()) == 1)
    assert public.views()[0]["data"] == {"url": "https://example.com/cart?x=1", "title": "Cart"}


def test_the_pixel_gives_a_cookie_to_a_visitor_of_its_own_site_only(public: Public) -> None:
    assert pixel(public) is None
    assert pixel(public, headers={"Sec-Fetch-Site": "cross-site"}) is None
    cookie = pixel(public, headers={"Sec-Fetch-Site": "same-site"})

    assert cookie is not None
    assert cookie.endswith("; Path=/; Max-Age=34128000; SameSite=Lax")
    eventually(lambda: len(public.views()) == 1)
    (visitor,) = public.rows("select tracking_id from visitor where company_id = $1")
    assert cookie.startswith(f"__ss_tk={visitor['tracking_id']};")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"DNT": "1"}),
        ("", {"Sec-GPC": "1"}),
        ("", {"User-Agent": "curl/8.5.0"}),
        ("", {"Referer": "javascript:alert(1)"}),
        ("&visitor=%0d%0aSet-Cookie:a=b", {}),
        ("&url=%00&visitor=" + BEN, {}),
        ("&url=https://example.com/%ff%fe&visitor=" + BEN, {}),
    ],
)
def test_a_wrong_request_of_the_pixel_gets_a_picture(public: Public, query: str, headers: dict[str, str]) -> None:
    cookie = pixel(public, query, {"Sec-Fetch-Site": "none", **headers})

    assert cookie is None
    public.report("later")  # views are written in the order in which they come
    eventually(lambda: public.views() != [])
    assert [view["event_name"] for view in public.views()] == ["https://example.com/later"]


def test_the_pixel_of_an_unknown_site_is_a_picture(public: Public) -> None:
    for path in ("/t.gif", "/t.gif?site=", "/t.gif?site=" + "A" * 22, "/t.gif?site=a&site=b", "/t.gif?" + "a=b&" * 100):
        assert public.ask(path, headers={"Referer": "https://example.com/"}).status == 200
