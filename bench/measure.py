"""Paired runs: the server and the bare driver in turn, the median of each."""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

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


async def once(runs: Sequence[Run]) -> float:
    """Milliseconds of one run, the mean of several when it is a block of them."""
    begun = time.perf_counter()
    for run in runs:
        outcome = run()
        if asyncio.iscoroutine(outcome):
            await outcome
    return (time.perf_counter() - begun) * 1000 / len(runs)


async def median(side: Callable[[int], Run], *, runs: int, block: int = 1, warm: int = 5) -> float:
    """The median of one side alone, in milliseconds."""
    times = [await once([side(number * block + at) for at in range(block)]) for number in range(runs + warm)]
    return statistics.median(times[warm:])


async def paired(
    ours: Callable[[int], Run], bare: Callable[[int], Run], *, runs: int, block: int = 1, warm: int = 5
) -> Pair:
    """Run both sides in turn; what each needs is prepared outside of the clock. The first runs do not count.

    Short work runs in blocks: one call on its own is mostly the waking of sleeping processes.
    """
    times: tuple[list[float], list[float]] = ([], [])
    gc.disable()
    try:
        for number in range(runs + warm):
            sides = (ours, bare) if number % 2 else (bare, ours)
            for side in sides:
                prepared = [side(number * block + at) for at in range(block)]
                taken = await once(prepared)
                if number >= warm:
                    times[0 if side is ours else 1].append(taken)
    finally:
        gc.enable()
    return Pair(statistics.median(times[0]), statistics.median(times[1]))
