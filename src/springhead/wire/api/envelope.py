"""The envelope: method, params and id of a call, and its result or error (docs/wire/envelope.md)."""

import gc
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from springhead.model.kit.errors import ApiError, InvalidFormat, Json, MissingMethod, MissingParams, MissingRequestId
from springhead.rpc.method import ReadResult, Reads, WriteResult, Writes
from springhead.wire.http.messages import BodyTooLarge, HttpRequest

DEPTH_MAX = 32
_encode = msgspec.json.Encoder().encode
# Numbers with a point stay text: no digit is lost, and 1e999 is no error.
_decode = msgspec.json.Decoder(float_hook=str).decode
_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_OBJECTS = frozenset((dict,))
_CONTAINERS = frozenset((dict, list))
_ESCAPED_COLON = re.compile(rb"(?<!\\)(?:\\\\)*\\u003[aA]")
_POINTED = re.compile(r"-?\d+[.eE][\d.eE+-]*")
_NAMED_UP_TO = 1_000_000
"""Largest body, in bytes, whose repeated key is named in the error. The search for the key is slow."""


class Envelope(msgspec.Struct, frozen=True):
    """The envelope of a call. `id` is the JSON text for the answer, `error` says what is wrong with the envelope."""

    id: bytes = b"null"
    method: Json = None
    params: Mapping[str, Json] = {}
    error: ApiError | None = None


async def read_body(request: HttpRequest, limit: int) -> bytes:
    """The body of a request. Raises InvalidFormat for a GET, a compressed body, and a body of more than `limit` bytes.

    Raises ClientDisconnect if the client closes the connection before the end of the body.
    """
    if request.verb == "GET":
        raise _malformed("Send the call as the body of a POST request")
    if any(value.lower() not in {"", "identity"} for value in request.header(b"content-encoding")):
        raise _malformed("Send the body uncompressed")
    try:
        return await request.body(limit)
    except BodyTooLarge:
        pass  # not raised from here: its traceback would hold the body in memory
    raise _malformed(f"Expected at most {limit} bytes")


def parse(body: bytes) -> Envelope:
    """Reads a body. Never raises: the answer needs the `id` even if the rest is wrong."""
    gc.disable()  # a body of a million small lists takes 2 s with it, and 0.4 s without
    try:
        return _parse(body)
    finally:
        gc.enable()


def _parse(body: bytes) -> Envelope:
    try:
        members = _decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        return Envelope(error=_malformed(_reason(error)))
    if not isinstance(members, dict):
        return Envelope(error=_malformed("Expected an object"))
    envelope = cast("dict[str, Json]", members)
    if problem := _hidden_problem(body, envelope):
        return Envelope(error=_malformed(problem))
    identity = envelope.get("id")
    if identity is None or isinstance(identity, (list, dict)):
        return Envelope(error=MissingRequestId())
    echo = _echo(identity, body)
    method, params = envelope.get("method"), envelope.get("params")
    if method is None or method == "":
        return Envelope(id=echo, error=MissingMethod())
    if isinstance(params, list):
        params = cast("dict[str, Json]", {})  # PHP encodes an empty object as []
    error = None if isinstance(params, dict) else MissingParams()
    return Envelope(id=echo, method=method, params=params if isinstance(params, dict) else {}, error=error)


def _echo(identity: Json, body: bytes) -> bytes:
    """The `id` as the body has it. An ordinary id is encoded again; any other one is read from the body."""
    written = _encode(identity)
    # A number with a point is text here, and 0 may have been -0.
    plain = not _POINTED.fullmatch(identity) if isinstance(identity, str) else identity != 0
    if plain and (b'"id":' + written in body or b'"id": ' + written in body):
        return written
    return bytes(_raw(body)["id"])


def request_id(body: bytes) -> bytes:
    """The `id` of a request whose envelope is not parsed, as JSON text."""
    try:
        raw = bytes(_raw(body).get("id", b"null"))
        identity = _decode(raw)  # msgspec has not checked the text in Raw, which may not be UTF-8
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return b"null"
    return b"null" if isinstance(identity, (list, dict)) else raw


def _malformed(message: str) -> InvalidFormat:
    return InvalidFormat({"params": [{"param": "body", "message": message}]})


def _reason(error: Exception) -> str:
    """The message for a body that is no JSON. It has no part of the body."""
    if isinstance(error, RecursionError):
        return f"Nested deeper than {DEPTH_MAX} levels"
    if isinstance(error, msgspec.ValidationError):
        return "A whole number has too many digits"
    return str(error) if isinstance(error, msgspec.MsgspecError) else "Not UTF-8"


