"""The back-off of pushes: when a failed attempt is repeated."""

import random

EARLY = (5.0, 30.0, 120.0, 600.0, 1_800.0)
HOURLY = 3_600.0
"""Seconds after the first failures, and after each further one: one batch stands for its whole receiver, so that an
hourly attempt costs little, and a receiver that comes back waits an hour at most."""

SPREAD = 0.2


def pause(failures: int, asked: float | None = None) -> float:
    """Seconds until the next attempt after `failures` failed ones, with ±20 % jitter.

    `asked` is the Retry-After of the receiver: no attempt is made earlier.
    """
    plain = EARLY[failures - 1] if failures <= len(EARLY) else HOURLY
    spread = plain * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - nobody gains by guessing it
    return max(spread, asked or 0.0)
