"""One POST to a receiver: what it may reach, and how long it may take."""

import asyncio
import io
import os
import re
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from types import SimpleNamespace

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from springhead import __version__
from springhead.delivery.receiver_answers import Answer, kept, wait_of
from springhead.model.feed.receiver_addresses import Address, Networks, unmapped

CONNECT_SECONDS = 5.0
"""For the name, the connection and TLS together."""

TOTAL_SECONDS = 15.0
"""For the whole exchange up to the headers of the answer."""

BODY_SECONDS = 5.0
"""For the body of the answer, within the total."""

READ_BYTES = 65_536
"""What is read of an answer at most. A shorter one leaves its connection open for the next push."""

_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


class RefusedAddress(OSError):
    """An address to which nothing is sent; raised instead of connecting."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"refused: {problem}")


class Client:
    """The connections of all pushes of a process: kept, used again, and as many as there are posts at a time."""

    def __init__(self, networks: Networks, tls: ssl.SSLContext, name_server: tuple[str, int] | None) -> None:
        self._networks = networks
        self._resolver = _resolver(name_server)
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,  # each connection asks anew, and what it is told is judged at that moment
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
        """Close all connections, and end the look-ups that still run."""
        await self._session.close()
        await self._resolver.close()

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
        made = socket.socket(family, kind, protocol)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a receiver that reads nothing does not keep what it was sent
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(TOTAL_SECONDS * 1_000))
        return made


def is_own(address: Address) -> bool:
    """Whether this machine itself has an address: what listens there may be closed to everyone but itself."""
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((str(address), 0))
        except OSError:
            return False
    return True


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Read an answer's body up to the limits; a connection with more in it is not used again.

    The status has said all that matters: what goes wrong here is nothing.
    """
    raw = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(BODY_SECONDS):
            while len(raw) < READ_BYTES and (piece := await response.content.read(READ_BYTES - len(raw))):
                raw += piece
    return kept(raw)


def _resolver(name_server: tuple[str, int] | None) -> AbstractResolver:
    """The look-up of names: without threads, because names that hang must not hold any."""
    if name_server is None:
        return aiohttp.AsyncResolver()
    host, port = name_server
    return aiohttp.AsyncResolver(nameservers=[host], udp_port=port, tcp_port=port)


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
    refused = re.findall(r"refused: (\S+) is ([^,]+)", str(cause))  # one for each address of a name
    if refused:
        # Who asks by name is not told the address: the names inside of our network are nobody's business.
        told = [f"{error.host} {'is' if address == error.host else 'leads to'} {kind}" for address, kind in refused]
        return "refused: " + ", ".join(dict.fromkeys(told))
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
