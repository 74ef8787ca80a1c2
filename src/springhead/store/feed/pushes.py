"""The queue of pushes: due subscriptions, their leases, and the outcomes of deliveries.

The change feed is the outbox. A subscription has a cursor in it, and a batch of changes becomes a row of `delivery`
right before it is sent. A worker claims a subscription with a lease, and stores outcomes only while it has the lease.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from springhead.store.database.box import Box
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.feed.signing_secrets import secrets_of

LEASE = 60
"""Seconds until a lease expires and another worker may claim the subscription. An attempt takes at most a quarter."""

RETRY_HOURS = 72
"""Hours that a batch is retried."""


class Claim(msgspec.Struct, frozen=True):
    """A subscription that this worker has claimed. `failures` counts the failed attempts since the last success."""

    subscription_id: int
    lease: int
    failures: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send next for a subscription: target, format and changes.

    `secrets` is empty if none can be decrypted; the push then cannot be signed, and must not be sent.
    `sent` is the cursor of the subscription, and `erasures` counts the erasures of the company so far. `delivery_id`,
    `message_id`, `first` and `last` are those of the waiting delivery, None if a batch must be made.
    """

    url: str
    secrets: tuple[str, ...]
    kinds: tuple[str, ...]
    fields: tuple[str, ...] | None
    zone: str
    sent: int
    erasures: int
    delivery_id: int | None
    message_id: str | None
    first: int | None
    last: int | None

    def behind(self, sequence: int) -> "Order":
        """The same order with the cursor at this number."""
        return msgspec.structs.replace(self, sent=sequence)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an attempt. `error` and `answer` may repeat data of the pushed leads."""

    status: int | None
    duration_ms: int
    error: str | None
    answer: str | None


async def is_home(tx: Tx) -> bool:
    """Whether pushes are sent from this database. The first call makes it the home of pushes; copies of it are not."""
    await tx.rows(
        """
        insert into push_home (system_identifier, database_oid)
        select s.system_identifier, d.oid::bigint from pg_control_system() s, pg_database d
        where d.datname = current_database()
        on conflict (single) do nothing
        """
    )
    return not await is_copy(tx)


async def is_copy(tx: Tx) -> bool:
    """Whether another database is the home of pushes, because this one was restored from a backup of it."""
    return await tx.value(
        """
        select exists (
            select from push_home h, pg_control_system() s, pg_database d
            where d.datname = current_database()
                and (h.system_identifier, h.database_oid) <> (s.system_identifier, d.oid)
        )
        """
    )


async def move_home(tx: Tx) -> None:
    """Makes this database the home of pushes."""
    async with tx.atomic():
        await tx.rows("delete from push_home")
        await is_home(tx)


async def due(tx: Tx) -> list[int]:
    """The companies with a subscription that has something to send, or a challenge, and is not leased."""
    rows = await tx.rows(
        """
        select distinct p.company_id
        from push p
        where p.challenge_at <= now()
            or p.is_active and p.due_at <= now() and (p.leased_until is null or p.leased_until <= now()) and (
                p.waiting
                or exists (select from change c where c.company_id = p.company_id and c.last > p.sent)
                or exists (select from change c where c.company_id = p.company_id and c.first is null)
            )
        """
    )
    return [row["company_id"] for row in rows]


async def subscribed(tx: Tx) -> list[int]:
    """The companies with active subscriptions, or with challenges."""
    rows = await tx.rows("select distinct company_id from push where is_active or challenge_at is not null")
    return [row["company_id"] for row in rows]


async def is_subscribed(tx: Tx, company_id: int) -> bool:
    """Whether the company has an active subscription, or a challenge."""
    return await tx.value(
        "select exists (select from push where company_id = $1 and (is_active or challenge_at is not null))", company_id
    )


async def waiting(tx: Tx) -> int:
    """The number of active subscriptions with a delivery that waits for an attempt."""
    return await tx.value("select count(*) from push where waiting and is_active")


async def release_all(tx: Tx) -> None:
    """Ends all leases. Only for a server that no other server shares the database with."""
    await tx.rows("update push set lease = null, leased_until = null where lease is not null")
    await tx.rows("update push set challenge_lease = null, challenge_at = now() where challenge_lease is not null")


_ORDERS = """
    select l.subscription_id, l.failures, l.sent, l.erasures, s.url, s.secret, s.encrypted_secret,
        case when s.previous_until > now() then s.previous_secret end as previous_secret,
        case when s.previous_until > now() then s.encrypted_previous end as encrypted_previous,
        s.kinds::text as kinds, s.fields::text as fields, case when s.utc then 'UTC' else c.time_zone end as zone,
        d.id, d.message_id, d.first_sequence, d.last_sequence
    from leased l
    join subscription s on s.company_id = $1 and s.id = l.subscription_id
    join company c on c.id = $1
    left join lateral (
        select d.id, d.message_id, d.first_sequence, d.last_sequence from delivery d
        where d.company_id = $1 and d.subscription_id = l.subscription_id and d.state = 'waiting'
        order by d.id limit 1
    ) d on true
    order by l.failures, l.subscription_id
    """

_CLAIM: Statement = statement(
    f"""
    with due as materialized (
        select p.subscription_id from push p
        where p.company_id = $1 and p.is_active and p.due_at <= now()
            and (p.leased_until is null or p.leased_until <= now()) and (p.waiting or p.sent < $2)
        order by p.failures, p.subscription_id
        for update skip locked
    ),
    leased as (
        update push p set lease = $3, leased_until = now() + interval '{LEASE} seconds'
        from due d
        where p.company_id = $1 and p.subscription_id = d.subscription_id
        returning p.subscription_id, p.failures, p.sent, p.erasures
    )""",
    _ORDERS,
)

_ORDER: Statement = statement(
    f"""
    with leased as (
        update push p set leased_until = now() + interval '{LEASE} seconds'
        where p.company_id = $1 and p.subscription_id = $2 and p.lease = $3 and p.is_active
        returning p.subscription_id, p.failures, p.sent, p.erasures
    )""",
    _ORDERS,
)


async def claim(tx: Tx, company_id: int, last: int, lease: int) -> list[tuple[Claim, Order]]:
    """Claims the company's due subscriptions, those with the fewest failures first.

    `last` is the number of the company's last change. If a worker dies, its leases expire.
    """
    rows = await tx.rows(_CLAIM, company_id, last, lease)
    return [
        (Claim(row["subscription_id"], lease, row["failures"]), _order(dict(row), tx.box, company_id)) for row in rows
    ]


async def order(tx: Tx, company_id: int, claim: Claim) -> Order | None:
    """Reads the order of a claimed subscription and renews the lease; returns None if the lease is lost."""
    row = await tx.row(_ORDER, company_id, claim.subscription_id, claim.lease)
    return _order(dict(row), tx.box, company_id) if row else None


def _order(row: Mapping[str, Any], box: Box, company_id: int) -> Order:
    return Order(
        url=row["url"],
        secrets=secrets_of(row, box, company_id, row["subscription_id"]),
        kinds=msgspec.json.decode(row["kinds"], type=tuple[str, ...]),
        fields=msgspec.json.decode(row["fields"], type=tuple[str, ...]) if row["fields"] else None,
        zone=row["zone"],
        sent=row["sent"],
        erasures=row["erasures"],
        delivery_id=row["id"],
        message_id=row["message_id"],
        first=row["first_sequence"],
        last=row["last_sequence"],
    )


async def is_current(tx: Tx, company_id: int, claim: Claim, erasures: int) -> bool:
    """Whether a payload may still be sent: the lease is not lost, and no lead was erased since it was composed."""
    return await tx.value(
        """
        select exists (
            select from push p
            where p.company_id = $1 and p.subscription_id = $2 and p.lease = $3 and p.erasures = $4 and p.is_active
        )
        """,
        company_id,
        claim.subscription_id,
        claim.lease,
        erasures,
    )


async def skip(tx: Tx, company_id: int, claim: Claim, upto: int) -> bool:
    """Moves the cursor past changes that the subscription does not want; returns False if the lease is lost."""
    rows = await tx.rows(
        """
        update push set sent = $4
        where company_id = $1 and subscription_id = $2 and lease = $3 and sent < $4
        returning sent
        """,
        company_id,
        claim.subscription_id,
        claim.lease,
        upto,
    )
    return bool(rows)


async def create_delivery(
    tx: Tx, company_id: int, claim: Claim, *, message_id: str, between: tuple[int, int], leads: int
) -> int | None:
    """Stores the delivery of a batch before it is sent; returns its id, or None if the lease is lost.

    `between` has the first and last number of the batch.
    """
    return await tx.value(
        """
        with subscribed as materialized (  -- a delete of the subscription locks it before its push, too
            select s.id from subscription s where s.company_id = $1 and s.id = $2 order by s.id for key share
        ),
        leased as (
            update push p set waiting = true, leased_until = now() + make_interval(secs => $8)
            where p.company_id = $1 and p.subscription_id = (select id from subscribed) and p.lease = $3
            returning p.subscription_id
        )
        insert into delivery (company_id, subscription_id, message_id, first_sequence, last_sequence, state, leads)
        select $1, subscription_id, $4, $5, $6, 'waiting', $7 from leased
        returning id
        """,
        company_id,
        claim.subscription_id,
        claim.lease,
        message_id,
        *between,
        leads,
        float(LEASE),
    )


_LEASED = f"""leased as materialized (
        select p.subscription_id, now() as moment, now() + interval '{LEASE} seconds' as leased_until,
            p.erasures = $5 as is_current  -- no lead was erased since the payload was composed
        from push p
        where p.company_id = $1 and p.subscription_id = {{subscription}} and p.lease = $3
        order by p.subscription_id for update
    )"""

_DELIVERED: Statement = statement(
    f"with {_LEASED.format(subscription='$2')}",
    """,
    delivered as (
        update delivery d set state = 'delivered', attempts = d.attempts + 1,
            begun_at = coalesce(d.begun_at, l.moment), tried_at = l.moment, next_at = null,
            status = $6, duration_ms = $7,
            error = case when l.is_current then $8 end, answer = case when l.is_current then $9 end
        from leased l
        where d.company_id = $1 and d.subscription_id = $2 and d.id = $4
        returning d.last_sequence
    ),
    now_sent as materialized (
        select greatest(p.sent, coalesce((select last_sequence from delivered), 0)) as sent, exists (
                select from delivery d
                where d.company_id = $1 and d.subscription_id = $2 and d.state = 'waiting' and d.id <> $4
            ) as waiting, coalesce((select last from feed where company_id = $1), 0) as last, l.leased_until
        from push p join leased l on l.subscription_id = p.subscription_id
        where p.company_id = $1
    )
    update push p set sent = n.sent, waiting = n.waiting, failures = 0, due_at = now(),
        lease = case when n.waiting or n.sent < n.last then p.lease end,
        leased_until = case when n.waiting or n.sent < n.last then n.leased_until end
    from now_sent n
    where p.company_id = $1 and p.subscription_id = $2
    returning p.lease is not null as more
    """,
)

_FAILED: Statement = statement(
    f"""
    with subscribed as materialized (
        select s.id from subscription s where s.company_id = $1 and s.id = $2 order by s.id for no key update
    ),
    {_LEASED.format(subscription="(select id from subscribed)")},
    tried as (
        update delivery d set attempts = d.attempts + 1, begun_at = coalesce(d.begun_at, l.moment),
            tried_at = l.moment,
            state = case when l.moment - d.begun_at >= interval '{RETRY_HOURS} hours' then 'dead' else 'waiting' end,
            next_at = case when l.moment - d.begun_at >= interval '{RETRY_HOURS} hours' then null else l.next_at end,
            status = $6, duration_ms = $7,
            error = case when l.is_current then $8 end, answer = case when l.is_current then $9 end
        from (select *, moment + make_interval(secs => $10) as next_at from leased) l
        where d.company_id = $1 and d.subscription_id = $2 and d.id = $4
        returning d.state = 'dead' as dead
    ),
    switched_off as (
        update subscription s set is_active = false, inactive_reason = $11
        from tried t
        where s.company_id = $1 and s.id = $2 and t.dead
    )
    update push p set failures = p.failures + 1, lease = null, leased_until = null,
        due_at = now() + make_interval(secs => $10), is_active = p.is_active and not t.dead,
        waiting = not t.dead or exists (
            select from delivery d
            where d.company_id = $1 and d.subscription_id = $2 and d.state = 'waiting' and d.id <> $4
        )
    from tried t
    where p.company_id = $1 and p.subscription_id = $2
    returning t.dead
    """,
)


async def delivered(tx: Tx, company_id: int, claim: Claim, delivery_id: int, result: Result, *, erasures: int) -> bool:
    """Marks a batch as delivered, unless the lease is lost. Returns whether more is to be sent with this lease.

    `erasures` is the number that was read before the payload was composed. If a lead was erased since, neither the
    error nor the answer is stored.
    """
    return bool(await tx.value(_DELIVERED, *_arguments(company_id, claim, delivery_id, result, erasures)))


async def failed(
    tx: Tx, company_id: int, claim: Claim, delivery_id: int, result: Result, *, erasures: int, pause: float
) -> bool:
    """Marks an attempt as failed, to be retried after `pause` seconds, unless the lease is lost.

    If the batch has failed for RETRY_HOURS, marks it as dead, switches the subscription off with the reason, and
    returns True. `erasures` is as in `delivered`.
    """
    # The error is not part of the reason, because it may repeat data of a lead.
    cause = "no answer" if result.status is None else f"status {result.status}"
    reason = f"No success in {RETRY_HOURS} hours; the last attempt: {cause}"
    arguments = _arguments(company_id, claim, delivery_id, result, erasures)
    return bool(await tx.value(_FAILED, *arguments, pause, reason))


def _arguments(company_id: int, claim: Claim, delivery_id: int, result: Result, erasures: int) -> tuple[object, ...]:
    return (company_id, claim.subscription_id, claim.lease, delivery_id, erasures, *msgspec.structs.astuple(result))


async def release(tx: Tx, company_id: int, claim: Claim) -> None:
    """Ends the lease of a claim, unless it is lost."""
    await tx.rows(
        """
        update push set lease = null, leased_until = null
        where company_id = $1 and subscription_id = $2 and lease = $3
        """,
        company_id,
        claim.subscription_id,
        claim.lease,
    )
