"""The API's address: credentials, limits, envelope, method, answer, in that order (docs/wire/README.md)."""

import asyncio
import secrets
import time
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from springhead.model.kit.errors import ApiError, Unavailable, Unexpected
from springhead.rpc import idempotency
from springhead.rpc.context import Context, Server
from springhead.rpc.method import Outcomes, Writes, find
from springhead.settings import Settings
from springhead.store.database.pool import TryAgain, until_settled
from springhead.wire.api import envelope
from springhead.wire.api.auth import UNAUTHORIZED, Caller, Keys
from springhead.wire.api.rate_limits import CallLimits, WrongKeyLimit
from springhead.wire.http.answer import Answer
from springhead.wire.http.request import Request
from springhead.wire.metrics import Metrics

log = structlog.get_logger()

_ONCE = idempotency.HEADER.lower().encode()
PATIENCE = 11.0
"""Seconds that a call may take in the database (and all its tries), after its key was looked up."""


class PubApi:
    """One version of the API; `utc` is v1.2."""

    def __init__(
        self, server: Server, keys: Keys, limits: CallLimits, metrics: Metrics, settings: Settings, *, utc: bool
    ) -> None:
        self._server, self._keys, self._limits, self._metrics = server, keys, limits, metrics
        self._body_limit = settings.body_limit
        self._wrong_keys = WrongKeyLimit()
        self._utc = utc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = time.perf_counter()
        request = Request(scope, receive)
        if request.verb not in {"POST", "GET"}:
            await Answer(b"", status=405, headers={"allow": "GET, POST"})(scope, receive, send)
            return
        try:
            answer, facts = await self._answer(request)
        except ClientDisconnect:
            return
        try:
            await answer(scope, receive, send)
        except ClientDisconnect:
            facts["cut"] = "client"
        except (Unavailable, TryAgain):  # left unfinished, it ends the connection: nobody takes it for the whole
            facts |= {"cut": "database", "code": Unavailable.code}
        seconds = time.perf_counter() - begun
        method, code = facts.get("method", "-"), facts.get("code", 0)
        self._metrics.called(method, code, seconds)
        log.info("call", **facts, duration_ms=round(seconds * 1000, 2), peer=request.peer)

    async def _answer(self, request: Request) -> tuple[Answer, dict[str, Any]]:
        facts: dict[str, Any] = {"request_id": secrets.token_hex(8)}
        try:
            caller = await self._keys.caller(request)
        except Unavailable as error:
            return await self._unavailable(request, error), facts | {"code": error.code}
        if caller is None:
            self._metrics.unauthorized()
            await self._wrong_keys.wrong_key(request.peer)
            challenge = {"www-authenticate": 'Basic realm="SharpSpring"'}
            return Answer(UNAUTHORIZED, status=401, headers=challenge), facts | {"status": 401}
        facts |= {"company": caller.company.account_id, "key": caller.key.id}
        body = b""
        try:
            body = await request.body(self._body_limit)
            async with asyncio.timeout(PATIENCE) as patience:
                await self._limits.spend(caller.company)
                content, more = await self._call(caller, request, body, facts["request_id"], patience)
        except ApiError as error:
            return Answer(envelope.failure(error, envelope.request_id(body))), facts | {"code": error.code}
        except TimeoutError:
            error = Unavailable()
            return Answer(envelope.failure(error, envelope.request_id(body))), facts | {"code": error.code}
        return Answer(content), facts | more

    async def _unavailable(self, request: Request, error: Unavailable) -> Answer:
        """Nobody can say who calls; the answer still has the request's own `id`."""
        try:
            body = await request.body(self._body_limit)
        except ApiError:
            body = b""
        return Answer(envelope.failure(error, envelope.request_id(body)))

    async def _call(
        self, caller: Caller, request: Request, body: bytes, request_id: str, patience: asyncio.Timeout
    ) -> tuple[Any, dict[str, Any]]:
        call = envelope.parse(body)
        facts: dict[str, Any] = {}
        if call.error is not None:  # not raised: its traceback would hold the body in memory until a collection
            return envelope.failure(call.error, call.id), {"code": call.error.code}
        try:
            method = find(call.method)
            facts["method"] = method.name
            if method.patience:
                patience.reschedule((patience.when() or 0) + method.patience)
            context = Context(server=self._server, company=caller.company, utc=self._utc, key_id=caller.key.id)
            most = caller.company.objects_per_call
            keys = request.header(_ONCE) if isinstance(method.result, Writes) else []
            if keys:
                key = idempotency.key_of(keys)
                result = await until_settled(
                    lambda: idempotency.once(context, method, call.params, key=key, objects_per_call=most)
                )
            else:
                result = await until_settled(lambda: method.call(context, call.params, objects_per_call=most))
            if isinstance(result, Outcomes):
                facts |= self._count(method.name, result)
            caller_key = caller.key
            return envelope.success(
                method.result,
                result,
                call.id,
                plain_success=caller_key.plain_success,
                captured_calls=caller_key.captured_calls,
            ), facts
        except ApiError as error:
            return envelope.failure(error, call.id), facts | {"code": error.code}
        except Exception:
            log.exception("unexpected", request_id=request_id, **facts)
            error = Unexpected({"requestId": request_id})
            return envelope.failure(error, call.id), facts | {"code": error.code}

    def _count(self, method: str, outcomes: Outcomes) -> dict[str, int]:
        bad = [one["error"]["code"] for one in outcomes.results if one["error"]]
        for code in bad:
            self._metrics.refused(method, code)
        return {"objects": len(outcomes.results), "refused": len(bad)}
