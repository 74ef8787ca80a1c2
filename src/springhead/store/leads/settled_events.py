"""The time up to which the events of a company are complete."""

from datetime import datetime

from springhead.store.database.deadlines import LAST_WRITE_SECONDS
from springhead.store.database.pool import Tx

_MARGIN = 1
"""Seconds between the start of a transaction and the time at which `pg_stat_activity` surely shows it."""


async def settled_until(tx: Tx) -> datetime:
    """Returns the beginning of the first second to which an open or a later write can add events.

    An event has the start time of its transaction, so an open transaction can add to the second in which it began.
    Statements after this one see every event before that second. A transaction that is older than LAST_WRITE_SECONDS
    is no write of the server, and does not count. Calls and page views with a time of their own are
    exceptions: they can get earlier times.
    """
    return await tx.value(
        """
        select date_trunc('second', least(statement_timestamp(), min(xact_start)) - $1::bigint * interval '1 second')
        from pg_stat_activity
        where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
            and xact_start > statement_timestamp() - $2::float8 * interval '1 second'
        """,
        _MARGIN,
        LAST_WRITE_SECONDS,
    )
