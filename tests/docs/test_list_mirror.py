"""The copy of list memberships that docs/sync.md prints stays exact while lists and leads change in every way."""

import random
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from docs.test_mirror import start
from faults.test_mirror import call, in_thread
from lists import add_members, members, new_list
from support import Company, Server, eventually, new_email, sql

pytestmark = pytest.mark.timeout(180)
WRITERS, WRITES = 4, 45
CITIES = ["Rome", "Oslo", "Bonn", ""]
Members = set[tuple[str, str]]


@contextmanager
def running(company: Company, folder: Path) -> Generator[Callable[[], str]]:
    """Runs the program, which must not end by itself. Yields a function that returns the cursor of the copy."""
    process: subprocess.Popen[bytes] = start(company, folder, "lists.py")

    def cursor() -> str:
        assert process.poll() is None, (folder / "said").read_text()[-2_000:]
        return copied(folder)[0]

    try:
        yield cursor
        cursor()
    finally:
        process.kill()
        process.wait(20)


def copied(folder: Path) -> tuple[str, Members]:
    """The cursor and the memberships of the copy; no cursor while the first copy is not complete."""
    with closing(sqlite3.connect(folder / "lists.db", timeout=20)) as database, database:
        database.execute("begin")
        if not database.execute("select 1 from sqlite_master where name = 'feed'").fetchone():
            return "", set()
        cursor = database.execute("select cursor from feed").fetchone()
        return cursor[0] if cursor else "", set(database.execute("select list, lead from member"))


def on_server(company: Company) -> Members:
    """All memberships of the company."""
    lists: list[dict[str, Any]] = []
    while page := company.call("getActiveLists", offset=len(lists)):
        lists += page
    return {(row["id"], str(lead)) for row in lists for lead in members(company, int(row["id"]))}


def is_exact(company: Company, folder: Path, server: Server) -> None:
    """Waits until all background work is done and the copy is at the end of the feed, then compares."""
    sql(server.dsn, "update pass set due_at = now() where company_id = $1 and kind <> 'recycle'", company.id)
    left = "select from pass where company_id = $1 and kind <> 'recycle'"
    unnumbered = "select from change where company_id = $1 and first is null"
    eventually(
        lambda: not sql(server.dsn, left, company.id) and not sql(server.dsn, unnumbered, company.id), seconds=60
    )
    end = company.envelope("getLeadChanges", {"cursor": "now"})["result"]["cursor"]
    eventually(lambda: copied(folder)[0] == end, seconds=60)
    assert copied(folder)[1] == on_server(company)


