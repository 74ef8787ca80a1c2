"""The limits on calls, on a real PostgreSQL, one process or several (P8, A08, A62, F17)."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from springhead.model.companies.companies import Company
from springhead.model.kit.errors import ApiError, DailyLimit, SecondLimit, Unavailable
from springhead.postgres.server import EmbeddedPostgres
from springhead.postgres.socket_path import superuser_dsn
from springhead.store.database.deadlines import LOCK_SECONDS
from springhead.store.database.migrate import migrate
from springhead.store.database.pool import Database
from springhead.wire.api import rate_limits as wire_limits
from springhead.wire.api.rate_limits import CallLimits

T = TypeVar("T")

pytestmark = pytest.mark.timeout(60)
both_modes = pytest.mark.parametrize("alone", [True, False], ids=["alone", "shared"])

IDS = itertools.count(1)
FASTER = 1_000_000
"""Calls a second that no test makes."""

PROCESS = """
import asyncio, os, sys, time
from springhead.model.companies.companies import Company
from springhead.model.kit.errors import ApiError, DailyLimit
from springhead.store.database.pool import Database
from springhead.wire.api.rate_limits import CallLimits

async def main(dsn, alone, company_id, per_second, per_day):
    database = Database(pool_size=4)
    await database.open(dsn)
    limits = CallLimits(database, alone=alone == "alone")
    company = Company(id=int(company_id), account_id="", name="", time_zone="UTC",
        per_second=int(per_second), per_day=int(per_day), objects_per_call=500, recycle_days=30)
    os.write(1, b"ready\\n")
    start, end = map(float, sys.stdin.readline().split())
    await asyncio.sleep(start - time.monotonic())
    async def caller():
        while True:
            asked = time.monotonic()
            try:
                await limits.spend(company)
                os.write(1, b"+")
            except DailyLimit:
                return asked
            except ApiError:
                if asked > end:
                    return asked
                await asyncio.sleep(0.003)
    asked = max(await asyncio.gather(*(caller() for _ in range(4))))
    os.write(1, b"%f %f" % (asked - start, time.monotonic() - start))
    await limits.close()
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""
"""Another server process: it calls as often as it may, until a call after the end or of the day is refused.

It writes a plus for each call that is allowed; then the seconds until it asked for the last time and was refused, and
those until the end.
"""


