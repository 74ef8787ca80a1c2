"""Forms over HTTP: the hosted page, the script for other sites, and submissions from any page (docs/forms.md)."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import nullcontext
from enum import Enum
from urllib.parse import quote

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from springhead.capture import form_bodies, pages, submissions
from springhead.capture.form_bodies import UnreadableBody
from springhead.capture.form_values import LoadedForm, SubmissionRefused, submission_of
from springhead.capture.pages import FormValues
from springhead.capture.submissions import NotStored, Submission, SubmissionOutcome
from springhead.capture.submitted_inputs import SubmittedInputs, match_inputs
from springhead.model.capture import form_texts, signing
from springhead.model.capture.forms import inputs_of, is_web_address
from springhead.model.capture.sites import is_token
from springhead.model.kit.errors import Unavailable
from springhead.model.kit.rate_limits import KeyedRateLimit
from springhead.rpc.context import Context, Server
from springhead.rpc.perform import call_end
from springhead.settings import Settings
from springhead.store.capture import forms, sites
from springhead.store.database.deadlines import CALL_SECONDS
from springhead.store.database.pool import TryAgain
from springhead.wire.http.messages import SAFE_HEADERS, Answer
from springhead.wire.http.peers import client_network

log = structlog.get_logger()

PURPOSE = "form"
"""The purpose for which the tokens of form pages are signed."""

TOO_FAST_SECONDS = 2
"""A submission that comes sooner after its page was loaded counts as a bot's."""

TOKEN_GOOD_SECONDS = forms.TOKEN_SECONDS - 600
"""The greatest age of a submitted page. It is shorter than the time for which used tokens are stored."""


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


PART_BYTES = 256 * 1024
"""A file is read from the database in parts of this many bytes, so that a client that does not read holds one part."""

UPLOADS = 4
"""The most submissions with files that are stored at a time: each can be as large as the body limit."""


class Forms:
    """Serves forms and submitted files."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server, self._limited, self._body_limit = server, settings.limits, settings.body_limit
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._limits = {limit: KeyedRateLimit(per_second=limit.value[0], burst=limit.value[1]) for limit in Limit}

    def routes(self) -> list[Route]:
        """Returns the routes with their handlers."""
        return [
            Route("/f/{public_id}.js", self._guarded(self._script), methods=["GET"]),
            Route("/f/{public_id}/thanks", self._guarded(self._thanks), methods=["GET"]),
            Route("/f/{public_id}", self._guarded(self._page), methods=["GET"]),
            Route("/f/{public_id}", self._guarded(self._post), methods=["POST"]),
            Route("/f/{public_id}", _preflight, methods=["OPTIONS"]),
            Route("/files/{site}/{token}", self._guarded(self._download), methods=["GET"]),
        ]

    def _guarded(self, handler: Callable[[Request], Awaitable[ASGIApp]]) -> Callable[[Request], Awaitable[ASGIApp]]:
        async def guarded(request: Request) -> ASGIApp:
            try:
                if request.method != "POST" and not self._allowed((Limit.VIEWS_OF_ADDRESS, _address(request))):
                    return _short_page(_asked_language(request), "moment", "too_many", 429)
                async with asyncio.timeout(CALL_SECONDS if request.method != "POST" else None):
                    return await handler(request)
            except (Unavailable, TryAgain, TimeoutError):
                return _short_page(_asked_language(request), "moment", "later", 503)

        return guarded

    def _allowed(self, *counted: tuple[Limit, str]) -> bool:
        now = time.monotonic_ns()
        return not self._limited or all(self._limits[limit].allows(key, now) for limit, key in counted)

    # Pages and files

    async def _page(self, request: Request) -> Response:
        loaded = await self._load(request)
        if loaded is None:
            return _not_found(request)
        return pages.form_page(loaded.form, loaded.inputs, FormValues(), _token(loaded), loaded.language)

    async def _script(self, request: Request) -> Response:
        loaded = await self._load(request)
        if loaded is None:
            return Response("", 404, SAFE_HEADERS, media_type="text/javascript")
        return pages.script(loaded.form, loaded.inputs, _token(loaded), loaded.language)

    async def _thanks(self, request: Request) -> Response:
        loaded = await self._load(request)
        if loaded is None:
            return _not_found(request)
        text = loaded.form.thank_you_text or loaded.text("thanks")
        return pages.text_page(loaded.form.name, text, language=loaded.language, logo=pages.logo_of(loaded.form))

    async def _download(self, request: Request) -> ASGIApp:
        """Answers a file to everybody who has its address. Browsers save the file and never show it as our page."""
        async with self._server.database.everyone() as tx:
            site = await sites.of_token(tx, request.path_params["site"])
        token = request.path_params["token"]
        if site is None or not is_token(token):
            return _not_found(request)
        async with self._server.database.company(site.company.id) as tx:
            upload = await forms.find_upload(tx, site.company.id, token, site.file_link_days)
        if upload is None:
            return _not_found(request)
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

    async def _load(self, request: Request) -> LoadedForm | None:
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
        language = _asked_language(request) if form.language == form_texts.AUTO else form.language
        return LoadedForm(
            form=form,
            site=site,
            fields=fields,
            inputs=inputs_of(form, fields, language),
            context=context,
            language=language,
        )

    # Submissions

    async def _post(self, request: Request) -> Response:
        start_time = time.monotonic()
        by_script = _wants_json(request)
        loaded = await self._load(request)
        if loaded is None:
            if not by_script:
                return _not_found(request)
            return pages.answer({"ok": False, "message": _text(request, "no_form")}, status=404)
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
        if not self._allowed((Limit.OF_ADDRESS, _address(request)), (Limit.OF_FORM, loaded.form.public_id)):
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
            self._check_sender(loaded, inputs, page, _address(request))
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
                outcome = await submissions.store(loaded.context, loaded.form, submission, end=end)
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
            if not self._allowed((Limit.PLAIN_OF_ADDRESS, address), (Limit.PLAIN_OF_FORM, loaded.form.public_id)):
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


def _asked_language(request: Request) -> str:
    return form_texts.negotiate(request.headers.get("accept-language", ""))


def _short_page(language: str, title: str, text: str, status: int) -> Response:
    return pages.text_page(
        form_texts.text(language, title), form_texts.text(language, text), status=status, language=language
    )


def _text(request: Request, key: str) -> str:
    return form_texts.text(_asked_language(request), key)


def _not_found(request: Request) -> Response:
    return _short_page(_asked_language(request), "not_found", "no_form", 404)


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
    form = loaded.form
    # Checked again before the redirect: the company chose this URL.
    target = form.redirect_url if form.redirect_url and is_web_address(form.redirect_url) else None
    if by_script:
        return pages.answer({"ok": True, "message": form.thank_you_text or loaded.text("thanks"), "redirect": target})
    return RedirectResponse(target or f"/f/{form.public_id}/thanks", 303, {**SAFE_HEADERS})


def _wants_json(request: Request) -> bool:
    """Whether the answer is JSON: for a program that asks for it or sends JSON, and not for a browser's own form."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return form_bodies.JSON in request.headers.get("accept", "") or content_type == form_bodies.JSON


def _address(request: Request) -> str:
    """Returns the address or network that rate limits count: the client's, also behind a trusted proxy."""
    return client_network(request.client.host) if request.client else "-"
