"""P5: every committed change reaches every receiver at least once and in order, even if servers are killed."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from delivery.conftest import PUSHING
from delivery.receiver import Post, Receiver
from faults.load import Book, clients, end
from faults.postgres import Postgres
from fork_server import run
from support import Company, Server, eventually, new_company, sql

KILLS = int(os.environ.get("SPRINGHEAD_TEST_KILLS", "20"))

SIZE = 50
"""Leads of a call: a push takes the changes of several calls."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180 + 15 * KILLS)]


def subscribe(company: Company, *urls: str) -> None:
    outcomes = company.call("createLeadSubscriptions", objects=[{"url": url} for url in urls])
    assert all(outcome["success"] for outcome in outcomes), outcomes


def last_change(dsn: str, company_id: int) -> int:
    """The number of the company's last change, once all changes have one."""
    pending = "select from change where company_id = $1 and first is null limit 1"
    eventually(lambda: not sql(dsn, pending, company_id))
    rows = sql(dsn, "select last from feed where company_id = $1", company_id, company_id=company_id)
    return rows[0]["last"] if rows else 0


def behind(dsn: str, company_id: int) -> bool:
    """Whether any receiver lacks changes."""
    last = last_change(dsn, company_id)
    return bool(sql(dsn, "select from push where company_id = $1 and sent < $2", company_id, last))


def check(posts: list[Post], dsn: str, company_id: int) -> Counter[str]:
    """Checks the pushes of a receiver: no change is missing or out of order, and the last lead is the stored one."""
    last = last_change(dsn, company_id)
    pushed, newest, seen = 0, dict[str, dict[str, Any]](), Counter[int]()
    ids = Counter(post.headers["webhook-id"] for post in posts)
    for post in posts:
        body = post.json()
        sequences = [int(change["sequence"]) for change in body["changes"]]
        assert sequences == list(range(sequences[0], sequences[-1] + 1)), "a gap within a push"
        assert sequences[0] <= pushed + 1, f"{pushed + 1} to {sequences[0] - 1} skipped"
        pushed = max(pushed, sequences[-1])
        seen.update(sequences)
        newest |= {lead["id"]: lead for lead in body["leads"]}
    assert pushed == last, f"{last - pushed} changes never arrived"
    stored = {
        str(row["id"]): row["title"]
        for row in sql(dsn, "select id, title from lead where company_id = $1", company_id, company_id=company_id)
    }
    assert {lead_id: lead["title"] for lead_id, lead in newest.items()} == stored
    again = sum(count - 1 for count in ids.values())
    return Counter(changes=last, posts=len(posts), again=again, twice=seen.total() - last)


