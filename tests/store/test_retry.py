"""The policy of retries, and the deadlines that depend on each other."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from springhead.methods import leads as _registered  # noqa: F401 - importing the package registers the methods
from springhead.model.kit.errors import Unavailable
from springhead.rpc.method import REGISTRY, Writes
from springhead.store.database import deadlines
from springhead.store.database.pool import SERVER_SETTINGS, Locked, TryAgain
from springhead.store.database.retry import ATTEMPTS_MAX, Attempt, MergedIds, retry


def failing(*failures: Exception) -> tuple[Callable[[Attempt], Awaitable[str]], list[Attempt]]:
    """Work that raises each of these errors in turn and then succeeds, and a list of the attempts it gets."""
    seen: list[Attempt] = []

    async def work(attempt: Attempt) -> str:
        seen.append(attempt)
        if len(seen) <= len(failures):
            raise failures[len(seen) - 1]
        return "done"

    return work, seen


def run(*failures: Exception) -> list[Attempt]:
    work, seen = failing(*failures)
    assert asyncio.run(retry(work)) == "done"
    return seen


def test_work_that_succeeds_runs_once() -> None:
    assert run() == [Attempt()]


def test_a_lost_race_is_retried_without_new_findings() -> None:
    assert run(TryAgain(), TryAgain()) == [Attempt(number=number) for number in range(3)]


def test_a_merged_id_is_known_to_all_later_attempts() -> None:
    seen = run(MergedIds({1: 2}), TryAgain(), MergedIds({3: 4}))

    assert [attempt.merged for attempt in seen] == [{}, {1: 2}, {1: 2}, {1: 2, 3: 4}]


def test_a_survivor_that_is_merged_in_turn_is_replaced_too() -> None:
    seen = run(MergedIds({1: 2}), MergedIds({2: 3}), MergedIds({3: 1}))

    assert [attempt.merged for attempt in seen] == [{}, {1: 2}, {1: 3, 2: 3}, {1: 1, 2: 1, 3: 1}]


def test_locked_rows_are_waited_for_once_and_skipped_afterwards() -> None:
    assert [attempt.skip_locked for attempt in run(Locked(), TryAgain())] == [False, True, True]


def test_a_second_wait_for_a_locked_row_is_the_last() -> None:
    work, seen = failing(Locked(), Locked())

    with pytest.raises(Locked):
        asyncio.run(retry(work))

    assert len(seen) == 2


def test_after_ten_attempts_the_caller_gets_a_retryable_error() -> None:
    work, seen = failing(*[MergedIds({number: 0}) for number in range(ATTEMPTS_MAX)])

    with pytest.raises(Unavailable):
        asyncio.run(retry(work))

    assert len(seen) == ATTEMPTS_MAX


def test_another_error_is_not_retried() -> None:
    work, seen = failing(ValueError("a fault of ours"))

    with pytest.raises(ValueError, match="a fault of ours"):
        asyncio.run(retry(work))

    assert len(seen) == 1


def test_no_write_lasts_longer_than_the_time_after_which_none_is_left() -> None:
    """A call may send its last statement right before its deadline, and PostgreSQL may run it up to its timeout."""
    longest_call = deadlines.CALL_SECONDS + max(
        method.extra_seconds for method in REGISTRY.values() if isinstance(method.result, Writes)
    )

    assert longest_call + deadlines.STATEMENT_SECONDS <= deadlines.LAST_WRITE_SECONDS


def test_a_statement_that_runs_into_its_limit_still_gets_its_answer() -> None:
    assert deadlines.LOCK_SECONDS < deadlines.STATEMENT_SECONDS < deadlines.COMMAND_SECONDS < deadlines.CALL_SECONDS
    assert SERVER_SETTINGS["statement_timeout"] == f"{deadlines.STATEMENT_SECONDS:.0f}s"
    assert SERVER_SETTINGS["lock_timeout"] == f"{deadlines.LOCK_SECONDS:.0f}s"
