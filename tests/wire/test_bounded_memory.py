"""Whatever the server remembers by a text of its callers is bounded in bytes. Each test fills one memory."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from springhead.capture import bots
from springhead.model.capture.sites import PATTERN_LENGTH, PATTERNS_MAX, is_important
from springhead.model.kit.caches import memory_of
from springhead.model.kit.fields import OPTION_LENGTH, OPTIONS_MAX, Field, FieldSet
from springhead.model.kit.rate_limits import KEYS_MAX, KeyedRateLimit
from springhead.model.leads.leads import LEAD
from springhead.rpc.context import object_schema
from springhead.store.capture import sites
from springhead.store.database.pool import Database
from springhead.store.fields import fields
from springhead.store.nouns import paging
from springhead.store.nouns.paging import PageStarts, listing
from springhead.wire import logs
from springhead.wire.api import auth
from springhead.wire.http.connections import Connections
from springhead.wire.http.messages import LONGEST_HOST, HttpRequest
from springhead.wire.http.peers import TrustedPeers, client_network
from support import BOX, Company, Server, sql

T = TypeVar("T")
LONG = "x" * 30_000


@contextmanager
def grows_by_at_most(megabytes: float) -> Generator[None]:
    """Fails if the objects that are alive afterwards take more memory."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < megabytes * 1_000_000
    finally:
        tracemalloc.stop()


def test_user_agents_of_any_length_are_remembered_up_to_a_bound() -> None:
    bots.is_bot(b"-")  # loads the list
    with grows_by_at_most(3):
        for number in range(bots.REMEMBERED + 500):
            bots.is_bot(f"{number} {LONG}".encode())


def test_a_user_agent_is_a_bot_by_its_first_bytes() -> None:
    assert bots.is_bot(b"curl/8.5.0" + LONG.encode())
    assert bots.is_bot(b"")
    assert not bots.is_bot(b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")


@pytest.mark.parametrize("key", ["{}.{}", "{}{}\ud800"])
def test_keys_of_any_length_are_counted_in_a_bounded_memory(key: str) -> None:
    limit = KeyedRateLimit(per_second=0.001, burst=1)
    with grows_by_at_most(8):
        for number in range(KEYS_MAX + 1_000):
            assert limit.allows(key.format(number, LONG[:2_000]), 0)
        assert not limit.allows(key.format(KEYS_MAX, LONG[:2_000]), 0), "a long key is limited like a short one"


def test_page_starts_of_all_listings_together_are_bounded() -> None:
    starts, numbers = PageStarts(), count()
    listings = [listing(1, "lead", {"emailAddress": f"{number}{LONG}"}, "") for number in range(400)]
    with grows_by_at_most(40):
        for one in listings:
            for offset in range(400):
                starts.keep(one, offset, next(numbers), 1)
        assert starts.find(listings[-1], 399) is not None
        assert starts.find(listings[0], 0) is None, "the listing that was used longest ago is forgotten"


def test_page_starts_that_were_forgotten_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "KEPT_STARTS", 10)
    starts, old, new = PageStarts(), listing(1, "lead", {}, "old"), listing(1, "lead", {}, "new")
    starts.keep(old, 0, 1, 1)
    for offset in range(50):
        starts.keep(new, offset, 1, 1)
        starts.keep(new, offset, 2, 1)
        starts.forget(new, offset)
        starts.forget(new, offset)
    for offset in range(9):
        starts.keep(new, offset, 1, 1)
    assert starts.find(old, 0) is not None
    starts.keep(new, 9, 1, 1)
    assert starts.find(old, 0) is None


def test_hosts_are_remembered_up_to_a_bound() -> None:
    register = Connections(1)
    with grows_by_at_most(1):
        for number in range(5_000):
            assert register.serves_host(f"{number}.example".encode().ljust(LONGEST_HOST, b"x"))


def test_long_names_in_the_log_are_not_remembered() -> None:
    with grows_by_at_most(1):
        for number in range(2_000):
            shown = logs.safe(None, "info", {"params": {f"{LONG}{number}_token": "s", f"{number}": "v"}})["params"]
            assert list(shown.values()) == ["***", "v"]


def test_patterns_of_important_pages_are_remembered_up_to_a_bound() -> None:
    with grows_by_at_most(20):
        for number in range(100):
            patterns = tuple(f"/{number}/{index}".ljust(PATTERN_LENGTH, "x") for index in range(PATTERNS_MAX))
            assert not is_important(patterns, "/")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:0:0:0:9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("-", "-"),
        ("unknown", "unknown"),
        (":" + LONG, ":" + "x" * 44),
        (LONG, "x" * 45),
    ],
)
def test_limits_count_an_ipv6_address_by_its_network(address: str, key: str) -> None:
    assert client_network(address) == key


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "fd00::1", "fd00::1%eth0"])
def test_a_trusted_proxy_is_known_by_address_and_network(address: str) -> None:
    trusted = TrustedPeers(("127.0.0.1", "10.0.0.0/8", "fd00::/8"))
    assert address in trusted
    assert address not in TrustedPeers(())


@pytest.mark.parametrize("address", ["127.0.0.2", "11.0.0.1", "2001:db8::1", "-", "", LONG])
def test_no_other_address_is_a_trusted_proxy(address: str) -> None:
    assert address not in TrustedPeers(("127.0.0.1", "10.0.0.0/8", "fd00::/8"))


