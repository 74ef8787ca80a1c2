"""The way out of a connection: heads and bodies of answers leave together."""

import asyncio
from collections.abc import Callable


class Outlet:
    """What a request's cycle takes for its transport: a head waits for its body, closing is the connection's.

    uvicorn writes head and body apart, which costs a short answer a system call and its client a second waking.
    """

    __slots__ = ("_finish", "_head", "_soon", "_write", "is_closing")

    def __init__(
        self, transport: asyncio.WriteTransport, loop: asyncio.AbstractEventLoop, finish: Callable[[], None]
    ) -> None:
        self._write = transport.write
        self._soon = loop.call_soon
        self._finish = finish
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write through, but for a head: that goes with what follows it, or alone at the loop's next turn."""
        if data.startswith(b"HTTP/1.1 "):
            self._head += data
            self._soon(self._flush)
            return
        self._write(self._head + data if self._head else data)
        self._head = b""

    def close(self) -> None:
        """End the answer."""
        self._flush()
        self._finish()

    def _flush(self) -> None:
        if self._head:
            self._write(self._head)
            self._head = b""
