"""Makes the dump of a release: `PYTHONPATH=tests .venv/bin/python -m upgrade.make_dump`, from the project's folder."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from delivery.receiver import Receiver
from support import Company, Server, eventually
from upgrade import database
from upgrade.fill import PUBLIC_URL, REPEAT, REPEAT_KEY, SPRING, Filling, repeat
from upgrade.reads import of_specification, reads
from upgrade.visitor import Visitor

HERE = Path(__file__).parent
PUSHES = ("--public-url", PUBLIC_URL, "--push-http", "--push-networks", "127.0.0.0/8")
COMPANIES = {
    "acme": ("Acme & Söhne GmbH", "UTC", "v1.2"),
    "himal": ("हिमाल", "Asia/Kathmandu", "v1"),
}
"""Names, zones, and the version of the API that each is read by. A zone must not change its clock: times are moved."""

BEHIND_THE_API = """
insert into user_profile (company_id, first_name, last_name, display_name, email_address, email_key, phone,
    user_timezone, is_active)
select id, 'Zoë', 'O''Hara', 'Zoë O''Hara ☎', 'Zoe@example.com', 'zoe@example.com', '+1 (0)', 'Asia/Tokyo', false
from company;
insert into list_tag (company_id, create_timestamp, update_timestamp, label)
select id, now(), now(), 'Tág' from company;
"""
"""What no call can make in this version: a second user, and tags of lists."""

ANOTHER_DATABASE = "update push_home set database_oid = 1"
"""Makes this database a copy of another one: nothing is pushed from it, so that nothing changes while it is read."""


def main() -> None:
    """Fills a database, stores the answers of all reads, and dumps it."""
    release = HERE / version("springhead")
    assert not (release / "dump.sql").exists(), f"{release} has a dump, and a dump is never replaced"
    with tempfile.TemporaryDirectory() as folder, host(Path(folder)) as (server, dsn):
        answers = fill(Path(folder), dsn)
        text, empty = database.dump(dsn), database.empty_tables(dsn)
        assert not empty, f"tables without a row: {empty}"
        assert server.stop() == 0
    release.mkdir(exist_ok=True)
    (release / "dump.sql").write_bytes(text.encode())  # a value can hold any kind of line end
    (release / "answers.json").write_text(lines({"dumped": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", **answers}))


@contextmanager
def host(folder: Path) -> Generator[tuple[Server, str]]:
    """Starts a server whose PostgreSQL also has the database to fill. Yields its DSN."""
    server = Server(folder / "host")
    try:
        yield server, database.create(server, "release")
    finally:
        server.stop()


def fill(folder: Path, dsn: str) -> dict[str, Any]:
    """Fills the database through a server, which is killed at the end. Returns the created companies."""
    with serving(folder, dsn) as running:
        made = {name: new_company(dsn, title, zone) for name, (title, zone, _) in COMPANIES.items()}
        database.restore(database.as_superuser(dsn, "release"), BEHIND_THE_API)
        with Receiver() as receiver:
            for name, credentials in made.items():
                rich = name == "acme"
                company = caller(running, credentials)
                filling = Filling(company, receiver=receiver.url("") if rich else None, long_text=2_000 if rich else 20)
                filling.fill()
                credentials |= {"secrets": filling.secrets, "ids": filling.ids}
                company.close()
        assert running.stop() == 0
    database.restore(database.as_superuser(dsn, "release"), ANOTHER_DATABASE)
    with serving(folder, dsn) as running:
        before = answered(running, made)
        with unfinished_pass(running, dsn, made["acme"]):
            answers = answered(running, made)
            assert len(answers["calls"]) < len(before["calls"]), "the list is deleted"
            running.kill()
    return {"companies": made, **answers}


@contextmanager
def serving(folder: Path, dsn: str) -> Generator[Server]:
    """Starts a server on the database."""
    running = Server(folder / "filled", *database.settings(dsn), *PUSHES)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()


def new_company(dsn: str, title: str, zone: str) -> dict[str, Any]:
    """Creates a company with keys of each kind, as an operator does."""
    made = springhead(dsn, "company", "create", title, "--time-zone", zone, "--administrator", "boss@example.com")
    account = made["accountID"]
    springhead(dsn, "company", "set", account, "--per-second", "1000", "--per-day", "1000000", "--recycle-days", "31")
    keys = {
        name: springhead(dsn, "key", "create", account, "--label", name, f"--{name}")["secretKey"]
        for name in ("plain-success", "captured-calls")
    }
    revoked = springhead(dsn, "key", "create", account, "--label", "revoked")
    springhead(dsn, "key", "revoke", account, str(revoked["keyId"]), as_json=False)
    return {"accountID": account, "key": made["secretKey"], **keys, "revoked": revoked["secretKey"]}


def springhead(dsn: str, *words: str, as_json: bool = True) -> Any:
    """Runs a command on the database. Returns its JSON."""
    command = [sys.executable, "-m", "springhead", *words, "--database-url", dsn, *(["--json"] if as_json else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=dict(os.environ))
    return json.loads(done.stdout) if as_json else None


def caller(server: Server, company: dict[str, Any], *, key: str = "key", version: str = "v1.2") -> Company:
    """A client of the company with one of its keys."""
    return Company(server.url, company["accountID"], company[key], version=version)


def answered(server: Server, made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The answers to all reads of all companies, once two rounds give the same, and all public addresses."""
    while (first := _answered(server, made)) != (second := _answered(server, made)):
        differing = [
            call["method"] for call, other in zip(first["calls"], second["calls"], strict=False) if call != other
        ]
        print("still moving:", sorted(set(differing)))
    return second


