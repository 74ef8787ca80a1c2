"""One POST to a receiver: what it may reach, how long it may take, and what is kept of the answer."""

import asyncio
import io
import os
import re
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from ipaddress import ip_address
from types import SimpleNamespace, TracebackType
from typing import Self

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from springhead.model.addresses import Address, Networks, unmapped

CONNECT_SECONDS = 5.0
"""For the name, the connection and TLS together."""

TOTAL_SECONDS = 15.0
"""For the whole exchange up to the headers of the answer."""

BODY_SECONDS = 5.0
"""For the body of the answer, within the total."""

READ_BYTES = 65_536
"""What is read of an answer at most. A shorter one leaves its connection open for the next push."""

KEPT_BYTES = 2_048
"""What is kept of an answer at most, in UTF-8."""

LONGEST_WAIT = 86_400.0
"""The longest Retry-After that is heeded, in seconds."""

_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": f"Springhead/{version('springhead')}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: the status of an answer, or in `error` a few words on why there was none.

    `duration` and `retry_after` are seconds. `body` is the beginning of the answer as text that PostgreSQL takes.
    """

    status: int | None = None
    error: str | None = None
    duration: float
    body: str = ""
    retry_after: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver has the push: any status of 2xx."""
        return self.status is not None and 200 <= self.status <= 299


class RefusedAddress(OSError):
    """An address to which nothing is sent; raised instead of connecting."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"refused: {problem}")


class Sender:
    """The client of all pushes of a process: `async with Sender(networks) as sender`.

    Connections are kept and used again. There is no limit on them here: who calls `post` decides how many run.
    """

    def __init__(self, networks: Networks, *, resolver: AbstractResolver | None = None) -> None:
        self._networks = networks
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver or aiohttp.AsyncResolver(),  # no threads: names that hang must not hold any
            use_dns_cache=False,  # each connection asks anew, and what it is told is judged at that moment
            socket_factory=self._socket,
            ssl=ssl.create_default_context(),
            limit=0,
        )
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=TOTAL_SECONDS, connect=CONNECT_SECONDS),
            trace_configs=[trace],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None  # noqa: S101 - entered before
        await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a push to a URL as `model.addresses.canonical` gave it; whatever the receiver does is an Answer."""
        started = time.perf_counter()
        try:
            answer = await self._post(url, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as cause:
            answer = Answer(error=_words(cause), duration=0)
        return msgspec.structs.replace(answer, duration=time.perf_counter() - started)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        trace = SimpleNamespace(reused=False)
        try:
            return await self._once(url, body, headers, trace)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # A connection that was kept may be closed by the receiver in the moment in which we use it again.
            if not trace.reused:
                raise
        return await self._once(url, body, headers, trace)

    async def _once(self, url: str, body: bytes, headers: Mapping[str, str], trace: SimpleNamespace) -> Answer:
        assert self._session is not None  # noqa: S101 - entered before
        async with self._session.post(
            URL(url, encoded=True),  # sent as it was judged, to the letter
            data=io.BytesIO(body),  # in pieces: a large body does not hold the loop
            headers=headers,
            allow_redirects=False,
            trace_request_ctx=trace,
        ) as response:
            text = await _beginning(response)
            return Answer(
                status=response.status,
                duration=0,
                body=text,
                retry_after=wait_of(response.headers.get("Retry-After")),
            )

    def _socket(self, found: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """The socket for an address that a name led to, or that stood in the URL: the last gate, passed by all."""
        family, kind, protocol, _, target = found
        address = unmapped(ip_address(str(target[0]).partition("%")[0]))
        problem = self._networks.problem_of(address)
        if not problem and not self._networks.has(address) and is_own(address):
            problem = f"{address} is this server's own address"
        if problem:
            raise RefusedAddress(problem)
        return socket.socket(family, kind, protocol)


def is_own(address: Address) -> bool:
    """Whether this machine itself has an address: what listens there may be closed to everyone but itself."""
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((str(address), 0))
        except OSError:
            return False
    return True


def wait_of(header: str | None) -> float | None:
    """The seconds of a Retry-After in either of its forms, within a day; None when there is none that can be read."""
    if header is None:
        return None
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,10}", header):
        return min(float(header), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(header)
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def kept(raw: bytes | bytearray) -> str:
    """The beginning of an answer as text: wrong UTF-8 replaced, and without the NUL that PostgreSQL does not take."""
    text = raw[:KEPT_BYTES].decode("utf-8", "replace").replace("\0", "")
    return text.encode()[:KEPT_BYTES].decode("utf-8", "ignore")


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Read an answer's body up to the limits. The status has said all that matters: what goes wrong here is nothing."""
    raw = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(BODY_SECONDS):
            while len(raw) < READ_BYTES and (piece := await response.content.read(READ_BYTES - len(raw))):
                raw += piece
            if response.content.at_eof():
                return kept(raw)
    response.close()  # what is left of it is not waited for
    return kept(raw)


async def _reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
    context.trace_request_ctx.reused = True


def _words(cause: Exception) -> str:
    """Why there was no answer, in a few words for the person who looks after the receiver."""
    if isinstance(cause, aiohttp.ClientConnectorError):
        words = _unconnected(cause)
    elif isinstance(cause, aiohttp.ConnectionTimeoutError):
        words = f"no connection within {CONNECT_SECONDS:g} seconds"
    elif isinstance(cause, TimeoutError) and not cause.errno:
        words = f"no answer within {TOTAL_SECONDS:g} seconds"
    elif isinstance(cause, aiohttp.ServerDisconnectedError):
        words = "the connection was closed without an answer"
    elif isinstance(cause, aiohttp.ClientResponseError):
        words = f"the answer is no HTTP: {cause.message}"
    elif isinstance(cause, OSError):
        words = f"the connection broke: {_told(cause)}"
    else:
        words = f"the exchange failed: {cause or type(cause).__name__}"
    return kept(words.encode("utf-8", "replace"))


def _unconnected(error: aiohttp.ClientConnectorError) -> str:
    """Why there is not even a connection: the name, our refusal, TLS, or the network."""
    cause: Exception = error.os_error
    refused = re.findall(r"refused: ([^,]+)", str(cause))  # one for each address of a name
    if refused:
        return "refused: " + ", ".join(dict.fromkeys(refused))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} leads nowhere: {_told(cause)}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"no TLS: {cause.reason or cause}"
    return f"no connection: {_told(cause)}"


def _told(cause: Exception) -> str:
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    return getattr(cause, "strerror", None) or str(cause)
