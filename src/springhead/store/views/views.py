"""What the generic writes of saved views do not check: how many there are."""

from springhead.model.views import OWN_VIEWS_MAX, SHARED_VIEWS_MAX
from springhead.store.database.pool import Tx


async def crowded(tx: Tx, company_id: int) -> bool:
    """Whether the company has too many shared views, or a user too many own views.

    Locks the company, so that no other transaction adds a view meanwhile.
    """
    await tx.rows("select id from company where id = $1 order by id for no key update", company_id)
    rows = await tx.rows(
        """
        select v.owner_id from saved_view v where v.company_id = $1
        group by v.owner_id
        having count(*) > case when v.owner_id is null then $2::bigint else $3::bigint end
        limit 1
        """,
        company_id,
        SHARED_VIEWS_MAX,
        OWN_VIEWS_MAX,
    )
    return bool(rows)
