"""The register of open connections: their limit, their deadlines, and their counters for /metrics."""

import asyncio
import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from typing import Protocol

from springhead.wire.http.peers import TrustedPeers, client_network

SWEEP_SECONDS = 0.25
"""Seconds between two checks of all deadlines. A missed deadline is noticed at most so much later."""

ADDRESS_SHARE, ADDRESS_LEAST = 4, 100
"""An address may have a quarter of all connections, or 100 if that is more. An IPv6 address counts as its /64."""

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d{0,5})?")


class RegisteredConnection(Protocol):
    """The parts of a connection that the register uses. Deadlines are times of the event loop."""

    transport: asyncio.Transport
    deadline: float
    write_deadline: float
    counted_as: str | None  # the address or network whose limit counts the connection

    def late(self, now: float) -> None:
        """Handles a missed deadline. `now` is the time of the event loop."""
        ...


class Connections:
    """All open connections of one server, at most `cap`, and the counters for /metrics.

    Apps find it in `scope["state"]["connections"]`.
    """

    def __init__(self, cap: int, allowed_hosts: tuple[str, ...] = (), trusted: TrustedPeers | None = None) -> None:
        self.cap = cap
        self.address_cap = max(ADDRESS_LEAST, cap // ADDRESS_SHARE)
        self._trusted = trusted or TrustedPeers(())
        self._by_address: dict[str, dict[RegisteredConnection, None]] = {}
        self.open: set[RegisteredConnection] = set()
        self.idle: dict[RegisteredConnection, None] = {}
        """The connections without a request, longest idle first."""
        self.accepted = 0
        self.evicted = 0
        """The number of idle connections that were closed to make room for new connections."""
        self.refused = 0
        """The number of new connections that were closed, because the server was full and no connection was idle."""
        self.bad_requests = 0
        """The number of requests that were refused as malformed or too large (400, 414, 431)."""
        self.deadlines: dict[str, int] = {"header": 0, "idle": 0, "body": 0, "write": 0, "linger": 0}
        """The number of connections that were closed after a missed deadline, by deadline."""
        self._hosts: frozenset[bytes | None] = frozenset(_host_name(host.encode("idna")) for host in allowed_hosts)
        self.serves_host = lru_cache(maxsize=1024)(self._serves_host)

    def admit(self, connection: RegisteredConnection, address: str | None) -> bool:
        """Registers a new connection from an address. Returns False if it must be closed, because the server is full.

        A full server first closes the connection that is idle for longest. An address with `address_cap` connections
        first loses one of its own idle connections. Trusted proxies have no such cap, as many clients share them.
        """
        self.accepted += 1
        counted_as = None if address is None or address in self._trusted else client_network(address)
        own = self._by_address.get(counted_as, {}) if counted_as else {}
        own_is_full = len(own) >= self.address_cap and not self._evict(other for other in own if other in self.idle)
        if own_is_full or (len(self.open) >= self.cap and not self._evict(self.idle)):
            self.refused += 1
            return False
        connection.counted_as = counted_as
        if counted_as:
            self._by_address.setdefault(counted_as, {})[connection] = None
        self.open.add(connection)
        self.idle[connection] = None
        return True

    def drop(self, connection: RegisteredConnection) -> None:
        """Removes a closed connection."""
        self.open.discard(connection)
        self.idle.pop(connection, None)
        if connection.counted_as is None:
            return
        own = self._by_address.get(connection.counted_as, {})
        own.pop(connection, None)
        if not own:
            self._by_address.pop(connection.counted_as, None)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Checks all deadlines now, and again every SWEEP_SECONDS, on this event loop."""
        loop.call_later(SWEEP_SECONDS, self.watch, loop)
        now = loop.time()
        for connection in [conn for conn in self.open if conn.deadline <= now or conn.write_deadline <= now]:
            connection.late(now)

    def _evict(self, idle: Iterable[RegisteredConnection]) -> bool:
        # Skips connections whose last answer is not sent yet. Tries only 16, to bound the cost of a new connection.
        for candidate in islice(idle, 16):
            if candidate.transport.get_write_buffer_size() == 0:
                self.evicted += 1
                self.drop(candidate)
                candidate.transport.abort()
                return True
        return False

    def _serves_host(self, host: bytes) -> bool:
        name = _host_name(host)
        return name is not None and (not self._hosts or name in self._hosts)


def is_own_address(host: bytes, local: tuple[str, int | None] | None) -> bool:
    """Returns whether a Host header names the address at which the connection arrived, or `localhost` on loopback.

    Health checks and Prometheus ask by address. No page of another site can send such a Host with its own name.
    """
    name = _host_name(host)
    if name is None or local is None:
        return False
    try:
        arrived = ip_address(local[0])
        if name == b"localhost":
            return arrived.is_loopback
        return ip_address(name.strip(b"[]").decode("ascii")) == (getattr(arrived, "ipv4_mapped", None) or arrived)
    except ValueError:  # a Unix socket, or a name
        return False


def _host_name(host: bytes) -> bytes | None:
    """Returns the host name in the value of a Host header, without port, or None if the value is malformed."""
    match = _HOST.fullmatch(host)
    return match[1].lower().rstrip(b".") if match else None
