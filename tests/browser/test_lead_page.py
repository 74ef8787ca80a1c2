"""The page of a lead in a real browser: its story by keyboard alone, and what axe and the policy find."""

from collections.abc import Generator

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from accessibility import faults
from browser.test_leads_table import REPORTS, press, run, until
from browsing import link, new_user
from hostile.corpus import NAUGHTY
from support import Company, Server

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def lead(company: Company) -> int:
    """A lead with a note, a task, a list, a score, a change, and perhaps the same person."""
    values = {"firstName": "Ada", "lastName": "Lovelace", "city": "Oslo", "mobilePhoneNumber": "+49 170 1234567"}
    lead, _ = company.create(
        {"emailAddress": "ada@engines.example", **values},
        {"emailAddress": "a.king@engines.example", "firstName": "Ada", "mobilePhoneNumber": "0170 1234567"},
    )
    rule = {"name": "Name and city", "part": "completeness", "points": 10, "fields": ["firstName", "city"]}
    company.call("createScoreRules", objects=[rule])
    company.call("updateLeads", objects=[{"id": lead, "city": "London", "leadStatus": "open"}])
    (user, *_) = company.call("getUserProfiles", where={})
    about = {"whoID": lead, "whoType": "lead"}
    company.call("createNotes", objects=[{"note": "Wants figures", "authorID": user["id"], **about}])
    due = "2027-03-01 09:00:00"
    company.call("createTasks", objects=[{"title": "Send the quote", "ownerID": user["id"], "dueDate": due, **about}])
    (made,) = company.call("createList", name="Newsletter", description="News")
    company.call("addListMembers", objects=[{"listID": made["id"], "memberID": lead}])
    return lead


@pytest.fixture
def page(browser: webdriver.Chrome, server: Server, company: Company, lead: int) -> Generator[webdriver.Chrome]:
    """The page of the lead for a new user. After the test, the browser has reported nothing against the policy."""
    command = "Page.addScriptToEvaluateOnNewDocument"
    watch = browser.execute_cdp_cmd(command, {"source": REPORTS})["identifier"]  # type: ignore[no-untyped-call]
    browser.get(server.url + link(server, company, new_user(server, company).email_address))
    browser.get(f"{server.url}/leads/{lead}")
    yield browser
    assert run(browser, "return window.reports") == []
    assert [entry for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]] == []  # type: ignore[no-untyped-call]
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": watch})  # type: ignore[no-untyped-call]
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[no-untyped-call]


def ready(browser: webdriver.Chrome) -> None:
    """Waits until the page is there with its parts, so that its keys work."""
    until(browser, "return document.readyState === 'complete' && !document.querySelector('[hx-trigger=load]')")


def test_the_story_of_a_lead_by_keyboard_alone(page: webdriver.Chrome, company: Company, lead: int) -> None:
    ready(page)
    assert "Name and city" in run(page, "return document.querySelector('.why').innerText")
    press(page, "e")
    until(page, "return document.activeElement.id === 'edit'")
    press(page, "Augusta", Keys.ENTER)
    until(page, "return document.querySelector('.toast')?.innerText.includes('First name saved')")
    assert "Augusta" in (company.lead(lead)["firstName"] or "")
    ready(page)
    press(page, "o")
    until(page, "return document.activeElement.name === 'text'")
    press(page, "Reached her", Keys.TAB, Keys.TAB, "reached", Keys.ENTER)
    until(page, "return document.querySelector('.tl').innerText.includes('Reached her')")
    ready(page)
    press(page, "t")
    until(page, "return document.activeElement.name === 'text'")
    press(page, "Call again", Keys.TAB, "tomorrow 9", Keys.ENTER)
    until(page, "return document.querySelector('.why').innerText.includes('Tomorrow 09:00')")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_axe_finds_nothing(page: webdriver.Chrome, server: Server, lead: int, theme: str, width: int) -> None:
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)  # type: ignore[no-untyped-call]
    page.add_cookie({"name": "theme", "value": theme})
    for query in ("", "?edit=city", "?write=task", "?open=convert", "?open=erase", "?tab=why&open=list", "?tab=facts"):
        page.get(f"{server.url}/leads/{lead}{query}")
        ready(page)
        assert faults(page) == [], query
        assert not run(page, "return document.documentElement.scrollWidth > innerWidth"), query


def test_naughty_texts_run_no_script(page: webdriver.Chrome, server: Server, company: Company, lead: int) -> None:
    texts = [text for text in NAUGHTY if text.strip() and "\0" not in text]
    fields = {"firstName": 50, "lastName": 50, "companyName": 100, "title": 255, "city": 255, "website": 255}
    for text in texts[:: max(len(texts) // 12, 1)]:
        changed = {name: text[:length] for name, length in fields.items()}
        company.envelope("updateLeads", {"objects": [{"id": lead, **changed}]})
        company.envelope("createNotes", {"objects": [{"note": text[:500], "whoID": lead, "whoType": "lead"}]})
        page.get(f"{server.url}/leads/{lead}")
        ready(page)
        assert run(page, "return window.reports") == [], text
        assert not run(page, "return document.documentElement.scrollWidth > innerWidth"), text
