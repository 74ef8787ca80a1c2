"""The context that every method gets: the calling company, its time zone, and the server's parts."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
import structlog

from springhead.model.companies.companies import Company
from springhead.model.companies.roles import Right
from springhead.model.companies.users import User
from springhead.model.feed.receiver_addresses import Networks
from springhead.model.feed.subscriptions import Target, TestPushResult
from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import InvalidParameters, Problem, Unavailable
from springhead.model.kit.fields import FieldSet
from springhead.rpc.objects import ObjectSchema
from springhead.store.database.admission import Lane
from springhead.store.database.background_jobs import WITHIN_A_CALL
from springhead.store.database.pool import Database, Tx
from springhead.store.database.retry import FIRST, Attempt
from springhead.store.feed.changes import Feed
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns.paging import PageStarts

log = structlog.get_logger()

_UTC = ZoneInfo("UTC")


class Pushes(Protocol):
    """The interface of the push worker for methods. `networks` are the networks that pushes may reach."""

    networks: Networks

    def wake(self, company_id: int) -> None:
        """Tells the worker that a company may have changes to push."""
        ...

    async def send_test(self, target: Target) -> TestPushResult:
        """Sends a test push now, and returns its result."""
        ...


class Jobs(Protocol):
    """The interface of the background jobs for methods that start them."""

    def wake(self) -> None:
        """Starts to run waiting jobs beside the calls."""
        ...

    async def finish(self, company_id: int, seconds: float = WITHIN_A_CALL) -> None:
        """Runs the jobs of a company for about `seconds` before it returns. The rest runs beside the calls."""
        ...


class NoPushes:
    """The Pushes of a process that runs methods without a push worker."""

    networks = Networks()

    def wake(self, company_id: int) -> None:
        """Does nothing."""

    async def send_test(self, target: Target) -> TestPushResult:  # noqa: ARG002 - the protocol's signature
        """Raises Unavailable."""
        raise Unavailable


class Server(msgspec.Struct, frozen=True):
    """The parts of the server that all calls share: the database, its caches, and the background work.

    `public_url` is the server's URL for the public, such as `https://crm.example.com`, or "" if it is not set.
    `refusals` counts the refused objects of bulk writes by method and error code.
    """

    database: Database
    fields: FieldCache
    page_starts: PageStarts
    jobs: Jobs
    feed: Feed
    public_url: str = ""
    pushes: Pushes = NoPushes()
    refusals: Counter[tuple[str, int]] = msgspec.field(default_factory=Counter[tuple[str, int]])


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The context of a call.

    `utc` is true for calls of the v1.2 address. Calls of the v1 address have times in the company's zone
    (docs/wire/times.md). `key_id` is the API key of the call; forms and links have none. `source` is what opt-outs
    record as their source, by default the name of the method. `request_id` identifies the call in the log. With
    `inside`, all statements of the call run in that transaction, and the caller ends it. `attempt` has the results of
    earlier attempts of the call. `lane` decides which connections the call may use. `user` is who makes the call at the
    pages: the call has the user's rights, and sees what the user may see.
    """

    server: Server
    company: Company
    utc: bool
    key_id: int | None = None
    source: str = ""
    request_id: str = ""
    inside: Tx | None = None
    attempt: Attempt = FIRST
    lane: Lane = Lane.CALLS
    user: User | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of all timestamps of this call, in its parameters and its result."""
        return _UTC if self.utc else self.company.zone

    @property
    def zone_name(self) -> str:
        """The name of the zone for PostgreSQL."""
        return "UTC" if self.utc else self.company.time_zone

    @property
    def public_url(self) -> str:
        """The beginning of public addresses in answers. If it is empty, the first use warns in the log."""
        if not self.server.public_url:
            _warn_of_paths()
        return self.server.public_url

    @property
    def viewer(self) -> int | None:
        """The user who makes the call, if the user sees only some leads. Row-level security enforces it."""
        return self.user.id if self.user and not self.user.may(Right.ALL_LEADS) else None

    def tx(self) -> AbstractAsyncContextManager[Tx]:
        """Returns a connection that sees only this company's rows."""
        if self.inside:
            return nullcontext(self.inside)
        return self.server.database.company(self.company.id, self.lane, viewer=self.viewer)

    async def fields(self, tx: Tx) -> FieldSet:
        """Returns the company's custom fields from the cache. Statements that use them check their version."""
        return await self.server.fields.of(tx, self.company.id)

    async def verify(self, tx: Tx, fields: FieldSet) -> None:
        """Raises TryAgain if the custom fields have changed since they were cached."""
        await self.server.fields.verify(tx, self.company.id, fields)


@cache
def _warn_of_paths() -> None:
    log.warning(
        "public_url is not set: a call was answered with addresses that have no host, so they work nowhere else",
        hint="springhead serve --public-url https://...",
    )


def object_schema(noun: Noun, fields: FieldSet, *, creating: bool) -> ObjectSchema:
    """Returns the schema of a noun's objects with their custom fields. It is cached with the version of the fields."""
    key = (noun.name, "create" if creating else "update")
    schema: ObjectSchema | None = fields.cache.get(key)
    if schema is None:
        custom = fields.columns.get(noun.name, ())
        schema = fields.cache[key] = ObjectSchema(noun, custom, creating=creating)
    return schema


def check_field_names(noun: Noun, fields: FieldSet, names: Sequence[str] | None) -> None:
    """Raises InvalidParameters (205) for names of fields that the noun does not have."""
    if not names:
        return
    known = {*noun.by_name, *(column.name for column in fields.columns.get(noun.name, ()))}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidParameters(
            *(Problem(param=name[:255], message="Unknown field") for name in unknown[:100]),
            validParams=sorted(known),
        )
