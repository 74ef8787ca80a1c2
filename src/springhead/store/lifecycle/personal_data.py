"""What is held on a lead: every table of a company's data, and what an export shows and an erasure does of it.

This is the one list of it: a table that is in neither HELD nor ELSEWHERE fails a test.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from springhead.model.kit.columns import Column, Noun
from springhead.model.kit.errors import Json
from springhead.model.kit.fields import FieldSet
from springhead.model.leads import personal_data as nouns
from springhead.model.leads.duplicates import LEAD_KEY
from springhead.model.leads.events import ERASED, EVENT
from springhead.model.leads.leads import LEAD
from springhead.model.leads.recycling import DELETED_LEAD
from springhead.model.sales.logged_calls import CALL
from springhead.model.sales.notes import NOTE, TASK
from springhead.model.sales.opportunities import OPPORTUNITY, OPPORTUNITY_LEAD
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.nouns.reads import Rows
from springhead.store.nouns.table import shift

AT_ONCE = 5_000
"""Rows of a table that go in one statement; what is left over goes in a pass."""

PIECE = 500


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A table that holds something on leads.

    `noun` is its name, and its columns in an export beside `more`; `of` says of a row `l` that it is about the leads
    with the ids `{ids}`, and `lead` gives the id of the one. `erasure` is what becomes of the rows: they go in steps
    (`goes`), with the lead by what deletes leads as well (`follows`), or they stay (`stays`). `kept` says of a row `l`
    that it is about something else, too, so that it stays and names the lead no more. `order` is the key of the rows.
    `counted`: whether receipts tell of it.
    `source` is what an export reads from, where that is not the table alone, and `custom` the noun of whose custom
    fields it shows the values.
    """

    noun: Noun
    more: tuple[Column, ...] = ()
    of: str = "l.lead_id = any({ids})"
    lead: str = "l.lead_id"
    erasure: Literal["goes", "follows", "stays"] = "goes"
    kept: str = "false"
    order: tuple[str, ...] = ("l.id",)
    source: str = ""
    custom: str = ""
    piece: int = PIECE
    counted: bool = True

    @property
    def name(self) -> str:
        """Its name in exports and receipts."""
        return self.noun.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """What an export shows, but for custom fields."""
        return (*self.noun.columns, *self.more)


def _about(noun: Noun) -> Held:
    """Notes or tasks: those about nothing else go.

    Those that a deletion has freed of the lead are known from what the recycle bin keeps.
    """
    kinds = f"('{noun.table}_who', '{noun.table}_what')"
    freed = f"""from deleted_lead_part p
            where p.company_id = $1 and p.lead_id = any({{ids}}) and p.kind in {kinds}"""
    who, what = (f"coalesce(l.{role}_type = 'lead' and l.{role}_id = any({{ids}}), false)" for role in ("who", "what"))
    found = " union all ".join(
        f"""select m.id from {noun.table} m
            where m.company_id = $1 and m.{role}_type = 'lead' and m.{role}_id = any({{ids}})"""
        for role in ("who", "what")
    )
    return Held(
        noun=noun,
        of=f"l.id = any(array({found} union all select p.id {freed}))",
        lead=f"""case when {who} then l.who_id when {what} then l.what_id
            else (select min(p.lead_id) {freed} and p.id = l.id) end""",
        kept=f"not ((l.who_id is null or {who}) and (l.what_id is null or {what}))",
    )


_OF_BIN = "(l.lead_id = any({ids}) or l.deleted_lead_id = any({ids}))"
_LEAD_OF_BIN = "coalesce(l.lead_id, l.deleted_lead_id)"
_VISITED = """from deleted_lead_part p
            where p.company_id = $1 and p.lead_id = any({ids}) and p.kind = 'visitor'"""
_LINKED = "from opportunity_lead o where o.company_id = $1 and o.lead_id = any({ids})"

