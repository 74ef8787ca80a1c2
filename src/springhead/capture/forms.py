"""Forms over HTTP: the hosted page, the script for other sites, and submissions from any page (docs/forms.md)."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from urllib.parse import quote

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from springhead.capture import form_bodies, pages, submissions
from springhead.capture.confirmations import Confirmations
from springhead.capture.form_bodies import UnreadableBody
from springhead.capture.form_requests import FormRequests, Limit, asked_text, client_address, loaded_page, not_found
from springhead.capture.form_values import LoadedForm, SubmissionRefused, submission_of
from springhead.capture.pages import FormValues
from springhead.capture.submissions import NotStored, Submission, SubmissionOutcome
from springhead.capture.submitted_inputs import SubmittedInputs, match_inputs
from springhead.model.capture import signing
from springhead.model.capture.sites import is_token
from springhead.model.kit.errors import Unavailable
from springhead.rpc.context import Server
from springhead.rpc.perform import call_end
from springhead.settings import Settings
from springhead.store.capture import forms, sites
from springhead.store.database.pool import TryAgain
from springhead.wire.http.messages import SAFE_HEADERS, Answer

log = structlog.get_logger()

PURPOSE = "form"
"""The purpose for which the tokens of form pages are signed."""

TOO_FAST_SECONDS = 2
"""A submission that comes sooner after its page was loaded counts as a bot's."""

TOKEN_GOOD_SECONDS = forms.TOKEN_SECONDS - 600
"""The greatest age of a submitted page. It is shorter than the time for which used tokens are stored."""


PART_BYTES = 256 * 1024
"""A file is read from the database in parts of this many bytes, so that a client that does not read holds one part."""

UPLOADS = 4
"""The most submissions with files that are stored at a time: each can be as large as the body limit."""


