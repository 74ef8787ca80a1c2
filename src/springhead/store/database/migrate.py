"""Migrations: numbered SQL files, applied in order, each in its own transaction, all under one advisory lock."""

from importlib import resources

import asyncpg
import structlog

log = structlog.get_logger()

_LOCK = 0x5EAD

_NO_STATISTICS = """
do $$
declare
    company_table regclass;
begin
    for company_table in
        select a.attrelid::regclass
        from pg_attribute a
        join pg_class c on c.oid = a.attrelid
        where a.attname = 'company_id' and a.attstattarget is distinct from 0 and not a.attisdropped
            and c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace
    loop
        execute format('alter table %s alter column company_id set statistics 0', company_table);
    end loop;
end $$
"""
"""Switches off the statistics of `company_id`: PostgreSQL then plans as if there were 200 companies of one size.

With statistics, a company that came or grew since the last `analyze` would seem to have one or two rows. PostgreSQL
would then scan all leads of the company to find one, 500 times in a call.
"""


class RefusedDatabase(Exception):
    """The database cannot be used as it is; the message says why and what to do."""


def available() -> list[tuple[int, str, str]]:
    """The number, name and SQL of every migration, in order."""
    folder = resources.files("springhead.store") / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [(int(entry.name[:4]), entry.name, entry.read_text("utf-8")) for entry in files]


async def check_server(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Raises RefusedDatabase if the server is too old or the role is not bound by row-level security."""
    if connection.get_server_version().major < 15:
        message = "Springhead needs PostgreSQL 15 or later; this server is older. Point --database-url at a newer one."
        raise RefusedDatabase(message)
    row = await connection.fetchrow(
        "select rolname, rolsuper or rolbypassrls as unbound from pg_roles where rolname = current_user"
    )
    if row is None or row["unbound"]:
        message = (
            f"The database role {row['rolname'] if row else '?'} is a superuser or bypasses row-level security, so one "
            "of the two checks that separate companies would be missing. Create a plain role with: create role "
            "springhead login password '...'; create database springhead owner springhead; and use it in "
            "--database-url."
        )
        raise RefusedDatabase(message)


async def migrate(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """Applies the missing migrations and returns their names.

    Several servers may start at once: one migrates, the others wait for it. Raises RefusedDatabase if a newer version
    has already migrated the database.
    """
    await check_server(connection)
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute("create table if not exists migration (number int primary key, name text not null)")
        done = {row["number"] for row in await connection.fetch("select number from migration")}
        ours = available()
        if newer := done - {number for number, _, _ in ours}:
            message = f"The database was changed by a newer Springhead (migration {max(newer)}). Install that version."
            raise RefusedDatabase(message)
        applied: list[str] = []
        for number, name, sql in ours:
            if number not in done:
                async with connection.transaction():
                    await connection.execute(sql)
                    await connection.execute("insert into migration (number, name) values ($1, $2)", number, name)
                applied.append(name)
                log.info("migrated", migration=name)
        if applied:
            await connection.execute(_NO_STATISTICS)
        return applied
    finally:
        await connection.execute("select pg_advisory_unlock($1)", _LOCK)
