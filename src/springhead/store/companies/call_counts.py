"""A company's calls, counted in the database: how many may be made now, and how many of the day are used."""

from datetime import date
from typing import LiteralString

import msgspec

from springhead.store.database.pool import Tx

_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()


class Grant(msgspec.Struct, frozen=True):
    """What the database granted. Times are its own clock's, in microseconds since 1970."""

    granted: int
    at_us: int
    next_us: int
    day: date
    used: int

    @property
    def day_left_us(self) -> int:
        """Microseconds until the day of the count ends, at 00:00 UTC."""
        return max(0, (self.day.toordinal() + 1 - _EPOCH) * _DAY_US - self.at_us)

    def wait_us(self, per_second: int) -> int:
        """Microseconds from `at_us` until the next call is free."""
        return self.next_us - self.at_us - (per_second - 1) * interval_of(per_second, 1_000_000)


# A day that is one ahead of the clock goes on: the row was waited for over midnight, or the clock was set
# back.
_USED: LiteralString = """
    case when b.day between excluded.day and excluded.day + 1
        then greatest(0, b.used - case when b.day = $7 then $6::bigint else 0 end)
        else 0 end
"""
# `least` passes over null, which is what no interval gives: no limit per second.
_GRANTED: LiteralString = f"""
    greatest(0, least(
        $2::bigint,
        $4::bigint / nullif($3::bigint, 0),
        (excluded.at_us + $4 - b.next_us) / nullif($3, 0),
        $5::bigint - ({_USED})
    ))
"""
# Nothing volatile after `do update set`, which Citus refuses: the clock is read into the new row. A next_us
# more than a burst ahead of the clock means that the clock was set back; it then counts as one burst.
_TAKE: LiteralString = f"""
    insert into call_budget as b (company_id, at_us, next_us, day, used, granted)
    select $1, clock.at_us, clock.at_us + $2::bigint * $3::bigint,
        date '1970-01-01' + (clock.at_us / 86400000000)::int, $2, $2
    from (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as at_us) clock,
        set_config('synchronous_commit', coalesce($8, current_setting('synchronous_commit')), true)
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
    """Count up to `calls` calls against the limits and say how many were granted: as many as are left.

    Every `1 / per_second` seconds one more call is free, `per_second` of them at the most (GCRA); with None
    only the day is counted. `back` are calls that were granted on `back_day` and not made.

    A count per second does not wait for the disk: a crash of PostgreSQL (not ours) may forget the calls of
    its last 0.6 s, six at 10 a second and of 50,000 a day, and the row is not locked for the time of a
    flush, which other server processes would wait for. A count of the day alone is for many calls, and is
    on disk when it is granted.
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
    assert row is not None  # noqa: S101 - an upsert without a condition gives its row
    return Grant(**dict(row))


def interval_of(per_second: int, units: int) -> int:
    """Units of time (so many a second) between two calls, rounded so that the limit is never exceeded."""
    return -(-units // per_second)
