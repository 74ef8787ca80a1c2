"""The server's role reads and writes rows of one company and can do nothing else; another role owns the tables."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from springhead.store.database.migrate import available
from springhead.store.database.statements import statements
from support import Company, Server, sql, superuser

RIGHTS = ["DELETE", "INSERT", "SELECT", "UPDATE"]


def test_without_a_company_the_servers_role_sees_no_row(server: Server, company: Company) -> None:
    company.create({})
    assert asyncio.run(_rows_without_a_company(server.dsn)) == 0
    assert len(sql(superuser(server.dsn), "select from lead limit 1")) == 1


async def _rows_without_a_company(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("select count(*) from lead")
    finally:
        await connection.close()


def test_with_a_company_the_servers_role_sees_and_writes_only_its_rows(
    server: Server, company: Company, given_company: Callable[..., Company]
) -> None:
    other = given_company()
    (mine,), (theirs,) = company.create({}), other.create({})

    seen = sql(server.dsn, "select id from lead", company_id=company.id)
    assert [row["id"] for row in seen] == [mine]
    for change in (
        "update lead set title = 'x' where id = $1 returning id",
        "delete from lead where id = $1 returning id",
    ):
        assert sql(server.dsn, change, theirs, company_id=company.id) == []
    foreign = "insert into feed (company_id, last) values ($1, 1)"
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
        sql(server.dsn, foreign, other.id, company_id=company.id)
    assert refused.value.sqlstate == "42501"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        sql(server.dsn, "update lead set company_id = $1 where id = $2", other.id, mine, company_id=company.id)


@pytest.mark.parametrize(
    "statement",
    [
        "drop policy own on lead",
        "create policy all_rows on lead using (true)",
        "alter policy own on lead using (true)",
        "alter table lead disable row level security",
        "alter table lead owner to springhead",
        "drop table lead",
        "drop schema public cascade",
        "truncate lead",
        "truncate company",
        "create table other (id int)",
        "create function public.other() returns int language sql as 'select 1'",
        "create index on lead (company_name)",
        "alter sequence unique_id_seq restart",
        "set role springhead_owner",
        "grant springhead_owner to springhead",
        "alter role springhead bypassrls",
        "alter database springhead set row_security = off",
        "create database other",
    ],
)
def test_the_servers_role_cannot_change_tables_policies_or_roles(server: Server, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        sql(server.dsn, statement)


def test_the_servers_role_cannot_switch_row_level_security_off(server: Server, company: Company) -> None:
    company.create({})

    async def read() -> list[Any]:
        connection = await asyncpg.connect(server.dsn)
        try:
            await connection.execute("set row_security = off")
            return await connection.fetch("select id from lead")
        finally:
            await connection.close()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(read())


def test_the_servers_role_has_four_rights_on_tables_and_one_on_sequences_and_owns_nothing(server: Server) -> None:
    rows = sql(
        server.dsn,
        """
        select c.relname, c.relkind = 'S' as is_sequence, pg_get_userbyid(c.relowner) as owner, c.relforcerowsecurity,
            array(
                select privilege_type from aclexplode(c.relacl) where grantee = user::regrole order by privilege_type
            ) as rights
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
        """,
    )
    assert len(rows) > 40
    for row in rows:
        assert row["rights"] == (["USAGE"] if row["is_sequence"] else RIGHTS), row["relname"]
        assert (row["owner"], row["relforcerowsecurity"]) == ("springhead_owner", False), row["relname"]
    assert sql(server.dsn, "select from pg_shdepend where refobjid = user::regrole and deptype = 'o'") == []


def test_a_function_of_the_owners_reads_what_row_level_security_hides_from_the_server(
    server: Server, company: Company
) -> None:
    (lead,) = company.create({})
    superusers = superuser(server.dsn)
    sql(
        superusers,
        """
        create function company_of_lead(bigint) returns bigint language sql stable security definer
        set search_path = public, pg_temp as 'select company_id from lead where id = $1'
        """,
    )
    try:
        sql(superusers, "alter function company_of_lead owner to springhead_owner")
        (row,) = sql(server.dsn, "select company_of_lead($1) as id", lead)
        assert row["id"] == company.id
    finally:
        sql(superusers, "drop function company_of_lead")


@pytest.mark.parametrize("name", [name for _, name, _ in available()])
def test_a_migration_is_sent_statement_by_statement(server: Server, name: str) -> None:
    """PostgreSQL prepares one statement only, so it finds two that were not split."""
    (text,) = [text for _, migration, text in available() if migration == name]

    async def prepare() -> None:
        connection = await asyncpg.connect(superuser(server.dsn))
        try:
            for statement in statements(text):
                try:
                    await connection.prepare(statement)
                except asyncpg.PostgresSyntaxError as error:
                    raise AssertionError(statement) from error
                except asyncpg.PostgresError:
                    pass  # the migration has been applied, and later ones may have removed what it names
        finally:
            await connection.close()

    asyncio.run(prepare())
    assert len(statements(text)) >= text.count(";\n") / 2


def test_a_text_is_split_at_the_semicolons_that_end_statements() -> None:
    text = """
    -- a comment; with a semicolon, and an apostrophe's
    create table a (b text default 'x;''y', "c;d" text);
    /* another; comment */ comment on table a is E'it\\'s; so';
    do $$ begin perform 1; perform '$'; end $$; do $tag$ select $$;$$; $tag$;
    select 1 - 2, 4 / 2, $1;;
    select 'C:\\';select 2
    -- the end;
    """
    assert [" ".join(statement.split()) for statement in statements(text)] == [
        "-- a comment; with a semicolon, and an apostrophe's create table a (b text default 'x;''y', \"c;d\" text)",
        "/* another; comment */ comment on table a is E'it\\'s; so'",
        "do $$ begin perform 1; perform '$'; end $$",
        "do $tag$ select $$;$$; $tag$",
        "select 1 - 2, 4 / 2, $1",
        "select 'C:\\'",
        "select 2 -- the end;",
    ]
    assert statements("\n-- nothing; here\n/* or; here */ ;;") == []
