"""Statements of the conversion of leads.

The order of locks is: the leads, the rows that they refer to, the names of new accounts.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.nouns.folding import SPACE, folded_value


class Candidate(msgspec.Struct, frozen=True):
    """A lead that may be converted, with its current values."""

    id: int
    email_key: str
    status: str
    company_name: str | None
    account_id: int | None
    owner_id: int | None
    campaign_id: int | None


class ExistingIds(msgspec.Struct, frozen=True):
    """The ids that the company has, by kind."""

    accounts: Collection[int]
    campaigns: Collection[int]
    stages: Collection[int]
    users: Collection[int]


class ConvertedLead(msgspec.Struct, frozen=True):
    """The new account and status of a lead."""

    id: int
    account_id: int | None
    status: str


async def lock_candidates(tx: Tx, company_id: int, ids: Sequence[int], keys: Sequence[str]) -> list[Candidate]:
    """Locks the leads with these ids or email keys until the commit. `account_id` is None if the account was deleted.

    A first statement locks the leads, and a second reads them, so that nobody can change the values meanwhile.
    """
    locked = await tx.rows(
        """
        select id from lead
        where company_id = $1 and (id = any($2::bigint[]) or email_key = any($3::text[]))
        order by id for no key update
        """,
        company_id,
        ids,
        keys,
    )
    rows = await tx.rows(
        """
        select l.id, l.email_key, l.lead_status, l.company_name, a.id as account_id, l.owner_id, l.campaign_id
        from lead l
        left join account a on a.company_id = l.company_id and a.id = l.account_id
        where l.company_id = $1 and l.id = any($2::bigint[])
        """,
        company_id,
        [row["id"] for row in locked],
    )
    return [Candidate(*row.values()) for row in rows]


async def lock_existing_ids(
    tx: Tx,
    company_id: int,
    *,
    accounts: Collection[int],
    campaigns: Collection[int],
    stages: Collection[int],
    users: Collection[int],
) -> ExistingIds:
    """Returns the ids that the company has, and locks their rows against deletion until the commit."""
    rows = await tx.rows(
        """
        with accounts as materialized (
            select id from account where company_id = $1 and id = any($2::bigint[]) order by id for key share
        ),
        campaigns as materialized (
            select id from campaign where company_id = $1 and id = any($3::bigint[]) order by id for key share
        ),
        stages as materialized (
            select id from deal_stage where company_id = $1 and id = any($4::bigint[]) order by id for key share
        ),
        users as materialized (
            select id from user_profile where company_id = $1 and id = any($5::bigint[]) order by id for key share
        )
        select 'accounts' as kind, id from accounts
        union all select 'campaigns', id from campaigns
        union all select 'stages', id from stages
        union all select 'users', id from users
        """,
        company_id,
        list(accounts),
        list(campaigns),
        list(stages),
        list(users),
    )
    ids: Mapping[str, set[int]] = {name: set() for name in ExistingIds.__struct_fields__}
    for row in rows:
        ids[row["kind"]].add(row["id"])
    return ExistingIds(**ids)


_KEY = f"btrim({folded_value('n.name')}, {SPACE})"
"""The SQL of a name as it is compared: that of the column `account_key`."""

_ACCOUNTS_NAMED = statement(
    f"""
    select w.key, a.id
    from (
        select n.position, {_KEY} collate "C" as key
        from unnest($2::text[]) with ordinality as n (name, position)
    ) as w
    left join lateral (
        select o.id from account o
        where o.company_id = $1 and o.account_key = w.key
        order by o.id limit 1 for key share
    ) as a on true
    order by w.position
    """
)


async def accounts_named(tx: Tx, company_id: int, names: Sequence[str]) -> list[tuple[str, int | None]]:
    """Returns the key and the account of each name: the oldest account if several have the name, None if none has it.

    Names that differ only in case, in the coding of accents or in white space around them have the same key. An
    advisory lock lets one conversion of the company look for accounts at a time, until its commit: a second conversion
    finds the accounts that the first one creates. The leads are locked before, so a transaction with this lock never
    waits for a lead.
    """
    await tx.rows("select pg_advisory_xact_lock(hashtextextended('accounts_named', $1))", company_id)
    rows = await tx.rows(_ACCOUNTS_NAMED, company_id, names)
    return [(row["key"], row["id"]) for row in rows]


async def create_accounts(
    tx: Tx, company_id: int, names: Sequence[str], owner_ids: Sequence[int | None]
) -> dict[str, int]:
    """Creates accounts with these names and owners; returns their ids by the keys of their names."""
    rows = await tx.rows(
        """
        insert into account
            (company_id, account_name, owner_id, number_of_employees, create_timestamp, update_timestamp)
        select $1, n.name, n.owner_id, 0, now(), now()
        from unnest($2::text[], $3::bigint[]) with ordinality as n (name, owner_id, position)
        order by n.position
        returning id, account_key
        """,
        company_id,
        names,
        owner_ids,
    )
    return {row["account_key"]: row["id"] for row in rows}


async def update_leads(tx: Tx, company_id: int, changes: Sequence[ConvertedLead]) -> list[int]:
    """Sets the account and status of leads; returns the ids of the leads that changed."""
    rows = await tx.rows(
        """
        update lead l set account_id = c.account_id, lead_status = c.status,
            version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
        from unnest($2::bigint[], $3::bigint[], $4::text[]) as c (id, account_id, status)
        where l.company_id = $1 and l.id = c.id
            and (l.account_id is distinct from c.account_id or l.lead_status <> c.status)
        returning l.id
        """,
        company_id,
        [change.id for change in changes],
        [change.account_id for change in changes],
        [change.status for change in changes],
    )
    return [row["id"] for row in rows]
