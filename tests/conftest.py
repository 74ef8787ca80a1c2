"""One real server for each worker; a fresh company for each test."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from springhead import methods
from support import Company, Pattern, Server, kept, new_companies, new_company

assert methods.leads, "importing the methods registers them"

# A run starts hundreds of Python processes, and each would compile every module that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

TOP = Path(__file__).parents[1]
MEMORY = "/dev/shm"
ROOM = 6 * 1024**3
"""Bytes that must be free in MEMORY; a run of all tests needs less than half of it."""

LOG_ENDS = pytest.StashKey[dict[Path, int]]()
QUIET = re.compile(r'"level":"(info|debug)"')


def pytest_configure(config: pytest.Config) -> None:
    """Builds stale assets of the pages, and keeps temporary folders in memory if there is room.

    No test waits for a disk then. A killed process loses nothing of what it has written there, as with the page cache
    of a disk. Also lets an example of Hypothesis take as long as it does: its limit of 0.2 s is one of the machine.
    """
    if not hasattr(config, "workerinput"):
        subprocess.run([sys.executable, TOP / "hatch_build.py"], check=True)
    settings.register_profile("springhead", deadline=None)
    settings.load_profile("springhead")
    if "TMPDIR" not in os.environ and Path(MEMORY).is_dir():
        memory = os.statvfs(MEMORY)
        if memory.f_bavail * memory.f_frsize > ROOM and not memory.f_flag & os.ST_NOEXEC:
            os.environ["TMPDIR"] = tempfile.tempdir = MEMORY


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads the slow test files over the workers and adds quick tests, so that all workers end at the same time.

    With `--dist worksteal` each worker begins with an equal part of the list. A worker without tests takes some from
    the end of another part.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = sorted((file for file in files if _rank(file) < len(SLOW)), key=lambda file: (_rank(file), file))
    quick = [item for item in items if _rank(item.path) == len(SLOW)]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    left, dealt = len(items), list[pytest.Item]()
    for worker in range(workers):
        size = left // (workers - worker)
        part = [item for file in slow[worker::workers] for item in files[file]]
        missing = max(0, size - len(part))
        dealt += [*part, *quick[:missing]]
        del quick[:missing]
        left -= size
    items[:] = dealt + quick


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remembers where the logs of the servers end before the test."""
    item.stash[LOG_ENDS] = {log: log.stat().st_size for log in Server.logs if log.exists()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failed test what its servers warned of meanwhile: most often, this is why it failed."""
    report = yield
    if report.failed:
        for log in dict.fromkeys(Server.logs):
            if log.exists() and (warnings := _warnings(log, item.stash[LOG_ENDS].get(log, 0))):
                report.sections.append((f"Warnings of {log.name}", warnings))
    return report


def _warnings(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join([line for line in lines if not QUIET.search(line)][-40:])


def _rank(file: Path) -> int:
    """The place of a test file among the slow ones, or their number if it is quick."""
    path = file.relative_to(Path(__file__).parent).as_posix()
    return next((place for place, start in enumerate(SLOW) if path.startswith(start)), len(SLOW))


SLOW = (
    "faults/",
    "contract/test_packaging",
    "docs/",
    "postgres/",
    "upgrade/",
    "cli/",
    "browser/",
    "wire/test_http",
    "wire/test_limits",
    "scenarios/test_companies",
    "capture/",
    "delivery/",
    "store/",
    "methods/",
    "hostile/",
)
"""The beginnings of paths of tests that take long, the longest first."""


@pytest.fixture(scope="session", autouse=True)
def shared_things(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Generator[None]:
    """Sets the folder of `Server.on_copy`, and closes the connections that `support` keeps."""
    base = tmp_path_factory.getbasetemp()
    Pattern.folder = (base if worker_id == "master" else base.parent) / "pattern"
    Pattern.folder.mkdir(exist_ok=True)
    Pattern.folder.chmod(0o755)
    yield
    kept.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A running server without call limits, shared by the tests of a worker."""
    running = Server.on_copy(tmp_path_factory.mktemp("server") / "data", "--no-limits")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def second_server(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """Another server on the database of the shared one."""
    running = Server(tmp_path_factory.mktemp("second") / "unused", "--no-limits", "--database-url", server.dsn)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def plain_companies() -> dict[str, list[Company]]:
    """Unused companies with default settings, by server. Creating many at once saves most of the time."""
    return {}


@pytest.fixture
def given_company(server: Server, plain_companies: dict[str, list[Company]]) -> Generator[Callable[..., Company]]:
    """Creates companies on the shared server."""
    made: list[Company] = []

    def make(**settings: Any) -> Company:
        plain = plain_companies.setdefault(server.url, [])
        if not settings and not plain:
            plain.extend(new_companies(server, 20))
        made.append(new_company(server, **settings) if settings else plain.pop())
        return made[-1]

    yield make
    for company in made:
        company.close()


@pytest.fixture
def company(given_company: Callable[..., Company]) -> Company:
    """A company of the test's own, in the UTC zone."""
    return given_company()
