"""P6: no company can read, change, find or address another's data. Either of two independent checks is enough alone."""

import json
import re
from collections.abc import Callable, Generator
from typing import Any

import asyncpg
import pytest

from attacks import tries
from isolation import (
    Attacker,
    OnWrongCompany,
    Stranger,
    WithoutConditions,
    WithoutRowSecurity,
    absent_like,
    dump,
    fill_company,
)
from springhead.rpc.method import REGISTRY, Reads
from springhead.rpc.params import Objects, Where
from support import Company, Server, eventually, new_company, sql, superuser


def _over_http(company: Company, method: str, params: dict[str, Any]) -> bytes:
    status, body = company.send(json.dumps({"method": method, "params": params, "id": "1"}).encode())
    assert status == 200, body
    return body


Ask = Callable[[Company, str, dict[str, Any]], bytes]


@pytest.fixture(
    scope="module", params=["both checks", "without row-level security", "without conditions on company_id"]
)
def ask(request: pytest.FixtureRequest, server: Server) -> Generator[Ask]:
    """Makes calls of a company: on the shared server, and in this process without one of the two checks."""
    if request.param == "both checks":
        yield _over_http
        return
    methods = (WithoutRowSecurity if "row" in request.param else WithoutConditions)(server.dsn)
    yield methods.ask
    methods.close()


class Attack:
    """A company under attack, an attacker that reads, and fresh attackers that write."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.other = new_company(server)
        self.theirs = fill_company(server, self.other)
        self.before = dump(server, self.other)
        self._pattern = Attacker(new_company(server))
        self._pattern.company.close()
        self._fresh: list[Attacker] = []
        self.reader = Attacker(new_company(server))
        eventually(self._is_settled)

    def _is_settled(self) -> bool:
        """Whether no background work of the reader's company can change an answer between two calls."""
        return self.reader.company.envelope("findDuplicateLeads", {})["result"]["isComplete"]

    def writer(self) -> Attacker:
        """A fresh attacker with the same rows and ids as each before it."""
        if not self._fresh:
            self._fresh = self._pattern.copies(self._server, 20)
        return self._fresh.pop()


@pytest.fixture(scope="module")
def attack(server: Server) -> Generator[Attack]:
    made = Attack(server)
    yield made
    made.reader.company.close()
    made.other.close()


@pytest.mark.parametrize("method", sorted(REGISTRY))
def test_rows_of_another_company_seem_not_to_exist(method: str, ask: Ask, server: Server, attack: Attack) -> None:
    reads = isinstance(REGISTRY[method].result, Reads)
    theirs = attack.theirs
    assert len(attack.before["lead"]) == 3

    def answers(stranger: Stranger) -> list[str]:
        me = attack.reader if reads else attack.writer()
        raw: list[str] = []
        for params in tries(method, me, stranger):
            answer = ask(me.company, method, params).decode()
            assert "Secret" not in answer
            untold = theirs.values_in(answer) - theirs.values_in(json.dumps(params))
            assert not untold, f"{untold} of another company in the answer to {params}"
            raw.append(answer)
        if not reads:
            me.company.close()
        return [stranger.scrub(answer) for answer in raw]

    assert answers(theirs) == answers(absent_like(theirs))
    assert dump(server, attack.other) == attack.before


def test_every_parameter_that_can_name_something_is_tried() -> None:
    me, theirs = Attacker.example(), Stranger.example()
    for name, method in REGISTRY.items():
        cases = tries(name, me, theirs)
        for given in method.params:
            tried = [case[given.name] for case in cases if given.name in case]
            assert tried, f"{name}: nothing tries {given.name}"
            wanted: set[str] = set()
            if isinstance(given.accepts, Where):
                wanted = set(given.accepts.keys)
            elif isinstance(given.accepts, Objects) and not name.startswith(("delete", "restore", "stop", "undo")):
                columns = given.accepts.noun.columns
                wanted = {
                    column.name
                    for column in columns
                    if re.search(r"(^id|[a-z]ID|emailAddress|systemName)$", column.name)
                }
                wanted -= {"trackingID", "crmID", "publicID"}  # texts of the caller's own, or of the server's
            seen = {key for value in tried for part in _parts(value) for key in part}
            assert wanted <= seen, f"{name}: nothing tries {sorted(wanted - seen)} in {given.name}"


