"""The runner: a job that dies is restarted, and no job keeps the server from ending."""

import asyncio
import time
from collections.abc import Callable, Coroutine

import pytest

from springhead.jobs import runner
from springhead.jobs.runner import Job, Runner
from springhead.model.kit.errors import Unavailable
from springhead.store.database.pool import TryAgain

Turn = Callable[[], Coroutine[None, None, float | None]]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(runner, "RETRY", 0.01)


class Turns:
    """A job whose turns have the outcomes that the test gives, in order. The last one is repeated."""

    def __init__(self, *ends: BaseException | float | None) -> None:
        self.ends = list(ends)
        self.starts: list[float] = []
        self.used_up = asyncio.Event()

    async def turn(self) -> float | None:
        self.starts.append(time.monotonic())
        if len(self.starts) > len(self.ends):
            self.used_up.set()
        end = self.ends[min(len(self.starts), len(self.ends)) - 1]
        if isinstance(end, BaseException):
            raise end
        return end


async def run_until_used_up(*jobs: Turns) -> Runner:
    running = Runner([Job(name=f"job{number}", turn=job.turn) for number, job in enumerate(jobs)])
    running.start()
    for job in jobs:
        await job.used_up.wait()
    await asyncio.sleep(0)
    return running


def test_a_job_that_dies_is_restarted_and_counted_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        running = await run_until_used_up(Turns(ZeroDivisionError("a fault"), ValueError("another"), 0.0), Turns(0.0))
        states = running.states()
        assert (states["job0"].restarts, states["job1"].restarts) == (2, 0)
        assert states["job0"].is_up
        await running.stop()

    asyncio.run(run())
    logged = capsys.readouterr()
    text = logged.out + logged.err
    assert text.count("job died") == 2
    assert "a fault" in text
    assert "Traceback" in text


def test_a_job_that_goes_on_dying_is_down_and_its_pauses_double_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(runner, "LONGEST_PAUSE", 0.08)
    job = Turns(*[ZeroDivisionError()] * 5)

    async def run() -> None:
        running = await run_until_used_up(job)
        assert not running.states()["job0"].is_up
        await running.stop()

    asyncio.run(run())
    waits = [later - earlier for earlier, later in zip(job.starts, job.starts[1:], strict=False)]
    assert all(wait >= pause for wait, pause in zip(waits, (0.02, 0.04, 0.08, 0.08, 0.08), strict=True)), waits


@pytest.mark.parametrize("cause", [Unavailable(), TryAgain()])
def test_a_lost_database_is_not_a_death_of_the_job(cause: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        running = await run_until_used_up(Turns(cause, cause, 0.0))
        assert running.states()["job0"].restarts == 0
        await running.stop()

    asyncio.run(run())
    logged = capsys.readouterr()
    assert "job died" not in logged.out + logged.err


def test_an_unrequested_cancellation_is_a_death_of_the_job() -> None:
    async def run() -> None:
        running = await run_until_used_up(Turns(asyncio.CancelledError(), 0.0))
        assert running.states()["job0"].restarts == 1
        await running.stop()

    asyncio.run(run())


def test_a_job_that_is_complete_is_not_run_again() -> None:
    async def run() -> None:
        job, other = Turns(None), Turns(0.0, 0.0, 0.0)
        running = Runner([Job(name="once", turn=job.turn), Job(name="again", turn=other.turn)])
        running.start()
        await other.used_up.wait()
        assert len(job.starts) == 1
        assert list(running.states()) == ["again"]
        await running.stop()

    asyncio.run(run())


def test_a_sleeping_job_can_be_woken() -> None:
    async def run() -> None:
        rests, woken, turns = asyncio.Event(), asyncio.Event(), 0

        async def turn() -> float:
            nonlocal turns
            turns += 1
            rests.set()
            return 3_600.0

        running = Runner([Job(name="job", turn=turn, woken=woken)])
        running.start()
        async with asyncio.timeout(60):
            await rests.wait()
            rests.clear()
            woken.set()
            await rests.wait()
        assert turns == 2
        await running.stop()

    asyncio.run(run())


async def _hang() -> None:
    """Hangs, and does not listen when it is cancelled."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            continue


async def _hanging_turn() -> float:
    await _hang()
    return 0.0


async def _failing_close() -> None:
    raise ZeroDivisionError("a fault at the end")


def test_stop_closes_each_job_and_returns_whatever_the_jobs_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(runner, "STOP_SECONDS", 0.05)
    closed: list[str] = []

    async def close() -> None:
        closed.append("last")

    async def rest() -> float:
        return 3_600.0

    async def run() -> float:
        jobs = [
            Job(name="hangs", turn=_hanging_turn),
            Job(name="hangs at its end", turn=rest, close=_hang),
            Job(name="fails at its end", turn=rest, close=_failing_close),
            Job(name="dead", turn=_dying_turn, close=close),
        ]
        running = Runner(jobs)
        running.start()
        await asyncio.sleep(0)
        begun = time.monotonic()
        await running.stop()
        return time.monotonic() - begun

    loop = asyncio.new_event_loop()
    try:
        took = loop.run_until_complete(run())
    finally:
        loop.close()
    assert closed == ["last"]
    assert took < 20, "stopping waits for none of them"
    logged = capsys.readouterr()
    text = logged.out + logged.err
    assert "does not stop" in text
    assert "a fault at the end" in text


async def _dying_turn() -> float:
    raise ZeroDivisionError
