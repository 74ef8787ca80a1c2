"""The payload of a push: the changes, and the changed leads with their current values (docs/receiving-pushes.md)."""

import secrets
from collections.abc import Sequence
from typing import cast
from zoneinfo import ZoneInfo

import msgspec

from springhead.delivery.receiver_answers import ReceiverAnswer
from springhead.model.feed.changes import Change, lead_ids
from springhead.model.leads.leads import LEAD
from springhead.store.database.pool import Tx
from springhead.store.feed import changes
from springhead.store.feed.pushes import Order
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns import reads

LEADS = 500
"""The most leads of one push: a call that writes 500 leads causes one push."""

PAGE = 1_000
"""The number of changes that one statement reads."""

CHANGES = 4_000
"""About the most changes of one push: a call can change a lead several times."""

LONG_PAGE = 10_000
"""The number of changes that one statement scans after a page in which no change concerned the receiver."""

BYTES = 4 * 1024 * 1024
"""The most bytes of a payload, unless a single lead is larger."""

TEST_BODY = b'{"leads":[],"changes":[],"test":true}'
"""The payload of a test push."""

CHALLENGE_BYTES = 24
"""The random bytes of a challenge."""

_encode = msgspec.json.Encoder().encode


class ChangeBatch(msgspec.Struct, frozen=True):
    """The changes of one push, in order, and the number after which the next push continues."""

    changes: Sequence[Change]
    upto: int

    @property
    def lead_ids(self) -> list[int]:
        """The ids of the changed leads, each once."""
        return lead_ids(self.changes)

    def first(self, leads: int) -> "ChangeBatch":
        """Returns the first changes, up to the first change of a further lead after so many leads."""
        first_ids = {None, *self.lead_ids[:leads]}
        end = next((position for position, change in enumerate(self.changes) if change.lead_id not in first_ids), None)
        return self if end is None else ChangeBatch(self.changes[:end], self.changes[end - 1].sequence)


async def gather(tx: Tx, company_id: int, order: Order, *, far: bool = False) -> ChangeBatch:
    """Returns the changes of a stored delivery, or the next changes that concern the subscription.

    Returns no changes if the first page has none for the subscription. `far` scans a long page.
    """
    if order.first is not None and order.last is not None:
        span = order.last - order.first + 1
        page = await changes.after(tx, company_id, order.first - 1, kinds=order.kinds, limit=span, until=order.last)
        return ChangeBatch([change for change in page.changes if _concerns(change, order)], order.last)
    gathered: list[Change] = []
    upto, last = order.sent, order.sent + 1
    while upto < last and len(gathered) < CHANGES and len(lead_ids(gathered)) < LEADS:
        page = await changes.after(
            tx, company_id, upto, kinds=order.kinds, limit=PAGE, within=LONG_PAGE if far else PAGE
        )
        gathered += [change for change in page.changes if _concerns(change, order)]
        upto, last = page.upto, page.last
        if not gathered:
            break
    return ChangeBatch(gathered, upto).first(LEADS)


def _concerns(change: Change, order: Order) -> bool:
    """Returns whether the change is pushed: a subscription to some fields gets no updates of other fields."""
    if order.fields is None or change.kind != "update" or change.changed is None:
        return True
    return any(name in change.changed for name in order.fields)


async def compose(tx: Tx, company_id: int, order: Order, batch: ChangeBatch, fields: FieldCache) -> bytes:
    """Returns the payload in JSON. Raises TryAgain if the custom fields have changed since they were cached."""
    field_set = await fields.of(tx, company_id)
    names = None if order.fields is None else ["id", *order.fields]
    custom = field_set.columns.get(LEAD.name, ())
    select = reads.Select(LEAD, names, custom)
    ids = batch.lead_ids
    rows = await reads.find(
        tx, company_id, select, {"id": ids}, zone=order.zone, version=field_set.version, limit=len(ids), offset=0
    )
    if not rows:
        await fields.verify(tx, company_id, field_set)
    zone = ZoneInfo(order.zone)
    all_names = {*LEAD.by_name, *(column.name for column in custom)}
    hidden = set[str]() if names is None else all_names - set(names)
    return _encode(
        {"leads": rows, "changes": [change.row(zone, lambda name: name not in hidden) for change in batch.changes]}
    )


def new_challenge() -> str:
    """Returns the text of a new challenge, which nobody can guess."""
    return secrets.token_urlsafe(CHALLENGE_BYTES)


def challenge_body(challenge: str) -> bytes:
    """Returns the payload that asks a receiver to send the challenge back. It has no leads."""
    return _encode({"leads": [], "changes": [], "challenge": challenge})


def challenge_problem(challenge: str, answer: ReceiverAnswer) -> str | None:
    """Returns why the answer does not prove that the receiver wants pushes, or None.

    The body is the challenge, as text or as JSON: `{"challenge": …}`.
    """
    if answer.error:
        return answer.error
    if not answer.accepted:
        return f"status {answer.status}"
    try:
        document: object = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        document = answer.body.strip()
    repeated = cast("dict[str, object]", document).get("challenge") if isinstance(document, dict) else document
    return None if repeated == challenge else "the answer does not repeat the challenge"
