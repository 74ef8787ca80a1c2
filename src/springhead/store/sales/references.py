"""What becomes of leads and opportunities when the account or the campaign that they name is deleted.

The delete itself touches none of them: a pass (passes.py) takes the reference out of each, a few thousand at a
time. Nobody can add one meanwhile, for whoever writes a reference locks what it names until its own commit: the
delete waits for those who came before, and those who come later find nothing to refer to.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json
from springhead.model.leads.events import Event
from springhead.model.leads.leads import LEAD
from springhead.model.sales.opportunities import OPPORTUNITY
from springhead.store.database import background_jobs
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.fields import fields
from springhead.store.leads import events
from springhead.store.lists import filtered_lists
from springhead.store.nouns.table import expire_page_starts

_REFERRING = {"account": "accountID", "campaign": "campaignID"}
"""The columns of leads and opportunities that name a row of a table."""


def _detachment(noun: Noun, name: str) -> Statement:
    column = noun.by_name[name].sql
    return statement(
        f"""
        with named as materialized (
            select l.id from {noun.table} l
            where l.company_id = $1 and l.{column} = $2 and l.id > $3
            order by l.id
            limit $4
            for no key update
        ),
        changed as (
            update {noun.table} l set {column} = null,
                version = l.version + 1, update_timestamp = greatest(now(), l.update_timestamp)
            where l.company_id = $1 and l.id = any(array(select id from named))  -- a join could be planned row by row
            returning l.id
        ){expire_page_starts(noun, "changed") if name in noun.paged else ""}
        select id from changed order by id
        """
    )


_DETACH = {(noun.name, name): _detachment(noun, name) for noun in (LEAD, OPPORTUNITY) for name in _REFERRING.values()}
_NAMED = {
    table: statement(
        f"""
        select gone.id from unnest($2::bigint[]) as gone (id)
        where exists (select from lead l where l.company_id = $1 and l.{LEAD.by_name[name].sql} = gone.id)
            or exists (
                select from opportunity o where o.company_id = $1 and o.{OPPORTUNITY.by_name[name].sql} = gone.id
            )
        """
    )
    for table, name in _REFERRING.items()
}


async def detach(tx: Tx, company_id: int, table: str, ids: Sequence[int]) -> None:
    """Let no lead and no opportunity name these accounts, or campaigns, any more.

    To be called in the transaction that has deleted them; the work itself is done by passes after its commit.
    """
    named = await tx.rows(_NAMED[table], company_id, ids)
    await background_jobs.start(tx, company_id, f"detach {table}", *(row["id"] for row in named))


async def _step(tx: Tx, company_id: int, subject_id: int, cursor: int, *, name: str) -> int | None:
    """Take the reference out of the leads after the id `cursor`; behind the last one, out of the opportunities.

    The cursor of the opportunities is their id below zero.
    """
    room = background_jobs.STEP_ROWS
    if cursor >= 0:
        known = await fields.load(tx, company_id)
        leads = await _ids(tx, _DETACH["lead", name], company_id, subject_id, cursor, room)
        await filtered_lists.update_members(tx, company_id, known, leads)
        await events.write(tx, company_id, [_told(lead, name, subject_id) for lead in leads])
        if len(leads) == room:
            return leads[-1]
        room -= len(leads)
    opportunities = await _ids(tx, _DETACH["opportunity", name], company_id, subject_id, max(-cursor, 0), room)
    return -opportunities[-1] if len(opportunities) == room else None


def _told(lead_id: int, name: str, subject_id: int) -> Event:
    """As a call that changes the column tells it (story.py)."""
    data: Mapping[str, Json] = {name: [str(subject_id), None]}
    return Event(lead_id=lead_id, source="leadUpdate", name=f"Lead changed: {name}", data=data)


async def _ids(tx: Tx, sql: Statement, *arguments: object) -> list[int]:
    return [row["id"] for row in await tx.rows(sql, *arguments)]


STEPS: Mapping[str, background_jobs.Step] = {
    f"detach {table}": partial(_step, name=name) for table, name in _REFERRING.items()
}
