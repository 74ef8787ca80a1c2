"""A load of bulk writes that records the outcome of every call, and the check of the stored rows against the record."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from support import sql

SIZE = 500
"""The most leads that a call may have."""
AWAY = "Service temporarily unavailable, try again in a few minutes"
_names = count(1)

STORED = """
select split_part(email_key, '-', 1) as batch, count(*)::int as leads, count(distinct email_key)::int as addresses,
    array_agg(id order by split_part(split_part(email_key, '@', 1), '-', 2)::int) as ids,
    array_agg(distinct coalesce(title, '')) as titles, array_agg(distinct version) as versions
from lead group by 1
"""


@dataclass
class Batch:
    """Leads that one call created and that later calls change, always all together."""

    name: str
    size: int
    ids: list[int] | None = None  # from the answer; None: no answer, so they may be stored or not
    updates: list[str] = field(default_factory=list)  # acknowledged
    unknown: str | None = None  # the last update, if it got no answer

    def check(self, row: Any) -> list[str]:
        """The differences between the stored leads and the outcomes of the calls."""
        if row is None:
            return [f"{self.name}: lost"] if self.ids is not None else []
        wrong: list[str] = []
        if row["leads"] != self.size or row["addresses"] != self.size:
            wrong.append(f"{self.name}: {row['leads']} leads, {row['addresses']} addresses")
        if self.ids is not None and row["ids"] != self.ids:
            wrong.append(f"{self.name}: other ids than answered")
        last = self.updates[-1] if self.updates else ""
        if len(row["titles"]) != 1 or row["titles"][0] not in {last, self.unknown}:
            wrong.append(f"{self.name}: {row['titles']}, acknowledged {last!r}, unanswered {self.unknown!r}")
        landed = len(self.updates) + (self.unknown is not None and row["titles"] == [self.unknown])
        if row["versions"] != [1 + landed]:
            wrong.append(f"{self.name}: versions {row['versions']} after {landed} updates")
        return wrong


class Progress:
    """A counter of finished work, for tests that wait for the work of threads."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition()

    def add(self) -> None:
        """Adds one."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait(self, more: int) -> None:
        """Waits until the count has grown by `more`."""
        with self._changed:
            until = self.count + more
            assert self._changed.wait_for(lambda: self.count >= until, 60), f"{self.count} instead of {until}"


class Book:
    """The outcomes of all calls of all clients."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.failed: list[tuple[float, float]] = []
        """When each call that was refused or not answered began and ended."""
        self.answered = Progress()

    def check(self, dsn: str, company_id: int) -> None:
        """I1 to I5: acknowledged writes are stored, others whole or not at all; one lead an address; dense versions."""
        stored = {row["batch"]: row for row in sql(dsn, STORED, company_id=company_id)}
        assert not self.wrong, self.wrong[:5]
        wrong = [problem for batch in self.batches for problem in batch.check(stored.pop(batch.name, None))]
        assert not wrong, wrong[:5]
        assert not stored, f"leads that nobody sent: {list(stored)[:5]}"


class Client(threading.Thread):
    """Creates and changes leads, `size` a call, until it is stopped. If not `lasting`, it ends when a call fails."""

    def __init__(self, book: Book, url: str, path: str, *, lasting: bool, size: int) -> None:
        super().__init__(daemon=True)
        self._book, self._path, self._lasting, self._size = book, path, lasting, size
        self._address = urlsplit(url)
        self._mine: list[Batch] = []
        self.stopped = threading.Event()
        self.start()

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=30)
        try:
            while not self.stopped.is_set():
                began = time.monotonic()
                state = self._step(connection)
                self._book.counts[state] += 1
                if state == "ok":
                    self._book.answered.add()
                    continue
                self._book.failed.append((began, time.monotonic()))
                if not self._lasting:
                    return
                connection.close()
                time.sleep(0.02)
        except Exception as cause:  # noqa: BLE001 - the check reports it
            self._book.wrong.append(repr(cause))
        finally:
            connection.close()

    def _step(self, connection: http.client.HTTPConnection) -> str:
        known = [batch for batch in self._mine if batch.unknown is None]
        if known and random.random() < 0.5:
            batch = random.choice(known)
            batch.unknown = token = f"u{next(_names)}"
            leads = [{"id": lead_id, "title": token} for lead_id in batch.ids or ()]
            state, _ = self._call(connection, "updateLeads", leads)
            if state == "ok":
                batch.updates.append(token)
                batch.unknown = None
            return state
        batch = Batch(f"b{next(_names)}", self._size)
        self._book.batches.append(batch)
        leads = [
            {"emailAddress": f"{batch.name}-{number}@example.com", "firstName": "Ada", "description": batch.name * 10}
            for number in range(self._size)
        ]
        state, outcomes = self._call(connection, "createLeads", leads)
        if state == "ok":
            batch.ids = [outcome["id"] for outcome in outcomes]
            self._mine.append(batch)
        return state

    def _call(self, connection: http.client.HTTPConnection, method: str, leads: list[Any]) -> tuple[str, list[Any]]:
        body = json.dumps({"method": method, "params": {"objects": leads}, "id": "1"})
        try:
            connection.request("POST", self._path, body)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            return "unanswered", []
        answer = json.loads(content) if response.status == 200 else {"result": None, "error": content}
        if answer["result"] is None:
            error = answer["error"]
            if response.status != 200 or (error["code"], error["message"]) != (999, AWAY):
                self._book.wrong.append(f"{method}: {response.status} {error}")
            return "refused", []
        (outcomes,) = answer["result"].values()
        if len(outcomes) != len(leads) or not all(outcome["success"] for outcome in outcomes):
            bad = [outcome for outcome in outcomes if not outcome["success"]]
            self._book.wrong.append(f"{method}: {len(bad)} of {len(outcomes)} refused, the first {bad[:1]}")
        return "ok", outcomes


def clients(book: Book, url: str, path: str, *, number: int, lasting: bool = True, size: int = SIZE) -> list[Client]:
    """Starts clients."""
    return [Client(book, url, path, lasting=lasting, size=size) for _ in range(number)]


def end(running: list[Client]) -> None:
    """Stops the clients after their current calls."""
    for client in running:
        client.stopped.set()
    for client in running:
        client.join(60)
        assert not client.is_alive(), "a call that never ends"
