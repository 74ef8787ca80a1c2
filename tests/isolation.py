"""A company under attack, an attacker, and methods that run without one of the two checks of isolation."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from copy import copy
from functools import cache
from typing import Any, cast

import asyncpg
import msgspec

import nouns
from in_process import body_of, context_of, shared_parts
from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import ApiError, Json
from springhead.rpc.method import find
from springhead.store.database.admission import Lane
from springhead.store.database.pool import Database, Tx
from springhead.store.database.sql import Sql, Statement
from springhead.wire.api import envelope
from support import BOX, Company, Server, new_companies, sql, superuser


class Stranger(msgspec.Struct):
    """The ids and names of another company. Every text that no other caller could know contains `Secret`."""

    leads: list[int]
    emails: list[str]
    fields: list[int]
    names: list[str]
    users: list[int]
    user_email: str
    others: dict[str, list[int]]
    """The ids of everything else, by table."""

    @staticmethod
    def example() -> "Stranger":
        """Made-up ids and names, to see what the attacks send."""
        others = {table: [10] for table in RELATED_TABLES}
        return Stranger([1, 2, 3], ["a@a.aa", "b@a.aa"], [4, 5], ["name_1", "name_2"], [6], "c@a.aa", others)

    def ids(self, table: str) -> list[int]:
        """The ids of the company's rows in a table."""
        return {"lead": self.leads, "user_profile": self.users, "field": self.fields}.get(table) or self.others.get(
            table, self.leads
        )

    def values(self) -> list[str]:
        """All ids, addresses and names as texts."""
        others = [other_id for ids in self.others.values() for other_id in ids]
        numbers = [str(number) for number in (*self.leads, *self.fields, *self.users, *others)]
        return [*numbers, *self.emails, *self.names, self.user_email]

    def values_in(self, text: str) -> set[str]:
        """The values that a text contains. A number counts only as a whole, not as a part of a longer number."""
        numbers = set(re.findall(r"\d+", text))
        return {value for value in self.values() if (value in numbers if value.isdigit() else value in text)}

    def scrub(self, answer: str) -> str:
        """An answer with placeholders for all values that differ between companies."""
        for kind, values in (("<email>", [*self.emails, self.user_email]), ("<name>", self.names)):
            for value in values:
                answer = answer.replace(value, kind).replace(value.upper(), kind.upper())
        answer = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", answer)
        answer = re.sub(r"_[0-9a-f]{13}\b", "_<hex>", answer)
        return re.sub(r"\d{9,}", "<id>", answer)


def fill_company(server: Server, company: Company) -> Stranger:
    """Fills a company with leads, fields, a user and an object of every other kind."""
    names = [company.field("Their field"), company.field("Their other field", "textarea", isUnique=1)]
    user_email = f"user{company.id}@example.com"
    (user,) = sql(
        server.dsn,
        """
        insert into user_profile (company_id, first_name, last_name, display_name, email_address, email_key, phone)
        values ($1, 'Their', 'User', 'Their user', $2, $2, 'Secret') returning id
        """,
        company.id,
        user_email,
        company_id=company.id,
    )
    emails = [f"their{number}.{company.id}@example.com" for number in range(3)]
    secret = {"firstName": "Secret", "description": "Secret", names[0]: "Secret"}
    leads = company.create(
        *(
            {"emailAddress": email, "ownerID": user["id"], **secret, names[1]: f"Secret {number}"}
            for number, email in enumerate(emails)
        )
    )
    fields = [int(company.call("getFields", where={"systemName": name})[0]["id"]) for name in names]
    gone, merged = company.create({"emailAddress": "deleted@example.com", **secret}, secret)
    others = create_related_objects(company, leads[0], user["id"], "Secret")
    about = {"authorID": user["id"], "whoID": gone, "whoType": "lead", "note": "Secret"}
    assert company.call("createNotes", objects=[about])[0]["success"]
    assert company.call("deleteLeads", objects=[{"id": gone}])[0]["success"]  # so that `shift` has a row
    assert company.call("mergeLeads", objects=[{"id": leads[1], "mergeIDs": [merged]}])[0]["success"]
    others["deleted_lead"] = [gone, merged]
    return Stranger(leads, emails, fields, names, [user["id"]], user_email, others)


