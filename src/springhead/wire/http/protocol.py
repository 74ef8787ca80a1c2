"""One HTTP connection with deadlines and limits: a stricter version of uvicorn's httptools protocol.

Deadlines are numbers that `Connections.watch` compares with the clock, so a request needs no timer of its own.
tests/wire/test_uvicorn.py lists the parts of uvicorn that this module uses.
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
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from springhead.settings import Settings
from springhead.wire.http.connections import Connections, is_own_address
from springhead.wire.http.messages import HEADER_BYTES, RequestRefused, ResponseStream, check_head, head_too_large

FRAMING_BYTES = 64 * 1024
"""The most bytes in a row that are not body: an unfinished head, trailers, chunk extensions (431)."""

PIPELINE = 100
"""The most pipelined requests of one connection, which the client sends before the answer to the first request."""

BODY_RATE = 16 * 1024
"""The lowest rate of a body in bytes per second, after `body_timeout`."""

WRITE_RATE = 1024
"""The lowest rate in bytes per second at which a client must read. A slower connection counts as stuck."""

LINGER_SECONDS = 2.0
"""The longest time that the server reads and discards input, if it answers before the end of the body.

The system resets a socket that is closed with unread input, and then the client loses the answer.
"""

LINGER_BYTES = 64 * 1024 * 1024
"""The most bytes that the server reads and discards in that time."""

HEAD, IDLE, BODY, WORK, LINGER, CLOSING = range(6)
"""The phases of a connection (`Connection.phase`), each with its own deadline."""

_DEADLINES = {HEAD: "header", IDLE: "idle", BODY: "body", LINGER: "linger", CLOSING: "write"}


class Connection(HttpToolsProtocol):
    """One connection. Refuses malformed and oversized requests, runs the app for the others, closes late clients."""

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
        self.counted_as: str | None = None
        self.unsent_bytes = 0  # bytes in the write buffer when write_deadline was set
        self.head_started = False  # whether a part of a request's head has arrived
        self.client_keeps_alive = True  # whether the connection can stay open after the request being read
        self.framing_bytes = 0  # bytes in a row that were not body
        self.body_bytes = 0  # bytes of the body of the request being answered
        self.body_start = 0.0
        self.discarded_bytes = 0
        self.half_closed = False  # whether the client has closed its side, and waits for answers
        self.answering: RequestResponseCycle | None = None  # the request being answered; `cycle` is the one being read
        self.pipelined: deque[RequestResponseCycle] = deque()  # requests that were read, and wait for their answers
        self.refusal: RequestRefused | None = None  # of a pipelined request; sent after the earlier answers

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Sets the deadline for the first request. Aborts the connection if the server is full."""
        client = get_remote_addr(transport)
        if not self.register.admit(self, client[0] if client else None):
            self.transport = transport
            transport.abort()
            return
        super().connection_made(transport)
        self.stream: Any = ResponseStream(transport, self.loop, self.finish)
        self.deadline = self.loop.time() + self.settings.header_timeout

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells the app of every unanswered request that its client has disconnected."""
        self.register.drop(self)
        for cycle in (self.answering, *self.pipelined):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser. Discards the data if the connection answers no further request."""
        if self.phase >= LINGER or self.refusal is not None or self.half_closed:
            self.discarded_bytes += len(data)
            if self.discarded_bytes > LINGER_BYTES:
                self.close()
            return
        self.framing_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            malformed = RequestRefused(HTTPStatus.BAD_REQUEST, "malformed request")
            self.refuse(cause if isinstance(cause, RequestRefused) else malformed)
        else:
            if self.phase == IDLE:  # the data was only a part of a head
                self.phase = HEAD
                self.deadline = self.loop.time() + self.settings.header_timeout
            if self.framing_bytes > FRAMING_BYTES:
                self.refuse(head_too_large(self.url))

    def eof_received(self) -> bool:  # type: ignore[override]
        """Returns True, which keeps the connection open, if complete requests still wait for their answers."""
        if self.answering is None or self.phase >= LINGER:
            return False
        if self.cycle.more_body:
            if self.cycle is self.answering:
                return False
            self.pipelined.pop()
        self.half_closed = True
        return True

    def pause_writing(self) -> None:
        """Sets the write deadline, because the client does not read."""
        self.flow.pause_writing()
        self.unsent_bytes = self.transport.get_write_buffer_size()
        self.write_deadline = self.loop.time() + self.settings.write_timeout

    def resume_writing(self) -> None:
        """Clears the write deadline, because the client reads again."""
        self.flow.resume_writing()
        self.write_deadline = inf

    # Called by the parser

    def on_message_begin(self) -> None:
        """Prepares for a request whose first byte has arrived."""
        self.head_started = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def _serves_host(self, host: bytes) -> bool:
        return self.register.serves_host(host) or is_own_address(host, self.server)

    def on_headers_complete(self) -> None:
        """Checks the head, then starts the app, or queues the request if an earlier request is being answered."""
        parser = self.parser
        method = parser.get_method()
        if parser.should_upgrade():
            if method == b"CONNECT":
                raise RequestRefused(HTTPStatus.BAD_REQUEST, "this server is not a proxy")
            return  # the parser stops here, and data_received calls _read_without_upgrade
        maybe_large = self.framing_bytes > HEADER_BYTES or self.answering is not None
        self.head_started = False
        self.framing_bytes = 0
        version = parser.get_http_version()
        raw_path, query, headers = check_head(self.url, self.headers, version, self._serves_host, maybe_large)
        self.headers = []  # later lines are trailers, and must not become headers
        if len(self.pipelined) >= PIPELINE:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "too many pipelined requests")
        path = raw_path.decode("ascii")
        self.client_keeps_alive = version != "1.0" and parser.should_keep_alive()
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
        self.cycle = cycle = self._cycle(scope)
        if self.answering is None:
            self._start(cycle)
        else:
            self.flow.pause_reading()
            self.pipelined.append(cycle)

    def on_body(self, body: bytes) -> None:
        """Passes a part of the body to the app. Pauses reading while the client is faster than the app."""
        self.framing_bytes = 0
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if cycle is self.answering:
            self.body_bytes += len(body)  # `late` postpones the deadline by the time that they may take
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Clears the deadline, because the request has arrived completely."""
        if self.head_started:
            return  # only the head of a request with an upgrade
        self.framing_bytes = 0
        cycle = self.cycle
        if not cycle.response_started:
            cycle.keep_alive = self.client_keeps_alive
        cycle.more_body = False
        cycle.message_event.set()
        if cycle is self.answering:
            self.phase = WORK
            self.deadline = inf

    def _read_without_upgrade(self, rest: bytes) -> None:
        # The server ignores an Upgrade header (RFC 9110, 7.8), which Java's HttpClient sends with its first POST.
        # The parser would skip the body, so it gets the head again without that header.
        version = self.parser.get_http_version().encode("ascii")
        head = [b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)]
        head += [b"%s: %s\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"".join((*head, b"\r\n", rest)))

    # The life of a request

    def _cycle(self, scope: Any) -> RequestResponseCycle:
        return RequestResponseCycle(
            scope=scope,
            transport=self.stream,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,  # the access log would contain the query string, and with it the secretKey
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            # False until the body has arrived completely: an answer before that has `connection: close`, so that the
            # client stops sending (as curl does).
            keep_alive=False,
            on_response=self.on_response_complete,
        )

    def _start(self, cycle: RequestResponseCycle) -> None:
        self.answering = cycle
        self.register.idle.pop(self, None)
        self.body_bytes = len(cycle.body)
        if cycle.more_body:
            self.phase = BODY
            self.body_start = self.loop.time()
            self.deadline = self.body_start + self.settings.body_timeout
        else:
            self.phase = WORK
            self.deadline = inf
        # A new context, because a pipelined request would inherit the log context of the request before it.
        task = self.loop.create_task(cycle.run_asgi(cast("Any", self).app), context=contextvars.Context())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Starts the next pipelined request, or waits for a new request."""
        self.server_state.total_requests += 1
        self.answering = None
        if self.phase >= LINGER or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipelined:
            self._start(self.pipelined.popleft())
        elif self.refusal is not None:
            self.transport.write(self.refusal.response())
            self.linger()
        elif self.half_closed:
            self.close()
        else:
            self.register.idle[self] = None
            if self.head_started:
                self.framing_bytes += HEADER_BYTES  # stands for bytes that came with the earlier request, uncounted
                self.phase = HEAD
                self.deadline = self.loop.time() + self.settings.header_timeout
            else:
                self.phase = IDLE
                self.deadline = self.loop.time() + self.settings.keep_alive

    def refuse(self, refusal: RequestRefused) -> None:
        """Refuses a malformed or oversized request, after the answers to earlier requests, and closes."""
        self.register.bad_requests += 1
        self._stop_with(refusal)

    def _stop_with(self, refusal: RequestRefused) -> None:
        answering = self.answering
        if answering is not None and (self.cycle is not answering or not answering.more_body):
            if self.cycle is not answering and self.cycle.more_body and self.pipelined:
                self.pipelined.pop()
            self.refusal = refusal
            self.flow.pause_reading()
            return
        if answering is not None:  # its body is malformed or late: the app gets no more of it
            answering.disconnected = True
            answering.message_event.set()
        if answering is None or not answering.response_started:
            self.transport.write(refusal.response())
        self.linger()

    # The end of a connection

    def finish(self) -> None:
        """Closes after an answer. If the client is still sending, lingers first."""
        if self.answering is not None and self.answering.more_body and not self.transport.is_closing():
            self.linger()
        else:
            self.close()

    def linger(self) -> None:
        """Sends no more answers, but reads and discards input for a while, so that the client gets the last answer."""
        self.phase = LINGER
        self.deadline = self.loop.time() + LINGER_SECONDS
        self.answering = None
        self.pipelined.clear()
        self.register.idle[self] = None
        self.flow.resume_reading()
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def close(self) -> None:
        """Closes when all written bytes are sent, after `write_timeout` at the latest."""
        self.phase = CLOSING
        self.deadline = self.loop.time() + self.settings.write_timeout
        self.transport.close()

    def late(self, now: float) -> None:
        """Closes the connection after a missed deadline; postpones the deadline if the client is not at fault."""
        if self.write_deadline <= now:
            unsent_bytes = self.transport.get_write_buffer_size()
            if unsent_bytes <= self.unsent_bytes - self.settings.write_timeout * WRITE_RATE:
                self.unsent_bytes = unsent_bytes
                self.write_deadline = now + self.settings.write_timeout
            else:
                self.register.deadlines["write"] += 1
                self.transport.abort()
            return
        phase = self.phase
        if phase == BODY:
            if self.flow.read_paused or self.cycle.waiting_for_100_continue:
                self.body_start = now  # the client waits for the app to read, or to ask for the body
            self.deadline = self.body_start + self.settings.body_timeout + self.body_bytes / BODY_RATE
            if self.deadline > now:
                return
        self.register.deadlines[_DEADLINES[phase]] += 1
        if phase == CLOSING or self.transport.is_closing():
            self.transport.abort()
            return
        if phase == BODY or (phase == HEAD and self.head_started):
            self._stop_with(RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive"))
        self.close()

    def shutdown(self) -> None:
        """Closes because the server stops: at once, or after the running answer."""
        if self.answering is None:
            self.close()
        else:
            self.client_keeps_alive = self.cycle.keep_alive = False
