"""Runs the jobs of a server concurrently, restarts a job that dies, and stops all jobs at shutdown."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import msgspec
import structlog

from springhead.model.kit.errors import Unavailable
from springhead.store.database.pool import TryAgain

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a dead job is restarted. Each further death in a row doubles the pause, up to the second number."""

RETRY = 1.0
"""Seconds until the next turn of a job for which the database was not available."""

CLOSE_SECONDS = 12.0
"""Seconds that the `close` of one job may take at shutdown."""

STOP_SECONDS = 5.0
"""Seconds that all jobs together have to end when they are cancelled."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Work that the server does outside of calls.

    `turn` does a part of the work and returns the seconds until its next turn, or None if the job is complete. `woken`
    starts the next turn early. `close` runs once at shutdown, before a turn that still runs is cancelled.
    """

    name: str
    turn: Callable[[], Awaitable[float | None]]
    woken: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    close: Callable[[], Awaitable[None]] | None = None


class JobState(msgspec.Struct, kw_only=True):
    """The state of a job: `is_up` is false from a death until the next turn that succeeds.

    `last_success` is a Unix time: the end of the last turn that succeeded, or the start of the job before the first.
    """

    is_up: bool = True
    restarts: int = 0
    last_success: float


class Runner:
    """Runs jobs until `stop`. A job dies when its turn raises an error other than Unavailable or TryAgain."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._states: dict[str, JobState] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def states(self) -> Mapping[str, JobState]:
        """Returns the states of the jobs that are not complete, by name."""
        return self._states

    def start(self) -> None:
        """Starts all jobs."""
        for job in self._jobs:
            self._states[job.name] = JobState(last_success=time.time())
            self._tasks.append(asyncio.create_task(self._run(job), name=f"job {job.name}"))

    async def stop(self) -> None:
        """Closes the jobs one after another, then cancels them. Never raises, and returns within a bounded time."""
        self._stopping = True
        for job in self._jobs:
            if job.close:
                await _end([asyncio.ensure_future(job.close())], CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await _end(self._tasks, STOP_SECONDS)

    async def _run(self, job: Job) -> None:
        state, pause = self._states[job.name], FIRST_PAUSE
        while not self._stopping:
            job.woken.clear()
            try:
                rest = await job.turn()
            except (Unavailable, TryAgain) as cause:
                log.debug("job delayed", job=job.name, error=type(cause).__name__)
                await _rest(job.woken, RETRY)
            except (Exception, asyncio.CancelledError) as cause:
                if isinstance(cause, asyncio.CancelledError) and _is_cancelled():
                    raise
                state.is_up = False
                log.exception("job died; it is restarted", job=job.name, seconds=pause)
                await asyncio.sleep(pause)
                state.restarts += 1
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                state.is_up, state.last_success, pause = True, time.time(), FIRST_PAUSE
                if rest is None:
                    del self._states[job.name]
                    return
                await _rest(job.woken, rest)


def _is_cancelled() -> bool:
    """Returns whether the current task was cancelled, and not only something that the turn waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _rest(woken: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()


async def _end(tasks: Sequence[asyncio.Future[None]], seconds: float) -> None:
    """Waits for tasks for at most `seconds`. Cancels the tasks that are then not done, and leaves them behind."""
    if not tasks:
        return
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
        log.error("a job does not stop; the shutdown goes on without it", task=_name(task))
    for task in done:
        if not task.cancelled() and (cause := task.exception()):
            log.error("a job failed at shutdown", task=_name(task), exc_info=cause)


def _name(task: asyncio.Future[None]) -> str:
    return task.get_name() if isinstance(task, asyncio.Task) else ""