RELATED_TABLES = (
    "account", "campaign", "deal_stage", "opportunity", "opportunity_lead", "list", "list_member", "note", "task",
    "product", "subscription", "delivery",
)  # fmt: skip
RELATED_TABLES = (*RELATED_TABLES, *(case.noun.table for case in nouns.CASES if case.noun.table not in RELATED_TABLES))
"""The tables of what stands around a lead: those of every noun that tests/nouns.py has a row for are among them."""


def create_related_objects(company: Company, lead: int, user: int, text: str) -> dict[str, list[int]]:
    """Creates one of every object around a lead, all with the same text. Returns the ids by table."""

    def make(method: str, **values: Any) -> int:
        (outcome,) = company.call(method, objects=[values])
        assert outcome["success"], outcome
        return outcome["id"]

    account = make("createAccounts", accountName=text, ownerID=user, website=text)
    campaign = make("createCampaigns", campaignName=text, ownerID=user)
    stage = make("createDealStages", dealStageName=text, description=text)
    references = {"ownerID": user, "dealStageID": stage, "accountID": account, "campaignID": campaign}
    opportunity = make("createOpportunities", opportunityName=text, closeDate="2030-01-01", **references)
    link = make("createOpportunityLeads", opportunityID=opportunity, leadID=lead)
    (static,) = company.call("createList", name=text, description=text)
    (ruled,) = company.call("createList", name=text, filter={"firstName": text})
    member = make("addListMembers", listID=static["id"], memberID=lead)
    subscription = make("createLeadSubscriptions", url=f"https://receiver.example/{text}", isActive=0)
    (delivery,) = sql(
        company.dsn,
        "insert into delivery (company_id, subscription_id, message_id, first_sequence, last_sequence, state, answer)"
        " values ($1, $2, 'msg_1', 1, 1, 'delivered', $3) returning id",
        company.id,
        subscription,
        text,
        company_id=company.id,
    )
    about = {"whoID": lead, "whoType": "lead", "whatID": account, "whatType": "account"}
    ids = {
        "account": [account],
        "campaign": [campaign],
        "deal_stage": [stage],
        "opportunity": [opportunity],
        "opportunity_lead": [link],
        "list": [static["id"], ruled["id"]],
        "list_member": [member],
        "note": [make("createNotes", authorID=user, title=text, note=text, **about)],
        "task": [make("createTasks", ownerID=user, title=text, description=text, **about)],
        "subscription": [subscription],
        "delivery": [delivery["id"]],
        "product": [make("createProducts", productName=text, productCode=text)],
    }
    known = {"lead": lead, "user_profile": user} | {table: made[0] for table, made in ids.items()}
    for case in nouns.CASES:
        if case.noun.table not in ids:
            ids[case.noun.table] = [make(case.create, **_furniture(company, case.noun, known, text))]
    return ids


def _furniture(company: Company, noun: Noun, known: Mapping[str, int], text: str) -> dict[str, Any]:
    """An object of any noun that refers to rows of the company and has the text wherever it can."""
    values: dict[str, Any] = {}
    for column in noun.writable_columns:
        if isinstance(column.references, str):
            values[column.name] = known[column.references]
        elif column.kind.sql == "text" and not column.kind.options:
            values[column.name] = text
        elif column.required:
            values[column.name] = nouns.value(company, column)
    return values


def absent_like(stranger: Stranger) -> Stranger:
    """Ids and names of the same form that no company has."""
    return Stranger(
        leads=[number + 1 for number in stranger.leads],
        emails=[re.sub("^their", "none.", email) for email in stranger.emails],
        fields=[number + 1 for number in stranger.fields],
        names=[f"{name[:-13]}{'0' * 13}" for name in stranger.names],
        users=[number + 1 for number in stranger.users],
        user_email=stranger.user_email.replace("user", "none"),
        others={table: [number + 1 for number in ids] for table, ids in stranger.others.items()},
    )