def _hidden_problem(body: bytes, envelope: Mapping[str, Json]) -> str | None:
    """The problem that the JSON decoder does not report: too many levels, or a repeated key."""
    if _too_deep(_without_objects(envelope)):
        return f"Nested deeper than {DEPTH_MAX} levels"
    # Each key has one colon. If there are as many colons as distinct keys, no key is repeated.
    colons = body.count(b":")
    if colons == _keys(envelope):
        return None
    # Otherwise the values are encoded again: a repeated key is gone, and its colon with it.
    if b"\\u003a" in body or b"\\u003A" in body:
        colons += len(_ESCAPED_COLON.findall(body))
    try:
        if colons == _encode(envelope).count(b":"):
            return None
    except RecursionError:  # the decoder accepts more levels than the encoder
        return f"Nested deeper than {DEPTH_MAX} levels"
    name = _repeated_key(body) if len(body) <= _NAMED_UP_TO else None
    return f"The key {name[:100]!r} appears twice in one object" if name else "A key appears twice in one object"


def _objects(envelope: Mapping[str, Any]) -> list[Any]:
    params = envelope.get("params")
    objects: Any = cast("dict[str, Any]", params).get("objects") if isinstance(params, dict) else None
    return cast("list[Any]", objects) if isinstance(objects, list) else []


def _keys(envelope: Mapping[str, Any]) -> int:
    """The number of keys in the envelope, its params and its objects, without keys on deeper levels."""
    params = envelope.get("params")
    inner = len(cast("dict[str, Any]", params)) if isinstance(params, dict) else 0
    return (
        len(envelope)
        + inner
        + sum(len(cast("dict[str, Any]", item)) for item in _objects(envelope) if type(item) is dict)
    )


def _without_objects(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """The envelope without its objects: rpc/objects.py refuses nested objects one by one."""
    if not _objects(envelope):
        return envelope
    return {**envelope, "params": {**envelope["params"], "objects": []}}


def _too_deep(value: Json) -> bool:
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) in _OBJECTS else outer)
            if type(inner) in _CONTAINERS  # three times as fast as isinstance
        ]
        if not level:
            return False
    return True


class _RepeatedKey(Exception):
    pass


def _repeated_key(body: bytes) -> str | None:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            seen: set[str] = set()
            raise _RepeatedKey(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
        return members

    try:
        json.loads(body, object_pairs_hook=distinct, parse_float=str, parse_int=str)
    except _RepeatedKey as repeated:
        return str(repeated)
    except RecursionError:
        return None
    return None


def failure(error: ApiError, identity: bytes) -> bytes:
    """An answer that refuses the whole call (docs/wire/envelope.md#responses)."""
    return b'{"result":null,"error":' + _encode(error.body()) + b',"id":' + identity + b"}"


def success(
    shape: Reads | Writes,
    result: ReadResult | WriteResult,
    identity: bytes,
    *,
    plain_success: bool,
    captured_calls: bool = False,
) -> bytes | AsyncGenerator[bytes]:
    """An answer: bytes, or chunks of a result that is read while it is sent.

    A read has `error: null`; a write has the list of its refused objects' errors, `[]` when all went
    through, or null then for a key that is set so (docs/wire/envelope.md#successful-writes).
    A generated read has `[]` too.
    """
    if isinstance(result, WriteResult):
        return _written(shape, result, identity, plain_success=plain_success, captured_calls=captured_calls)
    head = b'{"result":{"' + shape.key.encode() + b'":'
    if isinstance(shape, Reads) and shape.generated_key:
        more = b'"hasMore":' + _encode(result.more)
        rows = _encode(result.page)
        return b"{" + more + b"," + head[1:] + rows + b"," + more + b'},"error":[],"id":' + identity + b"}"
    if result.groups is not None:
        return b'{"result":' + _encode(result.groups) + b',"error":null,"id":' + identity + b"}"
    beside = b"," + _encode(result.extra)[1:-1] if result.extra else b""
    tail = beside + b'},"error":null,"id":' + identity + b"}"
    if result.pages is None:
        return head + _encode(result.page) + tail
    return _chunks(head, result.pages, tail)


def _written(
    shape: Reads | Writes, outcomes: WriteResult, identity: bytes, *, plain_success: bool, captured_calls: bool
) -> bytes:
    errors: list[object] | None = [outcome["error"] for outcome in outcomes.outcomes if outcome["error"]]
    if isinstance(shape, Writes) and shape.only_success and not (captured_calls and shape.captured):
        done, errors = {"success": not errors}, errors or None
    else:
        done, errors = {shape.key: outcomes.outcomes}, None if plain_success and not errors else errors
    return b'{"result":' + _encode(done) + b',"error":' + _encode(errors) + b',"id":' + identity + b"}"


async def _chunks(
    head: bytes, pages: AsyncIterator[Sequence[Mapping[str, Json]]], tail: bytes
) -> AsyncGenerator[bytes]:
    opening = head + b"["
    async for page in pages:
        yield opening + _encode(page)[1:-1]
        opening = b","
    yield b"]" + tail
