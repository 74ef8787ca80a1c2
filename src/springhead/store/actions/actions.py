"""The actions of a company, and the leads of each in parts (docs/actions.md).

The leads are selected once, by one statement. So leads that begin to match later are not changed, and an action may
change what its own filter tests. Each part is changed in one transaction, together with the progress of the action. The
old values of the leads are in the events of this transaction, by which an action is undone.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from springhead.model.actions import (
    ACTION,
    AT_ONCE,
    DONE,
    RUNNING,
    STOPPED,
    UNDO_SECONDS,
    Failure,
    PartResult,
    add_failures,
)
from springhead.store.actions import action_jobs
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.leads.selections import SelectedLeads
from springhead.store.nouns.reads import Rows


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """An action that the transaction has locked."""

    id: int
    kind: str
    list_id: int | None
    values: Mapping[str, Any] | None
    undoes: int | None
    total: int
    key_id: int | None
    user_id: int | None
    failures: list[Failure] = msgspec.field(default_factory=list[Failure])


class Part(msgspec.Struct, frozen=True):
    """A part of an action. `undoes_at` is the time of the events that it undoes. `is_last`: no other part follows."""

    number: int
    lead_ids: list[int]
    undoes_at: datetime | None
    is_last: bool


async def insert(
    tx: Tx,
    company_id: int,
    *,
    kind: str,
    list_id: int | None = None,
    fields: Sequence[str] = (),
    undoes: int | None = None,
    total: int = 0,
    key_id: int | None,
    user_id: int | None,
) -> int:
    """Inserts a running action without leads; returns its id."""
    return await tx.value(
        """
        insert into action
            (company_id, kind, state, list_id, fields, undoes, total, key_id, user_id, create_timestamp)
        values ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, now())
        returning id
        """,
        company_id,
        kind,
        RUNNING,
        list_id,
        msgspec.json.encode(fields).decode(),
        undoes,
        total,
        key_id,
        user_id,
    )


async def running(tx: Tx, company_id: int) -> int:
    """The number of the company's running actions."""
    return await tx.value(
        "select count(*) from action where company_id = $1 and end_timestamp is null and state = $2",
        company_id,
        RUNNING,
    )


async def list_has_filter(tx: Tx, company_id: int, list_id: int) -> bool | None:
    """Whether the members of a list follow from its filter; None if there is no such list."""
    return await tx.value("select filter is not null from list where company_id = $1 and id = $2", company_id, list_id)


