"""Notes and tasks about leads, accounts and opportunities: reads, events, and changes when one of these is deleted."""

from collections.abc import Sequence

from springhead.model.kit.columns import Noun
from springhead.model.leads.events import NOTE_WRITTEN, TASK_MADE
from springhead.model.sales.notes import NOTE, TASK
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.lifecycle import recycling
from springhead.store.nouns.reads import Rows, Select
from springhead.store.nouns.table import expire_page_starts

_ROLES = ("what", "who")


def about_kind(word: str) -> str:
    """Returns the condition that a note `l` is about an object of this kind. Each kind has an index."""
    return f"(l.what_type = {sql.literal(word)} or l.who_type = {sql.literal(word)})"


async def find_about(
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
    """The notes about these leads, accounts or opportunities: by id, or pinned notes first and then the newest.

    The cost grows with the number of these notes. Returns no rows also if the field version has changed.
    """
    order = "l.pinned desc, l.create_timestamp desc, l.id desc" if pinned_first else "l.id"
    query = statement(
        f"""
        select {select.list}
        from note l
        where {select.guard} and l.id = any({_ids("note", word, ids="$6")})
        order by {order}
        limit $4 offset $5
        """
    )
    rows = await tx.rows(query, company_id, zone, version, limit, offset, ids)
    return select.rows(rows)


def _ids(table: str, word: str, *, ids: str) -> str:
    """Returns the ids of the notes or tasks about these objects, as an array for `any`.

    A query that locks must not join: if a row changes while the query waits for its lock, PostgreSQL joins the row
    again and can lose it.
    """
    parts = (
        f"""
            select m.id from {table} m
            where m.company_id = $1 and m.{role}_type = {sql.literal(word)} and m.{role}_id = any({ids}::bigint[])"""
        for role in _ROLES
    )
    return f"array({' union all '.join(parts)})"


async def detach(tx: Tx, company_id: int, word: str, ids: Sequence[int]) -> None:
    """Removes deleted leads, accounts or opportunities from the notes and tasks about them.

    Deletes notes that are about no other object; all tasks stay. Call it after the delete, in the same transaction: a
    write of a note locks the objects that it is about, so these statements see every such note.
    """
    for noun in (NOTE, TASK):
        await tx.rows(_DETACH[f"{noun.table} of {word}"], company_id, ids)


def _detach(noun: Noun, word: str) -> Statement:
    table = noun.table
    gone = {
        role: f"coalesce(l.{role}_type = {sql.literal(word)} and l.{role}_id = any($2::bigint[]), false)"
        for role in _ROLES
    }
    alone = " and ".join(f"(l.{role}_id is null or {gone[role]})" for role in _ROLES) if noun is NOTE else "false"
    sets = ", ".join(
        f"{role}_{part} = case when {gone[role]} then null else l.{role}_{part} end"
        for role in _ROLES
        for part in ("id", "type")
    )
    deleted = f"""
        deleted as (
            delete from {table} l using locked k where l.company_id = $1 and l.id = k.id and k.alone
        ),"""
    return statement(
        f"""
        with locked as materialized (
            select l.*, {alone} as alone from {table} l
            where l.company_id = $1 and l.id = any({_ids(table, word, ids="$2")}) and ({" or ".join(gone.values())})
            order by l.id for update
        ),{deleted if noun is NOTE else ""}
        detached as (
            update {table} l set {sets}, version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
            from locked k
            where l.company_id = $1 and l.id = k.id and not k.alone
        ){expire_page_starts(noun, "locked")}{"".join(_bin(noun, role) for role in _ROLES) if word == "lead" else ""}
        select
        """
    )


def _bin(noun: Noun, role: str) -> str:
    """Returns a CTE that copies into the recycle bin the references to deleted leads, and deleted notes."""
    part = "jsonb_build_object('note', case when alone then to_jsonb(locked) end)" if noun is NOTE else "'{}'::jsonb"
    return recycling.bin_parts(
        f"{noun.table}_{role}",
        f"select {role}_id as lead_id, id, {part} as part from locked"
        f" where {role}_type = 'lead' and {role}_id = any($2::bigint[])",
    )


_DETACH = {
    f"{noun.table} of {word}": _detach(noun, word)
    for noun in (NOTE, TASK)
    for word in ("lead", "account", "opportunity")
}


def _repoint(noun: Noun) -> Statement:
    table = noun.table
    sets = ", ".join(
        f"""{role}_id = coalesce(
                (select p.lead_id from pair p where l.{role}_type = 'lead' and p.id = l.{role}_id), l.{role}_id
            )"""
        for role in _ROLES
    )
    return statement(
        f"""
        with pair as materialized (
            select p.id, p.lead_id from unnest($2::bigint[], $3::bigint[]) as p (id, lead_id)
        ),
        locked as materialized (
            select l.id from {table} l
            where l.company_id = $1 and l.id = any({_ids(table, "lead", ids="$2")})
            order by l.id for update
        ),
        repointed as (
            update {table} l set {sets},
                version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
            where l.company_id = $1 and l.id = any(array(select id from locked))
            returning l.id
        ){expire_page_starts(noun, "repointed")}
        select
        """
    )


_REPOINT = {noun.table: _repoint(noun) for noun in (NOTE, TASK)}


async def repoint_leads(tx: Tx, company_id: int, merged_ids: Sequence[int], survivor_ids: Sequence[int]) -> None:
    """Re-points notes and tasks from merged leads to their survivors, pair by pair. The caller has locked the leads."""
    for query in _REPOINT.values():
        await tx.rows(query, company_id, merged_ids, survivor_ids)


def _event_writing(table: str, text: str, source: str, sentence: str) -> Statement:
    return statement(
        f"""
        insert into event
            (company_id, lead_id, create_timestamp, event_source, event_name, what_type, what_id, event_data)
        select $1, a.lead_id, now(), {sql.literal(source)}, {sql.literal(sentence)}, '{table}', n.id,
            jsonb_build_object('title', n.title, '{text}', n.{text})
        from {table} n
        cross join lateral (values
            (n.who_id, n.who_type = 'lead'),
            (n.what_id, n.what_type = 'lead' and (n.who_type is distinct from 'lead' or n.who_id <> n.what_id))
        ) as a (lead_id, is_named)
        where n.company_id = $1 and n.id = any($2::bigint[]) and a.is_named
        order by n.id, a.lead_id
        returning id
        """
    )


_NOTE_EVENTS = _event_writing("note", "note", NOTE_WRITTEN, "Note written")
_TASK_EVENTS = _event_writing("task", "description", TASK_MADE, "Task made")


async def write_note_events(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Writes an event for each lead that a new note is about."""
    await tx.rows(_NOTE_EVENTS, company_id, ids)


async def write_task_events(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Writes an event for each lead that a new task is about."""
    await tx.rows(_TASK_EVENTS, company_id, ids)
