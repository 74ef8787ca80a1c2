"""Notes by what they are about, and what becomes of notes and tasks when that is deleted."""

from collections.abc import Sequence

from springhead.model.leads.events import NOTE_WRITTEN, TASK_MADE
from springhead.model.sales.notes import NOTE, TASK
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.lifecycle import recycling
from springhead.store.nouns.reads import Rows, Select
from springhead.store.nouns.table import shift

_ROLES = ("what", "who")


def about_any(word: str) -> str:
    """The condition on a note `l` that it is about some lead, account or opportunity; each has an index."""
    return f"(l.what_type = {sql.literal(word)} or l.who_type = {sql.literal(word)})"


async def about(
    tx: Tx,
    company_id: int,
    select: Select,
    word: str,
    ids: Sequence[int],
    *,
    zone: str,
    version: int,
    limit: int,
    offset: int,
    pinned_first: bool,
) -> Rows:
    """The notes about these leads, accounts or opportunities, in the order of their ids or the pinned and newest first.

    The cost grows with the number of notes of these objects. No rows can also mean that the field version has changed.
    """
    order = "l.pinned desc, l.create_timestamp desc, l.id desc" if pinned_first else "l.id"
    query = statement(
        f"""
        select {select.list}
        from note l
        where {select.guard} and l.id = any({_meant("note", word, ids="$6")})
        order by {order}
        limit $4 offset $5
        """
    )
    rows = await tx.rows(query, company_id, zone, version, limit, offset, ids)
    return [dict(row) for row in rows]


def _meant(table: str, word: str, *, ids: str) -> str:
    """The ids of the rows that are about one of these objects, as an array.

    An array, and no join: of rows that others change while we wait for them, a locking query that joins can lose some,
    for it looks at them anew with a part of its plan that has already run dry.
    """
    parts = (
        f"""
            select m.id from {table} m
            where m.company_id = $1 and m.{role}_type = {sql.literal(word)} and m.{role}_id = any({ids}::bigint[])"""
        for role in _ROLES
    )
    return f"array({' union all '.join(parts)})"


async def forget(tx: Tx, company_id: int, word: str, ids: Sequence[int]) -> None:
    """Take deleted leads, accounts or opportunities out of the notes and tasks about them.

    A note that is about nothing else goes with them; a task stays. To be called in the transaction of the
    delete, in a statement after it: whoever writes a note or task locks what it is about, so all are seen here.
    """
    await tx.rows(_FORGET[word], company_id, ids)


def _forget(word: str) -> Statement:
    gone = {
        role: f"coalesce(l.{role}_type = {sql.literal(word)} and l.{role}_id = any($2::bigint[]), false)"
        for role in _ROLES
    }
    either = " or ".join(gone.values())
    left = " and ".join(f"(l.{role}_id is null or {gone[role]})" for role in _ROLES)
    sets = ", ".join(
        f"{role}_{part} = case when {gone[role]} then null else l.{role}_{part} end"
        for role in _ROLES
        for part in ("id", "type")
    )
    changed = f"set {sets}, version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)"
    return statement(
        f"""
        with notes as materialized (
            select l.*, {left} as alone from note l
            where l.company_id = $1 and l.id = any({_meant("note", word, ids="$2")}) and ({either})
            order by l.id for update
        ),
        tasks as materialized (
            select l.* from task l
            where l.company_id = $1 and l.id = any({_meant("task", word, ids="$2")}) and ({either})
            order by l.id for update
        ),
        removed as (
            delete from note l using notes n where l.company_id = $1 and l.id = n.id and n.alone returning l.id
        ),
        kept as (
            update note l {changed} from notes n where l.company_id = $1 and l.id = n.id and not n.alone
            returning l.id
        ),
        freed as (
            update task l {changed} from tasks t where l.company_id = $1 and l.id = t.id returning l.id
        ){shift(NOTE, "notes")}{shift(TASK, "tasks")}{"".join(_kept(role) for role in _ROLES) if word == "lead" else ""}
        select
        """
    )


def _kept(role: str) -> str:
    """CTEs that keep, of leads, the notes that go with them, and that other notes and the tasks were about them."""
    was = f"{role}_type = 'lead' and {role}_id = any($2::bigint[])"
    note = "case when alone then to_jsonb(notes) end"
    return recycling.keep_part(
        f"note_{role}",
        f"select {role}_id as lead_id, id, jsonb_build_object('note', {note}) as part from notes where {was}",
    ) + recycling.keep_part(
        f"task_{role}", f"select {role}_id as lead_id, id, '{{}}'::jsonb as part from tasks where {was}"
    )


_FORGET = {word: _forget(word) for word in ("lead", "account", "opportunity")}


def _moving(table: str) -> str:
    """CTEs by which what was about leads is about those that they were merged into."""
    sets = ", ".join(
        f"""{role}_id = coalesce(
                (select p.lead_id from pair p where l.{role}_type = 'lead' and p.id = l.{role}_id), l.{role}_id
            )"""
        for role in _ROLES
    )
    return f"""
        held_{table} as materialized (
            select l.id from {table} l
            where l.company_id = $1 and l.id = any({_meant(table, "lead", ids="$2")})
            order by l.id for update
        ),
        moved_{table} as (
            update {table} l set {sets},
                version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
            where l.company_id = $1 and l.id = any(array(select id from held_{table}))
            returning l.id
        )"""


_MOVE = statement(
    f"""
    with pair as materialized (
        select p.id, p.lead_id from unnest($2::bigint[], $3::bigint[]) as p (id, lead_id)
    ),{_moving("note")},{_moving("task")}{shift(NOTE, "moved_note")}{shift(TASK, "moved_task")}
    select
    """
)


async def move_leads(tx: Tx, company_id: int, going: Sequence[int], staying: Sequence[int]) -> None:
    """Let what is about leads be about those, pair by pair, that they are merged into; all of them are held."""
    await tx.rows(_MOVE, company_id, going, staying)


def _telling(table: str, text: str, source: str, sentence: str) -> Statement:
    return statement(
        f"""
        insert into event
            (company_id, lead_id, create_timestamp, event_source, event_name, what_type, what_id, event_data)
        select $1, a.lead_id, now(), {sql.literal(source)}, {sql.literal(sentence)}, '{table}', n.id,
            jsonb_build_object('title', n.title, '{text}', n.{text})
        from {table} n
        cross join lateral (
            select n.who_id as lead_id where n.who_type = 'lead'
            union
            select n.what_id where n.what_type = 'lead'
        ) as a
        where n.company_id = $1 and n.id = any($2::bigint[])
        order by n.id, a.lead_id
        """
    )


_TELL_NOTES = _telling("note", "note", NOTE_WRITTEN, "Note written")
_TELL_TASKS = _telling("task", "description", TASK_MADE, "Task made")


async def tell_notes(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Write, for the leads that these new notes are about, the event of it."""
    await tx.rows(_TELL_NOTES, company_id, ids)


async def tell_tasks(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Write, for the leads that these new tasks are about, the event of it."""
    await tx.rows(_TELL_TASKS, company_id, ids)
