"""The change feed: its first and last page, and the delay of a call that waits for a change."""

import json
import statistics
import threading
import time

import asyncpg
import msgspec

from bench.measure import Pair, paired
from bench.rig import Client, Rig, encode

DEEP_PAGE_AT_MOST = 1.5
"""Time of the last page, divided by the time of the first."""

WAITS = 100


class Figures(msgspec.Struct, frozen=True):
    """Times of a page of 500 changes, of the last page and the first, and milliseconds of a waiting call."""

    changes: int
    page: Pair
    deep: Pair
    waited: float
    waited_longest: float


async def measure(rig: Rig, bare: asyncpg.Connection, *, runs: int) -> Figures:
    """Reads the first and the last page of the feed, and waits for changes."""
    while await bare.fetchval("select count(*) from change where company_id = 1 and first is null"):
        time.sleep(0.2)  # noqa: ASYNC251 - nothing else runs here
    await rig.vacuum("change")
    last = await bare.fetchval("select last from feed where company_id = 1")
    events = await bare.fetchval("select event_ids from change where company_id = 1 and first = 1")
    rig.client.reconnect()

    def read_from(cursor: int) -> object:
        body = encode("getLeadChanges", cursor=str(cursor), leads=0)
        return lambda _number: lambda: rig.client.post(body)

    query = """
        select id, lead_id, event_source, event_data::text, create_timestamp from event
        where company_id = 1 and id = any($1::bigint[]) order by id
        """
    bare_read = lambda _number: lambda: bare.fetch(query, events[:500])  # noqa: E731
    page = await paired(read_from(0), bare_read, runs=runs)  # pyright: ignore[reportArgumentType]
    deep = await paired(read_from(last - 500), read_from(0), runs=runs)  # pyright: ignore[reportArgumentType]
    lead_id = await bare.fetchval("select id from lead where company_id = 1 order by id limit 1")
    waits = _waits(rig, lead_id)
    return Figures(last, page, deep, statistics.median(waits), max(waits))


def _waits(rig: Rig, lead_id: int) -> list[float]:
    """Returns the milliseconds from the answer of an update to the answer of a call that waited for it."""
    reader = Client(rig.ready["url"], rig.ready["accountID"], rig.ready["secretKey"])
    start = json.loads(reader.post(encode("getLeadChanges", cursor="now")))["result"]["cursor"]
    answered: list[float] = []

    def follow() -> None:
        cursor = start
        for _ in range(WAITS):
            answer = json.loads(reader.post(encode("getLeadChanges", cursor=cursor, wait=20)))
            answered.append(time.perf_counter())
            cursor = answer["result"]["cursor"]

    thread = threading.Thread(target=follow)
    thread.start()
    waits: list[float] = []
    for number in range(WAITS):
        time.sleep(0.02)
        rig.client.post(encode("updateLeads", objects=[{"id": lead_id, "title": f"w{number}.{time.time_ns()}"}]))
        acknowledged = time.perf_counter()
        while len(answered) <= number:
            time.sleep(0.0005)
        waits.append((answered[number] - acknowledged) * 1000)
    thread.join()
    return waits
