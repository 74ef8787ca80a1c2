"""The register of a server's open connections: their cap, their deadlines, and counters for /metrics."""

import asyncio
import re
from functools import lru_cache
from itertools import islice
from typing import Protocol

SWEEP_SECONDS = 0.25
"""How often the clock is compared with all deadlines; a late client is found out so much later at most."""

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d{0,5})?")


class Watched(Protocol):
    """What the register needs of a connection; the times are the event loop's."""

    transport: asyncio.Transport
    deadline: float
    write_deadline: float

    def late(self, now: float) -> None:
        """A deadline has passed."""
        ...


class Connections:
    """All open connections of one server, their cap, and what happened to them (for /metrics).

    Apps find it in `scope["state"]["connections"]`.
    """

    def __init__(self, cap: int, allowed_hosts: tuple[str, ...] = ()) -> None:
        self.cap = cap
        self.open: set[Watched] = set()
        self.idle: dict[Watched, None] = {}
        """Those with no request in flight, the one idle longest first."""
        self.accepted = 0
        self.evicted = 0
        """Idle connections closed to make room for new ones."""
        self.refused = 0
        """New connections closed because the cap was reached and nobody was idle."""
        self.bad_requests = 0
        """Requests refused as malformed or too large (400, 414, 431), before an app saw them whole."""
        self.deadlines: dict[str, int] = {"header": 0, "idle": 0, "body": 0, "write": 0, "linger": 0}
        """Connections closed for being late, by what they were late with."""
        self._hosts: frozenset[bytes | None] = frozenset(_host_name(host.encode("idna")) for host in allowed_hosts)
        self.serves_host = lru_cache(maxsize=1024)(self._serves_host)

    def admit(self, newcomer: Watched) -> bool:
        """Register a new connection; when full, the one idle longest goes. False: no room, close it."""
        self.accepted += 1
        if len(self.open) >= self.cap and not self._evict():
            self.refused += 1
            return False
        self.open.add(newcomer)
        self.idle[newcomer] = None
        return True

    def drop(self, connection: Watched) -> None:
        """Forget a closed connection."""
        self.open.discard(connection)
        self.idle.pop(connection, None)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Enforce the deadlines on this loop, from now on."""
        loop.call_later(SWEEP_SECONDS, self.watch, loop)
        now = loop.time()
        for connection in [c for c in self.open if c.deadline <= now or c.write_deadline <= now]:
            connection.late(now)

    def _evict(self) -> bool:
        # Those whose last answer is still on its way are spared; a few tries bound what a newcomer costs.
        for victim in islice(self.idle, 16):
            if victim.transport.get_write_buffer_size() == 0:
                self.evicted += 1
                self.drop(victim)
                victim.transport.abort()
                return True
        return False

    def _serves_host(self, host: bytes) -> bool:
        name = _host_name(host)
        return name is not None and (not self._hosts or name in self._hosts)


def _host_name(host: bytes) -> bytes | None:
    """The name in a Host header's value, without port; None when it is no host."""
    match = _HOST.fullmatch(host)
    return match[1].lower().rstrip(b".") if match else None
