"""Each job of a real server is killed: it is restarted, counted and shown, and the server ends in order."""

import asyncio
import itertools
import json
import os
import re
import signal
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from starlette.types import ASGIApp, Message

from capture.public import Public
from cli.command import springhead
from faults.postgres import Postgres, postmaster
from springhead.app import create_app
from springhead.jobs import runner
from springhead.jobs.runner import Job, Runner
from springhead.postgres.server import EmbeddedPostgres
from springhead.settings import Settings
from springhead.store.database.box import Box
from springhead.store.database.migrate import migrate
from support import Company, Server, eventually, new_company, sql

TABLES = {
    "background_jobs": "pass",
    "numbering": "change",
    "page_views": "visitor",
    "pushes": "push",
    "scoring": "scoring",
}
"""The jobs of every server, and a table without which each dies."""

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[Postgres]:
    running = Postgres(Path(tmp_path_factory.mktemp("jobs-postgres")))
    yield running
    running.stop()


class OutsideServer(Server):
    """A server whose PostgreSQL goes on when it ends."""

    def __init__(self, settings: dict[str, str], data: Path) -> None:
        super().__init__(data, "--no-limits", env=settings)
        self._dsn = settings["SPRINGHEAD_DATABASE_URL"]
        self.owner_dsn = settings["SPRINGHEAD_MIGRATE_URL"]

    @property
    def dsn(self) -> str:
        return self._dsn


@contextmanager
def serving(settings: dict[str, str], folder: Path) -> Generator[OutsideServer]:
    running = OutsideServer(settings, folder / "data")
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="module")
def jobs_server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with serving(postgres.settings(), Path(tmp_path_factory.mktemp("jobs-server"))) as running:
        yield running


@pytest.fixture
def jobs_company(jobs_server: Server) -> Generator[Company]:
    """A company of the test's own on that server."""
    with closing(new_company(jobs_server)) as company:
        yield company


@contextmanager
def without_table(dsn: str, table: str) -> Generator[None]:
    sql(dsn, f"alter table {table} rename to {table}_is_away")
    try:
        yield
    finally:
        sql(dsn, f"alter table {table}_is_away rename to {table}")


def metric(company: Company, name: str, **labels: str) -> float | None:
    """A value of /metrics; None if it is not there."""
    text = company.send(b"", path="/metrics", verb="GET")[1].decode()
    label = ",".join(f'{name}="{value}"' for name, value in labels.items())
    match = re.search(rf"^{name}{re.escape('{' + label + '}')} (\S+)$", text, re.MULTILINE)
    return float(match[1]) if match else None


def has_died(company: Company, job: str, *, since: float) -> bool:
    """Whether the job is dead, or was restarted by now."""
    return metric(company, "springhead_job_up", job=job) == 0 or restarts(company, job) > since


def restarts(company: Company, job: str) -> float:
    return metric(company, "springhead_job_restarts_total", job=job) or 0


def doctor(url: str, *words: str | Path, env: dict[str, str] | None = None) -> dict[str, dict[str, str]]:
    address = urlsplit(url)
    where = ("--host", str(address.hostname), "--port", str(address.port))
    done = springhead("doctor", "--json", *where, *words, env=env)
    assert "Traceback" not in done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)}


def test_all_jobs_of_a_healthy_server_run(postgres: Postgres, jobs_company: Company) -> None:
    eventually(lambda: metric(jobs_company, "springhead_job_up", job="warm_up") is None, seconds=60)
    for job in TABLES:
        assert metric(jobs_company, "springhead_job_up", job=job) == 1
        success = metric(jobs_company, "springhead_job_last_success_timestamp_seconds", job=job)
        assert success is not None
        assert abs(time.time() - success) < 600
    checks = doctor(jobs_company.url, env={"SPRINGHEAD_DATABASE_URL": postgres.dsn()})
    assert (checks["jobs"]["state"], checks["jobs"]["found"]) == ("ok", f"all {len(TABLES)} run")
    assert checks["background jobs"]["state"] == "ok"


