"""Personal data: the one list of tables by which a lead's data is exported and erased.

A noun that methods write needs no line here: its columns say whether it names leads. Every other table of company data
is in PERSONAL_DATA or in NO_PERSONAL_DATA; tests/contract/test_personal_data.py checks it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

import msgspec

from springhead.model.actions import ACTION
from springhead.model.kit.columns import WRITTEN_NOUNS, Column, Noun, flag, moment, snake_case, text
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
from springhead.store.leads.opt_out_clauses import hash_of
from springhead.store.nouns.custom_values import CustomValues, Rows
from springhead.store.nouns.table import expire_page_starts

AT_ONCE = 5_000
"""Rows of a table that one statement of an erasure deletes; a background job deletes the others."""

PAGE_SIZE = 500
"""Rows of a table that an export reads at a time."""


class PersonalData(msgspec.Struct, frozen=True, kw_only=True):
    """A table with rows about leads.

    `noun` names the table and the columns that an export shows, together with `extra`. In the SQL of this struct `l` is
    a row of the table, and `{ids}` stands for the parameter with the ids of the leads.

    - `condition`: whether the row is about one of the leads. `lead_id`: the id of that lead.
    - `shared`: whether the row is about another object, too. Such a row stays, and no longer names the lead.
    - `erasure`: how rows are erased. "in_steps": by `delete_rows`. "with_lead": by every deletion of a lead. "never":
      they stay.
    - `key`: the columns that order and identify the rows. `page_size`: rows that an export reads at a time.
    - `source`: what an export reads from, if it is not the table alone.
    - `custom`: the relationship of the custom fields that an export shows.
    - `in_receipts`: whether receipts count the rows.
    """

    noun: Noun
    extra: tuple[Column, ...] = ()
    condition: str = "l.lead_id = any({ids})"
    lead_id: str = "l.lead_id"
    shared: str = "false"
    erasure: Literal["in_steps", "with_lead", "never"] = "in_steps"
    key: tuple[str, ...] = ("l.id",)
    page_size: int = PAGE_SIZE
    source: str = ""
    custom: str = ""
    in_receipts: bool = True

    @property
    def name(self) -> str:
        """The name of the table in exports and receipts."""
        return self.noun.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that an export shows, without custom fields."""
        return (*self.noun.columns, *self.extra)


def _notes(noun: Noun) -> PersonalData:
    """Notes or tasks. If they are about another object too, they stay.

    A deletion of the lead cleared its id in the notes and tasks that stay. The recycle bin still names them.
    """
    kinds = f"('{noun.table}_who', '{noun.table}_what')"
    detached = f"""from deleted_lead_part p
            where p.company_id = $1 and p.lead_id = any({{ids}}) and p.kind in {kinds}"""
    who, what = (f"coalesce(l.{role}_type = 'lead' and l.{role}_id = any({{ids}}), false)" for role in ("who", "what"))
    named = " union all ".join(
        f"""select m.id from {noun.table} m
            where m.company_id = $1 and m.{role}_type = 'lead' and m.{role}_id = any({{ids}})"""
        for role in ("who", "what")
    )
    return PersonalData(
        noun=noun,
        condition=f"l.id = any(array({named} union all select p.id {detached}))",
        lead_id=f"""case when {who} then l.who_id when {what} then l.what_id
            else (select min(p.lead_id) {detached} and p.id = l.id) end""",
        shared=f"not ((l.who_id is null or {who}) and (l.what_id is null or {what}))",
    )


_OF_BIN = "(l.lead_id = any({ids}) or l.deleted_lead_id = any({ids}))"
_LEAD_ID_OF_BIN = "coalesce(l.lead_id, l.deleted_lead_id)"
_VISITED = """from deleted_lead_part p
            where p.company_id = $1 and p.lead_id = any({ids}) and p.kind = 'visitor'"""
_LINKED = "from opportunity_lead o where o.company_id = $1 and o.lead_id = any({ids})"


