"""One HTTP connection under deadlines and caps, and the register of all of them.

uvicorn's httptools protocol, made strict. Time limits are plain numbers on each connection; one timer for all of
them (`Connections.watch`) looks a few times a second who is late, so that a request pays for no timer of its own.
"""

import asyncio
import contextvars
import re
from collections import deque
from collections.abc import Coroutine
from functools import lru_cache
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from springhead.settings import Settings

HEADERS = 100
"""Most header lines in one request (431)."""
HEADER_BYTES = 32 * 1024
"""Most bytes in all header names and values of one request (431)."""
URI_BYTES = 16 * 1024
"""Longest request target (414)."""
FRAMING_BYTES = 64 * 1024
"""Most bytes a client may send in a row that are not body: an unfinished head, trailers, chunk extensions (431)."""
PIPELINE = 100
"""Most requests sent ahead on one connection."""
BODY_RATE = 16 * 1024
"""Bytes a second that a body must keep up on top of `body_timeout`."""
WRITE_RATE = 1024
"""Bytes a second that a client must read, or its connection counts as stuck."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 1024 * 1024
"""After an answer that came before the body was read, go on reading (and forget it) for so long, that the client
gets to read the answer: a socket closed with unread input is reset, and the answer dies with it."""
SWEEP_SECONDS = 0.25

HEAD, IDLE, BODY, WORK, LINGER, CLOSING = range(6)  # what a connection is waiting for, see Connection.phase

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d{0,5})?")
_DEADLINES = {HEAD: "header", IDLE: "idle", BODY: "body", LINGER: "linger", CLOSING: "write"}


class Connections:
    """All open connections of one server, their cap, and what happened to them (for /metrics).

    Apps find it in `scope["state"]["connections"]`.
    """

    def __init__(self, cap: int, allowed_hosts: tuple[str, ...] = ()) -> None:
        self.cap = cap
        self.open: set[Connection] = set()
        self.idle: dict[Connection, None] = {}
        """Those with no request in flight, the one idle longest first."""
        self.accepted = 0
        self.evicted = 0
        """Idle connections closed to make room for new ones."""
        self.refused = 0
        """New connections closed because the cap was reached and nobody was idle."""
        self.bad_requests = 0
        """Requests answered 400, 414 or 431 here, before any app saw them (or their whole body)."""
        self.deadlines: dict[str, int] = {"header": 0, "idle": 0, "body": 0, "write": 0, "linger": 0}
        """Connections closed for being late, by what they were late with."""
        self._hosts = frozenset(_host_name(host.encode("idna")) for host in allowed_hosts)
        self.serves_host = lru_cache(maxsize=1024)(self._serves_host)

    def admit(self, newcomer: "Connection") -> bool:
        """Register a new connection; when full, the one idle longest goes. False: no room, close the newcomer."""
        self.accepted += 1
        if len(self.open) >= self.cap and not self._evict():
            self.refused += 1
            return False
        self.open.add(newcomer)
        self.idle[newcomer] = None
        return True

    def drop(self, connection: "Connection") -> None:
        """Forget a closed connection."""
        self.open.discard(connection)
        self.idle.pop(connection, None)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Enforce the deadlines on this loop, from now on."""
        now = loop.time()
        for connection in [c for c in self.open if c.deadline <= now or c.write_deadline <= now]:
            connection.late(now)
        loop.call_later(SWEEP_SECONDS, self.watch, loop)

    def _evict(self) -> bool:
        # Idle ones whose last answer is still on its way are spared; a few tries bound the cost for the newcomer.
        for victim in list(zip(range(16), self.idle, strict=False)):
            if victim[1].transport.get_write_buffer_size() == 0:
                self.evicted += 1
                self.drop(victim[1])
                victim[1].transport.abort()
                return True
        return False

    def _serves_host(self, host: bytes) -> bool:
        name = _host_name(host)
        return name is not None and (not self._hosts or name in self._hosts)


def _host_name(host: bytes) -> bytes | None:
    """The name in a Host header's value, without port; None when it is no host."""
    match = _HOST.fullmatch(host)
    return match[1].lower().rstrip(b".") if match else None


class _Refused(Exception):  # noqa: N818 - never leaves this file; carries an answer out of the parser's callbacks
    def __init__(self, status: HTTPStatus, reason: str) -> None:
        self.status = status
        self.reason = reason


