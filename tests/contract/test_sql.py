"""The SQL that works on one PostgreSQL and, later, on a cluster of them (docs/decisions/0023-sql-for-a-cluster.md)."""

import asyncio
import re
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

import transcripts
from busy_company import live
from cluster_rules import faults, is_statement
from springhead import methods
from springhead.model.figures import spreads
from springhead.model.kit.columns import Noun
from springhead.model.leads.leads import LEAD
from springhead.rpc.docs import samples
from springhead.rpc.docs.samples import nouns
from springhead.store.database import sql as composed
from springhead.store.database.migrate import available
from springhead.store.database.pool import Tx
from springhead.store.database.statements import statements
from springhead.store.lifecycle import personal_data
from springhead.store.nouns import paging, reads
from springhead.store.nouns.paging import PageStarts
from springhead.store.nouns.reads import Select
from springhead.store.nouns.table import Table
from statements import STORE, StatementRecorder, constants, literals, sites
from support import Server, new_companies, sql

assert methods.leads, "importing the methods registers them"
GLOBAL = {
    "company", "api_key", "migration", "pass", "site", "form_address", "scoring", "change", "push", "push_home",
    "sign_in", "sign_in_link", "user_session",
}  # fmt: skip
"""Small tables that every machine would hold a copy of; all the others hold companies' data."""

_LOCK = r"\bfor (?:no key )?(?:update|key share|share)\b|\{lock\}"
_TABLE = re.compile(r"\b(?:from|join|into|update|using)\s+(?:only\s+)?([a-z_]+)\b", re.IGNORECASE)
_ALIAS = re.compile(r"\b(?:from|join|update|using)\s+([a-z_]+)\s+(?:as\s+)?([a-z])\b", re.IGNORECASE)
_VOLATILE = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|random|gen_random_uuid|nextval)\s*\(|current_(?:timestamp|date)"
)


def _tables(server: Server) -> list[dict[str, Any]]:
    rows = sql(
        server.dsn,
        """
        select c.relname as name, c.oid::int8 as oid, row_security_active(c.oid) as walled,
            exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal) as triggers
        from pg_class c
        where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace
        """,
    )
    return [dict(row) for row in rows]


def _data(server: Server) -> list[dict[str, Any]]:
    return [table for table in _tables(server) if table["name"] not in GLOBAL]


def test_every_table_is_global_or_holds_companies_data(server: Server) -> None:
    tables = {table["name"] for table in _tables(server)}
    assert tables >= GLOBAL | {"lead", "field", "user_profile"}
    assert _names_of_data() == tables - GLOBAL


def test_the_queue_of_background_jobs_which_no_check_separates_holds_ids_and_no_data(server: Server) -> None:
    columns = sql(
        server.dsn,
        "select column_name::text as name from information_schema.columns"
        " where table_name = 'pass' and table_schema = current_schema()",
    )
    assert {column["name"] for column in columns} == {
        "id", "company_id", "kind", "subject_id", "cursor", "failures", "due_at", "created_at"
    }  # fmt: skip


def test_company_id_comes_first_in_every_primary_key_and_unique_index(server: Server) -> None:
    for table in _data(server):
        indexes = sql(
            server.dsn,
            """
            select i.indexrelid::regclass::text as name, i.indisprimary as is_primary, i.indisunique as is_unique,
                (select attname from pg_attribute a where a.attrelid = i.indrelid and a.attnum = i.indkey[0]) as first
            from pg_index i where i.indrelid = $1::int8::oid
            """,
            table["oid"],
        )
        assert any(index["is_primary"] for index in indexes), f"{table['name']} has no primary key"
        for index in indexes:
            assert index["first"] == "company_id", f"{index['name']} begins with {index['first']}"


def test_foreign_keys_of_company_data_begin_with_company_id_and_set_nothing_null(server: Server) -> None:
    for table in _data(server):
        keys = sql(
            server.dsn,
            """
            select conname, confdeltype = 'n' or confupdtype = 'n' as nulls,
                (select attname from pg_attribute a where a.attrelid = conrelid and a.attnum = conkey[1]) as first
            from pg_constraint where conrelid = $1::int8::oid and contype = 'f'
            """,
            table["oid"],
        )
        for key in keys:
            assert key["first"] == "company_id", key["conname"]
            assert not key["nulls"], key["conname"]


