"""Remembered page starts, so that a deep page costs no more than the first one.

An offset is answered exactly: a remembered start holds only while the generation of the company's objects
of that kind stands still (it rises when one is deleted or changes what reads are filtered by), and only
objects older than any write in flight are remembered, since new ones become visible out of the order of
their ids.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping

from springhead.model.kit.errors import Json

KEPT_WALKS = 4_000
KEPT_OFFSETS = 4_096
KEPT_SECONDS = 600.0
NAMED_UP_TO = 200
"""Characters of filters that name a walk as they are; longer ones are hashed."""

SETTLED_SECONDS = 60
"""An object older than this is settled: no write that is still running can put another one before it."""

Walk = tuple[int, str, str]
"""What is walked through: a company's objects of one kind that match the same filters."""


def walk(company_id: int, noun: str, filters: Mapping[str, Json], condition: str) -> Walk:
    """The walk that a page belongs to; filters that mean the same are the same."""
    named = f"{condition} {sorted(filters.items())}"
    return company_id, noun, named if len(named) < NAMED_UP_TO else hashlib.sha256(named.encode()).hexdigest()


class Start:
    """Where a page begins: after the object with the id `after`, as of `generation`."""

    __slots__ = ("after", "generation", "until")

    def __init__(self, after: int, generation: int) -> None:
        self.after = after
        self.generation = generation
        self.until = time.monotonic() + KEPT_SECONDS


class Walks:
    """The page starts of each walk, bounded in number and age."""

    def __init__(self) -> None:
        self._walks: OrderedDict[Walk, OrderedDict[int, Start]] = OrderedDict()

    def find(self, walk: Walk, offset: int) -> Start | None:
        """Where the page at `offset` begins, if that is remembered."""
        starts = self._walks.get(walk)
        start = starts.get(offset) if starts else None
        return start if start is not None and start.until > time.monotonic() else None

    def keep(self, walk: Walk, offset: int, after: int, generation: int) -> None:
        """Remember that the page at `offset` begins after the object with the id `after`."""
        starts = self._walks.setdefault(walk, OrderedDict())
        self._walks.move_to_end(walk)
        starts[offset] = Start(after, generation)
        starts.move_to_end(offset)
        if len(starts) > KEPT_OFFSETS:
            starts.popitem(last=False)
        if len(self._walks) > KEPT_WALKS:
            self._walks.popitem(last=False)

    def forget(self, walk: Walk, offset: int) -> None:
        """Drop a start that no longer holds."""
        if starts := self._walks.get(walk):
            starts.pop(offset, None)