def _answered(server: Server, made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    calls: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    repeats: dict[str, Any] = {}
    for name, (_, _, api) in COMPANIES.items():
        company = caller(server, made[name], version=api)
        for method, params in reads(company):
            answer = company.envelope(method, params)
            assert answer["result"] is not None, (method, params, answer["error"])
            result = answer["result"]
            calls.append({"company": name, "version": api, "method": method, "params": params, "result": result})
        files += files_of_leads(company)
        company.close()
        company = caller(server, made[name])
        repeats[name] = repeat(company)
        company.close()
    missing = of_specification(HERE.parents[1] / "openrpc.json") - {call["method"] for call in calls}
    assert not missing, f"read methods without a call: {missing}"
    (links, *_) = [call["result"] for call in calls if call["method"] == "getTrackedLinks"]
    link = {"url": SPRING, "address": links["trackedLink"][0]["links"][SPRING]}
    repeated = {"key": REPEAT_KEY, "body": REPEAT, "answers": repeats}
    return {"link": link, "repeat": repeated, "files": files, "calls": calls}


def files_of_leads(company: Company) -> list[dict[str, Any]]:
    """The files of form submits: address and bytes, in hex."""
    visitor = Visitor(company.url, "", PUBLIC_URL)
    leads = json.dumps(company.call("searchLeads", inactive=1, limit=500))
    addresses = sorted({text for text in leads.split('"') if text.startswith(PUBLIC_URL)})
    assert addresses
    bodies = [visitor.get(address).body.hex() for address in addresses]
    visitor.close()
    return [{"address": address, "body": body} for address, body in zip(addresses, bodies, strict=True)]


@contextmanager
def unfinished_pass(server: Server, dsn: str, made: dict[str, Any]) -> Generator[None]:
    """Deletes a list whose members stay: their rows are locked, so that the background job cannot end."""

    async def lock() -> "asyncpg.Connection[asyncpg.Record]":
        connection = await asyncpg.connect(database.as_superuser(dsn, "release"))
        await connection.execute("begin; select from list_member for update")
        return connection

    def delete() -> None:
        company = caller(server, made)
        with suppress(OSError, HTTPException):  # the server is killed while it waits
            company.call("deleteList", id=made["ids"]["doomed"])
        company.close()

    def is_gone() -> bool:
        return company.call("getActiveLists", where={"id": made["ids"]["doomed"]}) == []

    with asyncio.Runner() as runner:
        connection = runner.run(lock())
        thread = threading.Thread(target=delete)
        thread.start()
        company = caller(server, made)
        eventually(is_gone)
        company.close()
        yield
        thread.join()
        runner.run(connection.close())


def lines(answers: dict[str, Any]) -> str:
    """JSON with one line for each call, for readers of diffs."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    def shown(value: Any) -> str:
        return "[\n" + ",\n".join(map(text, value)) + "\n]" if isinstance(value, list) else text(value)

    parts = [f"{text(key)}: {shown(value)}" for key, value in answers.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
