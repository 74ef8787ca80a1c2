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


def test_routes_after_the_hash_are_pages_and_other_fragments_are_not(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    public.company.call("updateCaptureSettings", importantPages=["/pricing"])
    address = site(policy(public), app=page(public, "App"))
    browser.get(f"{address}/app.html#part")
    eventually(lambda: len(public.views()) == 1)
    for views, step in (
        (2, "location.hash = '#/products'; setTimeout(() => document.title = 'Products', 300)"),
        (2, "location.hash = '#/products'"),
        (3, "location.hash = '#!/pricing?plan=a'; document.title = 'Pricing'"),
        (4, "history.pushState({}, '', '#/about'); document.title = 'About'"),
        (5, "history.go(-1); addEventListener('popstate', () => document.title = 'Back', {once: true})"),
        (6, "location.hash = '#part'; document.title = 'Part'"),
        (6, "location.hash = '#other'"),
    ):
        browser.execute_script(step)
        eventually(lambda views=views: len(public.views()) == views)

    urls = [view["data"]["url"].removeprefix(f"{address}/app.html") for view in public.views()]
    assert urls == ["", "#/products", "#!/pricing?plan=a", "#/about", "#!/pricing?plan=a", ""]
    assert names(public) == ["App", "Products", "Pricing", "About", "Back", "Part"]
    important = "importantPageVisit"
    assert [view["event_source"] == important for view in public.views()] == [False, False, True, False, True, False]
    assert complaints(browser) == []


def test_a_title_that_comes_late_is_the_one_that_is_recorded(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    address = site(policy(public), app=page(public, "App"))
    browser.get(f"{address}/app.html")
    eventually(lambda: len(public.views()) == 1)
    browser.execute_script("window.go = () => { history.pushState({}, '', '/g'); document.title = 'G' }")
    for views, step in (
        (2, "history.pushState({}, '', '/a'); setTimeout(() => document.title = 'A', 700)"),
        (
            3,
            "history.pushState({}, '', '/b'); document.title = 'Loading…'; setTimeout(() => document.title = 'B', 120)",
        ),
        (4, "document.title = 'C'; history.pushState({}, '', '/c')"),
        (5, "history.pushState({}, '', '/d'); document.querySelector('title').outerHTML = '<title>D</title>'"),
        (6, "history.pushState({}, '', '/e'); history.replaceState({}, '', '/e?x=1'); document.title = 'E'"),
        (7, "history.pushState({}, '', '/same')"),
        (9, "history.pushState({}, '', '/f'); document.title = 'F'; setTimeout(go, 150)"),
    ):
        browser.execute_script(step)
        eventually(lambda views=views: len(public.views()) == views)

    urls = [view["data"]["url"].removeprefix(address) for view in public.views()]
    assert urls == ["/app.html", "/a", "/b", "/c", "/d", "/e?x=1", "/same", "/f", "/g"]
    assert names(public) == ["App", "A", "B", "C", "D", "E", "E", "F", "G"]
    assert [view["data"].get("referrer", "").removeprefix(address) for view in public.views()][1:] == urls[:-1]
    assert complaints(browser) == []


def test_a_page_that_waits_for_its_title_is_reported_when_it_is_left(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    address = site(policy(public), app=page(public, "App"), end=PAGE.format(title="End", head=""))
    browser.get(f"{address}/app.html")
    eventually(lambda: len(public.views()) == 1)

    browser.execute_script("history.pushState({}, '', '/left'); location.href = '/end.html'")

    eventually(lambda: len(public.views()) == 2)
    assert public.views()[1]["data"]["url"] == f"{address}/left"


INSERT = "const s = document.createElement('script'); s.async = true; s.src = '{src}'; document.head.append(s);"


@pytest.mark.parametrize(
    "way",
    [
        '<script async src="{url}/t.js?site={token}"></script>',
        '<script>window.springhead = {{site: "{token}"}}</script><script async src="{url}/t.js"></script>',
        "<script>" + INSERT.format(src="{url}/t.js?site={token}") + "</script>",
        "<script>window.springhead = {{site: '{token}'}}; " + INSERT.format(src="{url}/t.js") + "</script>",
        # a tag manager that runs the text of the script instead of loading it as a script
        """<script src='{url}/t.js?site={token}' type='text/plain'></script>
        <script>fetch('{url}/t.js').then((a) => a.text()).then((text) => setTimeout(text))</script>""",
    ],
    ids=["address", "object", "inserted by address", "inserted with an object", "run as text"],
)
def test_the_token_can_be_in_the_address_of_the_script_or_in_an_object(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public, way: str
) -> None:
    head = way.format(url=public.url, token=public.token)
    address = site("", first=PAGE.format(title="The first", head=head))

    browser.get(f"{address}/first.html")

    eventually(lambda: names(public) == ["The first"])
    assert cookie(browser) is not None
    assert complaints(browser) == []


def test_every_option_can_be_in_the_address_or_in_the_object(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public, private: None
) -> None:
    public.company.call("updateCaptureSettings", respectSignals=0)
    by_address = f'<script async src="{public.url}/t.js?site={public.token}&signals=ignore"></script>'
    by_object = (
        f'<script>window.springhead = {{site: "{public.token}", signals: "ignore"}}</script>'
        f'<script async src="{public.url}/t.js"></script>'
    )
    pages = {"first": by_address, "second": by_object}
    address = site("", **{name: PAGE.format(title=name, head=head) for name, head in pages.items()})

    for number, name in enumerate(pages, 1):
        browser.get(f"{address}/{name}.html")
        eventually(lambda number=number: len(public.views()) == number)

    assert names(public) == ["first", "second"]


def test_a_script_without_a_token_says_so_in_the_console(
    browser: webdriver.Chrome, site: Callable[..., str], public: Public
) -> None:
    bare = PAGE.format(title="Bare", head=f'<script async src="{public.url}/t.js"></script>')
    address = site("", bare=f"{bare}<div id='springhead' data-site='x'></div>")

    browser.get(f"{address}/bare.html")

    eventually(lambda: any("has no data-site" in message for message in complaints(browser)))
    assert public.views() == []


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
