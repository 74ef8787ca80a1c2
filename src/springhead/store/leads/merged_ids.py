"""The ids that merged leads had: they answer with the lead that they were merged into, as long as that is there.

A second look, for ids that were not found: who names a lead that is there pays nothing for it.
"""

from collections.abc import Collection

from springhead.store.database.pool import Tx


async def survivors(tx: Tx, company_id: int, lead_ids: Collection[int]) -> dict[int, int]:
    """The leads that answer for ids which no lead has; an id that was never merged has none."""
    if not lead_ids:
        return {}
    rows = await tx.rows(
        """
        select m.id, m.lead_id from merged_lead m
        where m.company_id = $1 and m.id = any($2::bigint[])
            and exists (select from lead l where l.company_id = $1 and l.id = m.lead_id)
        """,
        company_id,
        list(lead_ids),
    )
    return {row["id"]: row["lead_id"] for row in rows}


async def resolve(tx: Tx, company_id: int, lead_ids: Collection[int]) -> dict[int, int]:
    """The lead that each id means: its own, or the one that it was merged into; others have none."""
    rows = await tx.rows(
        "select id from lead where company_id = $1 and id = any($2::bigint[])", company_id, list(lead_ids)
    )
    found = {row["id"]: row["id"] for row in rows}
    return found | await survivors(tx, company_id, set(lead_ids) - found.keys())
