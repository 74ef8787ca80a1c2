"""The connection pool: connections that see one company, transactions, and what database errors mean to a caller."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import structlog

from springhead.model.kit.errors import Unavailable
from springhead.store.database.admission import QUEUE_SECONDS, Admission, Lane, Ticket
from springhead.store.database.box import Box
from springhead.store.database.deadlines import COMMAND_SECONDS, LOCK_SECONDS, STATEMENT_SECONDS
from springhead.store.database.sql import Sql

if TYPE_CHECKING:
    from asyncpg.pool import Pool

    AnyConnection = asyncpg.Connection[asyncpg.Record]
    AnyPool = Pool[asyncpg.Record]
else:  # asyncpg's classes are generic in its type stubs only
    AnyConnection = asyncpg.Connection
    AnyPool = object

log = structlog.get_logger()

ACQUIRE_TIMEOUT = 5.0
ALIVE_TIMEOUT = 3.0
SERVER_SETTINGS = {
    "application_name": "springhead",
    "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
    "lock_timeout": f"{LOCK_SECONDS:.0f}s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_user_timeout": "10000",
    "timezone": "UTC",
    "jit": "off",
    # No statement reads the rows of all companies (docs/decisions/0035-declared-statistics.md).
    "enable_seqscan": "off",
    # If it is on, Citus asks of every table whether it is a shard when asyncpg looks up types: 1.3 s per connection.
    # PostgreSQL without Citus ignores it.
    "citus.override_table_visibility": "off",
}


class TryAgain(Exception):
    """Nothing was written, and a retry can succeed at once: a deadlock, a lost race, changed fields."""


class TookTooLong(Exception):
    """The time limit of `Tx.within` was reached; its transaction was rolled back."""


class Locked(Unavailable):
    """A row that the statement needs stayed locked by another transaction for LOCK_SECONDS."""


_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresIOError,
    asyncpg.InternalServerError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,  # while an operator sets up the role again
    asyncpg.InvalidCatalogNameError,
    OSError,
    TimeoutError,
)
"""Errors of the database or of the network to it, not of a statement."""
_LOST_STATES = ("08", "53", "57", "58", "XX")
"""SQLSTATE classes of trouble with the server, not with a statement: connection, resources, shutdown, files, faults."""
_RACE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError)


class _Connection(AnyConnection):
    """A connection that remembers its company and viewer, so that only a change of them costs a round trip."""

    scope: tuple[int, int | None] | None = None

    async def enter(self, company_id: int, viewer: int | None) -> None:
        """Sets the company of the connection: row-level security shows the rows of that company only.

        With a viewer, it shows only the leads that this user may see, and what belongs to them.
        """
        if self.scope != (company_id, viewer):
            self.scope = None
            await self.execute(
                """
                select set_config('app.company_id', $1, false), set_config('app.sees', $2, false),
                    set_config('app.viewer', $3, false)
                """,
                str(company_id),
                "all" if viewer is None else "some",
                str(viewer or ""),
            )
            self.scope = (company_id, viewer)


class Tx:
    """A connection in one company's scope. Statements commit one by one, unless inside `atomic`."""

    def __init__(self, connection: AnyConnection, box: Box | None = None) -> None:
        self._connection = connection
        self.box = box or Box()
        """Encrypts and decrypts the secrets of rows."""
        self.changed = False
        """Whether leads were changed. If so, the listeners `Database.on_change` are called at the end."""

    async def rows(self, sql: Sql, *arguments: object) -> list[asyncpg.Record]:
        """All rows of a statement."""
        return await self._connection.fetch(sql, *arguments)

    async def row(self, sql: Sql, *arguments: object) -> asyncpg.Record | None:
        """The first row of a statement, or None."""
        return await self._connection.fetchrow(sql, *arguments)

    async def value(self, sql: Sql, *arguments: object) -> Any:
        """The first value of the first row, or None."""
        return await self._connection.fetchval(sql, *arguments)

    async def replan(self) -> None:
        """Until the transaction ends, plan every statement for the tables as they are now.

        PostgreSQL keeps a plan after five executions, and makes a new one when it has analysed a table. A plan that was
        made for a table with a handful of rows can join thousands of rows by comparing each with each. So transactions
        whose statements change thousands of rows begin with this; for others, a plan each time would cost too much.
        """
        await self._connection.execute("set local plan_cache_mode = force_custom_plan")

    async def begin_action(self, action_id: int) -> None:
        """Until the transaction ends, the events that it writes are those of an action (column `event.action_id`)."""
        # Not set_config: Citus passes only SET LOCAL on to its workers.
        await self._connection.execute(f"set local app.action_id = '{int(action_id)}'")

    async def see_as(self, viewer: int) -> None:
        """Until the transaction ends, sees of the leads only those of this user and those without an owner."""
        await self._connection.execute(
            "select set_config('app.sees', 'some', true), set_config('app.viewer', $1, true)", str(viewer)
        )

    @asynccontextmanager
    async def atomic(self) -> AsyncGenerator[None]:
        """Runs the statements inside in one transaction. Raises Locked if a row stays locked."""
        try:
            async with _transaction(self._connection):
                yield
        except asyncpg.LockNotAvailableError as cause:
            raise Locked from cause

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncGenerator[None]:
        """Like `atomic`, with a time limit for each statement inside. Raises TookTooLong."""
        left = int(seconds * 1000)
        if left < 1:
            raise TookTooLong
        try:
            async with self.atomic():
                await self._connection.execute(f"set local statement_timeout = {left}")
                yield
        except asyncpg.QueryCanceledError as cause:
            raise TookTooLong from cause


