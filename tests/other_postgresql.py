"""An outside PostgreSQL server, reached over TCP with a password."""

import asyncio
import itertools
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import asyncpg

from springhead.postgres.account import choose_account

PASSWORD = "p@ss/word:1 %"
QUOTED = "p%40ss%2Fword%3A1%20%25"
"""The password as an address holds it."""

_numbers = itertools.count(1)


class OtherPostgres:
    """A server of the binaries of a folder: SCRAM over TCP, no socket, one superuser."""

    def __init__(self, folder: Path, binaries: Path, *initdb: str) -> None:
        folder.mkdir()
        cluster = folder / "cluster"
        account, self.version = choose_account(folder, binaries / "postgres", cluster)
        cluster.mkdir(mode=0o700)
        password = folder / "password"
        password.write_text(PASSWORD)
        account.own(cluster)
        account.own(password)
        with (folder / "log").open("wb") as log:
            flags = ("--username=root", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--no-sync")
            made = account.spawn(binaries / "initdb", *flags, *initdb, f"--pgdata={cluster}", output=log)
            assert made.wait(60) == 0, (folder / "log").read_text()
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                self.port = int(taken.getsockname()[1])
            settings = {
                "listen_addresses": "127.0.0.1",
                "port": str(self.port),
                "unix_socket_directories": "",
                "fsync": "off",
                "cluster_name": "another",
            }
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            self.process = account.spawn(binaries / "postgres", "-D", str(cluster), *options, output=log)
        self._log = folder / "log"
        self._wait()
        self.run(f"create role plain login password '{PASSWORD}'")

    def url(self, database: str, role: str = "plain") -> str:
        """The address of a database."""
        return f"postgresql://{role}:{QUOTED}@127.0.0.1:{self.port}/{database}"

    def empty_database(self, role: str = "plain") -> str:
        """The address of a fresh database that the role owns."""
        name = f"springhead_{next(_numbers)}"
        self.run(f"create database {name} owner {role}")
        return self.url(name, role)

    def run(self, statement: str, url: str = "") -> list[Any]:
        """Runs a statement as the superuser, or with the given URL."""

        async def work() -> list[Any]:
            connection = await asyncpg.connect(url or self.url("postgres", "root"), timeout=10)
            try:
                return await connection.fetch(statement)
            finally:
                await connection.close()

        return asyncio.run(work())

    def stop(self) -> None:
        """Stops the server with a fast shutdown."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                self.run("select 1")
            except (OSError, asyncpg.PostgresError):
                assert self.process.poll() is None, self._log.read_text()
                assert time.monotonic() < end, self._log.read_text()
                time.sleep(0.05)
            else:
                return
