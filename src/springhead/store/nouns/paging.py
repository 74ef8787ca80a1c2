"""Remembered page starts, so that a deep page costs no more than the first page.

Offsets stay exact (docs/decisions/0006-paging-by-offset.md). A start is valid while the generation of the company's
objects of that kind is unchanged. Deletes increment the generation, and so do changes of columns that reads filter by.
Only objects older than any running write are remembered, because newer objects can become visible in another order than
that of their ids.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping

from springhead.model.kit.errors import Json

KEPT_LISTINGS = 4_000
KEPT_OFFSETS = 4_096
KEPT_STARTS = 100_000
"""The most page starts of all listings: about 20 MB."""

KEPT_SECONDS = 600.0
NAMED_UP_TO = 200
"""Filters with fewer characters are kept as text in a Listing; longer filters are hashed."""

SETTLED_SECONDS = 60
"""Seconds after which an object is settled: no running write can still add an object before it."""

Listing = tuple[int, str, str]
"""All pages of one read: the company, the noun and the filters, in any order."""


def listing(company_id: int, noun: str, filters: Mapping[str, Json], condition: str) -> Listing:
    """The listing that a page belongs to."""
    named = f"{condition} {sorted(filters.items())}"
    return company_id, noun, named if len(named) < NAMED_UP_TO else hashlib.sha256(named.encode()).hexdigest()


class PageStart:
    """The start of a page: it begins after the object with the id `after`, as of `generation`."""

    __slots__ = ("after", "generation", "until")

    def __init__(self, after: int, generation: int) -> None:
        self.after = after
        self.generation = generation
        self.until = time.monotonic() + KEPT_SECONDS


class PageStarts:
    """The page starts of each listing, bounded in number and age."""

    def __init__(self) -> None:
        self._listings: OrderedDict[Listing, OrderedDict[int, PageStart]] = OrderedDict()
        self._count = 0

    def find(self, listing: Listing, offset: int) -> PageStart | None:
        """The start of the page at `offset`, None if it is not remembered."""
        starts = self._listings.get(listing)
        start = starts.get(offset) if starts else None
        return start if start is not None and start.until > time.monotonic() else None

    def keep(self, listing: Listing, offset: int, after: int, generation: int) -> None:
        """Remembers that the page at `offset` begins after the object with the id `after`."""
        starts = self._listings.setdefault(listing, OrderedDict())
        self._listings.move_to_end(listing)
        self._count += offset not in starts
        starts[offset] = PageStart(after, generation)
        starts.move_to_end(offset)
        if len(starts) > KEPT_OFFSETS:
            starts.popitem(last=False)
            self._count -= 1
        while len(self._listings) > KEPT_LISTINGS or self._count > KEPT_STARTS:
            self._count -= len(self._listings.popitem(last=False)[1])

    def forget(self, listing: Listing, offset: int) -> None:
        """Removes a start that is no longer valid."""
        if starts := self._listings.get(listing):
            self._count -= starts.pop(offset, None) is not None
