"""Background jobs (table `pass`): work that grows with a company, in steps that each commit.

A call starts a job in its own transaction, so the job exists exactly if the call commits. A step saves its cursor in
its own transaction, so a job continues from there after a crash. A newer job for the same subject replaces the older
jobs, which end at their next step. `springhead.jobs` runs the steps.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec

from springhead.store.database.pool import Tx

STEP_ROWS = 5_000
"""About how many rows a step should touch: its locks must be released within a fraction of a second."""

WITHIN_A_CALL = 2.0
"""Seconds that a call spends on the background jobs that it started."""

RETRY, RETRY_MAX = 1.0, 300.0
"""Seconds until a failed step is retried: doubled with each failure in a row, up to the maximum."""

FAILING = 3
"""Failures in a row after which a job counts as failing. Fewer may be lost races or a short outage."""

Step = Callable[[Tx, int, int, int], Awaitable[int | None]]
"""A step of a job, in a transaction of its own: `(tx, company_id, subject_id, cursor)`. `start` sets the first cursor.

Returns the next cursor, or None if the job is done. A step that did not commit runs again. Two steps of a job never run
at the same time.
"""


class Due(msgspec.Struct, frozen=True):
    """A job whose next step can run."""

    id: int
    company_id: int
    kind: str


class Claimed(msgspec.Struct, frozen=True):
    """A job whose row the transaction has locked; `is_replaced` says that a later job has taken its place."""

    kind: str
    subject_id: int
    cursor: int
    is_replaced: bool


async def start(tx: Tx, company_id: int, kind: str, *subject_ids: int, delay: float = 0, cursor: int = 0) -> None:
    """Starts a job for each subject: after the caller's transaction has committed, or `delay` seconds later."""
    if not subject_ids:
        return
    await tx.rows(
        """
        insert into pass (company_id, kind, subject_id, cursor, due_at, created_at)
        select $1, $2, subject_id, $5, now() + make_interval(secs => $4), now() from unnest($3::bigint[]) as subject_id
        returning id
        """,
        company_id,
        kind,
        subject_ids,
        float(delay),
        cursor,
    )


async def next_due(
    tx: Tx, kinds: Sequence[str], company_id: int | None, *, leaving_out: Collection[int] = ()
) -> Due | None:
    """The due job that has waited longest, of a company or of all; None if no unlocked job is due.

    Jobs of the companies `leaving_out` do not count.
    """
    row = await tx.row(
        """
        select id, company_id, kind from pass
        where due_at <= now() and kind = any($1::text[]) and ($2::bigint is null or company_id = $2)
            and company_id <> all($3::bigint[])
        order by due_at, id
        limit 1
        for update skip locked
        """,
        kinds,
        company_id,
        list(leaving_out),
    )
    return Due(*row.values()) if row else None


async def is_due(tx: Tx, company_id: int, kinds: Sequence[str]) -> bool:
    """Whether the company has a due job of these kinds, locked or not."""
    return await tx.value(
        "select exists (select from pass where company_id = $1 and due_at <= now() and kind = any($2::text[]))",
        company_id,
        kinds,
    )


async def claim(tx: Tx, company_id: int, job_id: int) -> Claimed | None:
    """Locks a due job until the transaction ends. Returns None if another process has locked it or already run it."""
    row = await tx.row(
        """
        select p.kind, p.subject_id, p.cursor, exists (
            select from pass o
            where o.company_id = $1 and o.kind = p.kind and o.subject_id = p.subject_id
                and o.id > p.id
        ) as is_replaced
        from pass p
        where p.company_id = $1 and p.id = $2 and p.due_at <= now()
        order by p.id
        for update skip locked
        """,
        company_id,
        job_id,
    )
    return Claimed(*row.values()) if row else None


async def save(tx: Tx, company_id: int, job_id: int, cursor: int | None) -> None:
    """Saves the next cursor of a job, which then waits behind all other due jobs. None removes the job."""
    if cursor is None:
        await tx.rows("delete from pass where company_id = $1 and id = $2", company_id, job_id)
    else:
        # The job moves to the end of the queue, so that a long job does not delay the short ones of its company.
        await tx.rows(
            "update pass set cursor = $3, failures = 0, due_at = now() where company_id = $1 and id = $2",
            company_id,
            job_id,
            cursor,
        )


class Backlog(msgspec.Struct, frozen=True):
    """The background jobs of all companies: how many are due, how late they are, and which keep failing.

    `late` is the longest wait of a due job, in seconds. `failing` has the kinds of the jobs that failed at least
    FAILING times in a row, and `failures` the most failures in a row of any job.
    """

    due: int
    late: float
    failing: list[str]
    failures: int


async def backlog(tx: Tx) -> Backlog:
    """The backlog of all companies."""
    row = await tx.row(
        """
        select count(*) filter (where due_at <= now()) as due,
            coalesce(extract(epoch from max(now() - due_at) filter (where due_at <= now())), 0)::float8 as late,
            coalesce(array_agg(distinct kind order by kind) filter (where failures >= $1), '{}') as failing,
            coalesce(max(failures), 0) as failures
        from pass
        """,
        FAILING,
    )
    assert row is not None  # noqa: S101 - an aggregate has a row
    return Backlog(*row.values())


async def delay(tx: Tx, job_id: int) -> None:
    """Counts a failure of a job and postpones its next step."""
    await tx.rows(
        """
        update pass p set failures = d.failures + 1, due_at = d.due_at
        from (
            select o.id, o.failures,
                now() + make_interval(secs => least($2 * power(2, least(o.failures, 30)), $3)) as due_at
            from pass o where o.id = $1
        ) as d
        where p.id = d.id
        """,
        job_id,
        RETRY,
        RETRY_MAX,
    )
