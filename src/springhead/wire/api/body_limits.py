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


class BodyLimits:
    """The limits on the bodies of all companies. Times are seconds on a clock that never goes back.

    `body_limit` is the longest body in bytes. Unless `enabled`, only the contents of each body are limited.
    """

    def __init__(self, body_limit: int, *, enabled: bool = True) -> None:
        self._body_limit, self._enabled = body_limit, enabled
        self._due: OrderedDict[int, float] = OrderedDict()  # when the points of a company's bodies are used up
        self._reading: dict[int, int] = {}  # the bytes of the bodies that a company is sending

    @contextmanager
    def reading(self, company_id: int, size: int | None, now: float) -> Generator[None]:
        """Counts a body of `size` bytes while the block reads it. Without a size, it may be the longest one.

        Raises SecondLimit, with `data.retryAfter` in seconds, if the company has to wait before it sends a long body.
        """
        size = self._body_limit if size is None else size
        if size <= SMALL_BYTES or not self._enabled:
            yield
            return
        if wait := self._wait(company_id, now):
            raise _too_much(wait)
        under_way = self._reading.get(company_id, 0)
        if under_way + size > READING_BODIES * self._body_limit:
            raise _too_much(1.0)
        self._reading[company_id] = under_way + size
        try:
            yield
        finally:
            self._reading[company_id] -= size
            if not self._reading[company_id]:
                del self._reading[company_id]

    def check(self, company_id: int, body: bytes, now: float) -> None:
        """Counts the contents of a body before it is parsed.

        Raises InvalidFormat if they are beyond a limit. Raises SecondLimit if the company's other bodies have used up
        its points while this body was read.
        """
        if len(body) <= SMALL_BYTES:
            return
        containers, keys, commas = body.count(b"[") + body.count(b"{"), body.count(b":"), body.count(b",")
        problem = _problem(containers, keys, commas)
        wait = self._wait(company_id, now)
        points = len(body) // _BYTES_PER_POINT
        if not problem and not wait:
            points += containers * _CONTAINER_POINTS + keys * _KEY_POINTS + commas
        self._charge(company_id, points, now)
        if problem:
            raise InvalidFormat({"params": [{"param": "body", "message": problem}]})
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
        return f"Expected at most {CONTAINERS_MAX} lists and objects, got {containers}"
    if keys > KEYS_MAX:
        return f"Expected at most {KEYS_MAX} keys, got {keys} colons"
    if commas > COMMAS_MAX:
        return f"Expected at most {COMMAS_MAX} values, got {commas} commas"
    return None


def _too_much(wait: float) -> SecondLimit:
    return SecondLimit({"retryAfter": max(1, math.ceil(wait * 1000)) / 1000})
