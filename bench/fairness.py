"""A company's getLead while another company does everything at once that costs the server much."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from bench.rig import Client, Rig, encode
from springhead.store.companies import companies
from springhead.store.database.pool import Database

P95_MS_AT_MOST = 50.0
P99_MS_AT_MOST = 250.0
"""Milliseconds of a getLead beside the hostile company."""

SECONDS = 30.0
PAUSE = 0.1
"""Seconds between two calls: the vendor's limit of 10 calls a second."""


class Times(msgspec.Struct, frozen=True):
    """Milliseconds of a getLead: the median, and the time within which 95 and 99 of 100 calls were answered.

    `failed` counts the calls that were refused.
    """

    median: float
    p95: float
    p99: float
    failed: int


class Figures(msgspec.Struct, frozen=True):
    """Times of a company alone and beside a hostile one, and how often the hostile company got each error code."""

    alone: Times
    beside: Times
    hostile: str


def measure(data: Path) -> Figures:
    """Measures the getLead of a company alone, and while another company costs the server as much as it can."""
    rig = Rig(data, limits=True)
    try:
        neighbour = asyncio.run(_new_company(rig))
        lead_id = neighbour.call("createLeads", objects=[{"emailAddress": "ann@example.com"}])[0]["id"]
        body = encode("getLead", id=lead_id)
        alone = _getting(neighbour, body, SECONDS / 3)
        command = [
            sys.executable,
            "-m",
            "bench.hostile",
            *(rig.ready[name] for name in ("url", "accountID", "secretKey")),
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hostile:
            assert hostile.stdin is not None
            assert hostile.stdout is not None
            hostile.stdout.readline()  # the hostile company is filled, and its calls begin
            neighbour.reconnect()
            beside = _getting(neighbour, body, SECONDS)
            hostile.stdin.close()
            return Figures(alone, beside, hostile.stdout.read().strip())
    finally:
        rig.stop()


async def _new_company(rig: Rig) -> Client:
    database = Database(pool_size=1, box=rig.box)
    await database.open(rig.dsn)
    company = await companies.create(database, name="Neighbour", time_zone="UTC", administrator="boss@example.com")
    async with database.everyone() as tx:
        _, secret = await companies.create_key(tx, company.id, label="bench")
    await database.close()
    return Client(rig.ready["url"], company.account_id, secret)


def _getting(client: Client, body: bytes, seconds: float) -> Times:
    times: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        failed += json.loads(client.post(body))["error"] is not None
        times.append((time.perf_counter() - start) * 1000)
        time.sleep(max(0.0, start + PAUSE - time.perf_counter()))
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return Times(statistics.median(times), cuts[94], cuts[98], failed)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="springhead-bench-") as folder:
        print(measure(Path(folder) / "data"))
