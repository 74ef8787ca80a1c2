"""The accessibility checker axe, in the page that a real browser shows."""

from typing import Any

from selenium import webdriver

from doc_pages import TOP

AXE = TOP / "pages" / "node_modules" / "axe-core" / "axe.min.js"

RUN = """
const done = arguments[0]
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => done(violations.flatMap(
  ({id, help, nodes}) => nodes.map(({target, failureSummary}) => `${id} (${help}): ${target} - ${failureSummary}`))))
"""


def faults(browser: webdriver.Chrome) -> list[str]:
    """Everything that axe finds in the page as it is now: rule, element, and why."""
    loaded: Any = browser.execute_script("return Boolean(window.axe)")  # type: ignore[no-untyped-call]
    if not loaded:
        browser.execute_script(AXE.read_text())  # type: ignore[no-untyped-call]
    return browser.execute_async_script(RUN)  # type: ignore[no-untyped-call]
