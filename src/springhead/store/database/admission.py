"""Fair admission: decides which company gets the next database connection (docs/decisions/0031). Pure.

The caller passes the time in seconds, on a clock that never goes back.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum

ACCOUNTS_MAX = 10_000
"""How many companies are remembered. Beyond this, the company that was idle longest is forgotten."""

QUEUE_SECONDS = 5.0
"""A call is refused at its start if it would wait longer than this for a connection of its company's share."""

LOAD_SECONDS = 60.0
"""The time over which the load of a company is averaged."""

HEAVY_LOAD = 1.0
"""A company that has used more connections than this on average is heavy: its share of calls is smaller."""

CALLED_SECONDS = 10.0
"""The time for which a company counts as present after a call. Only among others does a heavy company have less."""

_NEWEST = 0.2
"""The weight of the newest work in the mean duration of a lane."""


class Lane(Enum):
    """A kind of work with connections of its own, so that long work does not delay short work of the same company.

    `CALLS` are ordinary calls, `LONG` searches and other long reads, `JOBS` the steps of background jobs that a call
    waits for. `UPKEEP` is what the server's own workers do for a company. It needs no share, since each worker does one
    thing at a time.
    """

    CALLS = "calls"
    LONG = "long"
    JOBS = "jobs"
    UPKEEP = "upkeep"


class Ticket:
    """A request for a connection. It is granted as soon as `granted_at` is set. Then `on_grant` is called."""

    __slots__ = ("company_id", "granted_at", "lane", "number", "on_grant")

    def __init__(self, number: int, company_id: int, lane: Lane) -> None:
        self.number = number
        self.company_id = company_id
        self.lane = lane
        self.granted_at: float | None = None
        self.on_grant: Callable[[], object] | None = None


class _Account:
    """A company: its work in seconds, its running and waiting tickets by lane, and the mean duration of each lane."""

    __slots__ = ("active", "company_id", "load", "load_at", "means", "queued", "running", "started", "used", "waiting")

    def __init__(self, company_id: int) -> None:
        self.company_id = company_id
        self.used = 0.0  # the seconds that decide the order; see Admission
        self.active = 0  # the number of running tickets
        self.queued = 0  # the number of waiting tickets
        self.started = 0.0  # the sum of the times at which the running tickets were granted
        self.running = dict.fromkeys(Lane, 0)
        self.waiting: dict[Lane, deque[Ticket]] = {lane: deque() for lane in Lane}
        self.means = dict.fromkeys(Lane, 0.0)
        self.load = 0.0
        self.load_at = 0.0

    def is_idle(self) -> bool:
        return not self.active and not self.queued

    def used_at(self, now: float) -> float:
        """Returns `used` with the time of the running tickets so far."""
        return self.used + self.active * now - self.started

    def load_now(self, now: float) -> float:
        """Returns the connections that the company has used on average. Older work counts less."""
        return self.load * math.exp((self.load_at - now) / LOAD_SECONDS)


