"""The keys of leads by which duplicates are found: leads that share a key may be the same person.

A write of leads makes no keys. The first search for duplicates makes the keys of all leads, in the order of their ids.
Each later search makes the keys of the leads that the change feed (`store/feed/changes.py`) has named since. If this
takes too long for the call, a background job continues.
"""

import time
from collections.abc import Mapping, Sequence

import asyncpg
import msgspec

from springhead.model.feed.changes import LEAD_KINDS, SCORE, lead_ids
from springhead.model.leads.duplicates import SHARED_MAX, ComparedLead, Key
from springhead.store.database import background_jobs
from springhead.store.database.pool import Tx
from springhead.store.feed import changes

STEP = 500
"""Leads whose keys one step makes."""

SECONDS = 1.5
"""Seconds that a search spends on making keys. Then it uses the keys that exist."""

SCANNED = 5_000
"""Keys that one statement scans for keys that several leads share."""

_JOB = "duplicates"
_WITHIN = 10_000
"""Changes that one step scans: changes of scores are among them, and change no key."""

_KINDS = [kind for kind in LEAD_KINDS if kind != SCORE]


async def refresh_keys(tx: Tx, company_id: int) -> bool:
    """Makes the keys of leads that were changed since the last call.

    Returns whether all keys are made. If not, starts a background job for the rest.
    """
    until = time.monotonic() + SECONDS
    while True:
        async with tx.atomic():
            more = await _step(tx, company_id)
        if not more:
            return True
        if time.monotonic() > until:
            await background_jobs.start(tx, company_id, _JOB, 0)
            return False


async def _step(tx: Tx, company_id: int) -> bool:
    """Makes the keys of the next leads; returns whether there are more. A row lock lets one step run at a time."""
    last = await changes.number(tx, company_id)
    await tx.rows(
        "insert into lead_key_mark (company_id, sequence) values ($1, $2) on conflict (company_id) do nothing",
        company_id,
        last,
    )
    mark = await tx.row(
        "select sequence, filled_id from lead_key_mark where company_id = $1 order by company_id for no key update",
        company_id,
    )
    assert mark is not None  # noqa: S101 - inserted above
    sequence, filled_id = mark["sequence"], mark["filled_id"]
    if filled_id is not None:
        rows = await tx.rows(
            "select id from lead where company_id = $1 and id > $2 order by id limit $3", company_id, filled_id, STEP
        )
        ids = [row["id"] for row in rows]
        filled_id, more = (ids[-1], True) if len(ids) == STEP else (None, sequence < last)
    else:
        page = await changes.after(tx, company_id, sequence, kinds=_KINDS, limit=STEP, within=_WITHIN)
        ids = lead_ids(page.changes)
        sequence, more = page.upto, page.upto < page.last
    await _make_keys(tx, company_id, ids)
    await tx.rows(
        "update lead_key_mark set sequence = $2, filled_id = $3 where company_id = $1", company_id, sequence, filled_id
    )
    return more


