"""One real server for each worker; a fresh company for each test."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from springhead import methods
from support import Company, Server, kept, new_companies, new_company

assert methods.leads, "importing the methods registers them"


@pytest.fixture(scope="session", autouse=True)
def connections() -> Generator[None]:
    """Closes the connections that `support` keeps."""
    yield
    kept.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A running server without call limits, shared by the tests of a worker."""
    running = Server(Path(tmp_path_factory.mktemp("server")) / "data", "--no-limits")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def plain_companies() -> list[Company]:
    """Companies without settings that no test has had yet: to make many at once saves most of the time."""
    return []


@pytest.fixture
def given_company(server: Server, plain_companies: list[Company]) -> Generator[Callable[..., Company]]:
    """Makes companies on the shared server."""
    made: list[Company] = []

    def make(**settings: Any) -> Company:
        if not settings and not plain_companies:
            plain_companies.extend(new_companies(server, 20))
        made.append(new_company(server, **settings) if settings else plain_companies.pop())
        return made[-1]

    yield make
    for company in made:
        company.close()


@pytest.fixture
def company(given_company: Callable[..., Company]) -> Company:
    """A company of the test's own, in the UTC zone."""
    return given_company()
