"""Page views over HTTP: the page script, the reports that it sends, and the pixel for browsers without JavaScript."""

import base64
import gzip
import hashlib
import time
from collections.abc import Mapping
from importlib import resources
from urllib.parse import parse_qs

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from springhead.capture.bots import is_bot
from springhead.capture.intake import Intake, PageView
from springhead.capture.visitor_headers import objects_to_tracking, tracking_id_of_cookie
from springhead.model.capture.sites import Site
from springhead.model.capture.visitors import (
    COOKIE,
    COOKIE_SECONDS,
    TITLE_LENGTH,
    URL_LENGTH,
    is_tracking_id,
    is_url,
    new_tracking_id,
    one_line,
)
from springhead.model.kit.errors import Unavailable
from springhead.model.kit.rate_limits import KeyedRateLimit
from springhead.store.capture.sites import Sites
from springhead.wire.http.messages import Answer, BodyTooLarge, HttpRequest

PER_SECOND, BURST = 50, 500
"""Page views per second from one IP address, and the burst. A company behind one IP address stays far below."""

BODY_BYTES = 65_536
"""The most bytes of a report, or of a click on "unsubscribe"."""

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent picture of one pixel."""

_LOOPBACK = ("127.", "::1")
_ANY_SITE = {"cross-origin-resource-policy": "cross-origin"}


class Report(msgspec.Struct, frozen=True, gc=False):
    """The report that the page script sends for a page view."""

    site: str
    visitor: str
    url: str
    title: str = ""
    referrer: str = ""


_decode = msgspec.json.Decoder(Report).decode


def _read(content: bytes) -> Report | None:
    """Returns the report in a body. Returns None if it is malformed, or if its visitor or its URL is invalid."""
    try:
        report = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return report if is_tracking_id(report.visitor) and is_url(report.url) else None


class PageViews:
    """Receives page views, and counts their outcomes in `counts`."""

    def __init__(self, sites: Sites, intake: Intake, *, public_url: str = "") -> None:
        self._sites, self._intake, self._secure = sites, intake, public_url.startswith("https:")
        self._limit = KeyedRateLimit(per_second=PER_SECOND, burst=BURST)
        self.counts: dict[str, int] = dict.fromkeys(
            ("taken", "bot", "objected", "unknown", "malformed", "too_many", "full", "anonymous"), 0
        )

    async def report(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a report of the page script: 204 if the view was accepted, or ignored on purpose.

        400 if the report is malformed, 413 if it is too large, 404 if the site is unknown, 429 beyond the rate limit,
        503 if the buffer is full or if the database is not available for looking up the site.
        """
        request = HttpRequest(scope, receive)
        if request.verb != "POST":
            await Answer(b"", status=405, content_type="", headers={"allow": "POST"})(scope, receive, send)
            return
        try:
            status = await self._status_of_report(request)
        except ClientDisconnect:
            return
        if status == 204:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await Answer(b"", status=status, content_type="")(scope, receive, send)

    async def _status_of_report(self, request: HttpRequest) -> int:
        try:
            report = _read(await request.body(BODY_BYTES))
            site = report and (self._sites.known(report.site) or await self._sites.find(report.site))
        except BodyTooLarge:
            return self._count("malformed", 413)
        except Unavailable:
            return self._count("full", 503)
        if report is None:
            return self._count("malformed", 400)
        if site is None:
            return self._count("unknown", 404)
        return self._refusal(request, site) or self._take(request, site, report)

    def _refusal(self, request: HttpRequest, site: Site) -> int | None:
        """Returns the status for a view that is ignored, or None."""
        if site.respects_signals and objects_to_tracking(request.headers):
            return self._count("objected", 204)
        # Before the check for bots, which takes 1 ms for a new User-Agent and remembers it.
        if not request.peer.startswith(_LOOPBACK) and not self._limit.allows(request.client, time.monotonic_ns()):
            return self._count("too_many", 429)
        if is_bot(request.first_header(b"user-agent")):
            return self._count("bot", 204)
        return None

    def _take(self, request: HttpRequest, site: Site, report: Report) -> int:
        view = PageView(
            site=site,
            tracking_id=report.visitor,
            seen_at=time.time(),
            url=one_line(report.url, URL_LENGTH),
            title=one_line(report.title, TITLE_LENGTH),
            referrer=one_line(report.referrer, URL_LENGTH),
            address=request.peer,
        )
        return self._count("taken", 204) if self._intake.put(view) else self._count("full", 503)

    def _count(self, outcome: str, status: int) -> int:
        self.counts[outcome] += 1
        return status

    async def pixel(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the pixel, also if the view is ignored."""
        request = HttpRequest(scope, receive)
        if request.verb not in {"GET", "HEAD"}:
            await Answer(b"", status=405, content_type="", headers={"allow": "GET, HEAD"})(scope, receive, send)
            return
        headers = {**_ANY_SITE}
        if request.verb == "GET" and (cookie := await self._take_pixel(request)):
            headers["set-cookie"] = cookie
        await Answer(GIF, content_type="image/gif", headers=headers)(scope, receive, send)

    async def _take_pixel(self, request: HttpRequest) -> str | None:
        """Buffers the page view of a pixel. Returns the cookie to set, or None.

        The tracking id comes from the query or from the cookie. A visitor without tracking id gets a cookie if the page
        is on a host of the same site as this server. Otherwise the view is only counted.
        """
        query = _query(request)
        url = query.get("url") or request.first_header(b"referer").decode("latin-1")
        try:
            site = await self._sites.find(query.get("site", ""))
        except Unavailable:
            self._count("full", 503)
            return None
        if site is None or not is_url(url):
            self._count("unknown" if site is None else "malformed", 400)
            return None
        if self._refusal(request, site):
            return None
        tracking_id = query.get("visitor", "")
        cookie = None
        if not is_tracking_id(tracking_id):
            tracking_id = tracking_id_of_cookie(request.headers) or ""
        if not tracking_id and request.first_header(b"sec-fetch-site") in {b"same-site", b"same-origin"}:
            tracking_id = new_tracking_id()
            cookie = self._cookie(request, tracking_id)
        if not tracking_id:
            self._count("anonymous", 200)
            return None
        title, referrer = query.get("title", ""), query.get("referrer", "")
        self._take(request, site, Report(site.token, tracking_id, url, title, referrer))
        return cookie

    def _cookie(self, request: HttpRequest, tracking_id: str) -> str:
        secure = "; Secure" if self._secure or request.scheme == "https" else ""
        return f"{COOKIE}={tracking_id}; Path=/; Max-Age={COOKIE_SECONDS}; SameSite=Lax{secure}"


def _query(request: HttpRequest) -> Mapping[str, str]:
    """Returns the first value of each parameter; nothing if the query string is malformed."""
    try:
        values = parse_qs(request.query.decode("ascii"), errors="strict", max_num_fields=20)
    except ValueError:
        return {}
    return {name: first for name, (first, *_) in values.items()}


class PageScript:
    """Serves the page script. It is the same for every site, so that browsers and proxies can cache it."""

    def __init__(self) -> None:
        text = (resources.files("springhead.capture") / "static" / "t.js").read_bytes()
        self._plain, self._zipped = text, gzip.compress(text, 9, mtime=0)
        self._tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the script, compressed if the client accepts gzip; 304 if the client has it already."""
        request = HttpRequest(scope, receive)
        if request.verb not in {"GET", "HEAD"}:
            await Answer(b"", status=405, content_type="", headers={"allow": "GET, HEAD"})(scope, receive, send)
            return
        headers = {
            **_ANY_SITE,
            "access-control-allow-origin": "*",
            "cache-control": "public, max-age=3600",
            "etag": self._tag,
            "vary": "accept-encoding",
        }
        if request.first_header(b"if-none-match").decode("latin-1").removeprefix("W/") == self._tag:
            await Answer(b"", status=304, content_type="", headers=headers)(scope, receive, send)
            return
        content = self._plain
        if b"gzip" in request.first_header(b"accept-encoding"):
            headers["content-encoding"] = "gzip"
            content = self._zipped
        content_type = "text/javascript; charset=utf-8"
        await Answer(content, content_type=content_type, headers=headers)(scope, receive, send)
