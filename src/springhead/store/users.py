"""User profiles in the database."""

from collections.abc import Mapping, Sequence

from springhead.model.errors import Json
from springhead.model.users import USER_PROFILE
from springhead.store import sql
from springhead.store.db import Tx
from springhead.store.filters import Where
from springhead.store.sql import statement

_LIST = sql.select_list(USER_PROFILE.columns)


async def find(
    tx: Tx, company_id: int, filters: Mapping[str, Json], *, zone: str, limit: int, offset: int
) -> Sequence[dict[str, Json]]:
    """User profiles that match all filters, in the order of their ids."""
    where = Where(USER_PROFILE, filters, first=5)
    query = statement(
        f"""
        select {_LIST} from user_profile l
        where l.company_id = $1 and $2::text is not null and {where.condition}
        order by {where.order}
        limit $3 offset $4
        """
    )
    rows = await tx.rows(query, company_id, zone, limit, offset, *where.parameters)
    return [dict(row) for row in rows]
