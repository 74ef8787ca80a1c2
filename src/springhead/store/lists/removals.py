"""Removes or deletes all members of a list, in background jobs: emptied lists and deleted lists."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from springhead.model.lists import LIST_MEMBER
from springhead.store.database import background_jobs
from springhead.store.database.background_jobs import STEP_ROWS, Step
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.feed.changes import list_changed
from springhead.store.lists.members import membership_events, update_counts
from springhead.store.nouns.table import expire_page_starts

_PURGE, _EMPTY = "purge_list", "empty_list"


class ListState(msgspec.Struct, frozen=True):
    """A locked list: whether it has a filter, and its number of members."""

    id: int
    has_filter: bool
    members: int


async def lock(tx: Tx, company_id: int, list_ids: Sequence[int]) -> dict[int, ListState]:
    """Locks lists by id; returns the lists that the company has."""
    rows = await tx.rows(
        """
        select id, filter is not null as has_filter, member_count from list
        where company_id = $1 and id = any($2::bigint[])
        order by id for update
        """,
        company_id,
        list_ids,
    )
    return {row["id"]: ListState(*row.values()) for row in rows}


async def empty(tx: Tx, company_id: int, list_ids: Iterable[int]) -> None:
    """Starts background jobs that remove all current members from these lists. Members that are added later stay."""
    await background_jobs.start(tx, company_id, _EMPTY, *list_ids)


_EMPTY_STEP = statement(
    f"""
    with lists as materialized (
        select id from list where company_id = $1 and id = $2 and filter is null order by id for update
    ),
    piece as materialized (
        select m.id from list_member m
        where m.company_id = $1 and m.list_id = (select id from lists) and not m.is_removed and m.id > $3
        order by m.id limit $4
    ),
    gone as (
        update list_member m set is_removed = true, update_timestamp = now()
        where m.company_id = $1 and m.id = any(array(select id from piece)) and not m.is_removed
            and m.update_timestamp <= (
            select max(created_at) from pass where company_id = $1 and kind = '{_EMPTY}' and subject_id = $2
        )
        returning m.list_id, m.lead_id
    ){update_counts("select list_id, -1 as active, 1 as removed from gone")}{expire_page_starts(LIST_MEMBER, "gone")}{
        membership_events("select list_id, lead_id, false as joins from gone", in_feed=False)
    }
    select count(*) as rows, max(id) as last from piece
    """
)


async def _empty_step(tx: Tx, company_id: int, list_id: int, cursor: int) -> int | None:
    row = await tx.row(_EMPTY_STEP, company_id, list_id, cursor, STEP_ROWS)
    if row and row["rows"] == STEP_ROWS:
        return row["last"]
    await list_changed(tx, company_id, [list_id])
    return None


async def purge(tx: Tx, company_id: int, list_ids: Sequence[int]) -> None:
    """Starts background jobs that delete the members of lists deleted in this transaction. No read shows them."""
    await background_jobs.start(tx, company_id, _PURGE, *list_ids)
    await list_changed(tx, company_id, list_ids)


async def _purge_step(tx: Tx, company_id: int, list_id: int, cursor: int) -> int | None:
    row = await tx.row(
        """
        with piece as materialized (
            select m.id, m.lead_id from list_member m
            where m.company_id = $1 and m.list_id = $2 and m.lead_id > $3
            order by m.lead_id limit $4
        ),
        gone as (
            delete from list_member m where m.company_id = $1 and m.id = any(array(select id from piece))
        )
        select count(*) as rows, max(lead_id) as last from piece
        """,
        company_id,
        list_id,
        cursor,
        STEP_ROWS,
    )
    return row["last"] if row and row["rows"] == STEP_ROWS else None


STEPS: Mapping[str, Step] = {_EMPTY: _empty_step, _PURGE: _purge_step}
