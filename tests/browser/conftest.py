"""A real browser, and a web site on another origin than the server's."""

import os
import shutil
import threading
from collections.abc import Callable, Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from browser.scripted import POLICY, WATCH, Opened, document, run
from capture.public import Public
from springhead.pages.assets import BUILT
from support import Company

CHROMIUM, DRIVER = "chromium", "chromedriver"
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
"""What Chromium says with a window; without one it calls itself headless, which bots do."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[webdriver.Chrome]:
    """Debian's Chromium without a window. `.ci/test-tools` installs it if it has the rights."""
    program, driver = shutil.which(CHROMIUM), shutil.which(DRIVER)
    if not (program and driver):
        if os.geteuid() != 0:
            pytest.skip("chromium and chromium-driver are not installed, and only root can install them")
        pytest.fail("chromium and chromium-driver are missing: run .ci/test-tools")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    profile = tmp_path_factory.mktemp("chromium")
    for argument in (
        "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-GB",
        f"--user-agent={AGENT}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options, Service(driver))
    running.set_page_load_timeout(30)
    running.set_script_timeout(30)
    yield running
    running.quit()


class Pages(SimpleHTTPRequestHandler):
    """Serves static files with a strict Content-Security-Policy that allows only the server's origin."""

    policy = ""

    def end_headers(self) -> None:
        if self.policy:
            self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Generator[Callable[..., str]]:
    """Serves pages, given by name, from an origin of their own. Yields its address. `policy` is their CSP."""
    servers: list[ThreadingHTTPServer] = []

    def serve(policy: str = "", **pages: str) -> str:
        folder = tmp_path / f"site{len(servers)}"
        folder.mkdir()
        for name, text in pages.items():
            (folder / f"{name}.html").write_text(text)
        handler = type("Handler", (Pages,), {"policy": policy})
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def public(company: Company) -> Generator[Public]:
    """A visitor of the site of the test's own company."""
    somebody = Public(company)
    yield somebody
    somebody.close()


@pytest.fixture
def opened(browser: webdriver.Chrome, site: Callable[..., str], tmp_path: Path) -> Generator[Opened]:
    """Opens a page with this body. After the test, the browser has reported nothing against the policy."""
    command = "Page.addScriptToEvaluateOnNewDocument"
    watch = browser.execute_cdp_cmd(command, {"source": WATCH})["identifier"]  # type: ignore[no-untyped-call]

    def show(body: str, **parts: str) -> webdriver.Chrome:
        address = site(POLICY, index=document(body, **parts), next="<title>Next</title>")
        shutil.copytree(BUILT, tmp_path / "site0" / "static")
        browser.get(f"{address}/index.html")
        WebDriverWait(browser, 20).until(lambda _: run(browser, "return Boolean(window.htmx?.version)"))
        return browser

    yield show
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": watch})  # type: ignore[no-untyped-call]
    assert run(browser, "return window.reports") == []
    assert [entry for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]] == []  # type: ignore[no-untyped-call]
