"""Challenges of subscriptions: those that are due, their leases, and their outcomes.

A worker claims a challenge with a lease, posts it without a transaction, and stores the outcome only while it has the
lease. A change of the subscription ends the lease. If the worker dies, another sends a new challenge later.
"""

import msgspec

from springhead.model.feed.subscriptions import Target
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.feed import subscriptions
from springhead.store.feed.pushes import LEASE

_CLAIM = statement(
    f"""
    with due as materialized (
        select p.subscription_id from push p
        where p.company_id = $1 and p.challenge_at <= now()
        order by p.subscription_id
        for update skip locked
    )
    update push p set challenge_lease = $2, challenge_at = now() + interval '{LEASE} seconds'
    from due d
    where p.company_id = $1 and p.subscription_id = d.subscription_id
    returning p.subscription_id
    """
)


class DueChallenge(msgspec.Struct, frozen=True):
    """A challenge that this worker has claimed, and the receiver that it goes to."""

    target: Target
    lease: int


async def claim(tx: Tx, company_id: int, lease: int) -> list[DueChallenge]:
    """Claims the company's due challenges."""
    ids = [row["subscription_id"] for row in await tx.rows(_CLAIM, company_id, lease)]
    targets = await subscriptions.targets(tx, company_id, ids) if ids else {}
    return [DueChallenge(target, lease) for target in targets.values()]


async def answered(tx: Tx, company_id: int, challenge: DueChallenge, problem: str | None) -> bool:
    """Stores the outcome of a challenge; returns False if the lease is lost. Needs a transaction.

    Without a `problem`, pushes begin. Otherwise the subscription is switched off, with the problem as the reason.
    """
    target = challenge.target
    await tx.rows(
        "select id from subscription where company_id = $1 and id = $2 order by id for no key update",
        company_id,
        target.id,
    )
    held = await tx.rows(
        """
        update push set challenge_at = null, challenge_lease = null, is_active = $4, due_at = now()
        where company_id = $1 and subscription_id = $2 and challenge_lease = $3
        returning subscription_id
        """,
        company_id,
        target.id,
        challenge.lease,
        problem is None,
    )
    if not held:
        return False
    await tx.rows(
        """
        update subscription set is_active = $4::text is null, inactive_reason = $4,
            passed_url = case when $4 is null then $3 else passed_url end
        where company_id = $1 and id = $2
        returning id
        """,
        company_id,
        target.id,
        target.url,
        problem,
    )
    return True
