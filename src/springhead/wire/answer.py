"""Answers as they go onto the connection: in pieces, so that a slow reader costs no memory of ours twice."""

from collections.abc import AsyncIterator, Mapping

from starlette.types import Receive, Scope, Send

PIECE = 65_536
"""Bytes that are handed to the connection at a time; each waits until the one before has gone."""

SAFE_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


class Answer:
    """An HTTP answer: whole (`body` is bytes) or read while it is sent (an iterator of bytes)."""

    def __init__(
        self,
        body: bytes | AsyncIterator[bytes],
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self._headers = {"content-type": content_type, **SAFE_HEADERS, **(headers or {})}

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._headers.items()]
        if isinstance(self.body, bytes):
            headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if isinstance(self.body, bytes):
            await _whole(self.body, send)
            return
        async for piece in self.body:
            for at in range(0, len(piece), PIECE):
                await send({"type": "http.response.body", "body": piece[at : at + PIECE], "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _whole(body: bytes, send: Send) -> None:
    for at in range(0, len(body) or 1, PIECE):
        more = at + PIECE < len(body)
        await send({"type": "http.response.body", "body": body[at : at + PIECE], "more_body": more})
