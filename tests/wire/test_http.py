"""The HTTP layer over raw sockets: malformed, oversized, slow and half-closed clients (A30 to A45)."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from springhead.wire.http.connections import is_own_address
from stopwatch import Stopwatch, within
from support import eventually

ECHO = Path(__file__).with_name("echo_app.py")
OK = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


class Server:
    """Starts the echo app in a process of its own."""

    def __init__(self, env: dict[str, str] | None = None, descriptors: int | None = None, **settings: Any) -> None:
        limited = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []
        self.process = subprocess.Popen(
            [*limited, sys.executable, str(ECHO), json.dumps(settings)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.socks: list[socket.socket] = []
        assert self.process.stdout is not None
        self.output = self.process.stdout

    def ready(self) -> "Server":
        self.url = self.output.readline().strip()
        self.port = int(self.url.rpartition(":")[2])
        return self

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        self.socks.append(socket.create_connection(("127.0.0.1", self.port), 60, (source, 0)))
        return self.socks[-1]

    def ask(self, data: bytes) -> bytes:
        """Sends bytes. Returns everything that the server answers."""
        with self.connect() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return closed_after(sock)[1]

    def counters(self) -> dict[str, int]:
        return body_of(self.ask(b"GET /counters HTTP/1.0\r\n\r\n"))

    def resident(self) -> int:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024  # type: ignore[index]

    def end(self) -> list[str]:
        """Waits for the end. Returns the last lines of output."""
        return self.process.communicate(timeout=60)[0].splitlines()


def half_answered(server: Server, source: str = "127.0.0.1") -> socket.socket:
    """Opens a connection with a call in progress: half of the answer has arrived."""
    sock = server.connect(source)
    sock.sendall(b"GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
    assert until(sock, b"held").startswith(b"HTTP/1.1 200 OK\r\n")
    return sock


def until(sock: socket.socket, end: bytes) -> bytes:
    """Reads until these bytes have arrived."""
    received = b""
    while not received.endswith(end):
        piece = sock.recv(1)
        assert piece, received
        received += piece
    return received


def one_answer(sock: socket.socket) -> bytes:
    """Reads one answer, head and body."""
    head = until(sock, b"\r\n\r\n")
    match = re.search(rb"content-length: (\d+)", head)
    assert match, head
    body = b""
    while len(body) < int(match[1]):
        piece = sock.recv(int(match[1]) - len(body))
        assert piece, head + body
        body += piece
    return head + body


def body_of(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def closed_after(sock: socket.socket, limit: float = 60) -> tuple[float, bytes]:
    """The seconds until the server closed this connection, and the bytes it sent."""
    began = time.monotonic()
    sock.settimeout(limit)
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            received += piece
    return time.monotonic() - began, received


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Server]:
    server = Server(**options).ready()
    try:
        yield server
    finally:
        for sock in server.socks:
            sock.close()
        server.process.kill()
        server.process.wait()
        server.output.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(header_timeout=300, body_timeout=300, write_timeout=300, keep_alive=300) as running_server:
        yield running_server


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """A server with deadlines of one second."""
    with running() as running_server:
        yield running_server


def post(headers: bytes, body: bytes = b"", target: bytes = b"/x") -> bytes:
    return b"POST " + target + b" HTTP/1.1\r\nHost: h\r\n" + headers + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"
REFUSED: dict[str, tuple[bytes, set[int]]] = {
    "A30 CL and TE": (post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n"), {400}),
    "A31 two lengths": (post(b"Content-Length: 3\r\nContent-Length: 5\r\n", b"abcde"), {400}),
    "A31 3, 5": (post(b"Content-Length: 3, 5\r\n", b"abcde"), {400}),
    "A31 +3": (post(b"Content-Length: +3\r\n", b"abc"), {400}),
    "A31 -1": (post(b"Content-Length: -1\r\n", b"abc"), {400}),
    "A31 0x3": (post(b"Content-Length: 0x3\r\n", b"abc"), {400}),
    "A31 beyond 64 bits": (post(b"Content-Length: 99999999999999999999\r\n", b"abc"), {400}),
    "A32 xchunked": (post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), {400, 501}),
    "A32 VT chunked": (post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), {400, 501}),
    "A32 space before colon": (post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), {400}),
    "A32 gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), {501}),
    "A32 gzip and chunked in two lines": (post(b"Transfer-Encoding: gzip\r\n" + CHUNKED, b"0\r\n\r\n"), {501}),
    "A32 identity, chunked": (post(b"Transfer-Encoding: identity, chunked\r\n", b"0\r\n\r\n"), {501}),
    "A32 Deflate,Chunked": (post(b"Transfer-Encoding: Deflate,Chunked\r\n", b"0\r\n\r\n"), {501}),
    "A33 chunked, chunked": (post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), {400}),
    "A34 bad chunk size": (post(CHUNKED, b"zz\r\nabc\r\n0\r\n\r\n"), {400}),
    "A34 LF in extension": (post(CHUNKED, b"3;a\nabc\r\n0\r\n\r\n"), {400}),
    "A34 missing CRLF": (post(CHUNKED, b"3\r\nabc0\r\n\r\n"), {400}),
    "A35 chunk ends in LF": (post(CHUNKED, b"3\r\nabc\n0\r\n\r\n"), {400}),
    "A36 bare LF": (b"GET /x HTTP/1.1\nHost: h\n\n", {400}),
    "A37 obs-fold": (post(b"X-A: b\r\n c\r\n"), {400}),
    "A38 CR in value": (post(b"X-A: b\rc\r\n"), {400}),
    "A38 NUL in value": (post(b"X-A: b\0c\r\n"), {400}),
    "A38 space before colon": (post(b"X-A : b\r\n"), {400}),
    "A39 no Host": (b"GET /x HTTP/1.1\r\n\r\n", {400}),
    "A39 two Hosts": (b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", {400}),
    "A39 two Hosts on 1.0": (b"GET /x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", {400}),
    "A39 no host name": (b"GET /x HTTP/1.1\r\nHost: a/b c\r\n\r\n", {400}),
    "A40 HTTP/9.9": (b"GET /x HTTP/9.9\r\nHost: h\r\n\r\n", {400, 505}),
    "A40 HTTP/0.9": (b"GET /x\r\n\r\n", {400}),
    "A40 HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "A40 raw UTF-8 in path": ("GET /ü HTTP/1.1\r\nHost: h\r\n\r\n".encode(), {400}),
    "A40 CONNECT": (b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", {400}),
    "A40 ftp target": (b"GET ftp://h/x HTTP/1.1\r\nHost: h\r\n\r\n", {400}),
    "A41 128 KiB header": (post(b"X-A: " + b"a" * 131072 + b"\r\n"), {431}),
    "A41 33 KiB of headers": (post(b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1100) for n in range(31))), {431}),
    "A41 2,000 headers": (post(b"".join(b"X-%d: a\r\n" % n for n in range(2000))), {431}),
    "A41 101 headers": (post(b"".join(b"X-%d: a\r\n" % n for n in range(100))), {431}),
    "A41 17 kB URI": (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", {414}),
    "A41 70 kB URI": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", {414}),
    "A04 1 MB secretKey": (post(b"", target=b"/pubapi/v1/?accountID=1&secretKey=" + b"A" * 1_000_000), {414}),
    "endless empty lines": (b"\r\n" * 40_000, {431}),
    "endless trailer": (post(CHUNKED, b"1\r\na\r\n0\r\nX-A: " + b"a" * 200_000), {431}),
    "A45 TLS hello": (bytes.fromhex("16030102000100 01fc0303") + bytes(range(256)) * 2, {400}),
    "A45 random bytes": (b"\x00\x9d\x07\xff" * 100, {400}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_and_closes(server: Server, case: str) -> None:
    """A30-A41, A45: a refused request gets one minimal answer without a server's name, then the end. It is counted."""
    request, statuses = REFUSED[case]
    before = server.counters()["bad_requests"]
    with server.connect() as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        _, answer = closed_after(sock)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert int(answer[9:12]) in statuses, answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in head
    assert b"\nserver:" not in head
    assert server.counters()["bad_requests"] == before + 1