HELD = (
    Held(noun=LEAD, of="l.id = any({ids})", lead="l.id", erasure="follows", custom="lead"),
    Held(noun=nouns.MERGED_ID, of="(l.lead_id = any({ids}) or l.id = any({ids}))"),
    Held(
        noun=nouns.LIST_MEMBER,
        erasure="follows",
        source="list_member l left join list t on t.company_id = l.company_id and t.id = l.list_id",
    ),
    Held(
        noun=OPPORTUNITY,
        more=nouns.TIMESTAMPS,
        of=f"""(l.primary_lead_id = any({{ids}}) or l.originating_lead_id = any({{ids}}) or l.id = any(array(
            select o.opportunity_id {_LINKED}
        )))""",
        lead=f"""case when l.primary_lead_id = any({{ids}}) then l.primary_lead_id
            when l.originating_lead_id = any({{ids}}) then l.originating_lead_id
            else (select min(o.lead_id) {_LINKED} and o.opportunity_id = l.id) end""",
        erasure="follows",
        kept="true",
        custom="opportunity",
    ),
    Held(noun=OPPORTUNITY_LEAD, more=nouns.TIMESTAMPS, erasure="follows"),
    _about(NOTE),
    _about(TASK),
    Held(noun=CALL, more=nouns.TIMESTAMPS[1:], of=_OF_BIN, lead=_LEAD_OF_BIN),
    Held(noun=nouns.UPLOAD, of=_OF_BIN, lead=_LEAD_OF_BIN, piece=1),
    Held(
        noun=nouns.PAGE_VIEW,
        of=f"""l.visitor_id = any(array(
            select v.id from visitor v where v.company_id = $1 and v.lead_id = any({{ids}})
            union all
            select p.id {_VISITED}
        ))""",
        lead=f"""coalesce(
            (select v.lead_id from visitor v where v.company_id = $1 and v.id = l.visitor_id),
            (select min(p.lead_id) {_VISITED} and p.id = l.visitor_id)
        )""",
        order=("l.visitor_id", "l.id"),
    ),
    Held(noun=nouns.VISITOR),
    Held(
        noun=EVENT,
        of=f"l.lead_id = any({{ids}}) and l.event_source <> '{ERASED}'",
        order=("l.create_timestamp", "l.id"),
    ),
    Held(noun=nouns.DELETED_PART, order=("l.lead_id", "l.kind", "l.id"), counted=False),
    Held(
        noun=DELETED_LEAD,
        of="l.id = any({ids})",
        lead="l.id",
        source="""(select * from deleted_lead b where b.company_id = $1 and b.id = any({ids})) d
            cross join lateral jsonb_populate_record(null::lead, d.lead) l""",
        custom="lead",
    ),
    Held(noun=nouns.UNIQUE_VALUE, order=("l.unique_id", "l.key"), counted=False),
    Held(noun=LEAD_KEY, order=("l.lead_id", "l.kind", "l.key"), counted=False),
    Held(noun=nouns.ERASURE, erasure="stays", counted=False),
)
"""Every table that holds something on leads, in the order in which an export shows them and an erasure takes them."""

ELSEWHERE: Mapping[str, str] = {
    "company": "the company itself",
    "api_key": "the company's keys",
    "user_profile": "the company's own people",
    "field": "what fields there are; the values are the lead's",
    "site": "the settings of the page script",
    "form": "what forms ask for; what is answered is in events",
    "form_address": "where forms are",
    "form_token": "a hash of what was sent with a page, for a day",
    "account": "companies that leads belong to",
    "campaign": "the company's campaigns",
    "deal_stage": "the company's stages",
    "list": "the lists; who is on them is in list_member",
    "list_tag": "labels of lists",
    "product": "what the company sells",
    "score_rule": "the rules of scores",
    "scoring": "how far leads are scored",
    "subscription": "who gets the changes of leads",
    "push": "how far each subscription is",
    "delivery": "which changes were sent, by their numbers, and what receivers answered, which an erasure forgets",
    "pass": "ids of work that is to be done",
    "change": "ids of events and leads, in the order of the feed",
    "feed": "how many changes there were",
    "shift": "numbers of generations",
    "call_budget": "how many calls were made",
    "lead_key_mark": "how far the keys of leads are made",
    "idempotency": "hashes of keys and calls, and outcomes with ids, for a day",
}
"""The tables that hold nothing on a lead, and what they hold."""


