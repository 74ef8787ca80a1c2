"""An outside PostgreSQL server, reached over TCP with a password."""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import asyncpg

from fork_server import run
from springhead.postgres.account import choose_account
from support import Server

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
        for role in ("plain", "plain_owner"):
            self.run(f"create role {role} login password '{PASSWORD}'")

    def url(self, database: str, role: str = "plain") -> str:
        """The address of a database."""
        return f"postgresql://{role}:{QUOTED}@127.0.0.1:{self.port}/{database}"

    def empty_database(self, role: str = "plain", *, owner: str = "plain_owner") -> str:
        """The address of a fresh database for a role."""
        name = f"springhead_{next(_numbers)}"
        self.run(f"create database {name} owner {owner}")
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


def springhead(url: str, data: Path, *words: str, fails: bool = False) -> str:
    """Runs a `springhead` command on that database. Returns its output."""
    done = run([*words, "--data", str(data)], env=os.environ | settings(url))
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr
    assert QUOTED not in done.stderr
    return done.stderr if fails else done.stdout


def settings(url: str) -> dict[str, str]:
    """The variables with which a server uses a database."""
    owner = url.replace("//plain:", "//plain_owner:")
    return {"SPRINGHEAD_DATABASE_URL": url} | ({"SPRINGHEAD_MIGRATE_URL": owner} if owner != url else {})


def serving(url: str, data: Path, *arguments: str, wait: bool = True) -> Server:
    return Server(data, *arguments, env=settings(url), wait=wait)