class Writer:
    """Makes random writes of every kind that changes memberships, one after the other."""

    def __init__(self, company: Company, seed: int) -> None:
        self.company, self.dice = company, random.Random(seed)
        self.kinds: list[Callable[[], None]] = [
            self.create, self.update, self.update, self.add, self.add, self.remove, self.by_address, self.delete,
            self.restore, self.merge, self.erase, self.make_list, self.delete_list, self.refill, self.empty,
        ]  # fmt: skip

    def run(self) -> None:
        for _ in range(WRITES):
            self.dice.choice(self.kinds)()
        self.company.close()

    def leads(self, most: int) -> list[int]:
        ids = [int(row["id"]) for row in call(self.company, "getLeads", where={}, limit=60, fields=["id"])]
        return self.dice.sample(ids, min(most, len(ids)))

    def lists(self, *, filtered: bool) -> list[int]:
        rows = call(self.company, "getActiveLists", where={})
        ids = [int(row["id"]) for row in rows if ("filter" in row) == filtered]
        return self.dice.sample(ids, min(2, len(ids)))

    def city(self) -> str:
        return self.dice.choice(CITIES)

    def create(self) -> None:
        objects = [{"emailAddress": new_email(), "city": self.city()} for _ in range(self.dice.randint(1, 9))]
        call(self.company, "createLeads", objects=objects)

    def update(self) -> None:
        objects = [{"id": lead, "city": self.city(), "active": self.dice.choice([0, 1, 1])} for lead in self.leads(8)]
        call(self.company, "updateLeads", objects=objects)

    def add(self) -> None:
        pairs = [(list_id, lead) for list_id in self.lists(filtered=False) for lead in self.leads(12)]
        call(self.company, "addListMembers", objects=[{"listID": one, "memberID": lead} for one, lead in pairs])

    def remove(self) -> None:
        pairs = [(list_id, lead) for list_id in self.lists(filtered=False) for lead in self.leads(12)]
        call(self.company, "removeListMembers", objects=[{"listID": one, "contactID": lead} for one, lead in pairs])

    def by_address(self) -> None:
        rows = call(self.company, "getLeads", where={}, limit=5, fields=["emailAddress"])
        objects = [
            {"listID": list_id, "emailAddress": row["emailAddress"]}
            for list_id in self.lists(filtered=False)
            for row in rows
        ]
        method = self.dice.choice(["addListMembersEmailAddress", "removeListMembersEmailAddress"])
        call(self.company, method, objects=objects)

    def delete(self) -> None:
        call(self.company, "deleteLeads", objects=[{"id": lead} for lead in self.leads(3)])

    def restore(self) -> None:
        gone = [int(row["id"]) for row in call(self.company, "getDeletedLeads", limit=5)]
        call(self.company, "restoreLeads", objects=gone)

    def merge(self) -> None:
        if len(chosen := self.leads(3)) > 1:
            call(self.company, "mergeLeads", objects=[{"id": chosen[0], "mergeIDs": chosen[1:]}])

    def erase(self) -> None:
        call(self.company, "eraseLeads", objects=[{"id": lead} for lead in self.leads(1)])

    def make_list(self) -> None:
        filter_ = {"filter": {"city": self.city() or "Rome"}} if self.dice.random() < 0.5 else {}
        call(self.company, "createList", name="A list", **filter_)

    def delete_list(self) -> None:
        for list_id in self.lists(filtered=self.dice.random() < 0.5)[:1]:
            call(self.company, "deleteList", objects=[{"id": list_id}])

    def refill(self) -> None:
        for list_id in self.lists(filtered=self.dice.random() < 0.8)[:1]:
            filter_ = self.dice.choice([None, *({"city": city} for city in CITIES[:3])])
            call(self.company, "updateList", objects=[{"id": list_id, "filter": filter_}])

    def empty(self) -> None:
        for list_id in self.lists(filtered=False)[:1]:
            call(self.company, "removeListMembersAll", objects=[{"listID": list_id}])


@pytest.fixture
def filled(company: Company) -> Company:
    """A company with leads on lists of both kinds."""
    leads = company.create(*({"city": CITIES[number % 4]} for number in range(80)))
    for number in range(4):
        add_members(company, new_list(company), *leads[number * 10 : number * 10 + 30])
        new_list(company, filter={"city": CITIES[number % 3]})
    return company


def test_the_copy_is_exact_through_random_concurrent_writes_and_kills(
    filled: Company, server: Server, tmp_path: Path
) -> None:
    failures: list[Exception] = []
    writers = [
        Writer(Company(filled.url, filled.account_id, filled.secret, version="v1.2"), seed) for seed in range(WRITERS)
    ]
    with running(filled, tmp_path) as cursor:
        threads = [in_thread(partial(writer.run), failures) for writer in writers]
        eventually(lambda: cursor() != "")
        before = cursor()
        eventually(lambda: cursor() != before)
    with running(filled, tmp_path):  # it was killed, and goes on from its cursor
        for thread in threads:
            thread.join(150)
        assert failures == []
        is_exact(filled, tmp_path, server)
        assert len(copied(tmp_path)[1]) > 10


def test_the_copy_of_a_long_list_is_exact_while_members_leave(company: Company, server: Server, tmp_path: Path) -> None:
    """Pages by offset skip rows after others have left. The program notices, and goes back."""
    list_id = new_list(company)
    leads = [lead for _ in range(4) for lead in company.create(*[{}] * 500)]
    for start_at in range(0, 2_000, 500):
        add_members(company, list_id, *leads[start_at : start_at + 500])
    done = threading.Event()
    writer = Company(company.url, company.account_id, company.secret)

    def leave() -> None:
        for lead in leads[:700]:
            call(writer, "removeListMembers", objects=[{"listID": list_id, "contactID": lead}])
            if done.is_set():
                return

    failures: list[Exception] = []
    thread = in_thread(leave, failures)
    with running(company, tmp_path) as cursor:
        eventually(lambda: cursor() != "")
        done.set()
        thread.join(60)
        assert failures == []
        is_exact(company, tmp_path, server)
        assert len(copied(tmp_path)[1]) >= 1_300
    writer.close()
