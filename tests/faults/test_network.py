"""A remote database: slow, silent, disconnected at any byte, out of connections, absent, or with a wrong clock."""

import http.client
import json
import random
import signal
import threading
import time
from collections.abc import Generator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from faults.load import AWAY, SIZE, Progress
from faults.postgres import Postgres, free_port
from faults.proxy import Proxy
from support import Company, Server, eventually, new_company, new_email, sql

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def client(remote: Server) -> Generator[Company]:
    """A client of the company of the server's first start, with a connection of its own."""
    with closing(client_of(remote)) as client:
        yield client


def client_of(server: Server) -> Company:
    return Company(server.url, server.ready["accountID"], server.ready["secretKey"])


def new_company_of(server: Server, postgres: Postgres) -> Company:
    """A fresh company on a server with an outside database."""
    return new_company(cast("Server", SimpleNamespace(url=server.url, dsn=postgres.dsn())))


def status(server: Server, path: str) -> tuple[int, float]:
    """The HTTP status of a GET request, and how long it took."""
    address = Company(server.url, "", "").address
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    begun = time.monotonic()
    connection.request("GET", path)
    answer = connection.getresponse().status
    connection.close()
    return answer, time.monotonic() - begun


def created(dsn: str, mark: str) -> int:
    rows = sql(dsn, "select count(*)::int as n from lead where first_name = $1", mark, company_id=1)
    return rows[0]["n"]


def leads(mark: str) -> list[dict[str, Any]]:
    return [{"emailAddress": f"{mark}-{number}@example.com", "firstName": mark} for number in range(SIZE)]


def is_retryable(answer: dict[str, Any]) -> bool:
    return answer["result"] is None and (answer["error"]["code"], answer["error"]["message"]) == (999, AWAY)


