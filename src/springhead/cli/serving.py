"""Runs the server: connects it to its database, and announces when it is ready."""

import asyncio
import errno
import gc
import logging
import signal
from contextlib import AsyncExitStack
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
import structlog

from springhead.app import create_app
from springhead.cli.database import CONNECT_SECONDS, REFUSED, migrate_url, refusal_of, unreachable_reason
from springhead.cli.encryption_key import LOST, box_of, existing_keys, key_file, lost_advice
from springhead.cli.failure import Failure
from springhead.cli.greeting import greet
from springhead.delivery.worker import SOCKETS
from springhead.jobs.runner import Job
from springhead.model.companies.companies import Company
from springhead.postgres.server import EmbeddedPostgres
from springhead.settings import NO_PUBLIC_URL, Loaded, Settings, lacks_public_url, without_password
from springhead.store.companies.bootstrap import FirstCompany, create_first_company
from springhead.store.companies.companies import companies
from springhead.store.companies.encryption import lost_companies
from springhead.store.database.migrate import RefusedDatabase, migrate
from springhead.store.database.pool import AnyConnection, Tx
from springhead.wire.http.server import WILDCARDS, serve

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 2.0
"""Seconds between two attempts to reach the database: the first pause, and the longest."""

REPEAT_SECONDS = 10
"""Seconds after which the log repeats that the database does not answer."""

_UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
)


def run(loaded: Loaded, embedded: EmbeddedPostgres | None, *, as_json: bool) -> None:
    """Serves until SIGTERM or Ctrl-C. Raises an error for the operator if the server cannot start."""
    settings = loaded.settings
    startup = Startup(loaded, embedded, as_json=as_json)
    for setting in loaded.visible_passwords():
        log.warning("every user can see the password in a flag; use the variable instead", variable=setting.variable)
    if lacks_public_url(settings):
        log.warning("public_url is not set", meaning=NO_PUBLIC_URL, hint="springhead serve --public-url https://...")
    if settings.metrics_address and not settings.port != settings.metrics_address[1] in range(1, 65_536):
        raise Failure("metrics_listen needs a port of its own, from 1 to 65535. Choose one, such as 127.0.0.1:9025.")
    supervision = Job(name="postgresql", turn=embedded.supervise) if embedded else None
    jobs = [supervision or Job(name="announcement", turn=startup.announce_when_ready)]
    app = create_app(settings, startup.connect, box=startup.box, jobs=jobs, wait=embedded is not None)
    logging.getLogger("uvicorn.error").addFilter(lambda _record: startup.failure is None)  # the command shows it
    gc.collect()
    gc.freeze()  # imported modules stay in memory, so the garbage collector need not scan them
    try:
        serve(cast("Any", app), settings, on_ready=startup.listening, outgoing=SOCKETS)
    except OSError as cause:
        raise _listen_failure(settings, cause) from cause
    except SystemExit:
        if startup.failure is None:
            raise
    if startup.failure is not None:
        raise startup.failure


