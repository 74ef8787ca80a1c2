"""Conflicts of an update: objects that expect other values than the leads have (docs/actions.md#expected-values)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from springhead.model.leads.history import value_changed
from springhead.rpc.context import Context
from springhead.rpc.method import Outcome, refused
from springhead.store.database.pool import Tx
from springhead.store.leads import history
from springhead.store.nouns.table import Updated


async def outcomes(context: Context, tx: Tx, rows: Sequence[Updated]) -> dict[int, Outcome]:
    """Returns the outcome 409 of each object that is in conflict with its lead, by `Updated.position`.

    Costs a statement only if there is a conflict. The leads are still locked, so the last write is the one that set the
    value.
    """
    conflicts = [
        (row.position, row.id, msgspec.json.decode(row.conflict, type=dict[str, Any]))
        for row in rows
        if row.conflict and row.id is not None
    ]
    if not conflicts:
        return {}
    fields = [(lead_id, name) for _, lead_id, values in conflicts for name in values]
    writes = await history.last_writes(tx, context.company.id, fields)
    return {
        position: refused(value_changed(values, {name: writes.get((lead_id, name)) for name in values}, context.zone))
        for position, lead_id, values in conflicts
    }
