"""What all requests of forms share: their rate limits, the look-up of a form, and the pages about failures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from springhead.capture import pages
from springhead.capture.form_values import LoadedForm
from springhead.model.capture import form_texts
from springhead.model.capture.forms import inputs_of
from springhead.model.capture.sites import is_token
from springhead.model.kit.errors import Unavailable
from springhead.model.kit.rate_limits import KeyedRateLimit
from springhead.rpc.context import Context, Server
from springhead.store.capture import forms, sites
from springhead.store.database.deadlines import CALL_SECONDS
from springhead.store.database.pool import TryAgain
from springhead.wire.http.peers import client_network


class Limit(Enum):
    """The rate limits of forms: requests per second, and the burst."""

    VIEWS_OF_ADDRESS = (2.0, 60)
    """Pages and scripts of forms, for one IP address."""

    OF_ADDRESS = (0.5, 30)
    """Submissions from one IP address; a whole office can share one."""

    PLAIN_OF_ADDRESS = (0.2, 15)
    """Submissions without a token, from pages that are not ours, for one IP address."""

    OF_FORM = (20.0, 400)
    """Submissions of one form from all IP addresses."""

    PLAIN_OF_FORM = (5.0, 100)
    """Submissions of one form without a token, from all IP addresses."""


class FormRequests:
    """Loads forms for requests, and counts the requests against the rate limits. With `limited` false, counts none."""

    def __init__(self, server: Server, *, limited: bool) -> None:
        self._server, self._limited = server, limited
        self._limits = {limit: KeyedRateLimit(per_second=limit.value[0], burst=limit.value[1]) for limit in Limit}

    def guarded(self, handler: Callable[[Request], Awaitable[ASGIApp]]) -> Callable[[Request], Awaitable[ASGIApp]]:
        """Returns a handler that answers pages about rate limits and an unavailable database."""

        async def guarded(request: Request) -> ASGIApp:
            try:
                if request.method != "POST" and not self.allows((Limit.VIEWS_OF_ADDRESS, client_address(request))):
                    return short_page(asked_language(request), "moment", "too_many", 429)
                async with asyncio.timeout(CALL_SECONDS if request.method != "POST" else None):
                    return await handler(request)
            except (Unavailable, TryAgain, TimeoutError):
                return short_page(asked_language(request), "moment", "later", 503)

        return guarded

    def allows(self, *counted: tuple[Limit, str]) -> bool:
        """Returns whether the limits allow a request that counts for these keys."""
        now = time.monotonic_ns()
        return not self._limited or all(self._limits[limit].allows(key, now) for limit, key in counted)

    async def load(self, request: Request) -> LoadedForm | None:
        """Returns the active form with the public id in the path, or None."""
        public_id = request.path_params["public_id"]
        if not is_token(public_id):
            return None
        async with self._server.database.everyone() as tx:
            company_id = await forms.find_company(tx, public_id)
            if company_id is None:
                return None
            site = await sites.of_company(tx, company_id)
        context = Context(server=self._server, company=site.company, utc=True)
        async with context.tx() as tx:
            form = await forms.find_by_public_id(tx, company_id, public_id)
            fields = await context.fields(tx)
        if form is None:
            return None
        language = asked_language(request) if form.language == form_texts.AUTO else form.language
        return LoadedForm(
            form=form,
            site=site,
            fields=fields,
            inputs=inputs_of(form, fields, language),
            context=context,
            language=language,
        )


def asked_language(request: Request) -> str:
    """Returns the language of pages that the visitor's browser asks for."""
    return form_texts.negotiate(request.headers.get("accept-language", ""))


def short_page(language: str, title: str, text: str, status: int) -> Response:
    """Returns a page with the texts of these two keys."""
    return pages.text_page(
        form_texts.text(language, title), form_texts.text(language, text), status=status, language=language
    )


def asked_text(request: Request, key: str) -> str:
    """Returns a text in the language of the visitor."""
    return form_texts.text(asked_language(request), key)


def not_found(request: Request) -> Response:
    """Returns the page for an address without a form or file."""
    return short_page(asked_language(request), "not_found", "no_form", 404)


def loaded_page(loaded: LoadedForm, text: str, status: int = 200) -> Response:
    """Returns a page of a form with a short text."""
    return pages.text_page(
        loaded.form.name, text, status=status, language=loaded.language, logo=pages.logo_of(loaded.form)
    )


def client_address(request: Request) -> str:
    """Returns the address or network that rate limits count: the client's, also behind a trusted proxy."""
    return client_network(request.client.host) if request.client else "-"
