"""Paired runs: the server and the bare driver in turn, the median of each."""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable

import msgspec

Run = Callable[[], object] | Callable[[], Awaitable[object]]


class Pair(msgspec.Struct, frozen=True):
    """The medians of both sides in milliseconds."""

    ours: float
    bare: float

    @property
    def ratio(self) -> float:
        """How much of the bare driver's speed is left: 1.0 is all of it."""
        return self.bare / self.ours


async def once(run: Run) -> float:
    """Milliseconds of one run."""
    begun = time.perf_counter()
    outcome = run()
    if asyncio.iscoroutine(outcome):
        await outcome
    return (time.perf_counter() - begun) * 1000


async def paired(ours: Callable[[int], Run], bare: Callable[[int], Run], *, runs: int, warm: int = 5) -> Pair:
    """Run both sides in turn; what each needs is prepared outside of the clock. The first runs do not count."""
    times: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    try:
        for number in range(runs + warm):
            sides = (ours, bare) if number % 2 else (bare, ours)
            for side in sides:
                prepared = side(number)
                taken = await once(prepared)
                if number >= warm:
                    times[0 if side is ours else 1].append(taken)
    finally:
        gc.enable()
    return Pair(statistics.median(times[0]), statistics.median(times[1]))
