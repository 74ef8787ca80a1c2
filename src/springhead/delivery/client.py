"""The HTTP client of pushes: checks the address of each connection, and limits the time and the size of answers."""

import asyncio
import io
import os
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from types import SimpleNamespace

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from yarl import URL

from springhead import __version__
from springhead.delivery.receiver_answers import ReceiverAnswer, stored_text, wait_of
from springhead.model.feed.receiver_addresses import Address, Networks, unmapped

CONNECT_SECONDS = 5.0
"""Seconds for name resolution, connection and TLS handshake together."""

TOTAL_SECONDS = 15.0
"""Seconds for the whole request and its answer."""

BODY_SECONDS = 5.0
"""Seconds for the body of the answer, within the total."""

READ_BYTES = 65_536
"""The most bytes that are read of an answer. After a shorter answer the connection can be used again."""

_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


BeforeBody = Callable[[], Awaitable[None]]
"""Called on the open connection, right before the first byte of the body. If it raises, no byte is sent."""


class RefusedAddress(OSError):
    """Raised instead of connecting to an address to which nothing may be sent."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"refused: {problem}")


class Client:
    """The pool of connections for all pushes of a process. The worker's capacity limits their number."""

    def __init__(self, networks: Networks, tls: ssl.SSLContext, name_server: tuple[str, int] | None) -> None:
        self._networks = networks
        self._resolver = _resolver(name_server)
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,  # each connection resolves the name anew, and checks the addresses it gets
                socket_factory=self._socket,
                ssl=tls,
                limit=0,
            ),
            headers={**_HEADERS, "User-Agent": f"Springhead/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
            trace_configs=[trace],
        )

    async def close(self) -> None:
        """Closes all connections, and cancels running look-ups of names."""
        await self._session.close()
        await self._resolver.close()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], before_body: BeforeBody | None = None
    ) -> ReceiverAnswer:
        """Posts a push to a canonical URL (model/feed/receiver_addresses.py). A failure is a ReceiverAnswer, too.

        Raises only what `before_body` raises.
        """
        started = time.perf_counter()
        try:
            answer = await self._post(url, body, headers, before_body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as cause:
            answer = ReceiverAnswer(error=_failure_text(cause), duration=0)
        return msgspec.structs.replace(answer, duration=time.perf_counter() - started)

    async def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], before_body: BeforeBody | None
    ) -> ReceiverAnswer:
        trace = SimpleNamespace(reused=False)
        try:
            return await self._post_once(url, _Body(body, before_body), headers, trace)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # A receiver may close an idle connection just when it is used again: try once more on a new connection.
            if not trace.reused:
                raise
        return await self._post_once(url, _Body(body, before_body), headers, trace)

    async def _post_once(
        self, url: str, body: "_Body", headers: Mapping[str, str], trace: SimpleNamespace
    ) -> ReceiverAnswer:
        try:
            async with self._session.post(
                URL(url, encoded=True),  # exactly the URL that was checked
                data=body,
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=trace,
            ) as response:
                text = await _read_body(response)
                return ReceiverAnswer(
                    status=response.status,
                    duration=0,
                    body=text,
                    retry_after=wait_of(response.headers.get("Retry-After")),
                )
        except aiohttp.ClientError as cause:
            raise (body.refusal or cause) from None

    def _socket(self, address_info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Returns a socket for an address. Raises RefusedAddress if nothing may be sent there.

        Every connection comes here, whether its address was resolved from a name or stood in the URL.
        """
        family, kind, protocol, _, target = address_info
        address = unmapped(ip_address(str(target[0]).partition("%")[0]))
        problem = self._networks.problem_of(address)
        if not problem and not self._networks.has(address) and is_own(address):
            problem = f"{address} is this server's own address"
        if problem:
            raise RefusedAddress(problem)
        opened = socket.socket(family, kind, protocol)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: drops the send buffer of a receiver that does not read
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(TOTAL_SECONDS * 1_000))
        return opened


class _Body(aiohttp.BytesIOPayload):
    """The body of a push, sent in pieces: a large one does not block the event loop."""

    def __init__(self, body: bytes, before_body: BeforeBody | None) -> None:
        super().__init__(io.BytesIO(body))
        self._before_body = before_body
        self.refusal: Exception | None = None
        """What `before_body` raised."""

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Sends the body, unless `before_body` raises. The client then closes the connection."""
        try:
            if self._before_body:
                await self._before_body()
        except Exception as cause:
            self.refusal = cause
            raise
        await super().write_with_length(writer, content_length)


def is_own(address: Address) -> bool:
    """Returns whether the address is this machine's own: services that listen there may be meant for it alone."""
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


async def _read_body(response: aiohttp.ClientResponse) -> str:
    """Reads the body of an answer up to the limits. A connection with unread bytes is not used again.

    Ignores errors, because the status alone decides about the push.
    """
    raw = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(BODY_SECONDS):
            while len(raw) < READ_BYTES and (piece := await response.content.read(READ_BYTES - len(raw))):
                raw += piece
    return stored_text(raw)


def _resolver(name_server: tuple[str, int] | None) -> AbstractResolver:
    """Returns a resolver of names that uses no threads: slow names would occupy all of them."""
    if name_server is None:
        return aiohttp.AsyncResolver()
    host, port = name_server
    return aiohttp.AsyncResolver(nameservers=[host], udp_port=port, tcp_port=port)


async def _reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
    context.trace_request_ctx.reused = True


def _failure_text(cause: Exception) -> str:
    """Returns why there was no answer, as text for the people who run the receiver."""
    if isinstance(cause, aiohttp.ClientConnectorError):
        text = _connect_failure_text(cause)
    elif isinstance(cause, aiohttp.ConnectionTimeoutError):
        text = f"no connection within {CONNECT_SECONDS:g} seconds"
    elif isinstance(cause, TimeoutError) and not cause.errno:
        text = f"no answer within {TOTAL_SECONDS:g} seconds"
    elif isinstance(cause, aiohttp.ServerDisconnectedError):
        text = "the connection was closed without an answer"
    elif isinstance(cause, aiohttp.ClientResponseError):
        text = f"the answer is not valid HTTP: {cause.message}"
    elif isinstance(cause, OSError):
        text = f"the connection broke: {_system_text(cause)}"
    else:
        text = f"the request failed: {cause or type(cause).__name__}"
    return stored_text(text.encode("utf-8", "replace"))


def _connect_failure_text(error: aiohttp.ClientConnectorError) -> str:
    """Returns why there is no connection: the name, a refused address, TLS, or the network."""
    cause: Exception = error.os_error
    refusals = re.findall(r"refused: (\S+) is ([^,]+)", str(cause))  # a match for each address of a name
    if refusals:
        # The text does not show which address a name has: a caller could explore the operator's network with it.
        texts = [f"{error.host} {'is' if address == error.host else 'leads to'} {kind}" for address, kind in refusals]
        return "refused: " + ", ".join(dict.fromkeys(texts))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} does not resolve: {_system_text(cause)}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"no TLS: {cause.reason or cause}"
    return f"no connection: {_system_text(cause)}"


def _system_text(cause: Exception) -> str:
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    return getattr(cause, "strerror", None) or str(cause)
