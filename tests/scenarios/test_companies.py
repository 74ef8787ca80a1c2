"""Larger scenarios over HTTP: separate companies, several keys, two versions of the API, limits."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from springhead.store.companies import companies
from springhead.store.database.pool import Database
from support import Company, Server, eventually, new_company, with_database

CALL = b'{"method":"getLead","params":{"id":1},"id":"1"}'


def another_key(server: Server, company: Company, *, plain_success: bool = False) -> tuple[int, Company]:
    """Creates another key of a company. Returns a client with it."""

    async def make(database: Database) -> tuple[int, str]:
        async with database.everyone() as tx:
            return await companies.create_key(tx, company.id, label="another", plain_success=plain_success)

    number, secret = with_database(server.dsn, make)
    return number, Company(server.url, company.account_id, secret, id=company.id, version=company.version)


def springhead(data: Path, *words: str) -> Any:
    """Runs a command while the server runs. Returns its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "springhead", *words, "--data", str(data), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=dict(os.environ),
    )
    return json.loads(done.stdout)


def test_companies_on_one_server_cannot_see_each_other(given_company: Callable[..., Company]) -> None:
    first, second, third = given_company(), given_company(), given_company()

    mine = [
        company.create({"emailAddress": "same@example.com", "firstName": company.account_id})[0]
        for company in (first, second)
    ]
    name = first.field("Only at one")

    assert len(set(mine)) == 2
    for company, lead_id in zip((first, second), mine, strict=True):
        (lead,) = company.call("getLeads", where={"emailAddress": "SAME@example.com"})
        assert (lead["id"], lead["firstName"]) == (str(lead_id), company.account_id)
        assert (name in lead) == (company is first)
    assert third.call("getLeads", where={}) == []
    assert third.call("getLeads", where={"id": mine}) == []
    assert first.call("deleteLeads", objects=[{"id": mine[1]}, {"id": mine[0]}])[0]["error"]["code"] == 302
    assert second.lead(mine[1])["firstName"] == second.account_id
    (outcome,) = second.call("createLeads", objects=[{"emailAddress": "new@example.com", name: "x"}])
    assert outcome["error"]["code"] == 205
    assert name not in outcome["error"]["data"]["validParams"]
    swapped = Company(first.url, first.account_id, second.secret)
    assert swapped.send(CALL)[0] == 401
    swapped.close()


def test_two_keys_of_a_company_work_side_by_side_until_one_is_revoked(server: Server, company: Company) -> None:
    number, other = another_key(server, company)
    (lead_id,) = company.create({"firstName": "Ours"})
    assert other.lead(lead_id)["firstName"] == "Ours"

    async def revoke(database: Database) -> bool:
        async with database.everyone() as tx:
            return await companies.revoke_key(tx, company.id, number)

    assert with_database(server.dsn, revoke)

    eventually(lambda: other.send(CALL)[0] == 401, seconds=4)
    assert company.lead(lead_id)["firstName"] == "Ours"
    other.close()


def test_keys_are_made_and_revoked_on_the_command_line_beside_the_running_server(server: Server) -> None:
    made = springhead(server.data, "company", "create", "By hand", "--time-zone", "America/New_York")
    key = springhead(server.data, "key", "create", made["accountID"], "--plain-success")
    first, plain = (Company(server.url, made["accountID"], credentials["secretKey"]) for credentials in (made, key))

    assert first.envelope("createLeads", {"objects": [{"emailAddress": "a@example.com"}]})["error"] == []
    assert plain.envelope("createLeads", {"objects": [{"emailAddress": "b@example.com"}]})["error"] is None
    listed = springhead(server.data, "key", "list", made["accountID"])
    assert len(listed) == 2
    assert made["secretKey"] not in json.dumps(listed)
    first.close()
    plain.close()


def test_plain_success_gives_null_for_successful_writes_and_the_list_for_others(
    server: Server, company: Company
) -> None:
    _, plain = another_key(server, company, plain_success=True)
    lead = {"emailAddress": "plain@example.com"}

    ok = plain.envelope("createLeads", {"objects": [lead]})
    taken = plain.envelope("createLeads", {"objects": [lead, {"emailAddress": "other@example.com"}]})
    read = plain.envelope("getLeads", {"where": {}})
    refused = plain.envelope("getLead", {"id": "abc"})

    assert (ok["result"]["creates"][0]["success"], ok["error"]) == (True, None)
    assert taken["error"] == [{"code": 301, "message": "Entry already exists", "data": []}]
    assert read["error"] is None
    assert refused["error"]["code"] == 205
    assert company.envelope("createLeads", {"objects": []})["error"] == []
    assert plain.envelope("createLeads", {"objects": []})["error"] is None
    plain.close()


