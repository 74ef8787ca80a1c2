"""Rate limits by GCRA, the generic cell rate algorithm. Pure arithmetic: the caller passes the time."""

import hashlib
import math
from collections import OrderedDict

SECOND = 1_000_000_000
"""A second in nanoseconds. All times here are nanoseconds on a clock that never goes back."""

KEYS_MAX = 20_000
"""How many keys a KeyedRateLimit remembers. Beyond this it forgets the key that was counted longest ago."""

KEY_LENGTH = 64
"""The longest key that is remembered as it is. Of a longer key, only a hash is remembered."""


class RateLimit:
    """Allows `per_second` events a second on average, and `burst` events at once.

    The state of an event source is one number, `due`: the time of its next event if its events come evenly. A source
    that has had no events starts with any time in the past, such as 0.
    """

    __slots__ = ("interval", "tolerance")

    def __init__(self, per_second: float, burst: int) -> None:
        self.interval = math.ceil(SECOND / per_second)  # rounded up: the limit is never exceeded
        self.tolerance = self.interval * (burst - 1)

    def wait(self, due: int, now: int) -> int:
        """Returns the nanoseconds until the next event is allowed: 0 or less if it is allowed now."""
        return due - now - self.tolerance

    def after_event(self, due: int, now: int) -> int:
        """Returns the new `due` after an event."""
        return max(due, now) + self.interval


class KeyedRateLimit:
    """A RateLimit for each key, such as an IP address, in the memory of this process.

    Refused events are not counted. With `count_refused` they are: a key that never pauses stays refused, and a key
    that pauses for two intervals is allowed again.
    """

    def __init__(self, *, per_second: float, burst: int, count_refused: bool = False) -> None:
        self._limit = RateLimit(per_second, burst)
        self._count_refused = count_refused
        self._latest_due = self._limit.tolerance + 2 * self._limit.interval
        self._due: OrderedDict[str, int] = OrderedDict()

    def allows(self, key: str, now: int) -> bool:
        """Counts an event of this key, and returns whether it is allowed now."""
        key = _short(key)
        due = self._due.get(key, now)
        allowed = self._limit.wait(due, now) <= 0
        if allowed or self._count_refused:
            self._remember(key, min(self._limit.after_event(due, now), now + self._latest_due))
        return allowed

    def book(self, key: str, now: int, *, longest: int) -> int | None:
        """Counts an event of this key that waits for its turn, and returns the nanoseconds until then.

        Returns None, and does not count the event, if it would wait longer than `longest`.
        """
        key = _short(key)
        due = self._due.get(key, now)
        wait = max(0, self._limit.wait(due, now))
        if wait > longest:
            return None
        self._remember(key, self._limit.after_event(due, now))
        return wait

    def _remember(self, key: str, due: int) -> None:
        self._due[key] = due
        self._due.move_to_end(key)
        if len(self._due) > KEYS_MAX:
            self._due.popitem(last=False)


def _short(key: str) -> str:
    """Returns the key, or the hash of a long key."""
    if len(key) <= KEY_LENGTH:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
