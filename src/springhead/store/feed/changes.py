"""The change feed: the changes of leads, numbered in the order of their commits.

A write of leads inserts, in its own transaction, one row of `change` with the ids of the events. The row gets its
numbers after the commit, when a reader or a job calls `number`. Ids become visible out of order, because transactions
draw them while they run; but a late commit gets late numbers. So a reader that continues after the last number that it
saw misses nothing. The changes of one lead are numbered in their order, because a writer locks it before it draws ids.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress

import msgspec

from springhead.model.feed.changes import KIND_BY_SOURCE, SCORE, Change
from springhead.store.database.pool import Database, Tx

AT_ONCE = 1_000
"""The most writes that one statement numbers."""

POLL = 1.0
"""Seconds between two scans for changes that another process has written, or has not numbered."""


def event_entry(events: str, condition: str = "true") -> str:
    """Returns a CTE that adds events to the feed: the rows of the CTE `events` that match the condition, by `id`."""
    return _entry("event_ids", events, condition)


def score_entry(leads: str) -> str:
    """Returns a CTE that adds changed scores to the feed: those of the leads in the CTE `leads`, by `id`."""
    return _entry("lead_ids", leads, "true")


def _entry(column: str, rows: str, condition: str) -> str:
    return f"""feed_entry as (
                insert into change (company_id, {column})
                select $1, array_agg(id order by id) from {rows} where {condition} having count(*) > 0
                returning id
            )"""


class FeedPage(msgspec.Struct, frozen=True):
    """Changes in order. `upto` is the number after which to continue, `last` the last number of the company."""

    changes: Sequence[Change]
    upto: int
    last: int


async def number(tx: Tx, company_id: int) -> int:
    """Numbers committed changes, at most AT_ONCE writes; returns the number of the company's last change.

    Writes nothing if no change is pending.
    """
    row = await tx.row(
        """
        select exists (select from change where company_id = $1 and first is null) as pending,
            coalesce((select last from feed where company_id = $1), 0) as last
        """,
        company_id,
    )
    assert row is not None  # noqa: S101 - a select without `from` returns a row
    return await _number(tx, company_id) if row["pending"] else row["last"]


async def _number(tx: Tx, company_id: int) -> int:
    """Numbers pending changes, under a lock. A statement of its own takes it, so that the next one sees all numbers."""
    async with tx.atomic():
        await tx.replan()
        await tx.rows("insert into feed (company_id) values ($1) on conflict (company_id) do nothing", company_id)
        last = await tx.value(
            "select last from feed where company_id = $1 order by company_id for no key update", company_id
        )
        return await tx.value(
            """
            with pending as materialized (
                select id, cardinality(event_ids) + cardinality(lead_ids) as size
                from change where company_id = $1 and first is null
                order by id limit $3
            ),
            numbers as materialized (
                select id, size, $2 + sum(size) over (order by id) as last from pending
            ),
            numbered as (
                update change c set first = n.last - n.size + 1, last = n.last
                from numbers n
                where c.company_id = $1 and c.id = n.id
            )
            update feed set last = coalesce((select max(last) from numbers), $2) where company_id = $1
            returning last
            """,
            company_id,
            last,
            AT_ONCE,
        )


async def pending(tx: Tx) -> list[int]:
    """The companies with changes that have no numbers yet."""
    return [row["company_id"] for row in await tx.rows("select distinct company_id from change where first is null")]


async def after(
    tx: Tx, company_id: int, sequence: int, *, kinds: Sequence[str] | None = None, limit: int, within: int = 0
) -> FeedPage:
    """The numbered changes after a number, in order: at most `limit`, of some `kinds` or of all.

    Reads the next `limit` numbers, or the next `within` if that is more, to find changes of rare kinds. Leaves out
    changes whose events or leads were deleted.
    """
    span = max(limit, within)
    rows = await tx.rows(
        """
        with feed_end as materialized (
            select coalesce((select last from feed where company_id = $1), 0) as last
        )
        select f.last as end, d.*
        from feed_end f
        left join lateral (
            select c.first + u.place - 1 as sequence, e.id as event_id, e.event_source as source,
                coalesce(e.lead_id, l.id) as lead_id, coalesce(e.create_timestamp, c.created_at) as at,
                e.event_data::text as data
            from change c
            cross join lateral unnest(c.event_ids || c.lead_ids) with ordinality as u (id, place)
            left join event e on e.company_id = $1 and e.id = u.id and c.lead_ids = '{}'
            left join lead l on l.company_id = $1 and l.id = u.id and c.event_ids = '{}'
            where c.company_id = $1 and c.last > $2 and c.last <= coalesce(
                    (select e.last from change e where e.company_id = $1 and e.last >= $2 + $3 order by e.last limit 1),
                    f.last
                )
                and c.first + u.place - 1 > $2 and c.first + u.place - 1 <= least($2 + $3, f.last)
                and coalesce(e.id, l.id) is not null
                and ($4::text[] is null or coalesce(e.event_source, 'score') = any($4))
            order by sequence
            limit $5
        ) d on true
        order by d.sequence
        """,
        company_id,
        sequence,
        span,
        None
        if kinds is None
        else [source for source, kind in (*KIND_BY_SOURCE.items(), (SCORE, SCORE)) if kind in kinds],
        limit,
    )
    changes = [
        Change(
            row["sequence"],
            row["event_id"],
            KIND_BY_SOURCE[row["source"]] if row["source"] else SCORE,
            row["lead_id"],
            row["at"],
            msgspec.json.decode(row["data"]) if row["data"] else None,
        )
        for row in rows
        if row["sequence"] is not None
    ]
    last: int = rows[0]["end"]
    upto = changes[-1].sequence if len(changes) == limit else max(sequence, min(sequence + span, last))
    return FeedPage(changes, upto, last)


class Watch(msgspec.Struct, frozen=True):
    """Waits for changes of a company that come after the start of the watch."""

    changed: asyncio.Event
    closing: asyncio.Event

    async def wait(self, seconds: float) -> bool:
        """Waits until the company may have changes; returns False if the server closes or `seconds` is 0 or less.

        Other processes do not signal their changes, so this returns after POLL seconds at the latest.
        """
        if self.closing.is_set() or seconds <= 0:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, POLL)):
                await self.changed.wait()
        return True


class ChangeSignal:
    """The companies whose leads this process may have changed, for a job that works on their changes.

    The job waits for `woken`, and takes companies out of `companies`. With `only`, other companies are left out, and
    their writes wake nothing.
    """

    def __init__(self, database: Database, *, only: Collection[int] | None = None) -> None:
        self.woken = asyncio.Event()
        self.companies: set[int] = set()
        self._only = only
        database.on_change.append(self.note)

    def note(self, company_id: int) -> None:
        """Notes that the company may have changes, and wakes the job."""
        if self._only is None or company_id in self._only:
            self.companies.add(company_id)
            self.woken.set()


class Feed:
    """Wakes readers that wait for a company's changes."""

    def __init__(self, database: Database) -> None:
        self._changed: dict[int, asyncio.Event] = {}
        self._closing = asyncio.Event()
        database.on_change.append(self.wake)

    def wake(self, company_id: int) -> None:
        """Wakes the readers that wait: this process may have changed leads of the company."""
        if waiting := self._changed.pop(company_id, None):
            waiting.set()

    def close(self) -> None:
        """Wakes all readers, because the server is about to end."""
        self._closing.set()
        for waiting in self._changed.values():
            waiting.set()

    def watch(self, company_id: int) -> "Watch":
        """Starts a watch of a company. Start it before reading, so that no change is missed between the two."""
        return Watch(self._changed.setdefault(company_id, asyncio.Event()), self._closing)
