"""A write that began before an erasure, and waits for it, stores nothing about the erased lead."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from erasure import CANARY, tables_with_canary, with_key
from related_objects import about, user
from springhead.store.database.pool import Database
from springhead.store.lifecycle import erasing
from support import Company, Server, new_email, until_blocked, with_database

TEXT = f"text of {CANARY}"


def call_notes(company: Company, lead: int) -> dict[str, Any]:
    call = {"userID": user(company), "leadID": lead, "direction": "incoming", "createTimestamp": "2026-01-01"}
    return {"objects": [{**call, "callResult": CANARY, "callNotes": TEXT}]}


WRITES: dict[str, tuple[str, Callable[[Company, int], dict[str, Any]]]] = {
    "a change": ("updateLeads", lambda _company, lead: {"objects": [{"id": lead, "firstName": CANARY}]}),
    "a change with a visitor": (
        "updateLeads",
        lambda _company, lead: {"objects": [{"id": lead, "trackingID": CANARY}]},
    ),
    "a change that answers 404": (
        "updateLeadsV2",
        lambda _company, lead: {"objects": [{"id": lead, "emailAddress": f"{CANARY}@example.com"}]},
    ),
    "a note": (
        "createNotes",
        lambda company, lead: {
            "objects": [{"authorID": user(company), "title": CANARY, "note": TEXT, **about("who", "lead", lead)}]
        },
    ),
    "a task": (
        "createTasks",
        lambda _company, lead: {"objects": [{"title": CANARY, "description": TEXT, **about("who", "lead", lead)}]},
    ),
    "a call": ("logCalls", call_notes),
    "a conversion": (
        "convertLeads",
        lambda _company, lead: {"objects": [{"id": lead, "account": 1, "accountName": CANARY}]},
    ),
    "a merge": ("mergeLeads", lambda company, lead: {"objects": [{"id": company.create({})[0], "mergeIDs": [lead]}]}),
    "a deletion": ("deleteLeads", lambda _company, lead: {"objects": [{"id": lead}]}),
}


@pytest.mark.parametrize("keyed", [False, True], ids=["", "with an Idempotency-Key"])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_waits_for_an_erasure_stores_nothing_about_the_lead(
    server: Server, company: Company, write: str, keyed: bool
) -> None:
    (lead,) = company.create({"emailAddress": new_email(), "firstName": CANARY, "companyName": CANARY})
    method, params_of = WRITES[write]
    params = params_of(company, lead)

    def send() -> Any:
        return with_key(company, CANARY, method, **params) if keyed else company.envelope(method, params)

    async def race(database: Database) -> Any:
        async with database.company(company.id) as tx, tx.atomic():
            erased = await erasing.erase(tx, company.id, [lead], key_id=None)
            assert erased.receipts[lead]
            answer = pool.submit(send)
            await until_blocked(tx._connection)
        return answer

    with ThreadPoolExecutor() as pool:
        with_database(server.dsn, race).result(30)

    assert tables_with_canary(server, company) == []
    assert company.call("getLead", id=lead) == []
