"""The rate limits of the API: calls of a company, and wrong keys from an IP address (docs/wire/limits.md)."""

import asyncio
import contextlib
from collections.abc import Iterable
from datetime import date
from time import monotonic_ns

from springhead.model.companies.companies import Company
from springhead.model.kit.errors import ApiError, DailyLimit, SecondLimit, Unavailable
from springhead.model.kit.rate_limits import SECOND, KeyedRateLimit, RateLimit
from springhead.store.companies import call_counts
from springhead.store.database.admission import Lane
from springhead.store.database.pool import Database
from springhead.store.database.retry import Attempt, retry

METERS_MAX = 10_000
"""The most meters in memory. There are more only while more companies call within one second."""

RECHECK = SECOND
"""Nanoseconds until the database is asked again whether a company has used up its calls of the day."""

CLOSING = 5.0
"""The longest time in seconds that the server spends on returning unused calls when it stops."""


class Meter:
    """The state of one company's limits in this process. Times are nanoseconds of the monotonic clock."""

    __slots__ = (
        "allowed_at",
        "callers",
        "company",
        "day",
        "day_ends",
        "day_used_up",
        "due",
        "lease_size",
        "leased",
        "leased_until",
        "leasing",
        "limit",
        "refill_at",
        "refused_until",
        "to_return",
    )

    def __init__(self, company: Company) -> None:
        self.company = company
        self.limit = RateLimit(company.per_second, company.per_second)
        self.due = 0  # see RateLimit
        self.lease_size = 0  # the number of calls to lease at a time
        self.refill_at = 0  # the number of leased calls at which to lease more
        self.leased = 0  # the number of calls that the database has counted, and that were not made yet
        self.leased_until = 0
        self.to_return = 0  # the number of leased calls to return with the next query
        self.day: date | None = None  # the day of `leased` and `to_return`
        self.day_ends = 0
        self.refused_until = 0  # until then, calls are refused without a query
        self.allowed_at = 0  # when the database allows the next call
        self.day_used_up = False  # whether the last refusal was because of the limit per day
        self.callers: list[asyncio.Future[None]] = []  # the calls that wait for a lease
        self.leasing: asyncio.Task[None] | None = None

    def release(self) -> None:
        """Marks the leased calls as unused, so that the next query returns them."""
        self.to_return += self.leased
        self.leased = 0

    def idle(self, now: int) -> bool:
        """Returns whether a new meter would give the same answers as this meter."""
        return self.leasing is None and self.due <= now and self.refused_until <= now

    def refusal(self, now: int) -> ApiError:
        """Returns the error for a call that is refused now, with the seconds until it can be retried."""
        wait = self.allowed_at - now
        if self.day_used_up:
            return DailyLimit({"retryAfter": max(1, -(-wait // SECOND))})
        return SecondLimit({"retryAfter": _seconds(wait)})


class CallLimits:
    """Counts the calls of every company, and refuses calls beyond its limits.

    `alone` says that no other server process uses the database. Then this process counts the calls of a second in
    memory, and leases the calls of a day from the database, at most 0.4 % of the day at a time. `kill -9` loses at most
    one lease. Otherwise the database counts both limits by its own clock, and concurrent calls of a company share one
    query. This is exact for limits below 100 calls per second. For higher limits, each process leases the calls of
    50 ms at a time, and returns unused calls after a second.

    A day ends by the database's clock. A clock that is set back allows no additional calls.
    """

    def __init__(self, database: Database, *, alone: bool, enabled: bool = True) -> None:
        self._database = database
        self._alone = alone
        self._enabled = enabled
        self._meters: dict[int, Meter] = {}
        self._returning: set[asyncio.Task[None]] = set()

    async def spend(self, company: Company, *, end: float | None = None) -> None:
        """Counts one call of the company.

        Raises SecondLimit or DailyLimit, with `data.retryAfter` in seconds, if the call is beyond a limit. A refused
        call is not counted. Raises Unavailable if the database must count the call and does not answer until `end`, the
        deadline of the call on the event loop's clock.
        """
        if not self._enabled:
            return
        meter = self._meters.get(company.id)
        if meter is None or meter.company is not company:
            meter = self._meter(company)
        now = monotonic_ns()
        if now < meter.refused_until:
            raise meter.refusal(now)
        if self._alone:
            wait = meter.limit.wait(meter.due, now)
            if wait > 0:
                raise SecondLimit({"retryAfter": _seconds(wait)})
            meter.due = meter.limit.after_event(meter.due, now)
        if meter.leased and now < meter.leased_until:
            meter.leased -= 1
            if meter.leased == meter.refill_at and meter.leasing is None:
                self._start_leasing(meter)  # before the lease is used up, so that no call waits for the database
            return
        try:
            async with asyncio.timeout_at(end):
                await self._leased_call(meter)
        except BaseException as cause:
            meter.due -= meter.limit.interval
            if isinstance(cause, TimeoutError):
                raise Unavailable from cause
            raise

    async def close(self) -> None:
        """Returns the unused leased calls to the database. No call may be counted afterwards."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self._return_all()

    async def _return_all(self) -> None:
        leasing = [meter.leasing for meter in self._meters.values() if meter.leasing]
        await asyncio.gather(*leasing, *self._returning, return_exceptions=True)
        unused = iter([meter for meter in self._meters.values() if meter.leased or meter.to_return])
        self._meters.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(self._return(unused))

    def _meter(self, company: Company) -> Meter:
        """Returns the company's meter, with the current limits of the company."""
        meter = self._meters.get(company.id)
        if meter is None:
            self._evict()
            meter = self._meters[company.id] = Meter(company)
        elif (company.per_second, company.per_day) != _limits(meter):
            meter.release()
            meter.refused_until = 0
        meter.company = company
        meter.limit = RateLimit(company.per_second, company.per_second)
        if self._alone:
            meter.lease_size = max(1, company.per_day // 250)
            meter.refill_at = meter.lease_size // 5 or -1
        else:
            meter.lease_size = company.per_second // 20 if company.per_second >= 100 else 1
            meter.refill_at = -1
        return meter

    def _evict(self) -> None:
        """If there are too many meters, drops the two that were checked longest ago, unless they limit calls now."""
        for _ in range(2 if len(self._meters) >= METERS_MAX else 0):
            key = next(iter(self._meters))
            meter = self._meters.pop(key)
            if not meter.idle(monotonic_ns()):
                self._meters[key] = meter
            elif meter.leased or meter.to_return:
                task = asyncio.ensure_future(self._return(iter([meter])))
                self._returning.add(task)
                task.add_done_callback(self._returning.discard)

    async def _return(self, meters: Iterable[Meter]) -> None:
        for meter in meters:
            meter.release()
            try:
                await self._query(meter, 0)
            except Unavailable:
                return  # the day's count stays too high by this lease (docs/decisions/0010-call-limits.md)

    async def _leased_call(self, meter: Meter) -> None:
        """Waits until the database has granted a call."""
        future = asyncio.get_running_loop().create_future()
        meter.callers.append(future)
        if meter.leasing is None:
            self._start_leasing(meter)
        await future

    def _start_leasing(self, meter: Meter) -> None:
        # A task of its own, because the call that starts it may be cancelled while other calls wait for the lease.
        meter.leasing = asyncio.ensure_future(self._lease_until_served(meter))

    async def _lease_until_served(self, meter: Meter) -> None:
        """Leases calls until no caller waits."""
        callers: list[asyncio.Future[None]] = []
        try:
            while True:
                callers = [caller for caller in meter.callers if not caller.done()]
                meter.callers = []
                if await self._lease(meter, len(callers)):
                    _refuse(_serve(meter, callers), meter)
                else:
                    meter.callers = callers + meter.callers
                callers = []
                meter.callers = _serve(meter, meter.callers)
                if not meter.callers:
                    return
        except Exception as cause:
            for caller in callers + meter.callers:
                if not caller.done():
                    caller.set_exception(cause)
            meter.callers = []
            if not isinstance(cause, ApiError):
                raise
        finally:
            meter.leasing = None

    async def _lease(self, meter: Meter, callers: int) -> bool:
        """Leases a call for each caller, and up to `lease_size`. Returns False if the limits changed meanwhile."""
        sent = monotonic_ns()
        if sent >= meter.leased_until:
            meter.release()
        limits = _limits(meter)
        calls = max(callers, meter.lease_size - meter.leased)
        grant = await self._query(meter, calls)
        received = monotonic_ns()
        if grant.day != meter.day:
            meter.leased = meter.to_return = 0  # they belong to a past day
        meter.day = grant.day
        meter.day_ends = sent + grant.day_left_us * 1000
        meter.leased += grant.granted
        meter.leased_until = meter.day_ends if self._alone else min(meter.day_ends, sent + SECOND)
        if limits != _limits(meter):
            meter.release()
            return False
        if grant.granted < callers:
            # The database read its clock between `sent` and `received`. A lease is counted from `sent`, so that it
            # never ends late. A wait is counted from `received`, so that a caller who waited is not refused again.
            meter.day_used_up = grant.used >= limits[1]
            if meter.day_used_up:
                meter.allowed_at = received + grant.day_left_us * 1000
                meter.refused_until = min(meter.day_ends, sent + RECHECK)
            else:
                meter.allowed_at = meter.refused_until = received + grant.wait_us(limits[0]) * 1000
        return True

    async def _query(self, meter: Meter, calls: int) -> call_counts.Grant:
        # Reset before the query: if its answer is lost, the calls may be returned already, and must not be again.
        to_return, meter.to_return = meter.to_return, 0

        async def take(attempt: Attempt) -> call_counts.Grant:
            if attempt.skip_locked:  # the call has waited for the lock of the count once, and has no time for more
                raise Unavailable
            async with self._database.company(meter.company.id, Lane.UPKEEP) as tx:
                return await call_counts.take(
                    tx,
                    meter.company.id,
                    calls,
                    per_second=None if self._alone else meter.company.per_second,
                    per_day=meter.company.per_day,
                    back=to_return,
                    back_day=meter.day,
                )

        return await retry(take)


def _limits(meter: Meter) -> tuple[int, int]:
    return meter.company.per_second, meter.company.per_day


def _serve(meter: Meter, callers: list[asyncio.Future[None]]) -> list[asyncio.Future[None]]:
    """Gives each caller a leased call, first come, first served. Returns the callers for whom no call is left."""
    for index, caller in enumerate(callers):
        if not caller.done():
            if not meter.leased:
                return callers[index:]
            meter.leased -= 1
            caller.set_result(None)
    return []


def _refuse(callers: list[asyncio.Future[None]], meter: Meter) -> None:
    now = monotonic_ns()
    for caller in callers:
        if not caller.done():
            caller.set_exception(meter.refusal(now))


def _seconds(nanoseconds: int) -> float:
    """Returns the seconds, rounded up to whole milliseconds, and at least 1 ms."""
    return max(1, -(-nanoseconds // 1_000_000)) / 1000


class WrongKeyLimit:
    """Delays answers to an IP address that keeps sending wrong credentials. A valid key is never delayed."""

    BURST = 20
    """The number of wrong credentials from an IP address that are answered at once."""
    PER_SECOND = 5.0
    """The number of wrong credentials per second that are answered at once after the burst."""
    DELAY = 1.0
    """Seconds by which an answer beyond the limit is delayed."""
    DELAYED_MAX = 500
    """The most answers that are delayed at a time, so that they do not fill the memory. Others are sent at once."""

    def __init__(self) -> None:
        self._limit = KeyedRateLimit(per_second=self.PER_SECOND, burst=self.BURST, count_refused=True)
        self._delayed = 0

    async def wrong_key(self, client: str) -> None:
        """Counts wrong credentials of a client (`HttpRequest.client`). Waits for DELAY if it is beyond the limit."""
        if self._limit.allows(client, monotonic_ns()) or self._delayed >= self.DELAYED_MAX:
            return
        self._delayed += 1
        try:
            await asyncio.sleep(self.DELAY)
        finally:
            self._delayed -= 1
