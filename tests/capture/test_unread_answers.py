"""Answers that nobody reads: a connection holds a part of a long answer, in the server and in the kernel."""

import hashlib
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from capture.forms import FormOf, custom
from capture.public import Public
from springhead.wire.http.messages import CHUNK_BYTES
from springhead.wire.http.server import SEND_BUFFER_BYTES
from support import Server

READERS = 80
FILE_BYTES = 5 * 1024 * 1024


def file_of(public: Public) -> str:
    """Stores a file of 5 MB. Returns its address."""
    cv = custom(public.company, "CV", "upload")
    form = FormOf(public, cv)
    form.files(("emailAddress", "a@example.com"), (cv, ("cv.bin", bytes(range(256)) * (FILE_BYTES // 256))))
    return str(form.lead()[cv])


def unsent_bytes(port: int) -> int:
    """The bytes in the send buffers of all connections of a port, as Linux counts them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].partition(":")[0], 16) for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01")


@contextmanager
def readers(public: Public, path: str) -> Generator[None]:
    """Clients that ask for a path, get the first byte, and read no further."""
    with ExitStack() as opened:
        socks = [opened.enter_context(socket.socket()) for _ in range(READERS)]
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.settimeout(60)
            sock.connect((public.company.address.hostname, public.company.address.port))
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for sock in socks:
            assert sock.recv(12) == b"HTTP/1.1 200"
        yield


@pytest.mark.parametrize("what", ["openrpc", "file"])
def test_readers_that_never_read_hold_little_memory(public: Public, server: Server, what: str) -> None:
    path = file_of(public) if what == "file" else "/openrpc.json"
    whole = public.ask(path).body  # a first answer, so that memory which is allocated once is not counted
    assert len(whole) > 500_000
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss

    with readers(public, path):
        grown = process.memory_info().rss - before
        in_kernel = unsent_bytes(public.company.address.port or 0)
        assert public.ask(path).body == whole, "others get the whole answer"
    assert in_kernel <= READERS * (2 * SEND_BUFFER_BYTES + CHUNK_BYTES)
    assert grown < READERS * (500_000 if what == "file" else 250_000)


def test_a_file_of_many_parts_arrives_whole(public: Public) -> None:
    address = file_of(public)
    answer = public.ask(address)
    assert answer.headers["content-length"] == str(len(answer.body)) == str(FILE_BYTES)
    (row,) = public.rows("select sha256 from upload where company_id = $1")
    assert hashlib.sha256(answer.body).digest() == row["sha256"]
    head = public.ask(address, verb="HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(FILE_BYTES), b"")


def test_a_file_that_is_deleted_while_it_is_sent_ends_early_and_the_connection_closes(public: Public) -> None:
    address = file_of(public)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.settimeout(60)
        sock.connect((public.company.address.hostname, public.company.address.port))
        sock.sendall(f"GET {address} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = len(sock.recv(1_000))
        public.rows("delete from upload where company_id = $1 returning id")
        while piece := sock.recv(65_536):
            received += len(piece)
    assert received < FILE_BYTES
    assert public.ask(address).status == 404
