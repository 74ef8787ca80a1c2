"""Reads, repeats and deletes deliveries."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from springhead.model.feed.subscriptions import DELIVERIES_KEPT, DELIVERY, DELIVERY_DAYS
from springhead.model.kit.errors import Json
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.nouns.where import WhereClause

DELETED_AT_ONCE = 100
"""The most deliveries that one statement deletes."""


async def delete_old(tx: Tx, company_id: int, subscription_id: int) -> None:
    """Deletes some deliveries of a subscription that are older than DELIVERY_DAYS or beyond DELIVERIES_KEPT."""
    await tx.rows(
        """
        delete from delivery
        where company_id = $1 and id = any(array(
            select d.id from delivery d
            where d.company_id = $1 and d.subscription_id = $2 and d.state <> 'waiting' and (
                d.create_timestamp < now() - make_interval(days => $3)
                or d.id < (
                    select o.id from delivery o
                    where o.company_id = $1 and o.subscription_id = $2
                    order by o.id desc limit 1 offset $4
                )
            )
            order by d.id limit $5
        ))
        """,
        company_id,
        subscription_id,
        DELIVERY_DAYS,
        DELIVERIES_KEPT - 1,
        DELETED_AT_ONCE,
    )


async def repeat(tx: Tx, company_id: int, delivery_ids: Sequence[int], message_ids: Sequence[str]) -> dict[int, int]:
    """Creates deliveries that send the same changes again, after the waiting ones; returns the new ids by old id."""
    rows = await tx.rows(
        """
        with repeats as materialized (
            select d.id, d.subscription_id, d.first_sequence, d.last_sequence, d.leads, m.message_id,
                nextval('delivery_id_seq') as new_id
            from unnest($2::bigint[], $3::text[]) as m (id, message_id)
            join delivery d on d.company_id = $1 and d.id = m.id
            where d.state <> 'waiting'
        ),
        created as (
            insert into delivery
                (company_id, id, subscription_id, message_id, first_sequence, last_sequence, state, leads)
            select $1, new_id, subscription_id, message_id, first_sequence, last_sequence, 'waiting', leads
            from repeats order by new_id
            returning id
        ),
        woken as (
            update push p set waiting = true
            where p.company_id = $1 and p.subscription_id = any(array(select subscription_id from repeats))
        )
        select id, new_id from repeats
        """,
        company_id,
        delivery_ids,
        message_ids,
    )
    return {row["id"]: row["new_id"] for row in rows}


async def rewind(tx: Tx, company_id: int, since: Sequence[tuple[int, datetime]]) -> set[int]:
    """Sends these subscriptions all changes since a moment again; returns the ids that exist.

    Replaces waiting deliveries. A push that is running now loses its lease, so it does not mark its changes as sent.
    The feed is in the order of commits, but `created_at` is the start of a transaction: goes back 30 seconds more, so
    that no change is missed.
    """
    rows = await tx.rows(
        """
        with rewound as (
            update push p set sent = least(p.sent, g.last), waiting = false, failures = 0, due_at = now(),
                lease = null, leased_until = null
            from (
                select w.id, min(coalesce(b.last, 0)) as last
                from unnest($2::bigint[], $3::timestamptz[]) as w (id, since)
                left join lateral (
                    select c.last from change c
                    where c.company_id = $1 and c.last is not null and c.created_at < w.since - interval '30 seconds'
                    order by c.last desc limit 1
                ) as b on true
                group by w.id
            ) g
            where p.company_id = $1 and p.subscription_id = g.id
            returning p.subscription_id
        ),
        replaced as (
            update delivery d set state = 'replaced', next_at = null
            from rewound r
            where d.company_id = $1 and d.subscription_id = r.subscription_id and d.state = 'waiting'
        )
        select subscription_id from rewound
        """,
        company_id,
        [subscription_id for subscription_id, _ in since],
        [moment for _, moment in since],
    )
    return {row["subscription_id"] for row in rows}


async def latest(
    tx: Tx, company_id: int, filters: Mapping[str, Json], *, zone: str, limit: int, offset: int
) -> list[dict[str, Json]]:
    """The deliveries that match all filters, newest first."""
    where = WhereClause(DELIVERY, filters, first=5)
    rows = await tx.rows(
        statement(
            f"""
            select {sql.select_list(DELIVERY.columns)} from delivery l
            where l.company_id = $1 and $2::text is not null and {where.condition}
                and (l.create_timestamp > now() - interval '{DELIVERY_DAYS} days' or l.state = 'waiting')
            order by l.id desc
            limit $3 offset $4
            """
        ),
        company_id,
        zone,
        limit,
        offset,
        *where.parameters,
    )
    return [dict(row) for row in rows]


async def forget_answers(tx: Tx, company_id: int) -> None:
    """Deletes the stored answers of receivers and the errors of pushes, because they may repeat data of erased leads.

    Deletes all of them of the company: an answer does not say which leads it is about. Nothing else in a delivery is
    personal data. A push that is under way stores its answer later, so `push.erasures` grows first: the statement that
    stores an answer locks this row too, and compares the number.
    """
    await tx.rows(
        """
        with locked as materialized (
            select subscription_id from push where company_id = $1 order by subscription_id for no key update
        )
        update push p set erasures = p.erasures + 1 from locked l
        where p.company_id = $1 and p.subscription_id = l.subscription_id
        """,
        company_id,
    )
    await tx.rows(
        """
        update delivery d set answer = null, error = null
        where d.company_id = $1 and (d.answer is not null or d.error is not null)
        """,
        company_id,
    )