@pytest.fixture(scope="session")
def dsn() -> Generator[str]:
    with tempfile.TemporaryDirectory(prefix="springhead-test-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        server = EmbeddedPostgres(place)
        server.launch()

        async def start() -> str:
            dsn = await server.ready()
            connection, superuser = await asyncpg.connect(dsn), await asyncpg.connect(superuser_dsn(place))
            await migrate(connection, superuser)
            await connection.close()
            await superuser.close()
            return dsn

        try:
            yield asyncio.run(start())
        finally:
            server.stop()


def a_company(per_second: int = 10, per_day: int = 50_000, number: int | None = None) -> Company:
    return Company(
        id=number or next(IDS),
        account_id="",
        name="",
        time_zone="UTC",
        per_second=per_second,
        per_day=per_day,
        objects_per_call=500,
        recycle_days=30,
    )


def run(dsn: str, scenario: Callable[[Database], Coroutine[Any, Any, None]]) -> None:
    async def scenario_with_database() -> None:
        database = Database(pool_size=8)
        await database.open(dsn)
        try:
            await scenario(database)
        finally:
            await database.close()

    asyncio.run(scenario_with_database())


@asynccontextmanager
async def opened(database: Database, *, alone: bool) -> AsyncGenerator[CallLimits]:
    limits = CallLimits(database, alone=alone)
    yield limits
    await limits.close()


async def error_of(call: Awaitable[None]) -> ApiError | None:
    try:
        await call
    except ApiError as error:
        return error
    return None


async def burst(limits: CallLimits, company: Company, calls: int) -> list[ApiError | None]:
    return await asyncio.gather(*(error_of(limits.spend(company)) for _ in range(calls)))


async def within(seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeats an attempt until one takes less than the limit, since the machine may be busy. Returns its result."""
    while True:
        start = time.monotonic()
        result = await attempt()
        if time.monotonic() - start < seconds:
            return result


async def a_second_is_free(limits: CallLimits, company: Company) -> bool:
    """Whether the count is right: all calls of a second at once, and no more than become free meanwhile."""
    start = time.monotonic()
    allowed = (await burst(limits, company, company.per_second * 2)).count(None)
    return company.per_second <= allowed <= company.per_second * (1 + time.monotonic() - start)


def wait_of(error: ApiError | None) -> float:
    assert error is not None
    assert isinstance(error.data, dict)
    wait = error.data["retryAfter"]
    assert isinstance(wait, int | float)
    return wait


def left_of_the_day() -> int:
    """The seconds until midnight in UTC."""
    now = datetime.now(UTC)
    return 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)


async def row_of(database: Database, company: Company) -> dict[str, Any]:
    async with database.company(company.id) as tx:
        row = await tx.row("select * from call_budget where company_id = $1", company.id)
    return dict(row or {})


async def change(database: Database, company: Company, sql: Any) -> None:
    async with database.company(company.id) as tx:
        await tx.row(sql, company.id)


class Process:
    """Another process with its own `CallLimits` on the same database."""

    def __init__(self, dsn: str, mode: str, company: Company, env: dict[str, str] | None = None) -> None:
        arguments = [dsn, mode, str(company.id), str(company.per_second), str(company.per_day)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # `communicate` would lose buffered output
            env={**os.environ, **(env or {})},
        )

    def ready(self) -> "Process":
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def begin(self, start: float, end: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{start} {end}\n".encode())
        self.process.stdin.flush()

    def until_allowed(self, calls: int) -> int:
        """Waits until that many more calls have been allowed."""
        assert self.process.stdout is not None
        allowed = 0
        while allowed < calls:
            output = self.process.stdout.read(calls - allowed)
            assert output, "the process has ended"
            allowed += output.count(b"+")
        return allowed

    def allowed(self) -> tuple[int, float, float]:
        """The number of allowed calls not yet read; seconds until the last refused call began, and until the end."""
        output, _ = self.process.communicate()
        asked, passed = output.strip(b"+").split() or (0, 0)
        return output.count(b"+"), float(asked), float(passed)


def together(processes: list[Process], seconds: float) -> tuple[int, float, float]:
    """The number of allowed calls, the time after which none was left, at least `seconds`, and the time of the end.

    On a busy machine the end can be much later.
    """
    for process in processes:
        process.ready()
    start = time.monotonic() + 0.1
    for process in processes:
        process.begin(start, start + seconds)
    results = [process.allowed() for process in processes]
    allowed, asked, passed = zip(*results, strict=True)
    return sum(allowed), max(asked), max(passed)


@both_modes
def test_ten_calls_at_once_then_one_each_tenth_of_a_second(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:

            async def eleven() -> tuple[float, Company, list[ApiError | None]]:
                start, company = time.monotonic(), a_company()
                return start, company, await burst(limits, company, 11)

            start, company, answers = await within(0.1, eleven)
            assert answers[:10] == [None] * 10
            assert isinstance(answers[10], SecondLimit)
            allowed, refused = 10, False
            while (passed := time.monotonic() - start) < 0.5 or not refused:
                refused = await error_of(limits.spend(company)) is not None
                allowed += not refused
                await asyncio.sleep(0.002)
            assert int(passed * 10) - 1 <= allowed - 10 <= passed * 10
            await asyncio.sleep(1.1)
            assert await a_second_is_free(limits, company)

    run(dsn, scenario)


@both_modes
def test_200_parallel_calls_get_the_nine_that_are_left_of_ten(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:
            company = a_company()
            start = time.monotonic()
            await limits.spend(company)
            answers = await burst(limits, company, 200)
            assert 9 <= answers.count(None) <= 9 + int((time.monotonic() - start) / 0.1)
            assert {type(answer) for answer in answers} == {type(None), SecondLimit}

    run(dsn, scenario)


@pytest.mark.parametrize(("per_second", "slices"), [(10, 0), (200, 3 * 10)], ids=["exact", "in slices"])
def test_three_processes_share_the_calls_of_a_second_completely(dsn: str, per_second: int, slices: int) -> None:
    company = a_company(per_second)
    allowed, asked, passed = together([Process(dsn, "shared", company) for _ in range(3)], 1.6)
    assert 0.95 * per_second * (1 + asked) - 1 <= allowed <= per_second * (1 + passed) + slices + 1


def test_three_processes_share_the_calls_of_a_day_exactly(dsn: str) -> None:
    company = a_company(per_second=99, per_day=50)
    allowed, *_ = together([Process(dsn, "shared", company) for _ in range(3)], 0.7)
    assert allowed == 50


@both_modes
def test_the_calls_of_a_day_are_exact_over_a_restart(dsn: str, alone: bool) -> None:
    company = a_company(per_second=FASTER if alone else 99, per_day=2_500 if alone else 60)

    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:
            assert await burst(limits, company, 33) == [None] * 33
        assert (await row_of(database, company))["used"] == 33
        async with opened(database, alone=alone) as limits:
            answers = [await error_of(limits.spend(company)) for _ in range(company.per_day)]
            assert answers.count(None) == company.per_day - 33
            assert isinstance(answers[company.per_day - 33], DailyLimit)
        assert (await row_of(database, company))["used"] == company.per_day

    run(dsn, scenario)


def test_a_killed_server_loses_at_most_one_slice_of_the_day_and_allows_no_extra_call(dsn: str) -> None:
    company = a_company(per_second=FASTER, per_day=50_000)
    process = Process(dsn, "alone", company).ready()
    process.begin(time.monotonic(), time.monotonic() + 30)
    made = process.until_allowed(500)
    process.process.send_signal(signal.SIGKILL)
    made += process.allowed()[0]

    async def scenario(database: Database) -> None:
        used = (await row_of(database, company))["used"]
        assert made <= used <= made + 200 + 4, "one call of each caller may be counted but not yet stored"

    assert made > 200
    run(dsn, scenario)


@both_modes
def test_a_new_day_starts_a_new_count_and_yesterdays_slices_expire(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:
            spent, half = a_company(99, 40), a_company(99, 50_000)
            assert (await burst(limits, spent, 41)).count(None) == 40
            await limits.spend(half)
            for company in (spent, half):
                await change(database, company, "update call_budget set day = day - 1 where company_id = $1")
                limits._meters[company.id].day_ends = limits._meters[company.id].leased_until = 0
            await asyncio.sleep(1.01)  # "no more today" is believed for a second
            assert await error_of(limits.spend(spent)) is None
            await limits.spend(half)
        assert (await row_of(database, spent))["used"] == 1
        assert (await row_of(database, half))["used"] == 1

    run(dsn, scenario)


def test_a_database_clock_that_was_set_back_costs_a_second_at_most_and_no_count(dsn: str) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=False) as limits:
            company = a_company()
            assert (await burst(limits, company, 5)) == [None] * 5
            await change(
                database,
                company,
                "update call_budget set next_us = next_us + 86400000000, day = day + 1 where company_id = $1",
            )
            assert isinstance(await error_of(limits.spend(company)), SecondLimit)
            await asyncio.sleep(1.1)
            start = time.monotonic()
            allowed = (await burst(limits, company, 20)).count(None)
            assert 10 <= allowed <= 10 + 10 * (time.monotonic() - start)
            assert (await row_of(database, company))["used"] == 5 + allowed

    run(dsn, scenario)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_server_whose_clock_jumps_allows_as_much_as_any(dsn: str, hours: int, tmp_path: Path) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("needs libfaketime")
    jump = tmp_path / "clock"
    jump.write_text("+0")
    env = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(jump),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    process = Process(dsn, "alone", a_company(), env).ready()
    start = time.monotonic() + 0.05
    process.begin(start, start + 1.2)
    before = process.until_allowed(14)
    jump.write_text(f"{hours:+}h")
    after, asked, passed = process.allowed()
    assert asked >= 1.2
    assert 10 * asked + 8 <= before + after <= 10 * passed + 10


@both_modes
def test_a_refused_call_changes_nothing_and_says_when_to_retry(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:

            async def refusals() -> tuple[Company, list[ApiError | None]]:
                company = a_company(per_second=2)
                assert (await burst(limits, company, 2)) == [None] * 2
                refused = await burst(limits, company, 50)
                before = await row_of(database, company)
                refused += await burst(limits, company, 50)
                assert before == await row_of(database, company) or None in refused
                return company, refused

            company, refused = await within(0.5, refusals)
            assert all(isinstance(error, SecondLimit) and 0 < wait_of(error) <= 0.5 for error in refused)
            await asyncio.sleep(wait_of(refused[-1]))
            assert await error_of(limits.spend(company)) is None
        assert (await row_of(database, company))["used"] == 3

    run(dsn, scenario)


def test_a_caller_that_waits_is_let_in_even_if_its_refusal_waited_for_a_connection(dsn: str) -> None:
    async def scenario(database: Database) -> None:
        narrow = Database(pool_size=1)
        await narrow.open(dsn)
        async with opened(narrow, alone=False) as limits:
            company, refused = a_company(), None
            while refused is None:  # or the machine is busy, and the second is over
                company = a_company(per_second=1)
                await limits.spend(company)
                async with narrow.everyone():
                    call = asyncio.ensure_future(error_of(limits.spend(company)))
                    await asyncio.sleep(0.3)
                refused = await call
            await asyncio.sleep(wait_of(refused))
            assert await error_of(limits.spend(company)) is None
        await narrow.close()

    run(dsn, scenario)


@both_modes
def test_after_the_last_call_of_the_day_the_next_midnight_in_utc_is_named(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:
            company = a_company(per_day=3)
            before = left_of_the_day()
            answers = await burst(limits, company, 8)
            after = left_of_the_day()
            assert answers[:3] == [None] * 3
            for error in answers[3:]:
                assert isinstance(error, DailyLimit)
                assert after - 1 <= wait_of(error) <= before + 1 or after > before
            assert isinstance(await error_of(limits.spend(company)), DailyLimit)
            assert (await row_of(database, company))["used"] == 3

    run(dsn, scenario)


@both_modes
def test_new_limits_of_a_company_take_effect_with_its_next_call(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:
            company = a_company()
            assert (await burst(limits, company, 10)) == [None] * 10
            await asyncio.sleep(0.1)
            wider = a_company(per_second=99, number=company.id)
            assert (await burst(limits, wider, 4)) == [None] * 4
            await asyncio.sleep(0.1)
            today = a_company(per_second=99, per_day=15, number=company.id)
            answers = await burst(limits, today, 4)
            assert answers.count(None) == 1
            assert isinstance(answers[1], DailyLimit)
            tomorrow = a_company(per_second=99, per_day=50_000, number=company.id)
            assert await error_of(limits.spend(tomorrow)) is None
        assert (await row_of(database, company))["used"] == 16

    run(dsn, scenario)


@both_modes
def test_one_company_at_its_limit_does_not_slow_another(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:
            assert await a_second_is_free(limits, a_company())
            assert (await burst(limits, a_company(), 10)) == [None] * 10

    run(dsn, scenario)


@both_modes
def test_without_the_database_a_call_that_cannot_be_counted_is_unavailable_until_it_is_back(
    dsn: str, alone: bool
) -> None:
    async def scenario() -> None:
        database = Database(pool_size=2)
        limits = CallLimits(database, alone=alone)
        company = a_company()
        answers = await burst(limits, company, 30)
        assert {type(answer) for answer in answers} <= {Unavailable, SecondLimit}
        await database.open(dsn)
        assert await a_second_is_free(limits, company)
        await limits.close()
        await database.close()

    asyncio.run(scenario())


@both_modes
def test_a_call_waits_once_for_the_locked_row_of_its_company(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:

            async def refused() -> ApiError | None:
                company = a_company()
                assert await error_of(limits.spend(company)) is None
                other = a_company(per_second=99, number=company.id)  # other limits: the lease is returned
                async with database.company(company.id) as tx, tx.atomic():
                    await tx.row("select from call_budget where company_id = $1 for update", company.id)
                    return await error_of(limits.spend(other))

            assert isinstance(await within(LOCK_SECONDS * 2, refused), Unavailable)

    run(dsn, scenario)


@both_modes
def test_a_caller_that_disconnects_takes_no_call_from_other_waiting_callers(dsn: str, alone: bool) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=alone) as limits:
            company = a_company()
            callers = [asyncio.ensure_future(limits.spend(company)) for _ in range(4)]
            await asyncio.sleep(0)
            callers[0].cancel()
            answers = await asyncio.gather(*callers, return_exceptions=True)
            assert isinstance(answers[0], asyncio.CancelledError)
            assert answers[1:] == [None] * 3
            assert (await burst(limits, company, 7)) == [None] * 7
        assert (await row_of(database, company))["used"] == 10

    run(dsn, scenario)


def test_idle_companies_leave_the_cache_without_a_lost_or_extra_call(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_limits, "METERS_MAX", 20)

    async def scenario(database: Database) -> None:
        async with opened(database, alone=True) as limits:

            async def calls() -> tuple[list[Company], list[Company], list[ApiError | None]]:
                busy = [a_company(per_second=1) for _ in range(25)]
                # So many calls a second that each company is idle again before the next one is checked.
                idle = [a_company(per_second=9_999) for _ in range(30)]
                assert [await error_of(limits.spend(company)) for company in busy + idle] == [None] * 55
                return busy, idle, [await error_of(limits.spend(company)) for company in busy]

            busy, idle, again = await within(1, calls)
            assert [type(error) for error in again] == [SecondLimit] * 25
            await asyncio.sleep(1)
            # The companies of an earlier attempt are idle too, so new companies replace them.
            for company in [*idle, *(a_company(per_second=9_999) for _ in range(100))]:
                await limits.spend(company)
            assert len(limits._meters) <= 22
        assert [(await row_of(database, company))["used"] for company in busy + idle] == [1] * 25 + [2] * 30

    run(dsn, scenario)


def test_without_limits_every_call_is_allowed_and_none_counted(dsn: str) -> None:
    async def scenario(database: Database) -> None:
        limits = CallLimits(database, alone=True, enabled=False)
        company = a_company(1, 1)
        assert (await burst(limits, company, 50)) == [None] * 50
        await limits.close()
        assert await row_of(database, company) == {}

    run(dsn, scenario)


def test_counting_a_call_costs_at_most_a_tenth_of_a_database_query(dsn: str) -> None:
    async def scenario(database: Database) -> None:
        async with opened(database, alone=True) as limits:
            company = a_company(FASTER, 2_000_000_000)
            await limits.spend(company)

            async def question() -> None:
                async with database.company(company.id) as tx:
                    await tx.row("select 1 as one")

            async def cost(call: Callable[[], Awaitable[None]], times: int) -> float:
                """The CPU seconds of this process for one call, in the best of five rounds."""
                rounds: list[float] = []
                for _ in range(5):
                    start = time.process_time()
                    for _ in range(times):
                        await call()
                    rounds.append((time.process_time() - start) / times)
                return min(rounds)

            spent = await cost(lambda: limits.spend(company), 5_000)
            assert spent < await cost(question, 200) / 10, spent

    run(dsn, scenario)
