"""A page with the scripts of the pages, under the policy of the pages, in a real browser."""

from collections.abc import Callable
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from springhead.pages.assets import Assets

ASSETS = Assets.read()
FONT = "inter-latin-wght-normal.woff2"
POLICY = (
    "default-src 'none'; script-src 'nonce-n0'; style-src 'nonce-n0'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
WATCH = """
  window.reports = [], window.used = [], window.waits = [], window.sent = []
  addEventListener("securitypolicyviolation", (event) => reports.push(event.violatedDirective + " " + event.blockedURI))
  addEventListener("click", (event) => used.push(event.target.closest("[id]")?.id), true)
  const later = window.setTimeout
  window.setTimeout = (call, time, ...rest) =>
    time === 8000 ? waits.push(call) : later(call, time, ...rest)
  window.fetch = (url, options) => { sent.push([String(url), options.method, String(options.body),
    {...options.headers}, options.redirect]); return Promise.reject(new TypeError("offline")) }
"""
"""Reports of the policy, ids of clicked elements, the timers of toasts, and requests. None of these is sent."""


Opened = Callable[..., webdriver.Chrome]
"""Opens a page with a body, and returns the browser."""


MENU = """
<p>Above</p>&emsp;<button id="more" popovertarget="menu" aria-haspopup="menu" aria-expanded="false">More</button>
<div class="menu" id="menu" popover role="menu" aria-label="More">
<button class="mi" role="menuitem" id="copy">Copy as call</button>
<button class="mi" role="menuitem" id="off" disabled>Off</button>
<button class="mi" role="menuitem" id="merge">Merge</button>
<button class="mi" role="menuitem" id="erase">Erase</button></div>
<button id="next">Next</button>"""


def document(body: str, head: str = "", html: str = "") -> str:
    """A page with the head that all pages have."""
    return f"""<!doctype html><html lang="en" {html}><head><meta charset="utf-8"><title>Scripts</title>
    <link rel="icon" href="{ASSETS.address("logo.svg")}">
    <link rel="preload" href="{ASSETS.address(FONT)}" as="font" type="font/woff2" crossorigin>
    <link rel="stylesheet" href="{ASSETS.address("app.css")}" nonce="n0">{head}
    <script type="module" src="{ASSETS.address("app.js")}" nonce="n0"></script></head><body>{body}</body></html>"""


def run(browser: webdriver.Chrome, script: str, *values: object) -> Any:
    return browser.execute_script(script, *values)  # type: ignore[no-untyped-call]


def press(browser: webdriver.Chrome, *keys: str) -> None:
    ActionChains(browser, duration=0).send_keys(*keys).perform()


def chord(browser: webdriver.Chrome, key: str) -> None:
    ActionChains(browser, duration=0).key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()


def swap(browser: webdriver.Chrome, text: str, target: str, style: str = "innerHTML") -> None:
    """Puts a fragment into the page, as an answer to htmx does."""
    script = "return htmx.swap({text: arguments[0], target: document.querySelector(arguments[1]), swap: arguments[2]})"
    run(browser, script, text, target, style)


def focused(browser: webdriver.Chrome) -> str:
    return run(browser, "return document.activeElement.id")


def box(browser: webdriver.Chrome, name: str) -> dict[str, float]:
    return run(browser, "return document.getElementById(arguments[0]).getBoundingClientRect().toJSON()", name)
