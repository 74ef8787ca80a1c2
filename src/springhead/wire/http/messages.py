"""HTTP messages: the checks of a request's head, bounded bodies, and responses. All HTTP of the server uses these."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import lru_cache
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from springhead.wire.http.peers import client_network

HEADERS = 100
"""The most header lines of a request (431)."""

HEADER_BYTES = 32 * 1024
"""The most bytes of all header names and values of a request (431)."""

URI_BYTES = 16 * 1024
"""The most bytes of a request target (414)."""

LONGEST_HOST = 261
"""The most bytes of a Host header: a DNS name, a colon and a port."""

CHUNK_BYTES = 65_536
"""A response is sent in chunks of this many bytes. The next chunk waits until the connection accepts it."""

SAFE_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}
"""The default headers of every response."""

# The head of a request


class RequestRefused(Exception):
    """Raised for a request that the HTTP server refuses. The client gets the status and the reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    def response(self) -> bytes:
        """Returns the response, as bytes for the connection."""
        text = f"{self.status.phrase}: {self.reason}\n".encode("ascii")
        return (
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s"
            % (self.status, self.status.phrase.encode("ascii"), len(text), text)
        )


def check_head(
    url: bytes, headers: list[tuple[bytes, bytes]], version: str, serves: Callable[[bytes], bool], maybe_large: bool
) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """Returns path, query and headers of a request. The Host header has the host of the request target, if it has one.

    `maybe_large` is False if the caller knows that the headers have fewer than HEADER_BYTES; then they are not counted.
    Raises RequestRefused if the head is too long, if the Host header is missing (HTTP/1.0 needs none) or repeated, if
    `serves` returns False for the host, if the body is compressed by a transfer coding (501), or if the target is
    neither a path nor an http URL. Clients that take the server for a proxy send an http URL.
    """
    if len(url) > URI_BYTES or len(headers) > HEADERS or (maybe_large and _size(headers) > HEADER_BYTES):
        raise head_too_large(url)
    host = None
    for name, value in headers:
        if name == b"host":
            if host is not None:
                raise RequestRefused(HTTPStatus.BAD_REQUEST, "more than one Host header")
            host = value
        elif name == b"transfer-encoding" and any(
            coding.strip(b" \t").lower() != b"chunked" for coding in value.split(b",")
        ):
            raise RequestRefused(HTTPStatus.NOT_IMPLEMENTED, "expected the transfer coding chunked alone")
    if host is None and version != "1.0":
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "a Host header is required")
    if url[:1] != b"/":
        url, host = _split_absolute(url)
        headers = [(name, host if name == b"host" else value) for name, value in headers]
    if host is not None and not (len(host) <= LONGEST_HOST and serves(host)):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "this host is not served here")
    if url.find(b"#") >= 0:
        url = url.partition(b"#")[0]
    path, _, query = url.partition(b"?")
    return path, query, headers


def head_too_large(url: bytes) -> RequestRefused:
    """Returns the refusal of a head that is too long: 414 if the target is too long, otherwise 431."""
    if len(url) > URI_BYTES:
        return RequestRefused(HTTPStatus.REQUEST_URI_TOO_LONG, "the request target is too long")
    return RequestRefused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many or too long header lines")


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _split_absolute(url: bytes) -> tuple[bytes, bytes]:
    """Returns the path with the query, and the host, of a target like `http://host/path?query` (RFC 9112, 3.2.2)."""
    scheme, mark, rest = url.partition(b"://")
    if not mark or scheme.lower() not in {b"http", b"https"}:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "this request target is not served here")
    end = min((index for index in map(rest.find, (b"/", b"?", b"#")) if index >= 0), default=len(rest))
    path = rest[end:]
    return (path if path[:1] == b"/" else b"/" + path), rest[:end]


# A request


class BodyTooLarge(Exception):
    """Raised for a request whose body is longer than the app allows."""


class BoundedBody:
    """The body of one request, of at most `limit` bytes. `read` returns the whole body, `receive` a part of it.

    Raises BodyTooLarge at once if the Content-Length is above the limit, otherwise when more bytes have arrived.
    `look` gets each part when it arrives.
    """

    __slots__ = ("_limit", "_look", "_receive", "_received")

    def __init__(self, scope: Scope, receive: Receive, limit: int, look: Callable[[bytes], None] | None = None) -> None:
        self._receive, self._limit, self._look, self._received = receive, limit, look, 0
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and (len(value) > 19 or int(value) > limit):
                raise BodyTooLarge

    async def read(self) -> bytes:
        """Returns the body. Raises ClientDisconnect if the client closes the connection before the end of the body."""
        chunks: list[bytes] = []
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks.append(self._count(message))
            more = message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def receive(self) -> Message:
        """Returns the next ASGI message, for a parser that reads the body itself."""
        message = await self._receive()
        self._count(message)
        return message

    def _count(self, message: Message) -> bytes:
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        if self._received > self._limit:
            raise BodyTooLarge
        if self._look:
            self._look(chunk)
        return chunk


