"""The work of pushing: which subscriptions are due, who has them, and what came of each delivery.

The feed is the outbox: a subscription is a number in it, and a batch of changes becomes a row of `delivery` only when
it is about to be sent. Who works on a subscription holds its lease; what it writes counts while the lease is its own.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement

LEASE = 60
"""Seconds after which another worker takes what one has left behind; an attempt takes a quarter of it."""

PATIENCE_HOURS = 72
"""How long a batch is tried."""


class Claim(msgspec.Struct, frozen=True):
    """A subscription that is ours to work on; `failures` counts its attempts in vain since the last success."""

    subscription_id: int
    lease: int
    failures: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent for a subscription, where, and how; `delivery_id` is None when a batch is yet to be made."""

    url: str
    secrets: tuple[str, ...]
    kinds: tuple[str, ...]
    fields: tuple[str, ...] | None
    zone: str
    sent: int
    delivery_id: int | None
    message_id: str | None
    first: int | None
    last: int | None

    def behind(self, sequence: int) -> "Order":
        """The same, as if the receiver had everything up to that number."""
        return msgspec.structs.replace(self, sent=sequence)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt."""

    status: int | None
    duration_ms: int
    error: str | None
    answer: str | None


async def is_home(tx: Tx) -> bool:
    """Whether pushes are sent from this database: from the first that a server asks this of, and from no copy of it."""
    here = await tx.row(
        """
        select s.system_identifier, d.oid::bigint as database_oid
        from pg_control_system() s, pg_database d where d.datname = current_database()
        """
    )
    assert here is not None  # noqa: S101 - we are in a database
    await tx.rows(
        "insert into push_home (system_identifier, database_oid) values ($1, $2) on conflict (single) do nothing",
        *here.values(),
    )
    return await tx.value("select (system_identifier, database_oid) = ($1, $2) from push_home", *here.values())


async def move_home(tx: Tx) -> None:
    """Send pushes from this database from now on."""
    async with tx.atomic():
        await tx.rows("delete from push_home")
        await is_home(tx)


async def due(tx: Tx) -> list[int]:
    """The companies with a subscription that somebody should work on."""
    rows = await tx.rows(
        """
        select distinct p.company_id
        from push p
        where p.is_active and p.due_at <= now() and (p.leased_until is null or p.leased_until <= now()) and (
            p.waiting
            or exists (select from change c where c.company_id = p.company_id and c.last > p.sent)
            or exists (select from change c where c.company_id = p.company_id and c.first is null)
        )
        """
    )
    return [row["company_id"] for row in rows]


async def subscribed(tx: Tx) -> list[int]:
    """The companies that have subscriptions."""
    return [row["company_id"] for row in await tx.rows("select distinct company_id from push where is_active")]


async def is_subscribed(tx: Tx, company_id: int) -> bool:
    """Whether the company has subscriptions that are on."""
    return await tx.value("select exists (select from push where company_id = $1 and is_active)", company_id)


async def waiting(tx: Tx) -> int:
    """How many deliveries wait for another attempt, or for the first one."""
    return await tx.value("select count(*) from push where waiting and is_active")


async def release_all(tx: Tx) -> None:
    """Let go of everything: for a server that is alone with its database, where nobody else can be at work."""
    await tx.rows("update push set lease = null, leased_until = null where lease is not null")


_ORDERS = """
    select h.subscription_id, h.failures, h.sent, s.url, s.secret,
        case when s.previous_until > now() then s.previous_secret end as previous,
        s.kinds::text as kinds, s.fields::text as fields, case when s.utc then 'UTC' else c.time_zone end as zone,
        d.id, d.message_id, d.first_sequence, d.last_sequence
    from held h
    join subscription s on s.company_id = $1 and s.id = h.subscription_id
    join company c on c.id = $1
    left join lateral (
        select d.id, d.message_id, d.first_sequence, d.last_sequence from delivery d
        where d.company_id = $1 and d.subscription_id = h.subscription_id and d.state = 'waiting'
        order by d.id limit 1
    ) d on true
    order by h.failures, h.subscription_id
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
    held as (
        update push p set lease = $3, leased_until = now() + interval '{LEASE} seconds'
        from due d
        where p.company_id = $1 and p.subscription_id = d.subscription_id
        returning p.subscription_id, p.failures, p.sent
    )""",
    _ORDERS,
)

_ORDER: Statement = statement(
    f"""
    with held as (
        update push p set leased_until = now() + interval '{LEASE} seconds'
        where p.company_id = $1 and p.subscription_id = $2 and p.lease = $3 and p.is_active
        returning p.subscription_id, p.failures, p.sent
    )""",
    _ORDERS,
)


async def claim(tx: Tx, company_id: int, last: int, lease: int) -> list[tuple[Claim, Order]]:
    """Take the company's due subscriptions, those that answered last first; `last` is the number of its last change.

    A worker that dies needs no clean-up: its leases run out.
    """
    rows = await tx.rows(_CLAIM, company_id, last, lease)
    return [(Claim(row["subscription_id"], lease, row["failures"]), _order(dict(row))) for row in rows]


async def order(tx: Tx, company_id: int, claim: Claim) -> Order | None:
    """What the claimed subscription is to be sent next, the lease begun anew; None when the lease is lost."""
    row = await tx.row(_ORDER, company_id, claim.subscription_id, claim.lease)
    return _order(dict(row)) if row else None


def _order(row: Mapping[str, Any]) -> Order:
    return Order(
        url=row["url"],
        secrets=(row["secret"], *([row["previous"]] if row["previous"] else [])),
        kinds=msgspec.json.decode(row["kinds"], type=tuple[str, ...]),
        fields=msgspec.json.decode(row["fields"], type=tuple[str, ...]) if row["fields"] else None,
        zone=row["zone"],
        sent=row["sent"],
        delivery_id=row["id"],
        message_id=row["message_id"],
        first=row["first_sequence"],
        last=row["last_sequence"],
    )


async def skip(tx: Tx, company_id: int, claim: Claim, upto: int) -> bool:
    """Pass over changes up to a number, which do not concern the subscription; False when the lease is lost."""
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


async def form(
    tx: Tx, company_id: int, claim: Claim, *, message_id: str, between: tuple[int, int], leads: int
) -> int | None:
    """Write down a batch, by its first and last number, before it is sent; None when the lease is lost."""
    return await tx.value(
        """
        with held as (
            update push set waiting = true, leased_until = now() + make_interval(secs => $8)
            where company_id = $1 and subscription_id = $2 and lease = $3
            returning subscription_id
        )
        insert into delivery (company_id, subscription_id, message_id, first_sequence, last_sequence, state, leads)
        select $1, subscription_id, $4, $5, $6, 'waiting', $7 from held
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


