"""The table of leads: its address holds the whole state, and every address answers with a page."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from browsing import Browser, Page, new_user, noting_statements, signed_in
from hostile.corpus import NAUGHTY
from springhead.model.leads.leads import LEAD
from springhead.pages.catalogue import LANGUAGES, texts
from support import Company, Server, new_company, new_email

VOID = {"meta", "link", "input", "use", "rect", "path", "ellipse", "br", "hr"}


class Parsed(HTMLParser):
    """A page: its elements, and whether they are closed in order. No script or handler of somebody else is in it."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page.text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        values = dict(attrs)
        assert "style" not in names, (tag, attrs)
        assert not any(name.startswith("on") for name in names), (tag, attrs)
        assert tag not in {"script", "style"} or "nonce" in values, (tag, attrs)
        assert tag != "iframe"
        for name in ("href", "src", "action"):
            assert not re.match(r"\s*(javascript|data|vbscript):", values.get(name) or "", re.IGNORECASE), attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def address(**parts: Any) -> str:
    """The address of the table with these parameters. A filter is sent as JSON."""
    if isinstance(parts.get("f"), dict):
        parts["f"] = json.dumps(parts["f"], separators=(",", ":"))
    return f"/leads?{urlencode(parts)}"


def names(page: Page) -> list[str]:
    """The names of the leads on a page, in their order."""
    found = re.findall(
        r'<a href="/leads/\d+"><span.*?</span><span class="trunc">(.*?)</span></a>', page.text, re.DOTALL
    )
    return [unescape(name) for name in found]


def chips(page: Page) -> list[tuple[str, str]]:
    """The sentences of the chips of a page, each with the path that removes it."""
    found = re.findall(r'<span class="fchip"><span>(.*?)</span><a class="rm" href="(.*?)"', page.text, re.DOTALL)
    return [(" ".join(unescape(re.sub("<[^>]+>", "", text)).split()), unescape(path)) for text, path in found]


def text_of(page: Page) -> str:
    return " ".join(" ".join(Parsed(page).texts).split())


@pytest.fixture
def people(company: Company) -> list[int]:
    """Three leads of the company, the oldest first."""
    return company.create(
        {"emailAddress": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace", "city": "London",
         "leadScore": 94, "leadStatus": "qualified", "companyName": "Analytical Engines"},
        {"emailAddress": "grace@example.com", "firstName": "Grace", "lastName": "Hopper", "city": "Arlington",
         "leadScore": 87, "leadStatus": "contact"},
        {"emailAddress": "nameless@example.com", "city": "Berlin", "leadScore": 12},
    )  # fmt: skip


@pytest.fixture
def browser(server: Server, company: Company) -> Browser:
    return signed_in(server, company)[0]


def test_the_table_shows_leads_with_their_values(browser: Browser, people: list[int]) -> None:
    page = browser.get("/leads")
    assert page.status == 200
    assert set(names(page)) == {"Ada Lovelace", "Grace Hopper", "nameless@example.com"}
    assert f'href="/leads/{people[0]}"' in page.text
    assert '<span class="pill h-violet">Qualified</span>' in page.text
    assert "<b>94</b>" in page.text
    assert "Analytical Engines" in page.text
    assert "Nobody" in page.text
    assert re.search(r"3 leads in \d+ ms", text_of(page))
    assert page.headers["cache-control"] == "private, no-cache"


def test_every_field_of_leads_has_a_label_in_each_language() -> None:
    for language in LANGUAGES:
        assert {f"lead_field.{column.name}" for column in LEAD.columns} <= set(texts(language))


def test_the_last_activity_says_what_and_when(browser: Browser, people: list[int]) -> None:
    page = browser.get("/leads?sort=-lastEventTimestamp")
    assert len(people) == 3
    assert page.text.count("Lead created") == 3
    assert re.search(r">0 m</time>", page.text)


