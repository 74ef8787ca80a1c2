"""What the generic writes of subscriptions do not store: secrets, cursors, and the state of their pushes."""

from collections.abc import Mapping, Sequence

from springhead.model.feed.subscriptions import PAUSED, SECRET_HOURS, SUBSCRIPTION, Target
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.feed import changes
from springhead.store.feed.pushes import Claim
from springhead.store.feed.signing_secrets import encrypted, secrets_of

_SUBSCRIBE: Statement = statement(
    f"""
    insert into subscription (company_id, url, url_key, kinds, is_active, create_timestamp, update_timestamp)
    select $1, url, url, {SUBSCRIPTION.by_name["kinds"].default}, true, now(), now()
    from unnest($2::text[]) as given (url)
    order by url collate "C"
    on conflict (company_id, url_key) do nothing
    returning id
    """
)


async def subscribe(tx: Tx, company_id: int, urls: Sequence[str]) -> list[int]:
    """Creates subscriptions with default values for URLs that have none yet; returns their ids. Call `begin` next."""
    return [row["id"] for row in await tx.rows(_SUBSCRIBE, company_id, urls)]


async def count(tx: Tx, company_id: int) -> int:
    """The number of the company's subscriptions. Locks the company, so that no other transaction adds one meanwhile."""
    await tx.rows("select id from company where id = $1 order by id for no key update", company_id)
    return await tx.value("select count(*) from subscription where company_id = $1", company_id)


async def begin(tx: Tx, company_id: int, secrets: Mapping[int, str], *, utc: bool) -> None:
    """Stores the secrets of new subscriptions. Their pushes begin with the next change, or a challenge is due."""
    last = await changes.number(tx, company_id)
    await tx.rows(
        """
        with given as materialized (
            select id, secret from unnest($2::bigint[], $3::bytea[]) as g (id, secret)
        ),
        begun as (
            insert into push (company_id, subscription_id, sent, is_active, challenge_at)
            select $1, s.id, $5, s.is_active and not s.challenge, case when s.is_active and s.challenge then now() end
            from subscription s join given g on g.id = s.id
            where s.company_id = $1
            returning subscription_id
        )
        update subscription s set encrypted_secret = g.secret, utc = $4,
            inactive_reason = case when not s.is_active then $6 end
        from given g
        where s.company_id = $1 and s.id = g.id
        """,
        company_id,
        list(secrets),
        encrypted(tx.box, company_id, secrets),
        utc,
        last,
        PAUSED,
    )


async def switch(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Switches the pushes of changed subscriptions on or off, and makes them due at once.

    They are on if `isActive` says so, and if the URL has answered its challenge, or needs none. A URL that has not
    answered gets a new challenge. Waiting deliveries of subscriptions that were switched on are tried at once, and can
    fail for RETRY_HOURS again.
    """
    await tx.rows(
        """
        with wanted as materialized (
            select s.id, s.is_active, (s.inactive_reason is null) <> s.is_active as is_new, p.is_active as pushed,
                s.is_active and (not s.challenge or s.passed_url is not distinct from s.url) as pushes,
                case when s.is_active and s.challenge and s.passed_url is distinct from s.url then now() end
                    as challenge_at
            from subscription s join push p on p.company_id = $1 and p.subscription_id = s.id
            where s.company_id = $1 and s.id = any($2::bigint[])
        ),
        moved as (
            update push p set is_active = w.pushes, due_at = now(),
                challenge_at = w.challenge_at, challenge_lease = null,
                failures = case when w.pushes = w.pushed then p.failures else 0 end
            from wanted w
            where p.company_id = $1 and p.subscription_id = w.id
        ),
        renewed as (
            update delivery d set begun_at = null, next_at = now()
            from wanted w
            where d.company_id = $1 and d.subscription_id = w.id and d.state = 'waiting' and w.pushes and not w.pushed
        )
        update subscription s set inactive_reason = case when not w.is_active then $3 end
        from wanted w
        where s.company_id = $1 and s.id = w.id and w.is_new
        """,
        company_id,
        ids,
        PAUSED,
    )


async def retry(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Makes the pushes of these subscriptions due at once, for example because their secret has changed."""
    await tx.rows(
        "update push set due_at = now() where company_id = $1 and subscription_id = any($2::bigint[])",
        company_id,
        ids,
    )


async def end(tx: Tx, company_id: int, ids: Sequence[int]) -> None:
    """Ends the pushes of subscriptions that were deleted."""
    await tx.rows("delete from push where company_id = $1 and subscription_id = any($2::bigint[])", company_id, ids)


async def remove(tx: Tx, company_id: int, claim: Claim) -> bool:
    """Deletes a subscription whose receiver answered that it is gone, unless the lease of the claim is lost."""
    rows = await tx.rows(
        """
        with subscribed as materialized (
            select s.id from subscription s where s.company_id = $1 and s.id = $2 order by s.id for update
        ),
        leased as (
            delete from push p
            where p.company_id = $1 and p.subscription_id = (select id from subscribed) and p.lease = $3
            returning p.subscription_id
        )
        delete from subscription s using leased l where s.company_id = $1 and s.id = l.subscription_id returning s.id
        """,
        company_id,
        claim.subscription_id,
        claim.lease,
    )
    return bool(rows)


async def rotate(tx: Tx, company_id: int, secrets: Mapping[int, str]) -> set[int]:
    """Stores new secrets of subscriptions; returns the ids that exist. The old secrets sign too for SECRET_HOURS."""
    rows = await tx.rows(
        """
        update subscription s set encrypted_secret = g.secret, secret = null,
            encrypted_previous = s.encrypted_secret, previous_secret = s.secret,
            previous_until = now() + make_interval(hours => $4)
        from unnest($2::bigint[], $3::bytea[]) as g (id, secret)
        where s.company_id = $1 and s.id = g.id
        returning s.id
        """,
        company_id,
        list(secrets),
        encrypted(tx.box, company_id, secrets),
        SECRET_HOURS,
    )
    return {row["id"] for row in rows}


async def targets(tx: Tx, company_id: int, ids: Sequence[int]) -> dict[int, Target]:
    """The URLs and secrets of these subscriptions, by id."""
    rows = await tx.rows(
        """
        select id, url, secret, encrypted_secret,
            case when previous_until > now() then previous_secret end as previous_secret,
            case when previous_until > now() then encrypted_previous end as encrypted_previous
        from subscription where company_id = $1 and id = any($2::bigint[])
        order by id
        """,
        company_id,
        ids,
    )
    return {
        row["id"]: Target(row["id"], row["url"], secrets_of(dict(row), tx.box, company_id, row["id"])) for row in rows
    }
