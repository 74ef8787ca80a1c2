"""Forms over HTTP: a page of our own, a script for somebody else's page, and posts of any page (docs/forms.md)."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from enum import Enum
from urllib.parse import quote

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.capture import bodies, pages, submits
from springhead.capture.bodies import Unreadable
from springhead.capture.form_values import Refused, Sent, Served, sent_with, submit_of
from springhead.capture.pages import Filled
from springhead.capture.submits import Became, NotStored, Submit
from springhead.model.capture import signing
from springhead.model.capture.forms import Form, inputs, is_web_address
from springhead.model.capture.sites import is_token
from springhead.model.kit.errors import Unavailable
from springhead.model.kit.rate_limits import KeyedRateLimit
from springhead.rpc.context import Context, Server
from springhead.settings import Settings
from springhead.store.capture import forms, sites
from springhead.store.database.deadlines import CALL_SECONDS
from springhead.store.database.pool import TryAgain
from springhead.wire.http.messages import SAFE_HEADERS

log = structlog.get_logger()

PURPOSE = "form"
TOO_FAST_SECONDS = 2
TOKEN_GOOD_SECONDS = forms.TOKEN_SECONDS - 600
"""How old a page may be: what was sent with it is remembered for longer."""


class Limit(Enum):
    """The rate limits of forms: events per second, and events at once."""

    PAGES_OF_ADDRESS = (2.0, 60)
    """Pages and scripts of forms, for one address."""

    SUBMITS_OF_ADDRESS = (0.5, 30)
    """Submits by one address; a whole office can share one."""

    PLAIN_POSTS_OF_ADDRESS = (0.2, 15)
    """Posts of pages that are not ours, without a token, by one address."""

    SUBMITS_OF_FORM = (20.0, 400)
    PLAIN_POSTS_OF_FORM = (5.0, 100)
    """Submits of one form by all addresses."""


UPLOADS = 4
"""Most submits with files that are being stored at a time: each may be as large as a body can be."""


class Forms:
    """The addresses of forms and of the files that came with them."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server, self._limited, self._body_limit = server, settings.limits, settings.body_limit
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._limits = {limit: KeyedRateLimit(per_second=limit.value[0], burst=limit.value[1]) for limit in Limit}

    def routes(self) -> list[Route]:
        """What the app serves."""
        return [
            Route("/f/{public_id}.js", self._guarded(self._script), methods=["GET"]),
            Route("/f/{public_id}/thanks", self._guarded(self._thanks), methods=["GET"]),
            Route("/f/{public_id}", self._guarded(self._page), methods=["GET"]),
            Route("/f/{public_id}", self._guarded(self._post), methods=["POST"]),
            Route("/files/{site}/{token}", self._guarded(self._download), methods=["GET"]),
        ]

    def _guarded(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                if request.method != "POST" and not self._allowed((Limit.PAGES_OF_ADDRESS, _address(request))):
                    return pages.text_page("One moment", _TOO_MANY, status=429)
                async with asyncio.timeout(CALL_SECONDS if request.method != "POST" else None):
                    return await handler(request)
            except (Unavailable, TryAgain, TimeoutError):
                return pages.text_page("One moment", _LATER, status=503)

        return guarded

    def _allowed(self, *counted: tuple[Limit, str]) -> bool:
        now = time.monotonic_ns()
        return not self._limited or all(self._limits[limit].allows(key, now) for limit, key in counted)

    # What is shown

    async def _page(self, request: Request) -> Response:
        served = await self._find(request)
        if served is None:
            return _gone()
        return pages.form_page(served.form, served.inputs, Filled(), _token(served))

    async def _script(self, request: Request) -> Response:
        served = await self._find(request)
        if served is None:
            return Response("", 404, SAFE_HEADERS, media_type="text/javascript")
        return pages.script(served.form, served.inputs, _token(served))

    async def _thanks(self, request: Request) -> Response:
        served = await self._find(request)
        if served is None:
            return _gone()
        return pages.text_page(served.form.name, served.form.thank_you_text or pages.THANKS)

    async def _download(self, request: Request) -> Response:
        """A file, for whoever has its address; never shown as a page of ours."""
        async with self._server.database.everyone() as tx:
            site = await sites.of_token(tx, request.path_params["site"])
        token = request.path_params["token"]
        if site is None or not is_token(token):
            return _gone()
        async with self._server.database.company(site.company.id) as tx:
            upload = await forms.find_upload(tx, site.company.id, token)
        if upload is None:
            return _gone()
        plain = upload.name.encode("ascii", "replace").decode().translate({ord(one): "_" for one in '"\\?'})
        headers = {
            **SAFE_HEADERS,
            "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(upload.name, safe='')}",
            "content-security-policy": "default-src 'none'; sandbox",
        }
        return Response(upload.data, 200, headers, media_type="application/octet-stream")

    async def _find(self, request: Request) -> Served | None:
        """The active form with that public id, or None."""
        public_id = request.path_params["public_id"]
        if not is_token(public_id):
            return None
        async with self._server.database.everyone() as tx:
            company_id = await forms.find_company(tx, public_id)
            if company_id is None:
                return None
            site = await sites.of_company(tx, company_id)
        call = Context(server=self._server, company=site.company, utc=True)
        async with call.tx() as tx:
            form = await forms.find_by_public_id(tx, company_id, public_id)
            fields = await call.fields(tx)
        if form is None:
            return None
        return Served(form=form, site=site, fields=fields, inputs=inputs(form, fields), call=call)

    # What is sent

    async def _post(self, request: Request) -> Response:
        begun = time.monotonic()
        of_script = "application/json" in request.headers.get("accept", "")
        served = await self._find(request)
        if served is None:
            return pages.answer({"ok": False, "message": _GONE}, status=404) if of_script else _gone()
        try:
            became, status = await self._take(request, served), 200
        except Refused as refusal:
            became, status = refusal, refusal.status
        except ClientDisconnect:
            return Response(status_code=400)
        told = became.name.lower() if isinstance(became, Became) else "refused"
        log.info(
            "form",
            form=served.form.id,
            company=served.site.company.account_id,
            became=told,
            status=status,
            duration_ms=round((time.monotonic() - begun) * 1000, 2),
        )
        if isinstance(became, Refused):
            return _refused(served, became, of_script=of_script)
        return _thanked(served.form, of_script=of_script)

    async def _take(self, request: Request, served: Served) -> Became:
        # Before the body is read: who is refused for being too many costs no more than the head.
        if not self._allowed(
            (Limit.SUBMITS_OF_ADDRESS, _address(request)), (Limit.SUBMITS_OF_FORM, served.form.public_id)
        ):
            raise Refused(Filled(message=_TOO_MANY), 429, retry_after=30)
        try:
            async with bodies.opened(request, self._body_limit) as body:
                return await self._settle(request, served, sent_with(body, served))
        except Unreadable as cause:
            raise Refused(Filled(message=f"{cause}."), cause.status) from None

    async def _settle(self, request: Request, served: Served, sent: Sent) -> Became:
        page = _page_of(served, sent)
        try:
            self._check(served, sent, page, _address(request))
            return await self._store(served, sent, submit_of(request, served, sent, page.nonce if page else ""))
        except Refused as refusal:
            refusal.age = page.age if page else 0.0
            raise

    async def _store(self, served: Served, sent: Sent, submit: Submit) -> Became:
        try:
            async with asyncio.timeout(CALL_SECONDS), self._uploads if submit.files else nullcontext():
                files = {name: await file.loaded() for name, file in submit.files.items()}
                submit = msgspec.structs.replace(submit, files=files)
                became = await submits.store(served.call, served.form, submit)
        except (Unavailable, TryAgain, TimeoutError):
            raise _refusal(sent, _LATER, 503, retry_after=5) from None
        except NotStored as cause:
            log.warning("form not stored", form=served.form.id, cause=str(cause))
            raise _refusal(sent, _LATER, 503, retry_after=5) from None
        if became is Became.SPENT:
            raise _refusal(sent, _ANEW)
        return became

    def _check(self, served: Served, sent: Sent, page: "Page | None", address: str) -> None:
        """Raise Refused for machines, and for pages that are too old."""
        if sent.extra.get(pages.TRAP):
            raise _refusal(sent, _TRAPPED)
        if pages.TOKEN not in sent.extra:
            if not served.form.allow_plain_posts:
                raise _refusal(sent, _CONFIRM)
            if not self._allowed(
                (Limit.PLAIN_POSTS_OF_ADDRESS, address), (Limit.PLAIN_POSTS_OF_FORM, served.form.public_id)
            ):
                raise _refusal(sent, _TOO_MANY, 429, retry_after=30)
        elif page is None or page.age > TOKEN_GOOD_SECONDS:
            raise _refusal(sent, _ANEW)
        elif page.age < TOO_FAST_SECONDS:
            raise _refusal(sent, _TOO_FAST)


class Page(msgspec.Struct, frozen=True):
    """A page of ours that was filled in: its name, and how many seconds ago it was made."""

    nonce: str
    age: float


def _page_of(served: Served, sent: Sent) -> Page | None:
    """The page that the token names; None when there is no token, or none of ours for this form."""
    match signing.verify(served.site.signing_key, PURPOSE, sent.extra.get(pages.TOKEN, "")):
        case (int(form_id), int(issued), str(nonce)) if form_id == served.form.id:
            return Page(nonce, time.time() - issued)
        case _:
            return None


def _refusal(sent: Sent, message: str, status: int = 422, *, retry_after: int = 0) -> Refused:
    """What was typed stays."""
    return Refused(Filled(values=sent.typed, message=message), status, retry_after=retry_after)


_TOO_MANY = "Too many forms were sent just now. Please try again in a minute."
_LATER = "We could not take this just now. Please try again in a moment."
_GONE = "There is no such form, or it takes no more answers."
_TRAPPED = "Please leave the field that says so empty, and send the form again."
_CONFIRM = "Please look at what you have entered and send it once more."
_ANEW = "This page was open for a long time or sent before. Please send the form again."
_TOO_FAST = "That was very fast. Please send the form again."


def _gone() -> Response:
    return pages.text_page("Nothing here", _GONE, status=404)


def _token(served: Served, age: float = 0) -> str:
    """A token for a page, as if it had been made `age` seconds ago, a few at most."""
    issued = int(time.time() - min(max(age, 0), TOO_FAST_SECONDS + 1))
    return signing.sign(served.site.signing_key, PURPOSE, served.form.id, issued, secrets.token_urlsafe(12))


def _refused(served: Served, refusal: Refused, *, of_script: bool) -> Response:
    """The form as it was filled in, with a fresh token, and what to do about it."""
    token = _token(served, refusal.age)
    filled = refusal.filled
    if of_script:
        told = {"ok": False, "message": filled.message, "errors": filled.errors, "token": token}
        return pages.answer(told, status=refusal.status, retry_after=refusal.retry_after)
    answer = pages.form_page(served.form, served.inputs, filled, token, status=refusal.status)
    if refusal.retry_after:
        answer.headers["retry-after"] = str(refusal.retry_after)
    return answer


def _thanked(form: Form, *, of_script: bool) -> Response:
    # Held against the rule once more: it is the only address that we ever send a browser to.
    target = form.redirect_url if form.redirect_url and is_web_address(form.redirect_url) else None
    if of_script:
        return pages.answer({"ok": True, "message": form.thank_you_text or pages.THANKS, "redirect": target})
    return RedirectResponse(target or f"/f/{form.public_id}/thanks", 303, {**SAFE_HEADERS})


def _address(request: Request) -> str:
    """Whose limits count: the other end, or whom a trusted proxy speaks for."""
    return request.client.host if request.client else "-"
