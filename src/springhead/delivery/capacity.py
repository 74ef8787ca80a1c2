"""Limits how many pushes are sent at a time: a number of posts, and a number of bytes in their payloads."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


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
