"""Pushes: how soon they arrive, how many a second, and what receivers that hang cost the others."""

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

MEDIAN_MS, P99_MS = 20.0, 150.0
LEADS_LEAST = 5_000
"""Changed leads a second, to one receiver."""

DELAYED = 2.0
"""How many times as long a push may take while half of the receivers hang."""

UPDATES = 200
SECONDS = 8
COMPANIES, EACH = 100, 10
"""Companies, and subscriptions of each, of which every other one hangs."""

ARGUMENTS = ("--push-http", "--push-networks", "127.0.0.0/8")


class Delays(msgspec.Struct, frozen=True):
    """From the acknowledged update to the receiver's socket, in milliseconds."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Delays":
        """Those of many pushes."""
        ordered = sorted(seconds)
        return cls(statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.99)] * 1000)


class Sustained(msgspec.Struct, frozen=True):
    """Changes of leads that came while they were written, and those that waited when they were let go."""

    written: float
    lag: float
    drained: float


class Found(msgspec.Struct, frozen=True):
    """Everything that is measured."""

    idle: Delays
    sustained: Sustained
    alone: Delays
    beside: Delays
    hanging: int


class Receiver:
    """A process of its own that takes pushes and says when each came; paths that begin with /hang get no answer."""

    def __init__(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        self._pipe: Connection = ours
        self._process = multiprocessing.Process(target=_receive, args=(theirs,), daemon=True)
        self._process.start()
        self.port: int = ours.recv()
        self.came: list[tuple[str, float, int]] = []
        """The path, the moment and the number of changes of each push."""

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def more(self, seconds: float) -> bool:
        """Take what has come, and wait for it if there is nothing; False when nothing came in time."""
        if not self._pipe.poll(seconds):
            return False
        while self._pipe.poll(0):
            self.came.append(self._pipe.recv())
        return True

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.join(10)


def _receive(pipe: Connection) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            at = time.monotonic()
            path = head.split(b" ", 2)[1].decode()
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            pipe.send((path, at, body.count(b'"sequence":')))
            if path.startswith("/hang"):
                await asyncio.sleep(3_600)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=4_096)
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


def measure(data: Path) -> Found:
    """All of it, on a server of its own."""
    rig = Rig(data, *ARGUMENTS)
    try:
        with _receiver() as receiver:
            idle = _idle(rig, receiver)
            sustained = _sustained(rig, receiver)
        with _receiver() as receiver:
            clients = asyncio.run(_clients(rig))
            alone, beside, hanging = _beside_those_that_hang(clients, receiver)
        return Found(idle, sustained, alone, beside, hanging)
    finally:
        rig.stop()


def _idle(rig: Rig, receiver: Receiver) -> Delays:
    """One update after the other on a server that does nothing else."""
    lead = rig.client.call("createLeads", objects=[{"emailAddress": "idle@example.com"}])[0]["id"]
    rig.client.call("createLeadSubscriptions", objects=[{"url": receiver.url("/idle")}])
    delays: list[float] = []
    for number in range(UPDATES):
        body = encode("updateLeads", objects=[{"id": lead, "title": f"T{number}"}])
        before = len(receiver.came)
        rig.client.post(body)
        acknowledged = time.monotonic()
        while len(receiver.came) == before:
            assert receiver.more(10), "no push came"
        delays.append(receiver.came[-1][1] - acknowledged)
        time.sleep(0.03)
    return Delays.of(delays[10:])


def _sustained(rig: Rig, receiver: Receiver) -> Sustained:
    """500 leads ten times a second; then the same again, let go at once."""
    ids = [
        one["id"]
        for at in range(0, 5_000, 500)
        for one in rig.client.call(
            "createLeads", objects=[{"emailAddress": f"s{at + n}@example.com"} for n in range(500)]
        )
    ]
    (subscription,) = rig.client.call("getLeadSubscriptions")
    while receiver.more(1):
        pass
    written, begun = _write(rig, ids, "a", before=len(receiver.came), receiver=receiver)
    acknowledged = time.monotonic()
    _wait(receiver, written)
    lag = receiver.came[-1][1] - acknowledged
    rate = written / (acknowledged - begun)
    rig.client.call("updateLeadSubscriptions", objects=[{"id": subscription["id"], "isActive": 0}])
    time.sleep(1)
    receiver.came.clear()
    written, _ = _write(rig, ids, "b", before=0, receiver=receiver)
    begun = time.monotonic()
    rig.client.call("updateLeadSubscriptions", objects=[{"id": subscription["id"], "isActive": 1}])
    _wait(receiver, written)
    drained = written / (receiver.came[-1][1] - begun)
    rig.client.call("deleteLeadSubscriptions", objects=[subscription["id"]])
    return Sustained(rate, lag, drained)


def _write(rig: Rig, ids: Sequence[int], mark: str, *, before: int, receiver: Receiver) -> tuple[int, float]:
    """Change 500 leads ten times a second for some seconds; how many were changed, and when that began."""
    del receiver.came[:before]
    begun, calls = time.monotonic(), 0
    while calls < SECONDS * LEADS_LEAST // 500:
        at = calls * 500 % len(ids)
        rig.client.post(
            encode("updateLeads", objects=[{"id": one, "title": f"{mark}{calls}"} for one in ids[at : at + 500]])
        )
        calls += 1
        time.sleep(max(0.0, begun + calls * 500 / LEADS_LEAST - time.monotonic()))
    return calls * 500, begun


def _wait(receiver: Receiver, changes: int) -> None:
    while sum(count for _, _, count in receiver.came) < changes:
        assert receiver.more(30), "pushes are missing"


async def _clients(rig: Rig) -> list[Client]:
    """Clients of fresh companies."""
    database = Database(pool_size=2)
    await database.open(rig.dsn)
    made: list[Client] = []
    for number in range(COMPANIES):
        company = await companies.create(
            database, name=f"C{number}", time_zone="UTC", administrator="admin@example.com"
        )
        async with database.everyone() as tx:
            _, secret = await companies.create_key(tx, company.id, label="bench")
        made.append(Client(rig.ready["url"], company.account_id, secret))
    await database.close()
    return made


def _beside_those_that_hang(clients: Sequence[Client], receiver: Receiver) -> tuple[Delays, Delays, int]:
    """Changes of one company after the other: with all receivers well, then while every other one hangs."""
    hanging: list[list[int]] = []
    for number, client in enumerate(clients):
        urls = [receiver.url(f"/{'hang' if at % 2 else 'well'}/{number}/{at}") for at in range(EACH)]
        made = client.call("createLeadSubscriptions", objects=[{"url": url} for url in urls])
        hanging.append([one["id"] for at, one in enumerate(made) if at % 2])
        client.call("updateLeadSubscriptions", objects=[{"id": one, "isActive": 0} for one in hanging[-1]])
    _round(clients, receiver)
    alone = _round(clients, receiver)
    for client, ids in zip(clients, hanging, strict=True):
        client.call("updateLeadSubscriptions", objects=[{"id": one, "isActive": 1} for one in ids])
    while (held := sum(path.startswith("/hang") for path, _, _ in receiver.came)) < COMPANIES * EACH // 2:
        assert receiver.more(10), "not all of them hang"
    beside = _round(clients, receiver)
    return Delays.of(alone), Delays.of(beside), held


def _round(clients: Sequence[Client], receiver: Receiver) -> list[float]:
    """The delays of the pushes to the receivers that are well, of one change in each company."""
    delays: list[float] = []
    for number, client in enumerate(clients):
        receiver.more(0)
        before = len(receiver.came)
        client.post(encode("createLeads", objects=[{"emailAddress": f"r{time.monotonic_ns()}@example.com"}]))
        acknowledged = time.monotonic()
        mine: list[float] = []
        while len(mine) < EACH // 2:
            assert receiver.more(20), "pushes are missing"
            mine = [at for path, at, _ in receiver.came[before:] if path.startswith(f"/well/{number}/")]
        delays += [at - acknowledged for at in mine]
    return delays
