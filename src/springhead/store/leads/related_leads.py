"""Leads that are related by their account, or by the domain of their email addresses."""

from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.nouns.reads import Rows, Select


async def related(
    tx: Tx,
    company_id: int,
    select: Select,
    *,
    key: str,
    domain: str | None,
    zone: str,
    version: int,
    limit: int,
) -> Rows:
    """The active leads with this email key, of the same account, and of the same domain, each group by id.

    Reads about `limit` leads, however many the company has. Returns no rows also if the field version has changed.
    """
    # If most leads have the same domain, PostgreSQL would plan an equality as a scan of all leads by id. A range with
    # its order leaves no plan but the index.
    query = statement(
        f"""
        with self as materialized (
            select l.id, l.account_id from lead l where l.company_id = $1 and l.email_key = $5
        ),
        colleagues as materialized (
            select l.id from lead l
            where l.company_id = $1 and l.active and l.id <> (select id from self)
                and l.account_id between (select account_id from self) and (select account_id from self)
            order by l.account_id, l.id
            limit $4
        ),
        neighbours as materialized (  -- only if the limit is not reached, so the scan skips few colleagues
            select l.id from lead l
            where l.company_id = $1 and l.email_domain between $6 and $6 and l.active and l.email_key <> $5
                and (select count(*) from colleagues) < $4 and l.id not in (select id from colleagues)
            order by l.email_domain, l.id
            limit $4
        ),
        chosen as (
            select id, 1 as rank from self
            union all select id, 2 from colleagues
            union all select id, 3 from neighbours
        )
        select {select.list}
        from chosen c
        join lead l on l.company_id = $1 and l.id = c.id
        where {select.guard} and {select.active}
        order by c.rank, l.id
        limit $4
        """
    )
    rows = await tx.rows(query, company_id, zone, version, limit, key, domain)
    return select.rows(rows)
