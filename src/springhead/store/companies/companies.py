"""Companies and their API keys, which are global tables, and the first administrator of a company."""

from collections.abc import Sequence

import msgspec

from springhead.model.companies.companies import ApiKey, Company, hash_secret, new_account_id, new_secret
from springhead.model.leads.leads import email_key
from springhead.model.sales.opportunities import NEW_DEAL_STAGES
from springhead.store.capture import sites
from springhead.store.database.pool import Database, Tx

_SETTINGS = ("name", "time_zone", "per_second", "per_day", "objects_per_call", "recycle_days")


class Access(msgspec.Struct, frozen=True):
    """What authentication needs of a company: its settings, and the keys that are not revoked."""

    company: Company
    keys: tuple[ApiKey, ...]


async def access(tx: Tx, account_id: str) -> Access | None:
    """The company with that accountID and its active keys, or None."""
    rows = await tx.rows(
        """
        select c.id, c.account_id, c.name, c.time_zone, c.per_second, c.per_day, c.objects_per_call, c.recycle_days,
            k.id as key_id, k.label, k.secret_sha256, k.plain_success, k.captured_calls
        from company c
        left join api_key k on k.company_id = c.id and k.revoked_at is null
        where c.account_id = $1
        order by k.id
        """,
        account_id,
    )
    if not rows:
        return None
    company = Company(**{name: rows[0][name] for name in Company.__struct_fields__})
    keys = tuple(
        ApiKey(
            id=row["key_id"],
            label=row["label"],
            secret_sha256=row["secret_sha256"],
            plain_success=row["plain_success"],
            captured_calls=row["captured_calls"],
        )
        for row in rows
        if row["key_id"] is not None
    )
    return Access(company, keys)


async def companies(tx: Tx) -> list[Company]:
    """All companies, oldest first."""
    rows = await tx.rows(
        """
        select id, account_id, name, time_zone, per_second, per_day, objects_per_call, recycle_days
        from company order by id
        """
    )
    return [Company(**dict(row)) for row in rows]


async def by_id(tx: Tx, company_id: int) -> Company:
    """The company with this id, which must exist."""
    row = await tx.row(
        """
        select id, account_id, name, time_zone, per_second, per_day, objects_per_call, recycle_days
        from company where id = $1
        """,
        company_id,
    )
    assert row is not None  # noqa: S101 - companies are never deleted
    return Company(**dict(row))


async def create(
    database: Database,
    *,
    name: str,
    time_zone: str,
    administrator: str,
    deal_stages: Sequence[tuple[str, int]] = NEW_DEAL_STAGES,
) -> Company:
    """Creates a company with a site, deal stages and one administrator, whose email address is `administrator`.

    `deal_stages` are the names and probabilities of its stages, from the first stage to the last.
    """
    async with database.everyone() as tx, tx.atomic():
        row = await tx.row(
            """
            insert into company (account_id, name, time_zone) values ($1, $2, $3)
            returning id, account_id, name, time_zone, per_second, per_day, objects_per_call, recycle_days
            """,
            new_account_id(),
            name,
            time_zone,
        )
        assert row is not None  # noqa: S101 - `insert … returning` always gives its row
        company = Company(**dict(row))
        await sites.create(tx, company.id)
    async with database.company(company.id) as tx, tx.atomic():
        await tx.rows(
            """
            insert into user_profile (company_id, display_name, email_address, email_key, role)
            values ($1, 'Administrator', $2, $3, 'administrator')
            """,
            company.id,
            administrator,
            email_key(administrator),
        )
        await tx.rows(
            """
            insert into deal_stage (company_id, create_timestamp, update_timestamp,
                deal_stage_name, default_probability, weight, is_editable)
            select $1, now(), now(), s.name, s.probability, s.weight, true
            from unnest($2::text[], $3::int[]) with ordinality s (name, probability, weight)
            order by s.weight
            returning id
            """,
            company.id,
            [name for name, _ in deal_stages],
            [probability for _, probability in deal_stages],
        )
    return company


async def change(tx: Tx, company_id: int, settings: dict[str, object]) -> None:
    """Changes the name, time zone, limits or recycle bin of a company; a setting that is not given stays."""
    await tx.rows(
        """
        update company set
            name = coalesce($2, name),
            time_zone = coalesce($3, time_zone),
            per_second = coalesce($4, per_second),
            per_day = coalesce($5, per_day),
            objects_per_call = coalesce($6, objects_per_call),
            recycle_days = coalesce($7, recycle_days)
        where id = $1
        """,
        company_id,
        *(settings.get(name) for name in _SETTINGS),
    )


async def create_key(
    tx: Tx, company_id: int, *, label: str, plain_success: bool = False, captured_calls: bool = False
) -> tuple[int, str]:
    """Creates an API key. Returns its id and its secret, which is stored nowhere and cannot be shown again."""
    secret = new_secret()
    key_id = await tx.value(
        """
        insert into api_key (company_id, label, secret_sha256, plain_success, captured_calls)
        values ($1, $2, $3, $4, $5)
        returning id
        """,
        company_id,
        label,
        hash_secret(secret),
        plain_success,
        captured_calls,
    )
    return key_id, secret


async def keys(tx: Tx, company_id: int) -> list[dict[str, object]]:
    """The keys of a company, including revoked keys, without their secrets."""
    rows = await tx.rows(
        """
        select id, label, plain_success, captured_calls, created_at, revoked_at from api_key
        where company_id = $1
        order by id
        """,
        company_id,
    )
    return [dict(row) for row in rows]


async def revoke_key(tx: Tx, company_id: int, key_id: int) -> bool:
    """Revokes a key permanently; returns False if the company has no such active key.

    Every server process stops accepting it within two seconds.
    """
    row = await tx.row(
        """
        update api_key set revoked_at = now()
        where company_id = $1 and id = $2 and revoked_at is null
        returning id
        """,
        company_id,
        key_id,
    )
    return row is not None
