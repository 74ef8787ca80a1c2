"""Runs `springhead` as an operator does, and a PostgreSQL that is not the embedded one."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from fork_server import run
from springhead.postgres.account import choose_account
from springhead.postgres.binaries import binaries

PASSWORD = "correct horse battery"
UTF8 = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")


def springhead(
    *words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command; returns its exit code and its output."""
    return run([*map(str, words)], cwd=cwd, env=clean_environment() | (env or {}))


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SPRINGHEAD_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def outside_postgres(folder: Path, *initdb: str, port: int = 0) -> Generator[str]:
    """A PostgreSQL on TCP that asks for a password. Yields the URL of its superuser."""
    port = port or free_port()
    cluster = folder / "cluster"
    password = folder / "password"
    password.write_text(PASSWORD)
    cluster.mkdir(mode=0o700)
    account, _ = choose_account(folder, binaries() / "postgres", cluster)
    account.own(cluster)
    account.own(password)
    with (folder / "postgres.log").open("wb") as log:
        made = account.spawn(
            binaries() / "initdb",
            f"--pgdata={cluster}",
            "--username=boss",
            "--auth=scram-sha-256",
            f"--pwfile={password}",
            "--no-sync",
            *(initdb or UTF8),
            output=log,
        )
        assert made.wait(60) == 0, (folder / "postgres.log").read_text()
    with running_postgres(folder, port):
        yield address("boss", port, "postgres")


@contextmanager
def running_postgres(folder: Path, port: int) -> Generator[None]:
    """Starts a cluster that `outside_postgres` has made, waits for it, and stops it at the end."""
    cluster = folder / "cluster"
    account, _ = choose_account(folder, binaries() / "postgres", cluster)
    flags = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    flags += ["-c", "fsync=off", "-c", "shared_buffers=16MB"]
    with (folder / "postgres.log").open("ab") as log:
        process = account.spawn(binaries() / "postgres", "-D", cluster, *flags, output=log)
    try:
        asyncio.run(_wait(address("boss", port, "postgres")))
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def address(role: str, port: int, database: str) -> str:
    return f"postgresql://{role}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/{database}"


def run_sql(dsn: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def make_plain_database(superuser: str) -> None:
    """The roles `springhead` and `springhead_owner` without special rights, and a database."""
    run_sql(
        superuser,
        f"create role springhead login password '{PASSWORD}'",
        f"create role springhead_owner login password '{PASSWORD}'",
        "create database springhead owner springhead_owner",
    )


def settings(port: int, database: str = "springhead") -> dict[str, str]:
    """The variables with which a server uses a database."""
    return {
        "SPRINGHEAD_DATABASE_URL": address("springhead", port, database),
        "SPRINGHEAD_MIGRATE_URL": address("springhead_owner", port, database),
    }


async def _wait(dsn: str) -> None:
    for _ in range(500):
        try:
            connection = await asyncpg.connect(dsn)
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.02)
        else:
            await connection.close()
            return
    raise AssertionError("PostgreSQL did not start")
