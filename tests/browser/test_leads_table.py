"""The table of leads in a real browser: its story by keyboard alone, and what axe and the policy find."""

from collections.abc import Generator
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from accessibility import faults
from browsing import link, new_user
from hostile.corpus import NAUGHTY
from support import Company, Server

pytestmark = pytest.mark.timeout(180)

REPORTS = """
  window.reports = []
  addEventListener("securitypolicyviolation", (event) => reports.push(event.violatedDirective + " " + event.blockedURI))
  window.alert = () => reports.push("a script ran")
"""


def run(browser: webdriver.Chrome, script: str, *values: object) -> Any:
    return browser.execute_script(script, *values)  # type: ignore[no-untyped-call]


def press(browser: webdriver.Chrome, *keys: str) -> None:
    ActionChains(browser, duration=0).send_keys(*keys).perform()


def chord(browser: webdriver.Chrome, modifier: str, key: str) -> None:
    ActionChains(browser, duration=0).key_down(modifier).send_keys(key).key_up(modifier).perform()


def until(browser: webdriver.Chrome, script: str, *values: object) -> Any:
    """Waits until a script returns something true, and returns it."""
    return WebDriverWait(browser, 20).until(lambda _: run(browser, script, *values))


@pytest.fixture
def leads(company: Company) -> list[int]:
    return company.create(
        *(
            {"emailAddress": f"lead{n}@example.com", "firstName": "Lead", "lastName": f"No{n}", "city": "Berlin",
             "companyName": f"Company {n}", "leadScore": 90 - n, "leadStatus": "open"}
            for n in range(8)
        )
    )  # fmt: skip


@pytest.fixture
def table(browser: webdriver.Chrome, server: Server, company: Company, leads: list[int]) -> Generator[webdriver.Chrome]:
    """The table of a new user, sorted by score. After the test, the browser has reported nothing against the policy."""
    command = "Page.addScriptToEvaluateOnNewDocument"
    watch = browser.execute_cdp_cmd(command, {"source": REPORTS})["identifier"]  # type: ignore[no-untyped-call]
    user = new_user(server, company)
    browser.get(server.url + link(server, company, user.email_address))
    browser.get(f"{server.url}/leads?sort=-leadScore")
    assert leads
    yield browser
    assert run(browser, "return window.reports") == []
    assert [entry for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]] == []  # type: ignore[no-untyped-call]
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": watch})  # type: ignore[no-untyped-call]
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})  # type: ignore[no-untyped-call]


def start(browser: webdriver.Chrome) -> None:
    """Gives the first cell the focus."""
    until(browser, "return document.readyState === 'complete'")
    until(
        browser,
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true}));"
        "return document.querySelector('.cur')",
    )


