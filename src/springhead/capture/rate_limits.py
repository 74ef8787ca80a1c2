"""How often somebody may do something: in memory, so for one process, and bounded."""

import time
from collections import OrderedDict
from collections.abc import Hashable

KEYS_MAX = 20_000
"""How many are remembered; who was seen longest ago is forgotten first."""


class Pace:
    """So many a second for each key, and so many at once (GCRA)."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._interval, self._ahead = 1 / per_second, (burst - 1) / per_second
        self._next: OrderedDict[Hashable, float] = OrderedDict()

    def allows(self, key: Hashable) -> bool:
        """Whether this one may now; what is refused is not counted."""
        now = time.monotonic()
        due = max(self._next.get(key, now), now)
        if due - now > self._ahead:
            return False
        self._next[key] = due + self._interval
        self._next.move_to_end(key)
        if len(self._next) > KEYS_MAX:
            self._next.popitem(last=False)
        return True