def _opt_out(key: str) -> tuple[Column, ...]:
    """The last decision about emails to the address with the key that the SQL `key` has."""

    def read(column: str) -> str:
        return f"(select o.{column} from opt_out o where o.company_id = $1 and o.address_hash = {hash_of(key)})"

    return (
        Column(name="optOutActive", kind=flag(), writable=False, read=read("active")),
        Column(name="optOutSource", kind=text(255), writable=False, read=read("source")),
        Column(name="optOutTimestamp", kind=moment(), writable=False, read=read("change_timestamp")),
    )


PERSONAL_DATA = (
    PersonalData(
        noun=LEAD,
        extra=_opt_out("l.email_key"),
        condition="l.id = any({ids})",
        lead_id="l.id",
        erasure="with_lead",
        custom="lead",
    ),
    PersonalData(noun=nouns.MERGED_ID, condition="(l.lead_id = any({ids}) or l.id = any({ids}))"),
    PersonalData(
        noun=nouns.LIST_MEMBER,
        key=("l.lead_id", "l.id"),
        erasure="with_lead",
        source="list_member l left join list t on t.company_id = l.company_id and t.id = l.list_id",
    ),
    PersonalData(
        noun=OPPORTUNITY,
        key=("l.id + 0",),  # not in the order of the primary key, which PostgreSQL would read from its beginning
        extra=nouns.TIMESTAMPS,
        condition=f"""(l.primary_lead_id = any({{ids}}) or l.originating_lead_id = any({{ids}}) or l.id = any(array(
            select o.opportunity_id {_LINKED}
        )))""",
        lead_id=f"""case when l.primary_lead_id = any({{ids}}) then l.primary_lead_id
            when l.originating_lead_id = any({{ids}}) then l.originating_lead_id
            else (select min(o.lead_id) {_LINKED} and o.opportunity_id = l.id) end""",
        erasure="with_lead",
        shared="true",
        custom="opportunity",
    ),
    PersonalData(noun=OPPORTUNITY_LEAD, key=("l.lead_id", "l.id"), extra=nouns.TIMESTAMPS, erasure="with_lead"),
    _notes(NOTE),
    _notes(TASK),
    PersonalData(noun=CALL, extra=nouns.TIMESTAMPS[1:], condition=_OF_BIN, lead_id=_LEAD_ID_OF_BIN),
    PersonalData(noun=nouns.UPLOAD, condition=_OF_BIN, lead_id=_LEAD_ID_OF_BIN, page_size=1),
    PersonalData(
        noun=nouns.PAGE_VIEW,
        condition=f"""l.visitor_id = any(array(
            select v.id from visitor v where v.company_id = $1 and v.lead_id = any({{ids}})
            union all
            select p.id {_VISITED}
        ))""",
        lead_id=f"""coalesce(
            (select v.lead_id from visitor v where v.company_id = $1 and v.id = l.visitor_id),
            (select min(p.lead_id) {_VISITED} and p.id = l.visitor_id)
        )""",
        key=("l.visitor_id", "l.id"),
    ),
    PersonalData(noun=nouns.VISITOR),
    PersonalData(
        noun=EVENT,
        extra=(Column(name="actionID", kind=ACTION.by_name["id"].kind, writable=False),),
        condition=f"l.lead_id = any({{ids}}) and l.event_source <> '{ERASED}'",
        key=("l.create_timestamp", "l.id"),
    ),
    PersonalData(noun=nouns.DELETED_PART, key=("l.lead_id", "l.kind", "l.id"), in_receipts=False),
    PersonalData(
        noun=DELETED_LEAD,
        extra=_opt_out("d.email_key"),
        condition="l.id = any({ids})",
        lead_id="l.id",
        source="""(select * from deleted_lead b where b.company_id = $1 and b.id = any({ids})) d
            cross join lateral jsonb_populate_record(null::lead, d.lead) l""",
        custom="lead",
    ),
    PersonalData(noun=nouns.UNIQUE_VALUE, key=("l.unique_id", "l.key"), in_receipts=False),
    PersonalData(noun=LEAD_KEY, key=("l.lead_id", "l.kind", "l.key"), in_receipts=False),
    PersonalData(noun=nouns.ERASURE, erasure="never", in_receipts=False),
)
"""The tables with rows about leads. Exports and erasures go through them in this order."""