def _parts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()):
        return list(value.values())
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def test_a_connection_set_to_another_company_reads_and_writes_nothing(server: Server, company: Company) -> None:
    """The statements name one company, but the connection is set to another."""
    theirs = fill_company(server, company)
    me = Attacker(new_company(server))
    mine = dump(server, me.company), dump(server, company)
    on_wrong_company = OnWrongCompany(server.dsn, set_to=me.company.id)

    for method in REGISTRY:
        for params in tries(method, me, theirs):
            try:
                answer = on_wrong_company.ask(company, method, params)
            except asyncpg.InsufficientPrivilegeError as refused:
                assert "row-level security" in str(refused)  # noqa: PT017 - only writes come here
            else:
                assert b"Secret" not in answer

    after = dump(server, me.company), dump(server, company)
    for rows_before, rows_after in zip(mine, after, strict=True):
        rows_before.pop("company")  # its counter of field versions is no data
        rows_after.pop("company")
        assert rows_after == rows_before
    on_wrong_company.close()
    me.company.close()


def test_without_both_checks_these_tests_fail(server: Server, attack: Attack) -> None:
    bare = WithoutConditions(superuser(server.dsn))

    answer = bare.ask(attack.reader.company, "getLead", {"id": attack.theirs.leads[0]})

    assert b"Secret" in answer
    bare.close()


def test_companies_that_share_the_pools_connections_each_see_their_own(server: Server) -> None:
    companies = [new_company(server) for _ in range(3)]
    for number, company in enumerate(companies):
        company.create({"firstName": f"Of {number}"})

    for _ in range(20):
        for number, company in enumerate(companies):
            assert [lead["firstName"] for lead in company.call("getLeads", where={})] == [f"Of {number}"]
    for company in companies:
        company.close()


def _tables(dsn: str) -> list[str]:
    """The tables of company data: all with a company_id, except those of credentials, public tokens and queues."""
    rows = sql(
        dsn,
        """
        select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace
            and a.attname = 'company_id'
            and c.relname not in ('api_key', 'pass', 'site', 'form_address', 'scoring', 'change', 'push',
                'sign_in', 'sign_in_link', 'user_session')
        order by 1
        """,
    )
    assert len(rows) >= 5
    return [row["relname"] for row in rows]


def test_raw_sql_without_a_company_sees_nothing(server: Server, company: Company) -> None:
    fill_company(server, company)
    for table in _tables(server.dsn):
        assert sql(server.dsn, f"select * from {table}") == [], table
        assert sql(server.dsn, f"delete from {table} returning 1") == [], table


def test_raw_sql_with_a_company_sees_and_changes_that_company_only(
    server: Server, given_company: Callable[..., Company]
) -> None:
    mine, other = given_company(), given_company()
    fill_company(server, mine)
    theirs = fill_company(server, other)
    before = dump(server, other)

    for table in _tables(server.dsn):
        seen = sql(server.dsn, f"select distinct company_id from {table}", company_id=mine.id)
        assert [row["company_id"] for row in seen] in ([mine.id], []), table
        named = sql(server.dsn, f"select 1 from {table} where company_id = $1", other.id, company_id=mine.id)
        assert named == [], table
    sql(server.dsn, "update lead set first_name = 'Hacked', version = version + 1", company_id=mine.id)
    sql(server.dsn, "delete from user_profile", company_id=mine.id)

    assert dump(server, other) == before
    assert len(theirs.leads) == 3


def test_raw_sql_with_a_company_cannot_put_rows_into_another(
    server: Server, given_company: Callable[..., Company]
) -> None:
    mine, other = given_company(), given_company()
    fill_company(server, mine)
    before = dump(server, other)
    columns = "company_id, display_name, email_address, email_key"

    for statement in (
        "insert into shift (company_id, noun, generation) values ($1, 'lead', 1)",
        f"insert into user_profile ({columns}) values ($1, 'x', 'x@example.com', 'x@example.com')",
        "update lead set company_id = $1",
        "update field set company_id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            sql(server.dsn, statement, other.id, company_id=mine.id)

    assert dump(server, other) == before


@pytest.mark.parametrize(
    "name",
    [
        "getlead",
        "GETLEAD",
        " getLead",
        "getLead ",
        "get_lead",
        "__class__",
        "run",
        "companies",
        ["getLead"],
        {"a": 1},
        7,
    ],
    ids=str,
)
def test_no_other_name_reaches_a_method(company: Company, name: Any) -> None:
    body = {"method": name, "params": {"id": 1}, "id": "1"}

    status, answer = company.send(json.dumps(body).encode())

    assert status == 200
    decoded = json.loads(answer)
    assert (decoded["result"], decoded["id"]) == (None, "1")
    assert (decoded["error"]["code"], decoded["error"]["message"]) == (204, "Invalid method signature")
