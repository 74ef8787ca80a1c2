"""The change feed: what became of leads, numbered in the order in which it was committed.

Whoever changes leads writes, in the same transaction, one row of `change` with the ids of the events. It gets its
numbers after the commit, from the first who looks: ids are drawn while transactions run and become visible out of
order, but what is numbered is all there already, and what commits late gets a later number. So a reader that goes on
behind the last number it saw misses nothing. Changes of one lead are numbered as they happened: whoever changes it
waits for the one before, and draws ids after that.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from springhead.model.feed.changes import KIND_BY_SOURCE, SCORE, Change
from springhead.store.database.pool import Database, Tx

AT_ONCE = 1_000
"""Most writes that are numbered in one statement."""

POLL = 1.0
"""Seconds after which a server looks for changes that another process has written, or left behind."""


def noted(events: str, condition: str = "true") -> str:
    """A CTE that puts the rows of `events`, of which the ids have just been returned, into the feed."""
    return _noted("event_ids", events, condition)


def scored(leads: str) -> str:
    """A CTE that puts into the feed that these leads have another score."""
    return _noted("lead_ids", leads, "true")


def _noted(column: str, rows: str, condition: str) -> str:
    return f"""noted as (
                insert into change (company_id, {column})
                select $1, array_agg(id order by id) from {rows} where {condition} having count(*) > 0
            )"""


class FeedPage(msgspec.Struct, frozen=True):
    """Changes in order; `upto` is the number to go on from, `last` that of the company's last change."""

    changes: Sequence[Change]
    upto: int
    last: int


async def number(tx: Tx, company_id: int) -> int:
    """Give numbers to what is committed, AT_ONCE writes at most; gives the number of the company's last change.

    Nothing is written when there is nothing to number.
    """
    row = await tx.row(
        """
        select exists (select from change where company_id = $1 and first is null) as pending,
            coalesce((select last from feed where company_id = $1), 0) as last
        """,
        company_id,
    )
    assert row is not None  # noqa: S101 - there are no tables in it
    return await _number(tx, company_id) if row["pending"] else row["last"]


async def _number(tx: Tx, company_id: int) -> int:
    """One at a time; the lock is taken in a statement of its own: the next one sees what others have numbered."""
    async with tx.atomic():
        await tx.replan()
        await tx.rows("insert into feed (company_id) values ($1) on conflict (company_id) do nothing", company_id)
        last = await tx.value(
            "select last from feed where company_id = $1 order by company_id for no key update", company_id
        )
        return await tx.value(
            """
            with fresh as materialized (
                select id, cardinality(event_ids) + cardinality(lead_ids) as size
                from change where company_id = $1 and first is null
                order by id limit $3
            ),
            placed as materialized (
                select id, size, $2 + sum(size) over (order by id) as last from fresh
            ),
            numbered as (
                update change c set first = p.last - p.size + 1, last = p.last
                from placed p
                where c.company_id = $1 and c.id = p.id
            )
            update feed set last = coalesce((select max(last) from placed), $2) where company_id = $1
            returning last
            """,
            company_id,
            last,
            AT_ONCE,
        )


async def pending(tx: Tx) -> list[int]:
    """The companies with changes that have no number yet."""
    return [row["company_id"] for row in await tx.rows("select distinct company_id from change where first is null")]


async def after(
    tx: Tx, company_id: int, sequence: int, *, kinds: Sequence[str] | None = None, limit: int, within: int = 0
) -> FeedPage:
    """The numbered changes behind a number, in order: `limit` of them at most, out of the next `within` ones.

    `within` is for readers of some kinds only: it bounds what is looked at for them. Changes of leads of which nothing
    is kept any more are left out.
    """
    span = max(limit, within)
    rows = await tx.rows(
        """
        with known as materialized (
            select coalesce((select last from feed where company_id = $1), 0) as last
        )
        select k.last as end, d.*
        from known k
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
                    k.last
                )
                and c.first + u.place - 1 > $2 and c.first + u.place - 1 <= least($2 + $3, k.last)
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
    """Notices that a company may have changes which were not there when the watch began."""

    changed: asyncio.Event
    closing: asyncio.Event

    async def wait(self, seconds: float) -> bool:
        """Wait for that; False when there is no use in waiting on.

        What other processes change is noticed by looking: this gives up after POLL seconds and says True.
        """
        if self.closing.is_set() or seconds <= 0:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, POLL)):
                await self.changed.wait()
        return True


class Feed:
    """Wakes readers that wait for a company's changes."""

    def __init__(self, database: Database) -> None:
        self._changed: dict[int, asyncio.Event] = {}
        self._closing = asyncio.Event()
        database.on_change.append(self.heard)

    def heard(self, company_id: int) -> None:
        """Wakes the readers that wait: this process may have changed leads of the company."""
        if waiting := self._changed.pop(company_id, None):
            waiting.set()

    def close(self) -> None:
        """Let nobody wait any longer: the server is about to end."""
        self._closing.set()
        for waiting in self._changed.values():
            waiting.set()

    def watch(self, company_id: int) -> "Watch":
        """Notice the company's changes from now on: begin before reading, so that none falls between."""
        return Watch(self._changed.setdefault(company_id, asyncio.Event()), self._closing)
