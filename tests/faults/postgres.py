"""A second PostgreSQL over TCP, with a password and the two roles, for tests that stop and kill it."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from springhead.postgres.account import choose_account
from springhead.postgres.binaries import binaries
from support import sql

PASSWORD = "correct horse battery staple".replace(" ", "%20")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """PostgreSQL in `place`, made by the constructor and not started yet."""

    def __init__(self, place: Path) -> None:
        self.cluster = place / "cluster"
        self.port = free_port()
        self._bin = binaries()
        self._log = place / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._account, _ = choose_account(place, self._bin / "postgres", self.cluster)
        self.cluster.mkdir(mode=0o700)
        self._account.own(self.cluster)
        secret = self.cluster.with_name("password")
        secret.write_text(PASSWORD.replace("%20", " "))
        self._account.own(secret)
        made = self._account.spawn(
            *(self._bin / "initdb", "-D", self.cluster, "-U", "postgres", "--auth=scram-sha-256", "-E", "UTF8"),
            *("--locale=C.UTF-8", f"--pwfile={secret}", "--no-sync"),
            output=subprocess.PIPE,
        )
        output = made.communicate(timeout=60)[0]
        assert made.returncode == 0, output
        self.start()
        for role in ("springhead", "springhead_owner"):
            sql(self.admin, f"create role {role} login password '{PASSWORD.replace('%20', ' ')}'")
        self.create_database("springhead")

    @property
    def admin(self) -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def create_database(self, name: str) -> None:
        """Creates an empty database."""
        sql(self.admin, f"create database {name} owner springhead_owner")

    def dsn(self, port: int | None = None, *, role: str = "springhead", database: str = "springhead") -> str:
        """The address for the server's role, through a proxy if its port is given."""
        return f"postgresql://{role}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def owner_dsn(self, port: int | None = None, *, database: str = "springhead") -> str:
        """The address for the role that owns the tables."""
        return self.dsn(port, role="springhead_owner", database=database)

    def settings(self, port: int | None = None, *, database: str = "springhead") -> dict[str, str]:
        """The variables with which a server uses a database."""
        return {
            "SPRINGHEAD_DATABASE_URL": self.dsn(port, database=database),
            "SPRINGHEAD_MIGRATE_URL": self.owner_dsn(port, database=database),
        }

    def start(self, *settings: str) -> None:
        """Starts it and waits until it accepts connections. Settings are `name=value`."""
        flags = [part for setting in (f"port={self.port}", *settings) for part in ("-c", setting)]
        more = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "shared_buffers=32MB"]
        with self._log.open("ab") as log:
            self._process = self._account.spawn(
                *(self._bin / "postgres", "-D", self.cluster, *more, *flags), output=log
            )
        end = time.monotonic() + 30
        while True:
            try:
                sql(self.admin, "select 1")
            except Exception:  # noqa: BLE001 - any error while it starts
                assert time.monotonic() < end, self._log.read_text()[-3000:]
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it and waits for its end. SIGINT is a fast shutdown, SIGQUIT an immediate one, as in a crash."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


def backends(cluster: Path) -> list[psutil.Process]:
    """The processes of the PostgreSQL on a cluster, the postmaster first."""
    processes = [process for process in psutil.process_iter() if _works_in(process, cluster)]
    return sorted(processes, key=lambda process: process.name() != "postgres" or _is_child(process, processes))


def _is_child(process: psutil.Process, among: Iterable[psutil.Process]) -> bool:
    return process.ppid() in {other.pid for other in among}


def _works_in(process: psutil.Process, cluster: Path) -> bool:
    with suppress(psutil.Error):
        return process.name().startswith("postgres") and process.cwd() == str(cluster)
    return False


def postmaster(cluster: Path) -> int:
    return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
