"""The header Idempotency-Key: a repeated write is done once."""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from contract.test_methods import EXAMPLES
from examples import prepare, with_ids
from springhead.rpc.method import Example, Method, Writes
from stopwatch import within
from support import Company, Server, new_email, sql

WRITES = [
    (method, example)
    for method, example in EXAMPLES
    if isinstance(method.result, Writes) and method.name != "testLeadSubscriptions"
]
"""All of them, but for the one that writes nothing: a test that is not sent again would test nothing."""


def ask(company: Company, key: str | None, method: str, params: Any, id: Any = "1") -> dict[str, Any]:
    """Makes a call with that key. Returns its envelope."""
    body = json.dumps({"method": method, "params": params, "id": id}).encode()
    status, answer = company.send(body, headers={} if key is None else {"Idempotency-Key": key})
    assert status == 200
    return json.loads(answer)


def new_lead() -> dict[str, Any]:
    return {"objects": [{"emailAddress": new_email()}]}


def number_of_leads(company: Company) -> int:
    return len(sql(company.dsn, "select from lead", company_id=company.id))


def test_a_repeated_call_gets_the_same_answer_and_does_nothing(company: Company) -> None:
    params = {"objects": [{"emailAddress": "a@example.com"}, {"emailAddress": "A@example.com"}, {}]}

    first = ask(company, "k1", "createLeads", params)
    company.call("deleteLeads", objects=[{"id": first["result"]["creates"][0]["id"]}])
    again = ask(company, "k1", "createLeads", params)

    assert again == first
    assert [outcome["success"] for outcome in first["result"]["creates"]] == [True, False, False]
    assert number_of_leads(company) == 0


def test_the_answer_has_the_id_of_the_repeated_request(company: Company) -> None:
    params = new_lead()

    first = ask(company, "k1", "createLeads", params, id="first")
    again = ask(company, "k1", "createLeads", params, id=2)

    assert (first["id"], again["id"]) == ("first", 2)
    assert again["result"] == first["result"]


@pytest.mark.parametrize("method", ["createLeads", "updateLeads"])
def test_a_key_of_another_call_is_205(company: Company, method: str) -> None:
    ask(company, "k1", "createLeads", new_lead())

    answer = ask(company, "k1", method, new_lead())

    problem = {"param": "Idempotency-Key", "message": "This key was used for another call less than a day ago"}
    assert answer["result"] is None
    assert answer["error"] == {"code": 205, "message": "Invalid parameters", "data": {"params": [problem]}}
    assert number_of_leads(company) == 1


def test_a_key_belongs_to_one_company_and_one_zone(company: Company, given_company: Callable[..., Company]) -> None:
    params = new_lead()
    ask(company, "k1", "createLeads", params)

    assert ask(given_company(), "k1", "createLeads", params)["error"] == []
    assert ask(company.at("v1.2"), "k1", "createLeads", params)["error"]["code"] == 205


@pytest.mark.parametrize("key", ["", "x" * 256, "k\u00e9y", "a\tb"])
def test_an_invalid_key_is_205(company: Company, key: str) -> None:
    answer = ask(company, key, "createLeads", new_lead())

    assert answer["error"]["code"] == 205
    assert answer["error"]["data"]["params"][0]["param"] == "Idempotency-Key"
    assert number_of_leads(company) == 0


def test_a_key_can_have_255_printable_characters(company: Company) -> None:
    for key in ("x" * 255, "a b", "\"'; drop--~!"):
        assert ask(company, key, "createLeads", new_lead())["error"] == []


def test_reads_ignore_the_key(company: Company) -> None:
    assert ask(company, "k1", "getLeads", {"where": {}})["result"] == {"lead": []}
    company.create({})
    assert len(ask(company, "k1", "getLeads", {"where": {}})["result"]["lead"]) == 1
    assert not sql(company.dsn, "select from idempotency", company_id=company.id)


def test_a_refused_call_leaves_the_key_free(company: Company) -> None:
    assert ask(company, "k1", "createLeads", {})["error"]["code"] == 207
    assert ask(company, "k1", "createList", {"name": [1]})["result"] is None

    assert ask(company, "k1", "createLeads", new_lead())["error"] == []


def test_whole_numbers_of_any_length_can_be_compared(company: Company) -> None:
    params = {"objects": [{"emailAddress": "a@example.com", "title": 10**40}]}

    first = ask(company, "k1", "createLeads", params)

    assert [outcome["error"]["code"] for outcome in first["result"]["creates"]] == [205]
    assert ask(company, "k1", "createLeads", params) == first


