"""The limits on calls: 10 a second and 50,000 a day for a company, unless set otherwise (docs/wire/limits.md)."""

import asyncio
import contextlib
from collections.abc import Iterable
from datetime import date
from time import monotonic_ns

from springhead.model.companies.companies import Company
from springhead.model.kit.errors import ApiError, DailyLimit, SecondLimit, Unavailable
from springhead.store.companies import call_counts
from springhead.store.database.pool import Database, TryAgain

SECOND = 1_000_000_000
KEPT = 10_000
"""Companies to remember; more only while more than that call within one second."""
RECHECK = SECOND
"""How long "no more calls today" is believed before the database is asked again."""
CLOSING = 5.0
"""Seconds to give unused calls back in when the server stops."""


class Meter:
    """What this process knows of one company's calls. Times are nanoseconds of the monotonic clock."""

    __slots__ = (
        "asking",
        "back",
        "company",
        "day",
        "day_ends",
        "exhausted",
        "free_at",
        "interval",
        "leased",
        "leased_until",
        "low",
        "next",
        "refused_until",
        "slice",
        "tolerance",
        "waiting",
    )

    def __init__(self, company: Company) -> None:
        self.company = company
        self.next = 0  # GCRA's theoretical arrival time of the next call
        self.leased = 0  # calls that the database has counted and that are still to be made
        self.leased_until = 0
        self.back = 0  # calls to give back with the next question
        self.day: date | None = None  # of the calls leased and to give back
        self.day_ends = 0
        self.refused_until = 0  # no call is let in before, and the database is not asked
        self.free_at = 0  # the database lets in a call that comes then
        self.exhausted = False  # by the day, not by the second
        self.waiting: list[asyncio.Future[None]] = []
        self.asking: asyncio.Task[None] | None = None
        self.interval = self.tolerance = self.slice = self.low = 0

    def give_back(self) -> None:
        """Leave the leased calls unmade."""
        self.back += self.leased
        self.leased = 0

    def idle(self, now: int) -> bool:
        """Whether a new meter would be as strict as this one."""
        return self.asking is None and self.next <= now and self.refused_until <= now

    def refusal(self, now: int) -> ApiError:
        """Why the next call is refused, and when to try again."""
        wait = self.free_at - now
        if self.exhausted:
            return DailyLimit({"retryAfter": max(1, -(-wait // SECOND))})
        return SecondLimit({"retryAfter": _seconds(wait)})


class Limits:
    """Counts the calls of every company, and refuses those beyond its limits.

    `alone`: no other server process uses the database. Then the calls of a second are counted in memory,
    and those of the day are leased from the database, at most a 250th of them at a time, which is what a
    kill -9 can lose. Otherwise the database counts both, by its own clock, and concurrent calls of
    a company ask it together. That is exact at less than 100 calls a second; from there on every process
    takes a twentieth of a second's calls at a time, and leaves what it has not used after a second.

    No clock but the database's says when a day ends, and a clock that is set back gives no calls away.
    """

    def __init__(self, database: Database, *, alone: bool, enabled: bool = True) -> None:
        self._database = database
        self._alone = alone
        self._enabled = enabled
        self._meters: dict[int, Meter] = {}
        self._returning: set[asyncio.Task[None]] = set()

    async def spend(self, company: Company) -> None:
        """Count one call of the company.

        Raises SecondLimit or DailyLimit, with `data.retryAfter` in seconds, for a call that is too many,
        which is then not counted; Unavailable when the database is needed and cannot count.
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
            ahead = meter.next - now
            if ahead > meter.tolerance:
                raise SecondLimit({"retryAfter": _seconds(ahead - meter.tolerance)})
            meter.next = (meter.next if ahead > 0 else now) + meter.interval
        if meter.leased and now < meter.leased_until:
            meter.leased -= 1
            if meter.leased == meter.low and meter.asking is None:
                self._ask(meter)  # so that nobody has to wait
            return
        try:
            await self._granted(meter)
        except BaseException:
            meter.next -= meter.interval
            raise

    async def close(self) -> None:
        """Give the calls back that were leased and not made; nothing may be spent afterwards."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self._settle()

    async def _settle(self) -> None:
        asking = [meter.asking for meter in self._meters.values() if meter.asking]
        await asyncio.gather(*asking, *self._returning, return_exceptions=True)
        unused = iter([meter for meter in self._meters.values() if meter.leased or meter.back])
        self._meters.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(self._return(unused))

    def _meter(self, company: Company) -> Meter:
        """The company's meter, set to its limits as they are now."""
        meter = self._meters.get(company.id)
        if meter is None:
            self._forget()
            meter = self._meters[company.id] = Meter(company)
        elif (company.per_second, company.per_day) != _limits(meter):
            meter.give_back()
            meter.refused_until = 0
        meter.company = company
        meter.interval = call_counts.interval_of(company.per_second, SECOND)
        meter.tolerance = meter.interval * (company.per_second - 1)
        if self._alone:
            meter.slice = max(1, company.per_day // 250)
            meter.low = meter.slice // 5 or -1
        else:
            meter.slice = company.per_second // 20 if company.per_second >= 100 else 1
            meter.low = -1
        return meter

    def _forget(self) -> None:
        """Make room: of the two meters looked at longest ago, forget those that limit nothing just now."""
        for _ in range(2 if len(self._meters) >= KEPT else 0):
            key = next(iter(self._meters))
            meter = self._meters.pop(key)
            if not meter.idle(monotonic_ns()):
                self._meters[key] = meter
            elif meter.leased or meter.back:
                task = asyncio.ensure_future(self._return(iter([meter])))
                self._returning.add(task)
                task.add_done_callback(self._returning.discard)

    async def _return(self, meters: Iterable[Meter]) -> None:
        for meter in meters:
            meter.give_back()
            try:
                await self._take(meter, 0)
            except Unavailable:
                return  # a slice is lost, which the limits allow for

    async def _granted(self, meter: Meter) -> None:
        """Wait until the database has granted a call."""
        future = asyncio.get_running_loop().create_future()
        meter.waiting.append(future)
        if meter.asking is None:
            self._ask(meter)
        await future

    def _ask(self, meter: Meter) -> None:
        # A task of its own: the caller that begins it may be cancelled while others wait for the answer too.
        meter.asking = asyncio.ensure_future(self._answer(meter))

    async def _answer(self, meter: Meter) -> None:
        """Lease calls until nobody waits for one."""
        callers: list[asyncio.Future[None]] = []
        try:
            while True:
                callers = [caller for caller in meter.waiting if not caller.done()]
                meter.waiting = []
                if await self._lease(meter, len(callers)):
                    callers = _served(meter, callers)
                    _fail(callers, meter)
                else:  # the limits were changed meanwhile: ask again
                    meter.waiting = callers + meter.waiting
                callers = []
                meter.waiting = _served(meter, meter.waiting)
                if not meter.waiting:
                    return
        except Exception as cause:
            for caller in callers + meter.waiting:
                if not caller.done():
                    caller.set_exception(cause)
            meter.waiting = []
            if not isinstance(cause, ApiError):
                raise
        finally:
            meter.asking = None

    async def _lease(self, meter: Meter, callers: int) -> bool:
        """Ask for the calls that are waited for, and some more; False when the limits changed meanwhile."""
        sent = monotonic_ns()
        if sent >= meter.leased_until:
            meter.give_back()
        asked = _limits(meter)
        calls = max(callers, meter.slice - meter.leased)
        grant = await self._take(meter, calls)
        received = monotonic_ns()
        if grant.day != meter.day:
            meter.leased = meter.back = 0  # of a day that is over
        meter.day = grant.day
        meter.day_ends = sent + grant.day_left_us * 1000
        meter.leased += grant.granted
        meter.leased_until = meter.day_ends if self._alone else min(meter.day_ends, sent + SECOND)
        if asked != _limits(meter):
            meter.give_back()
            return False
        if grant.granted < callers:
            # The database read its clock after `sent` and before `received`. A lease ends early, counted from
            # `sent`; a wait ends late, counted from `received`, so that a caller who waits is let in.
            meter.exhausted = grant.used >= asked[1]
            if meter.exhausted:
                meter.free_at = received + grant.day_left_us * 1000
                meter.refused_until = min(meter.day_ends, sent + RECHECK)
            else:
                meter.free_at = meter.refused_until = received + grant.wait_us(asked[0]) * 1000
        return True

    async def _take(self, meter: Meter, calls: int) -> call_counts.Grant:
        # What is given back is gone at once: when the answer is lost, nobody knows whether it was counted.
        back, meter.back = meter.back, 0
        for last in (False, False, True):
            try:
                async with self._database.company(meter.company.id) as tx:
                    return await call_counts.take(
                        tx,
                        meter.company.id,
                        calls,
                        per_second=None if self._alone else meter.company.per_second,
                        per_day=meter.company.per_day,
                        back=back,
                        back_day=meter.day,
                    )
            except TryAgain as cause:
                if last:
                    raise Unavailable from cause
        raise AssertionError


def _limits(meter: Meter) -> tuple[int, int]:
    return meter.company.per_second, meter.company.per_day


def _served(meter: Meter, callers: list[asyncio.Future[None]]) -> list[asyncio.Future[None]]:
    """Give each caller a leased call, in the order of their coming; those that are left over."""
    for index, caller in enumerate(callers):
        if not caller.done():
            if not meter.leased:
                return callers[index:]
            meter.leased -= 1
            caller.set_result(None)
    return []


def _fail(callers: list[asyncio.Future[None]], meter: Meter) -> None:
    now = monotonic_ns()
    for caller in callers:
        if not caller.done():
            caller.set_exception(meter.refusal(now))


def _seconds(nanoseconds: int) -> float:
    """Seconds, rounded up to a thousandth, and at least one of them."""
    return max(1, -(-nanoseconds // 1_000_000)) / 1000
