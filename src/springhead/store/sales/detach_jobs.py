"""Background jobs that remove a deleted account or campaign from leads and opportunities (references.py)."""

from collections.abc import Mapping
from functools import partial

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json
from springhead.model.leads.events import Event
from springhead.model.leads.leads import LEAD
from springhead.model.sales.opportunities import OPPORTUNITY
from springhead.store.database.background_jobs import STEP_ROWS, Step
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.fields import fields
from springhead.store.leads import events
from springhead.store.lists import filtered_lists
from springhead.store.nouns.table import expire_page_starts
from springhead.store.sales.references import COLUMNS, job_kind


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
            where l.company_id = $1 and l.id = any(array(select id from named))  -- a join could run row by row
            returning l.id
        ){expire_page_starts(noun, "changed") if name in noun.where_columns else ""}
        select id from changed order by id
        """
    )


_DETACH = {(noun.name, name): _detachment(noun, name) for noun in (LEAD, OPPORTUNITY) for name in COLUMNS.values()}


async def _step(tx: Tx, company_id: int, subject_id: int, cursor: int, *, name: str) -> int | None:
    """Removes the reference from the leads after the id `cursor`; if there are none, from opportunities.

    The cursor of the opportunities is their id with a negative sign. A step changes either leads or opportunities,
    because other writers lock opportunities before leads (docs/lock-order.md).
    """
    if cursor >= 0:
        leads = await _ids(tx, _DETACH["lead", name], company_id, subject_id, cursor, STEP_ROWS)
        if leads:
            await filtered_lists.update_members(tx, company_id, await fields.load(tx, company_id), leads)
            await events.write(tx, company_id, [_event(lead, name, subject_id) for lead in leads])
            return leads[-1]
    opportunities = await _ids(tx, _DETACH["opportunity", name], company_id, subject_id, max(-cursor, 0), STEP_ROWS)
    return -opportunities[-1] if len(opportunities) == STEP_ROWS else None


def _event(lead_id: int, name: str, subject_id: int) -> Event:
    """The event that a call would write when it clears the column (`store/leads/event_clauses.py`)."""
    data: Mapping[str, Json] = {name: [str(subject_id), None]}
    return Event(lead_id=lead_id, source="leadUpdate", name=f"Lead changed: {name}", data=data)


async def _ids(tx: Tx, sql: Statement, *arguments: object) -> list[int]:
    return [row["id"] for row in await tx.rows(sql, *arguments)]


STEPS: Mapping[str, Step] = {job_kind(table): partial(_step, name=name) for table, name in COLUMNS.items()}
