"""Answers as they go onto the connection: in pieces, so that a slow reader costs no memory of ours twice."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import lru_cache

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

PIECE = 65_536
"""Bytes that are handed to the connection at a time; each waits until the one before has gone."""

SAFE_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


@lru_cache(maxsize=16)
def _of_type(content_type: str) -> tuple[tuple[bytes, bytes], ...]:
    named = {"content-type": content_type, **SAFE_HEADERS}
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items())


class Answer:
    """An HTTP answer: whole (`body` is bytes) or read while it is sent (a generator of bytes)."""

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
        self._headers = [*_of_type(content_type)]
        if headers:
            self._headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises ClientDisconnect when nobody is there any more to read the rest."""
        headers = [*self._headers]
        if isinstance(self.body, bytes):
            headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if isinstance(self.body, bytes):
            await _whole(self.body, send)
            return
        gone = asyncio.ensure_future(_gone(receive))
        try:
            async with aclosing(self.body) as pieces:
                async for piece in pieces:
                    for at in range(0, len(piece), PIECE):
                        if gone.done():  # sending would only forget it, and read on to the end
                            raise ClientDisconnect
                        await send({"type": "http.response.body", "body": piece[at : at + PIECE], "more_body": True})
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    """Wait until the client is gone; its body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _whole(body: bytes, send: Send) -> None:
    for at in range(0, len(body) or 1, PIECE):
        more = at + PIECE < len(body)
        await send({"type": "http.response.body", "body": body[at : at + PIECE], "more_body": more})
