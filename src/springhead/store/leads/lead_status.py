"""The part of a lead's status that follows from its opportunities."""

from collections.abc import Collection

from springhead.model.kit.fields import FieldSet
from springhead.model.leads.events import Event
from springhead.model.leads.leads import LEAD
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.leads import events
from springhead.store.lists import filtered_lists

_REFRESH = statement(
    """
    with statuses as materialized (
        select l.id, l.lead_status as before,
            case
                when l.lead_status = 'customer' or l.id = any($3::bigint[]) then 'customer'
                when exists (
                    select from opportunity_lead x
                    join opportunity o on o.company_id = x.company_id and o.id = x.opportunity_id
                    where x.company_id = $1 and x.lead_id = l.id and not o.is_closed and o.is_active
                ) then 'contactWithOpp'
                when l.lead_status = 'contactWithOpp' then 'contact'
                else l.lead_status
            end as after
        from lead l
        where l.company_id = $1 and l.id = any($2::bigint[])
    )
    update lead l set lead_status = s.after,
        version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
    from statuses s
    where l.company_id = $1 and l.id = s.id and s.before <> s.after
    returning l.id, s.before, s.after
    """
)


async def lock(tx: Tx, company_id: int, lead_ids: Collection[int]) -> None:
    """Locks leads in the order of their ids, so that no other transaction changes them before the commit.

    Other transactions can still refer to the leads (`for key share`).
    """
    if lead_ids:
        await tx.rows(
            "select id from lead where company_id = $1 and id = any($2::bigint[]) order by id for no key update",
            company_id,
            list(lead_ids),
        )


async def refresh(
    tx: Tx, company_id: int, fields: FieldSet, lead_ids: Collection[int], *, won: Collection[int] = ()
) -> None:
    """Updates the status of leads after the same transaction has changed their opportunities.

    The leads in `won` become customers, and a customer stays a customer. Other leads with an open opportunity (not
    closed, and active) become contactWithOpp; a contactWithOpp without an open opportunity becomes a contact. Writes an
    event for each change, and updates rules-based lists.

    A statement of its own locks the leads first. So if two transactions close the last two opportunities of a lead, the
    later one sees the change of the earlier one.
    """
    if not lead_ids:
        return
    await lock(tx, company_id, lead_ids)
    changed = await tx.rows(_REFRESH, company_id, list(lead_ids), list(won))
    if not changed:
        return
    await events.write(
        tx,
        company_id,
        [changed_event(row["id"], row["before"], row["after"]) for row in changed],
    )
    await filtered_lists.update_members(tx, company_id, fields, [row["id"] for row in changed])


def changed_event(lead_id: int, before: str, after: str) -> Event:
    """The event of a changed status, the same as a write of leads records (`store/leads/event_clauses.py`)."""
    source, name = LEAD.events.special["leadStatus"] if LEAD.events else ("", "")
    return Event(lead_id=lead_id, source=source, name=name, data={"leadStatus": [before, after]})
