"""A static page with a form in a real browser: a visit, a submit, a later visit, and the timeline they make."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from capture.forms import EMAIL, custom
from capture.public import Public
from support import Company, eventually

pytestmark = pytest.mark.timeout(120)

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}</head>
<body><h1>{title}</h1><p>Before.</p>{body}<p id="after">After.</p></body></html>"""


def page(title: str, *, head: str = "", body: str = "") -> str:
    return PAGE.format(title=title, head=head, body=body)


def inside(browser: webdriver.Chrome) -> Any:
    """The shadow root of the form that the script puts into the page. Waits for it."""
    host = WebDriverWait(browser, 10).until(
        lambda driver: driver.execute_script(
            "return [...document.querySelectorAll('div')].find(one => one.shadowRoot) || null"
        )
    )
    assert isinstance(host, WebElement)
    return host.shadow_root


def fill(root: Any, **values: str) -> None:
    for name, value in values.items():
        root.find_element(By.CSS_SELECTOR, f'[name="{name}"]').send_keys(value)


def says(root: Any, selector: str) -> str:
    """The text of a part of the form. Waits until the part is there."""
    elements = WebDriverWait(root, 10).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, selector))
    return elements[0].text


def errors(browser: webdriver.Chrome) -> list[str]:
    return [line["message"] for line in browser.get_log("browser") if "favicon" not in line["message"]]


def make(company: Company, **more: Any) -> tuple[str, str]:
    """Creates a form. Returns its address, and the line of HTML that embeds it with the server's address."""
    new = {"name": "Contact", "fields": [{"systemName": "firstName"}, EMAIL], **more}
    (made,) = company.make("createForms", new)
    (row,) = company.call("getForms", where={"id": made})
    return company.url + row["hostedURL"], row["embedCode"].replace('src="', f'src="{company.url}')


@pytest.fixture
def fresh(browser: webdriver.Chrome) -> webdriver.Chrome:
    """A browser without cookies."""
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.get_log("browser")
    return browser


def test_views_before_and_after_a_submit_are_on_one_timeline(
    fresh: webdriver.Chrome, public: Public, site: Callable[..., str]
) -> None:
    company = public.company
    (list_id,) = company.make("createList", {"name": "Readers"})
    _, embed = make(company, listID=list_id, thankYouText="Thanks, see you soon!")
    script = f'<script async src="{company.url}/t.js" data-site="{public.token}"></script>'
    policy = (
        f"default-src 'none'; script-src {company.url}; connect-src {company.url}; img-src {company.url}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    origin = site(
        policy=policy,
        pricing=page("Pricing", head=script),
        contact=page("Contact", head=script, body=embed),
        welcome=page("Welcome", head=script),
    )
    views = "select count(*) as n from page_view where company_id = $1"

    fresh.get(f"{origin}/pricing.html?from=ad")
    eventually(lambda: public.rows(views)[0]["n"] == 1)
    fresh.get(f"{origin}/contact.html")
    root = inside(fresh)
    fill(root, emailAddress="ann@example.com", firstName="Ann <b>")
    root.find_element(By.CSS_SELECTOR, "button").click()
    assert says(root, ".thanks") == "Thanks, see you soon!"
    (lead,) = company.call("getLeads", where={"emailAddress": "ann@example.com"})
    fresh.get(f"{origin}/welcome.html")

    story = """
        select event_source, event_data::text as data from event
        where company_id = $1 and lead_id = $2 and event_source in ('pageVisit', 'formSubmit')
        order by create_timestamp, id
    """

    def form_events() -> list[tuple[str, str]]:
        rows = [(row["event_source"], json.loads(row["data"])) for row in public.rows(story, int(lead["id"]))]
        return [(source, data.get("url", "").removeprefix(origin)) for source, data in rows]

    eventually(lambda: len(form_events()) == 4)
    assert form_events() == [
        ("pageVisit", "/pricing.html?from=ad"),
        ("pageVisit", "/contact.html"),
        ("formSubmit", ""),
        ("pageVisit", "/welcome.html"),
    ]
    timeline = company.call("getLeadTimeline", where={"whoID": lead["id"]})
    assert {"pageVisit", "formSubmit", "leadCreation"} <= {event["eventSource"] for event in timeline}
    (submit,) = [event for event in timeline if event["eventSource"] == "formSubmit"]
    assert json.loads(submit["eventData"]) == {
        "form": "Contact",
        "page": f"{origin}/contact.html",
        "values": {"emailAddress": "ann@example.com", "firstName": "Ann <b>"},
    }
    assert lead["firstName"] == "Ann <b>"
    assert len(company.call("getListMembers", where={"id": list_id})) == 1
    assert errors(fresh) == [], "no violation of the site's Content-Security-Policy"


