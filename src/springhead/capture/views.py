"""Page views over HTTP: the page script, what it reports, and the pixel for browsers without JavaScript."""

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
from springhead.capture.http_io import TooLarge, answer, body, header, objects, visitor
from springhead.capture.intake import Intake, Seen
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

PER_SECOND, BURST = 50, 500
"""Page views a second from one address, and at once: a company's people behind one address are far below it."""

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent pixel."""

_OURS = ("127.", "::1")
_ANYWHERE = {"cross-origin-resource-policy": "cross-origin"}


class Report(msgspec.Struct, frozen=True, gc=False):
    """What the page script sends."""

    site: str
    visitor: str
    url: str
    title: str = ""
    referrer: str = ""


_decode = msgspec.json.Decoder(Report).decode


def _read(content: bytes) -> Report | None:
    """The report in a body; None when there is none, or one that names no visitor or no page."""
    try:
        report = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return report if is_tracking_id(report.visitor) and is_url(report.url) else None


class PageViews:
    """Takes page views, and counts what became of them in `counts`."""

    def __init__(self, sites: Sites, intake: Intake, *, public_url: str = "") -> None:
        self._sites, self._intake, self._secure = sites, intake, public_url.startswith("https:")
        self._limit = KeyedRateLimit(per_second=PER_SECOND, burst=BURST)
        self.counts: dict[str, int] = dict.fromkeys(
            ("taken", "bot", "objected", "unknown", "malformed", "too_many", "full", "anonymous"), 0
        )

    async def report(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a report of the page script: 204 when it was taken or left out on purpose.

        400 for what is no report, 413 for one that is too large, 404 for a site that is not there, 429 for too
        many from one address, 503 when there is no room or nobody knows the site right now.
        """
        if scope["method"] != "POST":
            await answer(send, 405, headers={"allow": "POST"})
            return
        try:
            report = _read(await body(scope, receive))
            site = report and (self._sites.known(report.site) or await self._sites.find(report.site))
        except ClientDisconnect:
            return
        except TooLarge:
            status = self._count("malformed", 413)
        except Unavailable:
            status = self._count("full", 503)
        else:
            if report is None:
                status = self._count("malformed", 400)
            elif site is None:
                status = self._count("unknown", 404)
            else:
                status = self._refusal(scope, site) or self._take(scope, site, report)
        if status == 204:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await answer(send, status)

    def _refusal(self, scope: Scope, site: Site) -> int | None:
        """Why the view is left out, if it is."""
        headers = scope["headers"]
        if site.respects_signals and objects(headers):
            return self._count("objected", 204)
        if is_bot(header(headers, b"user-agent")):
            return self._count("bot", 204)
        peer = _peer(scope)
        if not peer.startswith(_OURS) and not self._limit.allows(peer, time.monotonic_ns()):
            return self._count("too_many", 429)
        return None

    def _take(self, scope: Scope, site: Site, report: Report) -> int:
        seen = Seen(
            site=site,
            tracking_id=report.visitor,
            at=time.time(),
            url=one_line(report.url, URL_LENGTH),
            title=one_line(report.title, TITLE_LENGTH),
            referrer=one_line(report.referrer, URL_LENGTH),
            address=_peer(scope),
        )
        return self._count("taken", 204) if self._intake.put(seen) else self._count("full", 503)

    def _count(self, what: str, status: int) -> int:
        self.counts[what] += 1
        return status

    async def pixel(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer the pixel: always with a picture, whatever became of the view."""
        if scope["method"] not in {"GET", "HEAD"}:
            await answer(send, 405, headers={"allow": "GET, HEAD"})
            return
        headers = {**_ANYWHERE}
        if scope["method"] == "GET" and (cookie := await self._pictured(scope)):
            headers["set-cookie"] = cookie
        await answer(send, 200, GIF, content_type="image/gif", headers=headers)

    async def _pictured(self, scope: Scope) -> str | None:
        """Take the view that a pixel stands for; gives the cookie to set, if any.

        The visitor is the one that the page names, else that of the cookie which this server's own host gets when
        it is of the page's site. Who is neither is counted, and no more.
        """
        asked = _query(scope)
        headers = scope["headers"]
        url = asked.get("url") or _page(headers)
        try:
            site = await self._sites.find(asked.get("site", ""))
        except Unavailable:
            self._count("full", 503)
            return None
        if site is None or not is_url(url):
            self._count("unknown" if site is None else "malformed", 400)
            return None
        if self._refusal(scope, site):
            return None
        named = asked.get("visitor", "")
        known = named if is_tracking_id(named) else visitor(headers)
        cookie = None
        if known is None and header(headers, b"sec-fetch-site") in {b"same-site", b"same-origin"}:
            known = new_tracking_id()
            secure = "; Secure" if self._secure or scope["scheme"] == "https" else ""
            cookie = f"{COOKIE}={known}; Path=/; Max-Age={COOKIE_SECONDS}; SameSite=Lax{secure}"
        if known is None:
            self._count("anonymous", 200)
            return None
        title, referrer = asked.get("title", ""), asked.get("referrer", "")
        self._take(scope, site, Report(site.token, known, url, title, referrer))
        return cookie


def _page(headers: list[tuple[bytes, bytes]]) -> str:
    """The page that a picture stands in, as far as the browser tells."""
    return header(headers, b"referer").decode("latin-1")


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "-"


def _query(scope: Scope) -> Mapping[str, str]:
    try:
        found = parse_qs(scope["query_string"].decode("ascii"), errors="strict", max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


class PageScript:
    """The page script: the same for every site, so that browsers and proxies can keep it."""

    def __init__(self) -> None:
        text = (resources.files("springhead.capture") / "static" / "t.js").read_bytes()
        self._plain, self._zipped = text, gzip.compress(text, 9, mtime=0)
        self._tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer the script, compressed for who takes it so; 304 to who has it."""
        if scope["method"] not in {"GET", "HEAD"}:
            await answer(send, 405, headers={"allow": "GET, HEAD"})
            return
        headers = {
            **_ANYWHERE,
            "access-control-allow-origin": "*",
            "cache-control": "public, max-age=3600",
            "etag": self._tag,
            "vary": "accept-encoding",
        }
        asked = scope["headers"]
        if header(asked, b"if-none-match").decode("latin-1").removeprefix("W/") == self._tag:
            await answer(send, 304, headers=headers)
            return
        content = self._plain
        if b"gzip" in header(asked, b"accept-encoding"):
            headers["content-encoding"] = "gzip"
            content = self._zipped
        await answer(send, 200, content, content_type="text/javascript; charset=utf-8", headers=headers)