def test_the_story_of_the_table_by_keyboard_alone(table: webdriver.Chrome, company: Company, leads: list[int]) -> None:
    start(table)
    press(table, Keys.ARROW_RIGHT, Keys.ENTER)
    until(table, "return document.activeElement.value === 'Company 0'")
    press(table, "Fjordworks", Keys.ENTER)
    until(table, "return document.querySelector('td.saved')")
    assert company.lead(leads[0])["companyName"] == "Fjordworks"
    assert run(table, "return document.activeElement.textContent") == "Company 1", "Enter moves down"
    press(table, Keys.ENTER, "not this", Keys.ESCAPE)
    assert run(table, "return document.activeElement.textContent") == "Company 1", "Esc restores"
    press(table, Keys.ENTER, "Kiruna", Keys.TAB)
    until(table, "return document.activeElement.textContent === 'Open'")
    press(table, Keys.ENTER, "Qual", Keys.ENTER)
    until(table, "return document.querySelectorAll('.h-violet.pill').length === 1")
    assert company.lead(leads[1])["leadStatus"] == "qualified"

    press(table, "x", Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    chord(table, Keys.SHIFT, "x")
    assert run(table, "return document.querySelector('#pickbar b').textContent") == "3"
    press(table, "s")
    until(table, "return document.activeElement.matches('[role=menuitem]')")
    press(table, "c", Keys.ENTER)
    until(table, "return document.querySelector('.toast')?.textContent.includes('3 leads')")
    assert [company.lead(one)["leadStatus"] for one in leads[2:5]] == ["contact"] * 3
    until(table, "return document.querySelectorAll('.pill.h-amber').length === 3")
    chord(table, Keys.CONTROL, "z")
    until(table, "return document.querySelector('.toast')?.textContent.includes('as before')")
    assert [company.lead(one)["leadStatus"] for one in leads[2:5]] == ["open"] * 3
    press(table, Keys.ESCAPE)
    assert run(table, "return document.querySelector('#pickbar').hidden")

    press(table, "?")
    until(table, "return document.querySelector('#keys').open")
    press(table, Keys.ESCAPE)
    press(table, "/", "lead5")
    until(table, "return document.querySelectorAll('.leads tr[data-id]').length === 1")
    assert run(table, "return document.activeElement.id") == "q"
    assert table.current_url.endswith("/leads?q=lead5&sort=-leadScore")
    table.refresh()
    assert len(until(table, "return document.querySelectorAll('.leads tr[data-id]')")) == 1


def test_an_owner_is_chosen_in_a_cell(table: webdriver.Chrome, company: Company, leads: list[int]) -> None:
    start(table)
    press(table, *[Keys.ARROW_RIGHT] * 4, Keys.ENTER)
    until(table, "return document.activeElement.options?.length > 1")
    press(table, "Mara", Keys.ENTER)
    until(table, "return document.querySelector('td.saved')?.textContent.includes('Mara Okafor')")
    assert company.lead(leads[0])["ownerID"]


def test_a_filter_is_added_by_keyboard_alone(table: webdriver.Chrome) -> None:
    start(table)
    press(table, "f")
    until(table, "return document.activeElement.id === 'filter-field'")
    press(table, "Score", Keys.TAB)
    until(table, "return document.activeElement.id === 'filter-op'")
    press(table, "at le", Keys.TAB, "87", Keys.ENTER)
    until(table, "return document.querySelectorAll('.leads tr[data-id]').length === 4")
    assert "Score at least 87" in run(table, "return document.querySelector('.fchip').textContent")
    table.back()
    assert len(until(table, "return document.querySelectorAll('.leads tr[data-id]')")) == 8


def test_somebody_else_changes_the_same_cell(table: webdriver.Chrome, company: Company, leads: list[int]) -> None:
    start(table)
    press(table, Keys.ARROW_RIGHT)
    company.call("updateLeads", objects=[{"id": leads[0], "companyName": "Theirs"}])
    press(table, Keys.ENTER, "Mine", Keys.ENTER)
    message = until(table, "return document.querySelector('td.edit [role=alert]')?.textContent")
    assert "Theirs" in message
    assert run(table, "return document.activeElement.value") == "Mine", "what was typed is kept"
    assert company.lead(leads[0])["companyName"] == "Theirs"
    press(table, Keys.ENTER)
    until(table, "return document.querySelector('td.saved')")
    assert company.lead(leads[0])["companyName"] == "Mine"


def test_a_refused_value_stays_in_the_cell(table: webdriver.Chrome, company: Company, leads: list[int]) -> None:
    start(table)
    press(table, *[Keys.ARROW_RIGHT] * 3, Keys.ENTER, "many", Keys.ENTER)
    assert "Expected" in until(table, "return document.querySelector('td.edit [role=alert]')?.textContent")
    assert run(table, "return document.activeElement.value") == "many"
    press(table, Keys.ESCAPE)
    assert company.lead(leads[0])["leadScore"] == "90"


def test_rows_come_and_go_while_one_scrolls(table: webdriver.Chrome, company: Company, server: Server) -> None:
    for part in range(2):
        company.create(*({"emailAddress": f"m{part}-{n}@example.com"} for n in range(250)))
    table.get(f"{server.url}/leads?sort=id&cols=name,emailAddress")
    bottom = "const box = document.querySelector('.tw'); box.scrollTop = box.scrollHeight; "
    until(table, bottom + "return document.querySelector('tr.end')?.textContent.includes('all leads')")
    assert run(table, "return document.querySelectorAll('tr[data-id]').length") <= 300
    top = "document.querySelector('.tw').scrollTop = 0; "
    until(table, top + "return document.querySelector('tbody tr[data-id]').textContent.includes('lead0@') "
                       "|| document.querySelector('tbody').textContent.includes('No0')")  # fmt: skip
    assert run(table, "return document.querySelectorAll('tr[data-id]').length") <= 300


def test_a_new_lead_says_at_once_that_the_address_is_there(table: webdriver.Chrome, leads: list[int]) -> None:
    start(table)
    press(table, "c")
    until(table, "return document.activeElement?.name === 'emailAddress'")
    press(table, "lead3@example.com")
    href = until(table, "return document.querySelector('#known a')?.getAttribute('href')")
    assert href == f"/leads/{leads[3]}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 768, 390])
def test_axe_finds_nothing(table: webdriver.Chrome, server: Server, theme: str, width: int) -> None:
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    table.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)  # type: ignore[no-untyped-call]
    table.add_cookie({"name": "theme", "value": theme})
    for path in (
        '/leads?f={"leadScore":{"atLeast":85},"city":"Berlin"}',
        "/leads?q=zzzzzzzz",
        "/leads?sort=x",
        "/leads/new",
    ):
        table.get(server.url + path)
        assert faults(table) == [], path
    table.get(f"{server.url}/leads")
    start(table)
    press(table, "x")
    assert faults(table) == []
    if width > 760:
        press(table, Keys.ARROW_RIGHT, Keys.ENTER)
        assert faults(table) == []
        press(table, Keys.ESCAPE)
        run(table, "document.querySelector('#keys').showModal()")
        assert faults(table) == []
        for editor in ("filter", "view", "columns"):
            table.get(f"{server.url}/leads?sort=city")
            start(table)
            run(table, f"document.querySelector('[popovertarget={editor}-editor]').click()")
            until(table, f"return document.querySelector('#{editor}-editor').matches(':popover-open')")
            assert faults(table) == [], editor
    overflow = run(table, "return document.documentElement.scrollWidth > innerWidth")
    assert not overflow


def test_naughty_texts_run_no_script(table: webdriver.Chrome, company: Company, server: Server) -> None:
    texts = [text[:50] for text in NAUGHTY if text.strip()]
    fields = ("firstName", "companyName", "city", "website", "title")
    objects = [{"emailAddress": f"n{n}@example.com", **dict.fromkeys(fields, text)} for n, text in enumerate(texts)]
    company.create(*objects)
    table.get(f"{server.url}/leads?sort=id&cols=name,{','.join(fields)}")
    start(table)
    for _ in range(3):
        press(table, *[Keys.ARROW_DOWN] * 20, Keys.ARROW_RIGHT, Keys.ENTER, Keys.ESCAPE)
    table.get(f'{server.url}/leads?q=<script>alert(1)</script>&f={{"city":"\'><img src=x onerror=alert(1)>"}}')
    assert run(table, "return document.querySelectorAll('img').length") == 0
