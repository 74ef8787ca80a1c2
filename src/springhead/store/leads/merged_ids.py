"""Merged ids: a lead that was merged leaves its id, which then means the surviving lead.

Callers look up only ids that no lead has, so calls with ids of existing leads cost nothing.
"""

from collections.abc import Collection

from springhead.store.database.pool import Tx


async def survivors(tx: Tx, company_id: int, lead_ids: Collection[int]) -> dict[int, int]:
    """The survivor of each id, if it was merged and the survivor exists."""
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
    """The lead that each id means: the lead with the id, or else its survivor; unknown ids are left out."""
    rows = await tx.rows(
        "select id from lead where company_id = $1 and id = any($2::bigint[])", company_id, list(lead_ids)
    )
    existing = {row["id"]: row["id"] for row in rows}
    return existing | await survivors(tx, company_id, set(lead_ids) - existing.keys())
