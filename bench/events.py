"""Page views over HTTP compared with the bare statement, and a timeline among many events."""

import json
import multiprocessing
import random
import socket
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import asyncpg
import msgspec

from bench.measure import Pair, paired
from bench.rig import Rig, encode
from springhead.model.kit.errors import Json
from springhead.store.capture import visitors
from springhead.store.capture.visitors import View
from springhead.store.database.pool import Tx

VIEWS_AT_LEAST = 5_000
"""Page views per second."""

GROWTH_AT_MOST = 1.5
"""Time of a timeline among many events, divided by the time among few."""

SECONDS = 10
CONNECTIONS, PIPELINED = 8, 25
FEW = 50_000
"""Events in the company at the first measurement of timelines."""

_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


class PageViews(msgspec.Struct, frozen=True):
    """The page views of a run, and the seconds that they took."""

    acknowledged: int
    seconds: float
    stored: int
    bare_seconds: float

    @property
    def rate(self) -> float:
        """Acknowledged page views per second."""
        return self.acknowledged / self.seconds

    @property
    def bare_rate(self) -> float:
        """Page views per second that the bare statement stores, 2,000 at a time."""
        return self.acknowledged / self.bare_seconds


async def page_views(rig: Rig, bare: asyncpg.Connection) -> PageViews:
    """Sends page views of 10,000 visitors for SECONDS, then counts the rows in the database."""
    (settings,) = rig.client.call("getCaptureSettings")
    count = "select count(*) from page_view where company_id = 1"
    before = await bare.fetchval(count)
    with multiprocessing.Pool(1) as pool:  # sends from another process: this one stays idle
        acknowledged, seconds = pool.apply(_send, (rig.ready["url"], settings["siteToken"]))
    end = time.monotonic() + 20
    while (stored := await bare.fetchval(count) - before) < acknowledged and time.monotonic() < end:
        time.sleep(0.1)  # noqa: ASYNC251 - nothing else runs here
    views = [_view(number) for number in range(acknowledged)]
    start_time = time.perf_counter()
    for start in range(0, acknowledged, 2_000):
        await visitors.write_views(Tx(bare), 1, views[start : start + 2_000])
    return PageViews(acknowledged, seconds, stored, time.perf_counter() - start_time)


def _view(number: int) -> View:
    url = f"https://www.example.com/products/{number % 500}"
    data: dict[str, Json] = {"url": url, "title": "A product", "referrer": "https://www.example.com/"}
    return View(tracking_id=f"bare{number % 10_000:020}", seen=time.time(), source="pageVisit", name=url, data=data)


def _send(url: str, site: str) -> tuple[int, float]:
    """Sends page views over a few connections, pipelined. Returns the number of answers 204, and the seconds."""
    address = urlsplit(url)
    connections = [socket.create_connection((address.hostname or "", address.port or 0)) for _ in range(CONNECTIONS)]
    bodies = [_request(site, number) for number in range(10_000)]
    acknowledged, number, start_time = 0, 0, time.monotonic()
    while time.monotonic() - start_time < SECONDS:
        for connection in connections:
            connection.sendall(b"".join(bodies[(number + offset) % len(bodies)] for offset in range(PIPELINED)))
            number += PIPELINED
        for connection in connections:
            received = b""
            while received.count(b"\r\n\r\n") < PIPELINED:
                received += connection.recv(1 << 16)
            acknowledged += received.count(b"HTTP/1.1 204")
    seconds = time.monotonic() - start_time
    for connection in connections:
        connection.close()
    return acknowledged, seconds


def _request(site: str, number: int) -> bytes:
    page = f"https://www.example.com/products/{number % 500}"
    report = {"site": site, "visitor": f"{number:024x}", "url": page, "title": "A product", "referrer": page}
    body = json.dumps(report).encode()
    return (
        f"POST /t HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {_AGENT}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def timelines(rig: Rig, bare: asyncpg.Connection, most: int, *, runs: int) -> dict[int, Pair]:
    """Compares the first page of getLeadTimeline with the bare query, with few and with many events."""
    pairs: dict[int, Pair] = {}
    rows = await bare.fetch("select id from lead where company_id = 1 order by id limit 20000")
    leads = [row["id"] for row in rows]
    filled = 0
    for size in (FEW, most):
        await _fill(bare, leads, size - filled)
        filled = size
        await rig.vacuum("event")
        rig.client.reconnect()
        sample = random.Random(size).sample(leads, min(500, len(leads)))
        pairs[size] = await _first_page(rig, bare, sample, runs=runs)
    return pairs


async def _fill(bare: asyncpg.Connection, leads: Sequence[int], events: int) -> None:
    """Adds page visits: ten at most for each of `leads`, and the rest for other leads."""
    for begin in range(0, events, 500_000):
        await bare.execute(
            """
            insert into event (company_id, lead_id, create_timestamp, event_name, event_source, what_type, event_data)
            select 1, case when $1::bigint + n < 10 * cardinality($3::bigint[])
                    then $3[1 + ($1 + n) % cardinality($3)] else 1000000 + ($1 + n) % 1000000 end,
                now() - make_interval(secs => $1 + n), 'https://www.example.com/', 'pageVisit', 'page',
                '{"url": "https://www.example.com/", "title": "A product"}'
            from generate_series(0, $2::bigint - 1) as n
            """,
            begin,
            min(500_000, events - begin),
            leads,
        )


async def _first_page(rig: Rig, bare: asyncpg.Connection, leads: Sequence[int], *, runs: int) -> Pair:
    query = """
        select id, lead_id, what_type, what_id, event_name, event_source, event_data::text, create_timestamp
        from event where company_id = 1 and lead_id = $1 order by create_timestamp, id limit 500
        """

    def ours(number: int) -> object:
        body = encode("getLeadTimeline", where={"whoID": leads[number % len(leads)]})
        return lambda: rig.client.post(body)

    def bare_read(number: int) -> object:
        return lambda: bare.fetch(query, leads[number % len(leads)])

    return await paired(ours, bare_read, runs=runs, block=20)  # pyright: ignore[reportArgumentType]
