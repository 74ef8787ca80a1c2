"""The back-off of pushes: the pause before a failed push is retried."""

import random

EARLY = (5.0, 30.0, 120.0, 600.0, 1_800.0)
"""Seconds before the retries after the first failures."""

HOURLY = 3_600.0
"""Seconds before each later retry. Only one batch of a receiver is retried, so an hourly attempt costs little."""

SPREAD = 0.2
"""The jitter, as a share of the pause."""


def pause(failures: int, retry_after: float | None = None) -> float:
    """Returns the seconds until the next attempt after `failures` failed ones, with ±20 % jitter.

    `retry_after` is the Retry-After of the receiver: no attempt is made earlier.
    """
    base = EARLY[failures - 1] if failures <= len(EARLY) else HOURLY
    jittered = base * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - not a secret
    return max(jittered, retry_after or 0.0)
