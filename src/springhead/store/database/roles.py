"""The two roles of a database: one owns the tables and migrates, the server's role reads and writes rows.

The server's role owns nothing, so row-level security binds it, and it cannot change tables or policies
(docs/decisions/0032-two-roles.md).
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from springhead.store.database.sql import quoted

if TYPE_CHECKING:
    from springhead.store.database.pool import AnyConnection

Step = Sequence[str]
"""Statements of one transaction. Between two steps the server's role can use every table."""

LOCK_SECONDS = 1
"""Seconds to wait for the lock of a table. Calls that need the table wait meanwhile, and must not reach their limit."""

ATTEMPTS = 3
"""How often the rights are compared and set. Servers of other databases may create the same role at the same time."""

_NOT_NOW = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.DuplicateObjectError,
    asyncpg.UniqueViolationError,
    asyncpg.InternalServerError,  # "tuple concurrently updated"
)

_OWNER = """
with candidate (place, role) as (
    select 1, relowner from pg_class where oid = to_regclass('migration')
    union all
    select 2, oid from pg_roles where rolname = current_user
    union all
    select 3, datdba from pg_database where datname = current_database()
)
select r.rolname
from candidate c
join pg_roles r on r.oid = c.role
where r.rolname <> $1 and (c.place = 1 or not r.rolsuper)
order by c.place
limit 1
"""

_DATABASE = """
with database as (
    select datname, datdba from pg_database where datname = current_database()
), schema as (
    select n.nspname, n.nspacl,
        case n.nspowner when 'pg_database_owner'::regrole then d.datdba else n.nspowner end as owner,
        n.nspowner <> 'pg_database_owner'::regrole as has_owner
    from pg_namespace n, database d
    where n.nspname = current_schema()
), granted as (
    select s.nspname, a.privilege_type, a.grantee, coalesce(pg_get_userbyid(nullif(a.grantee, 0)), '') as role
    from schema s, aclexplode(s.nspacl) a
)
select 1 as place, format('create role %I login', $1::text) as statement
where not exists (select from pg_roles where rolname = $1)
union all
select 2, format('alter database %I owner to %I', datname, $1) from database where pg_get_userbyid(datdba) = $2::text
union all
select 3, format('alter schema %I owner to %I', nspname, $1) from schema
where has_owner and pg_get_userbyid(owner) = $2
union all
select 4, format('grant usage, create on schema %I to %I', nspname, $1) from schema
where pg_get_userbyid(owner) not in ($1, $2)
    and not exists (select from granted where privilege_type = 'CREATE' and role = $1)
union all
select 5, format('grant usage on schema %I to %I', nspname, $2) from schema
where not has_schema_privilege($2, nspname, 'usage')
union all
select 6,
    format('revoke create on schema %I from %s', nspname, case grantee when 0 then 'public' else quote_ident(role) end)
from granted
where privilege_type = 'CREATE' and (grantee = 0 or role = $2)
order by place
"""
"""What the roles $1 (owner) and $2 (server) lack in the database and its schema, or have too much."""

_TABLES = """
with part as (
    select c.oid, c.relkind, c.relforcerowsecurity as is_forced, format('%I.%I', n.nspname, c.relname) as name,
        coalesce(d.refobjid, c.oid) as step, d.refobjid is not null as follows_table,
        pg_get_userbyid(c.relowner) = $2 as is_servers,
        case c.relkind
            when 'S' then has_sequence_privilege($2, c.oid, 'usage')
            else (
                select bool_and(has_table_privilege($2, c.oid, privilege))
                from unnest(array['select', 'insert', 'update', 'delete']) privilege
            )
        end as is_usable
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_depend d on c.relkind = 'S' and d.classid = 'pg_class'::regclass and d.objid = c.oid
        and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
    where n.nspname = current_schema() and c.relkind in ('r', 'p', 'v', 'm', 'S')
        and pg_get_userbyid(c.relowner) in ($1::text, $2::text)
), missing (step, place, statement) as (
    select step, 1, format('alter table %s owner to %I', name, $1) from part where is_servers and not follows_table
    union all
    select step, 2, format('grant select, insert, update, delete on %s to %I', name, $2) from part
    where relkind <> 'S' and (is_servers or not is_usable)
    union all
    select step, 3, format('grant usage on sequence %s to %I', name, $2) from part
    where relkind = 'S' and (is_servers or not is_usable)
    union all
    select step, 4, format('alter table %s no force row level security', name) from part where is_forced
    union all
    select p.oid, 5, format('alter routine %s owner to %I', p.oid::regprocedure, $1)
    from pg_proc p
    where p.pronamespace = current_schema()::regnamespace and pg_get_userbyid(p.proowner) = $2
        and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
)
select step, statement from missing order by step, place, statement
"""
"""What the roles $1 (owner) and $2 (server) lack on the tables, sequences and functions of the schema."""

