"""Pushes: their delay, their rate, and how much receivers that hang delay the others."""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from bench.rig import Client, Rig, encode
from springhead.store.companies import companies
from springhead.store.database.pool import Database

MEDIAN_MS_AT_MOST, P99_MS_AT_MOST = 20.0, 150.0
LEADS_AT_LEAST = 5_000
"""Changed leads per second, to one receiver."""

SLOWDOWN_AT_MOST = 2.0
"""Delay of a push while half of the receivers hang, divided by the delay while none does."""

UPDATES = 200
SECONDS = 8
COMPANIES, SUBSCRIPTIONS = 100, 10
"""Companies, and subscriptions per company. The receiver of every second subscription hangs."""

ARGUMENTS = ("--push-http", "--push-networks", "127.0.0.0/8")


class Delays(msgspec.Struct, frozen=True):
    """Milliseconds from the acknowledged update to the arrival at the receiver."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Delays":
        """Returns the delays of pushes, given in seconds."""
        ordered = sorted(seconds)
        return cls(statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99)] * 1000)


class Sustained(msgspec.Struct, frozen=True):
    """Changed leads per second that were pushed while they were written (`written`), and from a backlog (`drained`)."""

    written: float
    lag: float
    drained: float


class Figures(msgspec.Struct, frozen=True):
    """All figures of pushes."""

    idle: Delays
    sustained: Sustained
    normal: Delays
    beside_hanging: Delays
    hanging: int


class Receiver:
    """A process that receives pushes and reports when each arrived. Paths that start with /hang get no answer."""

    def __init__(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        self._pipe: Connection = ours
        self._process = multiprocessing.Process(target=_receive, args=(theirs,), daemon=True)
        self._process.start()
        self.port: int = ours.recv()
        self.arrivals: list[tuple[str, float, int]] = []
        """The path, the time and the number of changes of each push."""

    def url(self, path: str) -> str:
        """Returns the URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def more(self, seconds: float) -> bool:
        """Reads reported arrivals, and waits for one if there is none. Returns False if none came in time."""
        if not self._pipe.poll(seconds):
            return False
        while self._pipe.poll(0):
            self.arrivals.append(self._pipe.recv())
        return True

    def stop(self) -> None:
        """Stops the process."""
        self._process.terminate()
        self._process.join(10)


def _receive(pipe: Connection) -> None:
    async def answer_pushes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            arrival = time.monotonic()
            path = head.split(b" ", 2)[1].decode()
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            pipe.send((path, arrival, body.count(b'"sequence":')))
            if path.startswith("/hang"):
                await asyncio.sleep(3_600)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer_pushes, "127.0.0.1", 0, backlog=4_096)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def _receiver() -> Generator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.stop()


def measure(data: Path) -> Figures:
    """Measures pushes on a server of its own."""
    rig = Rig(data, *ARGUMENTS)
    try:
        with _receiver() as receiver:
            idle = _idle(rig, receiver)
            sustained = _sustained(rig, receiver)
        with _receiver() as receiver:
            clients = asyncio.run(_clients(rig))
            normal, beside_hanging, hanging = _beside_hanging_receivers(clients, receiver)
        return Figures(idle, sustained, normal, beside_hanging, hanging)
    finally:
        rig.stop()


def _idle(rig: Rig, receiver: Receiver) -> Delays:
    """Measures the delay of single updates on a server that does nothing else."""
    lead = rig.client.call("createLeads", objects=[{"emailAddress": "idle@example.com"}])[0]["id"]
    rig.client.call("createLeadSubscriptions", objects=[{"url": receiver.url("/idle")}])
    delays: list[float] = []
    for number in range(UPDATES):
        body = encode("updateLeads", objects=[{"id": lead, "title": f"T{number}"}])
        before = len(receiver.arrivals)
        rig.client.post(body)
        acknowledged = time.monotonic()
        while len(receiver.arrivals) == before:
            assert receiver.more(10), "no push came"
        delays.append(receiver.arrivals[-1][1] - acknowledged)
        time.sleep(0.03)
    return Delays.of(delays[10:])


