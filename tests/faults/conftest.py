"""A second PostgreSQL over TCP, and a server that reaches it through a proxy that injects faults."""

from collections.abc import Generator
from pathlib import Path

import pytest

from faults.postgres import Postgres
from faults.proxy import Proxy
from support import Server


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[Postgres]:
    """A real PostgreSQL with a password, for the tests of a file."""
    running = Postgres(Path(tmp_path_factory.mktemp("second")))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def line(postgres: Postgres) -> Generator[Proxy]:
    """The network between server and database."""
    proxy = Proxy(postgres.port)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def remote(postgres: Postgres, line: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server whose database is behind the proxy."""
    data = Path(tmp_path_factory.mktemp("remote")) / "data"
    running = Server(data, "--no-limits", env=postgres.settings(line.port))
    yield running
    assert running.stop() == 0
