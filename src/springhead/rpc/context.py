"""What every method is handed: who calls, in which zone, and how to reach the company's data."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from springhead.model.companies.companies import Company
from springhead.model.feed.receiver_addresses import Networks
from springhead.model.feed.subscriptions import Target, TestPushResult
from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import InvalidParameters, Problem, Unavailable
from springhead.model.kit.fields import FieldSet
from springhead.rpc.objects import ObjectSchema
from springhead.store.database.background_jobs import WITHIN_A_CALL
from springhead.store.database.pool import Database, Tx
from springhead.store.database.retry import FIRST, Attempt
from springhead.store.feed.changes import Feed
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns.paging import PageStarts

_UTC = ZoneInfo("UTC")


class Pushes(Protocol):
    """What methods ask of the work that pushes changes beside the calls; `networks` is what it may reach."""

    networks: Networks

    def wake(self, company_id: int) -> None:
        """There may be something to push for a company."""
        ...

    async def send_test(self, target: Target) -> TestPushResult:
        """Send a test push now, and say what came of it."""
        ...


class Jobs(Protocol):
    """Runs the background jobs that a method has started."""

    def wake(self) -> None:
        """Run them beside the calls, from now on."""
        ...

    async def finish(self, company_id: int, seconds: float = WITHIN_A_CALL) -> None:
        """Run those of a company now, for about that long, and the rest beside the calls."""
        ...


class NoPushes:
    """For whoever runs methods without a server: nothing is pushed from here."""

    networks = Networks()

    def wake(self, company_id: int) -> None:
        """Nobody listens."""

    async def send_test(self, target: Target) -> TestPushResult:  # noqa: ARG002 - the protocol's signature
        """Nobody sends."""
        raise Unavailable


class Server(msgspec.Struct, frozen=True):
    """What lives as long as the server does: the database, what is remembered of it, and the work beside the calls.

    `public_url` is where the public reaches it, such as `https://crm.example.com`; empty when nobody has said.
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
    """One call of a company. `utc` is the v1.2 address; v1 speaks the company's own time (docs/wire/times.md).

    `key_id` is the API key that calls, if one does, and `request_id` the name of the call in the log. With `inside`
    every statement of the call belongs to that transaction, which somebody else ends. `attempt` is what earlier
    attempts of the call have found out.
    """

    server: Server
    company: Company
    utc: bool
    key_id: int | None = None
    request_id: str = ""
    inside: Tx | None = None
    attempt: Attempt = FIRST

    @property
    def zone(self) -> ZoneInfo:
        """The zone of every timestamp of this call, in and out."""
        return _UTC if self.utc else self.company.zone

    @property
    def zone_name(self) -> str:
        """The zone by its name, as PostgreSQL takes it."""
        return "UTC" if self.utc else self.company.time_zone

    def tx(self) -> AbstractAsyncContextManager[Tx]:
        """A connection that sees this company only."""
        return nullcontext(self.inside) if self.inside else self.server.database.company(self.company.id)

    async def fields(self, tx: Tx) -> FieldSet:
        """The company's custom fields, remembered; a statement that uses them checks their version."""
        return await self.server.fields.of(tx, self.company.id)

    async def verify(self, tx: Tx, fields: FieldSet) -> None:
        """Raise TryAgain when the custom fields have changed since they were remembered."""
        await self.server.fields.verify(tx, self.company.id, fields)


def object_schema(noun: Noun, fields: FieldSet, *, creating: bool) -> ObjectSchema:
    """What the noun's objects must be, custom fields included; made once for each version of them."""
    key = (noun.name, "create" if creating else "update")
    found: ObjectSchema | None = fields.cache.get(key)
    if found is None:
        custom = fields.columns.get(noun.name, ())
        found = fields.cache[key] = ObjectSchema(noun, custom, creating=creating)
    return found


def check_field_names(noun: Noun, fields: FieldSet, names: Sequence[str] | None) -> None:
    """Refuse, with 205, names in `fields` that the noun does not have."""
    if not names:
        return
    known = {*noun.by_name, *(column.name for column in fields.columns.get(noun.name, ()))}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidParameters(
            *(Problem(param=name[:255], message="Unknown field") for name in unknown[:100]),
            validParams=sorted(known),
        )
