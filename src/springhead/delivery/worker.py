"""Sends changes of leads to subscribed receivers: claims due subscriptions, posts batches, and stores the outcome.

Any number of processes share the work. No transaction is open while a worker waits for a receiver. A process may die at
any point: another process claims its subscriptions when the leases expire. A receiver may get a push twice, with the
same `webhook-id`, and misses none.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING

import structlog

from springhead.delivery import payloads
from springhead.delivery.backoff import pause
from springhead.delivery.capacity import Capacity, HostLimit
from springhead.delivery.receiver_answers import ReceiverAnswer
from springhead.delivery.sender import Sender
from springhead.model.feed.receiver_addresses import Networks
from springhead.model.feed.subscriptions import Target, TestPushResult
from springhead.model.feed.webhooks import new_message_id, signed_headers
from springhead.model.kit.errors import Unavailable
from springhead.store.database.admission import Lane
from springhead.store.database.pool import Database, TryAgain
from springhead.store.database.retry import retry
from springhead.store.feed import challenges, changes, deliveries, pushes, subscriptions
from springhead.store.feed.challenges import DueChallenge
from springhead.store.feed.pushes import Claim, Order, Result
from springhead.store.fields.fields import FieldCache

if TYPE_CHECKING:
    from springhead.delivery.client import BeforeBody

log = structlog.get_logger()

POLL = 0.5
"""Seconds between two scans for due subscriptions: retries, and work that other processes left behind."""

SCAN_SHARE = 20
"""The pause between two scans is at least this many times as long as a scan takes."""

POSTS, BYTES = 1_000, 128 * 1024 * 1024
"""The most concurrent posts, and bytes of their payloads, to receivers whose last push succeeded."""

LATE_POSTS, LATE_BYTES = 500, 64 * 1024 * 1024
"""The same for receivers whose last push failed. They may hang, so they share a capacity of their own."""

SOCKETS = POSTS + LATE_POSTS
"""The most sockets that pushes use at a time."""

CONNECTIONS = 4
"""The most connections that pushes take from the database pool at a time; calls use the same pool."""

TIDY_EVERY = 50
"""Old deliveries are deleted after one in this many deliveries, at random."""

GONE = 410
"""The status by which a receiver deletes its subscription."""

BUSY = {429, 503}
"""The statuses with which a receiver may ask for a later retry (Retry-After)."""

HINT = "to push from this database, and no longer from the other: springhead db adopt"

UNSIGNED = "not sent: the secret of the subscription was lost; rotateLeadSubscriptionSecrets makes a new one"
"""The error of a push that cannot be signed, because the database was restored without its encryption key."""

CHALLENGE_SECONDS = 10.0
"""Seconds for a receiver to answer a challenge."""

TEST_SECONDS = 9.0
"""Seconds for a test push: shorter than the deadline of the call that asks for it."""


class Outdated(Exception):
    """Raised right before a payload is sent, if it may be about a lead that was erased since it was composed."""


class Worker:
    """The pushes of one server process."""

    def __init__(self, database: Database, fields: FieldCache, networks: Networks, *, alone: bool) -> None:
        self.networks = networks
        self.figures: Counter[str] = Counter()
        """The number of attempts by outcome, and the deliveries that waited at the last scan."""
        self._database, self._fields, self._alone = database, fields, alone
        self._sender = Sender(networks)
        self._capacities = (Capacity(POSTS, BYTES), Capacity(LATE_POSTS, LATE_BYTES))
        self._hosts = HostLimit(networks)
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._subscribed: set[int] = set()
        # Most companies have no receiver: their writes must wake nothing. A subscription that was created in another
        # process is found by the next scan.
        self._signal = changes.ChangeSignal(database, only=self._subscribed)
        self.woken, self._changed = self._signal.woken, self._signal.companies
        self._busy: set[int] = set()
        self._claims: Counter[int] = Counter()
        self._is_ready, self._is_home, self._closing = False, True, False
        self._next_scan = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, company_id: int) -> None:
        """Looks for due pushes of a company now: it has a new subscription, or a subscription changed."""
        self._subscribed.add(company_id)
        self._signal.note(company_id)

    async def turn(self) -> float:
        """Starts the due pushes of companies with new changes, and scans the others; returns the seconds to rest."""
        if not self._is_ready:
            self._is_ready = await self._prepare()
            if not self._is_ready:
                return POLL
        self._start_companies()
        started = time.monotonic()
        if started >= self._next_scan:
            await self._scan()
            took = time.monotonic() - started
            self._next_scan = started + took + max(POLL, SCAN_SHARE * took)
            self._start_companies()
        return max(0.0, self._next_scan - time.monotonic())

    async def close(self) -> None:
        """Cancels the running pushes and closes the connections. Another server sends them when the leases expire."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()

    def _start_companies(self) -> None:
        for company_id in self._changed - self._busy:
            self._busy.add(company_id)
            self._start(self._push_company(company_id))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        if self._closing:
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self) -> bool:
        """Gets ready to push; returns False if the database is a copy that was not told to push."""
        async with self._database.everyone() as tx:
            if not await pushes.is_home(tx):
                if self._is_home:
                    log.warning("nothing is pushed: this database is a copy of another one", hint=HINT)
                self._is_home = False
                return False
            if self._alone:
                await pushes.release_all(tx)  # no other server uses the database, so all leases are leftovers
            self._subscribed |= set(await pushes.subscribed(tx))
        if self._subscribed:
            await self._sender.open()
        return True

    async def _scan(self) -> None:
        async with self._database.everyone() as tx:
            due = await pushes.due(tx)
            self.figures["waiting"] = await pushes.waiting(tx)
        self._subscribed.update(due)
        self._changed.update(due)

    async def _push_company(self, company_id: int) -> None:
        """Claims the due subscriptions of a company, and starts a task for each."""
        try:
            while company_id in self._changed:
                self._changed.discard(company_id)
                self._claims[company_id] += 1
                async with self._connections, self._database.company(company_id, Lane.UPKEEP) as tx, tx.atomic():
                    last = await changes.number(tx, company_id)
                    claimed = await pushes.claim(tx, company_id, last, secrets.randbits(62))
                    due = await challenges.claim(tx, company_id, secrets.randbits(62))
                    if not claimed and not due and not await pushes.is_subscribed(tx, company_id):
                        self._subscribed.discard(company_id)
                for claim, order in claimed:
                    self._start(self._push_subscription(company_id, claim, order))
                for challenge in due:
                    self._start(self._challenge(company_id, challenge))
        except (Unavailable, TryAgain) as cause:
            log.debug("pushes delayed", company=company_id, error=type(cause).__name__)
        except Exception:
            log.exception("pushes of a company failed", company=company_id)
        finally:
            self._busy.discard(company_id)
            if company_id in self._changed:
                self.woken.set()

    async def _challenge(self, company_id: int, challenge: DueChallenge) -> None:
        """Sends a challenge to a receiver, and stores whether it has answered. It is sent again if that fails."""
        ids = {"company": company_id, "subscription": challenge.target.id}
        try:
            if not await self._hosts.turn(challenge.target.url):
                return  # the challenge comes again when the lease has expired
            async with self._capacities[True].post():  # nothing is known of the receiver: it may hang
                problem = await self._ask(challenge.target)

            async def store() -> bool:
                async with self._connections, self._database.company(company_id, Lane.UPKEEP) as tx, tx.atomic():
                    return await challenges.answered(tx, company_id, challenge, problem)

            if await retry(lambda _attempt: store()):
                log.info("challenge", what="failed" if problem else "passed", **ids, error=problem)
                self._signal.note(company_id)
        except (Unavailable, TryAgain) as cause:
            log.warning("challenge delayed", **ids, error=str(cause))
        except Exception:
            log.exception("challenge failed", **ids)

    async def _ask(self, target: Target) -> str | None:
        """Posts a new challenge; returns why the answer is wrong, or None."""
        text = payloads.new_challenge()
        try:
            async with asyncio.timeout(CHALLENGE_SECONDS):
                answer = await self._post(target, new_message_id(), payloads.challenge_body(text))
        except TimeoutError:
            answer = ReceiverAnswer(error=f"no answer within {CHALLENGE_SECONDS:g} seconds", duration=0)
        problem = payloads.challenge_problem(text, answer)
        return problem and f"The challenge failed: {problem}"[:255]

    async def _push_subscription(self, company_id: int, claim: Claim, first: Order) -> None:
        """Sends the batches of a subscription one after another, until none is left or its receiver refuses one."""
        order: Order | None = first
        usable_until = time.monotonic() + pushes.LEASE / 4  # afterwards the order is read again, to renew the lease
        try:
            while True:
                if not await self._hosts.turn(first.url):
                    return  # the push comes when the lease has expired
                claims = self._claims[company_id]
                try:
                    async with self._capacities[claim.failures > 0].post():
                        more = await self._push(company_id, claim, order if time.monotonic() < usable_until else None)
                except Outdated:
                    order = None
                    continue
                if not more:
                    break
                claim, order = Claim(claim.subscription_id, claim.lease, 0), None
            # While this task had the lease, a claim for a new change skipped this subscription: claim again.
            if self._claims[company_id] != claims:
                self._signal.note(company_id)
        except (Unavailable, TryAgain) as cause:
            log.warning("push delayed", company=company_id, subscription=claim.subscription_id, error=str(cause))
        except Exception:
            log.exception("push failed", company=company_id, subscription=claim.subscription_id)

    async def _push(self, company_id: int, claim: Claim, order: Order | None) -> bool:
        """Sends one batch; returns whether the subscription has more to send and this worker keeps the lease.

        Raises Outdated if the payload must be composed again.
        """
        unused = [order]  # an order that was read with the claim is used for the first attempt only
        prepared = await retry(
            lambda _attempt: self._prepare_batch(company_id, claim, unused.pop() if unused else None)
        )
        if prepared is None:
            return False
        order, delivery_id, message_id, body = prepared
        before_body = partial(self._look_again, company_id, claim, order.erasures)
        async with self._capacities[claim.failures > 0].body(len(body)):
            answer = await self._post(order, message_id, body, before_body)
        store = partial(self._store_answer, company_id, claim, delivery_id, answer, erasures=order.erasures)
        return await retry(lambda _attempt: store())

    async def _look_again(self, company_id: int, claim: Claim, erasures: int) -> None:
        """Raises Outdated if a lead was erased since the payload was composed, or if the lease is lost."""
        async with self._connections, self._database.company(company_id, Lane.UPKEEP) as tx:
            if not await pushes.is_current(tx, company_id, claim, erasures):
                raise Outdated

    async def _post(
        self, target: Target | Order, message_id: str, body: bytes, before_body: "BeforeBody | None" = None
    ) -> ReceiverAnswer:
        """Signs and sends a push. Without a secret sends nothing, and returns why as the error."""
        if not target.secrets:
            return ReceiverAnswer(error=UNSIGNED, duration=0)
        headers = signed_headers(message_id, int(time.time()), body, target.secrets)
        return await self._sender.post(target.url, body, headers, before_body)

    async def _prepare_batch(
        self, company_id: int, claim: Claim, order: Order | None
    ) -> tuple[Order, int, str, bytes] | None:
        """Stores the next delivery of a subscription; returns it with its payload.

        Returns None if there is nothing to send, or if the lease is lost.
        """
        async with self._connections, self._database.company(company_id, Lane.UPKEEP) as tx:
            order = order or await pushes.order(tx, company_id, claim)
            if order is None:
                await pushes.release(tx, company_id, claim)  # a subscription that was switched off still has our lease
                return None
            sent = order.sent
            batch = await payloads.gather(tx, company_id, order)
            while not batch.changes and order.delivery_id is None:
                if batch.upto <= sent or not await pushes.skip(tx, company_id, claim, batch.upto):
                    await pushes.release(tx, company_id, claim)
                    return None
                sent = batch.upto
                batch = await payloads.gather(tx, company_id, order.behind(sent), far=True)
            body = await payloads.compose(tx, company_id, order, batch, self._fields)
            delivery_id, message_id = order.delivery_id, order.message_id or new_message_id()
            if delivery_id is None:
                while len(body) > payloads.BYTES and len(batch.lead_ids) > 1:
                    batch = batch.first(len(batch.lead_ids) // 2)
                    body = await payloads.compose(tx, company_id, order, batch, self._fields)
                delivery_id = await pushes.create_delivery(
                    tx, company_id, claim, message_id=message_id, between=(sent + 1, batch.upto),
                    leads=len(batch.lead_ids),
                )  # fmt: skip
        return None if delivery_id is None else (order, delivery_id, message_id, body)

    async def _store_answer(
        self, company_id: int, claim: Claim, delivery_id: int, answer: ReceiverAnswer, *, erasures: int
    ) -> bool:
        """Stores the outcome of an attempt; returns whether there is more to send and this worker keeps the lease."""
        ids = {"company": company_id, "subscription": claim.subscription_id, "delivery": delivery_id}
        result = Result(
            status=answer.status,
            duration_ms=round(answer.duration * 1000),
            error=answer.error and answer.error[:255],
            answer=answer.body or None,
        )
        more = False
        async with self._connections, self._database.company(company_id, Lane.UPKEEP) as tx:
            if answer.accepted:
                outcome = "delivered"
                more = await pushes.delivered(tx, company_id, claim, delivery_id, result, erasures=erasures)
                if secrets.randbelow(TIDY_EVERY) == 0:
                    await deliveries.delete_old(tx, company_id, claim.subscription_id)
            elif answer.status == GONE:
                outcome = "removed"
                if await subscriptions.remove(tx, company_id, claim):
                    log.warning("subscription removed: its receiver answered 410", **ids)
            else:
                wait = pause(claim.failures + 1, answer.retry_after if result.status in BUSY else None)
                dead = await pushes.failed(tx, company_id, claim, delivery_id, result, erasures=erasures, pause=wait)
                outcome = "dead" if dead else "failed"
        if outcome == "dead":
            log.warning("subscription switched off", reason=f"no success in {pushes.RETRY_HOURS} hours", **ids)
        log.info("push", what=outcome, **ids, status=answer.status, error=answer.error, duration_ms=result.duration_ms)
        self.figures[outcome] += 1
        return more

    async def send_test(self, target: Target) -> TestPushResult:
        """Sends a test push without leads now; returns the receiver's answer."""
        try:
            async with asyncio.timeout(TEST_SECONDS):
                answer = ReceiverAnswer(error="too many pushes to this host at the moment", duration=0)
                if await self._hosts.turn(target.url):
                    answer = await self._post(target, new_message_id(), payloads.TEST_BODY)
        except TimeoutError:
            answer = ReceiverAnswer(error=f"no answer within {TEST_SECONDS:g} seconds", duration=TEST_SECONDS)
        return TestPushResult(
            success=answer.accepted,
            status=answer.status,
            duration_ms=round(answer.duration * 1000),
            error=answer.error,
            answer=answer.body or None,
        )

    def counts(self) -> Mapping[str, int]:
        """Returns the figures so far."""
        return self.figures
