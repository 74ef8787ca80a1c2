"""Starts the real server and makes calls over HTTP, as a client does."""

import asyncio
import fcntl
import hashlib
import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote_plus, urlsplit

import asyncpg

from fork_server import start
from http_client import Client
from springhead.model.kit.encryption_keys import EncryptionKey
from springhead.postgres.socket_path import running_dsn
from springhead.rpc.method import REGISTRY, Reads, Writes
from springhead.store.companies import companies
from springhead.store.database.box import Box
from springhead.store.database.pool import Database
from stopwatch import Stopwatch

T = TypeVar("T")
_numbers = itertools.count(1_000_000)  # of one length, so that addresses sort in the order in which they were made


ENCRYPTION_KEY = EncryptionKey(hashlib.sha256(b"the key of the servers of tests").digest())
"""All servers have it, because several servers of one database need the same key."""

BOX = Box(lambda: [ENCRYPTION_KEY])
"""Decrypts the secrets in the databases of the servers."""


def _write_key(data: Path) -> None:
    """Writes the key into a data folder that has none."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = data / "encryption.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(ENCRYPTION_KEY.text())


class Pattern:
    """The data folder that `Server.on_copy` copies: one for all processes of a test run."""

    folder: ClassVar[Path | None] = None


class Server:
    """A running `springhead serve` on a data folder, with the embedded PostgreSQL unless a database is given.

    With `key`, the folder has the key of all servers of the tests. Without it, the server creates one.
    """

    logs: ClassVar[list[Path]] = []
    """The logs of all servers of this process; a failed test shows what they warned of (conftest.py)."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        wait: bool = True,
        log_to: Path | None = None,
        key: bool = True,
    ) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        self.logs.append(self.log)
        if key:
            _write_key(data)
        command = ["serve", "--data", str(data), "--port", "0", "--json", *arguments]
        with (log_to or self.log).open("ab") as log:
            self.process = start(command, stderr=log, env={**os.environ, **(env or {})})
        self.ready: dict[str, str] = {}
        if wait:
            self.wait_ready()

    @classmethod
    def on_copy(cls, data: Path, *arguments: str, env: dict[str, str] | None = None) -> "Server":
        """Starts a server on a copy of a data folder after its first start, which saves most of a first start's time.

        All copies have the same first company; `ready` has its credentials.
        """
        assert Pattern.folder is not None, "a fixture of conftest.py names the folder"
        with (Pattern.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # open until the server is closed
            first = Pattern.folder / "ready.json"
            if not first.exists():
                made = cls(Pattern.folder / "data")
                assert made.stop() == 0
                first.write_text(json.dumps(made.ready))
        subprocess.run(["cp", "-a", Pattern.folder / "data", data], check=True)
        server = cls(data, *arguments, env=env)
        server.ready = json.loads(first.read_text()) | server.ready
        return server

    def wait_ready(self) -> dict[str, str]:
        """Waits for the line of JSON that says that the server is ready. Fails with the log if the server ends."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server ended: {self.log.read_text()[-4000:]}"
        self.ready = json.loads(line)
        return self.ready

    @property
    def url(self) -> str:
        return self.ready["url"]

    @property
    def dsn(self) -> str:
        """The DSN of the embedded database for the server's plain role."""
        dsn = running_dsn(self.data)
        assert dsn is not None
        return dsn

    def stop(self) -> int:
        """Sends SIGTERM, waits for the end, and returns the exit code."""
        kept.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        """Sends SIGKILL and waits for the end."""
        kept.close()
        self.process.kill()
        self._ended()

    def _ended(self) -> int:
        code = self.process.wait(40)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


class Company:
    """A client of a company on a server."""

    def __init__(self, url: str, account_id: str, secret: str, *, id: int = 0, version: str = "v1") -> None:
        self.url, self.account_id, self.secret, self.id = url, account_id, secret, id
        self.version = version
        self._others: list[Company] = []
        self.dsn = ""
        """The database behind the server, for tests that must set what no method sets, such as times."""
        self.address = urlsplit(url)
        self._client = Client(self.address.hostname or "", self.address.port or 80)

    def at(self, version: str) -> "Company":
        """A client of the same company at another version of the API."""
        other = Company(self.url, self.account_id, self.secret, id=self.id, version=version)
        other.dsn = self.dsn
        self._others.append(other)
        return other

    @property
    def path(self) -> str:
        """The path of calls, with the company's credentials."""
        return f"/pubapi/{self.version}/?accountID={quote_plus(self.account_id)}&secretKey={quote_plus(self.secret)}"

    def send(
        self, body: bytes, *, path: str | None = None, headers: dict[str, str] | None = None, verb: str = "POST"
    ) -> tuple[int, bytes]:
        """Posts a body. Returns the status and the body of the answer."""
        return self._client.ask(verb, path or self.path, body, headers or {})

    @contextmanager
    def reading(self, body: dict[str, Any]) -> Generator[http.client.HTTPResponse]:
        """Makes a call. Yields its answer, which the test reads at its own pace."""
        connection = http.client.HTTPConnection(self.address.netloc, timeout=60)
        connection.request("POST", self.path, json.dumps(body))
        with closing(connection), connection.getresponse() as answer:
            yield answer

    def envelope(self, method: str, params: Any, id: Any = "1") -> dict[str, Any]:
        """The envelope of the answer to a call. Checks rows of reads against the method's declaration."""
        status, body = self.send(json.dumps({"method": method, "params": params, "id": id}).encode())
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        assert answer["id"] == id
        check_declared(method, answer["result"])
        return answer

    def call(self, method: str, **params: Any) -> Any:
        """The result of a call under its only key. Fails if the call is refused."""
        answer = self.envelope(method, params)
        assert answer["result"] is not None, answer["error"]
        return next(iter(answer["result"].values()))

    def error(self, method: str, **params: Any) -> dict[str, Any]:
        """The error of a call that must be refused."""
        answer = self.envelope(method, params)
        assert answer["result"] is None, answer
        return answer["error"]

    def create(self, *leads: dict[str, Any]) -> list[int]:
        """Creates leads, which must all succeed. Returns their ids."""
        return self.make("createLeads", *({"emailAddress": new_email(), **lead} for lead in leads))

    def make(self, method: str, *objects: dict[str, Any]) -> list[int]:
        """Creates objects, which must all succeed. Returns their ids."""
        outcomes = self.call(method, objects=list(objects))
        assert all(outcome["success"] for outcome in outcomes), outcomes
        return [outcome["id"] for outcome in outcomes]

    def refusal(self, method: str, values: Any) -> dict[str, Any] | None:
        """The error of the only object of a bulk write, or None."""
        (outcome,) = self.call(method, objects=[values])
        return outcome["error"]

    def code(self, method: str, values: Any) -> int | None:
        """The error code of the only object of a bulk write, or None."""
        refusal = self.refusal(method, values)
        return refusal["code"] if refusal else None

    def lead(self, lead_id: int) -> dict[str, str | None]:
        """The lead with that id, which must exist."""
        (row,) = self.call("getLead", id=lead_id)
        return row

    def field(self, label: str, data_type: str = "string", **more: Any) -> str:
        """Creates a custom field of leads. Returns its system name."""
        new = {"relationship": "lead", "dataType": data_type, "label": label, **more}
        (made,) = self.call("createFields", objects=[new])
        assert made["success"], made
        (field,) = self.call("getFields", where={"id": made["id"]})
        return field["systemName"]

    def close(self) -> None:
        """Closes the connections of this client, and of its clients at other versions."""
        self._client.close()
        for other in self._others:
            other.close()


def check_declared(method: str, result: Any) -> None:
    """Checks a result against the declaration of its method: one key, known columns, strings or null."""
    declared = REGISTRY.get(method)
    if declared is None or result is None:
        return
    if isinstance(declared.result, Writes) and declared.result.only_success and list(result) == ["success"]:
        assert isinstance(result["success"], bool)
        return
    if isinstance(declared.result, Reads) and declared.result.grouped_by:
        for rows in result.values():
            check_rows(declared.result, rows)
        return
    beside = declared.result.extra if isinstance(declared.result, Reads) else {}
    generated = isinstance(declared.result, Reads) and declared.result.generated_key
    assert list(result) == [declared.result.key, *(["hasMore"] if generated else []), *beside]
    rows = result[declared.result.key]
    assert isinstance(rows, list)
    if isinstance(declared.result, Reads):
        check_rows(declared.result, rows)
    else:
        for outcome in rows:
            assert list(outcome)[:2] == ["success", "error"]
            assert isinstance(outcome["success"], bool)
            assert (outcome["error"] is None) == outcome["success"]


PLAIN_JSON = {
    "options", "filter", "fields", "importantPages", "links", "changed", "lead", "kinds", "data", "erased", "kept",
    "reasons", "sort", "columns", "missingFields", "failures",
}  # fmt: skip
"""What stands in rows as lists and hashes; all else is a string or null."""


def check_rows(declared: Reads, rows: Any) -> None:
    """Checks rows against their noun: strings or null in the declared order."""
    for row in rows:
        for name, value in row.items():
            assert value is None or isinstance(value, str) or name in PLAIN_JSON, row
    places = {column.name: place for place, column in enumerate(declared.noun.columns)}
    for names in set(map(tuple, rows)):
        standard = [places[name] for name in names if name in places]
        assert standard == sorted(standard), "columns out of the declared order"


def new_email() -> str:
    """An email address that no other test has."""
    return f"lead{next(_numbers)}.{os.getpid()}@example.com"


class _Kept:
    """A pool of this process's connections to the databases of running servers.

    Connecting takes ten times as long as most statements. A connection is checked before each use, because its
    server may have been stopped or killed since then.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: dict[tuple[str, bool], asyncpg.Connection[asyncpg.Record]] = {}
        self._databases: dict[str, Database] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the event loop of the connections."""
        self._loop = self._loop or asyncio.new_event_loop()
        return self._loop.run_until_complete(work)

    async def fetch(self, dsn: str, company_id: int | None, statement: str, arguments: tuple[object, ...]) -> list[Any]:
        """The rows of a statement, on a connection that is set to the company, or to none."""
        key = dsn, company_id is None
        connection = self._connections.get(key)
        if connection is None or await self._is_gone(connection):
            self._connections[key] = connection = await asyncpg.connect(dsn)
        if company_id is not None:
            await connection.execute("select set_config('app.company_id', $1, false)", str(company_id))
        return await connection.fetch(statement, *arguments)

    async def database(self, dsn: str) -> Database:
        """The server's own kind of pool."""
        database = self._databases.get(dsn)
        if database is None or not await database.alive():
            self._databases[dsn] = database = Database(pool_size=4, box=BOX)
            await database.open(dsn)
        return database

    @staticmethod
    async def _is_gone(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
        for _ in range(3):
            await asyncio.sleep(0)  # so that the event loop notices if the server has closed it
        return connection.is_closed()

    def close(self) -> None:
        """Closes all connections, before a server stops and at the end."""
        if self._loop is None:
            return
        self.run(self.let_go())
        self._loop.close()
        self._loop = None

    async def let_go(self) -> None:
        """Closes all connections, on their event loop."""
        for connection in self._connections.values():
            if not await self._is_gone(connection):
                await connection.close(timeout=5)
        for database in self._databases.values():
            await database.close()
        self._connections, self._databases = {}, {}


kept = _Kept()


def with_database(dsn: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """Runs `work` on a database, with the server's own kind of pool."""

    async def run() -> T:
        database = Database(pool_size=4, box=BOX)
        await database.open(dsn)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def new_company(
    server: Server, *, time_zone: str = "UTC", plain_success: bool = False, captured_calls: bool = False, **limits: int
) -> Company:
    """Creates a company with one key on a running server."""
    (company,) = new_companies(
        server, 1, time_zone=time_zone, plain_success=plain_success, captured_calls=captured_calls, **limits
    )
    return company


def new_companies(
    server: Server,
    count: int,
    *,
    time_zone: str = "UTC",
    plain_success: bool = False,
    captured_calls: bool = False,
    **limits: int,
) -> list[Company]:
    """Creates companies, each with one key. Many at once cost little more than one."""

    async def make() -> list[Company]:
        database = await kept.database(server.dsn)
        return [await given(database) for _ in range(count)]

    async def given(database: Database) -> Company:
        company = await companies.create(
            database, name="Test", time_zone=time_zone, administrator="admin@example.com", deal_stages=()
        )
        async with database.everyone() as tx:
            if limits:
                await companies.change(tx, company.id, dict(limits))
            _, secret = await companies.create_key(
                tx, company.id, label="test", plain_success=plain_success, captured_calls=captured_calls
            )
        made = Company(server.url, company.account_id, secret, id=company.id)
        made.dsn = server.dsn
        return made

    return kept.run(make())


def sql(dsn: str, statement: str, *arguments: object, company_id: int | None = None) -> list[Any]:
    """The rows of a statement. Without a company, row-level security hides all company data."""
    if threading.current_thread() is threading.main_thread():
        return kept.run(kept.fetch(dsn, company_id, statement, arguments))

    async def fetch() -> list[Any]:
        own = _Kept()
        try:
            return await own.fetch(dsn, company_id, statement, arguments)
        finally:
            await own.let_go()

    return asyncio.run(fetch())


_BLOCKED = """
    select exists (select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))
"""


async def until_blocked(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Waits until another connection waits for a lock of this one."""
    watch = Stopwatch()
    while not await connection.fetchval(_BLOCKED):
        assert watch.seconds < 10, "nobody waited for a lock"
        await asyncio.sleep(0.01)


def calls_under_way(server: Server) -> int:
    """The number of calls that the server is answering."""
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        text = answer.read().decode()
    open_, idle = (
        int(float(re.search(rf'^springhead_http_connections{{state="{state}"}} (.*)$', text, re.MULTILINE)[1]))  # type: ignore[index]
        for state in ("open", "idle")
    )
    return open_ - idle - 1


def superuser(dsn: str) -> str:
    """The DSN of an embedded database for PostgreSQL's superuser, to whom row-level security does not apply."""
    assert "//springhead@" in dsn
    return dsn.replace("//springhead@", "//postgres@")


def eventually(check: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Waits until a condition is true. Fails if that takes too long."""
    watch = Stopwatch()
    while not check():
        late = time.monotonic() - watch.begun > seconds
        assert not late or watch.seconds < seconds, "the condition did not become true in time"
        time.sleep(0.02)
