"""Links of messages: clicks, the pixel and the unsubscribe link. Links cannot be forged or redirected."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from capture.public import Public
from springhead.model.capture import email_links, signing
from springhead.model.capture.email_links import CLICK, OPEN, UNSUBSCRIBE, SignedLink
from springhead.model.leads.events import Event
from springhead.store.capture import email_events as store
from springhead.store.database.pool import Database
from stopwatch import within
from support import Company, Server, new_company, sql, with_database

SPRING = "https://www.example.com/spring;x=1?a=b&c=%20d|e~'(f)#top"


class Message:
    """The links in a message to a new lead, and the requests of its reader."""

    def __init__(self, public: Public, *, campaign: bool = False) -> None:
        self.public, company = public, public.company
        (self.lead,) = company.create({"firstName": "Ann"})
        self.campaign = company.make("createCampaigns", {"campaignName": "Spring"})[0] if campaign else None
        named = {"campaignID": self.campaign} if campaign else {}
        (row,) = company.call("getTrackedLinks", leadID=self.lead, urls=[SPRING], **named)
        self.link: str = row["links"][SPRING]
        self.pixel: str = row["openPixel"]
        self.unsubscribe_path: str = row["unsubscribeURL"]

    def events(self) -> list[str]:
        return [event["event_source"] for event in self.public.events(self.lead)]

    def unsubscribed(self) -> str | None:
        return self.public.company.lead(self.lead)["isUnsubscribed"]


def test_a_click_redirects_to_its_page_and_is_on_the_timeline(public: Public) -> None:
    message = Message(public, campaign=True)
    answer = public.ask(message.link)

    assert (answer.status, answer.headers["location"], answer.body) == (302, SPRING, b"")
    assert answer.headers["cache-control"] == "no-store"
    clicked, visited = public.events(message.lead)
    assert clicked == {
        "event_source": "emailClick",
        "event_name": f"Clicked {SPRING}",
        "what_type": "campaign",
        "what_id": message.campaign,
        "data": {"url": SPRING},
    }
    assert visited == {**clicked, "event_source": "emailVisit", "event_name": f"Visited {SPRING}"}


def test_an_opened_message_is_on_the_timeline(public: Public) -> None:
    message = Message(public)
    answer = public.ask(message.pixel)

    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.body.startswith(b"GIF89a")
    (opened,) = public.events(message.lead)
    assert (opened["event_source"], opened["what_type"], opened["what_id"]) == ("emailOpened", None, None)


def test_a_mailbox_that_fetches_pictures_for_its_reader_opens_the_message(public: Public) -> None:
    message = Message(public)
    public.user_agent = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
    public.ask(message.pixel)

    assert message.events() == ["emailOpened"]


def test_repeated_clicks_are_one_event_a_minute(public: Public) -> None:
    message = Message(public)
    for _ in range(5):
        assert public.ask(message.link).status == 302
        assert public.ask(message.pixel).status == 200
    (again,) = public.company.call("getTrackedLinks", leadID=message.lead, urls=[SPRING, "https://example.com/other"])
    public.ask(again["links"]["https://example.com/other"])

    assert message.events() == ["emailClick", "emailVisit", "emailOpened", "emailClick", "emailVisit"]


def test_all_servers_share_the_minute_of_a_click(public: Public) -> None:
    """Another process does not know of the click, but the database does."""
    message = Message(public)
    public.ask(message.link)
    token = message.link.removeprefix("/e/")
    site = email_links.site_token(token)
    link = SignedLink(lead_id=message.lead, url=SPRING)
    same_token = f"{site}.{signing.sign(public.signing_key, CLICK, link.lead_id, None, link.url)}"
    assert same_token == token, "the same token for the same parts"

    async def again(database: Database) -> None:
        async with database.company(public.company.id) as tx, tx.atomic():
            event = Event(lead_id=message.lead, source="emailClick", name=f"Clicked {SPRING}", data={"url": SPRING})
            assert await store.write_once(tx, public.company.id, message.lead, [event])

    with_database(public.company.dsn, again)
    assert message.events() == ["emailClick", "emailVisit"]


@pytest.mark.parametrize("headers", [{"DNT": "1"}, {"Sec-GPC": "1"}, {"User-Agent": "curl/8.5.0"}, {"User-Agent": ""}])
def test_clicks_of_bots_and_of_visitors_who_object_redirect_without_an_event(
    public: Public, headers: dict[str, str]
) -> None:
    message = Message(public)

    assert public.ask(message.link, headers=headers).headers["location"] == SPRING
    assert public.ask(message.pixel, headers=headers).status == 200
    assert message.events() == []


def test_a_head_request_makes_no_event(public: Public) -> None:
    message = Message(public)

    assert public.ask(message.link, verb="HEAD").headers["location"] == SPRING
    assert public.ask(message.pixel, verb="HEAD").status == 200
    assert public.ask(message.unsubscribe_path, verb="HEAD").status == 200
    assert (message.events(), message.unsubscribed()) == ([], None)


# The unsubscribe page


def test_opening_the_unsubscribe_page_unsubscribes_nobody(public: Public) -> None:
    message = Message(public)
    page = public.ask(message.unsubscribe_path)

    assert page.status == 200
    assert b'<form method="post"' in page.body
    assert message.unsubscribed() is None
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "default-src 'none'" in policy


def test_the_name_of_the_company_stands_on_the_page_as_text(
    public: Public, given_company: Callable[..., Company]
) -> None:

    sql(public.company.dsn, "update company set name = '<b>\"Ann''s\" & co' where id = $1", public.company.id)
    page = public.ask(Message(public).unsubscribe_path)

    assert b"&lt;b&gt;" in page.body
    assert b"<b>" not in page.body


@pytest.mark.parametrize("body", ["List-Unsubscribe=One-Click", "", "anything=else"])
def test_a_post_unsubscribes_in_one_step(public: Public, body: str) -> None:
    message = Message(public)
    answer = public.ask(
        message.unsubscribe_path,
        verb="POST",
        body=body,
        headers={"Content-Type": "application/x-www-form-urlencoded", "User-Agent": ""},
    )

    assert answer.status == 200
    assert b"Unsubscribed" in answer.body
    assert message.unsubscribed() == "1"
    assert message.events().count("emailUnsubscribe") == 1


def test_unsubscribing_twice_is_one_event(public: Public) -> None:
    message = Message(public)
    for _ in range(2):
        assert public.ask(message.unsubscribe_path, verb="POST").status == 200

    assert message.unsubscribed() == "1"
    assert message.events().count("emailUnsubscribe") == 1


def test_repeated_requests_of_the_unsubscribe_page_are_slowed_down(public: Public) -> None:
    message = Message(public)

    assert [public.ask(message.unsubscribe_path, verb="POST").status for _ in range(7)] == [200] * 5 + [429] * 2
    assert public.ask(Message(public).unsubscribe_path, verb="POST").status == 200


def test_lists_and_other_rules_follow_an_unsubscription(public: Public) -> None:
    company = public.company
    (made,) = company.call("createList", name="Out", filter={"isUnsubscribed": "1"})
    message = Message(public)
    assert public.ask(message.unsubscribe_path, verb="POST").status == 200

    members = company.call("getActiveLists", where={"id": made["id"]})
    assert members[0]["memberCount"] == "1"


def test_a_huge_body_is_refused(public: Public) -> None:
    message = Message(public)

    assert public.ask(message.unsubscribe_path, verb="POST", body=b"x" * 70_000).status == 413
    assert message.unsubscribed() is None


def test_the_links_of_a_deleted_lead_still_redirect_and_make_no_event(public: Public) -> None:
    message = Message(public)
    assert public.company.refusal("deleteLeads", {"id": message.lead}) is None
    before = len(public.events(message.lead))

    assert public.ask(message.link).status == 302
    assert public.ask(message.pixel).status == 200
    assert public.ask(message.unsubscribe_path, verb="POST").status == 200
    assert len(public.events(message.lead)) == before


# Forgeries


def forgeries(public: Public, purpose: str, parts: tuple[Any, ...], other: Public) -> list[str]:
    """Tokens of the right form that were not signed for this company and purpose."""
    key, theirs = public.signing_key, other.signing_key
    own, broken = other.token, "https://e.example/\r\nx: y"
    return [
        "",
        ".",
        public.token,
        f"{public.token}.",
        f"{public.token}.{'A' * 60}",
        f".{signing.sign(key, purpose, *parts)}",
        f"{public.token}.{signing.sign(secrets.token_bytes(32), purpose, *parts)}",
        f"{public.token}.{signing.sign(b'', purpose, *parts)}",
        f"{public.token}.{signing.sign(theirs, purpose, *parts)}",
        f"{own}.{signing.sign(key, purpose, *parts)}",
        f"{public.token}.{signing.sign(key, 'form', *parts)}",
        f"{public.token}.{signing.sign(key, purpose)}",
        f"{public.token}.{signing.sign(key, purpose, *parts, 'more')}",
        f"{public.token}.{signing.sign(key, purpose, 'x', None, '')}",
        f"{public.token}.{signing.sign(key, purpose, parts[0], None, 'javascript:alert(1)')}",
        f"{public.token}.{signing.sign(key, purpose, parts[0], None, broken)}",
        f"{public.token}.{signing.sign(key, purpose, *parts)}.",
        f"{public.token}.{signing.sign(key, purpose, *parts)}A",
        f"{'A' * 22}.{signing.sign(key, purpose, *parts)}",
        "A" * 9_000,
    ]


def test_links_cannot_be_forged(public: Public, given_company: Callable[..., Company]) -> None:
    other = Public(given_company())
    message = Message(public)
    for purpose, path, parts in (
        (CLICK, "/e/{}", (message.lead, None, SPRING)),
        (OPEN, "/o/{}.gif", (message.lead, None, "")),
        (UNSUBSCRIBE, "/u/{}", (message.lead, None, "")),
    ):
        for token in forgeries(public, purpose, parts, other):
            for verb in ("GET", "POST") if purpose == UNSUBSCRIBE else ("GET",):
                answer = public.ask(path.format(token), verb=verb)
                assert answer.status == (200 if purpose == OPEN and token else 404), token
                assert "location" not in answer.headers
                assert "x" not in answer.headers
    assert (message.events(), message.unsubscribed()) == ([], None)
    other.close()


def test_a_token_works_for_its_own_purpose_only(public: Public) -> None:
    message = Message(public)
    click, pixel, out = message.link[3:], message.pixel[3:-4], message.unsubscribe_path[3:]

    for token in (pixel, out):
        assert public.ask(f"/e/{token}").status == 404
    for token in (click, pixel):
        assert public.ask(f"/u/{token}", verb="POST").status == 404
    for token in (click, out):
        assert public.ask(f"/o/{token}.gif").status == 200
    assert (message.events(), message.unsubscribed()) == ([], None)


@pytest.mark.parametrize(
    "more",
    [
        "?url=https://evil.example/",
        "?next=//evil.example",
        "//evil.example",
        "/../../evil.example",
        "@evil.example",
        "%0d%0aLocation:%20https://evil.example",
        "%2e%2e",
    ],
)
def test_no_request_can_change_the_target_of_a_link(public: Public, more: str) -> None:
    message = Message(public)
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Original-URL": "https://evil.example",
        "Referer": "https://evil.example",
    }
    answer = public.ask(message.link + more, headers=headers)

    assert answer.status in {302, 404}
    assert answer.headers.get("location") in {SPRING, None}
    assert "evil" not in str(answer.headers)


def test_forged_tokens_are_refused_quickly(public: Public) -> None:
    with within(5):
        for _ in range(200):
            assert public.ask(f"/e/{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(60)}").status == 404


def test_links_begin_with_the_public_url_of_the_server(tmp_path: Any) -> None:
    server = Server.on_copy(tmp_path / "data", "--public-url", "https://crm.example.com")
    company = new_company(server)
    try:
        (lead,) = company.create({})
        (row,) = company.call("getTrackedLinks", leadID=lead, urls=[SPRING])
        for text in (row["links"][SPRING], row["openPixel"], row["unsubscribeURL"]):
            assert text.startswith("https://crm.example.com/")
        public = Public(company)
        headers = {"Referer": "https://www.example.com/", "Sec-Fetch-Site": "same-site"}
        pixel = public.ask(f"/t.gif?site={public.token}", headers=headers)
        assert pixel.headers["set-cookie"].endswith("; SameSite=Lax; Secure")
        public.close()
        (settings,) = company.call("getCaptureSettings")
        assert 'src="https://crm.example.com/t.js"' in settings["scriptSnippet"]
    finally:
        company.close()
        assert server.stop() == 0


@pytest.mark.parametrize("url", ["https://shop.example/", "HTTPS://Kiosk.example/KISS?isk=ISK", "http://i.s.k/i/s/k"])
def test_a_click_on_any_ascii_address_redirects(public: Public, url: str) -> None:
    (lead,) = public.company.create({"firstName": "Ann"})
    (row,) = public.company.call("getTrackedLinks", leadID=lead, urls=[url])
    answer = public.ask(row["links"][url])

    assert (answer.status, answer.headers["location"]) == (302, url)


@pytest.mark.parametrize("character", "\u0130\u0131\u017f\u212a")
def test_a_character_that_is_folded_into_a_letter_is_refused(public: Public, character: str) -> None:
    (lead,) = public.company.create({"firstName": "Ann"})
    for url in (f"https://a.com/{character}", f"https://{character}.com/", f"http{character}://a.com/"):
        assert public.company.error("getTrackedLinks", leadID=lead, urls=[url])["code"] == 205


def test_the_error_names_each_wrong_address(public: Public) -> None:
    (lead,) = public.company.create({"firstName": "Ann"})
    urls = ["https://a.com/", "https://a.com/#gr\u00fcn", "ftp://a.com/", 7, "https://a.com/" + "x" * 2_000]
    error = public.company.error("getTrackedLinks", leadID=lead, urls=urls)

    assert error["code"] == 205
    assert [problem["param"] for problem in error["data"]["params"]] == ["urls"] * 4
    assert [problem["message"].partition(": expected")[0] for problem in error["data"]["params"]] == [
        "Address 2 (https://a.com/#gr\u00fcn)",
        "Address 3 (ftp://a.com/)",
        "Address 4",
        f"Address 5 (https://a.com/{'x' * 186}\u2026)",
    ]