@pytest.mark.parametrize("depth", [30, 200, 900])
def test_deeply_nested_params_are_refused(company: Company, depth: int) -> None:
    lead = '{"emailAddress":"a@example.com","title":' + "[" * depth + "]" * depth + "}"
    body = '{"method":"createLeads","params":{"objects":[' + lead + ']},"id":1}'

    first, again = (company.send(body.encode(), headers={"Idempotency-Key": "k1"}) for _ in range(2))

    answer = json.loads(first[1])
    error = answer["result"]["creates"][0]["error"] if answer["result"] else answer["error"]
    assert error["code"] in {210, 205, 200}, answer
    assert again == first


def test_after_a_day_a_key_is_free_and_old_keys_are_deleted(company: Company) -> None:
    for number in range(3):
        ask(company, f"k{number}", "createLeads", new_lead())
    sql(
        company.dsn,
        "update idempotency set created_at = now() - interval '25 hours'"
        " where company_id = $1 and key <> encode(sha256('k2'), 'hex')",
        company.id,
        company_id=company.id,
    )

    assert ask(company, "k0", "createLeads", new_lead())["error"] == []
    rows = sql(company.dsn, "select key from idempotency order by key", company_id=company.id)
    assert {row["key"] for row in rows} == {hashlib.sha256(key).hexdigest() for key in (b"k0", b"k2")}
    assert number_of_leads(company) == 4


def test_of_many_concurrent_copies_one_is_done_and_all_get_its_answer(company: Company) -> None:
    params = {"objects": [{"emailAddress": new_email()} for _ in range(50)]}
    answers: list[dict[str, Any]] = []
    together = threading.Barrier(10)

    def work() -> None:
        own = Company(company.url, company.account_id, company.secret, id=company.id)
        together.wait()
        answers.append(ask(own, "k1", "createLeads", params))
        own.close()

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 10
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["error"] == []
    assert number_of_leads(company) == 50


def test_a_copy_that_waits_too_long_for_the_first_gets_a_retryable_error(company: Company) -> None:
    params = new_lead()

    async def hold() -> dict[str, Any]:
        connection = await asyncpg.connect(company.dsn)
        await connection.execute("select set_config('app.company_id', $1, false)", str(company.id))
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "insert into idempotency (company_id, key, fingerprint, created_at)"
            " values ($1, encode(sha256('k1'), 'hex'), '', now())",
            company.id,
        )
        begun = time.monotonic()
        with within(9):
            answer = await asyncio.to_thread(ask, company, "k1", "createLeads", params)
        assert time.monotonic() - begun > 1
        await transaction.rollback()
        await connection.close()
        return answer

    answer = asyncio.run(hold())

    assert (answer["result"], answer["error"]["code"]) == (None, 999)
    assert ask(company, "k1", "createLeads", params)["error"] == []
    assert number_of_leads(company) == 1


def test_an_answer_that_was_too_long_to_be_stored_is_not_invented(company: Company) -> None:
    params = new_lead()
    ask(company, "k1", "createLeads", params)
    gone = "update idempotency set encrypted_answer = null where company_id = $1"
    sql(company.dsn, gone, company.id, company_id=company.id)

    answer = ask(company, "k1", "createLeads", params)

    assert answer["error"]["code"] == 205
    assert "too long" in answer["error"]["data"]["params"][0]["message"]
    assert number_of_leads(company) == 1


@pytest.mark.parametrize(
    ("method", "example"), WRITES, ids=[f"{method.name}: {example.about}" for method, example in WRITES]
)
def test_every_write_accepts_a_key(method: Method[Any], example: Example, company: Company) -> None:
    params = with_ids(example.params, prepare(company, example.given))

    first = ask(company, "k1", method.name, params)
    stored = everything(company)
    again = ask(company, "k1", method.name, params)

    assert first["result"] is not None, first["error"]
    assert again == first
    assert everything(company) == stored


def everything(company: Company) -> list[tuple[Any, ...]]:
    """The rows that a repeated write could have changed."""
    tables = (
        *("lead", "list", "list_member", "opportunity", "note", "task", "account", "field", "event", "score_rule"),
        *("subscription", "delivery"),
    )
    rows = " union all ".join(f"select '{table}', t::text from {table} t" for table in tables)
    return [tuple(row) for row in sql(company.dsn, f"{rows} order by 1, 2", company_id=company.id)]


def test_background_work_follows_a_write_with_a_key_too(company: Company, server: Server) -> None:
    (account,) = company.make("createAccounts", {"accountName": "Acme"})
    (lead,) = company.create({"accountID": account})

    assert ask(company, "k1", "deleteAccounts", {"objects": [{"id": account}]})["error"] == []

    assert company.lead(lead)["accountID"] is None