def test_owners_and_campaigns_have_names(server: Server, company: Company, browser: Browser) -> None:
    owner = new_user(server, company)
    (campaign,) = company.make(
        "createCampaigns",
        {"campaignName": "Spring <fair>", "campaignType": "email", "campaignAlias": "fair", "campaignOrigin": "x",
         "qty": 0, "price": 0, "goal": 0, "otherCosts": 0, "startDate": "2026-01-01", "endDate": "2026-12-31",
         "isActive": 1},
    )  # fmt: skip
    company.create({"emailAddress": new_email(), "ownerID": owner.id, "campaignID": campaign})
    page = browser.get("/leads")
    assert owner.display_name in text_of(page)
    assert "Spring &lt;fair&gt;" in page.text


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("-leadScore", ["Ada Lovelace", "Grace Hopper", "nameless@example.com"]),
        ("leadScore", ["nameless@example.com", "Grace Hopper", "Ada Lovelace"]),
        ("name", ["Grace Hopper", "Ada Lovelace", "nameless@example.com"]),
        ("city,-leadScore", ["Grace Hopper", "nameless@example.com", "Ada Lovelace"]),
        ("", ["Ada Lovelace", "Grace Hopper", "nameless@example.com"]),
    ],
)
@pytest.mark.usefixtures("people")
def test_the_address_sorts(browser: Browser, sort: str, expected: list[str]) -> None:
    page = browser.get(address(sort=sort))
    assert names(page) == expected
    for column in sort.replace("-", "").split(",") if sort else []:
        assert re.search(f'aria-sort="(a|de)scending" data-field="{column}"', page.text)


@pytest.mark.usefixtures("people")
def test_a_head_sorts_by_its_column_and_then_the_other_way_round(browser: Browser) -> None:
    def of(page: Page) -> str:
        (path,) = re.findall(r'data-field="leadScore".*?<a class="hd" href="(.*?)"', page.text)
        return unescape(path)

    first = of(browser.get(address(q="example.com", cols="leadScore")))
    assert first == "/leads?q=example.com&sort=-leadScore&cols=leadScore"
    assert of(browser.get(first)) == "/leads?q=example.com&sort=leadScore&cols=leadScore"


@pytest.mark.usefixtures("people")
def test_a_filter_is_chips_that_read_as_sentences(browser: Browser) -> None:
    page = browser.get(address(f={"leadScore": {"atLeast": 20}, "leadStatus": ["qualified", "contact"]}))
    assert len(names(page)) == 2
    said = chips(page)
    assert [sentence for sentence, _ in said] == ["Score at least 20", "Status is one of Qualified, Contact"]
    assert said[0][1] == "/leads?f={%22leadStatus%22:[%22qualified%22,%22contact%22]}"
    without = browser.get(said[0][1])
    assert [sentence for sentence, _ in chips(without)] == ["Status is one of Qualified, Contact"]
    assert chips(without)[0][1] == "/leads"


@pytest.mark.parametrize(
    ("filter", "sentence"),
    [
        ({"city": "Berlin"}, "City is Berlin"),
        ({"not": {"city": "Berlin"}}, "City is not Berlin"),
        ({"city": {"empty": True}}, "City is empty"),
        ({"not": {"city": {"empty": True}}}, "City is not empty"),
        ({"city": {"empty": False}}, "City is not empty"),
        ({"leadScore": {"between": [1, 5]}}, "Score between 1 and 5"),
        ({"updateTimestamp": {"atLeast": "2026-03-01 08:30:00"}}, "Last change since 2026-03-01 08:30"),
        ({"createTimestamp": {"less": "2026-03-01"}}, "Created before 2026-03-01"),
        ({"isUnsubscribed": 1}, "Unsubscribed is Yes"),
        ({"city": {"changedSince": "2026-03-01"}}, "City changed since 2026-03-01"),
        ({"or": [{"city": "Berlin"}, {"city": "Bonn"}]}, "City is Berlin or City is Bonn"),
        ({"or": [{"leadScore": n} for n in range(4)]}, "Any of 4 tests"),
        ({"ownerID": 1}, "Owner is 1"),
        ({"city": {"in": ["a", "b", "c", "d", "e"]}}, "City is one of a, b, c and 2 more"),
        ({"event": {"source": "pageVisit", "count": {"atLeast": 3}}}, "Event pageVisit at least 3 times"),
        ({"list": {"empty": True}}, "List is empty"),
    ],
)
def test_every_test_reads_as_a_sentence(browser: Browser, filter: dict[str, Any], sentence: str) -> None:
    assert [said for said, _ in chips(browser.get(address(f=filter)))] == [sentence]


@pytest.mark.usefixtures("people")
def test_words_find_leads_and_stay_in_the_field(browser: Browser) -> None:
    page = browser.get(address(q="lovlace"))
    assert names(page) == ["Ada Lovelace"]
    assert 'name="q" value="lovlace"' in page.text


@pytest.mark.usefixtures("people")
def test_the_page_says_which_filter_to_drop(browser: Browser) -> None:
    page = browser.get(address(f={"leadScore": {"atLeast": 90}, "city": "Berlin"}))
    assert "No lead matches" in page.text
    assert "Without “Score” 1 leads" in text_of(page)
    assert "Without “City” 1 leads" in text_of(page)


