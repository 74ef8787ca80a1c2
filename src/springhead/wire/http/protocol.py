"""One HTTP connection under deadlines and caps: uvicorn's httptools protocol, made strict.

Its time limits are plain numbers that `Connections.watch` compares with the clock, so no request pays for a timer.
"""

import asyncio
import contextvars
from collections import deque
from http import HTTPStatus
from math import inf
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from springhead.settings import Settings
from springhead.wire.http.connections import Connections
from springhead.wire.http.head import HEADER_BYTES, Refused, check_head, too_large
from springhead.wire.http.response_stream import Outlet

FRAMING_BYTES = 64 * 1024
"""Most bytes in a row that are not body: an unfinished head, trailers, chunk extensions (431)."""
PIPELINE = 100
"""Most requests sent ahead on one connection."""
BODY_RATE = 16 * 1024
"""Bytes a second that a body must keep up on top of `body_timeout`."""
WRITE_RATE = 1024
"""Bytes a second that a client must read, or its connection counts as stuck."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 1024 * 1024
"""After an answer that came before the body was read, read on for so long (and forget it): a socket closed with
unread input is reset, and the client would lose the answer."""

HEAD, IDLE, BODY, WORK, LINGER, CLOSING = range(6)  # what a connection waits for, see Connection.phase
_DEADLINES = {HEAD: "header", IDLE: "idle", BODY: "body", LINGER: "linger", CLOSING: "write"}


class Connection(HttpToolsProtocol):
    """One connection: refuses what is malformed or too big, hands the rest to the app, closes who is late."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        settings: Settings,
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
        self.keep = True  # whether the client lets us keep the connection after the request being read
        self.framing = 0  # bytes in a row that were not body
        self.received = 0  # bytes of body of the request in flight
        self.body_start = 0.0
        self.discarded = 0
        self.half_closed = False  # the client has sent all that it will send, and waits for answers
        self.front: RequestResponseCycle | None = None  # the request being answered; self.cycle is the one being read
        self.ahead: deque[RequestResponseCycle] = deque()  # read already, to be answered after it
        self.refusal: Refused | None = None  # of a request sent ahead: its turn comes after the answers before it

    # The transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first request, unless the server is full."""
        if not self.register.admit(self):
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self.exit: Any = Outlet(transport, self.loop, self.finish)
        self.deadline = self.loop.time() + self.settings.header_timeout

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request still open that its client is gone."""
        self.register.drop(self)
        for cycle in (self.front, *self.ahead):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, or forget what comes after the end."""
        if self.phase >= LINGER or self.refusal is not None or self.half_closed:
            self.discarded += len(data)
            if self.discarded > LINGER_BYTES:
                self.close()
            return
        self.framing += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause if isinstance(cause, Refused) else Refused(HTTPStatus.BAD_REQUEST, "malformed request"))
        else:
            if self.phase == IDLE:  # still: this was less than a head
                self.phase = HEAD
                self.deadline = self.loop.time() + self.settings.header_timeout
            if self.framing > FRAMING_BYTES:
                self.refuse(too_large(self.url))

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
        """The client does not read: start the clock."""
        self.flow.pause_writing()
        self.unsent = self.transport.get_write_buffer_size()
        self.write_deadline = self.loop.time() + self.settings.write_timeout

    def resume_writing(self) -> None:
        """The client reads again."""
        self.flow.resume_writing()
        self.write_deadline = inf

    # The parser's calls

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self.begun = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Check the head, and start the app or queue behind the request being answered."""
        parser = self.parser
        method = parser.get_method()
        if parser.should_upgrade():
            if method == b"CONNECT":
                raise Refused(HTTPStatus.BAD_REQUEST, "this is no proxy")
            return  # the parser stops here, see _read_without_upgrade
        maybe_large = self.framing > HEADER_BYTES or self.front is not None
        self.begun = False
        self.framing = 0
        version = parser.get_http_version()
        raw_path, query, headers = check_head(self.url, self.headers, version, self.register.serves_host, maybe_large)
        self.headers = []  # what comes later are trailers; they must not pass for headers
        if len(self.ahead) >= PIPELINE:
            raise Refused(HTTPStatus.BAD_REQUEST, "too many requests sent ahead")

        path = raw_path.decode("ascii")
        self.keep = version != "1.0" and parser.should_keep_alive()
        scope: Any = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "method": method.decode("ascii"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": self.client,
            "server": self.server,
            "state": self.app_state.copy(),
        }
        self.cycle = cycle = RequestResponseCycle(
            scope=scope,
            transport=self.exit,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,  # it would print the query string, and with it the secretKey
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            # Until the body is here whole: an answer before that says `connection: close`, so that the client
            # stops sending (curl does).
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        if self.front is None:
            self._start(cycle)
        else:
            self.flow.pause_reading()
            self.ahead.append(cycle)

    def on_body(self, body: bytes) -> None:
        """Hand body to the app; slow down a client that is faster than the app."""
        self.framing = 0
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if cycle is self.front:
            self.received += len(body)  # which puts off the deadline, see late()
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The request is here whole: nobody waits for the client any more."""
        if self.begun:
            return  # the head of an upgrade
        self.framing = 0
        cycle = self.cycle
        if not cycle.response_started:
            cycle.keep_alive = self.keep
        cycle.more_body = False
        cycle.message_event.set()
        if cycle is self.front:
            self.phase = WORK
            self.deadline = inf

    def _read_without_upgrade(self, rest: bytes) -> None:
        # No other protocol is spoken here, so an offer to change it is ignored (RFC 9110, 7.8): Java's HttpClient
        # sends one with its first POST. The parser would skip the body; so it gets the head again without the offer.
        version = self.parser.get_http_version().encode("ascii")
        head = [b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)]
        head += [b"%s: %s\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"".join((*head, b"\r\n", rest)))

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
        task = self.loop.create_task(cycle.run_asgi(cast("Any", self).app), context=contextvars.Context())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for one."""
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
                self.framing += HEADER_BYTES  # what came with the request before was not counted
                self.phase = HEAD
                self.deadline = self.loop.time() + self.settings.header_timeout
            else:
                self.phase = IDLE
                self.deadline = self.loop.time() + self.settings.keep_alive

    def refuse(self, refusal: Refused) -> None:
        """Answer a malformed or oversized request (after the answers that are owed before it), then close."""
        self.register.bad_requests += 1
        self._stop_with(refusal)

    def _stop_with(self, refusal: Refused) -> None:
        front = self.front
        if front is not None and (self.cycle is not front or not front.more_body):
            if self.cycle is not front and self.cycle.more_body and self.ahead:
                self.ahead.pop()
            self.refusal = refusal
            self.flow.pause_reading()
            return
        if front is not None:  # the body being read is broken: its request ends here
            front.disconnected = True
            front.message_event.set()
        if front is None or not front.response_started:
            self._answer(refusal)
        self.linger()

    def _answer(self, refusal: Refused) -> None:
        status = refusal.status
        text = f"{status.phrase}: {refusal.reason}\n".encode("ascii")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s"
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
        if not self.transport.is_closing() and self.transport.can_write_eof():
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
        if phase == BODY:
            if self.flow.read_paused or self.cycle.waiting_for_100_continue:
                self.body_start = now  # the app has not read what came, or not asked for the body yet
            self.deadline = self.body_start + self.settings.body_timeout + self.received / BODY_RATE
            if self.deadline > now:
                return
        self.register.deadlines[_DEADLINES[phase]] += 1
        if phase == CLOSING or self.transport.is_closing():
            self.transport.abort()
            return
        if phase == BODY or (phase == HEAD and self.begun):
            self._stop_with(Refused(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive"))
        self.close()

    def shutdown(self) -> None:
        """The server is going down: close now if nothing is in flight, else after the answers that are owed."""
        if self.front is None:
            self.close()
        else:
            self.keep = self.cycle.keep_alive = False
