"""The page behind the link of a form with double opt-in. It asks, and a press of its button stores the submission."""

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from springhead.capture import pages, submissions
from springhead.capture.form_requests import FormRequests, Limit, client_address, loaded_page, not_found
from springhead.capture.form_values import LoadedForm
from springhead.capture.submissions import Confirmation, NotStored
from springhead.capture.views import BODY_BYTES
from springhead.model.capture import confirmations
from springhead.store.capture import forms
from springhead.wire.http.messages import SAFE_HEADERS, BodyTooLarge, BoundedBody

log = structlog.get_logger()


class Confirmations:
    """Serves the links that confirm submissions."""

    def __init__(self, requests: FormRequests) -> None:
        self._requests = requests

    def routes(self) -> list[Route]:
        """Returns the routes with their handlers."""
        path = "/f/{public_id}/confirm/{token}"
        return [
            Route(path, self._requests.guarded(self._ask), methods=["GET"]),
            Route(path, self._requests.guarded(self._confirm), methods=["POST"]),
        ]

    async def _ask(self, request: Request) -> Response:
        """Answers a page with a button, and changes nothing: programs that check emails follow every link."""
        loaded = await self._requests.load(request)
        if loaded is None:
            return not_found(request)
        link = confirmations.read(loaded.site, loaded.form.id, request.path_params["token"])
        if link is None:
            return loaded_page(loaded, loaded.text("no_link"), 404)
        company = loaded.site.company
        async with loaded.context.tx() as tx:
            held = await forms.find_held(tx, company.id, loaded.form.id, link.event_id)
            is_confirmed = held is not None and await forms.is_confirmed(tx, company.id, loaded.form.id, held)
        if is_confirmed:
            return _thanks(loaded)
        if held is None or link.is_expired:
            return loaded_page(loaded, loaded.text("link_gone" if held is None else "link_expired"), 410)
        question = loaded.text("confirm_question", company=company.name)
        consent = held.data.get("consent", {}).get("text", "")
        return pages.button_page(
            loaded.form.name,
            question,
            *([consent] if consent else []),
            button=loaded.text("confirm_button"),
            action=request.url.path,
            language=loaded.language,
            logo=pages.logo_of(loaded.form),
            redirects=loaded.redirect_url is not None,
        )

    async def _confirm(self, request: Request) -> Response:
        """Stores the submission. A second press of the button changes nothing, and gets the same answer."""
        loaded = await self._requests.load(request)
        if loaded is None:
            return not_found(request)
        if not self._requests.allows((Limit.OF_ADDRESS, client_address(request))):
            return loaded_page(loaded, loaded.text("too_many"), 429)
        try:
            await BoundedBody(request.scope, request.receive, BODY_BYTES).read()  # only the link counts
            return await self._confirm_link(loaded, request.path_params["token"])
        except BodyTooLarge:
            return loaded_page(loaded, loaded.text("no_link"), 413)
        except ClientDisconnect:
            return Response(status_code=400)

    async def _confirm_link(self, loaded: LoadedForm, token: str) -> Response:
        link = confirmations.read(loaded.site, loaded.form.id, token)
        if link is None:
            return loaded_page(loaded, loaded.text("no_link"), 404)
        try:
            outcome = await submissions.confirm(loaded.context, loaded.form, link)
        except NotStored as cause:
            log.warning("form not confirmed", form=loaded.form.id, cause=str(cause))
            return loaded_page(loaded, loaded.text("later"), 503)
        log.info(
            "form confirmed", form=loaded.form.id, company=loaded.site.company.account_id, outcome=outcome.name.lower()
        )
        if outcome is Confirmation.DONE:
            return _thanks(loaded)
        return loaded_page(loaded, loaded.text("link_gone" if outcome is Confirmation.GONE else "link_expired"), 410)


def _thanks(loaded: LoadedForm) -> Response:
    if loaded.redirect_url:
        return RedirectResponse(loaded.redirect_url, 303, {**SAFE_HEADERS})
    return loaded_page(loaded, loaded.thanks)