_OWNED = """
select coalesce(bool_or(owner = $2), false) as any, coalesce(bool_and(owner = $2), false) as all
from pg_class c, pg_get_userbyid(c.relowner) owner
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and owner in ($1::text, $2::text)
"""

_UNFORCED = """
select format('alter table %s force row level security', oid::regclass) as statement
from pg_class
where relnamespace = current_schema()::regnamespace and relrowsecurity and not relforcerowsecurity
    and pg_get_userbyid(relowner) = $1
"""


async def owner_of(connection: "AnyConnection", server: str) -> str:
    """Returns the role that owns the tables, or that should own them if they belong to the role `server`.

    For a new database that is the role of this connection, or if it is a superuser, the owner of the database.
    """
    return await connection.fetchval(_OWNER, server) or f"{server}_owner"


class Owned(NamedTuple):
    """Whether the server's role owns any of the tables, and all of them.

    It owns all if an earlier version made the database. It owns some if the change to two roles was interrupted.
    """

    any: bool
    all: bool


async def owned_by(connection: "AnyConnection", owner: str, server: str) -> Owned:
    """Returns which of the tables the role `server` owns."""
    row = await connection.fetchrow(_OWNED, owner, server)
    return Owned(*row.values()) if row else Owned(any=False, all=False)


async def missing_rights(connection: "AnyConnection", owner: str, server: str) -> list[Step]:
    """Returns the statements that give each role exactly its rights. The list is empty if nothing is missing."""
    database = await connection.fetch(_DATABASE, owner, server)
    tables = await connection.fetch(_TABLES, owner, server)
    return [
        *([row["statement"]] for row in database),
        *([row["statement"] for row in rows] for _, rows in groupby(tables, lambda row: row["step"])),
    ]


def script(steps: Sequence[Step]) -> list[str]:
    """The steps as lines of SQL, for a superuser to run while servers work on the database."""
    return [
        f"{step[0]};" if len(step) == 1 else f"begin; {' '.join(f'{statement};' for statement in step)} commit;"
        for step in steps
    ]


async def set_rights(connection: "AnyConnection", owner: str, server: str, *, at_once: bool = False) -> list[Step]:
    """Gives the roles their rights as far as the role of this connection may. Returns what is still missing.

    Returns steps too if a table stays locked: the next start of a server tries again. With `at_once`, all steps are one
    transaction, which is quicker and locks all tables.
    """
    steps = await missing_rights(connection, owner, server)
    for _ in range(ATTEMPTS):
        if not steps:
            break
        if at_once:
            steps = [[statement for step in steps for statement in step]]
        try:
            for step in steps:
                await _perform(connection, owner, server, step)
        except _NOT_NOW as cause:
            last = steps
            steps = await missing_rights(connection, owner, server)
            if steps == last and isinstance(cause, asyncpg.InsufficientPrivilegeError):
                break
        else:
            steps = await missing_rights(connection, owner, server)
    return steps


async def _perform(connection: "AnyConnection", owner: str, server: str, step: Step) -> None:
    async with _member_of(connection, owner, server):
        # After a crash the next start compares the rights again, so these commits need not wait for the disk.
        await connection.execute("set local synchronous_commit = off")
        await connection.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
        for statement in step:
            await connection.execute(statement)


async def force(connection: "AnyConnection", role: str) -> None:
    """Makes row-level security bind the owner of the tables too, for a database that has one role."""
    for row in await connection.fetch(_UNFORCED, role):
        await connection.execute(row["statement"])


@asynccontextmanager
async def as_owner(connection: "AnyConnection", owner: str) -> AsyncGenerator[None]:
    """A transaction as the role `owner`. Raises InsufficientPrivilegeError if this connection may not become it."""
    async with _member_of(connection, owner):
        await connection.execute(f"set local role {quoted(owner)}")
        yield
        await connection.execute("set local role none")


@asynccontextmanager
async def _member_of(connection: "AnyConnection", *names: str) -> AsyncGenerator[None]:
    """A transaction with the rights of these roles, if they exist and this connection may have them.

    A role that may create roles becomes a member until the transaction ends, so no other connection gets the rights.
    """
    async with connection.transaction():
        lacking = await connection.fetch(
            "select rolname from pg_roles where rolname = any($1) and not pg_has_role(current_user, oid, 'usage')",
            names,
        )
        joined: list[str] = []
        for row in lacking:
            with suppress(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute(f"grant {quoted(row['rolname'])} to current_user")
                joined.append(row["rolname"])
        yield
        for name in joined:
            await connection.execute(f"revoke {quoted(name)} from current_user")