def test_a_company_without_leads_says_where_leads_come_from(browser: Browser) -> None:
    page = browser.get("/leads")
    assert "No leads yet" in page.text
    assert 'href="/leads/new"' in page.text


def test_a_custom_field_can_be_a_column(company: Company, browser: Browser) -> None:
    colour = company.field("Favourite <colour>", "checkbox")
    day = company.field("Since", "date")
    company.create({"emailAddress": new_email(), colour: "red, green", day: "2026-03-01"})
    page = browser.get(address(cols=f"name,{colour},{day}"))
    assert "Favourite &lt;colour&gt;" in page.text
    assert '<span class="tag">red</span> <span class="tag">green</span>' in page.text
    assert "2026-03-01" in text_of(page)
    assert page.text.count('role="columnheader"') == 4


def test_further_rows_come_by_the_cursor(company: Company, browser: Browser) -> None:
    company.create(*({"emailAddress": f"n{n:03}@example.com", "leadScore": n} for n in range(150)))
    first = browser.get(address(sort="leadScore"))
    (path,) = re.findall(r'href="([^"]+)" data-more', first.text)
    second = browser.get(unescape(path))
    assert names(first) + names(second) == [f"n{n:03}@example.com" for n in range(150)]
    assert "data-more" not in second.text
    assert "These were all leads" in second.text
    fragment = browser.get(unescape(path), {"hx-request": "true"})
    assert names(fragment) == names(second)
    assert "<html" not in fragment.text
    assert "150 leads" in text_of(first)


def test_a_script_gets_only_what_a_search_changes(browser: Browser, people: list[int]) -> None:
    page = browser.get("/leads?q=ada", {"hx-request": "true"})
    assert len(people) == 3
    assert names(page) == ["Ada Lovelace"]
    assert "<html" not in page.text
    for part in ("views", "strip", "results", "status"):
        assert f'id="{part}"' in page.text


@pytest.mark.usefixtures("people")
def test_an_address_that_is_wrong_is_explained(browser: Browser) -> None:
    for parts, sentence in (
        ({"f": "no json"}, "is no filter"),
        ({"f": "[]"}, "is no filter"),
        ({"f": "[" * 2_000}, "is no filter"),
        ({"f": '{"a":' * 500}, "is no filter"),
        ({"f": "1e999"}, "is no filter"),
        ({"f": {"nonsense": 1}}, "f.nonsense: There is no such field"),
        ({"f": {"leadScore": {"contains": "x"}}}, "f.leadScore.contains: Expected one of"),
        ({"f": {"or": []}}, "f.or: Expected a list"),
        ({"sort": "nonsense"}, "There is no field nonsense"),
        ({"sort": "a,b,c,d"}, "The order in the address is wrong"),
        ({"sort": "-"}, "There is no field"),
        ({"cols": "nonsense"}, "There is no field “nonsense”"),
        ({"cols": ",".join(map(str, range(100)))}, "too many"),
        ({"q": "x" * 1_000}, "too long"),
        ({"q": "a b c d e f g h i j k l m n o p q r s t u v w x y z"}, "Expected at most"),
        ({"view": "x"}, "does not exist"),
        ({"cursor": "nonsense"}, "Expected the cursor"),
    ):
        page = browser.get(address(**parts))
        assert page.status == 200, (parts, page.text[:500])
        assert sentence in text_of(page), parts


def test_a_filter_that_is_not_understood_shows_no_leads(browser: Browser, people: list[int]) -> None:
    page = browser.get(address(f={"nonsense": 1}))
    assert people
    assert names(page) == []
    assert 'href="/leads" aria-label="Remove filter' in page.text


@pytest.mark.parametrize("block", range(4))
def test_naughty_texts_in_the_address_never_break_the_page(browser: Browser, block: int) -> None:
    texts = [*NAUGHTY, "\0", "a\0b", "\r\nset-cookie: x=1", "%00", "%", "%zz", '"><script>alert(1)</script>']
    for text in texts[block::4]:
        others = dict.fromkeys(("q", "sort", "cols", "view", "cursor", "at"), text)
        paths = [address(**others), address(q=text), address(f={"city": text}), address(f=text), address(f={text: 1})]
        for path in paths:
            page = browser.get(path)
            assert page.status == 200, (path, page.text[:300])
            Parsed(page)