def test_a_server_that_is_killed_under_load_pushes_every_change(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Receiver() as receiver:
        server = Server.on_copy(data, *PUSHING)
        (row,) = sql(server.dsn, "select id from company")
        company = Company(server.url, server.ready["accountID"], server.ready["secretKey"], id=row["id"])
        paths = ["/200/a", "/200/b", "/once/c"]
        subscribe(company, *map(receiver.url, paths))
        book = Book()
        for number in range(KILLS):
            running = clients(book, server.url, company.path, number=1, lasting=False, size=SIZE)
            if number % 2:
                kill_when_a_push_arrives(server, receiver)
            else:
                book.answered.wait(number % 6)
                time.sleep(random.uniform(0.0, 0.1))  # the kill comes at a random moment
            server.kill()
            receiver.taken = lambda post: None
            end(running)
            server = Server(data, *PUSHING)
        book.check(server.dsn, company.id)
        eventually(lambda: not behind(server.dsn, company.id), seconds=60)
        again = 0
        for path in paths:
            counts = check(receiver.of(path), server.dsn, company.id)
            print(f"{path}: {KILLS} kills, {dict(counts)}, 0 missing")
            assert counts["changes"] > KILLS
            again += counts["again"]
        assert again >= KILLS // 2, "each push that was cut came again with the same id"
        company.close()
        assert server.stop() == 0


def kill_when_a_push_arrives(server: Server, receiver: Receiver) -> None:
    """F03: kills the server between its post and the answer, so that it cannot know the outcome of the push."""
    killed = threading.Event()

    def kill(post: Post) -> None:
        os.kill(server.process.pid, signal.SIGKILL)
        killed.set()

    receiver.taken = kill
    assert killed.wait(60), "no push arrived"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[Postgres]:
    running = Postgres(Path(tmp_path_factory.mktemp("shared")))
    yield running
    running.stop()


def pushing(postgres: Postgres, data: Path) -> Server:
    return Server(data, *PUSHING, env=postgres.settings())


def new_company_at(server: Server, dsn: str) -> Company:
    """A fresh company on a server with an outside database."""
    return new_company(cast("Server", SimpleNamespace(url=server.url, dsn=dsn)))


def test_two_servers_share_the_work_without_pushing_twice(postgres: Postgres, tmp_path: Path) -> None:
    servers = [pushing(postgres, tmp_path / name) for name in ("a", "b")]
    dsn = postgres.dsn(postgres.port)
    with Receiver() as receiver:
        company = new_company_at(servers[0], dsn)
        subscribe(company, *(receiver.url(f"/200/{number}") for number in range(4)))
        book = Book()
        running = [
            client for server in servers for client in clients(book, server.url, company.path, number=1, size=SIZE)
        ]
        receiver.wait(40, seconds=60)
        end(running)
        book.check(dsn, company.id)
        eventually(lambda: not behind(dsn, company.id), seconds=60)
        for number in range(4):
            counts = check(receiver.of(f"/200/{number}"), dsn, company.id)
            print(f"two servers: {dict(counts)}")
            assert (counts["again"], counts["twice"]) == (0, 0)
        company.close()
    assert [server.stop() for server in servers] == [0, 0]


def test_another_server_pushes_the_changes_of_a_killed_one(postgres: Postgres, tmp_path: Path) -> None:
    """F26, F03: the lease of a dead server expires. The test sets its end to now."""
    servers = [pushing(postgres, tmp_path / name) for name in ("c", "d")]
    dsn = postgres.dsn(postgres.port)
    with Receiver() as receiver:
        company = new_company_at(servers[0], dsn)
        paths = ["/200/x", "/once/y"]
        subscribe(company, *map(receiver.url, paths))
        book = Book()
        for number in range(max(4, KILLS // 4)):
            victim = number % 2
            running = clients(book, servers[1 - victim].url, company.path, number=1, size=SIZE)
            running += clients(book, servers[victim].url, company.path, number=1, lasting=False, size=SIZE)
            book.answered.wait(2 + number)
            servers[victim].kill()
            sql(dsn, "update push set leased_until = now() where leased_until is not null")
            servers[victim] = pushing(postgres, tmp_path / f"e{number}")
            end(running)
        book.check(dsn, company.id)
        sql(dsn, "update push set leased_until = now() where leased_until is not null")
        eventually(lambda: not behind(dsn, company.id), seconds=60)
        for path in paths:
            counts = check(receiver.of(path), dsn, company.id)
            print(f"{path}: {dict(counts)}, 0 missing")
        company.close()
    assert [server.stop() for server in servers] == [0, 0]


def test_a_restored_copy_pushes_nothing_until_it_is_adopted(postgres: Postgres, tmp_path: Path) -> None:
    """F30: a restored dump is another database. The test changes the stored system identifier instead."""
    dsn = postgres.dsn(postgres.port)
    with Receiver() as receiver:
        server = pushing(postgres, tmp_path / "original")
        company = new_company_at(server, dsn)
        subscribe(company, receiver.url())
        company.create({})
        receiver.wait(1)
        eventually(lambda: not behind(dsn, company.id))
        company.close()
        assert server.stop() == 0
        sql(dsn, "update push_home set system_identifier = system_identifier + 1")
        copy = pushing(postgres, tmp_path / "copy")
        company = Company(copy.url, company.account_id, company.secret, id=company.id)

        company.create({})
        before = looks(dsn)
        eventually(lambda: looks(dsn) >= before + 2)  # it has looked for work and not taken it

        assert len(receiver.posts) == 1
        assert "springhead db adopt" in copy.log.read_text()
        adopted = run(["db", "adopt"], env={**os.environ, "SPRINGHEAD_DATABASE_URL": dsn})
        assert adopted.returncode == 0, adopted.stderr
        receiver.wait(2)
        company.close()
        assert copy.stop() == 0


def looks(dsn: str) -> int:
    """How often servers have asked whether this database pushes, as far as PostgreSQL has counted it yet."""
    statement = "select seq_scan + coalesce(idx_scan, 0) as n from pg_stat_user_tables where relname = 'push_home'"
    return sql(dsn, statement)[0]["n"]