async def persons(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> Mapping[int, list[int]]:
    """All the ids that each lead has or had: of those that were merged into it, or with it into another one."""
    rows = await tx.rows(
        """
        select asked.id as asked, every.id
        from unnest($2::bigint[]) as asked (id)
        cross join lateral (
            select coalesce(
                (select m.lead_id from merged_lead m where m.company_id = $1 and m.id = asked.id), asked.id
            ) as id
        ) as stays
        cross join lateral (
            select asked.id
            union
            select stays.id
            union
            select m.id from merged_lead m where m.company_id = $1 and m.lead_id = stays.id
        ) as every
        """,
        company_id,
        list(lead_ids),
    )
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(row["asked"], []).append(row["id"])
    return found


def _scope(one: Held, ids: str) -> str:
    return one.of.replace("{ids}", ids)


_IDS = "$2::bigint[]"
_COUNTS = statement(
    " union all ".join(
        f"""
        select {sql.literal(one.name)} as part, {one.lead.replace("{ids}", _IDS)} as lead_id,
            count(*) filter (where not ({one.kept.replace("{ids}", _IDS)})) as gone,
            count(*) filter (where {one.kept.replace("{ids}", _IDS)}) as kept
        from {one.noun.table} l where l.company_id = $1 and {_scope(one, _IDS)} group by 2
        """
        for one in HELD
        if one.counted
    )
)


class Count(msgspec.Struct, frozen=True):
    """How many rows of a table are about a lead: those that go with it, and those that are about something else too."""

    part: str
    lead_id: int
    gone: int
    kept: int


async def counts(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[Count]:
    """What is held on leads, whether they are still there or not."""
    return [Count(*row.values()) for row in await tx.rows(_COUNTS, company_id, lead_ids)]


def _removal(one: Held) -> Statement:
    table, key = one.noun.table, [name.removeprefix("l.") for name in one.order]
    same = " and ".join(f"l.{name} = f.{name}" for name in key)
    return statement(
        f"""
        with found as materialized (
            select {", ".join(one.order)} from {table} l
            where l.company_id = $1 and {_scope(one, _IDS)} and not ({one.kept.replace("{ids}", _IDS)})
            order by {", ".join(one.order)}
            limit $3
        ),
        gone as (
            delete from {table} l using found f where l.company_id = $1 and {same} returning 1
        ){shift(one.noun, "gone") if one.noun.paged else ""}
        select count(*) from gone
        """
    )


REMOVALS = {one.name: _removal(one) for one in HELD if one.erasure == "goes"}
"""What deletes the rows of a table about the leads $2, $3 of them at most."""


async def remove(tx: Tx, company_id: int, lead_ids: Sequence[int], *, only: Sequence[Noun] = ()) -> bool:
    """Delete what goes in steps, AT_ONCE rows of each table at most; says whether that was all."""
    wanted = [REMOVALS[noun.name] for noun in only] or REMOVALS.values()
    removed = [await tx.value(query, company_id, lead_ids, AT_ONCE) for query in wanted]
    return max(removed) < AT_ONCE


async def piece(
    tx: Tx,
    company_id: int,
    one: Held,
    lead_ids: Sequence[int],
    fields: FieldSet,
    *,
    zone: str,
    after: Sequence[object] | None,
) -> tuple[Rows, Sequence[object] | None]:
    """Rows of a table about leads, as the wire has them, behind the key `after`; and the key to go on behind."""
    custom = fields.columns.get(one.custom, ())
    keys = ", ".join(f'{name} as "#{at}"' for at, name in enumerate(one.order))
    behind = f"({', '.join(one.order)}) > ({', '.join(f'${5 + at}' for at in range(len(one.order)))})"
    found = await tx.rows(
        statement(
            f"""
            select {sql.select_list(one.columns, custom)}, {keys}
            from {(one.source or f"{one.noun.table} l").replace("{ids}", "$3::bigint[]")}
            where l.company_id = $1 and $2::text is not null and {_scope(one, "$3::bigint[]")}
                and {behind if after else "true"}
            order by {", ".join(one.order)}
            limit $4
            """
        ),
        company_id,
        zone,
        lead_ids,
        one.piece,
        *(after or ()),
    )
    rows: list[dict[str, Json]] = [dict(row) for row in found]
    last = [tuple(row.pop(f"#{at}") for at in range(len(one.order))) for row in rows]
    return rows, last[-1] if len(rows) == one.piece else None
