"""A push that began before an erasure stores nothing about the erased lead after it, whatever the receiver says."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from delivery.pushes import Made, caught_up, state, subscribe
from delivery.receiver import Post, Receiver
from erasure import CANARY, erase, tables_with_canary
from springhead.store.database.pool import Database
from springhead.store.feed import deliveries, pushes
from springhead.store.feed.pushes import Claim, Result
from support import Company, Server, eventually, sql, until_blocked, with_database

ECHO = f"thank you, {CANARY}@example.com"
GIVEN_UP = "No success in 72 hours; the last attempt: {}"
LEAD = {"emailAddress": f"{CANARY}@example.com", "firstName": CANARY}


@contextmanager
def held_push(receiver: Receiver) -> Generator[threading.Event]:
    """Holds the answer to the first push with the canary. Yields an event that is set when the push has arrived."""
    arrived, released = threading.Event(), threading.Event()

    def hold(post: Post) -> None:
        if CANARY.encode() in post.body and not released.is_set():
            arrived.set()
            assert released.wait(60)

    receiver.taken = hold
    try:
        yield arrived
    finally:
        released.set()


def deliveries_of(company: Company, made: Made) -> list[dict[str, Any]]:
    return company.call("getLeadDeliveries", where={"subscriptionID": made["id"]})


@pytest.mark.parametrize("answer", ["200", "500", "429 Retry-After: 1", "204"])
def test_an_answer_that_comes_after_the_erasure_is_not_stored(
    pushing: Server, pushing_company: Callable[..., Company], receiver: Receiver, answer: str
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]], receiver.texts[made["path"]] = answer, ECHO
    with held_push(receiver) as arrived:
        (lead,) = company.create(LEAD)
        assert arrived.wait(60)
        (outcome,) = erase(company, {"id": lead})
        assert outcome["success"]
        receiver.texts[made["path"]] = "ok"  # what it says to later pushes
        receiver.answers[made["path"]] = answer
    eventually(lambda: deliveries_of(company, made)[-1]["attempts"] != "0")
    receiver.answers[made["path"]] = "200"
    sql(company.dsn, "update push set due_at = now() where company_id = $1", company.id)
    caught_up(company, made)

    assert tables_with_canary(pushing, company) == []
    assert deliveries_of(company, made)[-1]["status"] is not None, "the outcome itself is stored"
    kinds = [change["kind"] for post in receiver.of(made["path"]) for change in post.json()["changes"]]
    assert kinds[-1] == "erase"


def test_a_subscription_that_is_switched_off_after_the_erasure_says_nothing_about_the_lead(
    pushing: Server, pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    receiver.answers[made["path"]], receiver.texts[made["path"]] = "500", ECHO
    with held_push(receiver) as arrived:
        (lead,) = company.create(LEAD)
        assert arrived.wait(60)
        sql(company.dsn, "update delivery set begun_at = now() - interval '73 hours'", company_id=company.id)
        erase(company, {"id": lead})
    eventually(lambda: state(company, made)["isActive"] == "0")

    assert state(company, made)["inactiveReason"] == GIVEN_UP.format("status 500")
    assert (deliveries_of(company, made)[0]["state"], deliveries_of(company, made)[0]["error"]) == ("dead", None)
    assert tables_with_canary(pushing, company) == []


def stored_answer(company: Company, made: Made, status: int) -> tuple[Claim, int, int]:
    """Creates a delivery with an answer and a lease; returns the claim, the id and the number of erasures."""
    (row,) = sql(
        company.dsn,
        """
        insert into delivery (company_id, subscription_id, message_id, first_sequence, last_sequence, state, begun_at)
        values ($1, $2, 'm', 1, 1, 'waiting', now() - interval '1 year') returning id
        """,
        company.id,
        made["id"],
        company_id=company.id,
    )
    (push,) = sql(
        company.dsn,
        """
        update push set lease = 7, leased_until = now() + interval '1 hour', waiting = true, failures = $3
        where company_id = $1 and subscription_id = $2 returning erasures
        """,
        company.id,
        made["id"],
        int(status >= 300),
    )
    return Claim(made["id"], 7, 0), row["id"], push["erasures"]


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("erasure_first", [True, False])
def test_whichever_locks_first_nothing_of_the_answer_is_left(
    pushing: Server, pushing_company: Callable[..., Company], receiver: Receiver, status: int, erasure_first: bool
) -> None:
    """The erasure and the outcome of a push, each held open until the other waits for it."""
    company = pushing_company()
    made = subscribe(company, receiver)
    claim, delivery_id, erasures = stored_answer(company, made, status)
    result = Result(status=status, duration_ms=1, error=f"said {CANARY}", answer=ECHO)

    async def store(tx: Any) -> None:
        if status == 200:
            await pushes.delivered(tx, company.id, claim, delivery_id, result, erasures=erasures)
        else:
            assert await pushes.failed(tx, company.id, claim, delivery_id, result, erasures=erasures, pause=1)

    async def forget(tx: Any) -> None:
        await deliveries.forget_answers(tx, company.id)

    async def race(database: Database) -> None:
        first, second = (forget, store) if erasure_first else (store, forget)

        async def later() -> None:
            async with database.company(company.id) as tx, tx.atomic():
                await second(tx)

        async with database.company(company.id) as tx, tx.atomic():
            await first(tx)
            waiting = asyncio.create_task(later())
            await until_blocked(tx._connection)
        await waiting

    with_database(company.dsn, race)

    assert tables_with_canary(pushing, company) == []
    (delivery,) = deliveries_of(company, made)
    assert (delivery["status"], delivery["answer"], delivery["error"]) == (str(status), None, None)
    assert state(company, made)["inactiveReason"] == (None if status == 200 else GIVEN_UP.format("status 500"))


def failing(company: Company, made: Made) -> Callable[[Database], Awaitable[bool]]:
    """Returns a function that stores an attempt after which the subscription is given up."""
    claim, delivery_id, erasures = stored_answer(company, made, 500)
    result = Result(status=None, duration_ms=1, error=f"said {CANARY}", answer=ECHO)

    async def fail(database: Database) -> bool:
        async with database.company(company.id) as tx:
            return await pushes.failed(tx, company.id, claim, delivery_id, result, erasures=erasures, pause=1)

    return fail


def test_an_erasure_forgets_answers_and_errors_but_no_reasons_and_nothing_of_other_companies(
    pushing: Server, pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company, other = pushing_company(), pushing_company()
    for each in (company, other):
        made = subscribe(each, receiver)
        with_database(each.dsn, failing(each, made))
        assert state(each, made)["inactiveReason"] == GIVEN_UP.format("no answer")
    paused = subscribe(company, receiver)
    company.call("updateLeadSubscriptions", objects=[{"id": paused["id"], "isActive": 0}])
    reason = state(company, paused)["inactiveReason"]
    assert reason
    before = len(tables_with_canary(pushing, other))
    (lead,) = company.create({})

    erase(company, {"id": lead})

    assert tables_with_canary(pushing, company) == []
    assert state(company, paused)["inactiveReason"] == reason
    assert len(tables_with_canary(pushing, other)) == before == 1
