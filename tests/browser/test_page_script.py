"""The page script in a real browser, on a page whose policy allows our origin and nothing else."""

import re
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from capture.public import ANN, Public
from support import eventually

TOP = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(120)

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{head}</head>
<body>{title}</body></html>"""


@pytest.fixture(autouse=True)
def fresh(browser: webdriver.Chrome) -> Generator[None]:
    """A browser without cookies, open pages or overrides of earlier tests."""
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.get_log("browser")  # type: ignore[no-untyped-call]
    yield
    browser.get("about:blank")


def policy(public: Public) -> str:
    """The Content-Security-Policy that docs/capture.md asks for, and nothing else."""
    allowed = re.search(r"`(script-src [^`]+)`", (TOP / "docs" / "capture.md").read_text().replace("\n", " "))
    assert allowed is not None
    return f"default-src 'none'; {allowed[1].replace('https://crm.example.com', public.url)}"


def page(public: Public, title: str, *, more: str = "") -> str:
    script = f'<script async src="{public.url}/t.js" data-site="{public.token}"{more}></script>'
    return PAGE.format(title=title, head=script)


def cookie(browser: webdriver.Chrome) -> dict[str, Any] | None:
    return browser.get_cookie("__ss_tk")


def complaints(browser: webdriver.Chrome) -> list[str]:
    """The messages of the browser's console, without those about the missing favicon."""
    messages = [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]
    return [message for message in messages if "favicon" not in message]


def names(public: Public) -> list[str]:
    return [view["event_name"] for view in public.views()]


def pretend(browser: webdriver.Chrome, source: str) -> Generator[None]:
    """Runs a script in every page before it loads."""
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    yield
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": added["identifier"]})


@pytest.fixture
def private(browser: webdriver.Chrome) -> Generator[None]:
    """A browser whose user objects to tracking."""
    yield from pretend(browser, "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")


def test_a_visit_gets_a_cookie_of_the_page_and_is_reported(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    address = site(policy(public), first=page(public, "The first"), second=page(public, "The second"))
    browser.get(f"{address}/first.html?utm_source=x#part")
    eventually(lambda: len(public.views()) == 1)
    browser.execute_script("location.href = '/second.html'")
    eventually(lambda: len(public.views()) == 2)

    first, second = public.views()
    assert first["data"] == {"url": f"{address}/first.html?utm_source=x", "title": "The first"}
    assert second["data"]["url"] == f"{address}/second.html"
    assert second["data"]["referrer"].startswith(f"{address}/first.html")
    kept = cookie(browser)
    assert kept is not None
    assert re.fullmatch("[0-9a-f]{32}", kept["value"])
    assert (kept["path"], kept["sameSite"], kept["httpOnly"]) == ("/", "Lax", False)
    assert 394 < (kept["expiry"] - time.time()) / 86_400 <= 395
    (visitor,) = public.rows("select tracking_id from visitor where company_id = $1")
    assert visitor["tracking_id"] == kept["value"]
    assert complaints(browser) == []


def test_an_existing_cookie_is_kept(browser: webdriver.Chrome, site: Callable[..., str], public: Public) -> None:
    address = site(policy(public), empty=PAGE.format(title="", head=""), first=page(public, "The first"))
    browser.get(f"{address}/empty.html")
    browser.add_cookie({"name": "__ss_tk", "value": ANN.replace("|", "%7C")})
    (lead,) = public.company.create({"trackingID": ANN})
    browser.get(f"{address}/first.html")

    eventually(lambda: [event["event_name"] for event in public.events(lead)] == ["The first"])
    kept = cookie(browser)
    assert kept is not None
    assert kept["value"] == ANN.replace("|", "%7C")
    assert "expiry" not in kept, "its expiry is unchanged"


def test_pages_that_change_their_url_by_script_are_reported(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    address = site(policy(public), app=page(public, "App"))
    browser.get(f"{address}/app.html")
    eventually(lambda: len(public.views()) == 1)
    for views, step in (
        (2, "history.pushState({}, '', '/products'); document.title = 'Products'"),
        (2, "history.replaceState({scroll: 5}, '', '/products'); location.hash = 'part'"),
        (3, "history.pushState({}, '', '/products/1'); document.title = 'Product 1'"),
        (4, "history.go(-1); addEventListener('popstate', () => document.title = 'Back')"),
    ):
        browser.execute_script(step)
        eventually(lambda views=views: len(public.views()) == views)

    urls = [view["data"]["url"].removeprefix(address) for view in public.views()]
    assert urls == ["/app.html", "/products", "/products/1", "/products"]
    assert names(public) == ["App", "Products", "Product 1", "Back"]
    assert [view["data"].get("referrer", "").removeprefix(address) for view in public.views()][1:] == urls[:-1]
    assert complaints(browser) == []


def test_a_visitor_who_objects_gets_no_cookie_and_is_not_reported(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public, private: None
) -> None:
    address = site(policy(public), first=page(public, "The first"))
    browser.get(f"{address}/first.html")
    time.sleep(0.7)

    assert cookie(browser) is None
    assert public.views() == []


def test_a_page_can_ignore_objections(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public, private: None
) -> None:
    public.company.call("updateCaptureSettings", respectSignals=0)
    (settings,) = public.company.call("getCaptureSettings")
    head = settings["scriptSnippet"].replace('src="/', f'src="{public.url}/')
    address = site(policy(public), first=PAGE.format(title="The first", head=head))
    browser.get(f"{address}/first.html")

    eventually(lambda: names(public) == ["The first"])
    assert cookie(browser) is not None


def test_a_script_that_is_embedded_twice_reports_once(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    twice = page(public, "Twice").replace(
        "<body>", f'<body><script src="{public.url}/t.js" data-site="{public.token}"></script>'
    )
    address = site(policy(public), twice=twice)
    browser.get(f"{address}/twice.html")
    time.sleep(0.7)

    assert names(public) == ["Twice"]


def test_a_page_that_is_left_at_once_is_reported(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    left = page(public, "Left").replace(" async", "")
    leave = "document.addEventListener('DOMContentLoaded', () => location.replace('/end.html'))"
    end = PAGE.format(title="End", head="")
    address = site("", left=f"{left}<script src='leave.html'></script>", leave=leave, end=end)
    browser.get(f"{address}/left.html")

    eventually(lambda: names(public) == ["Left"])


def test_without_javascript_the_pixel_reports_the_view(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    (settings,) = public.company.call("getCaptureSettings")
    pixel = settings["pixelSnippet"].replace('src="/', f'src="{public.url}/')
    plain = PAGE.format(title="Plain", head="").replace("<body>", f"<body>{pixel}")
    address = site(policy(public), plain=plain)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        for _ in range(2):
            browser.get(f"{address}/plain.html?a=b")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    eventually(lambda: len(public.views()) == 2)
    assert names(public) == [f"{address}/plain.html?a=b"] * 2
    (visitor,) = public.rows("select tracking_id from visitor where company_id = $1")
    kept = cookie(browser)
    assert kept is not None
    assert kept["value"] == visitor["tracking_id"]
