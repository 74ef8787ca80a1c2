"""Idempotency keys: a write with the header Idempotency-Key runs once, however often it is sent."""

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
"""How many bytes of outcomes are stored for a repeated call. Longer outcomes are not stored."""

_KEY = re.compile(r"[ -~]{1,255}")
_decode_outcomes = msgspec.json.Decoder(list[Any]).decode


def key_of(values: Sequence[str]) -> str:
    """Returns the key for the values of the header. Raises InvalidParameters (205) unless there is one valid key."""
    if len(values) != 1 or not _KEY.fullmatch(values[0]):
        raise _wrong("Expected one key of 1 to 255 printable ASCII characters")
    return values[0]


async def once(
    context: Context, method: Method[Any], params: Mapping[str, Json], *, key: str
) -> ReadResult | WriteResult:
    """Runs a write, or returns its stored outcomes if it has run with this key within a day.

    The key and the outcomes are stored in the transaction of the write, so a crash leaves all of them or none. A call
    that is refused as a whole writes nothing and does not use up the key. If a call with the same key is running, this
    waits for it for some seconds. Raises the errors of the method, and InvalidParameters (205) if the key was used for
    another call.
    """
    company_id, fingerprint = context.company.id, _fingerprint(context, method, params)
    jobs = _Deferred()
    try:
        async with context.tx() as tx, tx.atomic():
            if not await store.claim(tx, company_id, key, fingerprint):
                return _stored_result(await store.find(tx, company_id, key), fingerprint)
            server = msgspec.structs.replace(context.server, jobs=jobs)
            inside = msgspec.structs.replace(context, server=server, inside=tx)
            result = await method.call(inside, params, objects_per_call=context.company.objects_per_call)
            if isinstance(result, WriteResult):
                answer = msgspec.json.encode(result.outcomes)
                if len(answer) <= ANSWER_MAX:
                    await store.store_answer(tx, company_id, key, answer)
    except BaseException:
        context.server.fields.forget(company_id)  # the cached fields may come from this transaction, which is undone
        raise
    if jobs.seconds:
        await context.server.jobs.finish(company_id, jobs.seconds)
    return result


class _Deferred:
    """Defers the background jobs that a call starts until its transaction has committed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wake(self) -> None:
        """Does nothing, because no job can run before the commit."""

    async def finish(self, company_id: int, seconds: float = WITHIN_A_CALL) -> None:  # noqa: ARG002 - as the real one
        """Stores for how long the jobs should run after the commit."""
        self.seconds = max(self.seconds, seconds)


def _fingerprint(context: Context, method: Method[Any], params: Mapping[str, Json]) -> bytes:
    """Returns a hash of the call, which does not depend on the request's `id` and white space."""
    try:
        call = msgspec.json.encode([method.name, context.utc, params])
    except RecursionError:  # the decoder accepts deeper nesting than the encoder
        raise _wrong("The params are nested too deeply for an Idempotency-Key") from None
    return hashlib.sha256(call).digest()


def _stored_result(stored: store.StoredCall | None, fingerprint: bytes) -> WriteResult:
    if stored is None:
        raise TryAgain
    if stored.fingerprint != fingerprint:
        raise _wrong("This key was used for another call less than a day ago")
    if stored.is_lost:
        raise _wrong("The call with this key has run, but its answer cannot be decrypted any more")
    if stored.answer is None:
        raise _wrong("The call with this key has run, but its answer was too long to be stored")
    outcomes: list[Outcome] = _decode_outcomes(stored.answer)
    return WriteResult(outcomes)


def _wrong(message: str) -> InvalidParameters:
    return InvalidParameters({"param": HEADER, "message": message})
