"""A cache that is bounded in entries and in bytes."""

import sys

import msgspec
import pytest

from springhead.model.kit.caches import ENTRY_BYTES, BoundedCache, memory_of


class Pair(msgspec.Struct):
    """A value that contains others."""

    first: object
    second: object


@pytest.mark.parametrize("text", ["x" * 1_000, "\U0001f600" * 1_000, b"x" * 1_000])
@pytest.mark.parametrize("wrap", [lambda text: [text], lambda text: {text: 1}, lambda text: Pair(1, (text,))])
def test_the_memory_of_a_value_has_all_that_it_contains(text: str | bytes, wrap: object) -> None:
    assert callable(wrap)
    assert sys.getsizeof(text) < memory_of(wrap(text)) < sys.getsizeof(text) + 500


def test_the_value_that_was_put_longest_ago_makes_room() -> None:
    cache: BoundedCache[str, str] = BoundedCache(3, 1_000_000)
    for key in "abcad":
        cache.put(key, key.upper())
    assert [cache.get(key) for key in "abcd"] == ["A", None, "C", "D"]
    assert len(cache) == 3


def test_large_values_make_room_by_their_bytes() -> None:
    cache: BoundedCache[int, str] = BoundedCache(1_000, 10_000)
    for number in range(100):
        cache.put(number, f"{number}".ljust(1_000))
    assert cache.used <= 10_000
    assert 5 < len(cache) < 10
    assert cache.get(99) is not None


def test_a_value_that_is_larger_than_the_cache_is_not_kept_and_drops_nothing_but_its_own_earlier_value() -> None:
    cache: BoundedCache[str, str] = BoundedCache(10, 2_000)
    cache.put("a", "small")
    cache.put("b", "small")
    cache.put("a", "x" * 3_000)
    assert (cache.get("a"), cache.get("b"), len(cache)) == (None, "small", 1)


def test_what_is_removed_or_replaced_no_longer_counts() -> None:
    cache: BoundedCache[str, bytes] = BoundedCache(10, 100_000)
    for _ in range(1_000):
        cache.put("a", b"x" * 1_000)
        cache.put("b", b"x" * 1_000, size=5_000)
    assert len(cache) == 2
    assert cache.used == 2 * (ENTRY_BYTES + memory_of("a")) + memory_of(b"x" * 1_000) + 5_000
    cache.pop("a")
    cache.pop("a")
    cache.pop("b")
    assert (len(cache), cache.used) == (0, 0)
