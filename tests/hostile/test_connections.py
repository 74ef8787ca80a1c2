"""Slow, huge and half-closed requests to the real server. wire/test_http.py tests every case (A42 to A45)."""

import contextlib
import resource
import socket

from hostile.ask import call
from hostile.conftest import resident
from stopwatch import within
from support import Company, Server


def connect(company: Company, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((company.address.hostname or "", company.address.port or 0), 60, (source, 0))


def head(company: Company, length: int) -> bytes:
    return (
        f"POST {company.path} HTTP/1.1\r\nHost: {company.address.netloc}\r\nContent-Length: {length}\r\n\r\n".encode()
    )


def rest(sock: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65_536):
            received += piece
    return received


def test_100_mb_are_refused_before_they_are_read(server: Server, company: Company) -> None:
    before = resident(server)
    with connect(company) as sock:
        sock.sendall(head(company, 100_000_000))
        with within(4):
            with contextlib.suppress(ConnectionError):
                for _ in range(1_600):
                    sock.sendall(b"x" * 65_536)
            answer = rest(sock)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"code":101' in answer
    assert b"connection: close" in answer
    assert resident(server) - before < 20_000_000


def test_a_body_that_drips_and_a_thousand_idle_connections_stop_nobody(server: Server, company: Company) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4_096)), hard))
    body = call("getLeads", {"where": {}})
    with contextlib.ExitStack() as all_of_them:
        idle = [all_of_them.enter_context(connect(company, f"127.0.0.{2 + n % 4}")) for n in range(1_000)]
        for sock in idle[::3]:
            sock.sendall(head(company, len(body)))
        dripping = all_of_them.enter_context(connect(company))
        dripping.sendall(head(company, len(body)))
        for byte in body:
            dripping.sendall(bytes([byte]))
            with within(1):
                assert company.call("getLeads", where={}) == []
        assert dripping.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_half_closed_after_the_call_gets_the_answer_and_before_its_end_nothing_is_stored(company: Company) -> None:
    body = call("createLeads", {"objects": [{"emailAddress": "half@example.com"}]})
    with connect(company) as sock:
        sock.sendall(head(company, len(body)) + body[:-1])
        sock.shutdown(socket.SHUT_WR)
        assert b"success" not in rest(sock)
    assert company.call("getLeads", where={}) == []
    with connect(company) as sock:
        sock.sendall(head(company, len(body)) + body)
        sock.shutdown(socket.SHUT_WR)
        assert b'"success":true' in rest(sock)
    assert len(company.call("getLeads", where={})) == 1


def test_a_client_that_leaves_before_the_answer_harms_nobody(server: Server, company: Company) -> None:
    body = call("createLeads", {"objects": [{"emailAddress": f"gone{number}@example.com"} for number in range(500)]})
    for _ in range(10):
        with connect(company) as sock:
            sock.sendall(head(company, len(body)) + body)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing sends a reset
    assert len(company.call("getLeads", where={})) in {0, 500}
