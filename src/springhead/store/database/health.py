"""The state of a database: its version, role, settings, connections and migrations."""

from datetime import datetime

import msgspec

from springhead.store.database.migrate import available
from springhead.store.database.pool import AnyConnection, Tx
from springhead.store.database.roles import missing_rights, owner_of, script


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The properties of a database that `springhead doctor` checks.

    `unbound`: row-level security does not bind the role. `can_become_owner`: the role can give itself the rights of the
    tables' owner. `lowers`: `lower()` works beyond ASCII.
    """

    version: int
    version_text: str
    role: str
    unbound: bool
    can_become_owner: bool
    encoding: str
    ctype: str
    lowers: bool
    fsync: str
    synchronous_commit: str
    full_page_writes: str
    now: datetime
    max_connections: int
    connections: int
    invalid_indexes: list[str]
    size: int


async def lacking_rights(connection: AnyConnection, role: str) -> str:
    """Returns the SQL by which a superuser gives the server's role exactly its rights. Empty if they are right."""
    return " ".join(script(await missing_rights(connection, await owner_of(connection, role), role)))


async def health(connection: AnyConnection) -> Health:
    """Reads the properties of the database; changes nothing."""
    row = await connection.fetchrow(
        """
        select
            current_setting('server_version_num')::int / 10000 as version,
            current_setting('server_version') as version_text,
            current_user::text as role,
            (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) or exists (
                select from pg_class
                where relnamespace = current_schema()::regnamespace and relrowsecurity and not row_security_active(oid)
            ) as unbound,
            (select rolcreaterole from pg_roles where rolname = current_user) or exists (
                select from pg_class
                where relnamespace = current_schema()::regnamespace and relrowsecurity
                    and pg_get_userbyid(relowner) <> current_user and pg_has_role(current_user, relowner, 'member')
            ) as can_become_owner,
            pg_encoding_to_char(d.encoding)::text as encoding,
            d.datctype::text as ctype,
            lower('ÄÉÇØŁ') = 'äéçøł' as lowers,
            current_setting('fsync') as fsync,
            current_setting('synchronous_commit') as synchronous_commit,
            current_setting('full_page_writes') as full_page_writes,
            clock_timestamp() as now,
            current_setting('max_connections')::int
                - current_setting('superuser_reserved_connections')::int as max_connections,
            (select sum(numbackends) from pg_stat_database)::int as connections,
            array(
                select indexrelid::regclass::text from pg_index
                where not indisvalid and indrelid in (
                    select oid from pg_class where relnamespace = current_schema()::regnamespace
                )
            ) as invalid_indexes,
            pg_database_size(current_database()) as size
        from pg_database d
        where d.datname = current_database()
        """
    )
    assert row is not None  # noqa: S101 - the database that we are connected to exists
    return Health(**dict(row))


class Migrations(msgspec.Struct, frozen=True):
    """The names of the migrations that the database lacks, and the numbers of those that this version does not know."""

    pending: list[str]
    newer: list[int]


async def migrations(connection: AnyConnection) -> Migrations:
    """Compares the migrations of the database with those of this version."""
    done: set[int] = set()
    if await connection.fetchval("select to_regclass('migration')"):
        done = {row["number"] for row in await connection.fetch("select number from migration")}
    ours = available()
    pending = [name for number, name, _ in ours if number not in done]
    return Migrations(pending, sorted(done - {number for number, _, _ in ours}))


async def next_transaction(tx: Tx) -> int:
    """Returns the number of the next transaction that writes."""
    return await tx.value("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


async def oldest_transaction(tx: Tx) -> int:
    """Returns the number of the oldest transaction that has written and is still open, or of the next one."""
    return await tx.value("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
