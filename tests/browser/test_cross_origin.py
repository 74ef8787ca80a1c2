"""A page on another origin calls the API: refused by default, possible for an allowed origin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from support import Company, Server, new_company

pytestmark = pytest.mark.timeout(120)

FETCH = """
const [url, account, secret, done] = [arguments[0], arguments[1], arguments[2], arguments[3]];
fetch(url, {
  method: "POST",
  headers: {"Content-Type": "application/json", "X-Account-Id": account, "Authorization": `Bearer ${secret}`,
            "Idempotency-Key": "k1"},
  body: JSON.stringify({method: "createLeads", params: {objects: [{emailAddress: "ann@example.com"}]}, id: "1"}),
}).then((answer) => answer.json()).then((json) => done(json)).catch((error) => done(String(error)));
"""


def answer(browser: webdriver.Chrome, company: Company) -> Any:
    return browser.execute_async_script(  # type: ignore[no-untyped-call]
        FETCH, f"http://{company.address.netloc}/pubapi/v1/", company.account_id, company.secret
    )


def test_a_page_of_another_origin_cannot_call_the_api_and_an_allowed_one_can(
    browser: webdriver.Chrome, site: Callable[..., str], company: Company, tmp_path: Path
) -> None:
    tool, other = site(index="tool"), site(index="other")
    allowing = Server.on_copy(tmp_path / "data", "--allowed-origins", tool)
    allowed = new_company(allowing)
    try:
        browser.get(f"{tool}/index.html")
        assert "TypeError" in answer(browser, company), "the server of other tests allows no origin"
        assert answer(browser, allowed)["result"]["creates"][0]["success"] is True
        browser.get(f"{other}/index.html")
        assert "TypeError" in answer(browser, allowed)
    finally:
        allowed.close()
        assert allowing.stop() == 0
    assert company.call("getLeads", where={}) == []
