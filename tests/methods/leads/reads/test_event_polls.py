"""A program that polls getEvents from the last second that it saw gets every event exactly once."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import asyncpg

from support import Company, sql


def _page(company: Company, second: str) -> list[dict[str, str]]:
    """All events of later seconds: pages until one is empty."""
    events: list[dict[str, str]] = []
    while page := company.call("getEvents", where={"createTimestamp": second}, limit=50, offset=len(events)):
        events += page
    return events


def test_an_event_of_the_second_that_was_sent_is_not_returned_again(company: Company) -> None:
    (lead,) = company.create({})
    sql(
        company.dsn,
        "update event set create_timestamp = '2020-01-01 10:00:00.999999+00' where company_id = $1",
        company.id,
        company_id=company.id,
    )
    utc = company.at("v1.2")

    for second, number in (("2020-01-01 09:59:59", 1), ("2020-01-01 10:00:00", 0), ("2020-01-01 10:00:01", 0)):
        assert len(utc.call("getEvents", where={"createTimestamp": second})) == number
        assert len(utc.call("getLeadTimeline", where={"whoID": lead, "createTimestamp": second})) == number
        params = {"eventSource": "leadCreation", "createTimestamp": second}
        assert len(utc.call("getEventsByType", **params)) == number


def test_without_the_filter_an_event_shows_at_once(company: Company) -> None:
    (lead,) = company.create({})

    assert len(company.call("getLeadTimeline", where={"whoID": lead})) == 1
    assert len(company.call("getEvents", where={})) == 1


def test_events_of_the_second_of_an_open_write_wait_for_its_end(company: Company) -> None:
    company.create({}, {})
    second = "2000-01-01 00:00:00"

    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(company.dsn))
        transaction = connection.transaction()
        _complete(company)
        assert len(_page(company, second)) == 2
        runner.run(transaction.start())
        runner.run(connection.fetchval("select now()"))
        company.create({})
        _complete(company)
        assert len(_page(company, second)) == 2
        runner.run(transaction.rollback())
        runner.run(connection.close())

    assert len(_page(company, second)) == 3


async def _slow_writes(company: Company, lead: int, number: int) -> None:
    """Writes events in transactions that stay open for more than a second after they began."""
    connection = await asyncpg.connect(company.dsn)
    await connection.execute("select set_config('app.company_id', $1, false)", str(company.id))
    for _ in range(number):
        async with connection.transaction():
            await connection.fetchval("select now()")
            await asyncio.sleep(1.3)
            await connection.execute(
                "insert into event (company_id, lead_id, create_timestamp, event_source, event_name)"
                " values ($1, $2, now(), 'leadUpdate', 'Slow')",
                company.id,
                lead,
            )
    await connection.close()


def test_a_poll_through_a_storm_of_writes_gets_every_event_once(company: Company) -> None:
    (lead,) = company.create({})
    other = company.at("v1")

    def quick_writes() -> None:
        for number in range(200):
            other.call("updateLeads", objects=[{"id": lead, "city": f"City {number}"}])

    def slow_writes() -> None:
        asyncio.run(_slow_writes(company, lead, 3))

    seen: list[dict[str, str]] = []
    with ThreadPoolExecutor(3) as threads:
        writes: list[Future[None]] = [threads.submit(quick_writes), *(threads.submit(slow_writes) for _ in range(2))]
        ended = False
        second = "2000-01-01 00:00:00"
        while True:
            last_round = ended
            if last_round:
                _complete(company)
            page = _page(company, second)
            seen += page
            second = page[-1]["createTimestamp"] if page else second
            if last_round:
                break
            ended = all(write.done() for write in writes)
    for write in writes:
        write.result()

    expected = {
        row["id"]
        for row in sql(
            company.dsn, "select id::text from event where company_id = $1", company.id, company_id=company.id
        )
    }
    assert len(expected) == 1 + 200 + 6
    assert sorted(event["id"] for event in seen) == sorted(expected)


def _complete(company: Company) -> None:
    """Waits until the second of the last event is complete."""
    sql(company.dsn, "select pg_sleep(2.5)")
