"""Completion times of tasks."""

from collections.abc import Sequence

from springhead.store.database.pool import Tx


async def set_completion_times(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Sets or clears the completion times of tasks that this transaction has written."""
    await tx.rows(
        """
        with done as (
            update task l set completed_timestamp = now()
            where l.company_id = $1 and l.id = any($2::bigint[]) and l.status = 'completed'
                and l.completed_timestamp is null
        )
        update task l set completed_timestamp = null
        where l.company_id = $1 and l.id = any($2::bigint[]) and l.status <> 'completed'
            and l.completed_timestamp is not null
        """,
        company_id,
        ids,
    )