async def survivors(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[int]:
    """The leads with these ids, each once, and instead of a merged lead the lead that it was merged into."""
    rows = await tx.rows(
        "select m.id, m.lead_id from merged_lead m where m.company_id = $1 and m.id = any($2::bigint[])",
        company_id,
        lead_ids,
    )
    merged = {row["id"]: row["lead_id"] for row in rows}
    return sorted({merged.get(lead_id, lead_id) for lead_id in lead_ids})


async def add_leads(tx: Tx, company_id: int, action_id: int, lead_ids: Sequence[int]) -> None:
    """Makes these leads, at most AT_ONCE, the only part of an action."""
    await tx.rows(
        "insert into action_part (company_id, action_id, part, lead_ids) values ($1, $2, 0, $3)",
        company_id,
        action_id,
        lead_ids,
    )


# Changes that have no number yet were committed after `until` was read, or are numbered in a moment.
_CHANGED_SINCE = """
    changes as materialized (
        select c.event_ids, c.lead_ids from change c
        where c.company_id = $1 and (c.last > $2 or c.first is null)
    ),
    changed as materialized (
        select e.lead_id from event e
        where e.company_id = $1 and e.id = any(array(select unnest(event_ids) from changes))
        union all
        select unnest(lead_ids) from changes
    )"""
"""CTEs with the leads that were created or changed after the number `$2` of the change feed."""

_UNCHANGED = "($2::bigint is null or l.id not in (select lead_id from changed where lead_id is not null))"
"""The condition that a lead `l` is none of them; true if `$2` is null."""


async def count_selected(company_id: int, leads: SelectedLeads, *, typos: bool, until: int | None) -> int:
    """The number of selected leads, without those that were created or changed after `until`."""
    parameters: list[object] = [until]
    source = leads.source(parameters, first=2, typos=typos)
    rows = await leads.rows(
        statement(f"with {_CHANGED_SINCE} select count(*) as total from {source} and {_UNCHANGED}"),
        company_id,
        *parameters,
    )
    return rows[0]["total"]


async def add_selected(company_id: int, action_id: int, leads: SelectedLeads, *, typos: bool, until: int | None) -> int:
    """Makes the selected leads the parts of an action; returns their number.

    One statement selects all of them: they are the leads that match at one moment.
    """
    parameters: list[object] = [until, action_id]
    source = leads.source(parameters, first=2, typos=typos)
    rows = await leads.rows(
        statement(
            f"""
            with {_CHANGED_SINCE},
            matching as materialized (
                select l.id, (row_number() over (order by l.id) - 1) / {AT_ONCE} as part
                from {source} and {_UNCHANGED}
            ),
            parts as materialized (
                select part, array_agg(id order by id) as lead_ids from matching group by part
            )
            insert into action_part (company_id, action_id, part, lead_ids)
            select $1, $3::bigint, p.part, p.lead_ids from parts p order by p.part
            returning cardinality(lead_ids) as size
            """
        ),
        company_id,
        *parameters,
    )
    return sum(row["size"] for row in rows)


async def continue_in_background(
    tx: Tx, company_id: int, action_id: int, *, total: int, values: Mapping[str, Any] | None
) -> None:
    """Starts the background job of an action, after this transaction has inserted it with its parts."""
    await tx.rows(
        "update action set total = $3, set_values = $4::jsonb where company_id = $1 and id = $2",
        company_id,
        action_id,
        total,
        None if values is None else msgspec.json.encode(values).decode(),
    )
    await action_jobs.start(tx, company_id, action_id)


async def claim(tx: Tx, company_id: int, action_id: int) -> Action | None:
    """Locks a running action until the transaction ends. Returns None if it does not run."""
    row = await tx.row(
        """
        select id, kind, list_id, set_values::text as set_values, undoes, total, key_id, user_id,
            failures::text as failures
        from action where company_id = $1 and id = $2 and state = $3
        order by id for update
        """,
        company_id,
        action_id,
        RUNNING,
    )
    if row is None:
        return None
    return Action(
        id=row["id"],
        kind=row["kind"],
        list_id=row["list_id"],
        values=msgspec.json.decode(row["set_values"]) if row["set_values"] else None,
        undoes=row["undoes"],
        total=row["total"],
        key_id=row["key_id"],
        user_id=row["user_id"],
        failures=msgspec.json.decode(row["failures"], type=list[Failure]),
    )


async def part(tx: Tx, company_id: int, action_id: int, number: int) -> Part | None:
    """A part of an action, or None if it has no part with this number."""
    row = await tx.row(
        """
        select p.lead_ids, p.undoes_at, not exists (
            select from action_part o where o.company_id = $1 and o.action_id = $2 and o.part > $3
        ) as is_last
        from action_part p where p.company_id = $1 and p.action_id = $2 and p.part = $3
        """,
        company_id,
        action_id,
        number,
    )
    return Part(number, row["lead_ids"], row["undoes_at"], row["is_last"]) if row else None


async def finish_part(tx: Tx, company_id: int, action: Action, number: int, result: PartResult, *, ended: bool) -> None:
    """Stores the progress of a locked action after a part, in the transaction that has changed the leads."""
    await tx.rows(
        "update action_part set done_at = now() where company_id = $1 and action_id = $2 and part = $3",
        company_id,
        action.id,
        number,
    )
    await tx.rows(
        """
        update action a set done = a.done + $3, changed = a.changed + $4, failed = a.failed + $5, failures = $6::jsonb,
            state = case when $7 then $8 else a.state end,
            set_values = case when $7 then null else a.set_values end,
            end_timestamp = case when $7 then n.moment end,
            total = case when $7 then a.done + $3 else a.total end
        from (select now() as moment) n
        where a.company_id = $1 and a.id = $2
        """,
        company_id,
        action.id,
        result.leads,
        result.changed,
        len(result.errors),
        msgspec.json.encode(add_failures(action.failures, result.errors)).decode(),
        ended,
        DONE,
    )
    if ended:
        await action_jobs.schedule_forgetting(tx, company_id)


async def stop(tx: Tx, company_id: int, action_ids: Sequence[int]) -> set[int]:
    """Stops running actions after their current parts; returns the ids of those that ran. Needs a transaction."""
    await tx.rows(
        "select id from action where company_id = $1 and id = any($2::bigint[]) order by id for update",
        company_id,
        action_ids,
    )
    rows = await tx.rows(
        """
        update action a set state = $3, set_values = null, end_timestamp = n.moment
        from (select now() as moment) n
        where a.company_id = $1 and a.id = any($2::bigint[]) and a.state = $4
        returning a.id
        """,
        company_id,
        action_ids,
        STOPPED,
        RUNNING,
    )
    stopped = {row["id"] for row in rows}
    if stopped:
        await tx.rows(
            "delete from action_part where company_id = $1 and action_id = any($2::bigint[]) and done_at is null",
            company_id,
            sorted(stopped),
        )
        await action_jobs.schedule_forgetting(tx, company_id)
    return stopped


async def known(tx: Tx, company_id: int, action_ids: Sequence[int]) -> set[int]:
    """Those of the ids that actions have."""
    rows = await tx.rows(
        "select id from action where company_id = $1 and id = any($2::bigint[])", company_id, action_ids
    )
    return {row["id"] for row in rows}


class Undoable(msgspec.Struct, frozen=True):
    """An ended action that the transaction has locked, and that can be undone unless another action has undone it."""

    id: int
    kind: str
    list_id: int | None
    fields: list[str]
    changed: int
    undone_by: int | None


async def lock_undoable(tx: Tx, company_id: int, action_id: int) -> Undoable | None:
    """Locks an action that ended at most UNDO_SECONDS ago. Returns None if there is none with this id."""
    row = await tx.row(
        """
        select id, kind, list_id, fields::text as fields, changed, undone_by from action
        where company_id = $1 and id = $2 and end_timestamp > now() - make_interval(secs => $3)
        order by id for update
        """,
        company_id,
        action_id,
        float(UNDO_SECONDS),
    )
    if row is None:
        return None
    fields = msgspec.json.decode(row["fields"], type=list[str])
    return Undoable(row["id"], row["kind"], row["list_id"], fields, row["changed"], row["undone_by"])


async def copy_parts(tx: Tx, company_id: int, action_id: int, undo_id: int) -> int:
    """Makes the parts that an action has done the parts of the action that undoes it; returns how many there are."""
    rows = await tx.rows(
        """
        with done as materialized (
            select p.part, p.lead_ids, p.done_at from action_part p
            where p.company_id = $1 and p.action_id = $2 and p.done_at is not null
        )
        insert into action_part (company_id, action_id, part, lead_ids, undoes_at)
        select $1, $3::bigint, d.part, d.lead_ids, d.done_at from done d order by d.part
        returning part
        """,
        company_id,
        action_id,
        undo_id,
    )
    await tx.rows("update action set undone_by = $3 where company_id = $1 and id = $2", company_id, action_id, undo_id)
    return len(rows)


async def find(tx: Tx, company_id: int, *, ids: Sequence[int] | None, zone: str, limit: int, offset: int) -> Rows:
    """Actions as the API shows them, the newest first: all, or those with these ids."""
    rows = await tx.rows(
        statement(
            f"""
            select {sql.select_list(ACTION.columns)} from action l
            where l.company_id = $1 and $2::text is not null and ($3::bigint[] is null or l.id = any($3))
            order by l.id desc limit $4 offset $5
            """
        ),
        company_id,
        zone,
        ids,
        limit,
        offset,
    )
    return [dict(row) for row in rows]