class Attacker:
    """A fresh company with a lead, a field and one object of every other kind."""

    company: Company
    lead: int
    spare: int
    """Another lead, to be merged."""
    field: int
    unique: str
    others: dict[str, list[int]]

    def __init__(self, company: Company) -> None:
        self.company = company
        self.lead, self.spare = company.create({"emailAddress": "own@example.com"}, {})
        name = company.field("My field")
        self.field = int(company.call("getFields", where={"systemName": name})[0]["id"])
        self.unique = company.field("My code", "textarea", isUnique=1)
        user, *_ = company.call("getUserProfiles")
        self.others = create_related_objects(company, self.lead, int(user["id"]), "Mine") | {
            "user_profile": [int(user["id"])]
        }

    def id(self, table: str) -> int:
        """The id of the company's own row in a table."""
        return self.others.get(table, [self.lead])[0]

    def copies(self, server: Server, count: int) -> "list[Attacker]":
        """More attackers with the same rows. Many at once cost little more than one."""
        companies = new_companies(server, count)
        copy_rows(server, self.company, companies)
        attackers: list[Attacker] = []
        for company in companies:
            attacker = copy(self)
            attacker.company = company
            attackers.append(attacker)
        return attackers

    @staticmethod
    def example() -> "Attacker":
        """An attacker without a company, to see what the attacks send."""
        attacker = Attacker.__new__(Attacker)
        attacker.lead, attacker.field, attacker.spare, attacker.unique = 8, 9, 12, "mine"
        attacker.others = {table: [11] for table in (*RELATED_TABLES, "user_profile")}
        return attacker


def dump(server: Server, company: Company) -> dict[str, list[str]]:
    """All rows of a company in the database, by table."""
    tables = _tables_with_companies(server.dsn)
    parts = [f"select '{name}' as name, t::text as row from {name} t where {key} = $1" for name, key in tables.items()]
    by_table: dict[str, list[str]] = {name: [] for name in tables}
    for row in sql(server.dsn, " union all ".join(parts) + " order by 1, 2", company.id, company_id=company.id):
        by_table[row["name"]].append(row["row"])
    return by_table


@cache
def _tables_with_companies(dsn: str) -> dict[str, str]:
    """The tables of data that calls read, with the column of the company's id."""
    rows = sql(
        dsn,
        """
        select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace and a.attname = 'company_id'
            and c.relname not in ('pass', 'change', 'feed', 'push') -- what goes on beside the calls
        """,
    )
    return dict.fromkeys(sorted(row["name"] for row in rows), "company_id") | {"company": "id"}


def copy_rows(server: Server, source: Company, targets: list[Company]) -> None:
    """Replaces the rows of companies by copies of another company's. Ids stay: they are unique within a company."""
    dsn = superuser(server.dsn)
    ids = [company.id for company in targets]
    sql(dsn, "set session_replication_role = replica")  # no checks of foreign keys
    for table, columns in _tables_of_companies(dsn).items():
        if sql(dsn, f"select from {table} where company_id = $1 limit 1", source.id):
            sql(dsn, f"delete from {table} where company_id = any($1)", ids)
            sql(
                dsn,
                f"insert into {table} (company_id, {columns}) overriding system value"
                f" select target, {columns} from {table}, unnest($1::bigint[]) target where company_id = $2",
                ids,
                source.id,
            )
    sql(
        dsn,
        "update company c set field_version = o.field_version from company o where o.id = $2 and c.id = any($1)",
        ids,
        source.id,
    )
    sql(dsn, "reset session_replication_role")