class _Exit:
    """What a request's cycle takes for its transport: writes go straight through, closing is the connection's."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, connection: "Connection") -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.finish


class _Cycle(RequestResponseCycle):
    def send(self, message: Any) -> Coroutine[Any, Any, None]:  # type: ignore[override]
        # An answer before the end of the body: say so, that the client can stop sending (curl does).
        if self.more_body and not self.response_started:
            self.keep_alive = False
        return super().send(message)


class Connection(HttpToolsProtocol):
    """One connection: refuses what is malformed or too big, hands the rest to the ASGI app, closes who is late."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        settings: "Settings",
        register: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.settings = settings
        self.register = register
        self.url = b""
        self.phase = HEAD
        self.deadline = inf
        self.write_deadline = inf
        self.unsent = 0  # bytes in the write buffer when write_deadline was set
        self.begun = False  # part of a request's head has come in
        self.framing = 0  # bytes in a row that were not body
        self.received = 0  # bytes of body of the request in flight
        self.body_start = 0.0
        self.discarded = 0
        self.half_closed = False  # the client has sent all that it will send, and waits for answers
        self.front: RequestResponseCycle | None = None  # the request being answered; self.cycle is the one being read
        self.ahead: deque[RequestResponseCycle] = deque()  # read already, to be answered after it
        self.refusal: _Refused | None = None  # of a request sent ahead: its turn comes after the answers before it

    # The transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if not self.register.admit(self):
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self.exit: Any = _Exit(self)
        self.deadline = self.loop.time() + self.settings.header_timeout

    def connection_lost(self, exc: Exception | None) -> None:
        self.register.drop(self)
        for cycle in (self.front, *self.ahead):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.phase >= LINGER or self.refusal is not None or self.half_closed:
            self.discarded += len(data)
            if self.discarded > LINGER_BYTES:
                self.close()
            return
        if self.phase == IDLE:
            self.phase = HEAD
            self.deadline = self.loop.time() + self.settings.header_timeout
        self.framing += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.half_closed = True  # answered as plain HTTP and closed; what follows the request is no HTTP
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause if isinstance(cause, _Refused) else _Refused(HTTPStatus.BAD_REQUEST, "malformed request"))
        else:
            if self.framing > FRAMING_BYTES:
                self.refuse(self._too_large())

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for the answers still owed (True); close it when nothing whole was asked (False)."""
        if self.front is None or self.phase >= LINGER:
            return False
        if self.cycle.more_body:
            if self.cycle is self.front:
                return False
            self.ahead.pop()
        self.half_closed = True
        return True

    def pause_writing(self) -> None:
        self.flow.pause_writing()
        self.unsent = self.transport.get_write_buffer_size()
        self.write_deadline = self.loop.time() + self.settings.write_timeout

    def resume_writing(self) -> None:
        self.flow.resume_writing()
        self.write_deadline = inf

    # The parser's calls

    def on_message_begin(self) -> None:
        self.begun = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.begun:
            super().on_header(name, value)
        # else a trailer: it must not pass for a header, which the app may have looked at already

    def on_headers_complete(self) -> None:
        self.begun = False
        self.framing = 0
        headers = self.headers
        size = hosts = 0
        host = b""
        for name, value in headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1
                host = value
        url = self.url
        if len(url) > URI_BYTES or len(headers) > HEADERS or size > HEADER_BYTES:
            raise self._too_large()
        version = self.parser.get_http_version()
        if hosts != 1 and (hosts or version != "1.0"):
            raise _Refused(HTTPStatus.BAD_REQUEST, "exactly one Host header is needed")
        if url[:1] != b"/":
            url, host = self._absolute(url)
            headers[:] = [(name, host if name == b"host" else value) for name, value in headers]
        if (hosts or host) and not (len(host) <= 261 and self.register.serves_host(host)):  # noqa: PLR2004 - a DNS name and a port
            raise _Refused(HTTPStatus.BAD_REQUEST, "this host is not served here")
        if len(self.ahead) >= PIPELINE:
            raise _Refused(HTTPStatus.BAD_REQUEST, "too many requests sent ahead")

        raw_path, _, query = url.partition(b"#")[0].partition(b"?")
        path = raw_path.decode("ascii")
        scope = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        self.cycle = cycle = _Cycle(
            scope=scope,
            transport=self.exit,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,  # it would print the query string, and with it the secretKey
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive() and not self.parser.should_upgrade(),
            on_response=self.on_response_complete,
        )
        if self.front is None:
            self._start(cycle)
        else:
            self.flow.pause_reading()
            self.ahead.append(cycle)

    def on_body(self, body: bytes) -> None:
        self.framing = 0
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if cycle is self.front:
            self.received += len(body)
            self.deadline = self.body_start + self.settings.body_timeout + self.received / BODY_RATE
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self.framing = 0
        cycle = self.cycle
        cycle.more_body = False
        cycle.message_event.set()
        if cycle is self.front:
            self.phase = WORK
            self.deadline = inf

    # A request's life

    def _start(self, cycle: RequestResponseCycle) -> None:
        self.front = cycle
        self.register.idle.pop(self, None)
        self.received = len(cycle.body)
        if cycle.more_body:
            self.phase = BODY
            self.body_start = self.loop.time()
            self.deadline = self.body_start + self.settings.body_timeout
        else:
            self.phase = WORK
            self.deadline = inf
        # A fresh context: or a request sent ahead would inherit the log context of the one before it.
        task = self.loop.create_task(cycle.run_asgi(self.app), context=contextvars.Context())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self.front = None
        if self.phase >= LINGER or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.ahead:
            self._start(self.ahead.popleft())
        elif self.refusal is not None:
            self._answer(self.refusal)
            self.linger()
        elif self.half_closed:
            self.close()
        else:
            self.register.idle[self] = None
            if self.begun:
                self.phase = HEAD
                self.deadline = self.loop.time() + self.settings.header_timeout
            else:
                self.phase = IDLE
                self.deadline = self.loop.time() + self.settings.keep_alive

    def refuse(self, refusal: _Refused) -> None:
        """Answer a malformed or oversized request (after the answers that are owed before it), then close."""
        self.register.bad_requests += 1
        self._stop_with(refusal)

    def _stop_with(self, refusal: _Refused) -> None:
        front = self.front
        if front is not None and (self.cycle is not front or not front.more_body):
            if self.cycle is not front and self.cycle.more_body and self.ahead:
                self.ahead.pop()
            self.refusal = refusal
            return
        if front is not None:  # the body being read is broken: its request ends here
            front.disconnected = True
            front.message_event.set()
        if front is None or not front.response_started:
            self._answer(refusal)
        self.linger()

    def _answer(self, refusal: _Refused) -> None:
        status = refusal.status
        text = f"{status.phrase}: {refusal.reason}\n".encode("ascii")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (status, status.phrase.encode("ascii"), len(text), text)
        )

    # Ends

    def finish(self) -> None:
        """Close after an answer: at once, or reading on for a moment when the client is still sending."""
        if self.front is not None and self.front.more_body and not self.transport.is_closing():
            self.linger()
        else:
            self.close()

    def linger(self) -> None:
        """Say that no more will come, and read on for a while, or the client could not read the answer."""
        self.phase = LINGER
        self.deadline = self.loop.time() + LINGER_SECONDS
        self.front = None
        self.ahead.clear()
        self.register.idle[self] = None
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def close(self) -> None:
        """Close once what was written is sent, `write_timeout` at most."""
        self.phase = CLOSING
        self.deadline = self.loop.time() + self.settings.write_timeout
        self.transport.close()

    def late(self, now: float) -> None:
        """A deadline has passed: close the connection, unless the wait is not the client's fault."""
        if self.write_deadline <= now:
            unsent = self.transport.get_write_buffer_size()
            if unsent <= self.unsent - self.settings.write_timeout * WRITE_RATE:
                self.unsent = unsent
                self.write_deadline = now + self.settings.write_timeout
            else:
                self.register.deadlines["write"] += 1
                self.transport.abort()
            return
        phase = self.phase
        if phase == BODY and (self.flow.read_paused or self.cycle.waiting_for_100_continue):
            self.body_start = now  # the app has not read what came, or not asked for the body yet
            self.deadline = now + self.settings.body_timeout
            return
        self.register.deadlines[_DEADLINES[phase]] += 1
        if phase == CLOSING:
            self.transport.abort()
            return
        if phase == BODY or (phase == HEAD and self.begun):
            self._stop_with(_Refused(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive"))
        self.close()

    def shutdown(self) -> None:
        """The server is going down: close now if nothing is in flight, else after the answers that are owed."""
        if self.front is None:
            self.close()
        else:
            self.cycle.keep_alive = False

    def _too_large(self) -> _Refused:
        if len(self.url) > URI_BYTES:
            return _Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "the request target is too long")
        return _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many or too long header lines")

    @staticmethod
    def _absolute(url: bytes) -> tuple[bytes, bytes]:
        """Path with query, and host, of a target like `http://host/path?query` (RFC 9112, 3.2.2)."""
        scheme, mark, rest = url.partition(b"://")
        if not mark or scheme.lower() not in (b"http", b"https"):
            raise _Refused(HTTPStatus.BAD_REQUEST, "this request target is not served here")
        end = min((at for at in (rest.find(b"/"), rest.find(b"?"), rest.find(b"#")) if at >= 0), default=len(rest))
        path = rest[end:]
        return (path if path[:1] == b"/" else b"/" + path), rest[:end]
