"""Limits on request bodies: what one body may contain, and how much a company may send at a time.

A long body holds the server's only event loop while it is parsed, so it delays the calls of all companies.
"""

import math
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager

from springhead.model.kit.errors import InvalidFormat, SecondLimit

SMALL_BYTES = 65_536
"""A body of at most this many bytes is neither counted nor limited: it is parsed in a few milliseconds."""

CONTAINERS_MAX = 100_000
"""The most lists and objects in a body."""

KEYS_MAX = 300_000
"""The most colons in a body: its keys, and the colons in its texts."""

COMMAS_MAX = 1_000_000
"""The most commas in a body: between its values, and in its texts."""

POINTS_PER_SECOND = 1_000_000
"""The points of bodies that a company may send in a second. A point is about a tenth of a microsecond of parsing."""

BURST_SECONDS = 2.0
"""The time whose points a company may send at once."""

HEAVY_POINTS = 200_000
"""Beyond these points, a body twice as long costs four times as much: nobody else is served while it is parsed."""

READING_BODIES = 10
"""How many bodies of the longest size a company may be sending at the same time, measured by their bytes."""

COMPANIES_MAX = 10_000
"""How many companies are remembered. Beyond this, the company whose body came longest ago is forgotten."""

_BYTES_PER_POINT, _KEY_POINTS, _CONTAINER_POINTS = 20, 3, 10


class Contents:
    """What a body contains, counted part by part while it arrives.

    Each part is counted in a turn of the event loop of its own: to count 10 MB of `[],` at once takes 50 ms. What
    comes after a part that is beyond a limit is not counted.
    """

    __slots__ = ("_commas", "_containers", "_keys", "_size", "problem")

    def __init__(self) -> None:
        self._size = self._containers = self._keys = self._commas = 0
        self.problem: str | None = None
        """What the body has too much of."""

    def add(self, part: bytes) -> None:
        """Counts the next part of the body."""
        self._size += len(part)
        if self.problem is None:
            self._containers += part.count(b"[") + part.count(b"{")
            self._keys += part.count(b":")
            self._commas += part.count(b",")
            self.problem = _problem(self._containers, self._keys, self._commas)

    @property
    def is_small(self) -> bool:
        """Whether the body is neither counted nor limited."""
        return self._size <= SMALL_BYTES

    def points(self, *, parsed: bool) -> int:
        """Returns the points of the body; fewer if it is not parsed."""
        points = self._size // _BYTES_PER_POINT
        if parsed:
            points += self._containers * _CONTAINER_POINTS + self._keys * _KEY_POINTS + self._commas
        return points


class BodyLimits:
    """The limits on the bodies of all companies. Times are seconds on a clock that never goes back.

    `body_limit` is the longest body in bytes. Unless `enabled`, only the contents of each body are limited.
    """

    def __init__(self, body_limit: int, *, enabled: bool = True) -> None:
        self._body_limit, self._enabled = body_limit, enabled
        self._due: OrderedDict[int, float] = OrderedDict()  # when the points of a company's bodies are used up
        self._reading: dict[int, int] = {}  # the bytes of the bodies that a company is sending

    @contextmanager
    def reading(self, company_id: int, size: int | None, now: float) -> Generator[Contents | None]:
        """Counts a body of `size` bytes while the block reads it. Without a size, it may be the longest one.

        Yields what counts the parts of the body, None for a small body. Raises SecondLimit, with `data.retryAfter` in
        seconds, if the company has to wait before it sends a long body.
        """
        size = self._body_limit if size is None else size
        if size <= SMALL_BYTES:
            yield None
            return
        contents = Contents()
        if not self._enabled:
            yield contents
            return
        if wait := self._wait(company_id, now):
            raise _too_much(wait)
        under_way = self._reading.get(company_id, 0)
        if under_way + size > READING_BODIES * self._body_limit:
            raise _too_much(1.0)
        self._reading[company_id] = under_way + size
        try:
            yield contents
        finally:
            self._reading[company_id] -= size
            if not self._reading[company_id]:
                del self._reading[company_id]

    def check(self, company_id: int, contents: Contents, now: float) -> None:
        """Uses up the points of a body that was read, before it is parsed.

        Raises InvalidFormat if its contents are beyond a limit. Raises SecondLimit if the company's other bodies have
        used up its points while this body was read.
        """
        if contents.is_small:
            return
        wait = self._wait(company_id, now)
        self._charge(company_id, contents.points(parsed=not contents.problem and not wait), now)
        if contents.problem:
            raise InvalidFormat({"params": [{"param": "body", "message": contents.problem}]})
        if wait:
            raise _too_much(wait)

    def _wait(self, company_id: int, now: float) -> float:
        """Returns the seconds until the company may send a long body."""
        return max(0.0, self._due.get(company_id, now) - now - BURST_SECONDS)

    def _charge(self, company_id: int, points: int, now: float) -> None:
        if not self._enabled:
            return
        seconds = points / POINTS_PER_SECOND * max(1.0, points / HEAVY_POINTS)
        self._due[company_id] = max(self._due.get(company_id, now), now) + seconds
        self._due.move_to_end(company_id)
        if len(self._due) > COMPANIES_MAX:
            self._due.popitem(last=False)


def _problem(containers: int, keys: int, commas: int) -> str | None:
    if containers > CONTAINERS_MAX:
        return f"Expected at most {CONTAINERS_MAX} lists and objects"
    if keys > KEYS_MAX:
        return f"Expected at most {KEYS_MAX} keys, counted by their colons"
    if commas > COMMAS_MAX:
        return f"Expected at most {COMMAS_MAX} values, counted by their commas"
    return None


def _too_much(wait: float) -> SecondLimit:
    return SecondLimit({"retryAfter": max(1, math.ceil(wait * 1000)) / 1000})
