"""References to a deleted account or campaign: background jobs remove them from leads and opportunities.

The delete itself changes none of these rows, because there may be many; detach_jobs.py has the steps of the jobs. No
new reference appears meanwhile: a writer of a reference locks the referenced row until it commits. So the delete waits
for earlier writers, and later writers find no row to refer to.
"""

from collections.abc import Sequence

from springhead.model.leads.leads import LEAD
from springhead.model.sales.opportunities import OPPORTUNITY
from springhead.store.database import background_jobs
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement

COLUMNS = {"account": "accountID", "campaign": "campaignID"}
"""The column of leads and opportunities that refers to a row, by its table."""

_REFERENCED = {
    table: statement(
        f"""
        select d.id from unnest($2::bigint[]) as d (id)
        left join lateral (
            select l.id from lead l where l.company_id = $1 and l.{LEAD.by_name[name].sql} = d.id limit 1
        ) as l on true
        left join lateral (
            select o.id from opportunity o where o.company_id = $1 and o.{OPPORTUNITY.by_name[name].sql} = d.id limit 1
        ) as o on true
        where l.id is not null or o.id is not null
        """
    )
    for table, name in COLUMNS.items()
}


async def detach(tx: Tx, company_id: int, table: str, ids: Sequence[int]) -> None:
    """Starts the jobs that remove these deleted accounts or campaigns from leads and opportunities.

    Call it in the transaction of the delete. The jobs run after its commit.
    """
    referenced = await tx.rows(_REFERENCED[table], company_id, ids)
    await background_jobs.start(tx, company_id, job_kind(table), *(row["id"] for row in referenced))


def job_kind(table: str) -> str:
    """The kind of the background jobs for deleted rows of this table."""
    return f"detach {table}"
