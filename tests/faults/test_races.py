"""Many callers write the same leads: one of them wins, no caller sees a deadlock, no change is lost."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from callers import another_client, at_once, clients
from faults.load import AWAY
from stopwatch import Stopwatch
from support import Company, Server, new_email, sql

pytestmark = pytest.mark.timeout(120)
NONE_CHANGED = (302, "No table rows affected")


def test_fifty_copies_of_one_create_make_one_lead(company: Company, server: Server) -> None:
    new = {"emailAddress": new_email(), "firstName": "Once"}
    outcomes = at_once(clients(company, 50), lambda own, _: own.call("createLeads", objects=[new])[0])
    codes = Counter(outcome["error"]["code"] if outcome["error"] else 0 for outcome in outcomes)
    assert codes == {0: 1, 301: 49}
    assert len(sql(server.dsn, "select from lead", company_id=company.id)) == 1


def test_fifty_updates_of_one_lead_all_count(company: Company, server: Server) -> None:
    (lead_id,) = company.create({})
    outcomes = at_once(
        clients(company, 50),
        lambda own, worker: own.call("updateLeads", objects=[{"id": lead_id, "title": f"t{worker}"}])[0],
    )
    assert all(outcome["success"] for outcome in outcomes), Counter(map(str, outcomes))
    (row,) = sql(server.dsn, "select version, title from lead", company_id=company.id)
    assert row["version"] == 51
    assert row["title"] in {f"t{worker}" for worker in range(50)}


def test_an_update_never_brings_a_deleted_lead_back(company: Company, server: Server) -> None:
    emails = [new_email() for _ in range(20)]
    ids = company.create(*({"emailAddress": email} for email in emails))

    def work(own: Company, worker: int) -> list[dict[str, Any]]:
        if worker % 4 == 0:
            return own.call("deleteLeads", objects=[{"id": lead_id} for lead_id in random.sample(ids, 20)])
        by = [{"id": lead_id, "title": f"t{worker}"} for lead_id in random.sample(ids, 20)]
        if worker % 4 == 1:
            by = [{"emailAddress": email, "title": f"t{worker}"} for email in random.sample(emails, 20)]
        return own.call("updateLeadsV2", objects=by)

    answers = at_once(clients(company, 16), work)
    deleted = sum(outcome["success"] for worker in (0, 4, 8, 12) for outcome in answers[worker])
    assert deleted == 20, "each lead is deleted once"
    codes = {outcome["error"]["code"] for answer in answers for outcome in answer if outcome["error"]}
    assert codes <= {302, 404}, codes
    assert not sql(server.dsn, "select from lead", company_id=company.id)


def test_overlapping_bulk_writes_show_no_deadlock_to_anyone(company: Company, server: Server) -> None:
    emails = [new_email() for _ in range(300)]
    known: dict[str, int] = {}
    codes: Counter[tuple[str, int]] = Counter()
    before = deadlocks(server)

    def work(own: Company, worker: int) -> None:
        for number in range(20):
            method, objects = some_work(emails, known, f"{worker}-{number}")
            answer = own.envelope(method, {"objects": objects})
            assert answer["result"] is not None, (method, answer["error"])
            (outcomes,) = answer["result"].values()
            for lead, outcome in zip(objects, outcomes, strict=True):
                codes[method, outcome["error"]["code"] if outcome["error"] else 0] += 1
                if method == "createLeads" and outcome["success"]:
                    known[lead["emailAddress"]] = outcome["id"]

    failures: list[str] = []

    def guarded(own: Company, worker: int) -> None:
        try:
            work(own, worker)
        except Exception as cause:  # noqa: BLE001 - shown below
            failures.append(str(cause)[:300])

    begun = time.monotonic()
    at_once(clients(company, 8), guarded)
    print(f"{time.monotonic() - begun:.1f} s, {dict(codes)}, {deadlocks(server) - before} deadlocks inside")
    assert not failures, failures[:3]
    assert {code for _, code in codes} <= {0, 301, 302}
    keys = [row["email_key"] for row in sql(server.dsn, "select email_key from lead", company_id=company.id)]
    assert len(keys) == len(set(keys))
    assert {*keys} <= {*emails}


def some_work(emails: list[str], known: dict[str, int], mark: str) -> tuple[str, list[dict[str, Any]]]:
    """A random write: creates, changes or deletes a hundred of these leads in any order, or exchanges addresses."""
    chosen = random.sample(emails, 100)
    match random.randrange(5):
        case 0:
            return "createLeads", [{"emailAddress": email, "firstName": "x"} for email in chosen]
        case 1:
            return "deleteLeads", [{"id": known.get(email, 1)} for email in chosen]
        case 2 if len(known) > 10:
            ids = random.sample(list(known.values()), 10)
            return "updateLeads", [
                {"id": lead_id, "emailAddress": email} for lead_id, email in zip(ids, chosen[:10], strict=True)
            ]
        case _:
            return "updateLeads", [{"emailAddress": email, "title": mark, "active": len(email) % 2} for email in chosen]


def deadlocks(server: Server) -> int:
    (row,) = sql(server.dsn, "select deadlocks::int from pg_stat_database where datname = current_database()")
    return row["deadlocks"]


def test_a_row_that_somebody_keeps_locked_is_refused_alone(
    given_company: Callable[..., Company], server: Server
) -> None:
    company, bystander = given_company(), given_company()
    ids = company.create(*({} for _ in range(500)))
    (other,) = company.create({})
    (theirs,) = bystander.create({})
    answers: dict[str, tuple[float, Any]] = {}

    def bulk() -> None:
        watch = Stopwatch()
        own = another_client(company)
        outcomes = own.call("updateLeads", objects=[{"id": lead_id, "title": "new"} for lead_id in ids])
        own.close()
        answers["bulk"] = (watch.seconds, outcomes)

    delays: list[float] = []

    async def hold() -> None:
        import asyncio

        connection = await asyncpg.connect(server.dsn)
        await connection.execute("select set_config('app.company_id', $1, false)", str(company.id))
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("select from lead where id = $1 for update", ids[250])
        thread = threading.Thread(target=bulk)
        thread.start()
        number = 0
        while thread.is_alive():
            for caller, lead_id in ((company, other), (bystander, theirs)):
                number += 1
                watch = Stopwatch()
                objects = [{"id": lead_id, "title": f"n{number}"}]
                (outcome,) = await asyncio.to_thread(caller.call, "updateLeads", objects=objects)
                assert outcome["success"]
                delays.append(watch.seconds)
            await asyncio.sleep(0.1)
        thread.join()
        await transaction.rollback()
        await connection.close()

    import asyncio

    asyncio.run(hold())
    took, outcomes = answers["bulk"]
    refused = [position for position, outcome in enumerate(outcomes) if not outcome["success"]]
    assert refused == [250]
    assert outcomes[250]["error"] == {"code": 999, "message": AWAY, "data": []}
    assert took < 10
    assert max(delays) < 1, "leads that nobody locked are not waited for"
    (row,) = sql(server.dsn, "select count(*)::int as n from lead where title = 'new'", company_id=company.id)
    assert row["n"] == 499
    assert company.call("updateLeads", objects=[{"id": ids[250], "title": "new"}])[0]["success"], json.dumps(outcomes)[
        :99
    ]
    print(f"locked row: the bulk took {took:.1f} s, others at most {max(delays) * 1000:.0f} ms")
