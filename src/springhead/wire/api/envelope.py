"""The envelope: method, params and id of a call, and its result or error (docs/wire/envelope.md)."""

import gc
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from springhead.model.kit.errors import ApiError, InvalidFormat, Json, MissingMethod, MissingParams, MissingRequestId
from springhead.rpc.method import ReadResult, Reads, WriteResult, Writes
from springhead.wire.http.messages import BodyTooLarge, HttpRequest

DEPTH_MAX = 32
"""The most levels of nesting in a body."""

ID_BYTES = 1_048_576
"""The longest body in bytes that is read only for its `id`, if the call is refused before the body is read."""

_encode = msgspec.json.Encoder().encode
# Numbers with a point are decoded as text, so that no digit is lost and 1e999 is no error.
_decode = msgspec.json.Decoder(float_hook=str).decode
_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_OBJECTS = frozenset((dict,))
_CONTAINERS = frozenset((dict, list))
_ESCAPED_COLON = re.compile(rb"(?<!\\)(?:\\\\)*\\u003[aA]")
_POINTED = re.compile(r"-?\d+[.eE][\d.eE+-]*")
_END_BYTES = 512
"""The bytes at each end of a long body in which its `id` is searched."""

_MEMBER = rb'"[^"\\]*"[ \t\r\n]*:[ \t\r\n]*(?:"(?:[^"\\]|\\.)*"|[\w.+-]+)[ \t\r\n]*'
_FIRST_MEMBERS = re.compile(rb"\A[ \t\r\n]*\{((?:[ \t\r\n]*" + _MEMBER + rb",)*)")
_LAST_MEMBERS = re.compile(rb"((?:,[ \t\r\n]*" + _MEMBER + rb")*)\}[ \t\r\n]*\Z")
_NAMED_UP_TO = 1_000_000
"""The most bytes of a body for which the error names a repeated key, because the search for the key is slow."""


class Envelope(msgspec.Struct, frozen=True):
    """The envelope of a call. `id` is JSON text for the answer. `error` is set if the envelope is invalid."""

    id: bytes = b"null"
    method: Json = None
    params: Mapping[str, Json] = {}
    error: ApiError | None = None


def check_request(request: HttpRequest, limit: int) -> None:
    """Raises InvalidFormat for a GET, a compressed body, and an announced body of more than `limit` bytes.

    A HEAD is a GET.
    """
    if request.verb != "POST":
        raise _malformed("Send the call as the body of a POST request")
    if any(value.lower() not in {"", "identity"} for value in request.header(b"content-encoding")):
        raise _malformed("Send the body uncompressed")
    if (request.content_length or 0) > limit:
        raise _too_long(limit)


async def read_body(request: HttpRequest, limit: int, look: Callable[[bytes], None] | None = None) -> bytes:
    """Returns the body of a request; `look` gets each part when it arrives.

    Raises InvalidFormat if the body has more than `limit` bytes. Raises ClientDisconnect if the client closes the
    connection before the end of the body.
    """
    try:
        return await request.body(limit, look)
    except BodyTooLarge:
        pass  # an error raised here would keep the body in memory with its traceback
    raise _too_long(limit)


async def read_id(request: HttpRequest) -> bytes:
    """Returns the `id` of a refused request as JSON text. It is null if the body is longer than ID_BYTES."""
    try:
        check_request(request, ID_BYTES)
        return request_id(await read_body(request, ID_BYTES))
    except InvalidFormat:
        return b"null"


def parse(body: bytes) -> Envelope:
    """Reads the envelope of a body. Never raises, because the answer needs the `id` even if the rest is invalid."""
    gc.disable()  # with the garbage collector, a body of a million small lists takes 2 s instead of 0.4 s
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
    """Returns the `id` exactly as the body has it. Encodes an ordinary id again, which is faster than a search."""
    encoded = _encode(identity)
    # A number with a point was decoded as text, and a 0 may have been -0.
    plain = not _POINTED.fullmatch(identity) if isinstance(identity, str) else identity != 0
    if plain and (b'"id":' + encoded in body or b'"id": ' + encoded in body):
        return encoded
    return bytes(_raw(body)["id"])


