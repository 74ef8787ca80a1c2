"""Writes that are done once, however often they are sent: the header Idempotency-Key."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from springhead.model.kit.errors import InvalidParameters, Json
from springhead.rpc.context import Context
from springhead.rpc.method import Method, Outcome, ReadResult, WriteResult
from springhead.store.companies import idempotency_keys as store
from springhead.store.database.background_jobs import WITHIN_A_CALL
from springhead.store.database.pool import TryAgain

HEADER = "Idempotency-Key"
ANSWER_MAX = 1_000_000
"""Bytes of outcomes that are kept."""

_KEY = re.compile(r"[ -~]{1,255}")
_answer = msgspec.json.Decoder(list[Any]).decode


def key_of(values: Sequence[str]) -> str:
    """The key that a request's headers carry; 205 when it is none, or when there are several."""
    if len(values) != 1 or not _KEY.fullmatch(values[0]):
        raise _wrong("Expected one key of 1 to 255 printable ASCII characters")
    return values[0]


async def once(
    context: Context, method: Method[Any], params: Mapping[str, Json], *, key: str
) -> ReadResult | WriteResult:
    """Run a write, or give what it was answered when it has run with this key within a day.

    The key and the answer are stored in the transaction of the write itself: after a crash there are all or none. A
    call that is refused as a whole has done nothing and leaves the key free. While the same key is under way this waits
    for it, some seconds at most. Raises what the method raises, and 205 when the key belongs to another call.
    """
    company_id, fingerprint = context.company.id, _fingerprint(context, method, params)
    jobs = _Deferred()
    try:
        async with context.tx() as tx, tx.atomic():
            if not await store.claim(tx, company_id, key, fingerprint):
                return _again(await store.find(tx, company_id, key), fingerprint)
            server = msgspec.structs.replace(context.server, jobs=jobs)
            inside = msgspec.structs.replace(context, server=server, inside=tx)
            result = await method.call(inside, params, objects_per_call=context.company.objects_per_call)
            if isinstance(result, WriteResult):
                answer = msgspec.json.encode(result.outcomes)
                if len(answer) <= ANSWER_MAX:
                    await store.store_answer(tx, company_id, key, answer.decode())
    except BaseException:
        context.server.fields.forget(company_id)  # what was remembered may never have been committed
        raise
    if jobs.seconds:
        await context.server.jobs.finish(company_id, jobs.seconds)
    return result


class _Deferred:
    """Defers the background jobs that a call starts until its transaction has committed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wake(self) -> None:
        """Nothing can run before the commit."""

    async def finish(self, company_id: int, seconds: float = WITHIN_A_CALL) -> None:  # noqa: ARG002 - as the real one
        """Notes for how long the jobs should run after the commit."""
        self.seconds = max(self.seconds, seconds)


def _fingerprint(context: Context, method: Method[Any], params: Mapping[str, Json]) -> bytes:
    """What is asked for, whatever the `id` of the request and its white space."""
    try:
        asked = msgspec.json.encode([method.name, context.utc, params])
    except RecursionError:  # an object may nest as deep as the decoder goes, and the encoder goes less deep
        raise _wrong("Nested too deep to be compared with another call") from None
    return hashlib.sha256(asked).digest()


def _again(kept: store.StoredCall | None, fingerprint: bytes) -> WriteResult:
    if kept is None:
        raise TryAgain
    if kept.fingerprint != fingerprint:
        raise _wrong("This key was used for another call within a day")
    if kept.answer is None:
        raise _wrong("The call with this key was done; its answer was too long to be kept")
    results: list[Outcome] = _answer(kept.answer)
    return WriteResult(results)


def _wrong(message: str) -> InvalidParameters:
    return InvalidParameters({"param": HEADER, "message": message})
