"""Links in emails that other systems send: clicks, the pixel of opened emails, and unsubscribing (RFC 8058)."""

from collections.abc import Mapping
from time import monotonic_ns

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from springhead.capture import pages
from springhead.capture.bots import is_bot, is_mail_proxy
from springhead.capture.views import BODY_BYTES, GIF
from springhead.capture.visitor_headers import objects_to_tracking
from springhead.methods.leads.opt_outs import opt_out
from springhead.model.capture import email_links
from springhead.model.capture.email_links import CLICK, OPEN, UNSUBSCRIBE, SignedLink
from springhead.model.capture.sites import Site
from springhead.model.kit.errors import Unavailable
from springhead.model.kit.rate_limits import KeyedRateLimit
from springhead.model.leads.events import Event
from springhead.model.leads.opt_outs import LINK
from springhead.rpc.context import Context, Server
from springhead.store.capture import email_events
from springhead.store.capture.sites import Sites
from springhead.wire.http.messages import SAFE_HEADERS, BodyTooLarge, BoundedBody

log = structlog.get_logger()

_NO_LINK = "This link is incomplete or invalid. Please copy the whole link from the email."
_UNKNOWN_ADDRESS = (
    "We no longer have your address, so this link cannot unsubscribe it. If you get another email, please use the link "
    "in that email."
)
_LATER = "We could not do that just now. Please try again in a minute."


class Links:
    """Serves the links that getTrackedLinks makes. Reads nothing but the signed values of a link."""

    def __init__(self, server: Server, sites: Sites) -> None:
        self._server, self._sites = server, sites
        self._event_limit = KeyedRateLimit(per_second=1 / 60, burst=1)
        self._unsubscribe_limit = KeyedRateLimit(per_second=1 / 10, burst=5)

    def routes(self) -> list[Route]:
        """Returns the routes of links."""
        return [
            Route("/e/{token}", self.click, methods=["GET"]),
            Route("/o/{token}.gif", self.open, methods=["GET"]),
            Route("/u/{token}", self.unsubscribe_page, methods=["GET"]),
            Route("/u/{token}", self.unsubscribe, methods=["POST"]),
        ]

    async def click(self, request: Request) -> Response:
        """Records the click and redirects to the signed URL. Redirects also if the click cannot be recorded."""
        try:
            site, link = await self._read(request, CLICK)
        except Unavailable:
            return pages.text_page("One moment", _LATER, status=503)
        if site is None or link is None or not link.url:
            return pages.text_page("Not found", _NO_LINK, status=404)
        if not is_bot(_user_agent(request)):
            data: Mapping[str, str] = {"url": link.url}
            await self._record(
                request,
                site,
                link,
                _event(link, email_links.CLICKED, f"Clicked {link.url}", data),
                _event(link, email_links.VISITED, f"Visited {link.url}", data),
            )
        return Response(status_code=302, headers={**SAFE_HEADERS, "location": link.url})  # exactly the signed URL

    async def open(self, request: Request) -> Response:
        """Records that the email was opened. Always answers the pixel."""
        user_agent = _user_agent(request)
        try:
            site, link = await self._read(request, OPEN)
        except Unavailable:
            site = link = None
        if site and link and (is_mail_proxy(user_agent) or not is_bot(user_agent)):
            await self._record(request, site, link, _event(link, email_links.OPENED, "Opened an email"))
        return Response(GIF, 200, SAFE_HEADERS, media_type="image/gif")

    async def unsubscribe_page(self, request: Request) -> Response:
        """Answers a page with a button, so that programs that follow every link of an email unsubscribe nobody."""
        try:
            site, link = await self._read(request, UNSUBSCRIBE)
        except Unavailable:
            return pages.text_page("One moment", _LATER, status=503)
        if site is None or link is None:
            return pages.text_page("Not found", _NO_LINK, status=404)
        text = f"Do you want no more emails from {site.company.name}? Nothing changes until you press the button."
        return pages.button_page("Unsubscribe", text, button="Unsubscribe", action=request.url.path)

    async def unsubscribe(self, request: Request) -> Response:
        """Unsubscribes the address and its lead in one step (RFC 8058), also if they are unsubscribed already."""
        try:
            # The body is always List-Unsubscribe=One-Click. Only the signed values of the link are used.
            await BoundedBody(request.scope, request.receive, BODY_BYTES).read()
            site, link = await self._read(request, UNSUBSCRIBE)
            if site is None or link is None:
                return pages.text_page("Not found", _NO_LINK, status=404)
            if not self._unsubscribe_limit.allows(request.path_params["token"], monotonic_ns()):
                return pages.text_page("One moment", _LATER, status=429)
            return await self._opt_out(site, link)
        except BodyTooLarge:
            return pages.text_page("Too large", "This request is too large.", status=413)
        except ClientDisconnect:
            return Response(status_code=400)
        except Unavailable:
            return pages.text_page("One moment", _LATER, status=503)

    async def _opt_out(self, site: Site, link: SignedLink) -> Response:
        """Records the opt-out. The page says that it holds only if the lead or its address is known."""
        context = Context(server=self._server, company=site.company, utc=True, source=LINK)
        if not await opt_out(context, link.lead_id, link.address_hash):
            return pages.text_page("Unknown address", _UNKNOWN_ADDRESS)
        return pages.text_page("Unsubscribed", f"You will get no more emails from {site.company.name}.")

    async def _read(self, request: Request, purpose: str) -> tuple[Site | None, SignedLink | None]:
        """Returns the site and the signed values of a link; None for what is unknown. Raises Unavailable."""
        token = request.path_params["token"]
        site = await self._sites.find(email_links.site_token(token))
        return site, email_links.read(site, purpose, token) if site else None

    async def _record(self, request: Request, site: Site, link: SignedLink, *new_events: Event) -> None:
        """Writes the events of a link, at most once a minute. A failure does not affect the answer."""
        objects = site.respects_signals and objects_to_tracking(request.headers.raw)
        if request.method != "GET" or objects:
            return
        if not self._event_limit.allows(request.path_params["token"], monotonic_ns()):
            return
        try:
            async with self._server.database.company(site.company.id) as tx, tx.atomic():
                await email_events.write_once(tx, site.company.id, link.lead_id, new_events)
        except Exception as cause:  # noqa: BLE001 - the person who clicked gets the answer all the same
            log.warning("email event lost", company=site.company.id, error=type(cause).__name__)


def _user_agent(request: Request) -> bytes:
    return request.headers.get("user-agent", "").encode("latin-1")


def _event(link: SignedLink, source: str, name: str, data: Mapping[str, str] | None = None) -> Event:
    return Event(
        lead_id=link.lead_id,
        source=source,
        name=name,
        what_type="campaign" if link.campaign_id else None,
        what_id=link.campaign_id,
        data=data,
    )