def test_an_embedded_form_shows_errors_at_their_fields_and_keeps_the_input(
    fresh: webdriver.Chrome, public: Public, site: Callable[..., str]
) -> None:
    size = custom(public.company, "Shoe size", "picklist", options=["<40", "41"])
    _, embed = make(public.company, fields=[EMAIL, {"systemName": "firstName"}, {"systemName": size}])
    fresh.get(f"{site(contact=page('Contact', body=embed))}/contact.html")
    root = inside(fresh)
    fill(root, firstName="Ann", emailAddress="ann@example")
    root.find_element(By.CSS_SELECTOR, "button").click()

    assert says(root, "#emailAddress-error") == "Please enter an email address, such as name@example.com."
    assert says(root, ".message") == "Please check the fields below."
    assert root.find_element(By.CSS_SELECTOR, "#firstName").get_property("value") == "Ann"
    address = root.find_element(By.CSS_SELECTOR, "#emailAddress")
    assert address.get_attribute("aria-invalid") == "true"
    assert fresh.execute_script("return arguments[0].getRootNode().activeElement === arguments[0]", address)
    fill(root, emailAddress=".com", **{size: "<40"})
    root.find_element(By.CSS_SELECTOR, "button").click()

    assert says(root, ".thanks").startswith("Thank you.")
    (lead,) = public.company.call("getLeads", where={})
    assert (lead["emailAddress"], lead[size]) == ("ann@example.com", "<40")


def test_an_embedded_form_redirects_to_the_address_of_the_form(
    fresh: webdriver.Chrome, public: Public, site: Callable[..., str]
) -> None:
    origin = site(thanks=page("Done"))
    _, embed = make(public.company, redirectURL=f"{origin}/thanks.html")
    fresh.get(f"{site(contact=page('Contact', body=embed))}/contact.html")
    root = inside(fresh)
    fill(root, emailAddress="ann@example.com")
    root.find_element(By.CSS_SELECTOR, "button").click()
    WebDriverWait(fresh, 10).until(lambda driver: driver.current_url == f"{origin}/thanks.html")


@pytest.mark.parametrize("redirected", [False, True])
def test_the_hosted_page_works_without_a_script(
    fresh: webdriver.Chrome, public: Public, site: Callable[..., str], redirected: bool
) -> None:
    origin = site(thanks=page("Done"))
    cv = custom(public.company, "CV", "upload")
    more = {"redirectURL": f"{origin}/thanks.html"} if redirected else {}
    hosted, _ = make(public.company, fields=[EMAIL, {"systemName": "description"}, {"systemName": cv}], **more)
    fresh.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        fresh.get(hosted)
        fill(fresh, emailAddress="ann@example.com", description="one\ntwo")
        fresh.find_element(By.CSS_SELECTOR, "button").click()
        fresh.implicitly_wait(0)
        WebDriverWait(fresh, 10).until(
            lambda driver: driver.current_url != hosted or driver.find_elements(By.CSS_SELECTOR, ".message")
        )
        if fresh.current_url == hosted:  # on a busy machine the submit may be slow enough for a person's
            message = fresh.find_element(By.CSS_SELECTOR, ".message")
            assert message.text == "That was very fast. Please send the form again."
            assert fresh.find_element(By.ID, "description").get_property("value") == "one\ntwo"
        eventually(lambda: _sent(fresh, hosted), seconds=15)
    finally:
        fresh.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert fresh.current_url == (f"{origin}/thanks.html" if redirected else f"{hosted}/thanks")
    (lead,) = public.company.call("getLeads", where={})
    assert lead["description"] == "one\ntwo"
    assert [line for line in errors(fresh) if "422" not in line] == []


def _sent(browser: webdriver.Chrome, hosted: str) -> bool:
    if browser.current_url != hosted:
        return True
    import time

    time.sleep(2.2)
    browser.find_element(By.CSS_SELECTOR, "button").click()
    return browser.current_url != hosted