def test_row_level_security_binds_the_servers_role_on_every_table_of_company_data(server: Server) -> None:
    for table in _data(server):
        assert table["walled"], f"{table['name']} lacks row-level security, or it does not bind the server's role"
        policies = sql(
            server.dsn,
            "select polpermissive, polcmd::text, pg_get_expr(polqual, polrelid) as uses from pg_policy"
            " where polrelid = $1::int8::oid",
            table["oid"],
        )
        (policy,) = [policy for policy in policies if policy["polpermissive"]]
        assert {policy["polcmd"] for policy in policies} == {"*"}
        assert "company_id = " in policy["uses"]


def test_there_are_no_triggers(server: Server) -> None:
    assert [table["name"] for table in _tables(server) if table["triggers"]] == []


def test_ids_are_64_bits_wide_and_stay_below_2_to_the_53(server: Server) -> None:
    columns = sql(
        server.dsn,
        """
        select c.table_name, c.data_type, c.identity_start::int8 as starts, c.identity_increment::int8 as step
        from information_schema.columns c where c.is_identity = 'YES' and c.table_schema = current_schema()
        """,
    )
    assert len(columns) >= 5
    for column in columns:
        assert column["data_type"] == "bigint", column["table_name"]
        assert column["starts"] + 1_000_000_000 * column["step"] < 2**53, column["table_name"]


def test_the_reference_shows_the_ids_that_a_new_database_gives_first(server: Server) -> None:
    starts = {
        row["table_name"]: row["starts"]
        for row in sql(
            server.dsn,
            """
            select c.table_name, c.identity_start::int8 as starts from information_schema.columns c
            where c.is_identity = 'YES' and c.table_schema = current_schema()
            """,
        )
    }
    known = nouns()
    shown = {name: first for name, first in samples.FIRST_IDS.items() if name in known and "id" in known[name].by_name}
    assert len(shown) > 10
    assert shown == {name: starts[known[name].table] for name in shown}


def _statements() -> Iterator[tuple[str, str]]:
    """Every SQL statement in store with its place: the literals, and the statements that modules compose of them."""
    yield from literals()
    yield from constants()
    yield "lifecycle.personal_data.count_rows", personal_data.count_rows()
    for name, text in personal_data.deletions().items():
        yield f"lifecycle.personal_data.deletions[{name}]", text
    for noun in _machine_nouns():
        yield from _of_machine(noun)


def _migrations() -> str:
    return "".join(path.read_text() for path in sorted((STORE / "migrations").glob("*.sql")))


def _machine_nouns() -> list[Noun]:
    """The nouns with generic writes: their tables have the columns that these need."""
    columns = dict(re.findall(r"^create table (\w+) \((.*?)^\)", _migrations(), re.MULTILINE | re.DOTALL))
    machine = ("create_timestamp", "update_timestamp", "version")
    return [
        noun
        for noun in nouns().values()
        if "id" in noun.by_name
        and all(re.search(rf"^    {name} ", columns.get(noun.table, ""), re.MULTILINE) for name in machine)
    ]


