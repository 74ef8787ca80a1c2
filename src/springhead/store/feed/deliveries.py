"""Deliveries as they are read, asked for again, and forgotten."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from springhead.model.feed.subscriptions import DELIVERIES_KEPT, DELIVERY, DELIVERY_DAYS
from springhead.model.kit.errors import Json
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.nouns.where import WhereClause

TIDIED = 100
"""Deliveries that are forgotten at a time."""


async def tidy(tx: Tx, company_id: int, subscription_id: int) -> None:
    """Forget some of the subscription's deliveries that are too old, or that too many have followed."""
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
        TIDIED,
    )


async def again(tx: Tx, company_id: int, delivery_ids: Sequence[int], message_ids: Sequence[str]) -> dict[int, int]:
    """Send the changes of deliveries once more, each behind what waits already; the new ids by the old ones."""
    rows = await tx.rows(
        """
        with wanted as materialized (
            select d.id, d.subscription_id, d.first_sequence, d.last_sequence, d.leads, m.message_id,
                nextval('delivery_id_seq') as new_id
            from unnest($2::bigint[], $3::text[]) as m (id, message_id)
            join delivery d on d.company_id = $1 and d.id = m.id
            where d.state <> 'waiting'
        ),
        made as (
            insert into delivery
                (company_id, id, subscription_id, message_id, first_sequence, last_sequence, state, leads)
            select $1, new_id, subscription_id, message_id, first_sequence, last_sequence, 'waiting', leads
            from wanted order by new_id
        ),
        woken as (
            update push p set waiting = true
            where p.company_id = $1 and p.subscription_id = any(array(select subscription_id from wanted))
        )
        select id, new_id from wanted
        """,
        company_id,
        delivery_ids,
        message_ids,
    )
    return {row["id"]: row["new_id"] for row in rows}


async def rewind(tx: Tx, company_id: int, since: Sequence[tuple[int, datetime]]) -> set[int]:
    """Send these subscriptions everything since a moment again; gives those that are there.

    What waits is given up for that, and a push that is under way at this moment is not marked as done: its lease is
    taken away. Writes are numbered in the order of their commits and know when they began: the numbers begin a little
    earlier, so that none is missed.
    """
    rows = await tx.rows(
        """
        with back as (
            update push p set sent = least(p.sent, g.last), waiting = false, failures = 0, due_at = now(),
                lease = null, leased_until = null
            from (
                select w.id, min(coalesce((
                    select c.last from change c
                    where c.company_id = $1 and c.last is not null and c.created_at < w.since - interval '30 seconds'
                    order by c.last desc limit 1
                ), 0)) as last
                from unnest($2::bigint[], $3::timestamptz[]) as w (id, since)
                group by w.id
            ) g
            where p.company_id = $1 and p.subscription_id = g.id
            returning p.subscription_id
        ),
        given_up as (
            update delivery d set state = 'replaced', next_at = null
            from back b
            where d.company_id = $1 and d.subscription_id = b.subscription_id and d.state = 'waiting'
        )
        select subscription_id from back
        """,
        company_id,
        [subscription_id for subscription_id, _ in since],
        [moment for _, moment in since],
    )
    return {row["subscription_id"] for row in rows}


async def latest(
    tx: Tx, company_id: int, filters: Mapping[str, Json], *, zone: str, limit: int, offset: int
) -> list[dict[str, Json]]:
    """The deliveries that all filters choose, the newest first."""
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


async def forget_answers(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Forget what receivers answered, since it may repeat what was said of these leads.

    That is all the answers of the company that are kept: they say nothing of which leads they are about. Nothing else
    of a delivery is about a person.
    """
    if lead_ids:
        await tx.rows(
            "update delivery d set answer = null where d.company_id = $1 and d.answer is not null", company_id
        )