class Forms:
    """Serves forms and submitted files."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server, self._body_limit = server, settings.body_limit
        self._requests = FormRequests(server, limited=settings.limits)
        self._confirmations = Confirmations(self._requests)
        self._uploads = asyncio.Semaphore(UPLOADS)

    def routes(self) -> list[Route]:
        """Returns the routes with their handlers."""
        return [
            Route("/f/{public_id}.js", self._requests.guarded(self._script), methods=["GET"]),
            Route("/f/{public_id}/thanks", self._requests.guarded(self._thanks), methods=["GET"]),
            Route("/f/{public_id}", self._requests.guarded(self._page), methods=["GET"]),
            Route("/f/{public_id}", self._requests.guarded(self._post), methods=["POST"]),
            Route("/f/{public_id}", _preflight, methods=["OPTIONS"]),
            *self._confirmations.routes(),
            Route("/files/{site}/{token}", self._requests.guarded(self._download), methods=["GET"]),
        ]

    # Pages and files

    async def _page(self, request: Request) -> Response:
        loaded = await self._requests.load(request)
        if loaded is None:
            return not_found(request)
        return pages.form_page(loaded.form, loaded.inputs, FormValues(), _token(loaded), loaded.language)

    async def _script(self, request: Request) -> Response:
        loaded = await self._requests.load(request)
        if loaded is None:
            return Response("", 404, SAFE_HEADERS, media_type="text/javascript")
        return pages.script(loaded.form, loaded.inputs, _token(loaded), loaded.language)

    async def _thanks(self, request: Request) -> Response:
        loaded = await self._requests.load(request)
        if loaded is None:
            return not_found(request)
        return loaded_page(loaded, _sent_text(loaded))

    async def _download(self, request: Request) -> ASGIApp:
        """Answers a file to everybody who has its address. Browsers save the file and never show it as our page."""
        async with self._server.database.everyone() as tx:
            site = await sites.of_token(tx, request.path_params["site"])
        token = request.path_params["token"]
        if site is None or not is_token(token):
            return not_found(request)
        async with self._server.database.company(site.company.id) as tx:
            upload = await forms.find_upload(tx, site.company.id, token, site.file_link_days)
        if upload is None:
            return not_found(request)
        ascii_name = re.sub(r'["\\?]', "_", upload.name.encode("ascii", "replace").decode())
        names = f"filename=\"{ascii_name}\"; filename*=UTF-8''{quote(upload.name, safe='')}"
        headers = {
            **SAFE_HEADERS,
            "content-disposition": f"attachment; {names}",
            "content-security-policy": "default-src 'none'; sandbox",
        }
        headers["content-length"] = str(upload.size)
        size = 0 if request.method == "HEAD" else upload.size
        return _File(
            self._parts(site.company.id, token, size), content_type="application/octet-stream", headers=headers
        )

    async def _parts(self, company_id: int, token: str, size: int) -> AsyncGenerator[bytes]:
        """Yields the bytes of a file. Reads each part when the client has taken the part before it."""
        for start in range(0, size, PART_BYTES):
            async with self._server.database.company(company_id) as tx:
                part = await forms.read_upload(tx, company_id, token, start, PART_BYTES)
            if not part:  # deleted meanwhile
                raise Unavailable
            yield part

    # Submissions

    async def _post(self, request: Request) -> Response:
        start_time = time.monotonic()
        by_script = _wants_json(request)
        loaded = await self._requests.load(request)
        if loaded is None:
            if not by_script:
                return not_found(request)
            return pages.answer({"ok": False, "message": asked_text(request, "no_form")}, status=404)
        try:
            outcome = (await self._submit(request, loaded)).name.lower()
            status, answer = 200, _thanks_answer(loaded, by_script=by_script)
        except SubmissionRefused as refusal:
            outcome, status, answer = "refused", refusal.status, _refusal_answer(loaded, refusal, by_script=by_script)
        except ClientDisconnect:
            return Response(status_code=400)
        log.info(
            "form",
            form=loaded.form.id,
            company=loaded.site.company.account_id,
            outcome=outcome,
            status=status,
            duration_ms=round((time.monotonic() - start_time) * 1000, 2),
        )
        return answer

    async def _submit(self, request: Request, loaded: LoadedForm) -> SubmissionOutcome:
        # Checked before the body is read: a refused client costs no more than the head of its request.
        counted = (Limit.OF_ADDRESS, client_address(request)), (Limit.OF_FORM, loaded.form.public_id)
        if not self._requests.allows(*counted):
            raise SubmissionRefused(FormValues(message=loaded.text("too_many")), 429, retry_after=30)
        try:
            async with form_bodies.open_body(request, self._body_limit) as body:
                inputs = match_inputs(body, loaded.form, loaded.fields, loaded.inputs)
                return await self._check_and_store(request, loaded, inputs)
        except UnreadableBody as cause:
            raise SubmissionRefused(FormValues(message=f"{cause}."), cause.status) from None

    async def _check_and_store(
        self, request: Request, loaded: LoadedForm, inputs: SubmittedInputs
    ) -> SubmissionOutcome:
        page = _page_of(loaded, inputs)
        try:
            self._check_sender(loaded, inputs, page, client_address(request))
            submission = submission_of(request, loaded, inputs, page.nonce if page else "")
            return await self._store(loaded, inputs, submission)
        except SubmissionRefused as refusal:
            refusal.age = page.age if page else 0.0
            raise

    async def _store(self, loaded: LoadedForm, inputs: SubmittedInputs, submission: Submission) -> SubmissionOutcome:
        end = call_end()
        try:
            async with asyncio.timeout_at(end), self._uploads if submission.files else nullcontext():
                files = {name: [await file.load() for file in some] for name, some in submission.files.items()}
                submission = msgspec.structs.replace(submission, files=files)
                outcome = await submissions.store(loaded.context, loaded.site, loaded.form, submission, end=end)
        except (Unavailable, TryAgain, TimeoutError):
            raise _refusal(loaded, inputs, "later", 503, retry_after=5) from None
        except NotStored as cause:
            log.warning("form not stored", form=loaded.form.id, cause=str(cause))
            raise _refusal(loaded, inputs, "later", 503, retry_after=5) from None
        if outcome is SubmissionOutcome.PAGE_USED:
            raise _refusal(loaded, inputs, "outdated_page")
        return outcome

    def _check_sender(
        self, loaded: LoadedForm, inputs: SubmittedInputs, page: "SignedPage | None", address: str
    ) -> None:
        """Raises SubmissionRefused for bots, for outdated pages, and beyond the rate limits of plain submissions."""
        if inputs.extra.get(pages.TRAP):
            raise _refusal(loaded, inputs, "trap_filled")
        if pages.TOKEN not in inputs.extra:
            if not loaded.form.allow_plain_posts:
                raise _refusal(loaded, inputs, "confirm")
            counted = (Limit.PLAIN_OF_ADDRESS, address), (Limit.PLAIN_OF_FORM, loaded.form.public_id)
            if not self._requests.allows(*counted):
                raise _refusal(loaded, inputs, "too_many", 429, retry_after=30)
        elif page is None or page.age > TOKEN_GOOD_SECONDS:
            raise _refusal(loaded, inputs, "outdated_page")
        elif page.age < TOO_FAST_SECONDS:
            raise _refusal(loaded, inputs, "too_fast")


async def _preflight(_: Request) -> Response:
    """Answers a browser that asks whether a page of another site may post JSON. It sends no credentials."""
    headers = {
        **SAFE_HEADERS,
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type",
        "access-control-max-age": "86400",
    }
    return Response(status_code=204, headers=headers)


class _File(Answer):
    """The answer with a file. If the file cannot be read to its end, the connection closes before the end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the file."""
        try:
            await super().__call__(scope, receive, send)
        except ClientDisconnect:
            pass
        except (Unavailable, TryAgain) as cause:
            log.warning("file cut", error=type(cause).__name__)


class SignedPage(msgspec.Struct, frozen=True):
    """A submitted page that this server made. `age` is in seconds."""

    nonce: str
    age: float


def _page_of(loaded: LoadedForm, inputs: SubmittedInputs) -> SignedPage | None:
    """Returns the page of the token. Returns None if no token was sent, or if it was not signed for this form."""
    match signing.verify(loaded.site.signing_key, PURPOSE, inputs.extra.get(pages.TOKEN, "")):
        case (int(form_id), int(issued), str(nonce)) if form_id == loaded.form.id:
            return SignedPage(nonce, time.time() - issued)
        case _:
            return None


def _refusal(
    loaded: LoadedForm, inputs: SubmittedInputs, key: str, status: int = 422, *, retry_after: int = 0
) -> SubmissionRefused:
    """Returns a refusal with the typed values, which the person gets back."""
    values = FormValues(values=inputs.typed, message=loaded.text(key))
    return SubmissionRefused(values, status, retry_after=retry_after)


def _token(loaded: LoadedForm, age: float = 0) -> str:
    """Returns a token for a page that counts as `age` seconds old, and at most as old as a submission must be."""
    issued = int(time.time() - min(max(age, 0), TOO_FAST_SECONDS + 1))
    return signing.sign(loaded.site.signing_key, PURPOSE, loaded.form.id, issued, secrets.token_urlsafe(12))


def _refusal_answer(loaded: LoadedForm, refusal: SubmissionRefused, *, by_script: bool) -> Response:
    """Answers the form with the typed values, the errors and a new token."""
    token, values = _token(loaded, refusal.age), refusal.values
    if by_script:
        content = {"ok": False, "message": values.message, "errors": values.errors, "token": token}
        return pages.answer(content, status=refusal.status, retry_after=refusal.retry_after)
    answer = pages.form_page(loaded.form, loaded.inputs, values, token, loaded.language, status=refusal.status)
    if refusal.retry_after:
        answer.headers["retry-after"] = str(refusal.retry_after)
    return answer


def _thanks_answer(loaded: LoadedForm, *, by_script: bool) -> Response:
    target = None if loaded.form.double_opt_in else loaded.redirect_url
    if by_script:
        return pages.answer({"ok": True, "message": _sent_text(loaded), "redirect": target})
    return RedirectResponse(target or f"/f/{loaded.form.public_id}/thanks", 303, {**SAFE_HEADERS})


def _sent_text(loaded: LoadedForm) -> str:
    """Returns what a person sees who has sent the form. With double opt-in, the thanks come with the confirmation."""
    return loaded.text("check_mail") if loaded.form.double_opt_in else loaded.thanks


def _wants_json(request: Request) -> bool:
    """Whether the answer is JSON: for a program that asks for it or sends JSON, and not for a browser's own form."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return form_bodies.JSON in request.headers.get("accept", "") or content_type == form_bodies.JSON