@pytest.mark.parametrize(("job", "table"), TABLES.items())
def test_a_job_that_dies_is_restarted_counted_and_shown(
    postgres: Postgres, jobs_server: Server, jobs_company: Company, job: str, table: str
) -> None:
    before = restarts(jobs_company, job)
    public = Public(jobs_company)
    with without_table(postgres.owner_dsn(), table):
        if job == "page_views":
            assert public.report() == 204
        eventually(lambda: has_died(jobs_company, job, since=before), seconds=60)
        check = doctor(jobs_company.url, env={"SPRINGHEAD_DATABASE_URL": postgres.dsn()})["jobs"]
        assert check["state"] == "warning"
        assert f"{job} died" in check["found"]
        assert "server's log" in check["advice"]

    eventually(lambda: metric(jobs_company, "springhead_job_up", job=job) == 1, seconds=60)
    assert restarts(jobs_company, job) > before
    does_its_work(jobs_company, public)
    public.close()
    lines = [json.loads(line) for line in jobs_server.log.read_text().splitlines()]
    death = next(line for line in lines if line["event"].startswith("job died") and line["job"] == job)
    assert "UndefinedTableError" in json.dumps(death)


def does_its_work(company: Company, public: Public) -> None:
    """After a call and a page view nothing is left to do."""
    page = f"page{next(_numbers)}"
    (account,) = company.make("createAccounts", {"accountName": page})
    company.create({"accountID": account})
    company.call("deleteAccounts", objects=[{"id": account}])
    assert public.report(page) == 204
    seen = f"select from page_view where company_id = $1 and event_name like '%{page}'"
    eventually(lambda: public.rows(seen) != [], seconds=60)
    eventually(lambda: sql(company.dsn, "select from pass where kind <> 'recycle'") == [], seconds=60)
    eventually(lambda: sql(company.dsn, "select from change where first is null") == [], seconds=60)


def test_a_background_job_that_fails_is_counted_and_shown(postgres: Postgres, jobs_company: Company) -> None:
    insert = """
        insert into pass (company_id, kind, subject_id, cursor, failures, due_at, created_at)
        values ($1, 'merge', 1, 0, $2, now(), now())
        """
    with without_table(postgres.owner_dsn(), "merged_lead"):
        sql(jobs_company.dsn, insert, jobs_company.id, 2)
        eventually(
            lambda: bool(metric(jobs_company, "springhead_background_job_failures_total", kind="merge")), seconds=60
        )
        eventually(lambda: sql(jobs_company.dsn, "select max(failures) as n from pass")[0]["n"] >= 3, seconds=60)
        check = doctor(jobs_company.url, env={"SPRINGHEAD_DATABASE_URL": postgres.dsn()})["background jobs"]
        assert check["state"] == "warning"
        assert "failing: merge" in check["found"]
    sql(jobs_company.dsn, "update pass set due_at = now()")
    eventually(lambda: sql(jobs_company.dsn, "select from pass where kind = 'merge'") == [], seconds=60)


def test_background_jobs_that_nobody_runs_are_shown(postgres: Postgres, jobs_company: Company) -> None:
    insert = """
        insert into pass (company_id, kind, subject_id, cursor, due_at, created_at)
        values ($1, 'of a later version', 1, 0, now() - interval '1 hour', now())
        """
    sql(jobs_company.dsn, insert, jobs_company.id)
    try:
        check = doctor(jobs_company.url, env={"SPRINGHEAD_DATABASE_URL": postgres.dsn()})["background jobs"]
    finally:
        sql(jobs_company.dsn, "delete from pass where kind = 'of a later version'")
    assert check["state"] == "warning"
    assert "1 due, for up to 60 minutes" in check["found"]


def _connections(postgres: Postgres, database: str) -> int:
    query = "select count(*)::int as n from pg_stat_activity where datname = $1"
    return sql(postgres.admin, query, database)[0]["n"]


@pytest.fixture
def ending(postgres: Postgres, tmp_path: Path) -> Generator[OutsideServer]:
    """A server with a database of its own, which must end in order and leave no connection to it."""
    name = f"ending{next(_numbers)}"
    postgres.create_database(name)
    with serving(postgres.settings(database=name), tmp_path) as server:
        assert _connections(postgres, name) > 0
        yield server
        assert server.stop() == 0
        assert not re.search("lifespan|shutdown failed|does not stop", server.log.read_text())
        eventually(lambda: _connections(postgres, name) == 0, seconds=60)


