"""The retry policy of all work that can lose a race in the database."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
import structlog

from springhead.model.kit.errors import Unavailable
from springhead.store.database.pool import Locked, TryAgain

log = structlog.get_logger()
T = TypeVar("T")

ATTEMPTS_MAX = 10
"""After so many attempts the caller gets Unavailable."""


class Attempt(msgspec.Struct, frozen=True):
    """An attempt, with the findings of the earlier attempts of the same work.

    `skip_locked`: a row stayed locked before, so refuse the objects of locked rows instead of waiting. `merged` has the
    surviving lead for each merged id that the work names.
    """

    number: int = 0
    skip_locked: bool = False
    merged: Mapping[int, int] = {}


FIRST = Attempt()


class MergedIds(TryAgain):
    """The work names merged leads: roll it back and retry with `survivors`, the surviving lead of each merged id."""

    def __init__(self, survivors: Mapping[int, int]) -> None:
        super().__init__()
        self.survivors = survivors


async def retry(work: Callable[[Attempt], Awaitable[T]]) -> T:
    """Runs `work` until it succeeds. An attempt that fails with TryAgain or Locked must have written nothing.

    - After a lost race (deadlock, taken key, changed fields), retries with a pause that grows with each attempt.
    - After a merged id, retries at once with the survivors.
    - After a row stayed locked, retries once and skips locked rows. Most often the queue of writers that was too long
      is gone by then.

    Every attempt starts from the same input: `work` must not change its input. Raises Unavailable after ATTEMPTS_MAX
    attempts, and Locked if an attempt with `skip_locked` fails with Locked too.
    """
    attempt = FIRST
    while True:
        try:
            return await work(attempt)
        except Locked as cause:
            if attempt.skip_locked:
                raise
            attempt = _next(attempt, cause, skip_locked=True)
        except MergedIds as cause:
            # A survivor of an earlier attempt may have been merged since.
            known = {merged: cause.survivors.get(lead, lead) for merged, lead in attempt.merged.items()}
            attempt = _next(attempt, cause, merged={**known, **cause.survivors})
        except TryAgain as cause:
            # Up to a third of a second, at random: calls that collided should not collide again at once.
            await asyncio.sleep(secrets.randbelow(20 << min(attempt.number, 4)) / 1000)
            attempt = _next(attempt, cause)


def _next(attempt: Attempt, cause: Exception, **changes: object) -> Attempt:
    log.debug("retry", attempt=attempt.number, cause=type(cause.__cause__ or cause).__name__)
    if attempt.number + 1 == ATTEMPTS_MAX:
        raise Unavailable from cause
    return msgspec.structs.replace(attempt, number=attempt.number + 1, **changes)