@pytest.mark.parametrize("direction", ["towards", "back"])
def test_a_connection_that_is_cut_at_any_byte_leaves_the_call_whole_or_absent(
    client: Company, line: Proxy, postgres: Postgres, direction: str
) -> None:
    client.create({})
    line.arm()
    client.call("createLeads", objects=leads(f"whole{direction}"))
    size = line.passed[0 if direction == "towards" else 1]
    assert size > 5000
    whole = 0
    places = [1, 2, size // 2, size - 1, size, *random.sample(range(1, size), 8)]
    for place in places:
        mark = f"{direction}{place}"
        line.arm(**{direction: place})
        answer = client.envelope("createLeads", {"objects": leads(mark)})
        line.arm()
        stored = created(postgres.dsn(), mark)
        eventually(
            lambda: client.envelope("createLeads", {"objects": [{"emailAddress": new_email()}]})["error"] == [],
        )
        if answer["result"] is None:
            assert is_retryable(answer), answer
            eventually(lambda mark=mark: no_backend_at_work(postgres))
            stored = created(postgres.dsn(), mark)
            assert stored in {0, SIZE}
        else:
            assert stored == SIZE
        whole += stored == SIZE
    print(f"{len(places)} cuts {direction}: {whole} calls whole, {len(places) - whole} absent, 0 in part")


def no_backend_at_work(postgres: Postgres) -> bool:
    rows = sql(postgres.admin, "select from pg_stat_activity where usename = 'springhead' and state <> 'idle'")
    return not rows


@pytest.mark.parametrize("fault", ["delay", "drip"])
def test_a_slow_network_only_delays_calls(client: Company, line: Proxy, fault: str) -> None:
    try:
        if fault == "delay":
            line.delay = 0.1  # each way: 200 ms there and back
        else:
            line.drip = True
        line.pieces.clear()
        (lead,) = client.create({"firstName": "Slow"})
        assert client.lead(lead)["firstName"] == "Slow"
        assert max(line.pieces.values()) <= 25, "two calls in five seconds at 200 ms there and back"
    finally:
        line.delay, line.drip = 0.0, False


def test_a_database_that_falls_silent_costs_no_call_more_than_fifteen_seconds(
    remote: Server, line: Proxy, client: Company
) -> None:
    (lead,) = client.create({})
    times: list[float] = []
    wrong: list[Any] = []

    def call(number: int) -> None:
        own = client_of(remote)
        begun = time.monotonic()
        if number % 3 == 0:
            answer = own.envelope("getLead", {"id": lead})
        elif number % 3 == 1:
            answer = own.envelope("updateLeads", {"objects": [{"id": lead, "title": f"t{number}"}]})
        else:
            answer = own.envelope("createLeads", {"objects": [{"emailAddress": new_email()}]})
        times.append(time.monotonic() - begun)
        if not is_retryable(answer):
            wrong.append(answer)
        own.close()

    line.hole = True
    try:
        threads = [threading.Thread(target=call, args=(number,)) for number in range(40)]
        for index, thread in enumerate(threads):
            thread.start()
            if index % 10 == 9:
                status(remote, "/healthz")
        while any(thread.is_alive() for thread in threads):
            healthy, at_once = status(remote, "/healthz")
            ready, took = status(remote, "/readyz")
            assert (healthy, ready) == (200, 503)
            assert at_once < took < 15, "only readiness waits for the database"
    finally:
        line.hole = False
    back = time.monotonic()
    assert not wrong, wrong[:3]
    assert max(times) < 15, max(times)
    eventually(lambda: client.envelope("getLead", {"id": lead})["error"] is None)
    print(f"silence: slowest of {len(times)} answers {max(times):.1f} s, back {time.monotonic() - back:.2f} s after it")
    eventually(lambda: status(remote, "/readyz")[0] == 200)


def test_a_restart_of_the_database_fails_calls_only_while_it_lasts(
    client: Company, postgres: Postgres, remote: Server
) -> None:
    lead_id = client.create({})[0]
    failures: list[float] = []
    answered, failed = Progress(), Progress()
    over = threading.Event()
    wrong: list[Any] = []

    def steady() -> None:
        number = 0
        while not over.is_set():
            number += 1
            began = time.monotonic()
            answer = client.envelope("updateLeads", {"objects": [{"id": lead_id, "title": f"s{number}"}]})
            if answer["result"] is not None:
                answered.add()
                continue
            failures.append(began)
            failed.add()
            if not is_retryable(answer):
                wrong.append(answer)

    thread = threading.Thread(target=steady)
    thread.start()
    back: list[float] = []
    for how in (signal.SIGINT, signal.SIGQUIT):  # fast; immediate, and a crash recovery after it
        answered.wait(3)
        postgres.stop(how)
        failed.wait(3)
        postgres.start()
        back.append(time.monotonic())
        answered.wait(3)
        late = [began for began in failures if began > back[-1]]
        assert len(late) <= 1, "a call meets at most one connection whose end was not noticed"
    over.set()
    thread.join(20)
    assert not wrong, wrong[:3]


def test_a_server_that_starts_before_its_database_waits_for_it(
    remote: Server, postgres: Postgres, tmp_path: Path
) -> None:
    postgres.stop()
    server = Server(
        tmp_path / "data",
        "--port",
        str(port := free_port()),
        env=postgres.settings(),
        wait=False,
    )
    try:
        server.ready = {"url": f"http://127.0.0.1:{port}"}
        eventually(lambda: is_up(server))
        assert status(server, "/healthz")[0] == 200
        assert status(server, "/readyz")[0] == 503
        early = Company(server.url, "A" * 32, "b" * 32)
        http_status, body = early.send(json.dumps({"method": "getLead", "params": {"id": 1}, "id": "x"}).encode())
        assert http_status == 200
        assert is_retryable(json.loads(body))
        assert json.loads(body)["id"] == "x"
        postgres.start()
        eventually(lambda: status(server, "/readyz")[0] == 200)
        assert early.send(b"{}")[0] == 401
        early.close()
    finally:
        if not is_running(postgres):
            postgres.start()
        assert server.stop() == 0


def is_up(server: Server) -> bool:
    try:
        return status(server, "/healthz")[0] == 200
    except OSError:
        return False


def is_running(postgres: Postgres) -> bool:
    try:
        return bool(sql(postgres.admin, "select 1"))
    except Exception:  # noqa: BLE001 - however it is away
        return False


def test_a_database_without_free_connections_is_a_retryable_failure(client: Company, postgres: Postgres) -> None:
    postgres.stop()
    postgres.start("max_connections=8")
    try:
        eventually(lambda: client.envelope("getLead", {"id": 1})["error"] is None)
        took, codes = call_while_full(postgres, client)
        assert took < 6
        assert codes == {999}
        eventually(lambda: client.envelope("getLead", {"id": 1})["error"] is None)
    finally:
        postgres.stop()
        postgres.start()


def call_while_full(postgres: Postgres, own: Company) -> tuple[float, set[int]]:
    """Takes all connections of the database, the server's too, and makes calls. Returns mean time and error codes."""
    import asyncio

    import asyncpg

    async def fill() -> tuple[float, set[int]]:
        admin = await asyncpg.connect(postgres.admin)
        connections: list[asyncpg.Connection[Any]] = []
        try:
            for _ in range(30):  # background work of the server may connect in between
                ours = [connection.get_server_pid() for connection in connections]
                ended = await admin.fetch(
                    """
                    select pg_terminate_backend(pid) from pg_stat_activity
                    where usename = 'springhead' and pid <> all($1::int[])
                    """,
                    ours,
                )
                with suppress(asyncpg.TooManyConnectionsError):
                    while True:
                        connections.append(await asyncpg.connect(postgres.dsn()))
                if not ended and connections:
                    break
                await asyncio.sleep(0.1)  # terminated backends need a moment to exit
            begun = time.monotonic()
            answers = [await asyncio.to_thread(own.envelope, "getLead", {"id": 1}) for _ in range(3)]
            took = (time.monotonic() - begun) / 3
        finally:
            for connection in connections:
                await connection.close()
            await admin.close()
        assert all(is_retryable(answer) for answer in answers), answers
        return took, {answer["error"]["code"] for answer in answers}

    return asyncio.run(fill())


@pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime")
def test_a_clock_that_jumps_changes_neither_limits_nor_timestamps(
    remote: Server, postgres: Postgres, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    env = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        **postgres.settings(),
    }
    server = Server(tmp_path / "data", env=env)
    try:
        with closing(Company(server.url, remote.ready["accountID"], remote.ready["secretKey"])) as company:
            (lead_id,) = company.create({})
            for jump in ("+3600", "-86400"):
                clock.write_text(jump)
                with closing(new_company_of(server, postgres)) as limited:  # which has made no call yet
                    begun = time.monotonic()
                    errors = [limited.envelope("getLead", {"id": 1})["error"] for _ in range(30)]
                    allowed = errors.count(None)
                    assert 10 <= allowed <= 11 + 10 * (time.monotonic() - begun), jump
                    assert {error["code"] for error in errors if error} <= {107}
                (outcome,) = company.call("updateLeads", objects=[{"id": lead_id, "title": jump}])
                assert outcome["success"]
            updated = datetime.fromisoformat(f"{company.lead(lead_id)['updateTimestamp']}+00:00")
            assert abs(updated - datetime.now(UTC)) < timedelta(minutes=1), "the database's clock counts"
        (row,) = sql(postgres.dsn(), "select version from lead where id = $1", lead_id, company_id=1)
        assert row["version"] == 3
    finally:
        assert server.stop() == 0