@asynccontextmanager
async def _transaction(connection: AnyConnection) -> AsyncGenerator[None]:
    """A transaction. If the connection is lost or busy, sends no rollback: that would wait again."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    except BaseException as cause:
        if not _breaks_connection(cause):
            await transaction.rollback()
        raise
    await transaction.commit()


def _breaks_connection(cause: BaseException) -> bool:
    """Whether the error leaves the connection in an unknown state. It is then closed, which also rolls back."""
    if isinstance(cause, asyncpg.PostgresError):
        return isinstance(cause, asyncpg.PostgresConnectionError)
    return isinstance(cause, (*_LOST, asyncio.CancelledError, GeneratorExit))


class Database:
    """A pool of connections to one PostgreSQL, plain or with Citus.

    Without a box it can neither store nor read secrets.
    """

    def __init__(self, *, pool_size: int, box: Box | None = None) -> None:
        self.box = box or Box()
        self.admission = Admission(pool_size)
        """Decides which company gets the next connection."""
        self._size = pool_size
        self._pool: AnyPool | None = None
        self._opening = asyncio.Lock()
        # Connections that stay acquired between two calls. A release and an acquisition cost a task, two turns of the
        # event loop and as much time as a point read, so a connection is released only if another task waits for one.
        self._idle: list[AnyConnection] = []
        self._waiting = 0
        self.distributed = False
        self.on_change: list[Callable[[int], None]] = []
        """Listeners of the store, called with a company id when this process may have changed leads.

        They return at once. Other rooms wait for a ChangeSignal instead (store/feed/changes.py): the store calls no
        other room.
        """

    async def open(self, dsn: str) -> None:
        """Connects. Raises asyncpg's error if the database cannot be reached or refuses the connection.

        Before it has succeeded, `company` and `everyone` raise Unavailable.
        """
        async with self._opening:
            if self._pool is None:
                pool = await asyncpg.create_pool(
                    dsn,
                    min_size=1,
                    max_size=self._size,
                    timeout=ACQUIRE_TIMEOUT,
                    command_timeout=COMMAND_SECONDS,
                    max_inactive_connection_lifetime=300,
                    connection_class=_Connection,
                    server_settings=SERVER_SETTINGS,
                    reset=_keep,
                    max_cacheable_statement_size=0,  # without a limit: the longest statements cost most to plan again
                )
                try:
                    self.distributed = await pool.fetchval(
                        "select exists (select from pg_extension where extname = 'citus')"
                    )
                except BaseException:
                    pool.terminate()  # the database stays closed, so that the next attempt asks again
                    raise
                self._pool = pool

    async def alive(self) -> bool:
        """Whether the database answers right now."""
        try:
            async with asyncio.timeout(ALIVE_TIMEOUT), self.everyone() as tx:
                return await tx.value("select true")
        except (Unavailable, TryAgain, TimeoutError):
            return False

    async def close(self) -> None:
        """Gives the calls in flight five seconds to finish, then closes every connection."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(5):
                closing = asyncio.ensure_future(self._pool.close())
                await self._release_idle(self._pool)
                await closing
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def company(
        self, company_id: int, lane: Lane = Lane.CALLS, *, viewer: int | None = None
    ) -> AsyncGenerator[Tx]:
        """A connection that sees the rows of one company and of the global tables, when it is the company's turn.

        With `viewer`, it sees of the leads only those of this user and those without an owner.

        Raises Unavailable if the database cannot answer or the company's turn does not come, TryAgain if the call
        should be retried, and Locked if a row stayed locked.
        """
        tx = None
        ticket = self.admission.ask(company_id, lane, monotonic())
        try:
            if ticket.granted_at is None:
                await _granted(ticket)
            async with self._connection() as connection:
                tx = Tx(connection, self.box)
                if self.distributed:
                    # Citus passes only SET LOCAL on to its workers, and only in this order.
                    async with _transaction(connection):
                        await connection.execute("set local citus.propagate_set_commands = 'local'")
                        await connection.execute(f"set local app.company_id = '{int(company_id)}'")
                        await connection.execute(f"set local app.sees = '{'all' if viewer is None else 'some'}'")
                        await connection.execute(f"set local app.viewer = '{int(viewer or 0) or ''}'")
                        yield tx
                else:
                    await cast("_Connection", connection).enter(company_id, viewer)
                    yield tx
        finally:
            self.admission.leave(ticket, monotonic())
            if tx and tx.changed:
                for listener in self.on_change:
                    listener(company_id)

    @asynccontextmanager
    async def everyone(self) -> AsyncGenerator[Tx]:
        """A connection for the global tables, such as companies and their keys. It sees no data of a company."""
        async with self._connection() as connection:
            yield Tx(connection, self.box)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AnyConnection]:
        pool = self._pool
        if pool is None:
            raise Unavailable
        connection = None
        try:
            connection = await self._acquire(pool)
            yield connection
        except BaseException as cause:
            if connection is not None and _breaks_connection(cause):
                with suppress(asyncpg.InterfaceError):  # the pool may have dropped it already
                    connection.terminate()
                if isinstance(cause, TimeoutError):
                    await pool.expire_connections()  # the idle connections would time out too
                    await self._release_idle(pool)
            if isinstance(cause, asyncpg.LockNotAvailableError):
                raise Locked from cause
            if isinstance(cause, _RACE):
                raise TryAgain from cause
            if _is_lost(cause):
                raise self._unavailable(cause) from cause
            raise
        finally:
            if connection is not None:
                if self._waiting or _is_gone(connection) or pool.is_closing():
                    await self._release(pool, connection)
                else:
                    self._idle.append(connection)

    async def _acquire(self, pool: AnyPool) -> AnyConnection:
        while self._idle:
            connection = self._idle.pop()
            if not _is_gone(connection):
                return connection
            await self._release(pool, connection)
        self._waiting += 1
        try:
            return cast("AnyConnection", await pool.acquire(timeout=ACQUIRE_TIMEOUT))
        finally:
            self._waiting -= 1

    @staticmethod
    async def _release(pool: AnyPool, connection: AnyConnection) -> None:
        with suppress(*_LOST):  # the caller must see the error of its call, not one that follows from it
            await pool.release(cast("Any", connection), timeout=2)  # asyncpg shields this from cancellation

    async def _release_idle(self, pool: AnyPool) -> None:
        while self._idle:
            await self._release(pool, self._idle.pop())

    def _unavailable(self, cause: BaseException) -> Unavailable:
        log.warning("database unavailable", error=type(cause).__name__, detail=str(cause)[:200])
        return Unavailable()

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are open, and how many of them are idle."""
        return (self._pool.get_size(), self._pool.get_idle_size() + len(self._idle)) if self._pool else (0, 0)


async def _granted(ticket: Ticket) -> None:
    """Waits until the ticket is granted. Raises Unavailable after QUEUE_SECONDS."""
    granted = asyncio.get_running_loop().create_future()
    ticket.on_grant = lambda: granted.done() or granted.set_result(None)
    try:
        async with asyncio.timeout(QUEUE_SECONDS):
            await granted
    except TimeoutError as cause:
        raise Unavailable({"retryAfter": QUEUE_SECONDS}) from cause


def _is_lost(cause: BaseException) -> bool:
    """Whether the database or the network is in trouble, so that the same call can succeed later."""
    if isinstance(cause, asyncpg.PostgresError) and (cause.sqlstate or "").startswith(_LOST_STATES):
        return True
    return isinstance(cause, _LOST)


def _is_gone(connection: AnyConnection) -> bool:
    """Whether the connection is closed. If the pool has already taken it back, `is_closed` raises InterfaceError."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


async def _keep(_connection: object) -> None:
    """Leaves a released connection as it is. asyncpg's default reset costs a round trip and is not needed."""
