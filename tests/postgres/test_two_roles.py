"""A database gets two roles: new ones at once, databases of earlier versions at the next start that may do it."""

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from fork_server import run
from other_postgresql import PASSWORD, OtherPostgres
from springhead.postgres.binaries import binaries
from springhead.postgres.server import EmbeddedPostgres
from springhead.postgres.socket_path import dsn as embedded_dsn
from springhead.postgres.socket_path import superuser_dsn
from springhead.store.database import migrate as migrations
from springhead.store.database import roles
from springhead.store.database.migrate import RefusedDatabase, available, migrate
from support import Company, Server, new_email, sql

T = TypeVar("T")

WARNING = "the database has one role"
PROBLEMS = """
select format('%s belongs to %s', c.oid::regclass, pg_get_userbyid(c.relowner)) as problem
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'S') and pg_get_userbyid(c.relowner) = user
union all
select format('%s is forced', oid::regclass) from pg_class where relforcerowsecurity
union all
select format('%s is open', oid::regclass) from pg_class where relrowsecurity and not row_security_active(oid)
union all
select 'the database belongs to the server' from pg_database
where datname = current_database() and pg_get_userbyid(datdba) = user
union all
select 'the server may create tables' where has_schema_privilege('public', 'create')
union all
select format('%s is a member of %s', member::regrole, roleid::regrole) from pg_auth_members
where member = user::regrole and pg_has_role(user, roleid, 'usage')
"""
"""What is wrong with the two roles, as the server's role finds it."""


def at(dsn: str, work: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[T]]) -> T:
    """Runs work on a connection of its own, which is closed afterwards."""

    async def run() -> T:
        connection = await asyncpg.connect(dsn)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def problems(dsn: str) -> list[str]:
    """What is wrong with the two roles of a database."""
    return [row["problem"] for row in at(dsn, lambda connection: connection.fetch(PROBLEMS))]