NO_PERSONAL_DATA: Mapping[str, str] = {
    "company": "the company itself",
    "api_key": "the company's keys",
    "user_profile": "the company's users",
    "sign_in": "passwords of users, hashed",
    "sign_in_link": "links with which users sign in, hashed",
    "user_session": "the browsers in which users are signed in",
    "field": "the custom fields; their values are in lead",
    "site": "the settings of the page script",
    "form": "the forms; the answers are in event",
    "form_address": "the public addresses of forms",
    "form_token": "hashes of form posts, for a day",
    "erased_visitor": "hashes of the tracking ids of erased visitors, for a month",
    "account": "the accounts that leads belong to",
    "campaign": "the company's campaigns",
    "deal_stage": "the company's deal stages",
    "list": "the lists; their members are in list_member",
    "list_tag": "labels of lists",
    "product": "the company's products",
    "score_rule": "the score rules",
    "scoring": "the progress of scoring",
    "subscription": "the receivers of lead changes",
    "push": "the progress of each subscription",
    "delivery": "the numbers of the changes that were sent, and answers of receivers, which an erasure deletes",
    "pass": "ids of background work",
    "action": "the progress of changes of many leads, and ids of leads that were refused",
    "action_part": "ids of leads while their changes can be undone; the changes are in event",
    "change": "ids of events, leads and lists, in the order of the change feed",
    "feed": "the number of changes",
    "shift": "generations of page starts",
    "call_budget": "the number of calls",
    "lead_key_mark": "the progress of duplicate keys",
    "opt_out": "hashes of addresses, which stay after an erasure; exports show their opt-outs with the lead",
    "idempotency": "hashes of keys and calls, and outcomes with ids, for a day",
}
"""The tables without rows about leads, and their contents."""


@cache
def tables() -> tuple[PersonalData, ...]:
    """Every table with rows about leads, in the order in which an export shows them.

    These are PERSONAL_DATA and the tables of all other nouns that name leads, whose rows are erased with the lead. Call
    this when all methods are registered.
    """
    known = {data.noun.table for data in PERSONAL_DATA} | NO_PERSONAL_DATA.keys()
    nouns_of_leads = [noun for noun in WRITTEN_NOUNS.values() if noun.table not in known and noun.lead_columns]
    return (*PERSONAL_DATA, *(_naming_leads(noun) for noun in nouns_of_leads))


def _naming_leads(noun: Noun) -> PersonalData:
    """The personal data of a noun whose objects belong to the lead that they name."""
    tests: dict[str, str] = {}
    for column in noun.lead_columns:
        of_type = f" and l.{snake_case(column.reference_type)} = 'lead'" if column.reference_type else ""
        tests[f"l.{column.sql}"] = f"(l.{column.sql} = any({{ids}}){of_type})"
    cases = " ".join(f"when {test} then {name}" for name, test in tests.items())
    return PersonalData(
        noun=noun,
        extra=tuple(column for column in nouns.TIMESTAMPS if column.name not in noun.by_name),
        condition=f"({' or '.join(tests.values())})",
        lead_id=f"case {cases} end",
        custom=noun.name if noun.custom else "",
    )