class Startup:
    """Starts up the server: connects it to its database, and announces when it is ready."""

    def __init__(self, loaded: Loaded, embedded: EmbeddedPostgres | None, *, as_json: bool) -> None:
        self.failure: BaseException | None = None
        self.box = box_of(loaded.settings)
        self._loaded = loaded
        self._embedded = embedded
        self._as_json = as_json
        self._url = ""
        self._first: FirstCompany | None = None
        self._companies: list[Company] = []

    async def connect(self) -> str:
        """Waits for the database, migrates it, and creates the first company if there is none. Returns the DSN."""
        try:
            if self._embedded:
                dsn = await self._embedded.ready()
                await self._prepare(dsn)
                return dsn
            return await self._wait_for_database(self._loaded.settings.database_url or "")
        except Exception as cause:
            self.failure = cause
            if self._embedded:
                raise
            signal.raise_signal(signal.SIGTERM)  # the server answers requests already, so it must stop in order
            return await asyncio.Event().wait() and ""  # waits until the server cancels this job

    def listening(self, url: str) -> None:
        """Notes that the port is open. With the embedded PostgreSQL the server is then ready."""
        self._url = url
        if self._embedded:
            self._announce()

    async def announce_when_ready(self) -> None:
        """Announces the server as soon as its /readyz answers 200."""
        while not (self._url and await self._ready()):  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.02)
        self._announce()

    async def _ready(self) -> bool:
        settings = self._loaded.settings
        address = urlsplit(f"//{settings.metrics_listen}" if settings.metrics_listen else self._url)
        host = (*settings.allowed_hosts, address.netloc)[0]
        try:
            name = WILDCARDS.get(address.hostname or "", address.hostname)
            reader, writer = await asyncio.open_connection(name, address.port)
            writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.readline()
            writer.close()
        except OSError:
            return False
        return b" 200 " in answer

    async def _wait_for_database(self, dsn: str) -> str:
        """Retries until the database answers. Raises RefusedDatabase if it can never work."""
        pause, last_log, reason = FIRST_PAUSE, 0.0, ""
        log.info("connecting to the database", database=without_password(dsn))
        while True:
            try:
                await self._prepare(dsn)
            except REFUSED as cause:
                raise RefusedDatabase(refusal_of(cause)) from cause
            except _UNREACHABLE as cause:
                now = asyncio.get_running_loop().time()
                if unreachable_reason(cause) != reason or now - last_log > REPEAT_SECONDS:
                    last_log, reason = now, unreachable_reason(cause)
                    log.warning(
                        "the database does not answer; trying again until it does or Ctrl-C",
                        database=without_password(dsn),
                        reason=reason,
                    )
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
            except ValueError as cause:  # such as a wrong port or an unknown sslmode
                raise RefusedDatabase(
                    f"database_url or migrate_url cannot be used: {cause}. Correct it, then start again."
                ) from cause
            else:
                return dsn

    async def _prepare(self, dsn: str) -> None:
        async with AsyncExitStack() as closing:
            connections: list[AnyConnection] = []
            for setting, address in (("database_url", dsn), ("migrate_url", migrate_url(self._loaded.settings))):
                if not address:
                    continue
                try:
                    connections.append(await asyncpg.connect(address, timeout=CONNECT_SECONDS))
                except REFUSED as cause:
                    raise RefusedDatabase(refusal_of(cause, setting)) from cause
                closing.push_async_callback(connections[-1].close, timeout=5)
            await migrate(*connections)
            self._companies = await companies(Tx(connections[0]))
            await self._check_secrets(Tx(connections[0]))
        if not self._companies:
            self._first = await create_first_company(dsn, self.box)

    async def _check_secrets(self, tx: Tx) -> None:
        """Creates the encryption key if there is none, and warns of secrets that it cannot decrypt."""
        settings = self._loaded.settings
        is_new = not existing_keys(settings)
        lost = await lost_companies(tx, self.box.key_ids())
        if is_new and settings.database_url:
            log.warning(
                "created the encryption key of the secrets in the database",
                file=str(key_file(settings).path),
                meaning="without this file they are lost, such as those that sign pushes; other servers need it too",
                hint="keep a copy; if this folder does not last, set SPRINGHEAD_ENCRYPTION_KEY",
            )
        if lost:
            log.warning(
                "secrets in the database cannot be decrypted, because their key is not here",
                companies=len(lost),
                meaning=LOST,
                hint=lost_advice(settings),
            )

    def _announce(self) -> None:
        greet(self._loaded, self._url, self._first, self._companies, as_json=self._as_json)
        self._first = None  # the secret is shown only once


def _listen_failure(settings: Settings, cause: OSError) -> Failure:
    address = f"port {settings.port} of {settings.host}"
    if settings.metrics_listen:
        address += f", or {settings.metrics_listen}"
    if cause.errno == errno.EADDRINUSE:
        return Failure(
            f"Another program uses {address}. Stop it, or choose another port with --port (0: any free port)."
        )
    if cause.errno in {errno.EACCES, errno.EPERM}:
        return Failure(f"This user may not listen on {address}. Choose a port above 1023 with --port.")
    return Failure(
        f"The server cannot listen on {address}: {cause.strerror}. Name an address of this machine with --host."
    )
