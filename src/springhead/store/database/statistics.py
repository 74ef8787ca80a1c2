"""What PostgreSQL's planner is told of company data (docs/decisions/0035-declared-statistics.md)."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from springhead.store.database.pool import AnyConnection

FIRST_MAJOR: Final = 18
"""The first version of PostgreSQL in which an owner may set statistics. Older versions plan with their own guesses."""

_SET = """
select pg_restore_attribute_stats(
    'schemaname', n.nspname::text, 'relname', c.relname::text, 'attname', a.attname::text, 'inherited', false,
    'null_frac', 0::real, 'avg_width', 8, {statistics}
)
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where a.attname {columns} and not a.attisdropped and c.relkind = 'r' and n.nspname = current_schema()
    and exists (
        select from pg_attribute o where o.attrelid = c.oid and o.attname = 'company_id' and not o.attisdropped
    )
"""

_ONE_COMPANY = _SET.format(columns="= 'company_id'", statistics="'n_distinct', 1::real")
"""Says of each table that all its rows belong to one company.

By default, PostgreSQL expects 200 companies of one size, and divides by 200 twice: for the condition of the statement
and for the one of row-level security. So it expects one row of any company, and may read the whole company to find a
row by its id. With these statistics, every other index is better than an index on `company_id` alone. ANALYZE keeps
them, because it collects none of `company_id` (migrate.py).
"""

_DISTINCT: Final = (
    ("= any('{id,email_key,account_key,public_id,message_id}')", -1),  # each row has another value
    (r"like '%\_id' and a.attname <> 'company_id' and a.attname <> 'public_id' and a.attname <> 'message_id'", -0.2),
    (r"= any('{what_type,who_type,status,state,kind,lead_status}')", 3),
    ("= any('{event_source,event_name}')", 10),
)
"""Conditions on names of columns, and the number of distinct values; below 0 as a part of the number of rows."""

_TIMES = _SET.format(
    columns="<> 'company_id' and a.atttypid = 'timestamptz'::regtype",
    statistics="'n_distinct', -1::real, 'histogram_bounds', '{2000-01-01,2100-01-01}'",
)
"""Says of times that they are spread over a century, so that much is newer than any time."""

_NEVER_ANALYSED = " and c.reltuples < 0"


async def declare(connection: "AnyConnection") -> None:
    """Tells the planner what is true of company data from the first row on. The role must own the tables.

    What is said of other columns than `company_id` holds until the first ANALYZE of the table. Without it, PostgreSQL
    takes ten ids for a twentieth of a table, and a page of the newest objects for all that there are.
    """
    if connection.get_server_version().major < FIRST_MAJOR:
        return
    await connection.fetch(_ONE_COMPANY)
    await connection.fetch(_TIMES + _NEVER_ANALYSED)
    for columns, distinct in _DISTINCT:
        await connection.fetch(
            _SET.format(columns=columns, statistics=f"'n_distinct', {distinct}::real") + _NEVER_ANALYSED
        )
