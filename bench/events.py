"""What comes in and what happened: page views over HTTP against the bare statement, a timeline among many events."""

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

VIEWS_LEAST = 5_000
"""Page views a second."""

GROWTH = 1.5
SECONDS = 10
CONNECTIONS, PIPELINED = 8, 25
FEW = 50_000
"""Events of the small company that a timeline is measured in first."""

_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


class Taken(msgspec.Struct, frozen=True):
    """What became of the page views of a run."""

    acknowledged: int
    seconds: float
    stored: int
    bare_seconds: float

    @property
    def rate(self) -> float:
        """Acknowledged page views a second."""
        return self.acknowledged / self.seconds

    @property
    def bare_rate(self) -> float:
        """Page views a second that the bare statement stores, 2,000 at a time."""
        return self.acknowledged / self.bare_seconds


async def page_views(rig: Rig, bare: asyncpg.Connection) -> Taken:
    """Send page views of 10,000 visitors for some seconds, then count what is in the database."""
    (settings,) = rig.client.call("getCaptureSettings")
    count = "select count(*) from page_view where company_id = 1"
    before = await bare.fetchval(count)
    with multiprocessing.Pool(1) as pool:  # a process of its own: what sends must not share Python's one thread
        acknowledged, seconds = pool.apply(_send, (rig.ready["url"], settings["siteToken"]))
    end = time.monotonic() + 20
    while (stored := await bare.fetchval(count) - before) < acknowledged and time.monotonic() < end:
        time.sleep(0.1)  # noqa: ASYNC251 - nothing else runs here
    views = [_view(number) for number in range(acknowledged)]
    begun = time.perf_counter()
    for at in range(0, acknowledged, 2_000):
        await visitors.write_views(Tx(bare), 1, views[at : at + 2_000])
    return Taken(acknowledged, seconds, stored, time.perf_counter() - begun)


def _view(number: int) -> View:
    url = f"https://www.example.com/products/{number % 500}"
    data: dict[str, Json] = {"url": url, "title": "A product", "referrer": "https://www.example.com/"}
    return View(tracking_id=f"bare{number % 10_000:020}", seen=time.time(), source="pageVisit", name=url, data=data)


def _send(url: str, site: str) -> tuple[int, float]:
    """Page views over a few connections, many in flight on each; how many were answered 204, in how many seconds."""
    address = urlsplit(url)
    connections = [socket.create_connection((address.hostname or "", address.port or 0)) for _ in range(CONNECTIONS)]
    bodies = [_request(site, number) for number in range(10_000)]
    acknowledged, number, begun = 0, 0, time.monotonic()
    while time.monotonic() - begun < SECONDS:
        for connection in connections:
            connection.sendall(b"".join(bodies[(number + at) % len(bodies)] for at in range(PIPELINED)))
            number += PIPELINED
        for connection in connections:
            received = b""
            while received.count(b"\r\n\r\n") < PIPELINED:
                received += connection.recv(1 << 16)
            acknowledged += received.count(b"HTTP/1.1 204")
    seconds = time.monotonic() - begun
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
    """The first page of getLeadTimeline, against the bare query, with few events in the company and with many."""
    found: dict[int, Pair] = {}
    rows = await bare.fetch("select id from lead where company_id = 1 order by id limit 20000")
    leads = [row["id"] for row in rows]
    filled = 0
    for size in (FEW, most):
        await _fill(bare, leads, size - filled)
        filled = size
        await bare.execute("vacuum analyze event")
        rig.client.reconnect()
        asked = random.Random(size).sample(leads, min(500, len(leads)))
        found[size] = await _first_page(rig, bare, asked, runs=runs)
    return found


async def _fill(bare: asyncpg.Connection, leads: Sequence[int], events: int) -> None:
    """Page visits of leads, ten at most of each of `leads` and the rest of leads that are not asked for."""
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

    def straight(number: int) -> object:
        return lambda: bare.fetch(query, leads[number % len(leads)])

    return await paired(ours, straight, runs=runs, block=20)  # pyright: ignore[reportArgumentType]