@pytest.mark.parametrize("part", ["q", "f", "sort", "cols", "view", "cursor", "at"])
def test_bytes_that_are_no_text_never_break_the_page(browser: Browser, part: str) -> None:
    page = browser.get(f"/leads?{part}=%ff%fe%80" + quote("ü"))
    assert page.status == 200
    Parsed(page)


@pytest.mark.parametrize("block", range(4))
def test_naughty_texts_in_every_column_never_break_the_page(
    server: Server, company: Company, browser: Browser, block: int
) -> None:
    fields = ["companyName", "title", "firstName", "lastName", "street", "city", "website", "phoneNumber", "industry"]
    label = '"><img src=x onerror=alert(1)>'
    fields += [company.field(label, kind) for kind in ("string", "checkbox", "textarea", "phone")]
    texts = [text for text in NAUGHTY[block::4] if text.strip()]
    company.create(*({"emailAddress": new_email(), **dict.fromkeys(fields, text[:50])} for text in texts))
    page = browser.get(address(cols=",".join(["name", *fields])))
    parsed = Parsed(page)
    assert len(names(page)) == len(texts)
    shown = " ".join(parsed.texts)
    assert label in shown
    for text in texts:
        assert " ".join(text[:50].split()) in " ".join(shown.split()) or not text.isprintable(), text
    assert browser.get("/leads", {"hx-request": "true"}).status == 200
    assert server


def test_addresses_and_sites_are_links_and_scripts_are_not(company: Company, browser: Browser) -> None:
    links = {"example.com/a?b=1": "https://example.com/a?b=1", "http://example.com": "http://example.com",
             "javascript:alert(1)": "", "https://": "", "data://a.b/,x": "", "//evil": ""}  # fmt: skip
    company.create(*({"emailAddress": new_email(), "website": website} for website in links))
    page = browser.get(address(cols="name,website"))
    found = re.findall(r'<a class="link" href="([^"]+)" target="_blank" rel="noopener', page.text)
    assert sorted(map(unescape, found)) == sorted(filter(None, links.values()))


def test_the_page_is_in_the_language_of_the_user(browser: Browser, people: list[int]) -> None:
    token = browser.get("/settings").token
    browser.post("/settings", {"_token": token, "name": "Mara", "language": "de", "zone": "Europe/Berlin"})
    page = browser.get(address(f={"leadScore": {"atLeast": 50}}))
    assert len(people) == 3
    assert '<html lang="de"' in page.text
    assert [said for said, _ in chips(page)] == ["Score mindestens 50"]
    assert "2 Leads in" in page.text
    assert "CET" in page.text


def test_leads_of_other_companies_are_not_there(server: Server, browser: Browser, people: list[int]) -> None:
    other, _ = signed_in(server, new_company(server))
    page = other.get("/leads")
    assert people
    assert names(page) == []
    assert Browser(server).ask("GET", "/leads?q=x").headers["location"] == "/sign-in?next=%2Fleads%3Fq%3Dx"
    assert len(names(browser.get("/leads"))) == 3


def test_a_page_needs_at_most_twelve_statements(tmp_path: Path) -> None:
    with noting_statements(tmp_path) as (browser, company, user, log):
        company.create(*({"emailAddress": new_email(), "leadScore": n, "ownerID": user.id} for n in range(120)))
        path = address(f={"leadScore": {"atLeast": 5}, "ownerID": user.id}, sort="-leadScore")
        browser.get(path)
        before = len(log.read_text())
        assert len(names(browser.get(path))) == 100
        parts = re.split(r"^\S+ \S+ UTC \[(\d+)\] LOG:  ", log.read_text()[before:], flags=re.MULTILINE)
        noted = list(zip(parts[1::2], parts[2::2], strict=True))
        (process,) = {process for process, text in noted if 'l.company_name as "companyName"' in text}
        of_page = [
            text for one, text in noted if one == process and "typeinfo_tree" not in text and "'jit'" not in text
        ]
        assert 4 <= len(of_page) <= 12, of_page


def test_the_exact_number_of_leads_comes_by_a_second_request(browser: Browser, people: list[int]) -> None:
    assert browser.get("/leads/count").text.strip() == str(len(people))
    assert browser.get(address(f={"city": "Berlin"}).replace("/leads", "/leads/count", 1)).text.strip() == "1"
    wrong = browser.get(address(f={"nonsense": 1}).replace("/leads", "/leads/count", 1))
    assert (wrong.status, wrong.text) == (204, "")