def test_a_plain_form_of_another_site_posts_to_the_same_address(
    fresh: webdriver.Chrome, public: Public, site: Callable[..., str]
) -> None:
    hosted, _ = make(public.company)
    body = f"""<form action="{hosted}" method="post"><input name="email" value="ann@example.com">
    <input name="first_name" value="Ännchen"><button>Go</button></form>"""
    fresh.get(f"{site(contact=page('Contact', body=body))}/contact.html")
    fresh.find_element(By.CSS_SELECTOR, "button").click()
    WebDriverWait(fresh, 10).until(lambda driver: driver.current_url == f"{hosted}/thanks")
    (lead,) = public.company.call("getLeads", where={})
    assert lead["firstName"] == "Ännchen"


@pytest.mark.parametrize("by_script", [False, True], ids=["a click", "form.submit()"])
def test_a_plain_form_beside_the_page_script_joins_earlier_views_and_keeps_the_path_of_its_page(
    fresh: webdriver.Chrome, public: Public, site: Callable[..., str], by_script: bool
) -> None:
    company = public.company
    address, _ = make(company)
    script = f'<script async src="{company.url}/t.js" data-site="{public.token}"></script>'
    plain = (
        f'<form action="{address}" method="post"><input name="email"><input name="action"><button>Send</button></form>'
    )
    elsewhere = f'<form action="/x" id="other"><input name="email"></form>{plain}'
    origin = site(pricing=page("Pricing", head=script), contact=page("Contact", head=script, body=elsewhere))
    views = "select count(*) as n from page_view where company_id = $1"
    fresh.get(f"{origin}/pricing.html")
    eventually(lambda: public.rows(views)[0]["n"] == 1)
    fresh.get(f"{origin}/contact.html?from=ad#top")
    eventually(lambda: public.rows(views)[0]["n"] == 2)
    other = "return [...new FormData(document.getElementById('other')).keys()].join()"
    assert fresh.execute_script(other) == "email", "forms of other servers stay as they are"

    fresh.find_element(By.CSS_SELECTOR, "[method=post] [name=email]").send_keys("ann@example.com")
    if by_script:
        fresh.execute_script("document.querySelector('[method=post]').submit()")
    else:
        fresh.find_element(By.CSS_SELECTOR, "[method=post] button").click()
    WebDriverWait(fresh, 10).until(lambda driver: driver.current_url == f"{address}/thanks")

    (lead,) = company.call("getLeads", where={})
    assert len(company.call("getLeadTimeline", where={"whoID": lead["id"], "eventSource": "pageVisit"})) == 2
    (submit,) = company.call("getLeadTimeline", where={"whoID": lead["id"], "eventSource": "formSubmit"})
    data = json.loads(submit["eventData"])
    assert data == {
        "form": "Contact",
        "page": f"{origin}/contact.html?from=ad",
        "values": {"emailAddress": lead["emailAddress"]},
    }


BRIGHTNESS = """
const channels = (element, name) => getComputedStyle(element)[name].match(/[0-9.]+/g).slice(0, 3).map(Number);
const bright = (element, name) => channels(element, name).reduce((sum, part) => sum + part, 0) / 3;
const root = arguments[0] || document, input = root.querySelector("input"), label = root.querySelector("label");
return [bright(input, "backgroundColor"), bright(input, "color"), bright(label, "color")];
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_hosted_page_follows_the_theme_of_the_system_and_an_embedded_form_that_of_its_page(
    fresh: webdriver.Chrome, public: Public, site: Callable[..., str], theme: str
) -> None:
    features = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    fresh.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    address, embed = make(public.company)
    both = "<style>:root { color-scheme: light dark; }</style>"
    origin = site(light=page("Light", body=embed), both=page("Both", head=both, body=embed))
    try:
        seen: dict[str, list[float]] = {}
        fresh.get(address)
        seen["hosted"] = fresh.execute_script(BRIGHTNESS)
        for name in ("light", "both"):
            fresh.get(f"{origin}/{name}.html")
            seen[name] = fresh.execute_script(BRIGHTNESS, inside(fresh))
    finally:
        fresh.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for name, (field, typed, label) in seen.items():
        dark = theme == "dark" and name != "light"
        assert (field < 60) is dark, (name, field)
        assert (typed > 200, label > 200) == (dark, dark), (name, typed, label)
