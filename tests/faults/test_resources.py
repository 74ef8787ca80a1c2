"""Scarce resources: file descriptors, memory during a long answer, and clients that do not read."""

import http.client
import json
import resource
import socket
import threading
import time
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from support import Company, Server, eventually, new_company, sql

pytestmark = pytest.mark.timeout(120)

MANY = 100_000
FILL = """
insert into lead (company_id, email_key, email_address, lead_score, lead_score_weighted, active, lead_status,
    first_name, description, create_timestamp, update_timestamp)
select $1, 'many' || n || '@example.com', 'many' || n || '@example.com', 0, 0, true, 'open',
    'Lead ' || n, repeat('words ', 20), now(), now()
from generate_series(1, $2::int) n
"""


@pytest.fixture(scope="module")
def filled(server: Server) -> Generator[Company]:
    """A company with a hundred thousand leads."""
    with closing(new_company(server)) as company:
        sql(server.dsn, FILL, company.id, MANY, company_id=company.id)
        yield company


def test_a_long_answer_needs_little_memory_and_a_slow_reader_blocks_nobody(
    server: Server, filled: Company, company: Company
) -> None:
    (lead_id,) = company.create({})
    process = psutil.Process(server.process.pid)
    # A first answer, so that memory which is allocated once is not counted.
    params = {"startDate": "2020-01-01", "endDate": "2999-01-01", "timestamp": "create"}
    assert len(filled.call("getLeadsDateRange", **params, limit=2000)) == 2000
    before = peak = process.memory_info().rss
    connection = http.client.HTTPConnection(filled.address.hostname or "", filled.address.port, timeout=60)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    connection.sock.settimeout(60)
    connection.sock.connect((filled.address.hostname, filled.address.port))
    body = json.dumps({"method": "getLeadsDateRange", "params": {**params, "limit": MANY}, "id": "1"})
    connection.request("POST", filled.path, body)
    answer = connection.getresponse()
    size = ids = 0
    tail = b""
    with closing(connection):
        while piece := answer.read(1 << 20):
            size += len(piece)
            ids += (tail + piece).count(b'"emailAddress":') - tail.count(b'"emailAddress":')
            tail = piece[-20:]
            peak = max(peak, process.memory_info().rss)
            assert company.lead(lead_id)["id"] == str(lead_id), "nothing is read meanwhile, and others are answered"
    grown = (peak - before) / 1e6
    print(f"{MANY} leads, {size / 1e6:.0f} MB: memory grew by {grown:.1f} MB")
    assert ids == MANY
    assert grown < 30


def test_readers_that_stop_reading_use_no_connections_of_the_pool(
    server: Server, filled: Company, company: Company
) -> None:
    body = json.dumps(
        {
            "method": "getLeadsDateRange",
            "params": {"startDate": "2020-01-01", "endDate": "2999-01-01", "timestamp": "create", "limit": MANY},
            "id": "1",
        }
    ).encode()
    stuck = [socket.create_connection((filled.address.hostname, filled.address.port)) for _ in range(24)]
    try:
        for connection in stuck:
            connection.sendall(
                f"POST {filled.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
        for connection in stuck:
            connection.settimeout(60)
            assert connection.recv(1, socket.MSG_PEEK), "it gets an answer and does not read it"
        assert company.create({}), "there are more stuck readers than connections to the database"
    finally:
        for connection in stuck:
            connection.close()
    eventually(lambda: idle_cpu(server), seconds=60)


def idle_cpu(server: Server) -> bool:
    """Whether the server is idle: it does not go on reading for clients that have gone."""
    process = psutil.Process(server.process.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(0.5)
    return sum(process.cpu_times()[:2]) - before < 0.1


def test_a_long_answer_survives_a_change_of_fields_and_ends_when_the_database_is_lost(
    server: Server, filled: Company
) -> None:
    params = {"startDate": "2020-01-01", "endDate": "2999-01-01", "timestamp": "create", "limit": 20_000}
    for harm in ("fields", "database"):
        with closing(http.client.HTTPConnection(filled.address.hostname or "", filled.address.port, timeout=60)) as own:
            own.connect()
            own.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            own.request("POST", filled.path, json.dumps({"method": "getLeadsDateRange", "params": params, "id": "1"}))
            answer = own.getresponse()
            content = answer.read(1000)
            if harm == "fields":
                filled.field("Late")
                content += answer.read()
                assert len(json.loads(content)["result"]["lead"]) == 20_000
            else:
                sql(
                    server.dsn,
                    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
                    " and usename = current_user",
                )
                try:
                    while piece := answer.read(1 << 20):
                        content += piece
                except http.client.IncompleteRead:
                    continue
                assert len(json.loads(content)["result"]["lead"]) == 20_000, "an answer that looks complete is complete"
    # The server may still use a connection that has just ended. Such a call fails with the retryable error.
    eventually(lambda: filled.envelope("getLead", {"id": 1})["error"] is None)


def test_a_server_out_of_file_descriptors_goes_on_and_recovers(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data", "--no-limits")
    try:
        with closing(Company(server.url, server.ready["accountID"], server.ready["secretKey"])) as company:
            company.create({})
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
            idle = [socket.socket() for _ in range(200)]
            for connection in idle:
                connection.settimeout(2)
                with suppress(OSError):
                    connection.connect((company.address.hostname, company.address.port))
            process = psutil.Process(server.process.pid)
            eventually(lambda: process.num_fds() >= 60)
            assert company.create({}), "existing connections are served"
            for connection in idle:
                connection.close()
            eventually(lambda: answers(server))
            failed = in_parallel(server, 12)
            assert not failed, failed
        assert server.process.poll() is None
        assert server.log.stat().st_size < 1_000_000, "it does not fill the log with the same error"
    finally:
        assert server.stop() == 0


def answers(server: Server) -> bool:
    with closing(Company(server.url, server.ready["accountID"], server.ready["secretKey"])) as fresh:
        try:
            return fresh.envelope("getLead", {"id": 1})["error"] is None
        except OSError:
            return False


def in_parallel(server: Server, number: int) -> list[str]:
    failed: list[str] = []

    def call() -> None:
        with closing(Company(server.url, server.ready["accountID"], server.ready["secretKey"])) as fresh:
            try:
                fresh.create(*({} for _ in range(50)))
            except Exception as cause:  # noqa: BLE001 - shown by the test
                failed.append(repr(cause)[:200])

    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failed