class _Recorder(Tx):
    """Records the statements that the store composes, and returns no rows."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def rows(self, sql: str, *arguments: object) -> list[Any]:
        assert arguments
        self.seen.append(sql)
        return []


def _of_machine(noun: Noun) -> Iterator[tuple[str, str]]:
    """The statements that the store composes for a noun: its writes, and its reads with every filter."""
    made = Table(noun)
    for name in ("insertion", "update_waiting", "update_unlocked", "deletion"):
        yield f"{noun.name}.{name}", getattr(made, name)
    tx, select, page_starts = _Recorder(), Select(noun), PageStarts()
    more: dict[str, Any] = {"zone": "UTC", "version": 1, "limit": 5}
    filters = dict.fromkeys(noun.where_columns, 1)
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    async def read() -> None:
        await reads.find(tx, 1, select, {"id": [1]}, offset=0, **more)
        for offset in (0, 5, 10):
            page_starts.keep(paging.listing(1, noun.name, filters, "true"), 10, 1, 1)
            await reads.page(tx, 1, select, filters, page_starts, offset=offset, **more)
        for after in (None, (moment, 1)):
            await reads.in_range(
                tx, company_id=1, select=select, by="update", between=(moment, moment), offset=0, after=after, **more
            )

    asyncio.run(read())
    for number, text in enumerate(tx.seen):
        yield f"{noun.name}.read{number}", text


STATEMENTS = list(_statements())
_KEYS_OF_FEW = ("f.name",)  # of the unique fields


def test_the_statements_are_found() -> None:
    places = {place.partition(":")[0] for place, _ in STATEMENTS}
    assert {
        "fields/fields.py",
        "companies/companies.py",
        "database/background_jobs.py",
        "sales.notes.DETACH[note of lead]",
    } <= places
    assert {"lead.insertion", "account.update_waiting", "campaign.deletion", "product.read0", "account.read6"} <= places
    assert len(STATEMENTS) > 20


@pytest.mark.parametrize(("place", "text"), STATEMENTS, ids=[place for place, _ in STATEMENTS])
class TestEveryStatement:
    def test_names_company_id_when_it_touches_company_data(self, place: str, text: str) -> None:
        touched = set(_TABLE.findall(text)) & _names_of_data()
        if touched:
            assert "company_id" in text or "{select.guard}" in text, f"{place} forgets company_id on {touched}"

    def test_joins_and_subqueries_name_company_id_once_for_each_table(self, place: str, text: str) -> None:
        tables = [name for name in _TABLE.findall(text) if name in _names_of_data()]
        named = len(re.findall(r"company_id|\{select\.guard\}", text))
        assert named >= len(tables), f"{place} names {tables}, and company_id {named} times"

    def test_every_alias_of_company_data_has_a_condition_on_the_company(self, place: str, text: str) -> None:
        aliases = [alias for table, alias in _ALIAS.findall(text) if table in _names_of_data()]
        for alias in aliases:
            conditions = len(re.findall(rf"\b{alias}\.company_id = |\{{select\.guard\}}", text))
            assert conditions >= aliases.count(alias), f"{place}: {alias} has {conditions} conditions on company_id"

    def test_has_nothing_volatile_in_do_update_set_or_in_update_set(self, place: str, text: str) -> None:
        plain = text.lower()
        for part in re.findall(r"do update set(.*?)(?:\breturning\b|\)\s*select\b|$)", plain, re.DOTALL):
            assert not _VOLATILE.search(part), f"{place}: write excluded.… instead"
        for part in re.findall(
            r"\bupdate \w+(?: \w+)? set(.*?)(?:\bfrom\b|\bwhere\b|\breturning\b|$)", plain, re.DOTALL
        ):
            # now() is the transaction's and allowed in a plain update; what moves while it runs is not
            assert not _VOLATILE.search(part.replace("now()", "")), place

    def test_uses_no_merge_and_moves_no_row_to_another_company(self, place: str, text: str) -> None:
        assert not re.search(r"\bmerge\s+into\b", text, re.IGNORECASE), place
        assert not re.search(
            r"\bset\b[^;]*\bcompany_id\s*=\s*(?!\$1\b|l\.|o\.)", text.split(" where ", maxsplit=1)[0]
        ), place

    def test_has_nothing_volatile_in_returning(self, place: str, text: str) -> None:
        for part in re.findall(r"\breturning\b(.*)", text.lower()):
            assert not _VOLATILE.search(part), place

    def test_locks_rows_of_one_company_only_and_in_an_order(self, place: str, text: str) -> None:
        for before in re.split(_LOCK, text)[:-1]:
            query = re.split(r"\bselect\b", before)[-1]
            assert "order by" in query or not _TABLE.search(query), f"{place} locks rows in no order"

    def test_takes_custom_values_apart_once_and_not_key_by_key(self, place: str, text: str) -> None:
        keys = {key for key in re.findall(r"\bcustom\s*->>?\s*([a-z_]+(?:\.\w+)?)", text) if key not in _KEYS_OF_FEW}
        assert not keys, f"{place}: write jsonb_each, because each -> decompresses all values of the row"


def test_only_sql_after_writes_the_condition_that_runs_a_cte_first() -> None:
    literal = re.compile(r"\(\s*select\s+count\(\*\)[^()]*\)\s*>=\s*0", re.IGNORECASE)
    assert literal.search(composed.after("lists"))
    places = [str(path.relative_to(STORE)) for path in sorted(STORE.rglob("*.py")) if literal.search(path.read_text())]
    assert places == ["database/sql.py"], "use sql.after"


COMPOSED = [site.place for site in sites() if site.texts is None]
"""Places that run statements that they compose, or choose, while they run."""

WHOLE = {text: place for place, text in STATEMENTS if is_statement(text)} | {
    text: f"{site.place} {name}" for site in sites() for name, text in (site.texts or {}).items()
}


@pytest.fixture(scope="module")
def recorder(server: Server) -> Generator[StatementRecorder]:
    """Has recorded the statements of all transcripts, which call every method, and of a busy company."""
    recorder = StatementRecorder(server)
    *companies, busy = new_companies(server, len(transcripts.NAMES) + 1)
    for name, company in zip(transcripts.NAMES, companies, strict=True):
        transcripts.replay(transcripts.read(name), recorder.inside(company))
    live(recorder.inside(busy), recorder.run)
    with pytest.MonkeyPatch.context() as patch:  # the statements for more leads than a test has
        patch.setattr(spreads, "SAMPLE_MAX", 0)
        recorder.inside(busy).call("getFieldSpread", field="city")
    yield recorder
    recorder.close()


@pytest.mark.parametrize("text", WHOLE, ids=WHOLE.values())
def test_a_cluster_takes_the_statement(text: str) -> None:
    assert not (found := faults(text)), "\n".join(found)


def test_a_cluster_takes_the_statements_that_calls_compose(recorder: StatementRecorder) -> None:
    found = [f"{place}: {fault}" for text, place in recorder.statements().items() for fault in faults(text)]
    assert not found, "\n".join(found)


def test_every_statement_that_is_composed_is_recorded(recorder: StatementRecorder) -> None:
    assert len(COMPOSED) > 20
    missing = [str(place) for place in COMPOSED if not recorder.ran_at(place)]
    assert not missing, f"let a transcript (tests/golden) or BusyCompany run {missing}"


@cache
def _names_of_data() -> set[str]:
    made = re.findall(r"^create table (?:if not exists )?(\w+)", _migrations(), re.MULTILINE)
    renamed = dict(re.findall(r"^alter table (\w+) rename to (\w+)", _migrations(), re.MULTILINE))
    return {renamed.get(name, name) for name in made} - GLOBAL


def test_the_guard_of_reads_names_company_id() -> None:
    assert "l.company_id = $1" in Select(LEAD).guard


def test_migrations_use_only_features_that_a_cluster_supports() -> None:
    for path in sorted((STORE / "migrations").glob("*.sql")):
        text = path.read_text().lower()
        for word in (
            "create trigger",
            "merge into",
            "on delete set null",
            "create rule",
            "create materialized",
            "begin atomic",
        ):
            assert word not in text, f"{path.name}: {word}"


_LATER = [(name, text) for number, name, text in available() if number > 12]
"""Migrations of databases that may have two roles. The earlier ones were written for one role."""


@pytest.mark.parametrize(("name", "text"), _LATER, ids=[name for name, _ in _LATER])
class TestEveryLaterMigration:
    def test_gives_functions_of_the_owner_a_path_that_no_temporary_table_can_enter(self, name: str, text: str) -> None:
        for statement in statements(text):
            if re.search(r"security\s+definer", statement.lower()):
                assert re.search(r"set search_path (?:=|to) .*\bpg_temp\b", statement.lower()), name

    def test_reads_and_changes_rows_of_all_companies_with_one_role_too(self, name: str, text: str) -> None:
        """With one role, the tables are forced: without `no force` the migration would see no row."""
        open_tables = set(re.findall(r"alter table (\w+) no force row level security", text))
        for statement in statements(re.sub(r"--[^\n]*", "", text)):
            if not re.match(r"(?:create|alter|comment|drop)\b", statement.lower()):
                touched = set(_TABLE.findall(statement)) & _names_of_data()
                assert touched <= open_tables, f"{name} needs: alter table … no force row level security"


@pytest.mark.parametrize("noun", _machine_nouns(), ids=lambda noun: noun.name)
def test_bulk_writes_lock_in_the_order_of_their_keys(noun: Noun) -> None:
    made = Table(noun)

    if noun.key_column:
        assert 'order by s.normal_key collate "C", s.position' in made.insertion
    for name in noun.unique if not noun.key_column else ():
        assert re.search(rf"order by .*s\.{noun.by_name[name].sql}\b.*, s\.position", made.insertion)
    assert re.search(r"order by l\.id for update\s+\)", made.update_waiting)
    assert "order by l.id for update skip locked" in made.update_unlocked
    assert "order by id for update" in made.deletion
    referred = {table for column in noun.reference_columns for table in _tables_of(column.references)}
    for statement in (made.insertion, made.update_waiting, made.update_unlocked):
        assert set(re.findall(r"known_(\w+) as materialized", statement)) == referred
        assert len(re.findall(r"order by r\.id for key share", statement)) == len(referred)
    for table in referred:  # a delete locks what is referred to before what refers to it, so an update must too
        assert f"from known_{table}) >= 0" in made.update_waiting


def _tables_of(refers: Mapping[str, str] | str | None) -> set[str]:
    return {refers} if isinstance(refers, str) else set((refers or {}).values())
