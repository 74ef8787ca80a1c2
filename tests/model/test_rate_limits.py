"""Rate limits with a clock that the test sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springhead.model.kit.rate_limits import KEYS_MAX, SECOND, KeyedRateLimit, RateLimit

NOW = 1_000 * SECOND


def test_a_burst_is_allowed_at_once_and_then_one_event_each_interval() -> None:
    limit = KeyedRateLimit(per_second=20, burst=5)

    assert [limit.allows("a", NOW) for _ in range(7)] == [True] * 5 + [False] * 2
    assert limit.allows("b", NOW)
    assert [limit.allows("a", NOW + SECOND // 10) for _ in range(4)] == [True] * 2 + [False] * 2


def test_a_caller_that_waits_as_long_as_it_is_told_is_let_in() -> None:
    limit, due = RateLimit(10, 10), 0
    for _ in range(10):
        assert limit.wait(due, NOW) <= 0
        due = limit.after_event(due, NOW)

    wait = limit.wait(due, NOW)
    assert wait == SECOND // 10
    assert limit.wait(due, NOW + wait - 1) > 0
    assert limit.wait(due, NOW + wait) <= 0


@given(st.integers(1, 20), st.lists(st.integers(0, SECOND), max_size=50))
def test_no_second_has_more_events_than_the_burst_and_the_rate(per_second: int, pauses: list[int]) -> None:
    limit, due, now = RateLimit(per_second, per_second), 0, NOW
    allowed: list[int] = []
    for pause in pauses:
        now += pause
        if limit.wait(due, now) <= 0:
            allowed.append(now)
            due = limit.after_event(due, now)
    for start in allowed:
        assert sum(start <= time < start + SECOND for time in allowed) <= 2 * per_second


@pytest.mark.parametrize("per_second", [0.2, 1 / 60, 3, 7, 1_000_000])
def test_an_interval_is_never_shorter_than_the_rate_allows(per_second: float) -> None:
    assert 0 <= RateLimit(per_second, 1).interval - SECOND / per_second < 1


def test_a_number_of_keys_is_remembered_and_no_more() -> None:
    limit = KeyedRateLimit(per_second=0.001, burst=1)
    assert limit.allows("first", NOW)
    assert not limit.allows("first", NOW)
    for number in range(KEYS_MAX):
        limit.allows(str(number), NOW)

    assert limit.allows("first", NOW)
    assert not limit.allows(str(KEYS_MAX - 1), NOW)


def test_refused_events_that_count_keep_a_key_refused_until_it_pauses() -> None:
    counted = KeyedRateLimit(per_second=5, burst=20, count_refused=True)
    uncounted = KeyedRateLimit(per_second=5, burst=20)
    times = [NOW + number * SECOND // 10 for number in range(100)]

    assert [counted.allows("a", time) for time in times].count(True) == 39
    assert [uncounted.allows("a", time) for time in times].count(True) == 69

    assert not counted.allows("a", times[-1] + SECOND // 5)
    assert counted.allows("a", times[-1] + 3 * SECOND // 5)


def test_events_that_wait_for_their_turn_are_booked_one_after_another_up_to_the_longest_wait() -> None:
    limit = KeyedRateLimit(per_second=10, burst=2)
    waits = [limit.book("a", NOW, longest=SECOND // 5) for _ in range(6)]
    assert waits == [0, 0, SECOND // 10, SECOND // 5, None, None]
    assert limit.book("b", NOW, longest=0) == 0
    assert limit.book("a", NOW + SECOND, longest=0) == 0


def test_booked_keys_are_bounded() -> None:
    limit = KeyedRateLimit(per_second=10, burst=1)
    for number in range(KEYS_MAX + 10):
        limit.book(f"{number}" * 40, NOW, longest=0)
    assert len(limit._due) == KEYS_MAX
    assert max(map(len, limit._due)) <= 64
