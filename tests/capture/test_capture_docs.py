"""docs/capture.md is true: its calls work in their order, and its snippets and numbers are those of the server."""

import json
import re
from fnmatch import fnmatch
from html import unescape
from pathlib import Path
from typing import Any

from capture.public import BEN, Public
from springhead.capture import Capture, intake, views
from springhead.capture.views import BODY_BYTES
from springhead.jobs.background_jobs import BackgroundJobs
from springhead.jobs.steps import STEPS
from springhead.methods.capture.capture_settings import URLS_MAX
from springhead.model.capture import email_links, sites, visitors
from springhead.model.capture.capture_settings import pixel_snippet, script_snippet
from springhead.rpc.context import Server
from springhead.settings import Settings
from springhead.store.capture import sites as store_sites
from springhead.store.database import background_jobs
from springhead.store.database.pool import Database
from springhead.store.feed.changes import Feed
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns.paging import PageStarts
from support import eventually, with_database

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "capture.md").read_text()
FLAT = " ".join(PAGE.split())


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_calls_of_the_page_work_as_it_says(public: Public) -> None:
    company = public.company
    assert public.report("before", visitor=BEN, title="Before") == 204
    eventually(lambda: len(public.views()) == 1)
    lead = "100000000000"
    answers: dict[str, Any] = {}
    for text in blocks("json"):
        call = json.loads(text.replace("100000000000", lead))
        answer = company.envelope(call["method"], call["params"], call["id"])
        assert answer["result"] is not None, answer
        answers[call["method"]] = next(iter(answer["result"].values()))
        if call["method"] == "createLeads":
            (made,) = answers["createLeads"]
            lead = str(made["id"])

    story = {event["eventSource"]: event for event in answers["getLeadTimeline"]}
    assert story["pageVisit"]["eventName"] == "Before"
    assert json.loads(story["pageVisit"]["eventData"]) == {"url": "https://example.com/before", "title": "Before"}
    assert answers["updateCaptureSettings"] == [{"success": True, "error": None}]
    (tracked,) = answers["getTrackedLinks"]
    named = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Links in emails")[2], re.MULTILINE)
    assert set(named) == set(tracked) - {"leadID", "campaignID"}


def test_a_headless_browser_is_recorded_only_with_the_user_agent_of_another(public: Public) -> None:
    window = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
    assert "`HeadlessChrome`" in PAGE
    for agent, title in ((window.replace("Chrome/", "HeadlessChrome/"), "Headless"), (window, "Window")):
        assert public.report(title.lower(), visitor=BEN, title=title, headers={"User-Agent": agent}) == 204
    eventually(lambda: len(public.views()) > 0)
    assert [view["event_name"] for view in public.views()] == ["Window"]


def test_the_snippets_of_the_page_are_those_of_the_server(public: Public) -> None:
    async def site_of(database: Database) -> sites.Site:
        async with database.everyone() as tx:
            return await store_sites.of_company(tx, public.company.id)

    site = with_database(public.company.dsn, site_of)
    html, by_address, by_object = blocks("html")
    (token,) = re.findall(r'data-site="([^"]+)"', html)
    address = "https://crm.example.com"

    ours = f"{script_snippet(site, address)}\n{pixel_snippet(site, address)}"
    assert html == unescape(ours.replace(site.token, token))
    assert f"{address}/t.js?site={token}&" in by_address, "tests/browser runs both ways"
    assert f'window.springhead = {{site: "{token}", ' in by_object


def test_the_numbers_of_the_page_are_the_servers() -> None:
    assert f"cut after {visitors.URL_LENGTH:,} characters, the title after {visitors.TITLE_LENGTH}" in FLAT
    assert visitors.COOKIE_SECONDS == 395 * 86_400, "13 months"
    assert f"| {BODY_BYTES // 1024} KB | 413 |" in FLAT
    assert f"| {visitors.TRACKING_SHORTEST} to {visitors.TRACKING_LONGEST} characters" in FLAT
    assert f"| {views.PER_SECOND} a second, {views.BURST} at once | 429 |" in FLAT
    assert f"| {intake.VIEWS_MAX:,}, of one company {intake.VIEWS_MAX // 2:,} | 503 |" in FLAT
    assert f"Up to {URLS_MAX} links of {email_links.LINK_LENGTH:,} characters" in FLAT
    assert f"Up to {sites.PATTERNS_MAX} patterns of {sites.PATTERN_LENGTH} characters" in FLAT
    assert f"more than {background_jobs.STEP_ROWS:,} views" in FLAT
    assert intake.FLUSH_SECONDS <= 0.25
    assert store_sites.KEPT_SECONDS == 2, "a changed setting applies two seconds later"


def test_the_proxy_examples_of_the_guide_forward_all_public_paths() -> None:
    guide = (TOP / "docs" / "operating.md").read_text()
    caddy = re.search(r"@served path (.*)", guide)
    nginx = re.search(r"location ~ (\S+) \{", guide)
    assert caddy
    assert nginx
    database = Database(pool_size=1)
    server = Server(database, FieldCache(), PageStarts(), BackgroundJobs(database, STEPS), Feed(database))
    capture = Capture(server, Settings())
    for path in (*capture.addresses, *(route.path for route in capture.routes), "/pubapi/v1/"):
        assert any(fnmatch(path, pattern) for pattern in caddy[1].split()), path
        assert re.match(nginx[1], path), path
    for path in ("/", "/metrics", "/healthz", "/readyz", "/openrpc.json"):
        assert not any(fnmatch(path, pattern) for pattern in caddy[1].split()), path
        assert not re.match(nginx[1], path), path
    assert re.search(r"\n\thandle \{\n\t\trespond 404\n\t\}\n\}\n", guide), "Caddy answers 200 for what no rule handles"
    assert re.search(r"\n    location / \{\n        return 404;\n    \}\n\}\n", guide)


def test_every_figure_of_page_views_stands_on_the_page(public: Public) -> None:
    text = public.ask("/metrics").body.decode()
    figures = re.findall(r'springhead_page_views_total\{what="(\w+)"\}', text)

    assert len(figures) >= 10
    assert all(re.search(rf"\b{figure}\b", PAGE.rpartition("`/metrics`")[2]) for figure in figures)