def test_v1_speaks_the_companys_time_and_v1_2_speaks_utc(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="Asia/Kathmandu")  # UTC+5:45 all year
    utc = company.at("v1.2")
    (lead_id,) = company.create({})

    local, world = company.lead(lead_id), utc.lead(lead_id)

    now = datetime.now(UTC).replace(tzinfo=None)
    for stamp in ("createTimestamp", "updateTimestamp"):
        here, there = (datetime.fromisoformat(str(lead[stamp])) for lead in (local, world))
        assert here - there == timedelta(hours=5, minutes=45)
        assert abs(there - now) < timedelta(seconds=30)
    different = ("createTimestamp", "updateTimestamp")
    assert {**local, **dict.fromkeys(different)} == {**world, **dict.fromkeys(different)}

    def count(caller: Company, moment: str | None) -> int:
        return len(caller.call("getLeadsDateRange", startDate=moment, endDate=moment, timestamp="create"))

    assert count(company, local["createTimestamp"]) == count(utc, world["createTimestamp"]) == 1
    assert count(company, world["createTimestamp"]) == count(utc, local["createTimestamp"]) == 0
    utc.close()


@pytest.mark.parametrize("version", ["v1", "v1.2"])
def test_both_addresses_work_with_and_without_the_slash_and_headers_do_as_well(company: Company, version: str) -> None:
    query = company.path.partition("?")[2]
    headers = {"X-Account-Id": company.account_id, "Authorization": f"Bearer {company.secret}"}

    for slash in ("", "/"):
        assert company.send(CALL, path=f"/pubapi/{version}{slash}?{query}")[0] == 200
        assert company.send(CALL, path=f"/pubapi/{version}{slash}", headers=headers)[0] == 200
        wrong = headers | {"Authorization": "Bearer wrong"}
        assert company.send(CALL, path=f"/pubapi/{version}{slash}?{query}", headers=wrong)[0] == 200, "the query wins"
        status, body = company.send(CALL, path=f"/pubapi/{version}{slash}")
        assert (status, body) == (401, b'"Unable to determine clusterID from provided accountID/secretKey"')


def test_a_create_that_falls_back_to_an_update_works_as_in_clients(company: Company) -> None:
    def upsert(email: str, **values: str) -> str:
        answer = company.envelope("createLeads", {"objects": [{"emailAddress": email, **values}]})
        if not answer["error"]:
            return str(answer["result"]["creates"][0]["id"])
        assert answer["error"][0]["code"] == 301
        (lead,) = company.call("getLeads", where={"emailAddress": email}, limit=1)
        (outcome,) = company.call("updateLeads", objects=[{"id": lead["id"], **values}])
        assert outcome["success"] or outcome["error"]["code"] == 302
        return lead["id"]

    first = upsert("Ada@Example.com", firstName="Ada")
    assert upsert("ada@example.com", lastName="Lovelace") == first
    assert upsert("ADA@EXAMPLE.COM", lastName="Lovelace") == first
    lead = company.lead(int(first))
    assert (lead["firstName"], lead["lastName"], lead["emailAddress"]) == ("Ada", "Lovelace", "Ada@Example.com")


