"""The one policy by which work that has written nothing is started again."""

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
"""After that many lost races the caller is asked to come back."""


class Attempt(msgspec.Struct, frozen=True):
    """What earlier attempts of the same work have found out.

    `skip_locked` says that a row stayed locked: do not wait for locked rows, but refuse their objects. `merged` has
    the surviving lead for each merged id that the work names.
    """

    number: int = 0
    skip_locked: bool = False
    merged: Mapping[int, int] = {}


FIRST = Attempt()


class MergedIds(TryAgain):
    """The work names leads that were merged: undo it and start again with the survivors, given by merged id."""

    def __init__(self, survivors: Mapping[int, int]) -> None:
        super().__init__()
        self.survivors = survivors


async def retry(work: Callable[[Attempt], Awaitable[T]]) -> T:
    """Runs `work` until it succeeds; an attempt that fails with TryAgain or Locked must have written nothing.

    - A lost race (deadlock, taken key, changed fields): starts again after a pause that grows with each attempt.
    - A merged id: starts again at once, with the survivors.
    - A row that stayed locked: starts again once, and then skips locked rows. Most often a queue of writers was too
      long, and has gone by then.

    Every attempt starts from the same input: `work` must not change what it was given. Raises Unavailable after
    ATTEMPTS_MAX attempts, and Locked if the second wait for a row fails too.
    """
    attempt = FIRST
    while True:
        try:
            return await work(attempt)
        except Locked:
            if attempt.skip_locked:
                raise
            attempt = _next(attempt, skip_locked=True)
        except MergedIds as cause:
            # An earlier survivor can have been merged in turn.
            known = {merged: cause.survivors.get(lead, lead) for merged, lead in attempt.merged.items()}
            attempt = _next(attempt, merged={**known, **cause.survivors})
        except TryAgain as cause:
            log.debug("retry", attempt=attempt.number, cause=type(cause.__cause__).__name__)
            # Up to a third of a second: calls that collided should not collide again at once.
            await asyncio.sleep(secrets.randbelow(20 << min(attempt.number, 4)) / 1000)
            attempt = _next(attempt)


def _next(attempt: Attempt, **learned: object) -> Attempt:
    if attempt.number + 1 == ATTEMPTS_MAX:
        raise Unavailable
    return msgspec.structs.replace(attempt, number=attempt.number + 1, **learned)
