"""Limits how many pushes are sent: posts at a time, bytes of their payloads, and posts a second to one host."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from time import monotonic_ns
from urllib.parse import urlsplit

from springhead.model.feed.receiver_addresses import Networks
from springhead.model.kit.rate_limits import SECOND, KeyedRateLimit

HOST_PER_SECOND, HOST_BURST = 50, 100
"""The most posts a second to one host, of all companies together, and the most at once."""

HOST_WAIT_SECONDS = 10
"""The longest time in seconds that a post waits for its turn. It must be shorter than a quarter of a lease."""


class HostLimit:
    """Spaces the posts to each host, so that many companies together cannot flood somebody's server.

    A host is a name or an address, whatever its port. Addresses in the operator's own networks have no limit.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._limit = KeyedRateLimit(per_second=HOST_PER_SECOND, burst=HOST_BURST)

    async def turn(self, url: str) -> bool:
        """Waits until it is the turn of a post to this URL. Returns False at once if that would take too long."""
        wait = self.wait(url, monotonic_ns())
        if wait:
            await asyncio.sleep(wait / SECOND)
        return wait is not None

    def wait(self, url: str, now: int) -> int | None:
        """Counts a post that is sent to this URL when its turn comes; returns the nanoseconds until then.

        Returns None if that would take too long. The post is then not counted.
        """
        host = urlsplit(url).hostname or ""
        if self._is_own(host):
            return 0
        return self._limit.book(host.rstrip("."), now, longest=HOST_WAIT_SECONDS * SECOND)

    def _is_own(self, host: str) -> bool:
        try:
            return self._networks.has(ip_address(host))
        except ValueError:  # a name
            return False


class Capacity:
    """Admits posts in the order in which they ask, while their number and bytes stay within the limits."""

    def __init__(self, posts: int, size: int) -> None:
        self._posts = asyncio.Semaphore(posts)
        self._size = size
        self._used = 0
        self._released = asyncio.Condition()

    @asynccontextmanager
    async def post(self) -> AsyncGenerator[None]:
        """Waits until one more post is allowed, and counts it until the block ends."""
        async with self._posts:
            yield

    @asynccontextmanager
    async def body(self, size: int) -> AsyncGenerator[None]:
        """Waits until `size` more bytes are allowed, and counts them until the block ends.

        A payload larger than the whole capacity is admitted alone.
        """
        async with self._released:
            await self._released.wait_for(lambda: self._used == 0 or self._used + size <= self._size)
            self._used += size
        try:
            yield
        finally:
            self._used -= size
            async with self._released:
                self._released.notify_all()
