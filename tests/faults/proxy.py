"""A TCP proxy that injects faults: it delays, cuts, drops or drips the bytes between a server and its database."""

import asyncio
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing sends RST instead of FIN."""


class Proxy:
    """Listens on a port of its own and forwards to `host:port`, in its own thread, with the faults that are set."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.delay = 0.0
        """Seconds that each piece is held up, in each direction."""
        self.hole = False
        """Nothing passes any more, and nobody is told."""
        self.drip = False
        """One byte at a time."""
        self.refuse = False
        """New connections are reset."""
        self.passed = [0, 0]
        """Bytes since `arm`: towards the database, and back."""
        self.pieces: Counter[asyncio.StreamReader] = Counter()
        """Reads that brought something, of each connection in each direction."""
        self.held = self.refused = 0
        """Pieces that have met the hole, and connections that were reset."""
        self._cut: tuple[int, int] | None = None
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(5)

    def arm(self, *, towards: int | None = None, back: int | None = None) -> None:
        """Starts counting again, and resets the connection that forwards the byte of this number in one direction."""
        self.passed = [0, 0]
        self._cut = (0, towards) if towards is not None else (1, back) if back is not None else None

    def reset_all(self) -> None:
        """Resets every connection with RST."""
        self._loop.call_soon_threadsafe(self._reset, *self._open)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port: int = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        self._reset(*self._open)
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    def _reset(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            sock: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            self._open.discard(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            self.refused += 1
            self._reset(writer)
            return
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            self._reset(writer)
            return
        self._open |= {writer, back}
        for direction, source, sink in ((0, reader, back), (1, there, writer)):
            task = asyncio.ensure_future(self._pump(direction, source, sink, (writer, back)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        direction: int,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        try:
            while data := await source.read(65_536):
                self.pieces[source] += 1
                self.held += self.hole
                while self.hole:  # noqa: ASYNC110 - set from the thread of the test
                    await asyncio.sleep(0.02)
                if self.delay:
                    await asyncio.sleep(self.delay)
                left = (
                    self._cut[1] - self.passed[direction] if self._cut and self._cut[0] == direction else len(data) + 1
                )
                self.passed[direction] += len(data)
                for piece in _pieces(data[: max(0, left)], 1 if self.drip else len(data)):
                    sink.write(piece)
                    await sink.drain()
                if left <= len(data):
                    self._cut = None
                    await asyncio.sleep(0.002)  # forwarded bytes should arrive before the reset
                    break
        except OSError:
            pass
        self._reset(*both)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]