class HttpRequest:
    """One HTTP request of an ASGI app. It costs a fraction of starlette's Request."""

    __slots__ = ("_receive", "_scope", "headers", "verb")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive = scope, receive
        self.verb: str = scope["method"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]

    @property
    def query(self) -> bytes:
        """The query string, not decoded."""
        return self._scope["query_string"]

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return self._scope["scheme"]

    @property
    def peer(self) -> str:
        """The IP address of the client, also if the request came through a trusted proxy."""
        client = self._scope.get("client")
        return client[0] if client else "-"

    @property
    def client(self) -> str:
        """The key under which limits by address count the client (peers.py)."""
        return client_network(self.peer)

    def header(self, name: bytes) -> list[str]:
        """Returns all values of a header. `name` is in lower case."""
        return [value.decode("latin-1") for key, value in self.headers if key == name]

    def first_header(self, name: bytes) -> bytes:
        """Returns the first value of a header, or b"". `name` is in lower case."""
        return next((value for key, value in self.headers if key == name), b"")

    @property
    def content_length(self) -> int | None:
        """The number of bytes in the body, or None if it is sent in chunks."""
        value = self.first_header(b"content-length")
        return int(value[:19]) if value.isdigit() else None

    async def body(self, limit: int, look: Callable[[bytes], None] | None = None) -> bytes:
        """Returns the whole body. Raises BodyTooLarge or ClientDisconnect (see BoundedBody)."""
        return await BoundedBody(self._scope, self._receive, limit, look).read()


# A response


@lru_cache(maxsize=16)
def _headers_of_type(content_type: str) -> tuple[tuple[bytes, bytes], ...]:
    headers = {"content-type": content_type, **SAFE_HEADERS} if content_type else SAFE_HEADERS
    return tuple(_encoded(headers))


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


class Answer:
    """An HTTP response. The body is bytes, or a generator of bytes that runs while the response is sent.

    `headers` are added to SAFE_HEADERS, and replace headers of the same name. With an empty `content_type`, the
    response has no Content-Type.
    """

    def __init__(
        self,
        body: bytes | AsyncGenerator[bytes],
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self._headers = [*_headers_of_type(content_type)]
        if headers:
            added = _encoded(headers)
            replaced = {name for name, _ in added}
            self._headers = [header for header in self._headers if header[0] not in replaced] + added

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response. Raises ClientDisconnect if the client disconnects while the body is generated."""
        headers = [*self._headers]
        if isinstance(self.body, bytes):
            headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if isinstance(self.body, bytes):
            await _send_in_chunks(self.body, send)
            return
        disconnected = asyncio.ensure_future(_disconnect(receive))
        try:
            async with aclosing(self.body) as generated:
                async for part in generated:
                    for start in range(0, len(part), CHUNK_BYTES):
                        if disconnected.done():  # `send` would discard the rest, and the generator would run on
                            raise ClientDisconnect
                        chunk = part[start : start + CHUNK_BYTES]
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            disconnected.cancel()
        await send({"type": "http.response.body", "body": b""})


async def _disconnect(receive: Receive) -> None:
    """Waits until the client closes the connection. The body of the request was read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_in_chunks(part: bytes, send: Send, *, more: bool = False) -> None:
    """Sends a part of a body. `more` says whether further parts follow."""
    for start in range(0, len(part) or 1, CHUNK_BYTES):
        end = start + CHUNK_BYTES
        await send({"type": "http.response.body", "body": part[start:end], "more_body": more or end < len(part)})


class InChunks:
    """An ASGI app that sends the bodies of another app in chunks of CHUNK_BYTES, however long its parts are.

    Each chunk waits until the connection accepts it, so a client that does not read costs one chunk.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""

        async def send_chunks(message: Message) -> None:
            if message["type"] == "http.response.body":
                await _send_in_chunks(message.get("body", b""), send, more=message.get("more_body", False))
            else:
                await send(message)

        await self._app(scope, receive, send_chunks)


class ResponseStream:
    """The transport of a request's response. Sends head and body together, and calls `finish` instead of closing.

    uvicorn writes the head and the body of a response separately, which costs a second system call, and wakes the
    client twice.
    """

    __slots__ = ("_call_soon", "_finish", "_head", "_write", "is_closing")

    def __init__(
        self, transport: asyncio.WriteTransport, loop: asyncio.AbstractEventLoop, finish: Callable[[], None]
    ) -> None:
        self._write = transport.write
        self._call_soon = loop.call_soon
        self._finish = finish
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Writes to the connection. A head waits for the next write, or for the next turn of the event loop."""
        if data.startswith(b"HTTP/1.1 "):
            self._head += data
            self._call_soon(self._flush)
            return
        self._write(self._head + data if self._head else data)
        self._head = b""

    def close(self) -> None:
        """Ends the response."""
        self._flush()
        self._finish()

    def _flush(self) -> None:
        if self._head:
            self._write(self._head)
            self._head = b""
