"""Opportunities, their linked leads, and the effects of a change on these leads: links, events, statuses.

A writer of an opportunity or a link locks the opportunity first, then its leads, in two statements by id
(docs/lock-order.md). While it has the lock on the opportunity, no other transaction can link another lead. So the
opportunities of the leads stay as later statements read them until the commit.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from springhead.model.kit.fields import FieldSet
from springhead.model.leads import events
from springhead.model.leads.events import Event
from springhead.model.sales.opportunities import OPPORTUNITY_LEAD
from springhead.store.database.pool import Tx
from springhead.store.database.sql import statement
from springhead.store.leads import lead_status
from springhead.store.leads.events import write
from springhead.store.lifecycle.recycling import bin_parts
from springhead.store.nouns.table import expire_page_starts


class OpportunityState(msgspec.Struct, frozen=True):
    """The values of an opportunity that matter to its leads."""

    id: int
    name: str
    amount: str
    stage_id: int
    stage: str
    is_closed: bool
    is_won: bool
    is_active: bool

    @property
    def is_open(self) -> bool:
        """Whether the opportunity is active and not closed."""
        return self.is_active and not self.is_closed

    @property
    def outcome(self) -> str | None:
        """The source of the event that closed the opportunity; None if it is not closed."""
        if self.is_won:
            return events.OPPORTUNITY_WON
        return events.OPPORTUNITY_LOST if self.is_closed else None


class Link(msgspec.Struct, frozen=True):
    """A lead that is linked to an opportunity."""

    opportunity_id: int
    lead_id: int


async def stages_in_use(tx: Tx, company_id: int, stage_ids: Sequence[int]) -> list[int]:
    """The deal stages that have opportunities.

    A statement of its own locks the stages first. A writer of an opportunity locks its stage too. So the second
    statement sees all opportunities of the stages, and no other one enters a stage before the caller commits.
    """
    await tx.rows(
        "select id from deal_stage where company_id = $1 and id = any($2::bigint[]) order by id for update",
        company_id,
        stage_ids,
    )
    rows = await tx.rows(
        """
        select d.id from deal_stage d
        where d.company_id = $1 and d.id = any($2::bigint[])
            and (  -- a range, for which no plan reads all opportunities to find that none has the stage
                select true from opportunity o where o.company_id = $1 and o.deal_stage_id between d.id and d.id limit 1
            )
        """,
        company_id,
        stage_ids,
    )
    return [row["id"] for row in rows]


async def lock(tx: Tx, company_id: int, ids: Collection[int]) -> None:
    """Locks opportunities by id, so that no other transaction changes, links or unlinks them before the commit."""
    await tx.rows(
        "select id from opportunity where company_id = $1 and id = any($2::bigint[]) order by id for update",
        company_id,
        list(ids),
    )


async def lock_shared(tx: Tx, company_id: int, ids: Collection[int]) -> None:
    """Locks opportunities by id against deletion until the commit. Other transactions can take the same lock."""
    await tx.rows(
        "select id from opportunity where company_id = $1 and id = any($2::bigint[]) order by id for key share",
        company_id,
        list(ids),
    )


async def states(tx: Tx, company_id: int, ids: Sequence[int]) -> dict[int, OpportunityState]:
    """The current values of opportunities, by id."""
    rows = await tx.rows(
        """
        select o.id, o.opportunity_name, trim_scale(o.amount)::text as amount, o.deal_stage_id, d.deal_stage_name,
            o.is_closed, o.is_won, o.is_active
        from opportunity o
        join deal_stage d on d.company_id = o.company_id and d.id = o.deal_stage_id
        where o.company_id = $1 and o.id = any($2::bigint[])
        """,
        company_id,
        ids,
    )
    return {row["id"]: OpportunityState(*row.values()) for row in rows}


async def links(tx: Tx, company_id: int, opportunity_ids: Collection[int]) -> list[Link]:
    """The links of opportunities."""
    rows = await tx.rows(
        """
        select opportunity_id, lead_id from opportunity_lead
        where company_id = $1 and opportunity_id = any($2::bigint[])
        order by id
        """,
        company_id,
        list(opportunity_ids),
    )
    return [Link(*row.values()) for row in rows]


async def links_by_id(tx: Tx, company_id: int, ids: Sequence[int]) -> list[Link]:
    """The links with these ids."""
    rows = await tx.rows(
        """
        select opportunity_id, lead_id from opportunity_lead
        where company_id = $1 and id = any($2::bigint[])
        order by id
        """,
        company_id,
        ids,
    )
    return [Link(*row.values()) for row in rows]


async def lock_with_leads(tx: Tx, company_id: int, ids: Collection[int], *, named: Iterable[int] = ()) -> list[Link]:
    """Locks opportunities, then their linked leads and the leads `named`; returns the links."""
    await lock(tx, company_id, ids)
    current_links = await links(tx, company_id, ids)
    await lead_status.lock(tx, company_id, {link.lead_id for link in current_links} | set(named))
    return current_links


async def link_named_leads(tx: Tx, company_id: int, ids: Sequence[int]) -> list[Link]:
    """Links the primary and originating leads of opportunities; returns the new links."""
    rows = await tx.rows(
        """
        insert into opportunity_lead (company_id, opportunity_id, lead_id, create_timestamp, update_timestamp)
        select $1, o.id, named.lead_id, now(), now()
        from opportunity o, unnest(array[o.primary_lead_id, o.originating_lead_id]) as named (lead_id)
        where o.company_id = $1 and o.id = any($2::bigint[]) and named.lead_id is not null
        order by o.id, named.lead_id
        on conflict (company_id, opportunity_id, lead_id) do nothing
        returning opportunity_id, lead_id
        """,
        company_id,
        ids,
    )
    return [Link(*row.values()) for row in rows]


_UNLINK = statement(
    f"""
    with deleted as (
        delete from opportunity_lead
        where company_id = $1 and (opportunity_id = any($2::bigint[]) or lead_id = any($3::bigint[]))
        returning id, version, create_timestamp, update_timestamp, opportunity_id, lead_id
    ){expire_page_starts(OPPORTUNITY_LEAD, "deleted")}{
        bin_parts(
            "opportunity_lead",
            "select lead_id, id, to_jsonb(deleted) as part from deleted where lead_id = any($3::bigint[])",
        )
    }
    select
    """
)


async def unlink(tx: Tx, company_id: int, *, opportunity_ids: Sequence[int] = (), lead_ids: Sequence[int] = ()) -> None:
    """Deletes all links of opportunities or leads that this transaction deletes."""
    await tx.rows(_UNLINK, company_id, opportunity_ids, lead_ids)


async def clear_unlinked(tx: Tx, company_id: int, deleted_links: Sequence[Link]) -> None:
    """Clears the primary and originating lead of opportunities whose links to these leads were deleted."""
    await tx.rows(
        """
        with unlinked as materialized (
            select d.opportunity_id as id, array_agg(d.lead_id) as leads
            from unnest($2::bigint[], $3::bigint[]) as d (opportunity_id, lead_id)
            group by d.opportunity_id
        )
        update opportunity o set
            primary_lead_id = case when o.primary_lead_id = any(u.leads) then null else o.primary_lead_id end,
            originating_lead_id =
                case when o.originating_lead_id = any(u.leads) then null else o.originating_lead_id end,
            version = o.version + 1, update_timestamp = greatest(now(), o.update_timestamp)
        from unlinked u
        where o.company_id = $1 and o.id = u.id
            and (o.primary_lead_id = any(u.leads) or o.originating_lead_id = any(u.leads))
        """,
        company_id,
        [link.opportunity_id for link in deleted_links],
        [link.lead_id for link in deleted_links],
    )


_NAMED = "select {0}_lead_id as lead_id, id, '{{}}'::jsonb as part from named where {0}_lead_id = any($2::bigint[])"
_CLEAR_NAMED = statement(
    f"""
    with named as materialized (
        select id, primary_lead_id, originating_lead_id from opportunity
        where company_id = $1 and (primary_lead_id = any($2::bigint[]) or originating_lead_id = any($2::bigint[]))
        order by id for update
    ){"".join(bin_parts(role, _NAMED.format(role)) for role in ("primary", "originating"))}
    update opportunity o set
        primary_lead_id = case when o.primary_lead_id = any($2::bigint[]) then null else o.primary_lead_id end,
        originating_lead_id =
            case when o.originating_lead_id = any($2::bigint[]) then null else o.originating_lead_id end,
        version = o.version + 1, update_timestamp = greatest(now(), o.update_timestamp)
    from named n
    where o.company_id = $1 and o.id = n.id
    """
)


async def clear_named_leads(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Clears these leads as primary or originating leads of all opportunities. Call it before the leads are locked."""
    await tx.rows(_CLEAR_NAMED, company_id, lead_ids)