def fill_as_before(dsn: str) -> None:
    """Makes the tables as earlier versions did: the only role owns them, and forces row-level security on itself."""

    async def fill(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await connection.execute("create table migration (number int primary key, name text not null)")
        for number, name, text in available():
            await connection.execute(text)
            await connection.execute("insert into migration (number, name) values ($1, $2)", number, name)
        await connection.execute(
            "do $$ declare t regclass; begin for t in select oid from pg_class where relrowsecurity"
            " loop execute format('alter table %s force row level security', t); end loop; end $$"
        )

    at(dsn, fill)


def state(dsn: str) -> list[Any]:
    """Owners, rights and row-level security of everything, to compare before and after."""
    query = """
        select oid::regclass::text, relowner::regrole::text, relacl::text, relforcerowsecurity
        from pg_class where relnamespace = 'public'::regnamespace order by 1
        """
    return [tuple(row) for row in at(dsn, lambda connection: connection.fetch(query))]


def server_of(url: str, data: Path, *, migrate_url: str = "", wait: bool = True) -> Server:
    return Server(
        data, "--no-limits", env={"SPRINGHEAD_DATABASE_URL": url, "SPRINGHEAD_MIGRATE_URL": migrate_url}, wait=wait
    )


def writes_and_reads(server: Server, ready: dict[str, str]) -> None:
    company = Company(server.url, ready["accountID"], ready["secretKey"])
    (lead,) = company.create({"firstName": "Ada"})
    assert company.lead(lead)["firstName"] == "Ada"
    company.close()


def refusal(url: str, data: Path, *, migrate_url: str = "") -> str:
    """The error with which a server ends that must not start."""
    server = server_of(url, data, migrate_url=migrate_url, wait=False)
    server.process.wait(60)
    assert server.stop() == 1
    log = server.log.read_text()
    assert "Traceback" not in log
    assert PASSWORD not in log
    return next(line for line in log.splitlines() if line.startswith("Error: "))


def warning_of(server: Server) -> dict[str, Any]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (warning,) = [line for line in lines if line["event"].startswith(WARNING)]
    return warning


def one_role(postgres: OtherPostgres, role: str = "plain") -> str:
    """The address of a database as an earlier version made it, which the server's role owns."""
    url = postgres.empty_database(role, owner=role)
    fill_as_before(url)
    assert problems(url) != []
    return url


def as_superuser(url: str, role: str = "plain") -> str:
    return url.replace(f"//{role}:", "//root:")


def test_a_database_of_before_is_upgraded_by_the_next_start_and_stays_so(other: OtherPostgres, tmp_path: Path) -> None:
    url = one_role(other)
    server = server_of(url, tmp_path / "first", migrate_url=as_superuser(url))
    ready = server.ready
    writes_and_reads(server, ready)
    assert server.stop() == 0
    assert problems(url) == []
    assert WARNING not in server.log.read_text()

    before = state(url)
    for migrate_url in (as_superuser(url), as_superuser(url), ""):
        again = server_of(url, tmp_path / "again", migrate_url=migrate_url)
        writes_and_reads(again, ready)
        assert again.stop() == 0
    assert state(url) == before


def test_two_servers_that_start_at_once_upgrade_a_database_of_before(other: OtherPostgres, tmp_path: Path) -> None:
    url = one_role(other)
    servers = [
        server_of(url, tmp_path / name, migrate_url=as_superuser(url), wait=False) for name in ("one", "two", "three")
    ]
    (first,) = [line for line in [server.wait_ready() for server in servers] if "secretKey" in line]
    assert problems(url) == []
    for server in servers:
        writes_and_reads(server, first)
        assert server.stop() == 0
        assert WARNING not in server.log.read_text()


def test_two_databases_of_one_role_are_upgraded_at_once(other: OtherPostgres, tmp_path: Path) -> None:
    other.run("drop role if exists twin")
    other.run(f"create role twin login password '{PASSWORD}'")
    urls = [one_role(other, "twin") for _ in range(2)]
    servers = [
        server_of(url, tmp_path / str(number), migrate_url=as_superuser(url, "twin"), wait=False)
        for number, url in enumerate(urls)
    ]
    for server, url in zip(servers, urls, strict=True):
        writes_and_reads(server, server.wait_ready())
        assert problems(url) == []
        assert server.stop() == 0


def test_a_login_that_may_create_roles_upgrades_by_itself_and_migrates_later(
    other: OtherPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.run(f"create role maker login createrole createdb password '{PASSWORD}'")
    url = one_role(other, "maker")

    server = server_of(url, tmp_path / "data")
    writes_and_reads(server, server.ready)
    assert server.stop() == 0
    assert problems(url) == []

    monkeypatch.setattr(migrations, "available", with_one_more)
    assert at(url, migrate) == ["9000_gift.sql"]
    assert problems(url) == []
    assert at(url, lambda connection: connection.fetch("select from gift")) == []
    done = run(["doctor", "--json"], env=os.environ | {"SPRINGHEAD_DATABASE_URL": url})
    (role,) = [check for check in json.loads(done.stdout) if check["name"] == "role"]
    assert (role["state"], role["found"]) == ("warning", "maker can make itself the owner of the tables")


def test_an_administrator_who_is_no_superuser_upgrades_as_on_managed_servers(
    other: OtherPostgres, tmp_path: Path
) -> None:
    other.run(f"create role manager login createrole createdb password '{PASSWORD}'")
    other.run(f"create role managed login password '{PASSWORD}'", other.url("postgres", "manager"))
    url = one_role(other, "managed")

    server = server_of(url, tmp_path / "data", migrate_url=url.replace("//managed:", "//manager:"))
    writes_and_reads(server, server.ready)
    assert server.stop() == 0
    assert problems(url) == []
    assert WARNING not in server.log.read_text()


def test_a_login_that_may_not_upgrade_goes_on_and_prints_statements_that_work(
    other: OtherPostgres, tmp_path: Path
) -> None:
    url = one_role(other)
    server = server_of(url, tmp_path / "data")
    ready = server.ready
    writes_and_reads(server, ready)
    warning = warning_of(server)
    assert warning["level"] == "warning"
    assert warning["role"] == "plain"
    done = run(["doctor", "--json"], env=os.environ | {"SPRINGHEAD_DATABASE_URL": url})
    (role,) = [check for check in json.loads(done.stdout) if check["name"] == "role"]
    assert role["state"] == "warning"
    assert role["advice"].endswith(" ".join(warning["statements"]))

    at(as_superuser(url), lambda connection: connection.execute(" ".join(warning["statements"])))
    assert problems(url) == []
    writes_and_reads(server, ready)  # the running server goes on
    assert server.stop() == 0

    again = server_of(url, tmp_path / "again")
    writes_and_reads(again, ready)
    assert again.stop() == 0
    assert WARNING not in again.log.read_text()
    done = run(["doctor", "--json"], env=os.environ | {"SPRINGHEAD_DATABASE_URL": url})
    (role,) = [check for check in json.loads(done.stdout) if check["name"] == "role"]
    assert (role["state"], role["found"]) == ("ok", "plain")


def test_a_start_that_cannot_lock_a_table_goes_on_and_the_next_one_ends_the_upgrade(
    newest: OtherPostgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = one_role(newest)
    monkeypatch.setattr(roles, "LOCK_SECONDS", 0.02)

    async def upgrade(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
        return await migrate_with(connection, as_superuser(url))

    async def during_a_long_read(reader: "asyncpg.Connection[asyncpg.Record]") -> None:
        connection = await asyncpg.connect(url)
        async with reader.transaction():
            await reader.execute("lock table opportunity in access share mode")
            assert await upgrade(connection) == []
            monkeypatch.setattr(migrations, "available", with_one_more)
            with pytest.raises(RefusedDatabase, match="lacks rights"):  # half of the tables have another owner
                await upgrade(connection)
            monkeypatch.setattr(migrations, "available", available)
        await connection.close()

    at(as_superuser(url), during_a_long_read)
    assert "opportunity belongs to plain" in problems(url)
    assert "the database has one role" in capsys.readouterr().out

    assert at(url, upgrade) == []
    assert problems(url) == []


def test_no_call_fails_while_a_superuser_runs_the_statements(other: OtherPostgres, tmp_path: Path) -> None:
    url = one_role(other)
    server = server_of(url, tmp_path / "data")
    statements = " ".join(warning_of(server)["statements"])
    begun, ended = threading.Event(), threading.Event()

    def write() -> list[Any]:
        company = Company(server.url, server.ready["accountID"], server.ready["secretKey"])
        errors: list[Any] = []
        while not ended.is_set() or not errors:
            errors.append(company.envelope("createLeads", {"objects": [{"emailAddress": new_email()}]})["error"])
            begun.set()
        company.close()
        return errors

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert begun.wait(60)
        at(as_superuser(url), lambda connection: connection.execute(statements))
        ended.set()
        assert [error for error in writing.result() if error] == []
    assert problems(url) == []
    assert server.stop() == 0


def test_a_new_database_whose_owner_would_serve_is_refused_and_says_what_to_run(
    other: OtherPostgres, tmp_path: Path
) -> None:
    other.run("drop role if exists solo")
    other.run(f"create role solo login password '{PASSWORD}'")
    url = other.empty_database("solo", owner="solo")

    message = refusal(url, tmp_path / "refused")

    assert "The role solo would own the tables of this new database" in message
    assert at(url, lambda connection: connection.fetch("select from pg_class where relname = 'lead'")) == []
    statements = message.partition("As superuser, run: ")[2].partition(" Then ")[0]
    at(as_superuser(url, "solo"), lambda connection: connection.execute(statements))
    other.run(f"alter role solo_owner password '{PASSWORD}'")
    server = server_of(url, tmp_path / "data", migrate_url=url.replace("//solo:", "//solo_owner:"))
    writes_and_reads(server, server.ready)
    assert server.stop() == 0
    assert problems(url) == []


def test_the_owner_is_refused_as_the_servers_role(other: OtherPostgres, tmp_path: Path) -> None:
    url = other.empty_database()
    owner = url.replace("//plain:", "//plain_owner:")
    server = server_of(url, tmp_path / "data", migrate_url=owner)
    assert server.stop() == 0

    message = refusal(owner, tmp_path / "refused")

    assert "The database role plain_owner owns the tables" in message
    assert "--database-url" in message
    other.run("grant plain_owner to plain")
    try:
        assert "The database role plain owns the tables" in refusal(url, tmp_path / "member")
    finally:
        other.run("revoke plain_owner from plain")


def test_a_superuser_as_migrator_makes_both_roles_of_a_new_database(other: OtherPostgres, tmp_path: Path) -> None:
    other.run("drop role if exists fresh")
    other.run(f"create role fresh login password '{PASSWORD}'")
    url = other.empty_database("fresh", owner="fresh")
    server = server_of(url, tmp_path / "data", migrate_url=as_superuser(url, "fresh"))
    writes_and_reads(server, server.ready)
    assert server.stop() == 0
    assert problems(url) == []
    (row,) = at(url, lambda connection: connection.fetch("select tableowner from pg_tables where tablename = 'lead'"))
    assert row["tableowner"] == "fresh_owner"


GIFT = """
create table gift (
    company_id bigint not null,
    id bigint generated by default as identity,
    made bigint default 1,
    primary key (company_id, id)
);
alter table gift enable row level security;
create policy own on gift using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
create sequence gift_number;
"""


def with_one_more() -> list[tuple[int, str, str]]:
    return [*available(), (9000, "9000_gift.sql", GIFT)]


def test_tables_and_sequences_of_later_migrations_get_their_rights_by_themselves(
    other: OtherPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = other.empty_database()
    owner = url.replace("//plain:", "//plain_owner:")

    async def upgrade(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
        return await migrate_with(connection, owner)

    at(url, upgrade)
    monkeypatch.setattr(migrations, "available", with_one_more)
    with pytest.raises(RefusedDatabase, match=r"lacks 9000_gift\.sql, and only the role plain_owner can change"):
        at(url, migrate)
    assert at(url, upgrade) == ["9000_gift.sql"]
    assert problems(url) == []
    uses_gifts(url)
    assert at(url, migrate) == []


def test_a_later_migration_of_a_database_with_one_role_binds_that_role(
    other: OtherPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = one_role(other)
    monkeypatch.setattr(migrations, "available", with_one_more)
    assert at(url, migrate) == ["9000_gift.sql"]
    uses_gifts(url)


def test_a_new_owner_who_may_not_take_the_tables_over_lets_the_server_go_on(
    other: OtherPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = one_role(other)
    owner = url.replace("//plain:", "//plain_owner:")
    server = server_of(url, tmp_path / "data", migrate_url=owner)
    ready = server.ready
    writes_and_reads(server, ready)
    statements = " ".join(warning_of(server)["statements"])
    assert server.stop() == 0

    monkeypatch.setattr(migrations, "available", with_one_more)
    assert at(url, lambda connection: migrate_with(connection, owner)) == ["9000_gift.sql"]
    uses_gifts(url)
    monkeypatch.setattr(migrations, "available", available)
    sql(url, "delete from migration where number = 9000")
    sql(url, "drop table gift")
    sql(url, "drop sequence gift_number")

    at(as_superuser(url), lambda connection: connection.execute(statements))
    assert problems(url) == []
    again = server_of(url, tmp_path / "again", migrate_url=owner)
    writes_and_reads(again, ready)
    assert again.stop() == 0
    assert WARNING not in again.log.read_text()


async def migrate_with(connection: "asyncpg.Connection[asyncpg.Record]", migrate_url: str) -> list[str]:
    migrator = await asyncpg.connect(migrate_url)
    try:
        return await migrate(connection, migrator)
    finally:
        await migrator.close()


def uses_gifts(url: str) -> None:
    """The server's role writes and reads the new table, within a company only."""
    sql(url, "insert into gift (company_id, made) values (7, nextval('gift_number'))", company_id=7)
    assert len(sql(url, "update gift set made = 2 returning id", company_id=7)) == 1
    assert sql(url, "select from gift", company_id=8) == []
    assert len(sql(url, "delete from gift returning id", company_id=7)) == 1


def test_a_database_that_is_behind_is_refused_without_the_owner_and_upgraded_by_the_command(
    other: OtherPostgres, tmp_path: Path
) -> None:
    url = other.empty_database()
    owner = url.replace("//plain:", "//plain_owner:")
    wrong = refusal(url, tmp_path / "wrong", migrate_url=owner.replace("%20%25", "wrong"))
    assert 'password authentication failed for user "plain_owner". Correct migrate_url' in wrong
    assert "would own the tables" not in (message := refusal(url, tmp_path / "refused"))
    assert "only the role plain_owner can" in message

    for address, check_state in ((owner, "ok"), (owner.replace("%20%25", "wrong"), "broken")):
        variables = {"SPRINGHEAD_DATABASE_URL": url, "SPRINGHEAD_MIGRATE_URL": address}
        done = run(["doctor", "--json"], env=os.environ | variables)
        assert PASSWORD not in done.stdout
        states = {check["name"]: check["state"] for check in json.loads(done.stdout)}
        assert states["migrations' address"] == check_state
    done = run(["db", "migrate", "--migrate-url", owner], env=os.environ | {"SPRINGHEAD_DATABASE_URL": url})
    assert done.returncode == 0, done.stderr
    assert "Applied 0001_leads.sql" in done.stdout
    server = server_of(url, tmp_path / "data")
    writes_and_reads(server, server.ready)
    assert server.stop() == 0


def test_addresses_of_two_databases_are_refused(newest: OtherPostgres, tmp_path: Path) -> None:
    url, other_url = newest.empty_database(), newest.empty_database()
    message = refusal(url, tmp_path / "data", migrate_url=other_url.replace("//plain:", "//plain_owner:"))
    assert "database_url and migrate_url are different databases" in message


def test_rights_that_a_restore_left_out_are_given_again(other: OtherPostgres, tmp_path: Path) -> None:
    url = other.empty_database()
    owner = url.replace("//plain:", "//plain_owner:")
    server = server_of(url, tmp_path / "data", migrate_url=owner)
    assert server.stop() == 0
    before = state(url)
    other.run("revoke all on all tables in schema public from plain", owner)
    other.run("revoke all on all sequences in schema public from plain", owner)

    assert "lacks rights" in refusal(url, tmp_path / "refused")
    server = server_of(url, tmp_path / "again", migrate_url=owner)
    assert server.stop() == 0
    assert state(url) == before


def test_anybodys_right_to_create_tables_is_taken_away(other: OtherPostgres, tmp_path: Path) -> None:
    """Databases that were first made by PostgreSQL 14 or older give this right to everybody."""
    url = one_role(other)
    other.run("grant create on schema public to public", as_superuser(url))
    server = server_of(url, tmp_path / "data", migrate_url=as_superuser(url))
    assert server.stop() == 0
    assert problems(url) == []


def test_the_embedded_database_of_before_is_upgraded_by_the_next_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    embedded = EmbeddedPostgres(data)
    embedded.launch()
    try:
        asyncio.run(embedded.ready())
        sql(superuser_dsn(data), "alter database springhead owner to springhead")
        sql(superuser_dsn(data), "drop role springhead_owner")
        fill_as_before(embedded_dsn(data.resolve()))
    finally:
        embedded.stop()

    server = Server(data)
    ready = server.ready
    writes_and_reads(server, ready)
    assert problems(server.dsn) == []
    before = state(server.dsn)
    assert server.stop() == 0
    again = Server(data)
    writes_and_reads(again, ready)
    assert state(again.dsn) == before
    assert again.stop() == 0


@pytest.mark.parametrize("by", ["postgres", "springhead_owner"])
def test_a_backup_is_restored_with_both_roles(tmp_path: Path, by: str) -> None:
    first = Server(tmp_path / "first")
    company = Company(first.url, first.ready["accountID"], first.ready["secretKey"])
    (lead,) = company.create({"firstName": "Ada"})
    dump = tmp_path / "springhead.dump"
    postgres_program("pg_dump", "-d", role_dsn(first, by), "-Fc", "-f", dump)
    company.close()
    assert first.stop() == 0

    restored = Server(tmp_path / "restored")
    before = state(restored.dsn)
    options = ("--clean", "--if-exists", "--exit-on-error")
    postgres_program("pg_restore", "-d", superuser_dsn(restored.data), *options, dump)
    assert (problems(restored.dsn), state(restored.dsn)) == ([], before)
    assert restored.stop() == 0
    again = Server(tmp_path / "restored")
    company = Company(again.url, company.account_id, company.secret)
    assert company.lead(lead)["firstName"] == "Ada"
    company.close()
    assert again.stop() == 0


def test_a_backup_of_before_is_restored_and_upgraded(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    sql(superuser_dsn(server.data), "create database before owner springhead")
    before = server.dsn.replace("/springhead?", "/before?")
    fill_as_before(before)
    dump = tmp_path / "before.dump"
    postgres_program("pg_dump", "-d", before.replace("//springhead@", "//postgres@"), "-Fc", "-f", dump)
    options = ("--clean", "--if-exists", "--exit-on-error")
    postgres_program("pg_restore", "-d", superuser_dsn(server.data), *options, dump)
    assert problems(server.dsn) != []
    assert server.stop() == 0

    again = Server(tmp_path / "data")
    assert problems(again.dsn) == []
    assert again.stop() == 0


def role_dsn(server: Server, role: str) -> str:
    return embedded_dsn(server.data.resolve(), user=role)


def postgres_program(program: str, *arguments: str | Path) -> None:
    """Runs a program of PostgreSQL, which must succeed."""
    subprocess.run([binaries() / program, *arguments], check=True, timeout=60)
