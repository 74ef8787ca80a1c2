"""The mirror of docs/sync.md stays exact: under the default limits, beside a busy client, through kills."""

import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from callers import patient
from doc_pages import TOP, blocks
from support import Company, Server, eventually

LEADS = 12_000


def filled(server: Server, leads: int = LEADS) -> Company:
    """The first company of a server with the default limits, with so many leads."""
    company = Company(server.url, server.ready["accountID"], server.ready["secretKey"])
    for start in range(0, leads, 500):
        objects = [{"emailAddress": f"{number}@example.com"} for number in range(start, start + 500)]
        outcomes = patient(company, "createLeads", objects=objects)["creates"]
        assert all(outcome["success"] for outcome in outcomes)
    return company


class Neighbour(threading.Thread):
    """Another client of the company, which changes a lead as often as the limits allow, until it is told to stop."""

    def __init__(self, company: Company) -> None:
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.changes = 0
        self._company = company

    def run(self) -> None:
        while not self.stopped.is_set():
            number = self.changes % LEADS
            change = {"emailAddress": f"{number}@example.com", "city": f"City {self.changes}"}
            try:
                patient(self._company, "updateLeads", objects=[change])
            except (OSError, ValueError):
                time.sleep(0.05)
            else:
                self.changes += 1
        self._company.close()


def start_mirror(company: Company, folder: Path) -> subprocess.Popen[bytes]:
    """Starts the mirror of leads, as printed but for the address. Its output goes to the file `said`."""
    return start(company, folder, "mirror.py")


def start(company: Company, folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Starts one of the two programs of the page. The second one imports the first."""
    programs = blocks(TOP / "docs" / "sync.md", "python")
    for file, (_, program) in zip(("mirror.py", "lists.py"), programs, strict=True):
        text = program.replace("http://127.0.0.1:8025", company.url)
        (folder / file).write_text(text.replace("ACCOUNTID", company.account_id).replace("SECRETKEY", company.secret))
    with (folder / "said").open("ab") as said:
        return subprocess.Popen([sys.executable, name], cwd=folder, stdout=said, stderr=said)


@contextmanager
def mirror(company: Company, folder: Path) -> Generator[None]:
    """Runs the program, which must not end by itself."""
    process = start_mirror(company, folder)
    try:
        yield
        assert process.poll() is None, (folder / "said").read_text()[-2_000:]
    finally:
        process.kill()
        process.wait(20)


def copied(folder: Path) -> tuple[str, dict[str, Any]]:
    """The cursor and the leads of the copy; no cursor while the first copy is not complete."""
    with closing(sqlite3.connect(folder / "leads.db", timeout=20)) as database, database:
        database.execute("begin")
        if not database.execute("select 1 from sqlite_master where name = 'feed'").fetchone():
            return "", {}
        cursor = database.execute("select cursor from feed").fetchone()
        leads = database.execute("select id, data from lead")
        return cursor[0] if cursor else "", {lead: json.loads(data) for lead, data in leads}


def on_server(company: Company) -> dict[str, Any]:
    """All leads of the company."""
    leads, cursor = dict[str, Any](), ""
    while cursor is not None:
        page = patient(company, "searchLeads", limit=500, inactive=1, cursor=cursor)
        leads |= {lead["id"]: lead for lead in page["lead"]}
        cursor = page["cursor"]
    return leads


def is_exact(company: Company, folder: Path) -> None:
    """Waits until the copy is at the end of the feed, then compares all leads."""
    end = patient(company, "getLeadChanges", cursor="now")["cursor"]
    eventually(lambda: copied(folder)[0] == end)
    theirs = on_server(company)
    ours = copied(folder)[1]
    assert ours == theirs


def test_the_mirror_is_exact_under_the_default_limits_beside_a_client_and_through_kills(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    port = str(urlsplit(server.url).port)
    company = filled(server)
    neighbour = Neighbour(Company(company.url, company.account_id, company.secret))
    neighbour.start()

    def pages() -> int:
        return len(re.findall(r'"method":"searchLeads"', server.log.read_text()))

    with mirror(company, tmp_path):
        eventually(lambda: pages() >= 3)
        server.kill()  # in the middle of the first copy
        assert copied(tmp_path)[0] == ""
        server = Server(tmp_path / "data", "--port", port)
        eventually(lambda: copied(tmp_path)[0] != "")
        before = copied(tmp_path)[0]
        eventually(lambda: copied(tmp_path)[0] != before)
        assert server.stop() == 0  # while it reads changes
        server = Server(tmp_path / "data", "--port", port)
        counted = neighbour.changes
        eventually(lambda: neighbour.changes > counted)
        neighbour.stopped.set()
        neighbour.join(60)
        company.close()
        company = Company(server.url, company.account_id, company.secret)
        is_exact(company, tmp_path)
        assert len(copied(tmp_path)[1]) == LEADS

    said = (tmp_path / "said").read_text()
    assert re.search(r"trying again in 0\.\d+ s", said), "the limits made it wait"
    assert "no answer" in said, "the kills made it wait"
    assert neighbour.changes > 20
    company.close()
    assert server.stop() == 0


def test_a_wrong_key_ends_the_mirror_with_one_line(company: Company, tmp_path: Path) -> None:
    process = start_mirror(Company(company.url, company.account_id, "5EAD"), tmp_path)
    assert process.wait(60) == 1
    text = (tmp_path / "said").read_text()
    assert text == '401: "Unable to determine clusterID from provided accountID/secretKey"\n'


def test_the_mirror_copies_all_leads_again_after_a_restore_of_an_older_backup(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    company = filled(server, 500)
    with mirror(company, tmp_path):
        is_exact(company, tmp_path)
    with closing(sqlite3.connect(tmp_path / "leads.db")) as database, database:
        database.execute("update feed set cursor = '999999999'")  # beyond the end, as the feed of an older backup is
        database.execute("delete from lead where rowid % 2 = 0")
    with mirror(company, tmp_path):
        is_exact(company, tmp_path)
    company.close()
    assert server.stop() == 0
