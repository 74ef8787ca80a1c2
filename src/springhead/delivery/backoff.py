"""When a push that failed is tried again."""

import random

EARLY = (5.0, 30.0, 120.0, 600.0, 1_800.0)
HOURLY = 3_600.0
"""Seconds after the first failures, and after each further one: one batch stands for its whole receiver, so that an
hourly attempt costs little, and a receiver that comes back waits an hour at most."""

SPREAD = 0.2


def pause(failures: int, asked: float | None = None) -> float:
    """Seconds until the next attempt, after so many in vain, give or take a fifth.

    `asked` is how long the receiver wants to be left alone: no attempt is made before that.
    """
    plain = EARLY[failures - 1] if failures <= len(EARLY) else HOURLY
    spread = plain * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - nobody gains by guessing it
    return max(spread, asked or 0.0)