class Admission:
    """Admits companies to `size` connections.

    - A company holds at most `shares` connections in each lane, however many are free. The other connections stay free
      for other companies, because a running statement cannot be interrupted. While other companies call, a heavy
      company has at most `heavy_share` for its calls.
    - Long work of all companies together holds at most a quarter of the connections.
    - An eighth of the connections is left to work that belongs to no company, such as checking keys.
    - The next connection goes to the company that has used the least connection time. Of several such companies, the
      oldest ticket wins. Tickets of one company and lane are granted in the order in which they came.
    - A company that was idle starts level with the companies that are being served: it neither saves up time nor pays
      for earlier work.
    """

    def __init__(self, size: int) -> None:
        self._free = slots = size - size // 8
        self._long_free = max(1, slots // 4)
        self.shares: Mapping[Lane, int] = {
            Lane.CALLS: max(min(2, slots), slots // 2),
            Lane.LONG: max(1, slots // 8),
            Lane.JOBS: max(1, slots // 8),
            Lane.UPKEEP: slots,
        }
        self.heavy_share = min(self.shares[Lane.CALLS], max(1, slots // 7))
        self._asked = 0
        self._last_call = (0, -math.inf)  # the company that called last, and the time
        self._call_before = (0, -math.inf)  # the same of the last call of another company
        self._level = 0.0  # `used` of the company that was served last
        self._accounts: OrderedDict[int, _Account] = OrderedDict()
        self._waiting: dict[int, _Account] = {}

    def ask(self, company_id: int, lane: Lane, now: float) -> Ticket:
        """Returns a ticket that is granted, or that waits. The caller must give it back with `leave` in both cases."""
        account = self._account(company_id)
        self._asked += 1
        ticket = Ticket(self._asked, company_id, lane)
        account.waiting[lane].append(ticket)
        account.queued += 1
        if self._waiting or not self._can_run(account, lane, now):
            self._waiting[company_id] = account
            self._grant_waiting(now)
        else:
            self._grant(account, lane, now)
        return ticket

    def leave(self, ticket: Ticket, now: float) -> None:
        """Ends the work of a granted ticket, or gives up a waiting one. Grants waiting tickets."""
        account, lane = self._accounts[ticket.company_id], ticket.lane
        if ticket.granted_at is None:
            account.waiting[lane].remove(ticket)
            account.queued -= 1
        else:
            seconds = now - ticket.granted_at
            self._free += 1
            self._long_free += lane is Lane.LONG
            account.running[lane] -= 1
            account.active -= 1
            account.started -= ticket.granted_at
            account.used += seconds
            account.means[lane] += (seconds - account.means[lane]) * _NEWEST
            account.load = account.load_now(now) + seconds / LOAD_SECONDS
            account.load_at = now
        if self._waiting:
            self._grant_waiting(now)

    def wait(self, company_id: int, lane: Lane, now: float) -> float:
        """Returns the seconds that a new ticket would wait for the earlier tickets of its company and lane, roughly."""
        account = self._accounts.get(company_id)
        if account is None:
            return 0.0
        share = self._share(account, lane, now)
        ahead = len(account.waiting[lane]) + account.running[lane] + 1 - share
        return max(0, ahead) * account.means[lane] / share

    def loads(self, now: float) -> Iterator[tuple[int, float]]:
        """Yields the companies with the connections that each has used on average, in the last minute or so."""
        for company_id, account in self._accounts.items():
            yield company_id, account.load_now(now)

    @property
    def waiting(self) -> int:
        """The number of tickets that wait."""
        return sum(account.queued for account in self._waiting.values())

    def _account(self, company_id: int) -> _Account:
        account = self._accounts.get(company_id)
        if account is None:
            if len(self._accounts) >= ACCOUNTS_MAX:
                self._forget_one()
            account = self._accounts[company_id] = _Account(company_id)
        if account.is_idle():
            account.used = max(account.used, self._level)
            self._accounts.move_to_end(company_id)
        return account

    def _forget_one(self) -> None:
        for company_id, account in self._accounts.items():  # busy companies are few, so this ends soon
            if account.is_idle():
                del self._accounts[company_id]
                return

    def _can_run(self, account: _Account, lane: Lane, now: float) -> bool:
        fits = lane is not Lane.LONG or self._long_free > 0
        return self._free > 0 and fits and account.running[lane] < self._share(account, lane, now)

    def _share(self, account: _Account, lane: Lane, now: float) -> int:
        if lane is Lane.CALLS and account.load_now(now) > HEAVY_LOAD:
            company_id, called_at = self._last_call
            others_called_at = self._call_before[1] if company_id == account.company_id else called_at
            if now - others_called_at < CALLED_SECONDS:
                return self.heavy_share
        return self.shares[lane]

    def _grant_waiting(self, now: float) -> None:
        """Grants waiting tickets until no further one can run, each time to the company that has used the least."""
        while self._free > 0:
            able = [
                (account.used_at(now), account.waiting[lane][0].number, company_id, lane)
                for company_id, account in self._waiting.items()
                for lane in Lane
                if account.waiting[lane] and self._can_run(account, lane, now)
            ]
            if not able:
                break
            _, _, company_id, lane = min(able, key=lambda entry: entry[:2])
            self._grant(self._waiting[company_id], lane, now)
        for company_id in [key for key, account in self._waiting.items() if not account.queued]:
            del self._waiting[company_id]

    def _grant(self, account: _Account, lane: Lane, now: float) -> None:
        ticket = account.waiting[lane].popleft()
        account.queued -= 1
        self._level = max(self._level, account.used_at(now))
        self._free -= 1
        self._long_free -= lane is Lane.LONG
        account.running[lane] += 1
        account.active += 1
        account.started += now
        ticket.granted_at = now
        if lane in {Lane.CALLS, Lane.LONG}:
            if self._last_call[0] != account.company_id:
                self._call_before = self._last_call
            self._last_call = (account.company_id, now)
        if ticket.on_grant:
            ticket.on_grant()
