"""A server for hostile input. After all tests it must be as healthy as before."""

import json
from collections.abc import Generator

import psutil
import pytest

from support import Server, new_company

GROWTH = 100 * 1024 * 1024
"""Bytes; up to 64 MB of them the C library keeps for itself after a call of megabytes, however often it comes."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A running server. At the end it must be alive, need no more memory, and have logged no unexpected error."""
    running = Server.on_copy(tmp_path_factory.mktemp("hostile") / "data", "--no-limits")
    company = new_company(running)
    company.create(*({} for _ in range(500)))
    company.call("getLeads", where={})
    before = resident(running)
    yield running
    company.close()  # the server has closed the connection if it was idle for long
    company.call("getLeads", where={})
    company.close()
    growth = resident(running) - before
    assert running.stop() == 0
    events = [json.loads(line) for line in running.log.read_text().splitlines()]
    surprises = [event for event in events if event["event"] == "unexpected" or "exception" in event]
    assert not surprises
    assert growth < GROWTH, f"{growth / 1024 / 1024:.0f} MB"


def resident(server: Server) -> int:
    """The resident memory of the server in bytes."""
    return psutil.Process(server.process.pid).memory_info().rss
