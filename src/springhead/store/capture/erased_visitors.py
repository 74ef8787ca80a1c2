"""Visitors who were erased with their lead. A server can still have page views of them in memory.

Only a hash of the tracking id is kept, and only for a month.
"""

from collections.abc import Sequence

from springhead.store.database.deadlines import LAST_WRITE_SECONDS
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement

KEPT_DAYS = 30
"""Days for which an erased visitor is remembered. No server keeps page views in memory for so long."""

HASH = "sha256(convert_to($1::bigint::text || ':' || {}, 'UTF8'))"
"""The SQL of the hash of a tracking id. `$1` is the company."""


async def remember(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Remembers the visitors of leads, also of deleted leads, before they are erased. The caller has locked them.

    Page views that are received before the end of this transaction are not recorded, whenever they are written.
    """
    await tx.rows(
        statement(
            f"""
            insert into erased_visitor as e (company_id, tracking_hash, until)
            select $1, {HASH.format("v.tracking_id")}, now() + make_interval(secs => $3)
            from (
                select tracking_id from visitor where company_id = $1 and lead_id = any($2::bigint[])
                union
                select part->>'tracking_id' from deleted_lead_part
                where company_id = $1 and lead_id = any($2::bigint[]) and kind = 'visitor'
            ) v
            order by 2
            on conflict (company_id, tracking_hash) do update set until = excluded.until
            """
        ),
        company_id,
        lead_ids,
        LAST_WRITE_SECONDS,
    )


async def forget(tx: Tx, company_id: int) -> None:
    """Forgets the visitors who were erased more than KEPT_DAYS ago."""
    await tx.rows(
        "delete from erased_visitor where company_id = $1 and until < now() - make_interval(days => $2)",
        company_id,
        KEPT_DAYS,
    )