async def ids_by_lead(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> Mapping[int, list[int]]:
    """The ids of each lead: its own, of leads merged into it, and of the lead that it was merged into."""
    rows = await tx.rows(
        """
        with asked as materialized (
            select a.id, coalesce(m.lead_id, a.id) as survivor_id
            from unnest($2::bigint[]) as a (id)
            left join merged_lead m on m.company_id = $1 and m.id = a.id and m.id = any($2::bigint[])
        )
        select id as asked, id from asked
        union
        select id, survivor_id from asked
        union
        select a.id, m.id from asked a
        join merged_lead m on m.company_id = $1 and m.lead_id = a.survivor_id
            and m.lead_id = any(array(select survivor_id from asked))
        """,
        company_id,
        list(lead_ids),
    )
    ids: dict[int, list[int]] = {}
    for row in rows:
        ids.setdefault(row["asked"], []).append(row["id"])
    return ids


def _count(data: PersonalData) -> str:
    condition, lead_id, shared = (text.replace("{ids}", _IDS) for text in (data.condition, data.lead_id, data.shared))
    return f"""
        select {sql.literal(data.name)} as part, {lead_id} as lead_id,
            count(*) filter (where not ({shared})) as erased, count(*) filter (where {shared}) as shared
        from {data.noun.table} l where l.company_id = $1 and {condition} group by 2
        """


_IDS = "$2::bigint[]"


@cache
def count_rows() -> Statement:
    """Returns a statement that counts the rows of all tables about the leads `$2`."""
    return statement(" union all ".join(_count(data) for data in tables() if data.in_receipts))


class Count(msgspec.Struct, frozen=True):
    """The number of rows of a table about a lead alone (`erased`), and about another object too (`shared`)."""

    part: str
    lead_id: int
    erased: int
    shared: int


async def counts(tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[Count]:
    """The number of rows about each lead, table by table. The leads may be deleted."""
    return [Count(*row.values()) for row in await tx.rows(count_rows(), company_id, lead_ids)]


def _deletion(data: PersonalData) -> Statement:
    """Returns a statement that deletes the first `$3` rows in the order of the key, up to the key of the last of them.

    It does not join the table with the rows to delete: a plan made for a small table would later compare each row of
    the table with each of these rows.
    """
    table, key = data.noun.table, ", ".join(data.key)
    condition, shared = (text.replace("{ids}", _IDS) for text in (data.condition, data.shared))
    about_leads = f"l.company_id = $1 and {condition} and not ({shared})"
    return statement(
        f"""
        with last as materialized (
            select {key} from {table} l where {about_leads} order by {key} limit 1 offset $3 - 1
        ),
        deleted as (
            delete from {table} l
            where {about_leads} and (not exists (select from last) or ({key}) <= (select * from last))
            returning 1
        ){expire_page_starts(data.noun, "deleted") if data.noun.where_columns else ""}
        select count(*) from deleted
        """
    )


@cache
def deletions() -> Mapping[str, Statement]:
    """The statements that delete up to `$3` rows of a table about the leads `$2`, by the name of the noun."""
    return {data.name: _deletion(data) for data in tables() if data.erasure == "in_steps"}


async def delete_rows(tx: Tx, company_id: int, lead_ids: Sequence[int], *, only: Sequence[Noun] = ()) -> bool:
    """Deletes up to AT_ONCE rows about the leads from each table; returns whether none are left."""
    queries = [deletions()[noun.name] for noun in only] or deletions().values()
    deleted = [await tx.value(query, company_id, lead_ids, AT_ONCE) for query in queries]
    return max(deleted) < AT_ONCE


async def read_page(
    tx: Tx,
    company_id: int,
    data: PersonalData,
    lead_ids: Sequence[int],
    fields: FieldSet,
    *,
    zone: str,
    after: Sequence[object] | None,
) -> tuple[Rows, Sequence[object] | None]:
    """The rows of a table about leads, as the API shows them, after the key `after`; and the last key, None at the end.

    Reads at most `data.page_size` rows.
    """
    custom = CustomValues(column.name for column in fields.columns.get(data.custom, ()))
    key = ", ".join(data.key)
    numbers = range(len(data.key))
    key_columns = ", ".join(f'{name} as "#{number}"' for number, name in enumerate(data.key))
    condition, source = (
        text.replace("{ids}", "$3::bigint[]") for text in (data.condition, data.source or f"{data.noun.table} l")
    )
    records = await tx.rows(
        statement(
            f"""
            select {custom.add_to(sql.select_list(data.columns))}, {key_columns}
            from {source}
            where l.company_id = $1 and $2::text is not null and {condition}
                and {f"({key}) > ({', '.join(f'${5 + number}' for number in numbers)})" if after else "true"}
            order by {key}
            limit $4
            """
        ),
        company_id,
        zone,
        lead_ids,
        data.page_size,
        *(after or ()),
    )
    rows = custom.rows(records)
    keys = [tuple(row.pop(f"#{number}") for number in numbers) for row in rows]
    return rows, keys[-1] if len(rows) == data.page_size else None
