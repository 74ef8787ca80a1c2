"""A subscription can be deleted while a push to it begins or ends: both lock the subscription before its push."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from delivery.pushes import subscribe
from delivery.receiver import Receiver
from springhead.model.feed.webhooks import new_message_id
from springhead.store.database.pool import Database, Tx
from springhead.store.feed import pushes, subscriptions
from springhead.store.feed.pushes import Claim, Result
from support import Company, sql, until_blocked, with_database


async def _begin(tx: Tx, company_id: int, claim: Claim, _delivery: int) -> int | None:
    return await pushes.create_delivery(tx, company_id, claim, message_id=new_message_id(), between=(1, 1), leads=1)


async def _end(tx: Tx, company_id: int, claim: Claim, _delivery: int) -> int | None:
    return int(await subscriptions.remove(tx, company_id, claim)) or None


async def _fail(tx: Tx, company_id: int, claim: Claim, delivery: int) -> int | None:
    result = Result(status=500, duration_ms=1, error="a status of 500", answer=None)
    return int(await pushes.failed(tx, company_id, claim, delivery, result, erasures=0, pause=1)) or None


@pytest.mark.usefixtures("pushing")
@pytest.mark.parametrize("work", [_begin, _fail, _end])
def test_a_push_waits_for_the_deletion_of_its_subscription_and_is_dropped(
    pushing_company: Callable[..., Company],
    receiver: Receiver,
    work: Callable[[Tx, int, Claim, int], Awaitable[int | None]],
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    sql(
        company.dsn,
        """
        update push set lease = 7, leased_until = now() + interval '1 hour'
        where company_id = $1 and subscription_id = $2
        """,
        company.id,
        made["id"],
    )

    claim = Claim(made["id"], 7, 0)

    async def race(database: Database) -> int | None:
        async with database.company(company.id) as tx:
            delivery = await _begin(tx, company.id, claim, 0) or 0

        async def push() -> int | None:
            async with database.company(company.id) as tx:
                return await work(tx, company.id, claim, delivery)

        async with database.company(company.id) as tx, tx.atomic():
            await tx.rows("delete from subscription where company_id = $1 and id = $2", company.id, made["id"])
            pushing = asyncio.create_task(push())
            await until_blocked(tx._connection)
            await subscriptions.end(tx, company.id, [made["id"]])
        return await pushing

    assert with_database(company.dsn, race) is None
