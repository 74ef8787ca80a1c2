"""Counts of a company's calls in the database: how many calls are free now, and how many of the day are used."""

from datetime import date
from typing import LiteralString

import msgspec

from springhead.store.database.pool import Tx

_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()


class Grant(msgspec.Struct, frozen=True):
    """The calls that the database granted. Times are in microseconds since 1970, by the clock of the database.

    At `next_us` a whole burst is free again: the theoretical arrival time of GCRA. `used` counts the calls of `day`.
    """

    granted: int
    at_us: int
    next_us: int
    day: date
    used: int

    @property
    def day_left_us(self) -> int:
        """Microseconds until `day` ends, at 00:00 UTC."""
        return max(0, (self.day.toordinal() + 1 - _EPOCH) * _DAY_US - self.at_us)

    def wait_us(self, per_second: int) -> int:
        """Microseconds from `at_us` until the next call is free."""
        return self.next_us - self.at_us - (per_second - 1) * interval_of(per_second, 1_000_000)


# If the stored day is one ahead of the clock, its count goes on: the statement waited for the row over midnight, or the
# clock was set back.
_USED: LiteralString = """
    case when b.day between excluded.day and excluded.day + 1
        then greatest(0, b.used - case when b.day = $7 then $6::bigint else 0 end)
        else 0 end
"""
# Without a limit per second the interval is 0, and two arguments of `least` are null: it ignores them.
_GRANTED: LiteralString = f"""
    greatest(0, least(
        $2::bigint,
        $4::bigint / nullif($3::bigint, 0),
        (excluded.at_us + $4 - b.next_us) / nullif($3, 0),
        $5::bigint - ({_USED})
    ))
"""
# Citus refuses volatile functions after `do update set`, so the clock is read into the new row. If next_us is more than
# a burst ahead of the clock, the clock was set back; next_us then counts as one burst ahead. Citus also refuses
# parameters after `do update` of an `insert … select`: so this inserts values, and a value calls set_config.
_NOW: LiteralString = "(extract(epoch from statement_timestamp()) * 1000000)::bigint"
_TAKE: LiteralString = f"""
    insert into call_budget as b (company_id, at_us, next_us, day, used, granted)
    values ($1, {_NOW}, {_NOW} + $2::bigint * $3::bigint, date '1970-01-01' + ({_NOW} / 86400000000)::int, $2,
        $2 + 0 * length(set_config('synchronous_commit', coalesce($8, current_setting('synchronous_commit')), true)))
    on conflict (company_id) do update set
        at_us = excluded.at_us,
        next_us = greatest(excluded.at_us, least(b.next_us, excluded.at_us + $4)) + {_GRANTED} * $3,
        day = case when b.day = excluded.day + 1 then b.day else excluded.day end,
        used = {_USED} + {_GRANTED},
        granted = {_GRANTED}
    returning granted, at_us, next_us, day, used
"""


async def take(
    tx: Tx,
    company_id: int,
    calls: int,
    *,
    per_second: int | None,
    per_day: int,
    back: int = 0,
    back_day: date | None = None,
) -> Grant:
    """Counts up to `calls` calls against the limits. Grants as many calls as the limits leave.

    Every `1 / per_second` seconds one more call becomes free, up to `per_second` calls (GCRA). If `per_second` is None,
    only the limit per day applies. `back` returns calls that were granted on `back_day` and not made.

    With `per_second` the commit does not wait for the disk, because other server processes would wait for the row
    meanwhile. A crash of PostgreSQL (not of this server) can lose the counts of its last 0.6 s: at 10 calls a second,
    six of 50,000 calls a day. Without `per_second` a grant covers many calls, and is on disk when this returns.
    """
    interval = interval_of(per_second, 1_000_000) if per_second else 0
    if per_second:
        calls = min(calls, per_second)
    row = await tx.row(
        _TAKE,
        company_id,
        min(calls, per_day),
        interval,
        interval * (per_second or 0),
        per_day,
        back,
        back_day,
        "off" if per_second else None,
    )
    assert row is not None  # noqa: S101 - an upsert without a condition returns its row
    return Grant(**dict(row))


def interval_of(per_second: int, units: int) -> int:
    """The time between two calls, in units of which a second has `units`, rounded up so that the limit always holds."""
    return -(-units // per_second)