_HELD = """
    with held as materialized (
        select p.subscription_id from push p
        where p.company_id = $1 and p.subscription_id = $2 and p.lease = $3
        order by p.subscription_id for update
    )"""

_DELIVERED: Statement = statement(
    _HELD,
    f""",
    done as (
        update delivery d set state = 'delivered', attempts = d.attempts + 1,
            begun_at = coalesce(d.begun_at, now()), tried_at = now(), next_at = null,
            status = $5, duration_ms = $6, error = $7, answer = $8
        from held h
        where d.company_id = $1 and d.subscription_id = $2 and d.id = $4
        returning d.last_sequence
    ),
    now_sent as materialized (
        select greatest(p.sent, coalesce((select last_sequence from done), 0)) as sent, exists (
                select from delivery d
                where d.company_id = $1 and d.subscription_id = $2 and d.state = 'waiting' and d.id <> $4
            ) as waiting, coalesce((select last from feed where company_id = $1), 0) as last
        from push p join held h on h.subscription_id = p.subscription_id
        where p.company_id = $1
    )
    update push p set sent = n.sent, waiting = n.waiting, failures = 0, due_at = now(),
        lease = case when n.waiting or n.sent < n.last then p.lease end,
        leased_until = case when n.waiting or n.sent < n.last then now() + interval '{LEASE} seconds' end
    from now_sent n
    where p.company_id = $1 and p.subscription_id = $2
    returning p.lease is not null as more
    """,
)

_FAILED: Statement = statement(
    _HELD,
    f""",
    tried as (
        update delivery d set attempts = d.attempts + 1, begun_at = coalesce(d.begun_at, now()), tried_at = now(),
            state = case when d.begun_at <= now() - interval '{PATIENCE_HOURS} hours' then 'dead' else 'waiting' end,
            next_at = case when d.begun_at <= now() - interval '{PATIENCE_HOURS} hours' then null
                else now() + make_interval(secs => $9) end,
            status = $5, duration_ms = $6, error = $7, answer = $8
        from held h
        where d.company_id = $1 and d.subscription_id = $2 and d.id = $4
        returning d.state = 'dead' as dead
    ),
    off as (
        update subscription s set is_active = false, inactive_reason = left($10, 255)
        from tried t
        where s.company_id = $1 and s.id = $2 and t.dead
    )
    update push p set failures = p.failures + 1, lease = null, leased_until = null,
        due_at = now() + make_interval(secs => $9), is_active = p.is_active and not t.dead,
        waiting = not t.dead or exists (
            select from delivery d
            where d.company_id = $1 and d.subscription_id = $2 and d.state = 'waiting' and d.id <> $4
        )
    from tried t
    where p.company_id = $1 and p.subscription_id = $2
    returning t.dead
    """,
)


async def delivered(tx: Tx, company_id: int, claim: Claim, delivery_id: int, result: Result) -> bool:
    """Mark a batch as delivered, if the lease is still ours. Gives whether there is more to do: the lease is kept."""
    return bool(await tx.value(_DELIVERED, *_arguments(company_id, claim, delivery_id, result)))


async def failed(
    tx: Tx, company_id: int, claim: Claim, delivery_id: int, result: Result, *, pause: float, reason: str
) -> bool:
    """Mark an attempt as failed and try again after `pause` seconds, if the lease is still ours.

    True when the batch has been tried for three days: it is dead then, and its subscription off, for that reason.
    """
    return bool(await tx.value(_FAILED, *_arguments(company_id, claim, delivery_id, result), pause, reason))


def _arguments(company_id: int, claim: Claim, delivery_id: int, result: Result) -> tuple[object, ...]:
    return (company_id, claim.subscription_id, claim.lease, delivery_id, *msgspec.structs.astuple(result))


async def release(tx: Tx, company_id: int, claim: Claim) -> None:
    """Give a lease back, if it is still ours."""
    await tx.rows(
        """
        update push set lease = null, leased_until = null
        where company_id = $1 and subscription_id = $2 and lease = $3
        """,
        company_id,
        claim.subscription_id,
        claim.lease,
    )