async def detach_leads(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> None:
    """Removes leads from all opportunities, with their links. The caller has locked the leads and will delete them."""
    await tx.rows(_CLEAR_NAMED, company_id, lead_ids)  # opportunities that named a lead before it was locked
    await unlink(tx, company_id, lead_ids=lead_ids)


async def after_write(
    tx: Tx, company_id: int, fields: FieldSet, ids: Sequence[int], before: Mapping[int, OpportunityState] | None = None
) -> None:
    """Links the named leads of written opportunities, writes events, and updates the statuses of leads.

    `before` has the values of changed opportunities before the call, and lacks new opportunities. The caller has locked
    the opportunities and their leads.
    """
    before = before or {}
    new = set(await link_named_leads(tx, company_id, ids))
    now = await states(tx, company_id, ids)
    linked: dict[int, list[int]] = defaultdict(list)
    for link in await links(tx, company_id, ids):
        linked[link.opportunity_id].append(link.lead_id)
    written: list[Event] = []
    touched: set[int] = {link.lead_id for link in new}
    won: set[int] = {link.lead_id for link in new if now[link.opportunity_id].is_won}
    for opportunity_id, leads in linked.items():
        was, state = before.get(opportunity_id), now[opportunity_id]
        if was is None or was.is_open != state.is_open:
            touched.update(leads)
        if state.is_won and not (was and was.is_won):
            won.update(leads)
        for lead in leads:
            written += _events(was, state, lead, linked=Link(opportunity_id, lead) in new)
    await write(tx, company_id, written)
    await lead_status.refresh(tx, company_id, fields, touched | won, won=won)


async def after_link(tx: Tx, company_id: int, fields: FieldSet, new: Sequence[Link]) -> None:
    """Writes the events of links that a call created, and updates the statuses of their leads.

    The caller has locked the leads.
    """
    now = await states(tx, company_id, [link.opportunity_id for link in new])
    await write(tx, company_id, [_linked(now[link.opportunity_id], link.lead_id) for link in new])
    won = {link.lead_id for link in new if now[link.opportunity_id].is_won}
    await lead_status.refresh(tx, company_id, fields, {link.lead_id for link in new}, won=won)


def _events(was: OpportunityState | None, now: OpportunityState, lead_id: int, *, linked: bool) -> Iterator[Event]:
    def event(source: str, name: str, **data: str) -> Event:
        return Event(
            lead_id=lead_id,
            source=source,
            name=f"{name}: {now.name}",
            what_type="opportunity",
            what_id=now.id,
            data={"opportunityName": now.name, "amount": now.amount, **data},
        )

    if was is None:
        yield event(events.OPPORTUNITY_CREATED, "Opportunity created", dealStage=now.stage)
    elif linked:
        yield _linked(now, lead_id)
    if was and was.stage_id != now.stage_id:
        yield event(
            events.STAGE_CHANGED, f"Deal stage changed to {now.stage}", dealStage=now.stage, formerDealStage=was.stage
        )
    if now.outcome and now.outcome != (was and was.outcome):
        yield event(now.outcome, "Opportunity won" if now.is_won else "Opportunity lost")


def _linked(state: OpportunityState, lead_id: int) -> Event:
    """The event of a new link to an existing opportunity."""
    return Event(
        lead_id=lead_id,
        source=events.OPPORTUNITY_LINKED,
        name=f"Linked to opportunity: {state.name}",
        what_type="opportunity",
        what_id=state.id,
        data={"opportunityName": state.name, "amount": state.amount},
    )
