"""kill -9 during bulk writes: acknowledged writes are stored, unanswered ones are stored whole or not at all."""

import os
import random
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from faults.load import Book, clients, end
from faults.postgres import backends, kill, postmaster
from springhead.postgres.socket_path import running_dsn
from stopwatch import within
from support import Company, Server, eventually, new_company, sql

KILLS = int(os.environ.get("SPRINGHEAD_TEST_KILLS", "20"))

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120 + 10 * KILLS)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server that keeps running while the tests kill its PostgreSQL."""
    running = Server.on_copy(tmp_path_factory.mktemp("kills") / "data", "--no-limits")
    yield running
    assert running.stop() == 0
    assert not backends(running.data / "postgres")


def path_of(account_id: str, secret: str) -> str:
    return Company("http://localhost", account_id, secret).path


def test_a_killed_server_loses_nothing_and_starts_again_by_itself(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server.on_copy(data, "--no-limits")
    path = path_of(server.ready["accountID"], server.ready["secretKey"])
    book = Book()
    starts: list[float] = []
    for number in range(KILLS):
        running = clients(book, server.url, path, number=3, lasting=False)
        book.answered.wait(number % 4)
        time.sleep(random.uniform(0.0, 0.1))  # the kill comes at any moment of the calls under way
        server.kill()
        end(running)
        begun = time.monotonic()
        server = Server(data, "--no-limits")
        starts.append(time.monotonic() - begun)
        postmasters = [backend for backend in backends(data / "postgres") if backend.ppid() == server.process.pid]
        assert len(postmasters) == 1, "one child of the server"
        families = {backend.ppid() for backend in backends(data / "postgres")}
        assert families == {server.process.pid, postmasters[0].pid}, "and no orphan"
    (company,) = sql(server.dsn, "select id from company")
    book.check(server.dsn, company["id"])
    assert server.stop() == 0
    assert not backends(data / "postgres")
    print(f"{KILLS} kills of the server: {dict(book.counts)}, slowest start {max(starts):.2f} s, 0 lost")
    assert book.counts["ok"] > KILLS
    assert max(starts) < 10


@pytest.mark.parametrize("victim", ["postmaster", "backend"])
def test_a_killed_postgresql_fails_calls_only_while_it_is_away(own: Server, victim: str) -> None:
    cluster = own.data / "postgres"
    company = new_company(own)
    book = Book()
    running = clients(book, own.url, company.path, number=3)
    away: list[tuple[float, float]] = []
    for number in range(-(-KILLS // 2)):
        book.answered.wait(number % 3)
        time.sleep(random.uniform(0.0, 0.1))  # the kill comes at any moment of the calls under way
        if victim == "postmaster":
            pid = postmaster(cluster)
        else:
            children = [backend for backend in backends(cluster) if backend.ppid() == postmaster(cluster)]
            pid = random.choice([child.pid for child in children if is_client(child)] or [postmaster(cluster)])
        before = checkpointer(own)
        begun = time.monotonic()
        kill(pid)
        eventually(lambda own=own, before=before: checkpointer(own) not in {None, before}, seconds=20)
        away.append((begun, time.monotonic()))
    book.answered.wait(4)
    end(running)
    assert own.process.poll() is None
    book.check(own.dsn, company.id)
    outages = max(over - begun for begun, over in away)
    print(f"{len(away)} kills of a {victim}: {dict(book.counts)}, longest away {outages:.2f} s, 0 lost")
    apart = [began for began, end in book.failed if not any(begun <= end and began <= over for begun, over in away)]
    late = Counter(sum(over < began for _, over in away) for began in apart)
    assert not late[0]
    assert max(late.values(), default=0) <= len(running), f"calls that failed while PostgreSQL was running: {late}"


def is_client(process: psutil.Process) -> bool:
    try:
        return "springhead springhead" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def checkpointer(server: Server) -> int | None:
    """The process id of PostgreSQL's checkpointer, which a recovery replaces. None while PostgreSQL is unreachable."""
    dsn = (running_dsn(server.data) or "").replace("springhead@/springhead", "postgres@/postgres")
    try:
        (row,) = sql(dsn, "select pid from pg_stat_activity where backend_type = 'checkpointer'")
    except Exception:  # noqa: BLE001 - any error of a PostgreSQL that starts or ends
        time.sleep(0.01)
        return None
    return row["pid"]


def test_sigterm_lets_calls_in_flight_finish(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server.on_copy(data, "--no-limits")
    path = path_of(server.ready["accountID"], server.ready["secretKey"])
    book = Book()
    for _ in range(2):
        running = clients(book, server.url, path, number=4, lasting=False)
        book.answered.wait(4)
        with within(15):
            assert server.stop() == 0, "by one signal: a second one would cut the calls"
        end(running)
        assert not backends(data / "postgres")
        server = Server(data, "--no-limits")
    assert not book.counts["refused"], "calls in flight finish; no new one begins"
    (company,) = sql(server.dsn, "select id from company")
    book.check(server.dsn, company["id"])
    assert not [batch for batch in book.batches if batch.unknown and in_store(server, company["id"], batch.unknown)], (
        "every executed call was answered"
    )
    assert server.stop() == 0


def in_store(server: Server, company_id: int, token: str) -> bool:
    return bool(sql(server.dsn, "select from lead where title = $1 limit 1", token, company_id=company_id))
