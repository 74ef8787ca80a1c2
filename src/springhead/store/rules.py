"""Lists whose members follow from a filter: kept right with every change of a lead, without rescanning the company."""

from collections.abc import Sequence

from springhead.model.fields import FieldSet
from springhead.store.db import Tx


async def follow(tx: Tx, company_id: int, fields: FieldSet, lead_ids: Sequence[int]) -> None:
    """Let the rules-based lists follow these leads, which the same transaction has changed."""