async def _make_keys(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Replaces the keys of leads by the keys of their current values. Deleted and inactive leads get none."""
    if not ids:
        return
    rows = await tx.rows(
        """
        select id, email_key, first_name, last_name, company_name, mobile_phone_number, phone_number,
            office_phone_number
        from lead where company_id = $1 and active and id = any($2::bigint[])
        order by id for key share  -- nobody deletes them until their keys are there
        """,
        company_id,
        ids,
    )
    keys = {(row["id"], *key) for row in rows for key in _compared_lead(row).keys}
    await _replace_keys(tx, company_id, keys, ids)


async def _replace_keys(tx: Tx, company_id: int, keys: set[tuple[int, int, int]], lead_ids: Sequence[int]) -> None:
    """Replaces the keys of these leads by `keys` (lead, kind, key).

    The lateral join with `offset 0` reads the old keys lead by lead in every plan.
    """
    rows = await tx.rows(
        """
        select s.id, k.kind, k.key from unnest($2::bigint[]) as s (id)
        cross join lateral (
            select o.kind, o.key from lead_key o where o.company_id = $1 and o.lead_id = s.id offset 0
        ) as k
        """,
        company_id,
        lead_ids,
    )
    old_keys = {(row["id"], row["kind"], row["key"]) for row in rows}
    if gone := sorted(old_keys - keys):
        await tx.rows(
            """
            delete from lead_key k
            using unnest($2::bigint[], $3::smallint[], $4::bigint[]) as g (lead_id, kind, key)
            where k.company_id = $1 and k.lead_id = g.lead_id and k.kind = g.kind and k.key = g.key
            """,
            company_id,
            *(list(column) for column in zip(*gone, strict=True)),
        )
    if new := sorted(keys - old_keys):
        await tx.rows(
            """
            insert into lead_key (company_id, lead_id, kind, key)
            select $1, n.lead_id, n.kind, n.key
            from unnest($2::bigint[], $3::smallint[], $4::bigint[]) as n (lead_id, kind, key)
            order by n.lead_id, n.kind, n.key
            returning lead_id
            """,
            company_id,
            *(list(column) for column in zip(*new, strict=True)),
        )


async def _job_step(tx: Tx, company_id: int, _subject: int, cursor: int) -> int | None:
    return cursor + 1 if await _step(tx, company_id) else None


STEPS: Mapping[str, background_jobs.Step] = {_JOB: _job_step}


def _compared_lead(row: asyncpg.Record) -> ComparedLead:
    return msgspec.convert(dict(row), ComparedLead)


async def compared_leads(tx: Tx, company_id: int, ids: Sequence[int]) -> dict[int, ComparedLead]:
    """The active leads with these ids, by id."""
    rows = await tx.rows(
        """
        select id, email_key, first_name, last_name, company_name, mobile_phone_number, phone_number,
            office_phone_number
        from lead
        where company_id = $1 and active and id = any($2::bigint[])
        """,
        company_id,
        ids,
    )
    return {row["id"]: _compared_lead(row) for row in rows}


class Group(msgspec.Struct, frozen=True):
    """Leads that share a key."""

    key: Key
    lead_ids: Sequence[int]


async def groups_of(tx: Tx, company_id: int, ids: Sequence[int]) -> list[Group]:
    """The groups that share a key of one of these leads. Leaves out keys of more than SHARED_MAX leads."""
    rows = await tx.rows(
        """
        select k.kind, k.key, shared.ids
        from (
            select distinct kind, key from lead_key where company_id = $1 and lead_id = any($2::bigint[])
        ) as k
        cross join lateral (
            select array_agg(s.lead_id) as ids from (
                select o.lead_id from lead_key o
                where o.company_id = $1 and o.kind = k.kind and o.key = k.key
                order by o.lead_id
                limit $3
            ) as s
        ) as shared
        where cardinality(shared.ids) between 2 and $3 - 1
        """,
        company_id,
        ids,
        SHARED_MAX + 1,
    )
    return [Group((row["kind"], row["key"]), row["ids"]) for row in rows]


async def next_groups(tx: Tx, company_id: int, after: Key, *, limit: int) -> tuple[list[Group], Key | None]:
    """The groups of the keys after a key, and the key after which the next call continues, None at the end.

    Leaves out keys of more than SHARED_MAX leads. Scans about SCANNED keys, so it may return no group before the end.
    """
    rows = await tx.rows(
        """
        with scanned as materialized (
            select kind, key, lead_id from lead_key
            where company_id = $1 and (kind, key) > ($2, $3)
            order by kind, key
            fetch first ($4) rows with ties  -- so that all leads of a key are in the same scan
        ),
        ends as (
            select kind, key, (select count(*) from scanned) >= $4 as cut from scanned
            order by kind desc, key desc limit 1
        ),
        shared as (
            select kind, key, array_agg(lead_id) as ids from scanned
            group by kind, key having count(*) between 2 and $5
            order by kind, key limit $6
        )
        select s.kind, s.key, s.ids, false as is_end from shared s
        union all
        select kind, key, null, cut from ends
        """,
        company_id,
        *after,
        SCANNED,
        SHARED_MAX,
        limit,
    )
    groups = sorted((Group((row["kind"], row["key"]), row["ids"]) for row in rows if row["ids"]), key=_key)
    last = next((row for row in rows if not row["ids"]), None)
    if len(groups) == limit:
        return groups, groups[-1].key
    return groups, (last["kind"], last["key"]) if last and last["is_end"] else None


def _key(group: Group) -> Key:
    return group.key


async def ignored_keys(tx: Tx, company_id: int, keys: Sequence[Key]) -> set[Key]:
    """The keys that more than SHARED_MAX leads share."""
    if not keys:
        return set()
    rows = await tx.rows(
        """
        select k.kind, k.key from unnest($2::smallint[], $3::bigint[]) as k (kind, key)
        cross join lateral (
            select count(*) as leads from (
                select o.lead_id from lead_key o where o.company_id = $1 and o.kind = k.kind and o.key = k.key
                order by o.lead_id limit $4::bigint + 1
            ) as s
        ) as shared
        where shared.leads > $4::bigint
        """,
        company_id,
        [kind for kind, _ in keys],
        [key for _, key in keys],
        SHARED_MAX,
    )
    return {(row["kind"], row["key"]) for row in rows}
