"""How much is under way at a time: so many posts, and so many bytes of bodies."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Room:
    """Lets posts in while there is room for them, in the order in which they came."""

    def __init__(self, posts: int, size: int) -> None:
        self._posts = asyncio.Semaphore(posts)
        self._size = size
        self._taken = 0
        self._left = asyncio.Condition()

    @asynccontextmanager
    async def post(self) -> AsyncGenerator[None]:
        """Room for one post."""
        async with self._posts:
            yield

    @asynccontextmanager
    async def body(self, size: int) -> AsyncGenerator[None]:
        """Room for a body; one that is larger than all the room gets it alone."""
        async with self._left:
            await self._left.wait_for(lambda: self._taken == 0 or self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            self._taken -= size
            async with self._left:
                self._left.notify_all()