def request_id(body: bytes) -> bytes:
    """Returns the `id` of a body whose envelope is not parsed, as JSON text.

    A body of more than ID_BYTES is not searched: the `id` is null unless it is before or after the long values.
    """
    if len(body) > ID_BYTES:
        body = b"{%s}" % b",".join(_outer_members(body))
    try:
        raw = bytes(_raw(body).get("id", b"null"))
        identity = _decode(raw)  # checks the text: a Raw may contain invalid UTF-8
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return b"null"
    return b"null" if isinstance(identity, (list, dict)) else raw


def _outer_members(body: bytes) -> list[bytes]:
    """Returns the members of an object before its first value, and after its last value, that is a list or object."""
    members: list[bytes] = []
    for pattern, end in ((_FIRST_MEMBERS, body[:_END_BYTES]), (_LAST_MEMBERS, body[-_END_BYTES:])):
        if (found := pattern.search(end)) and found[1]:
            members.append(found[1].strip(b", \t\r\n"))
    return members


def _malformed(message: str) -> InvalidFormat:
    return InvalidFormat({"params": [{"param": "body", "message": message}]})


def _too_long(limit: int) -> InvalidFormat:
    return _malformed(f"Expected at most {limit} bytes")


def _reason(error: Exception) -> str:
    """Returns the message for a body that is not valid JSON. It contains no part of the body."""
    if isinstance(error, RecursionError):
        return f"Nested deeper than {DEPTH_MAX} levels"
    if isinstance(error, msgspec.ValidationError):
        return "A whole number has too many digits"
    return str(error) if isinstance(error, msgspec.MsgspecError) else "Not UTF-8"


def _hidden_problem(body: bytes, envelope: Mapping[str, Json]) -> str | None:
    """Returns a problem that the JSON decoder does not report: too many levels, or a repeated key."""
    if _too_deep(_without_objects(envelope)):
        return f"Nested deeper than {DEPTH_MAX} levels"
    # Each key has a colon. If there are as many colons as distinct keys, no key is repeated.
    colons = body.count(b":")
    if colons == _keys(envelope):
        return None
    # Otherwise encode the values again: the result lacks repeated keys and their colons.
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
    """Returns the number of keys in the envelope, its params and its objects, without keys on deeper levels."""
    params = envelope.get("params")
    param_count = len(cast("dict[str, Any]", params)) if isinstance(params, dict) else 0
    return (
        len(envelope)
        + param_count
        + sum(len(cast("dict[str, Any]", item)) for item in _objects(envelope) if type(item) is dict)
    )


def _without_objects(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the envelope without its objects, because rpc/objects.py refuses nested objects one by one."""
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
    """Returns an answer that refuses the whole call (docs/wire/envelope.md#responses)."""
    return b'{"result":null,"error":' + _encode(error.body()) + b',"id":' + identity + b"}"


def success(
    shape: Reads | Writes,
    result: ReadResult | WriteResult,
    identity: bytes,
    *,
    plain_success: bool,
    captured_calls: bool = False,
) -> bytes | AsyncGenerator[bytes]:
    """Returns an answer: bytes, or chunks of a result that is read while it is sent.

    The `error` of a read is null, or `[]` for a generated read. The `error` of a write is the list of the refused
    objects' errors. If no object was refused, it is `[]`, or null for keys with `plain_success`
    (docs/wire/envelope.md#successful-writes).
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
    extra = b"," + _encode(result.extra)[1:-1] if result.extra else b""
    tail = extra + b'},"error":null,"id":' + identity + b"}"
    if result.pages is None:
        return head + _encode(result.page) + tail
    return _chunks(head, result.pages, tail)


def _written(
    shape: Reads | Writes, result: WriteResult, identity: bytes, *, plain_success: bool, captured_calls: bool
) -> bytes:
    errors: list[object] | None = [outcome["error"] for outcome in result.outcomes if outcome["error"]]
    if isinstance(shape, Writes) and shape.only_success and not (captured_calls and shape.captured):
        content, errors = {"success": not errors}, errors or None
    else:
        content, errors = {shape.key: result.outcomes}, None if plain_success and not errors else errors
    return b'{"result":' + _encode(content) + b',"error":' + _encode(errors) + b',"id":' + identity + b"}"


async def _chunks(
    head: bytes, pages: AsyncIterator[Sequence[Mapping[str, Json]]], tail: bytes
) -> AsyncGenerator[bytes]:
    opening = head + b"["
    async for page in pages:
        yield opening + _encode(page)[1:-1]
        opening = b","
    yield b"]" + tail
