"""A receiver of pushes on a real socket. The path chooses its answer, valid or broken in any way."""

import asyncio
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self


class Post(NamedTuple):
    """A request. `headers` are by lower-case name, `arrived` is a monotonic time, `connection` counts from 1."""

    path: str
    headers: dict[str, str]
    body: bytes
    arrived: float
    connection: int

    def json(self) -> Any:
        """The body decoded from JSON."""
        return json.loads(self.body)


Writer = asyncio.StreamWriter
FOREVER = 3_600.0


class Receiver:
    """Listens until the `with` block ends. `posts` has the requests, the oldest first.

    The path chooses the answer: `/200` or any other status, or the name of a `_behaviour`, such as `/hang`;
    the rest is free (`/200/of-ada`). `answers` overrides it for a path: `receiver.answers["/a"] = "500"`.
    A status can have a header: `receiver.answers["/a"] = "429 Retry-After: 3"`.
    """

    def __init__(self, host: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.posts: list[Post] = []
        self.answers: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        """The body of an answer with a status, by path: "ok" by default."""
        self.connections = 0
        self.asked: Counter[str] = Counter()
        """How often each path was asked for, whatever came of it."""
        self.taken = lambda post: None
        """Called with each post before it is answered, in the receiver's own thread."""
        self._tls, self._host = tls, host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, port), family=family, backlog=4_096)
        self.port: int = self._listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._open: set[Writer] = set()
        self._new = threading.Condition()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)
        self._loop.close()

    def url(self, path: str = "/200", *, host: str | None = None) -> str:
        """The address of a path, under another name of this machine if given."""
        host = host or (f"[{self._host}]" if ":" in self._host else self._host)
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def wait(self, count: int, *, path: str | None = None, seconds: float = 30) -> list[Post]:
        """The posts (of a path). Waits until there are `count`, and fails if that takes too long."""
        with self._new:
            there = self._new.wait_for(lambda: len(self.of(path)) >= count, seconds)
        assert there, f"{len(self.of(path))} posts instead of {count} within {seconds} seconds"
        return self.of(path)

    def of(self, path: str | None = None) -> list[Post]:
        """The posts of a path, or all."""
        return [post for post in list(self.posts) if path in {None, post.path}]

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._talk, sock=self._listening, ssl=self._tls)
        await self._over.wait()
        server.close()
        for writer in list(self._open):
            writer.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        number = self.connections
        self._open.add(writer)
        try:
            while await self._exchange(reader, writer, number):
                pass
        except asyncio.CancelledError:  # the end of the test
            pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: Writer, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        verb, path, _ = head[0].split(" ")
        answer = self.answers.get(path) or path.strip("/").split("/")[0].split("?")[0]
        self.asked[path] += 1
        if answer == "deaf":  # takes the headers, and never a byte of the body
            await asyncio.sleep(FOREVER)
        if answer in {"early", "early-and-gone"}:  # answers before it has read the body, as servers do with a 413
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
            await writer.drain()
            await asyncio.sleep(FOREVER if answer == "early" else 0)
            return False
        assert verb == "POST", head[0]
        body = await reader.readexactly(int(headers["content-length"]))
        post = Post(path, headers, body, time.monotonic(), number)
        self.taken(post)
        with self._new:
            self.posts.append(post)
            self._new.notify_all()
        if answer[:3].isdigit():
            status, _, header = answer.partition(" ")
            more = f"{header}\r\n" if header else ""
            text = self.texts.get(path, "ok").encode()
            body = f"Content-Length: {len(text)}\r\n\r\n".encode() + text if status not in {"204", "304"} else b"\r\n"
            writer.write(f"HTTP/1.1 {status} Said\r\n{more}".encode() + body)
            await writer.drain()
            return True
        behaviour: Callable[[Writer], Awaitable[bool | None]] = BEHAVIOURS[answer]
        return bool(await behaviour(writer))


async def _hang(_writer: Writer) -> None:
    await asyncio.sleep(FOREVER)


async def _slow(writer: Writer) -> bool:
    """Waits a second, then answers well."""
    await asyncio.sleep(1)
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    return True


async def _drip(writer: Writer) -> None:
    """Sends a byte of the headers every tenth of a second, without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.1)


async def _drip_body(writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.1)


async def _continue(writer: Writer) -> None:
    """Sends interim answers without end."""
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def _reset(writer: Writer) -> None:
    """Sends RST instead of an answer."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _close(_writer: Writer) -> None:
    """Sends FIN instead of an answer."""


async def _once(writer: Writer) -> None:
    """Answers with keep-alive, and closes the connection."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def _half(writer: Writer) -> None:
    """Sends half of the promised body, then closes the connection."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    await writer.drain()


async def _huge(writer: Writer) -> None:
    """Sends a gigabyte as fast as the client reads it."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1024):
        writer.write(bytes(1_048_576))
        await writer.drain()


async def _endless(writer: Writer) -> None:
    """Sends chunks without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"a" * 4096 + b"\r\n")
        await writer.drain()


BOMB = gzip.compress(bytes(1_000_000), 9) * 100
"""What unpacks to a hundred megabytes."""


async def _bomb(writer: Writer) -> bool:
    """Sends a body of 100 MB, compressed to 100 kB."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
    writer.write(head.encode() + BOMB)
    await writer.drain()
    return True


async def _headers(writer: Writer) -> None:
    """Sends a hundred thousand headers."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        writer.write(f"X-{number}: {number}\r\n".encode())
        await writer.drain()
    writer.write(b"Content-Length: 0\r\n\r\n")


async def _long_header(writer: Writer) -> None:
    """Sends a header of 100 MB."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(100):
        writer.write(b"a" * 1_048_576)
        await writer.drain()
    writer.write(b"\r\nContent-Length: 0\r\n\r\n")


async def _dirty(writer: Writer) -> bool:
    """Sends an answer with NUL, wrong UTF-8, half of a pair of surrogates, and control characters."""
    body = b"a\0b\xff\xfe\xed\xa0\x80c\x1b[31m\r\n\xc3"
    writer.write(f"HTTP/1.1 500 \xff\xfe\r\nContent-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)
    return True


async def _nonsense(writer: Writer) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


async def _two(writer: Writer) -> None:
    """Sends two answers to one push: the second must not become the next push's."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")
    await asyncio.sleep(1)


async def _cookie(writer: Writer) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n")
    return True


BEHAVIOURS: dict[str, Callable[[Writer], Awaitable[bool | None]]] = {
    name.removeprefix("_").replace("_", "-"): behaviour
    for name, behaviour in list(globals().items())
    if name.startswith("_") and asyncio.iscoroutinefunction(behaviour)
}
