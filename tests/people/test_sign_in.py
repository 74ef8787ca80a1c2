"""People sign in by a link that works once or by a password, and nobody else gets in."""

import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from browsing import Browser, link, new_user, signed_in
from springhead.store.companies.sign_ins import Purpose
from support import Company, Server, new_company, sql

PASSWORD = "a river runs through it"


@pytest.fixture
def invited(server: Server, company: Company) -> tuple[Browser, str]:
    """A browser whose user has chosen a password, and the user's address."""
    user = new_user(server, company)
    browser = Browser(server)
    page = browser.post(link(server, company, user.email_address, Purpose.INVITE), {"password": PASSWORD})
    assert "springhead" in browser.cookies, page
    return browser, user.email_address


def test_the_link_of_the_first_start_signs_the_administrator_in_once(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    link = urlsplit(server.ready["signInURL"])
    assert link.hostname == "localhost", "a passkey cannot belong to an IP address"
    assert Browser(server).ask("GET", link.path).headers["location"] == "/"
    assert Browser(server).ask("GET", link.path).status == 404
    assert server.stop() == 0


def test_a_link_signs_in_once(server: Server, company: Company) -> None:
    user = new_user(server, company)
    path = link(server, company, user.email_address)
    first = Browser(server)
    page = first.ask("GET", path)
    assert (page.status, page.headers["location"]) == (303, "/")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert first.ask("GET", "/").headers["location"] == "/leads"
    again = Browser(server).get(path)
    assert (again.status, again.heading) == (404, "This link does not work any more")


def test_programs_that_look_at_links_do_not_use_them_up(server: Server, company: Company) -> None:
    user = new_user(server, company)
    path = link(server, company, user.email_address)
    assert Browser(server).ask("HEAD", path).status == 204
    assert Browser(server).ask("GET", path, headers={"sec-purpose": "prefetch"}).status == 204
    assert Browser(server).ask("GET", path).status == 303
    invitation = link(server, company, user.email_address, Purpose.INVITE)
    for _ in range(2):
        assert Browser(server).get(invitation).status == 200
    assert Browser(server).post(invitation, {"password": PASSWORD}, follow=False).status == 303


@pytest.mark.parametrize("token", ["x", "x" * 43, "%00" * 10, "a" * 5_000, "..%2f..", "é"])
def test_an_unknown_link_is_refused(server: Server, token: str) -> None:
    page = Browser(server).ask("GET", "/sign-in/" + quote(token, safe="%./"))
    assert page.status in {404, 400}


def test_a_password_signs_in(server: Server, invited: tuple[Browser, str]) -> None:
    _, address = invited
    browser = Browser(server)
    page = browser.post("/sign-in", {"email": f" {address.upper()} ", "password": PASSWORD}, follow=False)
    assert (page.status, page.headers["location"]) == (303, "/")
    cookie = page.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert browser.ask("GET", "/").headers["location"] == "/leads"


def test_a_refusal_does_not_say_what_was_wrong(server: Server, invited: tuple[Browser, str]) -> None:
    _, address = invited
    texts = set[str]()
    for email, password in ((address, "wrong wrong wrong"), ("nobody@example.com", PASSWORD), (address, "")):
        page = Browser(server).post("/sign-in", {"email": email, "password": password})
        assert page.status == 422
        assert f'value="{email}"' in page.text, "what was typed stays"
        assert PASSWORD not in page.text
        texts.add(page.text.split('role="alert"')[1].split("</p>")[0])
    assert len(texts) == 1


def test_log_ins_are_throttled_and_nobody_is_locked_out(
    server: Server, company: Company, invited: tuple[Browser, str]
) -> None:
    _, address = invited
    statuses = [Browser(server).post("/sign-in", {"email": address, "password": "x" * 12}).status for _ in range(7)]
    assert statuses[:5] == [422] * 5
    assert statuses[6] == 429
    page = Browser(server).post("/sign-in", {"email": address, "password": PASSWORD}, follow=False)
    assert page.status == 429
    assert page.headers["retry-after"] == "20"
    assert Browser(server).ask("GET", link(server, company, address)).status == 303, "a link still signs in"
    other = new_user(server, company)
    page = Browser(server).post("/sign-in", {"email": other.email_address, "password": "x" * 12})
    assert page.status == 422, "others at the same place are not throttled with it"


@pytest.mark.parametrize(
    ("password", "reason"),
    [("short", "at least 10"), ("x" * 257, "at most 256"), ("aaaaaaaaaaaa", "too easy"), ("mara okafor", "too easy")],
)
def test_a_bad_password_is_refused_with_a_reason(server: Server, company: Company, password: str, reason: str) -> None:
    user = new_user(server, company)
    path = link(server, company, user.email_address, Purpose.RESET)
    page = Browser(server).post(path, {"password": password})
    assert page.status == 422
    assert reason in page.text
    assert Browser(server).get(path).status == 200, "the link can still be used"


def test_a_new_password_ends_all_other_sessions(server: Server, company: Company, invited: tuple[Browser, str]) -> None:
    browser, address = invited
    assert browser.ask("GET", "/").headers["location"] == "/leads"
    page = Browser(server).post(link(server, company, address, Purpose.RESET), {"password": "another river"})
    assert page.path == "/leads"
    time.sleep(2.1)  # sessions are cached for two seconds
    assert browser.ask("GET", "/").headers["location"] == "/sign-in"


def test_nothing_secret_is_stored_in_clear(server: Server, company: Company, invited: tuple[Browser, str]) -> None:
    browser, _ = invited
    tables = ("sign_in", "sign_in_link", "user_session", "user_profile")
    for table in tables:
        stored = sql(server.dsn, f"select row_to_json(t)::text as row from {table} t", company_id=company.id)
        text = "".join(row["row"] for row in stored)
        assert browser.cookies["springhead"] not in text
        assert PASSWORD not in text
    (row,) = sql(server.dsn, "select password_hash from sign_in where company_id = $1", company.id)
    assert row["password_hash"].startswith("$argon2id$")
    log = server.log.read_text()
    assert browser.cookies["springhead"] not in log
    assert PASSWORD not in log


def test_signing_out_ends_the_session(server: Server, company: Company) -> None:
    browser, _ = signed_in(server, company)
    stolen = Browser(server)
    stolen.cookies = dict(browser.cookies)
    token = browser.get("/settings/sessions").token
    page = browser.post("/sign-out", {"_token": token})
    assert page.path == "/sign-in"
    assert "springhead" not in browser.cookies
    assert stolen.ask("GET", "/").headers["location"] == "/sign-in"


def test_a_form_of_another_site_is_refused(server: Server, company: Company) -> None:
    browser, _ = signed_in(server, company)
    token = browser.get("/settings/sessions").token
    for headers in (
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"origin": f"http://evil.{browser.host}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        page = browser.post("/sign-out", {"_token": token}, headers)
        assert page.status == 403, headers
    other, _ = signed_in(server, company)
    foreign = other.get("/settings/sessions").token
    for wrong in ("", "x", token[:-4] + "AAAA", foreign, "é"):
        assert browser.post("/sign-out", {"_token": wrong}).status == 403
    assert browser.post("/sign-out", {"_token": token}).path == "/sign-in"


def test_what_is_no_form_is_refused(server: Server) -> None:
    browser = Browser(server)
    headers = {"content-type": "multipart/form-data; boundary=x", "origin": f"http://{browser.host}"}
    for body in (b"--x\r\nno header", b"\xff" * 100, b""):
        assert browser.ask("POST", "/sign-in", body, headers).status in {400, 422}
    assert browser.post("/sign-in", {"email": "x" * 1_100_000}).status == 413
    assert browser.post("/sign-in", {"email": "\0", "password": "\0"}).status == 422
    assert "Something went wrong" not in browser.get("/sign-in?next=%ff%00").text


def test_the_token_of_a_form_differs_in_each_answer(server: Server, company: Company) -> None:
    browser, _ = signed_in(server, company)
    assert browser.get("/settings/sessions").token != browser.get("/settings/sessions").token


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", ""],
)
def test_the_page_after_the_sign_in_is_one_of_this_server(
    server: Server, invited: tuple[Browser, str], path: str
) -> None:
    _, address = invited
    fields = {"email": address, "password": PASSWORD, "next": path}
    page = Browser(server).post("/sign-in", fields, follow=False)
    assert page.headers["location"] == "/"
    fields["next"] = "/leads?q=x"
    assert Browser(server).post("/sign-in", fields, follow=False).headers["location"] == "/leads?q=x"


def test_pages_lead_to_the_sign_in_and_back(server: Server) -> None:
    page = Browser(server).ask("GET", "/settings/sessions?x=1")
    assert (page.status, page.headers["location"]) == (303, "/sign-in?next=%2Fsettings%2Fsessions%3Fx%3D1")
    assert Browser(server).ask("GET", "/settings/sessions", headers={"hx-request": "true"}).status == 401


def test_a_page_loads_nothing_from_elsewhere_and_is_shown_in_no_frame(server: Server) -> None:
    page = Browser(server).get("/sign-in")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert "://" not in page.text.replace("http://www.w3.org", "")
    assert policy != Browser(server).get("/sign-in").headers["content-security-policy"], "each answer has a nonce"


def test_a_disabled_user_is_out_within_two_seconds(server: Server, company: Company) -> None:
    browser, user = signed_in(server, company)
    sql(server.dsn, "update user_profile set is_active = false where id = $1", user.id, company_id=company.id)
    time.sleep(2.1)
    assert browser.ask("GET", "/").headers["location"] == "/sign-in"


def test_sessions_are_known_to_all_servers_and_outlive_a_restart(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    company = new_company(server)
    browser, _ = signed_in(server, company)
    again = Server(tmp_path / "other", "--database-url", server.dsn, "--port", "0")
    other = Browser(again)
    other.cookies = dict(browser.cookies)
    assert other.ask("GET", "/").headers["location"] == "/leads"
    assert again.stop() == 0
    assert server.stop() == 0


def test_a_user_sees_where_somebody_is_signed_in_and_ends_a_session(server: Server, company: Company) -> None:
    browser, user = signed_in(server, company)
    other = Browser(server, {"user-agent": "Lynx/2.9 <script>alert(1)</script>"})
    other.ask("GET", link(server, company, user.email_address))
    page = browser.get("/settings/sessions")
    assert "Lynx/2.9 &lt;script&gt;" in page.text
    (row,) = sql(
        server.dsn,
        "select id from user_session where user_id = $1 and user_agent like 'Lynx%'",
        user.id,
        company_id=company.id,
    )
    stranger, _ = signed_in(server, new_company(server))
    stranger.post("/settings/sessions", {"_token": stranger.get("/settings/sessions").token, "id": str(row["id"])})
    assert other.ask("GET", "/").headers["location"] == "/leads", "a session of another company is not ended"
    browser.post("/settings/sessions", {"_token": page.token, "id": str(row["id"])})
    time.sleep(2.1)
    assert other.ask("GET", "/").headers["location"] == "/sign-in"
    assert browser.ask("GET", "/").headers["location"] == "/leads"


def test_an_address_of_two_companies_chooses_one(server: Server, company: Company) -> None:
    second = new_company(server)
    user = new_user(server, company)
    new_user(server, second, address=user.email_address)
    for owner in (company, second):
        path = link(server, owner, user.email_address, Purpose.INVITE)
        assert Browser(server).post(path, {"password": PASSWORD}, follow=False).status == 303
    browser = Browser(server)
    page = browser.post("/sign-in", {"email": user.email_address, "password": PASSWORD})
    assert page.heading == "Which company?"
    assert page.text.count('href="/sign-in/') == 2


def test_a_page_is_in_the_language_of_the_browser(server: Server) -> None:
    german = Browser(server, {"accept-language": "de-CH,de;q=0.9,en;q=0.5"})
    assert german.get("/sign-in").heading == "Bei Springhead anmelden"
    for odd in ("", "xx", "*", ";;;,,q=", "en;q=x", "fr,es"):
        assert Browser(server, {"accept-language": odd}).get("/sign-in").heading == "Sign in to Springhead"
