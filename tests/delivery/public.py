"""Run as root in a network of its own (`unshare --net`), where this machine is 9.9.9.1 and its neighbour 9.9.9.9.

Both are public addresses, and no packet leaves the machine. Prints the outcomes of posts as JSON.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from delivery.names import Names
from delivery.receiver import Receiver
from springhead.delivery.sender import Sender
from springhead.model.feed.receiver_addresses import Networks

PORT = 8_080
NEIGHBOUR = (
    f"import time; from delivery.receiver import Receiver; Receiver('0.0.0.0', port={PORT}).__enter__(); time.sleep(60)"
)


def until(there: Callable[[], bool]) -> None:
    """Waits some seconds until a condition holds."""
    end = time.monotonic() + 20
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def network(process: int | str) -> Path:
    """The network namespace of a process."""
    return Path(f"/proc/{process}/ns/net").readlink()


@contextmanager
def neighbour() -> Generator[None]:
    """A receiver on another machine: another network namespace, linked to this one."""
    process = subprocess.Popen(["unshare", "--net", sys.executable, "-c", NEIGHBOUR], cwd=Path(__file__).parents[1])
    try:
        until(lambda: network(process.pid) != network("self"))
        there = f"nsenter --net --target {process.pid} ip"
        for line in (
            "ip link set lo up",
            f"ip link add here type veth peer name there netns {process.pid}",
            "ip addr add 9.9.9.1/24 dev here",
            "ip link set here up",
            f"{there} addr add 9.9.9.9/24 dev there",
            f"{there} link set there up",
        ):
            subprocess.run(line.split(), check=True)
        until(lambda: socket.socket().connect_ex(("9.9.9.9", PORT)) == 0)
        yield
    finally:
        process.kill()
        process.wait(10)


async def main() -> None:
    with Names(moves_example=[["9.9.9.9"], ["127.0.0.1"]]) as names, Receiver("0.0.0.0", port=PORT) as here:
        async with Sender(Networks(http=True), name_server=("127.0.0.1", names.port)) as sender:
            results = {
                name: await sender.post(f"http://{host}:{PORT}/once", b"{}", {})
                for name, host in {
                    "neighbour": "9.9.9.9",
                    "own": "9.9.9.1",
                    "name": "moves.example",
                    "the same name later": "moves.example",
                }.items()
            }
        print(
            json.dumps(
                {name: answer.error or answer.status for name, answer in results.items()} | {"here": here.connections}
            )
        )


with neighbour():
    asyncio.run(main())
