"""The life of the embedded PostgreSQL: launch, wait until ready, restart after a crash, stop."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import structlog

from springhead.postgres.access import restrict_access
from springhead.postgres.account import Account, choose_account
from springhead.postgres.binaries import binaries
from springhead.postgres.cluster import (
    POLL_SECONDS,
    NewCluster,
    cluster_exists,
    cluster_version,
    remove_incomplete_clusters,
)
from springhead.postgres.configuration import OWNER, ROLE, server_options
from springhead.postgres.errors import EmbeddedError
from springhead.postgres.folder_lock import FolderLock
from springhead.postgres.leftovers import stop_leftovers
from springhead.postgres.log_file import LogFile
from springhead.postgres.socket_path import dsn, make_socket_directory, remove_socket_directory

log = structlog.get_logger()

SUPERVISE_SECONDS: Final = 0.1

_STARTING: Final = (OSError, asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError)
"""Errors of a connection to a PostgreSQL that still starts."""

_OLD_BACKENDS_RUN: Final = ("pre-existing shared memory block", "lock file")
"""Output of a PostgreSQL that refuses to start because processes of a killed one still run."""


class EmbeddedPostgres:
    """The PostgreSQL of one data folder, as a child of this process (Linux, macOS).

    Call `launch`, `ready` and `supervise` on the main thread. When the thread that started PostgreSQL ends,
    the kernel stops PostgreSQL.
    """

    def __init__(self, data: Path, chosen_binaries: Path | None = None) -> None:
        """`chosen_binaries` is the folder of PostgreSQL's programs, if they are not those that Springhead includes."""
        self.data = data.resolve()
        self._chosen_binaries = chosen_binaries
        self._lock = FolderLock(self.data)
        self._stopped = False
        self._account = Account()
        self._binaries = Path()
        self._child: subprocess.Popen[bytes] | None = None
        self._new_cluster: NewCluster | None = None
        self._cluster = self.data / "postgres"
        self._log_file = LogFile(self.data / "postgres.log")

    def launch(self) -> None:
        """Locks the folder and starts its PostgreSQL, or on first use the creation of a cluster. Takes about 10 ms.

        Raises EmbeddedError if another server runs on the folder, or if PostgreSQL cannot run there.
        If the last server was killed, first waits for the end of its PostgreSQL, 15 s at most.
        """
        self._stopped = False
        try:
            with self._usable_folder():
                self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock.take()
                self._binaries = binaries(self._chosen_binaries, cluster_version(self._cluster))
                self._account, version = choose_account(self.data, self._binaries / "postgres", self._cluster)
                remove_incomplete_clusters(self.data)
                self._log_file.rotate()
                if cluster_exists(self._cluster, version, self._binaries):
                    self._spawn()
                else:
                    self._new_cluster = NewCluster(self.data, self._account, self._binaries, version, self._log_file)
        except BaseException:
            self.stop()
            raise

    async def ready(self) -> str:
        """Waits until PostgreSQL accepts connections. Returns the DSN of a role without special rights.

        Crash recovery may take long, so there is no limit. Raises EmbeddedError if PostgreSQL ends instead.
        """
        with self._usable_folder():
            return await self._become_ready()

    async def supervise(self) -> float:
        """Restarts PostgreSQL if it has died. Returns the seconds until the next check."""
        if self._child and self._child.poll() is not None and not self._stopped:
            log.error("PostgreSQL died; starting it again", status=self._child.returncode)
            await self._restart()
        return SUPERVISE_SECONDS

    def stop(self) -> None:
        """Stops PostgreSQL, which rolls back open transactions, and unlocks the folder.

        Kills PostgreSQL if it does not stop, 40 s at the latest. Can be called at any time, also repeatedly.
        """
        self._stopped = True
        initdb = self._new_cluster.process if self._new_cluster else None
        for process in filter(None, (initdb, self._child)):
            _stop_process(process)
        self._new_cluster = self._child = None
        if self._lock.held:
            remove_incomplete_clusters(self.data)
            remove_socket_directory(self.data)
            self._lock.release()

    @contextmanager
    def _usable_folder(self) -> Generator[None]:
        try:
            yield
        except OSError as cause:
            raise EmbeddedError(
                f"The data folder {self.data} cannot be used: {cause}. "
                "Name a folder that this user may write to with --data."
            ) from cause

    async def _become_ready(self) -> str:
        if self._new_cluster:
            await self._new_cluster.finish(self._cluster)
            self._new_cluster = None
            self._spawn()
        deadline = time.monotonic() + 15
        while not await self._accepts_connections():
            if self._stopped:
                raise EmbeddedError("The embedded PostgreSQL was stopped while it was starting. Start it again.")
            output = self._log_file.output()
            if time.monotonic() > deadline or not any(text in output for text in _OLD_BACKENDS_RUN):
                raise EmbeddedError(
                    f"PostgreSQL did not start in {self.data}: {self._log_file.error()}. "
                    f"See {self._log_file.path} for more."
                )
            await asyncio.sleep(0.2)  # processes of a killed PostgreSQL are ending
            self._spawn()
        return dsn(self.data)

    def _spawn(self) -> None:
        stop_leftovers(self._cluster)
        restrict_access(self._cluster, self._account)
        options = server_options(make_socket_directory(self.data, self._account))
        postgres = self._binaries / "postgres"
        with self._log_file.open() as output:
            self._child = self._account.spawn(postgres, "-D", self._cluster, *options, output=output)

    async def _restart(self) -> None:
        pause, start = 0.1, time.monotonic()
        while not self._stopped:
            try:
                if not self._child or self._child.poll() is not None:
                    self._spawn()
                if await self._accepts_connections():
                    log.info("PostgreSQL is back", seconds=round(time.monotonic() - start, 2))
                    return
                reason = self._log_file.error()
            except (OSError, EmbeddedError, asyncpg.PostgresError, asyncpg.InterfaceError) as cause:
                reason = str(cause)
            if self._stopped:
                return
            # The last processes keep the shared memory for a moment. A full disk can last longer.
            log.warning("PostgreSQL did not come back; trying again", reason=reason, pause=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2)

    async def _accepts_connections(self) -> bool:
        """Waits until PostgreSQL accepts connections to our database. Returns False if it ends instead."""
        while self._child and self._child.poll() is None:
            try:
                await (await asyncpg.connect(dsn(self.data), timeout=5)).close()
            except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError):
                await self._create_roles_and_database()
            except asyncpg.TooManyConnectionsError:
                return True
            except _STARTING:
                await asyncio.sleep(POLL_SECONDS)
            else:
                return True
        return False

    async def _create_roles_and_database(self) -> None:
        connection = await asyncpg.connect(dsn(self.data, user="postgres", database="postgres"), timeout=5)
        try:  # checks each separately: a kill may come in between
            for role in (OWNER, ROLE):
                if not await connection.fetchval("select true from pg_roles where rolname = $1", role):
                    await connection.execute(
                        f"create role {role} login nosuperuser nobypassrls nocreatedb nocreaterole noreplication"
                    )
            if not await connection.fetchval("select true from pg_database where datname = $1", ROLE):
                await connection.execute(f"create database {ROLE} owner {OWNER}")
        finally:
            await connection.close()


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    """Asks the process for a fast shutdown, then for an immediate one, then kills it."""
    for number, seconds in ((signal.SIGINT, 30), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.warning("PostgreSQL does not stop; sending the next signal", signal=number.name, seconds=seconds)
        else:
            return