def _sustained(rig: Rig, receiver: Receiver) -> Sustained:
    """Measures pushes while leads are updated, then pushes that waited for an active subscription."""
    ids = [
        lead["id"]
        for start in range(0, 5_000, 500)
        for lead in rig.client.call(
            "createLeads", objects=[{"emailAddress": f"s{start + number}@example.com"} for number in range(500)]
        )
    ]
    (subscription,) = rig.client.call("getLeadSubscriptions")
    while receiver.more(1):
        pass
    written, start_time = _write(rig, ids, "a", before=len(receiver.arrivals), receiver=receiver)
    acknowledged = time.monotonic()
    _wait(receiver, written)
    lag = receiver.arrivals[-1][1] - acknowledged
    rate = written / (acknowledged - start_time)
    rig.client.call("updateLeadSubscriptions", objects=[{"id": subscription["id"], "isActive": 0}])
    time.sleep(1)
    receiver.arrivals.clear()
    written, _ = _write(rig, ids, "b", before=0, receiver=receiver)
    start_time = time.monotonic()
    rig.client.call("updateLeadSubscriptions", objects=[{"id": subscription["id"], "isActive": 1}])
    _wait(receiver, written)
    drained = written / (receiver.arrivals[-1][1] - start_time)
    rig.client.call("deleteLeadSubscriptions", objects=[subscription["id"]])
    return Sustained(rate, lag, drained)


def _write(rig: Rig, ids: Sequence[int], mark: str, *, before: int, receiver: Receiver) -> tuple[int, float]:
    """Updates 500 leads ten times a second for SECONDS. Returns the number of updates, and the start time."""
    del receiver.arrivals[:before]
    start_time, calls = time.monotonic(), 0
    while calls < SECONDS * LEADS_AT_LEAST // 500:
        start = calls * 500 % len(ids)
        rig.client.post(
            encode(
                "updateLeads", objects=[{"id": lead, "title": f"{mark}{calls}"} for lead in ids[start : start + 500]]
            )
        )
        calls += 1
        time.sleep(max(0.0, start_time + calls * 500 / LEADS_AT_LEAST - time.monotonic()))
    return calls * 500, start_time


def _wait(receiver: Receiver, changes: int) -> None:
    while sum(count for _, _, count in receiver.arrivals) < changes:
        assert receiver.more(30), "pushes are missing"


async def _clients(rig: Rig) -> list[Client]:
    """Creates companies, and returns a client for each."""
    database = Database(pool_size=2, box=rig.box)
    await database.open(rig.dsn)
    clients: list[Client] = []
    for number in range(COMPANIES):
        company = await companies.create(
            database, name=f"C{number}", time_zone="UTC", administrator="admin@example.com"
        )
        async with database.everyone() as tx:
            _, secret = await companies.create_key(tx, company.id, label="bench")
        clients.append(Client(rig.ready["url"], company.account_id, secret))
    await database.close()
    return clients


def _beside_hanging_receivers(clients: Sequence[Client], receiver: Receiver) -> tuple[Delays, Delays, int]:
    """Measures one change in each company: while all receivers answer, then while half of them hang."""
    hanging: list[list[int]] = []
    for number, client in enumerate(clients):
        urls = [receiver.url(f"/{'hang' if index % 2 else 'well'}/{number}/{index}") for index in range(SUBSCRIPTIONS)]
        subscriptions = client.call("createLeadSubscriptions", objects=[{"url": url} for url in urls])
        hanging.append([subscription["id"] for index, subscription in enumerate(subscriptions) if index % 2])
        client.call(
            "updateLeadSubscriptions",
            objects=[{"id": subscription_id, "isActive": 0} for subscription_id in hanging[-1]],
        )
    _push_round(clients, receiver)
    normal = _push_round(clients, receiver)
    for client, ids in zip(clients, hanging, strict=True):
        client.call(
            "updateLeadSubscriptions", objects=[{"id": subscription_id, "isActive": 1} for subscription_id in ids]
        )
    while (
        hanging_now := sum(path.startswith("/hang") for path, _, _ in receiver.arrivals)
    ) < COMPANIES * SUBSCRIPTIONS // 2:
        assert receiver.more(10), "not all of these receivers hang"
    beside_hanging = _push_round(clients, receiver)
    return Delays.of(normal), Delays.of(beside_hanging), hanging_now


def _push_round(clients: Sequence[Client], receiver: Receiver) -> list[float]:
    """Makes one change in each company. Returns the delays of the pushes to receivers that answer."""
    delays: list[float] = []
    for number, client in enumerate(clients):
        receiver.more(0)
        before = len(receiver.arrivals)
        client.post(encode("createLeads", objects=[{"emailAddress": f"r{time.monotonic_ns()}@example.com"}]))
        acknowledged = time.monotonic()
        arrivals: list[float] = []
        while len(arrivals) < SUBSCRIPTIONS // 2:
            assert receiver.more(20), "pushes are missing"
            arrivals = [
                arrival for path, arrival, _ in receiver.arrivals[before:] if path.startswith(f"/well/{number}/")
            ]
        delays += [arrival - acknowledged for arrival in arrivals]
    return delays
