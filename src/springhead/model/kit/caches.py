"""A cache that is bounded in bytes, whoever chooses the size of its values."""

import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

import msgspec

K = TypeVar("K")
V = TypeVar("V")

ENTRY_BYTES = 200
"""What an entry takes beside its key and its value, roughly."""


class BoundedCache(Generic[K, V]):
    """Values by key: at most `entries`, and at most `size` bytes. The value that was put longest ago goes first.

    A value that is larger than the whole cache is not kept.
    """

    def __init__(self, entries: int, size: int) -> None:
        self._entries, self._size = entries, size
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.used = 0
        """The bytes of all entries, roughly."""

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Returns the value of a key, None if it is not kept."""
        entry = self._values.get(key)
        return entry[0] if entry else None

    def put(self, key: K, value: V, *, size: int | None = None) -> None:
        """Keeps a value of `size` bytes; without a size, it is measured."""
        self.pop(key)
        size = ENTRY_BYTES + memory_of(key) + (memory_of(value) if size is None else size)
        if size > self._size:
            return
        self._values[key] = (value, size)
        self.used += size
        while len(self._values) > self._entries or self.used > self._size:
            self.used -= self._values.popitem(last=False)[1][1]

    def pop(self, key: K) -> None:
        """Removes a key, if it is there."""
        if entry := self._values.pop(key, None):
            self.used -= entry[1]


def memory_of(value: object) -> int:
    """Returns the bytes that a value takes with all that it contains, roughly: what occurs twice counts twice."""
    size, remaining = 0, [value]
    while remaining:
        current = remaining.pop()
        size += sys.getsizeof(current)
        if isinstance(current, (str, bytes)):
            continue
        if isinstance(current, msgspec.Struct):
            remaining += [getattr(current, name) for name in current.__struct_fields__]
        elif isinstance(current, (list, tuple, set, frozenset)):
            remaining += cast("list[Any]", current)
        elif isinstance(current, Mapping):
            pairs = cast("Mapping[Any, Any]", current)
            remaining += [*pairs.keys(), *pairs.values()]
    return size
