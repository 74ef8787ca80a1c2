"""A server that may push to this machine, and a receiver."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from delivery.receiver import Receiver
from support import Company, Server, new_company

PUSHING = ("--no-limits", "--push-http", "--push-networks", "127.0.0.0/8")
"""How a server is started that pushes to receivers of tests."""


@pytest.fixture(scope="module")
def pushing(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A server that pushes to receivers on this machine."""
    running = Server.on_copy(Path(tmp_path_factory.mktemp("pushing")) / "data", *PUSHING)
    yield running
    assert running.stop() == 0


@pytest.fixture
def pushing_company(pushing: Server) -> Generator[Callable[..., Company]]:
    """Creates companies on that server."""
    made: list[Company] = []

    def make(**settings: Any) -> Company:
        made.append(new_company(pushing, **settings))
        return made[-1]

    yield make
    for company in made:
        company.close()


@pytest.fixture
def receiver() -> Generator[Receiver]:
    """A receiver of pushes."""
    with Receiver() as receiver:
        yield receiver
