"""Migrations: numbered SQL files, applied in order, each in its own transaction, all under one advisory lock."""

from collections.abc import Sequence
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg
import structlog

from springhead.store.database import roles, statistics
from springhead.store.database.statements import statements

if TYPE_CHECKING:
    from springhead.store.database.pool import AnyConnection

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
"""Switches off the statistics of `company_id`, which `statistics.declare` sets.

With those of ANALYZE, a company that came or grew since then would seem to have one or two rows. PostgreSQL would then
scan all leads of the company to find one, 500 times in a call.
"""

_ROLE = """
select rolname::text as role, rolsuper or rolbypassrls as is_unbound, exists (
    select from pg_class
    where relnamespace = current_schema()::regnamespace and relrowsecurity and not row_security_active(oid)
) as is_owner
from pg_roles
where rolname = current_user
"""

ADVICE = (
    "Use a role that owns nothing in --database-url, for example: create role springhead login password '...'; "
    "and the address of the owner in SPRINGHEAD_MIGRATE_URL (docs/operating.md)."
)


class RefusedDatabase(Exception):
    """The database cannot be used as it is; the message says why and what to do."""


def available() -> list[tuple[int, str, str]]:
    """The number, name and SQL of every migration, in order."""
    folder = resources.files("springhead.store") / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [(int(entry.name[:4]), entry.name, entry.read_text("utf-8")) for entry in files]


async def check_server(connection: "AnyConnection") -> str:
    """Returns the role of a server's connection.

    Raises RefusedDatabase if PostgreSQL is too old or row-level security does not bind the role.
    """
    if connection.get_server_version().major < 15:
        message = "Springhead needs PostgreSQL 15 or later; this server is older. Point --database-url at a newer one."
        raise RefusedDatabase(message)
    row = await connection.fetchrow(_ROLE)
    assert row is not None  # noqa: S101 - the role that we are connected as exists
    if row["is_unbound"]:
        message = (
            f"The database role {row['role']} is a superuser or bypasses row-level security, so one of the two checks "
            f"that separate companies would be missing. {ADVICE}"
        )
        raise RefusedDatabase(message)
    if row["is_owner"]:
        message = (
            f"The database role {row['role']} owns the tables, so one of the two checks that separate companies would "
            f"be missing. {ADVICE}"
        )
        raise RefusedDatabase(message)
    return row["role"]


async def migrate(connection: "AnyConnection", migrator: "AnyConnection | None" = None) -> list[str]:
    """Applies the missing migrations, gives both roles their rights, and returns the names of the migrations.

    `connection` has the server's role. `migrator` has the role that owns the tables, or a superuser's; None if only
    the server's role is known. Several servers may start at once: one migrates, the others wait for it. Raises
    RefusedDatabase if the server could not work on the database, with what to do.
    """
    server = await check_server(connection)
    migrator = migrator or connection
    await migrator.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        applied = await _migrate(connection, migrator, server)
    finally:
        await migrator.execute("select pg_advisory_unlock($1)", _LOCK)
    await check_server(connection)
    if not await connection.fetchval("select to_regclass('migration')"):
        message = "database_url and migrate_url are different databases. Let both name the same host and database."
        raise RefusedDatabase(message)
    return applied


async def _migrate(connection: "AnyConnection", migrator: "AnyConnection", server: str) -> list[str]:
    is_new = not await migrator.fetchval("select to_regclass('migration')")
    owner = await roles.owner_of(migrator, server)
    done: set[int] = set() if is_new else await _done(connection, migrator)
    ours = available()
    if newer := done - {number for number, _, _ in ours}:
        message = f"The database was changed by a newer Springhead (migration {max(newer)}). Install that version."
        raise RefusedDatabase(message)
    missing = await roles.set_rights(migrator, owner, server)
    if missing and is_new:
        raise RefusedDatabase(_two_roles_needed(missing, owner, server))
    owned = await roles.owned_by(migrator, owner, server)
    pending = [migration for migration in ours if migration[0] not in done]
    if missing and (not owned.any or (pending and not owned.all)):
        raise RefusedDatabase(_rights_needed(missing, server))
    worker, role = (connection, server) if owned.all else (migrator, owner)
    if pending:
        try:
            await _apply(worker, role, pending, one_role=owned.all)
        except asyncpg.InsufficientPrivilegeError as cause:
            raise RefusedDatabase(_owner_needed(pending, owner)) from cause
        missing = await roles.set_rights(migrator, owner, server, at_once=is_new)
    if missing and not owned.any:
        raise RefusedDatabase(_rights_needed(missing, server))
    with suppress(asyncpg.InsufficientPrivilegeError):  # if only the server's role is known
        async with roles.as_owner(worker, role):
            await statistics.declare(worker)
    if missing:
        log.warning(
            "the database has one role, which owns the tables; as its superuser, run the statements",
            role=server,
            hint="springhead doctor shows them as one script",
            statements=roles.script(missing),
        )
    return [name for _, name, _ in pending]


async def _done(*connections: "AnyConnection") -> set[int]:
    """The numbers of the applied migrations. Before the rights are set, only one of the two roles may read them."""
    for connection in connections:
        with suppress(asyncpg.InsufficientPrivilegeError):
            return {row["number"] for row in await connection.fetch("select number from migration")}
    raise RefusedDatabase(
        "The server's role lacks rights on the database. Give the address of the owner with SPRINGHEAD_MIGRATE_URL."
    )


async def _apply(
    migrator: "AnyConnection", owner: str, pending: Sequence[tuple[int, str, str]], *, one_role: bool
) -> None:
    async with roles.as_owner(migrator, owner):
        await migrator.execute("create table if not exists migration (number int primary key, name text not null)")
    for number, name, sql in pending:
        async with roles.as_owner(migrator, owner):
            for statement in statements(sql):
                await migrator.execute(statement)
            if one_role:
                await roles.force(migrator, owner)
            await migrator.execute("insert into migration (number, name) values ($1, $2)", number, name)
        log.info("migrated", migration=name)
    async with roles.as_owner(migrator, owner):
        await migrator.execute(_NO_STATISTICS)


def _two_roles_needed(missing: Sequence[roles.Step], owner: str, server: str) -> str:
    return (
        f"The role {server} would own the tables of this new database, and could then switch off one of the two checks "
        f"that separate companies. The database needs a second role, which owns it. As superuser, run: "
        f"{' '.join(roles.script(missing))} Then set a password of the role {owner}, and give its address with "
        "SPRINGHEAD_MIGRATE_URL."
    )


def _owner_needed(pending: Sequence[tuple[int, str, str]], owner: str) -> str:
    return (
        f"The database lacks {', '.join(name for _, name, _ in pending)}, and only the role {owner} can change its "
        "tables. Give the address of that role with SPRINGHEAD_MIGRATE_URL, to the server or to: springhead db migrate"
    )


def _rights_needed(missing: Sequence[roles.Step], server: str) -> str:
    advice = (
        f"The role {server} lacks rights on the database. Give the address of the owner with SPRINGHEAD_MIGRATE_URL, "
        "or run as superuser:"
    )
    return "\n".join([advice, *roles.script(missing)])
