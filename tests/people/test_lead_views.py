"""Views of the table of leads as tabs, and the editors of filters and columns."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import unquote, urlencode

import pytest

from browsing import Browser, Page, signed_in
from support import Company, Server, new_email


@pytest.fixture
def browser(server: Server, company: Company) -> Browser:
    return signed_in(server, company)[0]


@pytest.fixture
def leads(company: Company) -> list[int]:
    return company.create(
        {"emailAddress": "ada@example.com", "city": "London", "leadScore": 94},
        {"emailAddress": "grace@example.com", "city": "Berlin", "leadScore": 87},
        {"emailAddress": "eve@example.com", "city": "Berlin", "leadScore": 3},
    )


def names(page: Page) -> list[str]:
    return re.findall(r'<a href="/leads/\d+"><span.*?</span><span class="trunc">(.*?)</span></a>', page.text)


def shown(page: Page) -> str:
    (value,) = re.findall(r'name="shown" value="(.*?)"', page.text)
    return unescape(value)


def tabs(page: Page) -> list[str]:
    found = re.findall(r'<a class="tab" .*?</a>', page.text)
    return [unescape(re.sub("<[^>]+>", "", tab)).strip() for tab in found]


def edited(browser: Browser, **fields: Any) -> str:
    """Where the editor of filters leads, readable."""
    return unquote(browser.ask("GET", f"/leads/filter?{urlencode(fields)}").headers["location"])


@pytest.mark.usefixtures("leads")
def test_a_view_is_saved_changed_and_deleted(browser: Browser) -> None:
    page = browser.get('/leads?f={"city":"Berlin"}&sort=-leadScore&cols=name,leadScore')
    fields = {"_token": page.token, "do": "create", "name": "Berlin <first>", "shown": shown(page)}
    page = browser.post("/leads/views", fields)
    assert re.fullmatch(r"/leads\?view=\d+", page.path)
    view = page.path.partition("=")[2]
    assert names(page) == ["grace@example.com", "eve@example.com"]
    assert tabs(page) == ["All leads", "Mine", "Berlin <first> 2"]
    assert page.text.count('role="columnheader"') == 3
    assert "dirty" not in page.text

    page = browser.get(f"/leads?view={view}&f={{}}&sort=leadScore")
    assert names(page) == ["eve@example.com", "grace@example.com", "ada@example.com"]
    assert "dirty" in page.text
    assert f'href="/leads?view={view}">Reset' in page.text
    page = browser.post("/leads/views", {"_token": page.token, "do": "save", "view": view, "shown": shown(page)})
    assert names(page) == ["eve@example.com", "grace@example.com", "ada@example.com"]

    page = browser.post("/leads/views", {"_token": page.token, "do": "delete", "view": view})
    assert page.path == "/leads"
    assert tabs(page) == ["All leads 3", "Mine"]
    assert "The view in the address does not exist" in browser.get(f"/leads?view={view}").text


@pytest.mark.usefixtures("leads")
def test_a_view_is_shared_by_those_who_may(server: Server, company: Company, browser: Browser) -> None:
    other, _ = signed_in(server, company, "salesperson")
    for one, shared in ((browser, "1"), (browser, ""), (other, "1")):
        page = one.get('/leads?f={"city":"Berlin"}')
        fields = {"_token": page.token, "do": "create", "name": f"View{shared}", "shown": shown(page), "shared": shared}
        assert one.post("/leads/views", fields).status == 200
    assert "Share with all" not in other.get('/leads?f={"city":"Berlin"}').text
    assert [tab.split()[0] for tab in tabs(browser.get("/leads"))] == ["All", "Mine", "View1", "View"]
    assert [tab.split()[0] for tab in tabs(other.get("/leads"))] == ["All", "Mine", "View1", "View1"]


def test_mine_are_the_leads_that_i_own(server: Server, company: Company) -> None:
    browser, user = signed_in(server, company)
    company.create({"emailAddress": "mine@example.com", "ownerID": user.id}, {"emailAddress": new_email()})
    page = browser.get("/leads?view=mine")
    assert names(page) == ["mine@example.com"]
    assert user.display_name in page.text


def test_a_view_of_a_deleted_field_still_works(company: Company, browser: Browser, leads: list[int]) -> None:
    colour = company.field("Colour")
    page = browser.get(f"/leads?sort={colour},-leadScore&cols={colour},city")
    page = browser.post("/leads/views", {"_token": page.token, "do": "create", "name": "C", "shown": shown(page)})
    (field,) = company.call("getFields", where={"systemName": colour})
    company.call("deleteFields", objects=[{"id": field["id"]}])
    again = browser.get(page.path)
    assert len(names(again)) == len(leads)
    assert names(again)[0] == "ada@example.com"


def test_a_view_that_is_nonsense_is_refused(browser: Browser, leads: list[int]) -> None:
    assert leads
    token = browser.get("/leads/new").token
    for sent in ('{"filter":{"nonsense":1}}', '{"columns":["nonsense"]}', '{"sort":5}'):
        assert browser.post("/leads/views", {"_token": token, "do": "create", "name": "x", "shown": sent}).status == 422
    assert browser.post("/leads/views", {"_token": token, "do": "create", "shown": "[["}).status == 404


def test_the_editor_adds_a_test_to_the_filter(browser: Browser, company: Company) -> None:
    assert edited(browser, field="city", op="equals", value="Berlin") == '/leads?f={"city":"Berlin"}'
    assert edited(browser, field="city", op="not_equals", value="Berlin") == '/leads?f={"not":{"city":"Berlin"}}'
    assert edited(browser, field="city", op="in", value="a, b") == '/leads?f={"city":["a","b"]}'
    assert edited(browser, field="city", op="not_empty") == '/leads?f={"city":{"empty":false}}'
    assert edited(browser, field="leadScore", op="between", value="1,5") == '/leads?f={"leadScore":{"between":[1,5]}}'
    assert edited(browser, field="leadStatus", op="equals", value="with OPPORTUNITY") == (
        '/leads?f={"leadStatus":"contactWithOpp"}'
    )
    both = edited(browser, field="leadScore", op="atMost", value="9", f='{"leadScore":{"atLeast":5}}', sort="city")
    assert both == '/leads?f={"leadScore":{"atLeast":5,"atMost":9}}&sort=city'
    twice = edited(browser, field="city", op="equals", value="b", f='{"city":"a"}')
    assert twice == '/leads?f={"and":[{"city":"a"},{"city":"b"}]}'
    wrong = browser.get(edited(browser, field="leadScore", op="atLeast", value="many").replace(" ", "%20"))
    assert "f.leadScore.atLeast: " in unescape(wrong.text)
    assert edited(browser, field="", op="x") == "/leads"
    (user,) = [row for row in company.call("getUserProfiles", where={}) if row["displayName"] == "Mara Okafor"]
    assert json.dumps(int(user["id"])) in edited(browser, field="ownerID", op="equals", value="Mara Okafor")


def test_a_day_in_a_filter_is_one_of_the_user(browser: Browser) -> None:
    token = browser.get("/settings").token
    browser.post("/settings", {"_token": token, "name": "Mara", "language": "en", "zone": "Europe/Berlin"})
    path = edited(browser, field="createTimestamp", op="atLeast", value="2026-03-01")
    assert path == '/leads?f={"createTimestamp":{"atLeast":"2026-02-28 23:00:00"}}'
    assert "2026-03-01" in browser.get(path.replace(" ", "%20")).text
    between = edited(browser, field="createTimestamp", op="equals", value="2026-03-01")
    assert between == '/leads?f={"createTimestamp":{"between":["2026-02-28 23:00:00","2026-03-01 22:59:59"]}}'


@pytest.mark.usefixtures("leads")
def test_the_editor_of_columns_keeps_their_order(browser: Browser) -> None:
    path = "/leads/columns?cols=name,leadScore,city&sort=city&col=city&col=title&col=leadScore"
    location = browser.ask("GET", path).headers["location"]
    assert location == "/leads?sort=city&cols=leadScore,city,title"
    assert browser.get(location).text.count('role="columnheader"') == 5