@cache
def _tables_of_companies(dsn: str) -> dict[str, str]:
    """The tables whose keys all begin with company_id, and the list of their other columns."""
    rows = sql(
        dsn,
        """
        select c.relname as name, string_agg(quote_ident(a.attname), ', ') as columns
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
            and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attname <> 'company_id'
            and exists (
                select from pg_attribute k where k.attrelid = c.oid and k.attname = 'company_id'
            )
            and not exists (
                select from pg_index i join pg_attribute k on k.attrelid = c.oid and k.attnum = i.indkey[0]
                where i.indrelid = c.oid and i.indisunique and k.attname <> 'company_id'
            )
        group by c.relname
        """,
    )
    return {row["name"]: row["columns"] for row in rows}


_CONDITION = re.compile(r"\b(?:\w+\.)?company_id = (?:\$\d+|\w+\.\w+)")
_GLOBAL = re.compile(r"(select \w+ from|update) company (set .*)?where id = \$1", re.DOTALL)


class _Bare(Tx):
    """A transaction that makes every condition on company_id true."""

    @staticmethod
    def _bare(statement: Sql) -> Statement:
        bare, removed = _CONDITION.subn(lambda condition: f"({condition[0]} or true)", statement)
        named = removed or ("insert into" in statement and "company_id" in statement) or _GLOBAL.search(statement)
        assert named, f"a statement that does not name company_id: {statement}"
        return Statement(bare)

    async def rows(self, sql: Sql, *arguments: object) -> list[asyncpg.Record]:
        return await super().rows(self._bare(sql), *arguments)

    async def row(self, sql: Sql, *arguments: object) -> asyncpg.Record | None:
        return await super().row(self._bare(sql), *arguments)

    async def value(self, sql: Sql, *arguments: object) -> Any:
        return await super().value(self._bare(sql), *arguments)


class _BareDatabase(Database):
    @asynccontextmanager
    async def company(
        self, company_id: int, lane: Lane = Lane.CALLS, *, viewer: int | None = None
    ) -> AsyncGenerator[Tx]:
        async with super().company(company_id, lane, viewer=viewer) as tx:
            yield _Bare(tx._connection, BOX)


class _WrongCompanyDatabase(Database):
    set_to: int

    @asynccontextmanager
    async def company(
        self, company_id: int, lane: Lane = Lane.CALLS, *, viewer: int | None = None
    ) -> AsyncGenerator[Tx]:
        async with super().company(self.set_to, lane, viewer=viewer) as tx:
            yield tx


class _InProcess:
    """Runs the API's methods on a database, without HTTP."""

    def __init__(self, dsn: str, database: Database) -> None:
        self._runner = asyncio.Runner()
        self._database = database
        self._runner.run(self._database.open(dsn))
        self._shared = shared_parts(database)

    def ask(self, company: Company, method: str, params: dict[str, Any]) -> bytes:
        """The answer that the company gets."""
        return self._runner.run(self._ask(company, method, params))

    async def _ask(self, company: Company, method: str, params: dict[str, Any]) -> bytes:
        """Without `perform`, which would answer an unexpected error with 999 instead of failing the test."""
        context = await context_of(self._shared, company)
        declared = find(method)
        try:
            result = await declared.call(context, cast("dict[str, Json]", params), objects_per_call=500)
        except ApiError as error:
            return envelope.failure(error, b'"1"')
        answer = envelope.success(declared.result, result, b'"1"', plain_success=False)
        return await body_of(answer)

    def close(self) -> None:
        """Closes the database."""
        self._runner.run(self._database.close())
        self._runner.close()


class WithoutRowSecurity(_InProcess):
    """Without the second check: row-level security does not apply to PostgreSQL's superuser."""

    def __init__(self, dsn: str) -> None:
        super().__init__(superuser(dsn), Database(pool_size=2, box=BOX))


class WithoutConditions(_InProcess):
    """Without the first check: no statement has a condition on company_id."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, _BareDatabase(pool_size=2, box=BOX))


class OnWrongCompany(_InProcess):
    """Every connection is set to one company, whichever company the statements name."""

    def __init__(self, dsn: str, set_to: int) -> None:
        database = _WrongCompanyDatabase(pool_size=2, box=BOX)
        database.set_to = set_to
        super().__init__(dsn, database)
