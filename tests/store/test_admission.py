"""Fair admission of companies to connections: shares, the order of the queue, and what waits, without a clock (A63)."""

from time import monotonic

import pytest

from springhead.store.database import admission
from springhead.store.database.admission import Admission, Lane, Ticket
from springhead.store.database.pool import Database
from springhead.wire.metrics import Metrics

HOSTILE, NEIGHBOUR, THIRD = 1, 2, 3
CALLS, LONG, JOBS, UPKEEP = Lane


def granted(*tickets: Ticket) -> list[bool]:
    return [ticket.granted_at is not None for ticket in tickets]


def ask(queue: Admission, company: int, count: int, lane: Lane = CALLS, now: float = 0.0) -> list[Ticket]:
    return [queue.ask(company, lane, now) for _ in range(count)]


def test_company_holds_half_of_the_connections_at_most_however_many_are_free() -> None:
    queue = Admission(16)  # two are left to work of no company
    tickets = ask(queue, HOSTILE, 20)
    assert granted(*tickets) == [True] * 7 + [False] * 13
    assert granted(*ask(queue, NEIGHBOUR, 7)) == [True] * 7


def test_searches_and_long_reads_have_a_connection_of_their_own_and_wait_for_it() -> None:
    queue = Admission(16)
    searches = ask(queue, HOSTILE, 3, LONG)
    assert granted(*searches) == [True, False, False]
    assert granted(*ask(queue, HOSTILE, 7)) == [True] * 7  # its ordinary calls do not wait for its searches
    assert granted(*ask(queue, HOSTILE, 2, JOBS)) == [True, False]
    queue.leave(searches[0], 3.0)
    assert granted(*searches) == [True, True, False]


def test_long_work_of_all_companies_leaves_connections_for_calls() -> None:
    queue = Admission(16)
    searches = [queue.ask(company, LONG, 0.0) for company in range(1, 7)]
    assert granted(*searches) == [True] * 3 + [False] * 3
    assert granted(*ask(queue, NEIGHBOUR, 7)) == [True] * 7


