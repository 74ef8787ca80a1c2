"""Background jobs: steps that commit one by one, shared by processes, and no error stops a job for good."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from springhead.jobs import background_jobs
from springhead.jobs.background_jobs import BackgroundJobs
from springhead.jobs.runner import Job, Runner
from springhead.store.database.background_jobs import Step, start
from springhead.store.database.pool import Database, TryAgain, Tx
from support import Company, Server, eventually, sql

KIND = "a kind that no server knows"
STEPS: dict[str, Step] = {}
"""The kinds of this process: the running server does not know them, and leaves their jobs alone."""


@pytest.fixture
def step() -> Generator[Callable[[Step], Step]]:
    """Declares the step of KIND."""

    def declare(step: Step) -> Step:
        STEPS[KIND] = step
        return step

    yield declare
    del STEPS[KIND]


@asynccontextmanager
async def opened(server: Server) -> AsyncGenerator[Database]:
    database = Database(pool_size=6)
    await database.open(server.dsn)
    try:
        yield database
    finally:
        await database.close()


def run(server: Server, work: Callable[[Database], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with opened(server) as database:
            await work(database)

    asyncio.run(inside())


async def begin(database: Database, company: Company, subject: int = 1, *, kind: str = KIND, delay: float = 0) -> None:
    async with database.company(company.id) as tx:
        await start(tx, company.id, kind, subject, delay=delay)


def serve(jobs: BackgroundJobs) -> Runner:
    runner = Runner([Job(name="background_jobs", turn=jobs.turn, woken=jobs.woken)])
    runner.start()
    return runner


def left(server: Server, company: Company) -> list[Any]:
    return sql(server.dsn, "select * from pass where company_id = $1 order by id", company.id)


async def insert_account(tx: Tx, company_id: int, name: str) -> None:
    await tx.rows(
        """
        insert into account (company_id, create_timestamp, update_timestamp, account_name, number_of_employees)
        values ($1, now(), now(), $2, 0)
        """,
        company_id,
        name,
    )


def accounts(company: Company) -> list[str]:
    return [row["accountName"] for row in company.call("getAccounts")]


def test_a_job_runs_step_after_step_until_there_is_no_next_cursor(
    server: Server, company: Company, step: Callable[[Step], Step]
) -> None:
    seen: list[tuple[int, int]] = []

    @step
    async def _(_tx: Tx, _company_id: int, subject: int, cursor: int) -> int | None:
        seen.append((subject, cursor))
        return cursor + 10 if cursor < 30 else None

    async def work(database: Database) -> None:
        await begin(database, company, 7)
        await BackgroundJobs(database, STEPS).finish(company.id, 5)

    run(server, work)
    assert seen == [(7, 0), (7, 10), (7, 20), (7, 30)]
    assert left(server, company) == []


def test_companies_take_turns_however_many_jobs_each_has(
    server: Server, given_company: Callable[..., Company], step: Callable[[Step], Step]
) -> None:
    """A63: a company with many jobs that were started first does not delay the job of another one."""
    hostile, neighbour = given_company(), given_company()
    ran: list[tuple[int, int]] = []

    @step
    async def _(_tx: Tx, company_id: int, subject: int, cursor: int) -> int | None:
        ran.append((company_id, subject))
        return cursor + 1 if company_id == neighbour.id and cursor < 2 else None

    async def work(database: Database) -> None:
        for subject in range(5):
            await begin(database, hostile, subject)
        await begin(database, neighbour)
        jobs = BackgroundJobs(database, STEPS)
        while len(ran) < 8:
            await jobs.turn()

    run(server, work)
    assert [company_id for company_id, _ in ran[:6]] == [hostile.id, neighbour.id] * 3
    assert [subject for company_id, subject in ran if company_id == hostile.id] == [0, 1, 2, 3, 4]


def test_a_step_sees_the_rows_of_its_company_and_no_others(
    server: Server, given_company: Callable[..., Company], step: Callable[[Step], Step]
) -> None:
    first, other = given_company(), given_company()
    first.create({}, {})
    other.create({})
    seen: dict[int, int] = {}

    @step
    async def _(tx: Tx, company_id: int, _subject: int, _cursor: int) -> int | None:
        seen[company_id] = await tx.value("select count(*) from lead")
        return None

    async def work(database: Database) -> None:
        jobs = BackgroundJobs(database, STEPS)
        for company in (first, other):
            await begin(database, company)
        for company in (first, other):
            await jobs.finish(company.id, 5)

    run(server, work)
    assert seen == {first.id: 2, other.id: 1}


def test_finish_leaves_jobs_of_other_companies_delayed_jobs_and_long_jobs(
    server: Server, given_company: Callable[..., Company], step: Callable[[Step], Step]
) -> None:
    company, other = given_company(), given_company()
    seen: list[int] = []

    @step
    async def _(_tx: Tx, company_id: int, subject: int, cursor: int) -> int | None:
        assert company_id == company.id
        seen.append(subject)
        await asyncio.sleep(0.05)
        return cursor + 1 if subject == 1 else None

    async def work(database: Database) -> None:
        await begin(database, other)
        await begin(database, company, 2, delay=60)
        await begin(database, company, 1)
        await BackgroundJobs(database, STEPS).finish(company.id, 0.3)

    run(server, work)
    assert 2 not in seen
    assert 3 <= len(seen) <= 7
    assert [row["cursor"] for row in left(server, company)] == [0, len(seen)]
    assert len(left(server, other)) == 1


def test_a_failed_step_is_rolled_back_logged_and_retried_with_growing_pauses(
    server: Server, company: Company, step: Callable[[Step], Step], capsys: pytest.CaptureFixture[str]
) -> None:
    tries: list[int] = []

    @step
    async def _(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
        tries.append(cursor)
        await insert_account(tx, company_id, f"try {len(tries)}")
        if len(tries) in {2, 3}:
            raise ZeroDivisionError("a fault of ours")
        return cursor + 1 if len(tries) < 4 else None

    def waits() -> float:
        statement = "select extract(epoch from due_at - now())::float as wait from pass where company_id = $1"
        return sql(server.dsn, statement, company.id)[0]["wait"]

    def hurry() -> None:
        sql(server.dsn, "update pass set due_at = now() where company_id = $1", company.id)

    async def work(database: Database) -> None:
        jobs = BackgroundJobs(database, STEPS)
        await begin(database, company)
        await jobs.finish(company.id, 5)
        assert tries == [0, 1]
        first = await asyncio.to_thread(waits)
        await asyncio.to_thread(hurry)
        await jobs.finish(company.id, 5)
        assert tries == [0, 1, 1], "the step starts at the same cursor again"
        assert 1.0 <= await asyncio.to_thread(waits) / first <= 4.0
        await asyncio.to_thread(hurry)
        await jobs.finish(company.id, 5)

    run(server, work)
    assert left(server, company) == []
    assert accounts(company) == ["try 1", "try 4"], "the writes of a failed step are rolled back"
    logged = capsys.readouterr()
    assert "background job failed" in logged.out + logged.err


def test_a_lost_race_is_retried_without_an_error_in_the_log(
    server: Server, company: Company, step: Callable[[Step], Step], capsys: pytest.CaptureFixture[str]
) -> None:
    @step
    async def _(_tx: Tx, _company_id: int, _subject: int, _cursor: int) -> int | None:
        raise TryAgain

    async def work(database: Database) -> None:
        await begin(database, company)
        await BackgroundJobs(database, STEPS).finish(company.id, 5)

    run(server, work)
    (row,) = left(server, company)
    assert row["failures"] == 1
    logged = capsys.readouterr()
    assert "background job delayed" in logged.out + logged.err
    assert "Traceback" not in logged.out + logged.err


def test_processes_share_jobs_and_none_runs_a_step_twice(
    server: Server, company: Company, step: Callable[[Step], Step]
) -> None:
    running: set[int] = set()
    seen: list[tuple[int, int]] = []
    most = 0

    @step
    async def _(_tx: Tx, _company_id: int, subject: int, cursor: int) -> int | None:
        nonlocal most
        assert subject not in running, "two processes at one job"
        running.add(subject)
        most = max(most, len(running))
        await asyncio.sleep(0.01)
        running.remove(subject)
        seen.append((subject, cursor))
        return cursor + 1 if cursor < 9 else None

    async def inside() -> None:
        async with opened(server) as first, opened(server) as other:
            for subject in range(5):
                await begin(first, company, subject)
            await asyncio.gather(
                *(BackgroundJobs(database, STEPS).finish(company.id, 20) for database in (first, other))
            )

    asyncio.run(inside())
    assert sorted(seen) == [(subject, cursor) for subject in range(5) for cursor in range(10)]
    assert most == 2
    assert left(server, company) == []


def test_another_process_takes_over_the_step_of_a_dead_one(
    server: Server, company: Company, step: Callable[[Step], Step]
) -> None:
    die = True
    there = asyncio.Event()

    @step
    async def _(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
        await insert_account(tx, company_id, f"step {cursor}")
        if cursor == 2 and die:
            there.set()
            await asyncio.sleep(60)
        return cursor + 1 if cursor < 4 else None

    async def inside() -> None:
        nonlocal die
        async with opened(server) as database:
            await begin(database, company)
            runner = serve(BackgroundJobs(database, STEPS))
            await there.wait()
            await runner.stop()
            die = False
        async with opened(server) as database:
            await BackgroundJobs(database, STEPS).finish(company.id, 5)

    asyncio.run(inside())
    assert accounts(company) == [f"step {number}" for number in range(5)], "each step is done once"


def test_a_job_replaces_earlier_ones_for_the_same_subject(
    server: Server, company: Company, step: Callable[[Step], Step]
) -> None:
    seen: list[tuple[int, int]] = []

    @step
    async def _(_tx: Tx, _company_id: int, subject: int, cursor: int) -> int | None:
        seen.append((subject, cursor))
        return cursor + 1 if cursor < 2 else None

    async def work(database: Database) -> None:
        for subject in (1, 1, 2, 1):
            await begin(database, company, subject)
        await BackgroundJobs(database, STEPS).finish(company.id, 5)

    run(server, work)
    assert sorted(seen) == [(subject, cursor) for subject in (1, 2) for cursor in range(3)]
    assert left(server, company) == []


def test_a_job_whose_call_fails_is_never_started(
    server: Server, company: Company, step: Callable[[Step], Step]
) -> None:
    @step
    async def _(_tx: Tx, _company_id: int, _subject: int, _cursor: int) -> int | None:
        return None

    async def call(database: Database) -> None:
        async with database.company(company.id) as tx, tx.atomic():
            await start(tx, company.id, KIND, 1)
            raise ZeroDivisionError

    async def work(database: Database) -> None:
        with pytest.raises(ZeroDivisionError):
            await call(database)

    run(server, work)
    assert left(server, company) == []


def test_a_server_runs_jobs_that_another_has_started_and_can_be_woken(
    server: Server, company: Company, step: Callable[[Step], Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    @step
    async def _(tx: Tx, company_id: int, subject: int, _cursor: int) -> int | None:
        await insert_account(tx, company_id, f"subject {subject}")
        return None

    async def inside() -> None:
        async with opened(server) as database, opened(server) as other:
            jobs = BackgroundJobs(database, STEPS)
            runner = serve(jobs)
            await begin(other, company, 1)
            await asyncio.to_thread(eventually, lambda: left(server, company) == [])
            monkeypatch.setattr(background_jobs, "POLL", 60.0)
            await asyncio.sleep(1.1)
            await begin(other, company, 2)
            jobs.wake()
            await asyncio.to_thread(eventually, lambda: left(server, company) == [], seconds=2)
            await runner.stop()

    asyncio.run(inside())
    assert accounts(company) == ["subject 1", "subject 2"]


def test_a_kind_that_a_server_does_not_know_is_left_to_one_that_does(server: Server, company: Company) -> None:
    async def work(database: Database) -> None:
        await begin(database, company, kind="of a later version")
        await BackgroundJobs(database, STEPS).finish(company.id, 1)

    run(server, work)
    (row,) = left(server, company)
    assert (row["cursor"], row["failures"]) == (0, 0)
    sql(server.dsn, "delete from pass where company_id = $1", company.id)
