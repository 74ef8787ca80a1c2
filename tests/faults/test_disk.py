"""A full disk: writes are refused as retryable, reads work, and writes work again when there is space."""

import errno
import os
import subprocess
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from faults.load import AWAY
from stopwatch import within
from support import Company, Server, eventually, new_email, sql

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A disk of 160 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "none", str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(ballast: Path, *, leave: int) -> None:
    """Fills the disk up to `leave` free bytes."""
    with ballast.open("ab") as file:
        for _ in range(1_000):
            disk = os.statvfs(ballast)
            try:
                os.posix_fallocate(file.fileno(), file.tell(), max(1, disk.f_bavail * disk.f_frsize - leave))
            except OSError as cause:
                # PostgreSQL takes or frees space between the two calls: repeat until nothing is left.
                if cause.errno != errno.ENOSPC or leave:
                    raise
                if not os.statvfs(ballast).f_bavail:
                    return
            else:
                return


def create(company: Company) -> list[str] | None:
    """Creates 100 big leads. Returns their addresses, or None if they were refused with the retryable error."""
    emails = [new_email() for _ in range(100)]
    new = [{"emailAddress": email, "description": os.urandom(500).hex()} for email in emails]
    answer = company.envelope("createLeads", {"objects": new})
    if answer["result"] is None:
        assert (answer["error"]["code"], answer["error"]["message"]) == (999, AWAY), answer["error"]
        return None
    assert all(outcome["success"] for outcome in answer["result"]["creates"])
    return emails


def test_a_full_disk_refuses_writes_and_nothing_else(small_disk: Path) -> None:
    server = Server(small_disk / "data", "--no-limits")
    ballast = small_disk / "ballast"
    try:
        with closing(Company(server.url, server.ready["accountID"], server.ready["secretKey"])) as company:
            (lead_id,) = company.create({})
            kept = create(company) or []
            # Tables cannot grow, but the log of PostgreSQL still has space.
            fill(ballast, leave=100_000)
            refused = 0
            for _ in range(30):
                if (more := create(company)) is None:
                    refused += 1
                    assert company.lead(lead_id), "reads go on"
                else:
                    kept += more
                if refused == 3:
                    break
            assert refused == 3
            ballast.unlink()
            eventually(lambda: create(company) is not None, seconds=5)

            # Its log has no space either: PostgreSQL stops, and cannot even start.
            fill(ballast, leave=0)
            kept += fill_the_log(server, company)
            with within(15):
                assert create(company) is None
            time.sleep(1)
            ballast.unlink()
            freed = time.monotonic()
            eventually(lambda: create(company) is not None, seconds=10)
            print(f"back {time.monotonic() - freed:.1f} s after there was space")
            stored = {row["email_key"] for row in sql(server.dsn, "select email_key from lead", company_id=1)}
            assert {*kept} <= stored, "what was acknowledged is there"
    finally:
        ballast.unlink(missing_ok=True)
        assert server.stop() == 0


def fill_the_log(server: Server, company: Company) -> list[str]:
    """Writes until PostgreSQL cannot create the next file of its log. Returns the addresses of acknowledged leads."""
    log = server.data / "postgres.log"
    kept: list[str] = []
    for _ in range(5):
        if "PANIC" in log.read_text():
            return kept
        try:
            sql(server.dsn.replace("springhead@/springhead", "postgres@/postgres"), "select pg_switch_wal()")
        except Exception:  # noqa: BLE001 - this is where it gives up
            time.sleep(0.1)
        kept += create(company) or []
    pytest.fail(f"PostgreSQL found space for its log: {log.read_text()[-1000:]}")
