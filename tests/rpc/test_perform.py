"""Performing a call: one function has its deadline, its retries, its errors and its counts."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar

import asyncpg
import msgspec
import pytest

from in_process import context_of, shared_parts
from springhead import methods
from springhead.model.kit.errors import EntryExists, SecondLimit, Unavailable, Unexpected, UnknownMethod
from springhead.rpc.context import Context
from springhead.rpc.method import REGISTRY, WriteResult
from springhead.rpc.perform import Performed, attempt, perform
from springhead.store.database import pool
from springhead.store.database.admission import QUEUE_SECONDS, Lane
from springhead.store.database.pool import Database, Locked
from springhead.store.database.retry import MergedIds
from support import Company, Server, new_email

assert methods.leads, "importing the methods registers them"

T = TypeVar("T")


def within(server: Server, company: Company, work: Callable[[Context], Awaitable[T]]) -> T:
    """Runs work with a context of the company, as an entry point of the server has it."""

    async def run() -> T:
        database = Database(pool_size=16)
        await database.open(server.dsn)
        try:
            return await work(await context_of(shared_parts(database), company, utc=True, request_id="r-1"))
        finally:
            await database.close()

    return asyncio.run(run())


def performed(server: Server, company: Company, name: str, params: dict[str, Any]) -> Performed:
    return within(server, company, lambda context: perform(context, name, params))


def test_a_call_that_names_a_merged_lead_starts_again_from_the_same_parameters(
    server: Server, company: Company
) -> None:
    survivor, goes = company.create({"emailAddress": new_email()}, {"emailAddress": new_email()})
    (merged,) = company.call("mergeLeads", objects=[{"id": survivor, "mergeIDs": [goes]}])
    assert merged["success"]
    params: dict[str, Any] = {"objects": [{"id": goes, "firstName": "Ann"}, {"id": survivor, "lastName": "Lee"}]}
    sent = copy.deepcopy(params)
    attempts: list[Any] = []

    async def work(context: Context) -> Any:
        attempts.append(context.attempt)
        return await REGISTRY["updateLeads"].call(context, params, objects_per_call=500)

    outcomes = within(server, company, lambda context: attempt(context, work))

    assert isinstance(outcomes, WriteResult)
    assert [outcome["success"] for outcome in outcomes.outcomes] == [True, True]
    assert params == sent
    assert [dict(known.merged) for known in attempts] == [{}, {goes: survivor}]
    (lead,) = company.call("getLead", id=survivor)
    assert (lead["firstName"], lead["lastName"]) == ("Ann", "Lee")


def test_an_unknown_method_is_204(server: Server, company: Company) -> None:
    answer = performed(server, company, "noSuchMethod", {})

    assert (answer.method, answer.answer) == ("-", None)
    assert isinstance(answer.error, UnknownMethod)


def test_refused_objects_are_counted_by_method_and_code(server: Server, company: Company) -> None:
    email = new_email()

    async def work(context: Context) -> tuple[Performed, dict[tuple[str, int], int]]:
        answer = await perform(context, "createLeads", {"objects": [{"emailAddress": email}] * 3})
        return answer, dict(context.server.refusals)

    answer, refusals = within(server, company, work)

    assert (answer.objects, answer.refused) == (3, 2)
    assert refusals == {("createLeads", EntryExists.code): 2}


def test_a_fault_of_ours_is_999_with_the_requests_id(
    server: Server, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_context: Context, **_params: Any) -> WriteResult:
        raise ZeroDivisionError

    monkeypatch.setitem(REGISTRY, "getLead", msgspec.structs.replace(REGISTRY["getLead"], run=broken))

    answer = performed(server, company, "getLead", {"id": 1})

    assert isinstance(answer.error, Unexpected)
    assert answer.error.body()["data"] == {"requestId": "r-1"}


def test_a_call_that_is_late_is_refused_and_can_be_repeated(
    server: Server, company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(context: Context) -> Performed:
        return await perform(context, "getLead", {"id": 1}, end=asyncio.get_running_loop().time() - 1)

    assert isinstance(within(server, company, work).error, Unavailable)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "gave up" in line]
    assert "r-1" in line
    assert "Unavailable from TimeoutError" in line


def test_the_log_says_why_a_call_was_given_up(
    server: Server, company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def locked(*_: Any, **__: Any) -> None:
        raise Locked from asyncpg.LockNotAvailableError()

    monkeypatch.setitem(REGISTRY, "getLead", msgspec.structs.replace(REGISTRY["getLead"], run=locked))

    assert isinstance(performed(server, company, "getLead", {"id": 1}).error, Locked)
    assert "Locked from LockNotAvailableError" in capsys.readouterr().out


def test_work_that_never_succeeds_ends_with_the_deadline(server: Server, company: Company) -> None:
    async def work(context: Context) -> None:
        async def hopeless(_context: Context) -> None:
            await asyncio.Event().wait()

        await attempt(context, hopeless, end=asyncio.get_running_loop().time() + 0.01)

    with pytest.raises(Unavailable):
        within(server, company, work)


def test_every_attempt_knows_the_findings_of_earlier_ones(server: Server, company: Company) -> None:
    seen: list[dict[int, int]] = []

    async def work(context: Context) -> None:
        async def merged_twice(context: Context) -> None:
            seen.append(dict(context.attempt.merged))
            if len(seen) < 3:
                raise MergedIds({len(seen): 0})

        await attempt(context, merged_twice)

    within(server, company, work)

    assert seen == [{}, {1: 0}, {1: 0, 2: 0}]


def test_a_call_behind_much_work_of_its_company_is_refused_at_once_and_other_companies_go_on(
    server: Server, given_company: Callable[..., Company]
) -> None:
    company, neighbour = given_company(), given_company()

    async def work(context: Context) -> list[Performed]:
        admission, now = context.server.database.admission, monotonic()
        admission.leave(admission.ask(context.company.id, Lane.LONG, now), now + 10 * QUEUE_SECONDS)  # a slow search
        search = admission.ask(context.company.id, Lane.LONG, now)  # another one runs
        others = await context_of(context.server, neighbour)
        try:
            return [
                await perform(context, "searchLeads", {}),
                await perform(context, "getLead", {"id": 1}),
                await perform(others, "searchLeads", {}),
            ]
        finally:
            admission.leave(search, monotonic())

    refused, *answered = within(server, company, work)

    assert isinstance(refused.error, SecondLimit)
    assert refused.error.data == {"retryAfter": 10}  # the mean of one search of 50 s is a fifth of it
    assert [answer.error for answer in answered] == [None, None]


def test_a_call_whose_turn_does_not_come_is_999_with_the_seconds_to_wait(
    server: Server, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "QUEUE_SECONDS", 0.01)

    async def work(context: Context) -> tuple[Performed, int]:
        admission = context.server.database.admission
        running = [
            admission.ask(context.company.id, Lane.CALLS, monotonic()) for _ in range(admission.shares[Lane.CALLS])
        ]
        answer = await perform(context, "getLead", {"id": 1})
        waiting = admission.waiting
        for ticket in running:
            admission.leave(ticket, monotonic())
        return answer, waiting

    answer, waiting = within(server, company, work)

    assert isinstance(answer.error, Unavailable)
    assert answer.error.data == {"retryAfter": 0.01}
    assert waiting == 0
