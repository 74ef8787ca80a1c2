"""The change feed: changes of leads and of lists, and events of forms, numbered in the order of their commits.

A write of leads inserts, in its own transaction, one row of `change` with the ids of the events. The row gets its
numbers after the commit, when a reader or a job calls `number`. Ids become visible out of order, because transactions
draw them while they run; but a late commit gets late numbers. So a reader that continues after the last number that it
saw misses nothing. The changes of one lead are numbered in their order, because a writer locks it before it draws ids.
The changes of the members of one list are, too, because a writer locks the list.

Changes of lists and events of forms have rows of their own (`of_lists`, `of_forms`), which most readers skip: an index
has only the other rows.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import msgspec

from springhead.model.feed.changes import (
    FORM_KINDS,
    KIND_BY_SOURCE,
    KINDS,
    LEAD_KINDS,
    LIST_CHANGED,
    LIST_KINDS,
    REQUESTED_KINDS,
    SCORE,
    Change,
)
from springhead.store.database.pool import Database, Tx
from springhead.store.database.sql import Statement, statement

AT_ONCE = 1_000
"""The most writes that one statement numbers."""

_KIND_BY_SOURCE = {**KIND_BY_SOURCE, **{kind: kind for kind in (SCORE, *REQUESTED_KINDS)}}

POLL = 1.0
"""Seconds between two scans for changes that another process has written, or has not numbered."""


def event_entry(events: str, condition: str = "true") -> str:
    """Returns a CTE that adds events to the feed: the rows of the CTE `events` that match the condition, by `id`."""
    return _entry("event_ids", events, condition)


def form_entry(events: str, condition: str) -> str:
    """Returns a CTE that adds events of forms to the feed: the rows of the CTE `events` that match, by `id`."""
    return f"""form_entry as (
                insert into change (company_id, event_ids, of_lists, of_forms)
                select $1, array_agg(id order by id), true, true from {events} where {condition} having count(*) > 0
                returning id
            )"""


def score_entry(leads: str) -> str:
    """Returns a CTE that adds changed scores to the feed: those of the leads in the CTE `leads`, by `id`."""
    return _entry("lead_ids", leads, "true")


def membership_entry(events: str) -> str:
    """Returns a CTE that adds new and former members of lists to the feed: the CTE `events` has `id` and `lead_id`."""
    return f"""feed_entry as (
                insert into change (company_id, event_ids, lead_ids, of_lists)
                select $1, array_agg(id order by id), array_agg(lead_id order by id), true from {events}
                having count(*) > 0
                returning id
            )"""


def lists_of_lead_entry(rows: str) -> str:
    """Returns a CTE (with leading comma) that adds to the feed that the lists of leads have changed.

    The rows have `lead_id`. Each lead gets one change without an event, however many lists it is on.
    """
    return f""",
            lists_entry as (
                insert into change (company_id, lead_ids, of_lists)
                select $1, array_agg(distinct lead_id order by lead_id), true from {rows} having count(*) > 0
                returning id
            )"""


async def list_changed(tx: Tx, company_id: int, list_ids: Sequence[int]) -> None:
    """Adds to the feed that many members of these lists have changed, without a change for each member."""
    if list_ids:
        await tx.rows(
            "insert into change (company_id, list_ids, of_lists) values ($1, $2, true) returning id",
            company_id,
            list_ids,
        )
        tx.changed = True


def _entry(column: str, rows: str, condition: str) -> str:
    return f"""feed_entry as (
                insert into change (company_id, {column})
                select $1, array_agg(id order by id) from {rows} where {condition} having count(*) > 0
                returning id
            )"""


class FeedPage(msgspec.Struct, frozen=True):
    """Changes in order. `upto` is the number after which to continue, `last` the last number of the company.

    If only changes follow that the reader does not see, `upto` is `last`, and `cursor` is the number before them.
    So readers of changes of leads get the cursors that they would get without other changes.
    """

    changes: Sequence[Change]
    upto: int
    last: int
    cursor: int


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
                select id, greatest(cardinality(event_ids), cardinality(lead_ids), cardinality(list_ids)) as size
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


def _after(shown: str) -> Statement:
    return statement(
        f"""
        with feed_end as materialized (
            select coalesce((select last from feed where company_id = $1), 0) as last
        ),
        scan_end as materialized (  -- the last number to read: $3 numbers, without those of skipped rows
            select w.last as row_last, (w.last - (w.total - $3))::bigint as last
            from (
                select c.last, sum(c.last - greatest(c.first - 1, $2)) over (order by c.last) as total
                from change c where c.company_id = $1 and c.last > $2{shown}
                order by c.last limit $3
            ) w
            where w.total >= $3
            order by w.last limit 1
        )
        select f.last as end, s.last as scanned, coalesce((
                select c.last from change c where c.company_id = $1 and c.last is not null{shown}
                order by c.last desc limit 1
            ), 0) as last_shown, d.*
        from feed_end f
        left join scan_end s on true
        left join lateral (
            select c.first + u.place - 1 as sequence, e.id as event_id,
                coalesce(e.event_source, case when c.of_lists then '{LIST_CHANGED}' else '{SCORE}' end) as source,
                coalesce(u.lead_id, e.lead_id) as lead_id, coalesce(e.create_timestamp, c.created_at) as at,
                e.event_data::text as data, coalesce(u.list_id, case when c.of_lists then e.what_id end) as what_id
            from change c
            cross join lateral unnest(c.event_ids, c.lead_ids, c.list_ids) with ordinality
                as u (event_id, lead_id, list_id, place)
            left join event e on e.company_id = $1 and e.id = u.event_id
            left join lateral (  -- lead by lead in every plan
                select l.id from lead l
                where l.company_id = $1 and l.id = u.lead_id and c.event_ids = '{{}}' offset 0
            ) l on true
            where c.company_id = $1 and c.last > $2 and c.last <= coalesce(s.row_last, f.last){shown}
                and c.first + u.place - 1 > $2 and c.first + u.place - 1 <= least(s.last, f.last, $6)
                and coalesce(e.id, l.id, u.list_id) is not null
        ) d on $4::text[] is null or d.source = any($4)
        order by d.sequence
        limit $5
        """
    )


_AFTER: Mapping[tuple[str, ...], Statement] = {
    LEAD_KINDS: _after(" and not c.of_lists"),
    LIST_KINDS: _after(" and c.of_lists and not c.of_forms"),
    FORM_KINDS: _after(" and c.of_forms"),
    REQUESTED_KINDS: _after(" and c.of_lists"),
    (*LEAD_KINDS, *LIST_KINDS): _after(" and not c.of_forms"),
    KINDS: _after(""),
}
"""The statements for readers of these kinds, those with the fewest first. The first four have indexes."""


async def after(
    tx: Tx,
    company_id: int,
    sequence: int,
    *,
    kinds: Sequence[str],
    limit: int,
    within: int = 0,
    until: int | None = None,
) -> FeedPage:
    """The numbered changes of some `kinds` after a number, and up to the number `until`, in order: at most `limit`.

    Reads the next `limit` numbers. To find some kinds among others, reads the next `within` if that is more. Numbers of
    changes of leads count only if `kinds` has one of LEAD_KINDS; the same holds for lists and for forms. Leaves out
    changes whose events or leads were deleted.
    """
    shown = next(group for group in _AFTER if set(group).issuperset(kinds))
    is_whole = set(kinds) == set(shown)
    rows = await tx.rows(
        _AFTER[shown],
        company_id,
        sequence,
        limit if is_whole else max(limit, within),
        None if is_whole else [source for source, kind in _KIND_BY_SOURCE.items() if kind in kinds],
        limit,
        until,
    )
    changes = [
        Change(
            row["sequence"],
            row["event_id"],
            _KIND_BY_SOURCE[row["source"]],
            row["lead_id"],
            row["at"],
            msgspec.json.decode(row["data"]) if row["data"] else None,
            row["what_id"],
        )
        for row in rows
        if row["sequence"] is not None
    ]
    last: int = rows[0]["end"]
    upto = changes[-1].sequence if len(changes) == limit else rows[0]["scanned"] or max(sequence, last)
    last_shown = max(sequence, rows[0]["last_shown"])
    return FeedPage(changes, last if upto >= last_shown else upto, last, min(upto, last_shown))


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
