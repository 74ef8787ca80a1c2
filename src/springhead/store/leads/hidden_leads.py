"""Leads that the user of a call may not see. Row-level security hides them (migrations/0029_viewers.sql)."""

from collections.abc import Sequence

from springhead.store.database.pool import Tx


async def with_addresses(tx: Tx, company_id: int, keys: Sequence[str]) -> set[str]:
    """Returns which of these normalised addresses belong to leads that the connection's viewer may not see."""
    rows = await tx.rows(
        "select key from unnest($2::text[]) as sent (key) where is_hidden_address($1, key)", company_id, keys
    )
    return {row["key"] for row in rows}
