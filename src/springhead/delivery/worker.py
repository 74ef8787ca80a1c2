"""Sends changes of leads to subscribed receivers: claims due deliveries, posts them, and stores the outcome.

Any number of processes share the work. No transaction is open while a worker waits for a receiver. A process may die at
any point: another one claims its deliveries when the leases expire. A receiver may get a push twice, with the same
`webhook-id`, and misses none.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Coroutine, Mapping

import structlog

from springhead.delivery import payloads
from springhead.delivery.backoff import pause
from springhead.delivery.capacity import Capacity
from springhead.delivery.sender import Answer, Sender
from springhead.model.feed.receiver_addresses import Networks
from springhead.model.feed.subscriptions import Target, TestPushResult
from springhead.model.feed.webhooks import new_message_id, signed_headers
from springhead.model.kit.errors import Unavailable
from springhead.store.database.pool import Database, TryAgain, Tx
from springhead.store.database.retry import retry
from springhead.store.feed import changes, deliveries, pushes, subscriptions
from springhead.store.feed.pushes import Claim, Order, Result
from springhead.store.fields.fields import FieldCache

log = structlog.get_logger()

POLL = 0.5
"""Seconds between looks for work that other processes have left, or whose time has come; ..."""
SHARE = 20
"""... and at least so many times as long as a look takes."""

POSTS, BYTES = 1_000, 128 * 1024 * 1024
"""What is under way at a time to receivers that answered last time, and ..."""
LATE_POSTS, LATE_BYTES = 500, 64 * 1024 * 1024
"""... to those that did not: these may hang, and keep nobody waiting but each other."""

PUSHES = POSTS + LATE_POSTS
"""Sockets of pushes at a time."""

HANDS = 4
"""Connections to the database that pushes use at a time, of those that calls use too."""

TIDY = 50
"""Once in so many deliveries the old ones are looked for."""

GONE = 410
BUSY = {429, 503}
"""What a receiver answers that wants to be left alone for a time (Retry-After)."""

HINT = "to push from here, and from the other no more: springhead db adopt"

TRIAL_SECONDS = 9.0
"""For a test: a call must be answered in time."""


class Worker:
    """The pushes of one server process."""

    def __init__(self, database: Database, fields: FieldCache, networks: Networks, *, alone: bool) -> None:
        self.networks = networks
        self.figures: Counter[str] = Counter()
        """How many attempts came to what, and how many deliveries waited at the last look."""
        self._database, self._fields, self._alone = database, fields, alone
        self._sender = Sender(networks)
        self._capacities = (Capacity(POSTS, BYTES), Capacity(LATE_POSTS, LATE_BYTES))
        self._hands = asyncio.Semaphore(HANDS)
        self._subscribed: set[int] = set()
        self._fresh: set[int] = set()
        self._busy: set[int] = set()
        self._heard: Counter[int] = Counter()
        self._is_ready, self._at_home, self._closing = False, True, False
        self._next_look = 0.0
        self.woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        database.on_change.append(self._changed)

    def wake(self, company_id: int) -> None:
        """There may be something to push for a company: look now."""
        self._subscribed.add(company_id)
        self._changed(company_id)

    def _changed(self, company_id: int) -> None:
        # Most companies have no receiver: their writes must cost nothing here. What this does not know, the look finds.
        if company_id in self._subscribed:
            self._heard[company_id] += 1
            self._fresh.add(company_id)
            self.woken.set()

    async def turn(self) -> float:
        """Start the pushes of companies with new changes, and look for others; returns the seconds until the next."""
        if not self._is_ready:
            self._is_ready = await self._prepare()
            if not self._is_ready:
                return POLL
        self._start_companies()
        started = time.monotonic()
        if started >= self._next_look:
            await self._look()
            took = time.monotonic() - started
            self._next_look = started + took + max(POLL, SHARE * took)
            self._start_companies()
        return max(0.0, self._next_look - time.monotonic())

    async def close(self) -> None:
        """Cancel the pushes under way, and close the connections. Another server sends them when the leases end."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()

    def _start_companies(self) -> None:
        for company_id in self._fresh - self._busy:
            self._busy.add(company_id)
            self._start(self._company(company_id))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        if self._closing:
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self) -> bool:
        """Get ready to push; returns False if the database is a copy that was not told to push."""
        async with self._database.everyone() as tx:
            if not await pushes.is_home(tx):
                if self._at_home:
                    log.warning("nothing is pushed: this database is a copy of another", hint=HINT)
                self._at_home = False
                return False
            if self._alone:
                await pushes.release_all(tx)  # whoever had them is dead: why wait for the leases to run out
            self._subscribed |= set(await pushes.subscribed(tx))
        if self._subscribed:
            await self._sender.open()
        return True

    async def _look(self) -> None:
        async with self._database.everyone() as tx:
            due = await pushes.due(tx)
            self.figures["waiting"] = await pushes.waiting(tx)
        self._subscribed.update(due)
        self._fresh.update(due)

    async def _company(self, company_id: int) -> None:
        """Claim what is due of a company, and begin to send it."""
        try:
            while company_id in self._fresh:
                self._fresh.discard(company_id)
                async with self._hands, self._database.company(company_id) as tx, tx.atomic():
                    last = await changes.number(tx, company_id)
                    claimed = await pushes.claim(tx, company_id, last, secrets.randbits(62))
                    if not claimed and not await pushes.is_subscribed(tx, company_id):
                        self._subscribed.discard(company_id)
                for claim, order in claimed:
                    self._start(self._subscription(company_id, claim, order))
        except (Unavailable, TryAgain) as cause:
            log.debug("pushes delayed", company=company_id, error=type(cause).__name__)
        except Exception:
            log.exception("pushes of a company stumbled", company=company_id)
        finally:
            self._busy.discard(company_id)
            if company_id in self._fresh:
                self.woken.set()

    async def _subscription(self, company_id: int, claim: Claim, first: Order) -> None:
        """Send a subscription one batch after the other, while there are any and its receiver takes them."""
        order: Order | None = first
        until = time.monotonic() + pushes.LEASE / 4  # by then the lease is begun anew
        try:
            while True:
                heard = self._heard[company_id]
                async with self._capacities[claim.failures > 0].post():
                    more = await self._push(company_id, claim, order if time.monotonic() < until else None)
                if not more:
                    break
                claim, order = Claim(claim.subscription_id, claim.lease, 0), None
            if self._heard[company_id] != heard:  # somebody looked while we had the lease, and has passed it over
                self._changed(company_id)
        except (Unavailable, TryAgain) as cause:
            log.warning("push delayed", company=company_id, subscription=claim.subscription_id, error=str(cause))
        except Exception:
            log.exception("push stumbled", company=company_id, subscription=claim.subscription_id)

    async def _push(self, company_id: int, claim: Claim, order: Order | None) -> bool:
        """Send one batch; whether there is more to send, with the lease still ours."""
        fresh = [order]  # what was read with the claim is good for one try
        made = await retry(lambda _attempt: self._made(company_id, claim, fresh.pop() if fresh else None))
        if made is None:
            return False
        sending, delivery_id, message_id, body = made
        async with self._capacities[claim.failures > 0].body(len(body)):
            headers = signed_headers(message_id, int(time.time()), body, sending.secrets)
            answer = await self._sender.post(sending.url, body, headers)
        return await retry(lambda _attempt: self._settle(company_id, claim, delivery_id, answer))

    async def _made(self, company_id: int, claim: Claim, order: Order | None) -> tuple[Order, int, str, bytes] | None:
        """The next batch of a subscription, written down and put together; None when there is none, or no lease."""
        async with self._hands, self._database.company(company_id) as tx:
            order = order or await pushes.order(tx, company_id, claim)
            if order is None:
                await pushes.release(tx, company_id, claim)  # it was switched off meanwhile, if it is still ours
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
                delivery_id = await pushes.form(
                    tx, company_id, claim, message_id=message_id, between=(sent + 1, batch.upto),
                    leads=len(batch.lead_ids),
                )  # fmt: skip
        return None if delivery_id is None else (order, delivery_id, message_id, body)

    async def _settle(self, company_id: int, claim: Claim, delivery_id: int, answer: Answer) -> bool:
        """Write down what came of an attempt; whether there is more to send, with the lease still ours."""
        facts = {"company": company_id, "subscription": claim.subscription_id, "delivery": delivery_id}
        result = Result(
            status=answer.status,
            duration_ms=round(answer.duration * 1000),
            error=answer.error and answer.error[:255],
            answer=answer.body or None,
        )
        more = False
        async with self._hands, self._database.company(company_id) as tx:
            if answer.accepted:
                what = "delivered"
                more = await pushes.delivered(tx, company_id, claim, delivery_id, result)
                if secrets.randbelow(TIDY) == 0:
                    await deliveries.tidy(tx, company_id, claim.subscription_id)
            elif answer.status == GONE:
                what = "removed"
                if await subscriptions.remove(tx, company_id, claim):
                    log.warning("subscription removed: its receiver is gone", **facts)
            else:
                what = await self._failed(tx, company_id, claim, delivery_id, result, asked=answer.retry_after)
        log.info("push", what=what, **facts, status=answer.status, error=answer.error, duration_ms=result.duration_ms)
        self.figures[what] += 1
        return more

    async def _failed(
        self, tx: Tx, company_id: int, claim: Claim, delivery_id: int, result: Result, *, asked: float | None
    ) -> str:
        """Stores a failed attempt; returns whether it was `failed` or the last one, and the batch is `dead`."""
        why = result.error or f"status {result.status}"
        reason = f"No success in {pushes.PATIENCE_HOURS} hours; the last attempt: {why}"
        wait = pause(claim.failures + 1, asked if result.status in BUSY else None)
        dead = await pushes.failed(tx, company_id, claim, delivery_id, result, pause=wait, reason=reason)
        if dead:
            log.warning("subscription off", company=company_id, subscription=claim.subscription_id, reason=reason)
        return "dead" if dead else "failed"

    async def send_test(self, target: Target) -> TestPushResult:
        """Send a test push now, with nothing in it, and say what the receiver answered."""
        body = payloads.TRIAL
        headers = signed_headers(new_message_id(), int(time.time()), body, target.secrets)
        try:
            async with asyncio.timeout(TRIAL_SECONDS):
                answer = await self._sender.post(target.url, body, headers)
        except TimeoutError:
            answer = Answer(error=f"no answer within {TRIAL_SECONDS:g} seconds", duration=TRIAL_SECONDS)
        return TestPushResult(
            success=answer.accepted,
            status=answer.status,
            duration_ms=round(answer.duration * 1000),
            error=answer.error,
            answer=answer.body or None,
        )

    def counts(self) -> Mapping[str, int]:
        """The figures so far."""
        return self.figures