def test_every_address_of_a_network_shares_a_limit() -> None:
    limit = KeyedRateLimit(per_second=0.001, burst=2)
    allows: Callable[[str], bool] = lambda address: limit.allows(client_network(address), 0)  # noqa: E731
    assert [allows(f"2001:db8:1:2::{number:x}") for number in range(4)] == [True, True, False, False]
    assert allows("2001:db8:1:3::1")


def test_companies_that_callers_name_are_remembered_up_to_a_bound(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made-up account ids of the longest length, in characters of four bytes."""
    monkeypatch.setattr(auth, "CACHE_MAX", 100)

    async def name_companies(database: Database) -> int:
        keys = auth.Keys(database)
        for number in range(300):
            account_id = f"{number}".rjust(auth.CREDENTIAL_MAX, "\U0001f600")
            query = f"accountID={quote(account_id)}&secretKey=x".encode()
            request = HttpRequest({"method": "POST", "headers": [], "query_string": query}, _no_body)
            assert await keys.caller(request) is None
        return len(keys._cache)

    assert on_database(server, name_companies) == 100


def test_tokens_of_sites_that_visitors_name_are_remembered_up_to_a_bound(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "KEPT_SITES", 100)

    async def name_sites(database: Database) -> tuple[int, int]:
        kept = sites.Sites(database)
        for number in range(300):
            assert await kept.find(f"{number:022}") is None
        assert await kept.find(LONG) is None, "only tokens of the right length are looked up"
        await asyncio.sleep(0)  # the last look-up leaves the list of look-ups
        return len(kept._cached), len(kept._lookups)

    assert on_database(server, name_sites) == (100, 0)


def test_the_keys_of_a_company_count_by_their_bytes(
    server: Server, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company can have any number of keys. If they are larger than the cache, they are looked up for each call."""
    insert = """
        insert into api_key (company_id, label, secret_sha256)
        select $1, repeat('x', 255), sha256(convert_to(number::text, 'UTF8')) from generate_series(1, 1000) number
        """
    sql(company.dsn, insert, company.id)
    query = f"accountID={quote(company.account_id)}&secretKey={quote(company.secret)}".encode()
    request = HttpRequest({"method": "POST", "headers": [], "query_string": query}, _no_body)

    async def call(database: Database) -> int:
        keys = auth.Keys(database)
        for _ in range(2):
            assert await keys.caller(request) is not None
        return keys._cache.used

    assert on_database(server, call) > 400_000
    monkeypatch.setattr(auth, "CACHE_BYTES", 100_000)
    assert on_database(server, call) == 0


def test_sites_count_by_the_bytes_of_their_patterns(
    server: Server, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    patterns = [f"/{number}/".ljust(PATTERN_LENGTH, "\U0001f600") for number in range(PATTERNS_MAX)]
    company.call("updateCaptureSettings", importantPages=patterns)
    (row,) = sql(company.dsn, "select token from site where company_id = $1", company.id)

    async def find(database: Database) -> int:
        kept = sites.Sites(database)
        for _ in range(2):
            assert await kept.find(row["token"]) is not None
        return kept._cached.used

    assert on_database(server, find) > PATTERNS_MAX * PATTERN_LENGTH * 4 - 10_000
    monkeypatch.setattr(sites, "KEPT_BYTES", 50_000)
    assert on_database(server, find) == 0


def test_fields_count_by_the_bytes_of_their_options(
    server: Server, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fields that are larger than the cache are read for each call."""
    options = [f"{number} ".ljust(OPTION_LENGTH, "x") for number in range(OPTIONS_MAX)]
    made = {"relationship": "lead", "dataType": "picklist", "options": options}
    company.make("createFields", *({**made, "label": f"Choice {number}"} for number in range(3)))

    async def read(database: Database) -> int:
        kept = fields.FieldCache()
        async with database.company(company.id) as tx:
            for _ in range(2):
                assert len((await kept.of(tx, company.id)).fields) == 3
        return kept._sets.used

    assert on_database(server, read) > fields.DERIVED * 3 * OPTIONS_MAX * OPTION_LENGTH
    monkeypatch.setattr(fields, "KEPT_BYTES", 1_000_000)
    assert on_database(server, read) == 0


def test_what_a_field_set_derives_is_within_its_share(company: Company) -> None:
    """The columns and schemas of fields, and the SQL of list filters, which the cache does not measure."""
    options = tuple(f"{number} ".ljust(OPTION_LENGTH, "x") for number in range(OPTIONS_MAX))
    kinds = [
        {"data_type": "picklist", "options": options},
        {"data_type": "checkbox", "options": ("a", "b")},
        {"data_type": "string"},
    ]
    for kind in kinds:
        made = tuple(
            Field(id=number, relationship="lead", system_name=f"name_{number}", label="x" * 20, data_length=255, **kind)  # type: ignore[arg-type]
            for number in range(100)
        )
        field_set = FieldSet(version=1, fields=made)
        with grows_by_at_most(fields.DERIVED * memory_of(field_set) / 1_000_000):
            assert field_set.columns
            for creating in (True, False):
                assert object_schema(LEAD, field_set, creating=creating)


def on_database(server: Server, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Runs work on the database of a server with one connection."""

    async def run() -> T:
        database = Database(pool_size=1, box=BOX)
        await database.open(server.dsn)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


async def _no_body() -> Any:
    raise AssertionError