def test_a_server_whose_jobs_are_dead_ends_in_order_and_closes_its_database(ending: OutsideServer) -> None:
    with ExitStack() as away:
        for table in TABLES.values():
            away.enter_context(without_table(ending.owner_dsn, table))
        dead = TABLES.keys() - {"page_views"}
        eventually(lambda: dead <= set(re.findall(r'job died.*?"job":"(\w+)"', ending.log.read_text())), seconds=60)
        assert ending.stop() == 0


def test_a_server_whose_jobs_hang_ends_in_order_and_closes_its_database(ending: OutsideServer) -> None:
    """Every job waits for a lock. The page views cannot be written any more, and the log says how many."""

    async def stop_while_locked() -> int:
        connection = await asyncpg.connect(ending.dsn)
        try:
            async with connection.transaction():
                await connection.execute(f"lock table {', '.join(TABLES.values())} in access exclusive mode")
                assert public.report() == 204
                return await asyncio.to_thread(ending.stop)
        finally:
            await connection.close()

    with closing(new_company(ending)) as company, closing(Public(company)) as public:
        assert asyncio.run(stop_while_locked()) == 0
    assert '"event":"page views lost"' in ending.log.read_text()


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncGenerator[None]:
    """The life of an app in this process, as an HTTP server leads it."""
    messages, started, ended = asyncio.Queue[Message](), asyncio.Event(), asyncio.Event()
    answers = {"lifespan.startup.complete": started, "lifespan.shutdown.complete": ended}

    async def send(message: Message) -> None:
        answers[message["type"]].set()

    async def live() -> None:
        await app({"type": "lifespan", "state": {}}, messages.get, send)

    life = asyncio.create_task(live())
    messages.put_nowait({"type": "lifespan.startup"})
    await started.wait()
    yield
    messages.put_nowait({"type": "lifespan.shutdown"})
    await life
    assert ended.is_set()


async def _dying() -> float:
    raise ZeroDivisionError("a fault of ours")


async def _hanging() -> float:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)


def test_no_job_keeps_the_database_open(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One job is dead and one hangs: the connections are closed while the process lives on."""
    monkeypatch.setattr(runner, "STOP_SECONDS", 0.1)
    name = f"closing{next(_numbers)}"
    postgres.create_database(name)
    dsn = postgres.dsn(database=name)
    settings = Settings(data=tmp_path, database_url=dsn)

    async def connect() -> str:
        connection = await asyncpg.connect(dsn)
        owner = await asyncpg.connect(postgres.owner_dsn(database=name))
        await migrate(connection, owner)
        await connection.close()
        await owner.close()
        return dsn

    async def run() -> None:
        jobs = [Job(name="dies", turn=_dying), Job(name="hangs", turn=_hanging)]
        app = create_app(settings, connect, box=Box(), jobs=jobs)
        connection = await asyncpg.connect(postgres.admin)
        query = "select count(*) from pg_stat_activity where datname = $1"
        async with lifespan(app):
            assert await connection.fetchval(query, name) > 0
        async with asyncio.timeout(60):
            while await connection.fetchval(query, name) > 0:  # noqa: ASYNC110 - closed ones count for a moment
                await asyncio.sleep(0.02)
        await connection.close()

    loop = asyncio.new_event_loop()  # which does not wait for the job that hangs
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


def test_the_supervision_of_the_embedded_postgresql_is_restarted_when_it_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = EmbeddedPostgres(tmp_path / "data")
    spawn, faults = embedded._spawn, [ZeroDivisionError("a fault of ours")]

    def failing_once() -> None:
        if faults:
            raise faults.pop()
        spawn()

    async def run() -> None:
        dsn = await embedded.ready()
        running = Runner([Job(name="postgresql", turn=embedded.supervise)])
        running.start()
        monkeypatch.setattr(embedded, "_spawn", failing_once)
        os.kill(postmaster(embedded.data / "postgres"), signal.SIGKILL)
        async with asyncio.timeout(60):
            while True:
                with suppress(OSError, asyncpg.PostgresError):
                    connection = await asyncpg.connect(dsn)
                    if running.states()["postgresql"].restarts:
                        break
                    await connection.close()
                await asyncio.sleep(0.02)
        assert await connection.fetchval("select true")
        await connection.close()
        await running.stop()

    embedded.launch()
    try:
        asyncio.run(run())
    finally:
        embedded.stop()
    assert faults == []
