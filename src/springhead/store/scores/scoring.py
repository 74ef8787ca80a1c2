"""Scores leads after new events, after a change of the rules, and as points decay.

Every write of a lead leaves an event, so a job of each server looks for new events and scores their leads. A change of
the rules affects all leads of a company, and so does decay: a background job scores all leads in steps.

A transaction that scores locks the company's row of `scoring`, and a change of the rules waits for it. So no score by
old rules is stored after a change of the rules. The order of locks is company, scoring, leads, lists, members.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from springhead.model.kit.fields import FieldSet
from springhead.model.scores import ScoreLine, decay_interval, field_names, fit_fields
from springhead.store.database import background_jobs
from springhead.store.database.admission import Lane
from springhead.store.database.pool import Database, Tx
from springhead.store.database.retry import retry
from springhead.store.fields import fields as fieldsets
from springhead.store.lists import filtered_lists
from springhead.store.scores import scorecards
from springhead.store.scores.scorecards import Scorecard

SCAN_EVERY = 5.0
"""Seconds between two scans for new events of a company."""

EVENTS = 2_000
"""The most events that one transaction reads. Their leads are locked until it ends."""

SETTLED_AFTER = 20
"""Seconds after which every transaction that has drawn the id of an event has ended."""

LEADS, STEP_SECONDS = 250, 0.4
"""The leads of one statement, and the seconds after which a step of the background job starts no other statement."""

POLL, DELAY = 1.0, 15.0
"""The least seconds between two turns over all companies, and the seconds until a failed company is retried."""

_JOB = "score"
_ID_STEP = 1024
"""The difference between the ids of two events in a row."""

_LATE_EVENTS = 5_000 * SETTLED_AFTER
"""Events before the newest one that are read again when a company begins to score, because earlier ids may commit late:
the events of SETTLED_AFTER seconds at a high rate."""


class Scoring(msgspec.Struct, frozen=True, kw_only=True):
    """The scoring settings of a company, and the progress of the last scoring of all leads."""

    half_life_days: int
    is_active: bool
    leads_done: int
    leads_total: int | None
    started_at: datetime | None
    ended_at: datetime | None


async def of_company(tx: Tx, company_id: int) -> Scoring | None:
    """The company's scoring; None if it never had a rule or a half-life of its own."""
    row = await tx.row(
        """
        select half_life_days, is_active, leads_done, leads_total, started_at, ended_at
        from scoring where company_id = $1
        """,
        company_id,
    )
    return Scoring(**dict(row)) if row else None


async def rules_changed(tx: Tx, company_id: int) -> int:
    """Starts a background job that scores all leads, after this transaction has changed rules.

    Starts none if no rule is active, nor was before. If no rule is active any more, all scores become 0. Returns the
    number of the company's rules, active or not.
    """
    await _lock(tx, company_id)
    row = await tx.row(
        """
        select s.is_active as was, (select count(*) from score_rule r where r.company_id = $1) as rules,
            exists (select from score_rule r where r.company_id = $1 and r.is_active) as is_active
        from scoring s where s.company_id = $1
        """,
        company_id,
    )
    assert row is not None  # noqa: S101 - _lock has inserted it
    if row["is_active"] and not row["was"]:
        await tx.rows(
            """
            update scoring s set seen_id = e.id, mark_id = e.id, settled_id = greatest(e.id - $2, 0), marked_at = now()
            from (select coalesce(max(id), 0) as id from event where company_id = $1) e
            where s.company_id = $1
            """,
            company_id,
            _ID_STEP * _LATE_EVENTS,
        )
    if row["was"] or row["is_active"]:
        await _start(tx, company_id, is_active=row["is_active"])
    return row["rules"]


async def change_half_life(tx: Tx, company_id: int, days: int) -> bool:
    """Sets the half-life of the points for events; returns whether it changed."""
    await _lock(tx, company_id)
    row = await tx.row(
        """
        update scoring set half_life_days = $2 where company_id = $1 and half_life_days <> $2 returning is_active
        """,
        company_id,
        days,
    )
    if row and row["is_active"]:
        await _start(tx, company_id, is_active=True)
    return row is not None


async def fields_gone(tx: Tx, company_id: int, before: FieldSet, names: Collection[str]) -> bool:
    """Scores all leads if a rule names one of these custom fields, which this transaction deletes.

    Returns whether a rule does.
    """
    columns = fit_fields(before)
    is_named = any(field_names(rule, columns) & set(names) for rule in await scorecards.rules(tx, company_id))
    if is_named:
        await rules_changed(tx, company_id)
    return is_named


