"""The number of posts and the size of payloads in flight are bounded. No post waits while capacity is free."""

import asyncio

from springhead.delivery.capacity import (
    HOST_BURST,
    HOST_PER_SECOND,
    HOST_WAIT_SECONDS,
    Capacity,
    HostLimit,
)
from springhead.model.feed.receiver_addresses import Networks
from springhead.model.kit.rate_limits import SECOND
from springhead.store.feed import pushes


def test_no_more_posts_run_at_a_time_than_the_capacity_allows() -> None:
    async def run() -> int:
        capacity, now, most = Capacity(3, 100), 0, 0

        async def post() -> None:
            nonlocal now, most
            async with capacity.post():
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.001)
                now -= 1

        await asyncio.gather(*(post() for _ in range(20)))
        return most

    assert asyncio.run(run()) == 3


def test_bodies_wait_for_each_other_and_one_that_is_too_large_goes_alone() -> None:
    async def run() -> tuple[int, list[int]]:
        capacity, taken, most = Capacity(100, 100), 0, 0
        done: list[int] = []

        async def body(size: int) -> None:
            nonlocal taken, most
            async with capacity.body(size):
                taken += size
                most = max(most, taken if size <= 100 else 0)
                assert size <= 100 or taken == size
                await asyncio.sleep(0.001)
                taken -= size
                done.append(size)

        await asyncio.gather(*(body(size) for size in (60, 60, 40, 500, 30, 30, 100)))
        return most, sorted(done)

    assert asyncio.run(run()) == (100, [30, 30, 40, 60, 60, 100, 500])


def test_a_cancelled_post_releases_its_capacity() -> None:
    async def run() -> None:
        capacity = Capacity(1, 100)

        async def hang() -> None:
            async with capacity.post(), capacity.body(100):
                await asyncio.sleep(60)

        hanging = asyncio.create_task(hang())
        await asyncio.sleep(0.01)
        hanging.cancel()
        async with asyncio.timeout(1), capacity.post(), capacity.body(100):
            pass

    asyncio.run(run())


NETWORKS = Networks.of(["127.0.0.0/8"], http=True)


def test_posts_to_one_host_of_all_companies_together_are_spaced_and_beyond_ten_seconds_come_later() -> None:
    hosts, now = HostLimit(NETWORKS), 1_000 * SECOND
    urls = [f"https://hooks.example.com:{8_000 + number}/{number}" for number in range(1_000)]
    waits = [hosts.wait(url, now) for url in urls]
    most = HOST_BURST + HOST_PER_SECOND * HOST_WAIT_SECONDS
    assert waits[:HOST_BURST] == [0] * HOST_BURST
    assert waits[HOST_BURST] == SECOND // HOST_PER_SECOND
    assert waits[most - 1] == HOST_WAIT_SECONDS * SECOND
    assert waits[most:] == [None] * (1_000 - most)
    assert hosts.wait("https://HOOKS.example.com./x", now) is None
    assert hosts.wait("https://other.example.com/", now) == 0


def test_hosts_in_the_operators_own_networks_have_no_limit() -> None:
    hosts = HostLimit(NETWORKS)
    assert {hosts.wait("http://127.0.0.1:8080/", 0) for _ in range(1_000)} == {0}


def test_hosts_stay_far_below_the_time_of_a_lease() -> None:
    assert HOST_WAIT_SECONDS < pushes.LEASE / 4