def test_refusal_closes_without_the_client_doing_anything(server: Server) -> None:
    """A30: the server closes although the client keeps its side open."""
    with server.connect() as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        with within(3):
            _, answer = closed_after(sock)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


ACCEPTED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "plain": (OK, {"path": "/x", "query": "", "host": "h"}),
    "HTTP/1.0 without Host": (b"GET /x?a=b HTTP/1.0\r\n\r\n", {"path": "/x", "query": "a=b", "host": ""}),
    "empty Host": (b"GET /x HTTP/1.1\r\nHost:\r\n\r\n", {"path": "/x"}),
    "absolute target": (
        b"POST http://any.host/pubapi/v1/?accountID=1&secretKey=2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}",
        {
            "method": "POST",
            "path": "/pubapi/v1/",
            "query": "accountID=1&secretKey=2",
            "size": 2,
            "host": "any.host",
        },
    ),
    "absolute target, other Host": (
        b"GET HTTP://a.host:81/pubapi/v1 HTTP/1.1\r\nHost: b\r\n\r\n",
        {"path": "/pubapi/v1", "host": "a.host:81"},
    ),
    "absolute target, no path": (
        b"GET http://a.host HTTP/1.1\r\nHost: b\r\n\r\n",
        {"path": "/", "query": ""},
    ),
    "absolute target, query only": (
        b"GET http://a?b=/c HTTP/1.1\r\nHost: b\r\n\r\n",
        {"path": "/", "query": "b=/c"},
    ),
    "escaped path": (
        b"GET /a%20b%2Fc?d=%20 HTTP/1.1\r\nHost: h\r\n\r\n",
        {"path": "/a b/c", "query": "d=%20"},
    ),
    "two slashes": (b"GET //pubapi//v1 HTTP/1.1\r\nHost: h\r\n\r\n", {"path": "//pubapi//v1"}),
    "fragment": (b"GET /a?b#c?d HTTP/1.1\r\nHost: h\r\n\r\n", {"path": "/a", "query": "b"}),
    "chunked": (post(CHUNKED, b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), {"size": 5}),
    "trailer is no header": (
        post(CHUNKED, b"3\r\nabc\r\n0\r\nX-Account-Id: 1\r\n\r\n"),
        {"size": 3, "headers": 2},
    ),
    "99 more headers": (
        b"GET /x HTTP/1.1\r\nHost: h\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(99)) + b"\r\n",
        {"headers": 100},
    ),
    "WebSocket upgrade": (
        b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
        {"path": "/x"},
    ),
    "h2c upgrade with body": (
        post(
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nContent-Length: 3\r\n",
            b"abc",
        ),
        {"size": 3},
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepts(server: Server, case: str) -> None:
    """Requests of careful and of old clients reach the app, path and query intact."""
    request, expected = ACCEPTED[case]
    answer = server.ask(request)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nserver:" not in answer.lower()
    assert b"\r\ndate:" in answer.lower()
    assert expected.items() <= body_of(answer).items()


def test_split_into_single_bytes(server: Server) -> None:
    """A request that comes a byte at a time, in time, is like any other."""
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(b"Content-Length: 3\r\n", b"abc"):
            sock.sendall(bytes([byte]))
        assert body_of(one_answer(sock))["size"] == 3


def test_only_allowed_hosts() -> None:
    """A39: with allowed_hosts, other names are refused; the port and case do not matter."""
    with running(allowed_hosts=["api.example", "[::1]"]) as server:
        for host, status in [
            (b"api.example", 200),
            (b"API.example:8025", 200),
            (b"[::1]:80", 200),
            (b"evil.example", 400),
            (b"", 400),
        ]:
            assert int(server.ask(b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")[9:12]) == status, host
        assert server.ask(b"GET http://evil/ HTTP/1.1\r\nHost: api.example\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert server.ask(b"GET http://api.example/ HTTP/1.1\r\nHost: evil\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        assert server.ask(b"GET /x HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_health_checks_by_address_are_no_other_host() -> None:
    """A39: `curl 127.0.0.1:8025/healthz`, probes of a pod and Prometheus name the address that they connect to."""
    with running(allowed_hosts=["api.example"]) as server:
        for host, status in [
            (b"127.0.0.1", 200),
            (b"127.0.0.1:8025", 200),
            (b"localhost:8025", 200),
            (b"127.0.0.2", 400),
            (b"10.0.0.1", 400),
            (b"[::1]", 400),
            (b"127.0.0.1.evil.example", 400),
            (b"localhost.evil.example", 400),
            (b"0x7f000001", 400),
            (b"127.1", 400),
        ]:
            assert int(server.ask(b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")[9:12]) == status, host


@pytest.mark.parametrize(
    ("host", "local", "own"),
    [
        (b"10.1.2.3:8025", "10.1.2.3", True),
        (b"10.1.2.3", "::ffff:10.1.2.3", True),
        (b"[2001:db8::1]:80", "2001:db8:0::1", True),
        (b"[2001:db8::2]", "2001:db8::1", False),
        (b"localhost", "10.1.2.3", False),
        (b"localhost", "::1", True),
        (b"10.1.2.3", "", False),
    ],
)
def test_the_address_of_a_connection_is_a_host_of_it_alone(host: bytes, local: str, own: bool) -> None:
    assert is_own_address(host, (local, 8025)) is own
    assert not is_own_address(host, None)


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """Two requests in one segment, the first one slow. A broken third one is refused after both answers."""
    first = b"GET /slow?0.3 HTTP/1.1\r\nHost: h\r\n\r\n"
    answer = server.ask(first + OK + b"broken\r\n\r\n")
    assert [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", answer)] == [200, 200, 400]
    assert answer.index(b'"/slow"') < answer.index(b'"/x"')


def test_next_request_may_begin_with_the_last_one(hasty: Server) -> None:
    """A head in two parts. The first part comes with the previous request."""
    with hasty.connect() as sock:
        sock.sendall(OK + b"GET /y HTTP/1.1\r\nHo")
        assert body_of(one_answer(sock))["path"] == "/x"
        sock.sendall(b"st: h\r\n\r\n")
        assert body_of(one_answer(sock))["path"] == "/y"
        sock.sendall(OK + b"GET /y HTTP/1.1\r\nHo")
        assert one_answer(sock).startswith(b"HTTP/1.1 200 ")
        assert closed_after(sock)[1].startswith(b"HTTP/1.1 408 ")


def test_too_many_pipelined_requests(server: Server) -> None:
    """A client that pipelines without end is cut off, after the answers to its earlier requests."""
    answer = server.ask(b"GET /slow?0.1 HTTP/1.1\r\nHost: h\r\n\r\n" + OK * 300)
    assert answer.count(b"HTTP/1.1 200") == 101
    assert answer.count(b"HTTP/1.1 400") == 1


# Expect: 100-continue


def test_continue_is_sent_when_the_app_reads(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(post(b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
        assert until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert body_of(one_answer(sock))["size"] == 3


def test_no_continue_when_the_app_answers_without_reading(server: Server) -> None:
    with server.connect() as sock:
        sock.sendall(post(b"Expect: 100-continue\r\nContent-Length: 100000000\r\n", target=b"/early"))
        _, answer = closed_after(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer
    assert b"100 Continue" not in answer


# Early answers


def test_early_answer_is_read_by_a_client_that_sends_100_mb(server: Server) -> None:
    """The client sends everything, or as much as it can, and then reads the answer."""
    before = server.resident()
    with server.connect() as sock:
        sock.sendall(post(b"Content-Length: 104857600\r\n", target=b"/early"))
        with contextlib.suppress(ConnectionError):
            for _ in range(1600):
                sock.sendall(b"x" * 65536)
        _, answer = closed_after(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body_of(answer) == {"early": True}
    assert server.resident() - before < 30


def test_early_answer_ends_an_endless_body(server: Server) -> None:
    """Chunks without end, slowly and fast: answered, then closed within about 2 s, in flat memory."""
    before = server.resident()
    for piece, pause in ((b"x" * 65536, 0.0), (b"x", 0.05)):
        chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
        began = time.monotonic()
        with within(4), server.connect() as sock:
            sock.sendall(post(CHUNKED, target=b"/early"))
            with contextlib.suppress(ConnectionError):
                while time.monotonic() - began < 60:
                    sock.sendall(chunk)
                    time.sleep(pause)
            _, answer = closed_after(sock)
        assert body_of(answer) == {"early": True}
    assert server.resident() - before < 30


def test_unread_body_waits_in_the_kernel(server: Server) -> None:
    """A body that the app reads late is not buffered in memory, and arrives whole."""
    before = server.resident()
    answer = server.ask(post(b"Content-Length: 20971520\r\n", b"x" * 20971520, target=b"/late"))
    assert body_of(answer)["size"] == 20971520
    assert server.resident() - before < 30


# Deadlines


SLOW: dict[str, tuple[bytes, bytes, str, bytes]] = {
    "A42 nothing sent": (b"", b"", "header", b""),
    "A43 head stops": (b"GET /x HTTP/1.1\r\nHost: h\r\nX-A: ", b"", "header", b"HTTP/1.1 408 "),
    "A43 head drips": (b"GET /x HTTP/1.1\r\nHost: h\r\nX-A: ", b"a", "header", b"HTTP/1.1 408 "),
    "A44 body stops": (post(b"Content-Length: 1000\r\n", b"abc"), b"", "body", b"HTTP/1.1 408 "),
    "A44 body drips": (post(b"Content-Length: 1000\r\n"), b"a", "body", b"HTTP/1.1 408 "),
    "A44 chunks drip": (post(CHUNKED), b"1\r\na\r\n", "body", b"HTTP/1.1 408 "),
}


def test_slow_senders_are_cut_off(hasty: Server) -> None:
    """A42-A44: a second (here) for the head in all, a second plus what 16 KiB/s allow for the body."""
    before = hasty.counters()
    waiting = {row: hasty.connect() for row in SLOW}
    answers = dict.fromkeys(SLOW, b"")
    seconds: dict[str, tuple[float, float]] = {}
    watch = Stopwatch()
    for row, sock in waiting.items():
        sock.sendall(SLOW[row][0])
        sock.settimeout(0.02)
    while len(seconds) < len(SLOW) and time.monotonic() - watch.begun < 60:
        for row in SLOW.keys() - seconds:
            with contextlib.suppress(TimeoutError):
                try:
                    waiting[row].sendall(SLOW[row][1])
                    piece = waiting[row].recv(1000)
                except ConnectionError:
                    piece = b""
                answers[row] += piece
                if not piece:
                    seconds[row] = time.monotonic() - watch.begun, watch.seconds
    for row, (_, _, _, status) in SLOW.items():
        assert seconds[row][0] > 0.9, row
        assert seconds[row][1] < 2, row
        assert answers[row].startswith(status), row
        assert status or not answers[row], row
    after = hasty.counters()
    assert (after["header"] - before["header"], after["body"] - before["body"]) == (3, 3)


def test_idle_kept_alive_connection_is_closed(hasty: Server) -> None:
    """A42: after `keep_alive` seconds, here 1.5, counted from the last answer."""
    with hasty.connect() as sock:
        sock.sendall(OK)
        assert one_answer(sock).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.8)
        sock.sendall(OK)
        assert one_answer(sock).startswith(b"HTTP/1.1 200 ")
        watch = Stopwatch()
        _, answer = closed_after(sock)
        assert time.monotonic() - watch.begun > 1.3
        assert watch.seconds < 2.3
    assert answer == b""


def test_body_above_the_minimum_rate_may_take_its_time(hasty: Server) -> None:
    """A44: 1.6 s of a body at 40 KiB/s, more than body_timeout in all."""
    with hasty.connect() as sock:
        sock.sendall(post(b"Content-Length: 65536\r\n"))
        for _ in range(16):
            sock.sendall(b"x" * 4096)
            time.sleep(0.1)
        assert body_of(one_answer(sock))["size"] == 65536


def test_no_deadline_runs_while_the_app_works(hasty: Server) -> None:
    """No deadline runs while the app works."""
    assert body_of(hasty.ask(b"GET /slow?1.4 HTTP/1.1\r\nHost: h\r\n\r\n"))["path"] == "/slow"


def test_reader_that_never_reads_is_aborted(hasty: Server) -> None:
    """A45: 5 MB asked for and never read; others are answered meanwhile, and memory stays flat."""
    before = hasty.counters()["write"]
    memory = hasty.resident()
    socks = [hasty.connect() for _ in range(20)]
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n")
    assert quick(hasty)
    eventually(lambda: hasty.counters()["write"] - before == len(socks))
    assert hasty.resident() - memory < 30


def test_slow_reader_that_goes_on_reading_gets_all(hasty: Server) -> None:
    """A45: 5 MB in about 1.7 s, more than write_timeout in all."""
    with hasty.connect() as sock:
        sock.sendall(b"GET /big HTTP/1.0\r\n\r\n")
        received = 0
        while piece := sock.recv(65536):
            received += len(piece)
            time.sleep(0.02)
    assert received > 5_242_880


def quick(server: Server) -> bool:
    with within(1), server.connect() as sock:
        sock.sendall(OK)
        return sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_thousand_idle_or_dripping_connections_stop_nobody() -> None:
    """A45: idle, dripping heads, dripping bodies: others are served in less than a second."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    with running(header_timeout=300, body_timeout=300) as server:
        starts = [b"", b"GET /x HTTP/1.1\r\nX: ", post(b"Content-Length: 9999\r\n")]
        socks = [server.connect(f"127.0.0.{2 + number % 4}") for number in range(1000)]
        for number, sock in enumerate(socks):
            sock.sendall(starts[number % 3])
        assert server.counters()["open"] == 1001
        assert all(quick(server) for _ in range(20))


# Half-closed connections


def test_half_closed_after_a_request_still_gets_the_answer(server: Server) -> None:
    """A45: shutdown(SHUT_WR) right after the request, pipelined ones too."""
    with server.connect() as sock:
        sock.sendall(b"GET /slow?0.3 HTTP/1.1\r\nHost: h\r\n\r\n" + OK)
        sock.shutdown(socket.SHUT_WR)
        _, answer = closed_after(sock)
    assert answer.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    "start", [b"", b"GET /x HT", post(b"Content-Length: 10\r\n", b"abc"), post(CHUNKED, b"3\r\na")]
)
def test_half_closed_inside_a_request_is_closed(server: Server, start: bytes) -> None:
    """A45: the server does not wait for the rest."""
    with server.connect() as sock:
        sock.sendall(start)
        sock.shutdown(socket.SHUT_WR)
        with within(0.5):
            _, answer = closed_after(sock)
    assert answer == b""


# The limit of connections


def test_full_server_closes_the_connection_that_was_idle_longest() -> None:
    """A45: with 20 connections allowed, the 21st gets in and the oldest idle one goes; busy ones stay."""
    with running(connections=20, header_timeout=300) as server:
        busy = half_answered(server)
        idle = [server.connect() for _ in range(19)]
        assert quick(server)
        assert closed_after(idle[0])[1] == b""
        idle[5].settimeout(0.1)
        with pytest.raises(TimeoutError):
            idle[5].recv(1)
        server.process.send_signal(signal.SIGUSR1)
        assert until(busy, b"over") == b"over"
        counters = server.counters()
        assert counters["evicted"] >= 1
        assert counters["refused"] == 0


def test_server_full_of_busy_connections_closes_a_new_one() -> None:
    """A45: connections with a call in progress are not closed."""
    with running(connections=5) as server:
        busy = [half_answered(server) for _ in range(5)]
        with server.connect() as newcomer:
            assert closed_after(newcomer)[1] == b""
        server.process.send_signal(signal.SIGUSR1)
        assert all(until(sock, b"over") == b"over" for sock in busy)
        assert server.counters()["refused"] == 1


def test_an_address_may_have_a_quarter_of_all_connections() -> None:
    """A45: an address that holds connections loses its own idle ones first, and takes none from other addresses."""
    with running(connections=400, header_timeout=300) as server:
        greedy = "127.0.0.2"
        busy = [half_answered(server, greedy) for _ in range(98)]
        idle = [server.connect(greedy) for _ in range(2)]
        assert server.counters()["evicted"] == 0
        half_answered(server, greedy)
        assert closed_after(idle[0])[1] == b"", "the connection that it opened first of its idle ones"
        half_answered(server, greedy)
        assert closed_after(idle[1])[1] == b""
        assert closed_after(server.connect(greedy))[1] == b"", "it has a hundred busy connections"
        counters = server.counters()
        assert (counters["evicted"], counters["refused"]) == (2, 1)
        assert quick(server), "others are served"
        server.process.send_signal(signal.SIGUSR1)
        assert all(until(sock, b"over") == b"over" for sock in busy)
        with server.connect(greedy) as sock:
            sock.sendall(OK)
            assert sock.recv(1000).startswith(b"HTTP/1.1 200 "), "its idle connections make room again"


def test_a_trusted_proxy_may_have_all_connections() -> None:
    """Its connections belong to many clients."""
    with running(connections=150, header_timeout=300, trusted_proxies=["127.0.0.0/24"]) as server:
        for _ in range(120):
            half_answered(server)
        assert quick(server)
        counters = server.counters()
        assert (counters["evicted"], counters["refused"]) == (0, 0)


def test_few_file_descriptors() -> None:
    """64 descriptors: the limit of connections shrinks. 200 connections neither keep the server busy nor block it."""
    with running(descriptors=64, header_timeout=300) as server:
        assert server.counters()["cap"] == 24
        for _ in range(200):
            server.connect()
        assert quick(server)
        spent = Path(f"/proc/{server.process.pid}/stat").read_text().split()[13:15]
        time.sleep(0.5)
        again = Path(f"/proc/{server.process.pid}/stat").read_text().split()[13:15]
        assert sum(map(int, again)) - sum(map(int, spent)) < 15  # hundredths of a second
        assert quick(server)


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_finishes_calls_in_flight_and_returns(number: int) -> None:
    """Idle connections are closed, the slow call is answered, and the process ends with exit code 0."""
    with running() as server:
        idle, half = server.connect(), server.connect()
        half.sendall(b"GET /x HT")
        busy = half_answered(server)
        server.process.send_signal(number)
        assert closed_after(idle)[1] == closed_after(half)[1] == b""
        with pytest.raises(ConnectionError):
            server.connect()
        server.process.send_signal(signal.SIGUSR1)
        assert closed_after(busy)[1] == b"over"
        assert server.end() == ["lifespan over", "returned"]
        assert server.process.returncode == 0


def ends_soon(server: Server, number: int) -> None:
    """Ends a server that would otherwise go on for a minute at least."""
    with within(15):
        server.process.send_signal(number)
        assert server.end()[-1] == "returned"
    assert server.process.returncode == 0


def test_second_signal_ends_at_once() -> None:
    with running(shutdown_timeout=300) as server, server.connect() as idle, half_answered(server):
        server.process.send_signal(signal.SIGTERM)
        assert closed_after(idle)[1] == b""
        assert server.process.poll() is None
        ends_soon(server, signal.SIGINT)


def test_signal_while_starting_ends_at_once() -> None:
    server = Server(env={"STARTUP_SECONDS": "60"})
    assert server.output.readline() == "starting\n"
    ends_soon(server, signal.SIGTERM)


def test_signal_before_the_event_loop_ends_in_order() -> None:
    """The handler of the caller may raise, and inside uvloop's C code an exception gets lost or breaks the loop."""
    server = Server(env={"SIGNAL_BEFORE_LOOP": "1"})
    assert server.end() == ["returned"]
    assert server.process.returncode == 0


def test_calls_beyond_the_shutdown_timeout_are_dropped() -> None:
    with running(shutdown_timeout=1) as server, half_answered(server):
        began = time.monotonic()
        with within(3):
            server.process.send_signal(signal.SIGTERM)
            assert server.end()[-1] == "returned"
        assert time.monotonic() - began > 0.8


def test_taken_port_is_an_error() -> None:
    with running() as server:
        second = subprocess.run(
            [sys.executable, str(ECHO), json.dumps({"port": server.port})],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode == 1
    assert "Address already in use" in second.stderr
