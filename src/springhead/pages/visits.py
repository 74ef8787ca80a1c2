"""Requests of pages by somebody who is signed in: who it is, and calls of methods in that person's name."""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic_ns
from typing import Any
from urllib.parse import quote

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from springhead.model.companies.users import User
from springhead.model.kit.errors import ApiError, Json, SecondLimit, Unavailable
from springhead.model.kit.rate_limits import KeyedRateLimit
from springhead.pages import catalogue, navigation, parts, security
from springhead.pages.rendering import Templates
from springhead.pages.sessions import Sessions, SignedIn
from springhead.rpc.context import Context, Server
from springhead.rpc.perform import perform
from springhead.wire.http.messages import BodyTooLarge, BoundedBody

log = structlog.get_logger()

FORM_BYTES = 1_048_576
"""The most bytes of a form that a page sends."""

PER_SECOND = 60
"""The most calls of methods a second by one user at the pages. They do not count against the calls of the company."""

BURST = 240
"""The most calls of methods at once by one user at the pages: some pages make several."""

_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]{0,2000}")


class CallRefused(Exception):
    """A call that the server understands and refuses. `error` says why."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


class Visit:
    """A request of a page, and who sends it."""

    def __init__(
        self, request: Request, signed_in: SignedIn, server: Server, templates: Templates, limit: KeyedRateLimit
    ) -> None:
        self.request = request
        self.signed_in = signed_in
        self.user: User = signed_in.user
        self.language = signed_in.user.language
        self.form: Mapping[str, str] = {}
        """The fields of a form that was sent. Of a field that was sent twice, the last value."""
        self._server, self._templates, self._limit = server, templates, limit

    @property
    def path(self) -> str:
        """The path of the page with its query."""
        return _path_with_query(self.request)

    @property
    def is_fragment(self) -> bool:
        """Whether a part of the page is wanted, which a script puts into the page."""
        return self.request.headers.get("hx-request") == "true"

    def context(self) -> Context:
        """Returns the context in which calls run: the rights are those of the user."""
        return Context(
            server=self._server,
            company=self.user.company,
            utc=True,
            user=self.user,
            request_id=secrets.token_hex(8),
        )

    async def call(self, method: str, **params: Json) -> Any:
        """Performs a method as the user, and returns its result.

        Raises CallRefused. Raises SecondLimit or Unavailable if it cannot be done now, for which every page has one
        answer.
        """
        if not self._limit.allows(f"{self.user.company.id} {self.user.id}", monotonic_ns()):
            raise SecondLimit({"retryAfter": 1})
        performed = await perform(self.context(), method, params)
        if isinstance(performed.error, SecondLimit | Unavailable):
            raise performed.error
        if performed.error:
            raise CallRefused(performed.error)
        return performed.answer

    def render(self, template: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
        """Returns a page with the frame of a person who is signed in."""
        frame = {
            "user": self.user,
            "company": self.user.company,
            "token": security.form_token(self.signed_in.token),
            "navigation": navigation.groups_for(self.user),
            "dock": navigation.dock_for(self.user),
            "here": self.path,
            **parts.FUNCTIONS,
        }
        return self._templates.render(
            self.request, template, {**frame, **values}, language=self.language, status=status
        )

    def text(self, key: str, /, **values: object) -> str:
        """Returns a text of the catalogue in the user's language."""
        return catalogue.text(self.language, key, **values)

    def nothing(self) -> Response:
        """Returns the page for what does not exist, or what the user may not see."""
        return self.message("frame.gone", "frame.gone_text", status=404)

    def message(self, title: str, text: str, *, status: int) -> Response:
        """Returns a page with a short text from the catalogue."""
        return self._templates.message(self.request, title, text, language=self.language, status=status)


Handler = Callable[[Visit], Awaitable[Response]]
"""Answers a request of somebody who is signed in."""

Endpoint = Callable[[Request], Awaitable[Response]]
"""Answers a request of anybody."""


class Visits:
    """Lets requests of people who are signed in through to their handlers, and sends others to the sign-in page."""

    def __init__(self, server: Server, sessions: Sessions, templates: Templates) -> None:
        self._server, self._sessions, self._templates = server, sessions, templates
        self._limit = KeyedRateLimit(per_second=PER_SECOND, burst=BURST)

    def of(self, handler: Handler) -> Endpoint:
        """Returns the endpoint of a handler for people who are signed in. Others go to the sign-in page."""

        async def for_request(request: Request) -> Response:
            signed_in = await self._sessions.signed_in(request)
            if signed_in is None:
                return _to_sign_in(request)
            visit = Visit(request, signed_in, self._server, self._templates, self._limit)
            if request.method == "POST":
                visit.form = await read_form(request)
                token = request.headers.get(security.TOKEN_HEADER) or visit.form.get(security.TOKEN_FIELD, "")
                if not security.is_form_token(signed_in.token, token):
                    return visit.message("frame.forged", "frame.forged_text", status=403)
            return await handler(visit)

        return self.open_to_all(for_request)

    def open_to_all(self, handler: Endpoint) -> Endpoint:
        """Returns the endpoint of a handler for everybody. Refuses what pages of other sites send."""

        async def endpoint(request: Request) -> Response:
            language = language_of(request)
            if request.method == "POST" and not security.is_same_origin(request, self._server.public_url):
                return self._templates.message(
                    request, "frame.forged", "frame.forged_text", language=language, status=403
                )
            try:
                return await handler(request)
            except (SecondLimit, Unavailable, BodyTooLarge) as error:
                return self._refusal(request, error, language)
            except ClientDisconnect:
                return Response(status_code=400)
            except HTTPException:  # a body that is no form
                raise
            except Exception:
                log.exception("unexpected", path=request.url.path)
                return self._templates.message(
                    request, "frame.fault", "frame.fault_text", language=language, status=500
                )

        return endpoint

    def _refusal(self, request: Request, error: Exception, language: str) -> Response:
        """Returns the page for a request that the server does not take, or not now."""
        is_large = isinstance(error, BodyTooLarge)
        status = 413 if is_large else 429 if isinstance(error, SecondLimit) else 503
        text = "frame.too_large" if is_large else "frame.later"
        response = self._templates.message(request, "frame.product", text, language=language, status=status)
        if status == 429:
            response.headers["retry-after"] = "1"
        return response


async def read_form(request: Request) -> Mapping[str, str]:
    """Returns the fields of a form of at most FORM_BYTES. Raises BodyTooLarge."""
    body = BoundedBody(request.scope, request.receive, FORM_BYTES)
    bounded = Request(request.scope, body.receive)
    form = await bounded.form(max_files=0, max_fields=500)
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}


def language_of(request: Request) -> str:
    """Returns the language of a page for somebody who is not signed in."""
    return catalogue.preferred(request.headers.get("accept-language", ""))


def local_path(path: str) -> str:
    """Returns the path if it leads to a page of this server, otherwise the first page."""
    return path if _LOCAL_PATH.fullmatch(path) else "/"


def _path_with_query(request: Request) -> str:
    url = request.url
    return url.path + (f"?{url.query}" if url.query else "")


def _to_sign_in(request: Request) -> Response:
    """Sends a browser to the sign-in page, and from there back. A script gets 401, and shows the sign-in page."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"cache-control": "no-store"})
    is_first = request.url.path == "/" or request.method != "GET"
    address = "/sign-in" if is_first else f"/sign-in?next={quote(local_path(_path_with_query(request)), safe='')}"
    return RedirectResponse(address, 303, {"cache-control": "no-store"})