@pytest.mark.parametrize(("size", "share"), [(1, 1), (2, 2), (4, 2), (8, 3), (64, 28)])
def test_share_grows_with_the_pool(size: int, share: int) -> None:
    queue = Admission(size)
    assert sum(granted(*ask(queue, HOSTILE, size))) == share
    assert queue.shares[LONG] == max(1, size // 9)


def test_next_connection_goes_to_the_company_that_has_used_the_least_time() -> None:
    queue = Admission(1)
    running = queue.ask(HOSTILE, CALLS, 0.0)
    third, hostile, neighbour = (queue.ask(company, CALLS, 0.0) for company in (THIRD, HOSTILE, NEIGHBOUR))
    queue.leave(running, 5.0)  # the hostile company has used five seconds
    assert granted(third, hostile, neighbour) == [True, False, False]
    queue.leave(third, 6.0)
    assert granted(hostile, neighbour) == [False, True]
    third = queue.ask(THIRD, CALLS, 6.0)
    queue.leave(neighbour, 9.0)  # the third company has used one second since, the hostile one five
    assert granted(third, hostile) == [True, False]
    queue.leave(third, 20.0)
    assert granted(hostile) == [True]


def test_calls_of_a_company_are_granted_in_order_and_gaps_close() -> None:
    queue = Admission(1)
    running, *waiting = ask(queue, HOSTILE, 4)
    queue.leave(waiting[1], 1.0)  # its client has gone
    queue.leave(running, 2.0)
    assert granted(*waiting) == [True, False, False]
    queue.leave(waiting[0], 3.0)
    assert granted(*waiting) == [True, False, True]
    assert queue.waiting == 0


def test_waiting_ticket_is_told_when_it_is_granted() -> None:
    queue = Admission(1)
    running, waiting = ask(queue, HOSTILE, 2)
    told: list[bool] = []
    waiting.on_grant = lambda: told.append(True)
    queue.leave(running, 1.0)
    assert told == [True]


def test_idle_company_neither_saves_up_time_nor_pays_for_earlier_work() -> None:
    queue = Admission(1)
    for second in range(100):  # alone, it uses everything
        queue.leave(queue.ask(HOSTILE, CALLS, second), second + 1)
    running = queue.ask(THIRD, CALLS, 200.0)  # new, and level with the hostile company
    order: list[int] = []
    waiting = [*ask(queue, HOSTILE, 3, now=200.0), *ask(queue, NEIGHBOUR, 3, now=200.0)]
    for ticket in waiting:
        ticket.on_grant = lambda ticket=ticket: order.append(ticket.company_id)
    now = 201.0
    queue.leave(running, now)
    while len(order) < len(waiting):
        current = next(ticket for ticket in waiting if ticket.granted_at == now)
        now += 1
        queue.leave(current, now)
    assert order in ([HOSTILE, NEIGHBOUR] * 3, [NEIGHBOUR, HOSTILE] * 3)


def test_wait_grows_with_the_work_ahead_and_only_for_the_company_and_lane() -> None:
    queue = Admission(16)
    queue.leave(queue.ask(HOSTILE, LONG, 0.0), 15.0)  # the mean becomes 3 s: a fifth of the first search
    assert queue.wait(HOSTILE, LONG, 15.0) == 0
    ask(queue, HOSTILE, 3, LONG, now=15.0)
    assert queue.wait(HOSTILE, LONG, 15.0) == pytest.approx(9.0)  # pyright: ignore[reportUnknownMemberType]
    assert queue.wait(HOSTILE, CALLS, 15.0) == 0
    assert queue.wait(NEIGHBOUR, LONG, 15.0) == 0


def test_heavy_company_runs_fewer_calls_while_other_companies_call() -> None:
    queue = Admission(16)
    for second in range(0, 200, 2):  # four connections all the time
        for ticket in ask(queue, HOSTILE, 4, now=second):
            queue.leave(ticket, second + 2.0)
    alone = ask(queue, HOSTILE, 10, now=200.0)
    assert sum(granted(*alone)) == 7
    for ticket in alone:
        queue.leave(ticket, 200.0)
    queue.leave(queue.ask(NEIGHBOUR, CALLS, 201.0), 201.0)
    tickets = ask(queue, HOSTILE, 10, now=201.0)
    assert sum(granted(*tickets)) == queue.heavy_share == 2
    assert granted(*ask(queue, NEIGHBOUR, 7, now=201.0)) == [True] * 7
    assert granted(*ask(queue, HOSTILE, 1, LONG, now=201.0)) == [True]
    assert queue.wait(HOSTILE, CALLS, 201.0) > queue.wait(HOSTILE, CALLS, 220.0) > 0


def test_load_is_the_number_of_connections_used_on_average() -> None:
    queue = Admission(16)
    for second in range(600):
        for ticket in ask(queue, HOSTILE, 2, now=second):
            queue.leave(ticket, second + 1.0)
    ((company, load),) = queue.loads(600.0)
    assert company == HOSTILE
    assert load == pytest.approx(2.0, rel=0.02)  # pyright: ignore[reportUnknownMemberType]
    assert dict(queue.loads(6_000.0))[HOSTILE] < 0.01


def test_accounts_are_bounded_and_busy_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ACCOUNTS_MAX", 10)
    queue = Admission(16)
    busy = queue.ask(1_000, CALLS, 0.0)
    for company in range(100):
        queue.leave(queue.ask(company, CALLS, 0.0), 0.0)
    companies = {company for company, _ in queue.loads(0.0)}
    assert len(companies) == 10
    assert 1_000 in companies
    queue.leave(busy, 1.0)
    assert queue.waiting == 0
    assert UPKEEP in queue.shares


def test_metrics_name_the_ten_companies_that_use_the_most_and_no_others() -> None:
    database = Database(pool_size=16)
    now = monotonic()
    for company in range(1, 51):
        database.admission.leave(database.admission.ask(company, CALLS, now - company), now)
    metrics = Metrics(database, page_views=dict, pushes=dict, refusals={}, jobs=dict, failures={})
    lines = [
        line for line in metrics.text().decode().splitlines() if line.startswith("springhead_company_connections{")
    ]
    assert sorted(line.split('"')[1] for line in lines) == sorted(str(company) for company in range(41, 51))
