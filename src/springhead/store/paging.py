"""Remembered page starts, so that a deep page costs no more than the first one.

An offset is answered exactly: a remembered start holds only while the company's generation stands
still (it rises when a lead is deleted or changes `active`), and only leads older than any write in
flight are remembered, since new ones become visible out of the order of their ids.
"""

import time
from collections import OrderedDict

KEPT_COMPANIES = 2_000
KEPT_OFFSETS = 4_096
KEPT_SECONDS = 600.0

SETTLED_SECONDS = 60
"""A lead older than this is settled: no write that is still running can put another one before it."""


class Start:
    """Where a page begins: after the lead `after`, as of `generation`."""

    __slots__ = ("after", "generation", "until")

    def __init__(self, after: int, generation: int) -> None:
        self.after = after
        self.generation = generation
        self.until = time.monotonic() + KEPT_SECONDS


class Walks:
    """The page starts of each company, bounded in number and age."""

    def __init__(self) -> None:
        self._companies: OrderedDict[int, OrderedDict[int, Start]] = OrderedDict()

    def find(self, company_id: int, offset: int) -> Start | None:
        """Where the page at `offset` begins, if that is remembered."""
        starts = self._companies.get(company_id)
        start = starts.get(offset) if starts else None
        return start if start is not None and start.until > time.monotonic() else None

    def keep(self, company_id: int, offset: int, after: int, generation: int) -> None:
        """Remember that the page at `offset` begins after the lead `after`."""
        starts = self._companies.setdefault(company_id, OrderedDict())
        self._companies.move_to_end(company_id)
        starts[offset] = Start(after, generation)
        starts.move_to_end(offset)
        if len(starts) > KEPT_OFFSETS:
            starts.popitem(last=False)
        if len(self._companies) > KEPT_COMPANIES:
            self._companies.popitem(last=False)

    def forget(self, company_id: int, offset: int) -> None:
        """Drop a start that no longer holds."""
        if starts := self._companies.get(company_id):
            starts.pop(offset, None)
