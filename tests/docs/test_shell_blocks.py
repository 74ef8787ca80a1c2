"""Every shell block of the pages runs as printed, in a folder like a checkout whose server is running."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli.command import PASSWORD, clean_environment, outside_postgres
from doc_pages import TOP, blocks, by_hand
from programs import program
from springhead.postgres.binaries import binaries
from support import Company, Server

PATH_LINE = 'export PATH="$PWD/.venv/bin:$PATH"\n'


class Checkout:
    """A folder with `.venv` and the data folder of a server, which starts when a test first needs its company."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: Server | None = None
        (folder / ".venv").symlink_to(sys.prefix)

    @cached_property
    def company(self) -> Company:
        """The first company of the running server."""
        self._server = Server.on_copy(self.folder / ".springhead")
        return Company(self._server.url, self._server.ready["accountID"], self._server.ready["secretKey"])

    def stop(self) -> None:
        """Stops the server, if it was started."""
        if self._server:
            self.company.close()
            assert self._server.stop() == 0

    def run(self, script: str, **environment: str) -> str:
        """Runs a script in bash, which ends at its first error. Returns its output."""
        done = subprocess.run(
            [program("bash"), "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=clean_environment() | environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serves(self, script: str, **environment: str) -> str:
        """Runs a script whose last command is a server, until the server is ready. Returns its greeting."""
        with subprocess.Popen(
            [
                program("bash"),
                "-euc",
                f"{PATH_LINE}{re.sub(r'(?m)^springhead serve', 'exec springhead serve', script)}",
            ],
            cwd=self.folder,
            env=clean_environment() | {"SPRINGHEAD_PORT": "0", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            assert process.stderr
            greeting = ""
            while "Ctrl-C stops the server" not in greeting:
                line = process.stdout.readline()
                assert line, process.stderr.read()
                greeting += line
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert process.returncode == 0
        return greeting


@pytest.fixture
def checkout(tmp_path: Path) -> Generator[Checkout]:
    made = Checkout(tmp_path)
    yield made
    made.stop()


def make(script: str, checkout: Checkout) -> None:
    """Targets of make: the real ones would install packages, so make only says what it would do."""
    targets = re.findall(r"^make (\w+)", script, re.MULTILINE)
    assert targets
    for target in targets:
        shown = subprocess.run(
            [program("make"), "-n", target], cwd=TOP, capture_output=True, text=True, check=True, env=os.environ
        )
        assert {"setup": ".ci/test-tools", "run": "springhead serve", "test": "pytest"}[target] in shown.stdout


def look_around(script: str, checkout: Checkout) -> None:
    """docs/start.md: the commands to look around, with fewer leads."""
    account = checkout.company.account_id
    seed, rest = script.replace("10000 ", "20 ").split("springhead company create", maxsplit=1)
    checkout.run(seed)
    assert len(checkout.company.call("getLeads", where={})) == 20
    lines = ("springhead company create" + rest).replace("ACCOUNTID", account)
    said = checkout.run(PATH_LINE + lines)
    assert "Acme" in said
    assert said.count("secretKey") >= 2
    assert "Usage: springhead" in said


def companies(script: str, checkout: Checkout) -> None:
    """docs/operating.md: companies, their limits and keys. The block revokes the third key of the server."""
    assert checkout.company
    create, rest = script.split("\n", maxsplit=1)
    account = re.findall(r"accountID +(\w+)", checkout.run(PATH_LINE + create))[0]
    said = checkout.run(PATH_LINE + rest.replace("ACCOUNTID", account))
    assert re.search(r"Acme\tEurope/Berlin\t10\t50000\t500\t", said)
    assert re.search(r"Acme\tEurope/Berlin\t50\t1000000\t500\t", said)
    assert "Key 3 is revoked." in said


def distribution(script: str, checkout: Checkout) -> None:
    """docs/operating.md: a server on the distribution's PostgreSQL."""
    assert "secretKey" in checkout.serves(script)
    assert (checkout.folder / "crm" / "postgres" / "PG_VERSION").read_text() == "15\n"


def own_postgresql(script: str, checkout: Checkout) -> None:
    """docs/operating.md: roles and a database on another PostgreSQL, then a server on it."""
    ((_, statements),) = blocks(TOP / "docs" / "operating.md", "sql")
    (checkout.folder / "outside").mkdir()
    with outside_postgres(checkout.folder / "outside") as superuser:
        subprocess.run(
            [str(binaries() / "psql"), superuser, "-v", "ON_ERROR_STOP=1"],
            input=statements,
            env={**os.environ, "PGPASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            check=True,
        )
        place = f"127.0.0.1:{urlsplit(superuser).port}"
        assert "db.example.com:5432" in script
        greeting = checkout.serves(script.replace("db.example.com:5432", place))
    assert "secretKey" in greeting


def path(script: str, checkout: Checkout) -> None:
    """docs/operating.md: the line that lets the shell find the command."""
    assert f"{script}\n" == PATH_LINE
    assert checkout.run(f"{script}\nspringhead --version").startswith("springhead ")


def backup(script: str, checkout: Checkout) -> None:
    """docs/operating.md: a backup of the running server. The next block restores it."""
    assert checkout.company
    checkout.run(script)
    assert (checkout.folder / "springhead.dump").stat().st_size > 10_000


def restore(script: str, checkout: Checkout) -> None:
    """docs/operating.md: a backup and its restore, beside the running server, in one shell."""
    (saved,) = [text for _, text in blocks(TOP / "docs" / "operating.md", "sh") if "pg_dump" in text]
    (lead,) = checkout.company.create({"emailAddress": "ada@example.com"})
    checkout.run(f"{saved}\n{script}")
    assert not (checkout.folder / "started").exists()
    restored = Server(checkout.folder / "restored", key=False)
    assert "cannot be decrypted" not in restored.log.read_text()
    company = Company(restored.url, checkout.company.account_id, checkout.company.secret)
    assert company.lead(lead)["emailAddress"] == "ada@example.com"
    assert len(company.create({})) == 1
    company.close()
    assert restored.stop() == 0


def sign_in_link(script: str, checkout: Checkout) -> None:
    """docs/operating.md: a link that signs the administrator in."""
    assert checkout.company
    assert re.fullmatch(r"http://localhost:\d+/sign-in/[\w-]{43}", checkout.run(PATH_LINE + script).strip())


def completion(script: str, checkout: Checkout) -> None:
    """docs/operating.md: completion in bash."""
    assert "springhead" in checkout.run(f"{PATH_LINE}{script}\ncomplete -p springhead")


def call(script: str, checkout: Checkout) -> None:
    """docs/api-by-example.md: calls with curl."""
    company = checkout.company
    script = script.replace("http://127.0.0.1:8025", company.url)
    script = script.replace("ACCOUNTID", company.account_id).replace("SECRETKEY", company.secret)
    program("curl")
    first, second = (json.loads(checkout.run(script, no_proxy="*")) for _ in range(2))
    assert first["result"] is not None
    assert first == second


def pushing_server(script: str, checkout: Checkout) -> None:
    """docs/receiving-pushes.md: a server that pushes to this machine."""
    assert "is running at" in checkout.serves(script, SPRINGHEAD_DATA="pushing")


RUNS: dict[str, list[Callable[[str, Checkout], None]]] = {
    "README.md": [make],
    "CONTRIBUTING.md": [make],
    "docs/start.md": [make, look_around],
    "docs/operating.md": [path, distribution, own_postgresql, backup, restore, companies, sign_in_link, completion],
    "docs/api-by-example.md": [call, call, call],
    "docs/receiving-pushes.md": [pushing_server],
}
"""What runs the shell blocks of each page, in their order."""

BLOCKS = {str(page.relative_to(TOP)): [text for _, text in blocks(page, "sh")] for page in by_hand()}
CASES = [(page, place) for page, texts in BLOCKS.items() for place in range(len(texts))]


@pytest.mark.parametrize(("page", "place"), CASES)
def test_a_shell_block_runs_as_printed(page: str, place: int, checkout: Checkout) -> None:
    RUNS[page][place](BLOCKS[page][place], checkout)


def test_every_shell_block_has_a_test() -> None:
    assert {page: len(texts) for page, texts in BLOCKS.items() if texts} == {
        page: len(runs) for page, runs in RUNS.items()
    }