# --- Limits (docs/wire/limits.md): a server of its own, started as an operator starts it.


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A running server with call limits."""
    running = Server.on_copy(tmp_path_factory.mktemp("limited") / "data")
    yield running
    assert running.stop() == 0


def _refusal(company: Company, body: bytes = CALL) -> dict[str, Any] | None:
    status, answer = company.send(body)
    assert status == 200
    decoded = json.loads(answer)
    assert list(decoded) == ["result", "error", "id"]
    assert decoded["id"] == "1"
    return decoded["error"] if decoded["result"] is None else None


def test_the_first_company_has_the_vendors_limits_and_its_eleventh_call_in_a_second_is_107(limited: Server) -> None:
    company = Company(limited.url, limited.ready["accountID"], limited.ready["secretKey"])
    (listed,) = springhead(limited.data, "company", "list")
    assert (listed["perSecond"], listed["perDay"], listed["objectsPerCall"]) == (10, 50_000, 500)
    begun = time.monotonic()

    refusals = [_refusal(company) for _ in range(40)]

    made, seconds = refusals.count(None), time.monotonic() - begun
    assert 10 <= made <= 10 + 10 * seconds
    for refusal in filter(None, refusals):
        assert (refusal["code"], refusal["message"]) == (107, "Exceeded per second method call limit")
        assert 0 < refusal["data"]["retryAfter"] <= 1
    time.sleep(1.05)
    assert [_refusal(company) for _ in range(5)] == [None] * 5, "a second later calls are allowed again"
    company.close()


def test_a_call_that_is_refused_for_the_limit_changes_nothing(limited: Server) -> None:
    seconds, refusal, leads = _second_call(limited)
    while seconds >= 1:  # on a busy machine the calls may fall into different seconds
        seconds, refusal, leads = _second_call(limited)

    assert refusal is not None
    assert refusal["code"] == 107
    assert leads == []


def _second_call(limited: Server) -> tuple[float, dict[str, Any] | None, list[Any]]:
    """Makes two calls in a second. Returns the seconds between them, the refusal, and the lead it would create."""
    company = new_company(limited, per_second=1, per_day=10)
    lead = {"method": "createLeads", "params": {"objects": [{"emailAddress": "late@example.com"}]}, "id": "1"}
    begun = time.monotonic()
    assert _refusal(company) is None
    refusal = _refusal(company, json.dumps(lead).encode())
    seconds = time.monotonic() - begun
    time.sleep(1.05)
    leads = company.call("getLeads", where={"emailAddress": "late@example.com"})
    company.close()
    return seconds, refusal, leads


def test_the_limit_of_a_day_is_106_and_other_companies_are_not_affected(limited: Server) -> None:
    company, other = new_company(limited, per_second=500, per_day=30), new_company(limited, per_second=500)

    def codes(_: int) -> list[int]:
        caller = Company(company.url, company.account_id, company.secret)
        refusals = [_refusal(caller) for _ in range(10)]
        caller.close()
        return [refusal["code"] if refusal else 0 for refusal in refusals]

    with ThreadPoolExecutor(5) as pool:
        seen = [code for answers in pool.map(codes, range(5)) for code in answers]

    assert sorted(seen) == [0] * 30 + [106] * 20
    refusal = _refusal(company)
    assert refusal is not None
    assert refusal["message"] == "Exceeded daily method call limit"
    assert 0 < refusal["data"]["retryAfter"] <= 86_400
    assert _refusal(other) is None
    company.close()
    other.close()


def test_both_versions_and_all_keys_of_a_company_count_together(limited: Server) -> None:
    company = new_company(limited, per_second=500, per_day=6)
    _, second = another_key(limited, company)

    callers = [company, company.at("v1.2"), second, second.at("v1.2")]
    codes = [refusal["code"] if (refusal := _refusal(caller)) else 0 for _ in range(2) for caller in callers]

    assert codes == [0] * 6 + [106] * 2
    for caller in callers:
        caller.close()


def test_wrong_credentials_and_other_pages_do_not_count_as_calls(limited: Server) -> None:
    company = new_company(limited, per_second=500, per_day=2)
    stranger = Company(company.url, company.account_id, "0" * 32)

    for _ in range(5):
        assert stranger.send(CALL)[0] == 401
        assert company.send(b"", path="/healthz", verb="GET")[0] == 200

    assert [_refusal(company), _refusal(company)] == [None, None]
    company.close()
    stranger.close()


def test_more_objects_than_allowed_are_209_and_none_is_created(limited: Server) -> None:
    company = new_company(limited, per_second=500, objects_per_call=3)
    four = [{"emailAddress": f"{number}@example.com"} for number in range(4)]

    for method in ("createLeads", "updateLeads", "updateLeadsV2", "deleteLeads", "createFields", "deleteFields"):
        error = company.error(method, objects=four)
        assert error["code"] == 209
        assert error["message"] == "Attempting to execute an excess amount of queries"

    assert company.call("getLeads", where={}) == []
    assert all(outcome["success"] for outcome in company.call("createLeads", objects=four[:3]))
    company.close()


def test_a_companys_limits_are_changed_while_the_server_runs(limited: Server) -> None:
    company = new_company(limited, per_second=500, per_day=1)
    assert [_refusal(company) is None, _refusal(company) is None] == [True, False]

    changed = springhead(limited.data, "company", "set", company.account_id, "--per-day", "100")

    assert changed[0]["perDay"] == 100
    eventually(lambda: _refusal(company) is None, seconds=4)
    company.close()


def test_the_count_of_a_day_survives_a_restart(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    company = new_company(server, per_second=500, per_day=5)
    assert [_refusal(company) for _ in range(3)] == [None] * 3
    company.close()
    assert server.stop() == 0

    server = Server(tmp_path / "data")
    company = Company(server.url, company.account_id, company.secret)

    assert [refusal["code"] if (refusal := _refusal(company)) else 0 for _ in range(4)] == [0, 0, 106, 106]
    company.close()
    assert server.stop() == 0


def test_daylight_saving_shows_in_v1_and_not_in_v1_2(given_company: Callable[..., Company]) -> None:
    company = given_company(time_zone="America/New_York")
    (lead_id,) = company.create({})

    local = datetime.fromisoformat(str(company.lead(lead_id)["createTimestamp"]))

    assert abs(local.replace(tzinfo=ZoneInfo("America/New_York")) - datetime.now(UTC)) < timedelta(seconds=30)
