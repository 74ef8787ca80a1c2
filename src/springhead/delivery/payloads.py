"""The body of a push: the leads as they are now, each once, and what became of them (docs/receiving-pushes.md)."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.feed.changes import Change
from springhead.model.leads.leads import LEAD
from springhead.store.database.pool import Tx
from springhead.store.feed import changes
from springhead.store.feed.pushes import Order
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns import reads

LEADS = 500
"""Leads of one push at most, so that a call of 500 is one."""

AT_ONCE = 1_000
CHANGES = 4_000
"""Changes that are read at a time, and of one push at most: a call can make several of a lead."""

FAR = 10_000
"""How many changes are looked at in one go where none concerned the receiver before."""

BYTES = 4 * 1024 * 1024
"""The size of one push, unless it is about a single lead that is larger."""

TRIAL = b'{"leads":[],"changes":[],"test":true}'
"""What a test push says."""

_encode = msgspec.json.Encoder().encode


class Batch(msgspec.Struct, frozen=True):
    """Changes for one push, in order, and the number to go on from behind them."""

    changes: Sequence[Change]
    upto: int

    @property
    def lead_ids(self) -> list[int]:
        """The leads, each once."""
        return list(dict.fromkeys(change.lead_id for change in self.changes))

    def first(self, leads: int) -> "Batch":
        """As many of the first changes as are about so many leads."""
        kept = set(self.lead_ids[:leads])
        end = next((at for at, one in enumerate(self.changes) if one.lead_id not in kept), None)
        return self if end is None else Batch(self.changes[:end], self.changes[end - 1].sequence)


async def gather(tx: Tx, company_id: int, order: Order, *, far: bool = False) -> Batch:
    """The changes of a delivery that was made already, or the next ones that concern the subscription."""
    if order.first is not None and order.last is not None:
        span = order.last - order.first + 1
        page = await changes.after(tx, company_id, order.first - 1, kinds=order.kinds, limit=span)
        return Batch([one for one in page.changes if _concerns(one, order)], order.last)
    found: list[Change] = []
    upto, last = order.sent, order.sent + 1
    while upto < last and len(found) < CHANGES and len({one.lead_id for one in found}) < LEADS:
        page = await changes.after(
            tx, company_id, upto, kinds=order.kinds, limit=AT_ONCE, within=FAR if far else AT_ONCE
        )
        found += [one for one in page.changes if _concerns(one, order)]
        upto, last = page.upto, page.last
        if not found:
            break
    return Batch(found, upto).first(LEADS)


def _concerns(change: Change, order: Order) -> bool:
    """Whether the receiver is to know: of updates it may want those of some fields only."""
    if order.fields is None or change.kind != "update" or change.changed is None:
        return True
    return any(name in change.changed for name in order.fields)


async def compose(tx: Tx, company_id: int, order: Order, batch: Batch, fields: FieldCache) -> bytes:
    """The body, in JSON. Raises TryAgain when the custom fields are others by now."""
    known = await fields.of(tx, company_id)
    names = None if order.fields is None else ["id", *order.fields]
    custom = known.columns.get(LEAD.name, ())
    select = reads.Select(LEAD, names, custom)
    ids = batch.lead_ids
    rows = await reads.find(
        tx, company_id, select, {"id": ids}, zone=order.zone, version=known.version, limit=len(ids), offset=0
    )
    if not rows:
        await fields.verify(tx, company_id, known)
    zone = ZoneInfo(order.zone)
    standing = {*LEAD.by_name, *(column.name for column in custom)}
    hidden = set[str]() if names is None else standing - set(names)
    return _encode(
        {"leads": rows, "changes": [one.row(zone, lambda name: name not in hidden) for one in batch.changes]}
    )
