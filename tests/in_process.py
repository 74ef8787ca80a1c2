"""Calls that run in the process of the test, on the database of a server, without HTTP."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from springhead.jobs.background_jobs import BackgroundJobs
from springhead.jobs.steps import STEPS
from springhead.rpc.context import Context
from springhead.rpc.context import Server as Shared
from springhead.rpc.perform import perform
from springhead.store.companies import companies
from springhead.store.database.admission import Lane
from springhead.store.database.pool import Database, Tx
from springhead.store.feed.changes import Feed
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns.paging import PageStarts
from springhead.wire.api import envelope
from support import BOX, Company


def shared_parts(database: Database) -> Shared:
    """The parts of a server that its calls share."""
    return Shared(database, FieldCache(), PageStarts(), BackgroundJobs(database, STEPS), Feed(database))


async def context_of(shared: Shared, company: Company, **more: Any) -> Context:
    """The context of a call of the company. `more` replaces attributes of the context."""
    async with shared.database.everyone() as tx:
        access = await companies.access(tx, company.account_id)
    assert access is not None
    return msgspec.structs.replace(Context(server=shared, company=access.company, utc=False), **more)


async def body_of(content: Any) -> bytes:
    """The body of an answer, which is bytes or a generator of bytes."""
    return content if isinstance(content, bytes) else b"".join([part async for part in content])


async def answer(context: Context, method: str, params: Any, *, idempotency_keys: Sequence[str] = ()) -> dict[str, Any]:
    """The answer to a call with the id "1"."""
    performed = await perform(
        context,
        method,
        params,
        idempotency_keys=idempotency_keys,
        encode=lambda declared, result: envelope.success(declared.result, result, b'"1"', plain_success=False),
    )
    content = envelope.failure(performed.error, b'"1"') if performed.error else performed.answer
    return json.loads(await body_of(content))


class WatchedDatabase(Database):
    """A small pool that makes its transactions with `watch`, from the connection of each."""

    def __init__(self, watch: "Callable[[Any], Tx]") -> None:
        super().__init__(pool_size=3, box=BOX)
        self._watch = watch

    @asynccontextmanager
    async def company(
        self, company_id: int, lane: Lane = Lane.CALLS, *, viewer: int | None = None
    ) -> AsyncGenerator[Tx]:
        async with super().company(company_id, lane, viewer=viewer) as tx:
            watched = self._watch(tx._connection)
            yield watched
            tx.changed |= watched.changed

    @asynccontextmanager
    async def everyone(self) -> AsyncGenerator[Tx]:
        async with super().everyone() as tx:
            yield self._watch(tx._connection)


class InsideCompany(Company):
    """A client of a company whose calls run in this process: `run` runs work for it, `answer` answers a call."""

    def __init__(
        self,
        company: Company,
        run: "Callable[[Company, Callable[[Context], Awaitable[Any]]], Any]",
        answer: "Callable[[Context, str, Any], Awaitable[dict[str, Any]]]",
    ) -> None:
        super().__init__(company.url, company.account_id, company.secret, id=company.id)
        self.dsn = company.dsn
        self._run, self._answer = run, answer

    def envelope(self, method: str, params: Any, id: Any = "1") -> dict[str, Any]:
        assert id == "1"
        return self._run(self, lambda context: self._answer(context, method, params))
