"""Performs calls: deadline, retries, idempotency, mapping of errors, and counting.

The API, forms and email links call `perform` or `attempt`. Nothing else retries a method or catches its errors.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from springhead.model.kit.errors import ApiError, Json, NotAllowed, SecondLimit, Unavailable, Unexpected
from springhead.rpc import idempotency
from springhead.rpc.context import Context
from springhead.rpc.method import Method, ReadResult, WriteResult, Writes, find
from springhead.rpc.rights import right_of
from springhead.store.database.admission import QUEUE_SECONDS, Lane
from springhead.store.database.deadlines import CALL_SECONDS
from springhead.store.database.retry import Attempt, retry

log = structlog.get_logger()
T = TypeVar("T")


class Performed(msgspec.Struct, frozen=True):
    """A performed call: its encoded result in `answer`, or the error that refuses the call.

    `method` is "-" if the call names no method. `objects` and `refused` count the objects and the refused objects of a
    bulk write.
    """

    method: str = "-"
    answer: Any = None
    error: ApiError | None = None
    objects: int | None = None
    refused: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """The values of the call for the log."""
        facts: dict[str, Any] = {} if self.method == "-" else {"method": self.method}
        if self.objects is not None:
            facts |= {"objects": self.objects, "refused": self.refused}
        return facts | {"code": self.error.code} if self.error else facts


def call_end() -> float:
    """Returns the deadline of a call that starts now, on the event loop's clock."""
    return asyncio.get_running_loop().time() + CALL_SECONDS


async def attempt(context: Context, work: Callable[[Context], Awaitable[T]], *, end: float | None = None) -> T:
    """Runs `work` under a deadline, and retries it by the policy of store/database/retry.py.

    `work` gets the context of each attempt. It must write nothing if it fails. `end` is the deadline on the event
    loop's clock, by default CALL_SECONDS from now. Raises Unavailable when the deadline has passed.
    """

    async def once(state: Attempt) -> T:
        return await work(context if state is context.attempt else msgspec.structs.replace(context, attempt=state))

    try:
        async with asyncio.timeout_at(call_end() if end is None else end):
            return await retry(once)
    except TimeoutError as cause:
        raise Unavailable from cause


async def perform(
    context: Context,
    name: Json,
    params: Mapping[str, Json],
    *,
    idempotency_keys: Sequence[str] = (),
    end: float | None = None,
    encode: Callable[[Method[Any], ReadResult | WriteResult], Any] = lambda _method, result: result,
) -> Performed:
    """Performs the method with this name. Never raises: a fault of the server becomes 999 with the request's id.

    A call whose company has too much work of the same lane waiting is refused with 107 at once, and does nothing.
    `idempotency_keys` are the values of the header Idempotency-Key, which only matter to bulk writes. `end` is the
    deadline on the event loop's clock. A method that waits for something gets its `extra_seconds` in addition.
    `encode` makes the answer from the result. Its errors are handled like those of the method.
    """
    method: Method[Any] | None = None
    try:
        method = find(name)
        lane = Lane.LONG if method.long else context.lane
        context = msgspec.structs.replace(context, lane=lane, source=context.source or method.name)
        _refuse_without_right(context, method)
        _refuse_if_overloaded(context)
        run = _work(method, params, idempotency_keys)
        end = (call_end() if end is None else end) + method.extra_seconds
        result = await attempt(context, run, end=end)
        answer = encode(method, result)
    except ApiError as error:
        if isinstance(error, Unavailable):
            log.warning("gave up", request_id=context.request_id, cause=_causes(error), data=error.data)
        return Performed(method.name if method else "-", error=error)
    except Exception:
        log.exception("unexpected", request_id=context.request_id, **({"method": method.name} if method else {}))
        error = Unexpected({"requestId": context.request_id})
        return Performed(method.name if method else "-", error=error)
    if not isinstance(result, WriteResult):
        return Performed(method.name, answer)
    codes = [outcome["error"]["code"] for outcome in result.outcomes if outcome["error"]]
    context.server.refusals.update((method.name, code) for code in codes)
    return Performed(method.name, answer, objects=len(result.outcomes), refused=len(codes))


def _causes(error: BaseException | None) -> str:
    """Returns the names of an error and of its causes, such as "Locked from LockNotAvailableError"."""
    names: list[str] = []
    while error is not None:
        names.append(type(error).__name__)
        error = error.__cause__
    return " from ".join(names)


def _refuse_if_overloaded(context: Context) -> None:
    """Raises SecondLimit if the call would wait too long for the earlier calls of its own company."""
    wait = context.server.database.admission.wait(context.company.id, context.lane, time.monotonic())
    if wait > QUEUE_SECONDS:
        raise SecondLimit({"retryAfter": math.ceil(wait)})


def _refuse_without_right(context: Context, method: Method[Any]) -> None:
    """Raises NotAllowed if a user makes the call whose role lacks the right that the method needs."""
    right = right_of(method) if context.user else None
    if context.user and right and not context.user.may(right):
        raise NotAllowed({"method": method.name, "right": right})


def _work(
    method: Method[Any], params: Mapping[str, Json], idempotency_keys: Sequence[str]
) -> Callable[[Context], Awaitable[ReadResult | WriteResult]]:
    """Returns the function that runs the method in an attempt, at most once for an idempotency key."""
    if idempotency_keys and isinstance(method.result, Writes):
        key = idempotency.key_of(idempotency_keys)
        return lambda context: idempotency.once(context, method, params, key=key)
    return lambda context: method.call(context, params, objects_per_call=context.company.objects_per_call)
