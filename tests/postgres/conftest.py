"""Outside PostgreSQL servers of the newest and the oldest supported version."""

from collections.abc import Generator
from pathlib import Path

import pytest

from other_postgresql import OtherPostgres
from springhead.postgres.binaries import binaries

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Generator[OtherPostgres]:
    """An outside server of the version that the package contains."""
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--lc-ctype=C.UTF-8")
    server = OtherPostgres(Path(tmp_path_factory.mktemp("newest")) / "pg", binaries(), *locale)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def debians(tmp_path_factory: pytest.TempPathFactory) -> Generator[OtherPostgres]:
    """An outside server of the oldest supported version."""
    if not (DEBIAN_15 / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed (make setup installs it on Debian 12)")
    server = OtherPostgres(Path(tmp_path_factory.mktemp("debian")) / "pg", DEBIAN_15, "--locale=C.UTF-8")
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["newest", "debians"])
def other(request: pytest.FixtureRequest) -> OtherPostgres:
    """Each of the two outside servers."""
    return request.getfixturevalue(request.param)