async def explain(tx: Tx, company_id: int, lead_id: int) -> list[ScoreLine]:
    """Scores a lead now and explains its score. If no rule is active, returns the score that calls have set.

    Returns no lines if the lead does not exist. Call this in a transaction.
    """
    fields = await _fields(tx, company_id)
    row = await tx.row(
        """
        select half_life_days from scoring where company_id = $1 and is_active
        order by company_id for key share
        """,
        company_id,
    )
    if row is None:
        leads = await tx.rows(
            "select lead_score, lead_score_weighted from lead where company_id = $1 and id = $2", company_id, lead_id
        )
        return [
            ScoreLine(part="set", points=lead["lead_score"] * 100, weighted=lead["lead_score_weighted"] * 100)
            for lead in leads
        ]
    card = Scorecard(await scorecards.rules(tx, company_id), fields, row["half_life_days"])
    lines, changed = await card.explain(tx, company_id, lead_id)
    if changed:
        await filtered_lists.update_members(tx, company_id, fields, [lead_id])
    return lines


async def score_again(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Scores leads whose events have changed, if a rule is active. Call this in a transaction."""
    fields = await _fields(tx, company_id)
    row = await tx.row(
        """
        select half_life_days from scoring where company_id = $1 and is_active
        order by company_id for key share
        """,
        company_id,
    )
    if row is not None:
        card = Scorecard(await scorecards.rules(tx, company_id), fields, row["half_life_days"])
        await _score(tx, company_id, card, fields, lead_ids)


async def due(tx: Tx) -> list[int]:
    """The companies that are due for a scan of their events, the company that has waited longest first."""
    rows = await tx.rows("select company_id from scoring where is_active and due_at <= now() order by due_at")
    return [row["company_id"] for row in rows]


async def delay(tx: Tx, company_id: int) -> None:
    """Postpones the next scan of a company by DELAY seconds, after a scan has failed."""
    await tx.rows(
        "update scoring set due_at = now() + make_interval(secs => $2) where company_id = $1", company_id, DELAY
    )


async def score_new_events(database: Database, company_id: int) -> bool:
    """Scores the leads of a company's new events, at most EVENTS; returns whether there are more events."""
    if not await _is_needed(database, company_id):
        return False
    return await retry(lambda _attempt: _score_new_events(database, company_id))


async def _is_needed(database: Database, company_id: int) -> bool:
    """Whether the company has new events, events to read once more, or decay due. Writes nothing."""
    async with database.company(company_id, Lane.UPKEEP) as tx:
        return await tx.value(
            """
            select exists (select from event e where e.company_id = $1 and e.id > s.seen_id)
                or (s.settled_id < s.seen_id and s.marked_at <= now() - make_interval(secs => $2))
                or s.decay_at <= now()
            from scoring s where s.company_id = $1
            """,
            company_id,
            float(SETTLED_AFTER),
        )


async def _score_new_events(database: Database, company_id: int) -> bool:
    async with database.company(company_id, Lane.UPKEEP) as tx, tx.atomic():
        fields = await _fields(tx, company_id)
        state = await tx.row(
            """
            select half_life_days, seen_id, mark_id, settled_id, decay_at <= now() as decays,
                ended_at is not null as idle, marked_at <= now() - make_interval(secs => $2) as settled
            from scoring where company_id = $1 and is_active and due_at <= now()
            order by company_id for no key update
            """,
            company_id,
            float(SETTLED_AFTER),
        )
        if state is None:  # another process was faster
            return False
        card = Scorecard(await scorecards.rules(tx, company_id), fields, state["half_life_days"])
        fresh = await _events(tx, company_id, state["seen_id"], None)
        again: list[tuple[int, int]] = []
        seen, mark, settled = fresh[-1][0] if fresh else state["seen_id"], state["mark_id"], state["settled_id"]
        if state["settled"]:
            again = await _events(tx, company_id, settled, mark)
            settled, mark = (again[-1][0], mark) if len(again) == EVENTS else (mark, seen)
        leads = sorted({lead_id for _, lead_id in (*fresh, *again)})
        await _score(tx, company_id, card, fields, leads)
        more = EVENTS in {len(fresh), len(again)}
        await tx.rows(
            """
            update scoring s set seen_id = $2, mark_id = $3, settled_id = $4,
                marked_at = case when $5 then n.moment else s.marked_at end,
                due_at = now() + make_interval(secs => $6)
            from (select now() as moment) n
            where s.company_id = $1
            """,
            company_id,
            seen,
            mark,
            settled,
            state["settled"] and len(again) < EVENTS,
            0.0 if more else SCAN_EVERY - POLL,  # due again at the next turn of this server
        )
        if state["decays"] and state["idle"]:
            await _start(tx, company_id, is_active=True, needed=card.decays)
        return more


async def _events(tx: Tx, company_id: int, after: int, until: int | None) -> list[tuple[int, int]]:
    """The ids and leads of the events after the id `after`, up to the id `until`, at most EVENTS."""
    rows = await tx.rows(
        """
        select id, lead_id from event
        where company_id = $1 and id > $2 and id <= $3
        order by id limit $4
        """,
        company_id,
        after,
        2**62 if until is None else until,
        EVENTS,
    )
    return [(row["id"], row["lead_id"]) for row in rows]


async def _score(tx: Tx, company_id: int, card: Scorecard, fields: FieldSet, lead_ids: Sequence[int]) -> None:
    """Scores these leads and updates their rules-based lists. Locks leads before lists (docs/lock-order.md)."""
    changed: list[int] = []
    for start in range(0, len(lead_ids), LEADS):
        changed += await card.score(tx, company_id, lead_ids[start : start + LEADS])
    await filtered_lists.update_members(tx, company_id, fields, changed)


async def _fields(tx: Tx, company_id: int) -> FieldSet:
    """Returns the company's fields and list filters, and locks them until the transaction ends.

    The jobs that evaluate a new list filter read all leads, and then the leads that calls have changed since. Without
    the lock, they would miss a lead that is scored meanwhile.
    """
    await tx.rows("select field_version from company where id = $1 order by id for share", company_id)
    return await fieldsets.load(tx, company_id)


async def _lock(tx: Tx, company_id: int) -> None:
    """Locks the company's scoring: waits for transactions that score by the rules as they were."""
    await tx.rows(
        """
        insert into scoring (company_id, due_at, decay_at, marked_at) values ($1, now(), now(), now())
        on conflict (company_id) do nothing
        """,
        company_id,
    )
    await tx.rows("select company_id from scoring where company_id = $1 order by company_id for update", company_id)


async def _start(tx: Tx, company_id: int, *, is_active: bool, needed: bool = True) -> None:
    """Starts the background job that scores all leads. If it is not `needed`, only sets the time of the next decay."""
    days = await tx.value("select half_life_days from scoring where company_id = $1", company_id)
    await tx.rows(
        "update scoring set is_active = $2, decay_at = now() + $3::interval where company_id = $1",
        company_id,
        is_active,
        decay_interval(days),
    )
    if needed:
        await tx.rows(
            """
            update scoring set started_at = now(), ended_at = null, leads_done = 0, leads_total = null
            where company_id = $1
            """,
            company_id,
        )
        await background_jobs.start(tx, company_id, _JOB, 0)


async def _step(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
    """Scores the leads after the id `cursor`, for STEP_SECONDS, and updates their rules-based lists."""
    fields = await _fields(tx, company_id)
    days = await tx.value(
        "select half_life_days from scoring where company_id = $1 order by company_id for no key update", company_id
    )
    card = Scorecard(await scorecards.rules(tx, company_id), fields, days)
    if cursor == 0:
        await tx.rows(
            """
            update scoring set leads_done = 0, ended_at = null,
                leads_total = (select count(*) from lead where company_id = $1)
            where company_id = $1
            """,
            company_id,
        )
    end, changed, done, more = time.monotonic() + STEP_SECONDS, list[int](), 0, True
    while more and time.monotonic() < end:
        rows = await tx.rows(
            "select id from lead where company_id = $1 and id > $2 order by id limit $3", company_id, cursor, LEADS
        )
        ids = [row["id"] for row in rows]
        changed += await card.score(tx, company_id, ids)
        cursor, done, more = ids[-1] if ids else cursor, done + len(ids), len(ids) == LEADS
    await filtered_lists.update_members(tx, company_id, fields, changed)
    await tx.rows(
        """
        update scoring s set leads_done = s.leads_done + $2, leads_total = greatest(s.leads_total, s.leads_done + $2),
            ended_at = case when $3 then null else n.moment end
        from (select now() as moment) n
        where s.company_id = $1
        """,
        company_id,
        done,
        more,
    )
    return cursor if more else None


STEPS: Mapping[str, background_jobs.Step] = {_JOB: _step}
