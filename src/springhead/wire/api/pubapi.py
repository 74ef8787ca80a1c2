"""The endpoint of the API: checks credentials and limits, reads the envelope, performs the call, and answers."""

import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from springhead.model.kit.errors import ApiError, InvalidFormat, Unavailable
from springhead.rpc import idempotency
from springhead.rpc.context import Context, Server
from springhead.rpc.method import Method, ReadResult, WriteResult
from springhead.rpc.perform import call_end, perform
from springhead.settings import Settings
from springhead.store.database.pool import TryAgain
from springhead.wire.api import envelope
from springhead.wire.api.auth import UNAUTHORIZED, Caller, Keys
from springhead.wire.api.body_limits import BodyLimits
from springhead.wire.api.cross_origin import ALLOW, AllowedOrigins
from springhead.wire.api.rate_limits import CallLimits, WrongKeyLimit
from springhead.wire.http.messages import Answer, HttpRequest
from springhead.wire.metrics import Metrics

log = structlog.get_logger()

_IDEMPOTENCY_KEY = idempotency.HEADER.lower().encode()
_CHALLENGE: Mapping[str, str] = {"www-authenticate": 'Basic realm="SharpSpring"'}


class PubApi:
    """The endpoint of one version of the API (docs/wire/README.md). `utc` is True for v1.2."""

    def __init__(
        self,
        server: Server,
        keys: Keys,
        limits: CallLimits,
        metrics: Metrics,
        settings: Settings,
        *,
        bodies: BodyLimits,
        utc: bool,
    ) -> None:
        self._server, self._keys, self._limits, self._metrics = server, keys, limits, metrics
        self._bodies = bodies
        self._body_limit = settings.body_limit
        self._wrong_keys = WrongKeyLimit()
        self._origins = AllowedOrigins(settings.allowed_origins)
        self._utc = utc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        started = time.perf_counter()
        request = HttpRequest(scope, receive)
        if request.verb not in {"POST", "GET", "HEAD"}:
            await self._other_verb(request)(scope, receive, send)
            return
        try:
            answer, facts = await self._answer(request)
        except ClientDisconnect:
            return
        try:
            await answer(scope, receive, send)
        except ClientDisconnect:
            facts["cut"] = "client"
        except (Unavailable, TryAgain):  # the connection closes, so that no client takes a part for the whole answer
            facts |= {"cut": "database", "code": Unavailable.code}
        seconds = time.perf_counter() - started
        self._metrics.called(facts.get("method", "-"), facts.get("code", 0), seconds)
        log.info("call", **facts, duration_ms=round(seconds * 1000, 2), peer=request.peer)

    def _other_verb(self, request: HttpRequest) -> Answer:
        """Returns the answer to OPTIONS, which needs no credentials, or 405."""
        if request.verb == "OPTIONS":
            return Answer(b"", content_type="", headers=self._origins.options_headers(request))
        return Answer(b"", status=405, headers={"allow": ALLOW})

    async def _answer(self, request: HttpRequest) -> tuple[Answer, dict[str, Any]]:
        """Returns the answer, and the facts of the call for the log."""
        facts: dict[str, Any] = {"request_id": secrets.token_hex(8)}
        cors = self._origins.headers(request)
        try:
            caller = await self._keys.caller(request)
        except Unavailable as error:
            content = envelope.failure(error, await envelope.read_id(request))
            return Answer(content, headers=cors), facts | {"code": error.code}
        if caller is None:
            self._metrics.unauthorized()
            await self._wrong_keys.wrong_key(request.client)
            headers = {**_CHALLENGE, **(cors or {})}
            return Answer(UNAUTHORIZED, status=401, headers=headers), facts | {"status": 401}
        facts |= {"company": caller.company.account_id, "key": caller.key.id}
        try:
            envelope.check_request(request, self._body_limit)
            with self._bodies.reading(caller.company.id, request.content_length, time.monotonic()) as contents:
                await self._limits.spend(caller.company, end=call_end())
                body = await envelope.read_body(request, self._body_limit, contents and contents.add)
        except ApiError as error:
            unread = not isinstance(error, InvalidFormat)
            content = envelope.failure(error, await envelope.read_id(request) if unread else b"null")
            return Answer(content, headers=cors), facts | {"code": error.code}
        end = call_end()
        try:
            if contents:
                self._bodies.check(caller.company.id, contents, time.monotonic())
        except ApiError as error:
            content = envelope.failure(error, envelope.request_id(body))
            return Answer(content, headers=cors), facts | {"code": error.code}
        content, more = await self._perform(caller, request, body, facts["request_id"], end)
        return Answer(content, headers=cors), facts | more

    async def _perform(
        self, caller: Caller, request: HttpRequest, body: bytes, request_id: str, end: float
    ) -> tuple[bytes | AsyncGenerator[bytes], dict[str, Any]]:
        """Returns the content of the answer, and the facts of the call for the log."""
        call = envelope.parse(body)
        if call.error is not None:  # a raised error would keep the body in memory with its traceback
            return envelope.failure(call.error, call.id), {"code": call.error.code}
        company, key = caller.company, caller.key

        def encode(method: Method[Any], result: ReadResult | WriteResult) -> bytes | AsyncGenerator[bytes]:
            return envelope.success(
                method.result, result, call.id, plain_success=key.plain_success, captured_calls=key.captured_calls
            )

        performed = await perform(
            Context(server=self._server, company=company, utc=self._utc, key_id=key.id, request_id=request_id),
            call.method,
            call.params,
            idempotency_keys=request.header(_IDEMPOTENCY_KEY),
            end=end,
            encode=encode,
        )
        if performed.error is not None:
            return envelope.failure(performed.error, call.id), performed.facts
        return performed.answer, performed.facts
