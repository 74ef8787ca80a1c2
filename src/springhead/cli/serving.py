"""Runs the server: connects it to its database, and says when it is ready."""

import asyncio
import errno
import gc
import logging
import signal
import sys
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
import structlog

from springhead.app import create_app
from springhead.cli.failure import Failure
from springhead.cli.greeting import greet
from springhead.delivery.worker import PUSHES
from springhead.jobs.runner import Job
from springhead.model.companies.companies import Company
from springhead.postgres.server import EmbeddedPostgres
from springhead.settings import Loaded, Settings, password_of
from springhead.store.companies.bootstrap import FirstCompany, create_first_company
from springhead.store.companies.companies import companies
from springhead.store.database.migrate import RefusedDatabase, migrate
from springhead.store.database.pool import Tx
from springhead.wire.http.server import serve

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 2.0
REPEAT_SECONDS = 30
"""How often a database that stays away is mentioned."""

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
)
_WRONG = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
    asyncpg.InsufficientPrivilegeError,
)


def run(loaded: Loaded, embedded: EmbeddedPostgres | None, *, as_json: bool) -> None:
    """Serve until SIGTERM or Ctrl-C; raises what kept the server from starting, in words for the operator."""
    settings = loaded.settings
    start = Start(loaded, embedded, as_json=as_json)
    if any("database-url" in argument for argument in sys.argv) and password_of(settings.database_url or ""):
        log.warning("every user can see the password in --database-url; better use SPRINGHEAD_DATABASE_URL")
    supervision = Job(name="postgresql", turn=embedded.supervise) if embedded else None
    jobs = [supervision or Job(name="announcement", turn=start.announce_when_ready)]
    app = create_app(settings, start.connect, jobs=jobs, wait=embedded is not None)
    logging.getLogger("uvicorn.error").addFilter(lambda _record: start.failure is None)  # we say it in a sentence
    gc.collect()
    gc.freeze()  # what is imported by now stays: collections need not walk over it again and again
    try:
        serve(cast("Any", app), settings, on_ready=start.listening, outgoing=PUSHES)
    except OSError as cause:
        raise _not_listening(settings, cause) from cause
    except SystemExit:
        if start.failure is None:
            raise
    if start.failure is not None:
        raise start.failure


class Start:
    """The way from a launched process to a server that answers."""

    def __init__(self, loaded: Loaded, embedded: EmbeddedPostgres | None, *, as_json: bool) -> None:
        self.failure: BaseException | None = None
        self._loaded = loaded
        self._embedded = embedded
        self._as_json = as_json
        self._url = ""
        self._first: FirstCompany | None = None
        self._companies: list[Company] = []

    async def connect(self) -> str:
        """Wait for the database, bring it up to date, make the first company; gives its address."""
        try:
            if self._embedded:
                dsn = await self._embedded.ready()
                await self._prepare(dsn)
                return dsn
            return await self._reach(self._loaded.settings.database_url or "")
        except Exception as cause:
            self.failure = cause
            if self._embedded:
                raise
            signal.raise_signal(signal.SIGTERM)  # the server is up already: it ends in order
            return await asyncio.Event().wait() and ""

    def listening(self, url: str) -> None:
        """The port is open; with the embedded database that means ready."""
        self._url = url
        if self._embedded:
            self._announce()

    async def announce_when_ready(self) -> None:
        """Announce the server when our own /readyz says so."""
        while not (self._url and await self._ready()):  # noqa: ASYNC110 - only the app knows
            await asyncio.sleep(0.02)
        self._announce()

    async def _ready(self) -> bool:
        address = urlsplit(self._url)
        host = (*self._loaded.settings.allowed_hosts, address.netloc)[0]
        try:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.readline()
            writer.close()
        except OSError:
            return False
        return b" 200 " in answer

    async def _reach(self, dsn: str) -> str:
        """Try until the database is there."""
        pause, said, reason = FIRST_PAUSE, 0.0, ""
        while True:
            try:
                await self._prepare(dsn)
            except _WRONG as cause:
                raise RefusedDatabase(
                    f"The database refuses us: {cause}. Mend database_url, or what the role may do there."
                ) from cause
            except _AWAY as cause:
                now = asyncio.get_running_loop().time()
                if str(cause) != reason or now - said > REPEAT_SECONDS:
                    said, reason = now, str(cause)
                    log.warning("the database does not answer; trying again", reason=reason or type(cause).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
            except ValueError as cause:  # a port that is no number, an unknown sslmode
                raise RefusedDatabase(f"database_url cannot be used: {cause}.") from cause
            else:
                return dsn

    async def _prepare(self, dsn: str) -> None:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            await migrate(connection)
            self._companies = await companies(Tx(connection))
        finally:
            await connection.close(timeout=5)
        if not self._companies:
            self._first = await create_first_company(dsn)

    def _announce(self) -> None:
        greet(self._loaded, self._url, self._first, self._companies, as_json=self._as_json)
        self._first = None  # the secret has been shown once, and is nowhere any more


def _not_listening(settings: Settings, cause: OSError) -> Failure:
    where = f"port {settings.port} of {settings.host}"
    if cause.errno == errno.EADDRINUSE:
        return Failure(f"Another program uses {where}. Stop it, or take another port with --port (0: any free one).")
    if cause.errno in {errno.EACCES, errno.EPERM}:
        return Failure(f"This user may not listen on {where}. Take a port above 1023 with --port.")
    return Failure(f"Cannot listen on {where}: {cause.strerror}. Give an address of this machine with --host.")
