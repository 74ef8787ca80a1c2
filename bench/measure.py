"""Paired runs: the server and the bare driver take turns. The result is the median of each."""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

Run = Callable[[], object] | Callable[[], Awaitable[object]]

WARM = 5
"""Runs of each side that are not counted."""


class Pair(msgspec.Struct, frozen=True):
    """The medians of both sides in milliseconds."""

    ours: float
    bare: float

    @property
    def ratio(self) -> float:
        """The speed of the server as a part of the bare driver's speed. 1.0 is equal."""
        return self.bare / self.ours


async def once(runs: Sequence[Run]) -> float:
    """Returns the mean milliseconds of the runs."""
    start_time = time.perf_counter()
    for run in runs:
        outcome = run()
        if asyncio.iscoroutine(outcome):
            await outcome
    return (time.perf_counter() - start_time) * 1000 / len(runs)


async def median(side: Callable[[int], Run], *, runs: int, block: int = 1, warm: int = WARM) -> float:
    """Returns the median of one side alone, in milliseconds. Ignores the first `warm` runs."""
    times = [await once([side(number * block + offset) for offset in range(block)]) for number in range(runs + warm)]
    return statistics.median(times[warm:])


async def paired(
    ours: Callable[[int], Run], bare: Callable[[int], Run], *, runs: int, block: int = 1, warm: int = WARM
) -> Pair:
    """Runs both sides in turn and returns both medians. Ignores the first `warm` runs, and the time to prepare a run.

    Short operations need blocks: the time of a single call is mostly the time to wake processes.
    """
    times: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    try:
        for number in range(runs + warm):
            sides = (ours, bare) if number % 2 else (bare, ours)
            for side in sides:
                prepared = [side(number * block + offset) for offset in range(block)]
                milliseconds = await once(prepared)
                if number >= warm:
                    times[0 if side is ours else 1].append(milliseconds)
    finally:
        gc.enable()
    return Pair(statistics.median(times[0]), statistics.median(times[1]))
