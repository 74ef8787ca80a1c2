"""References of leads and opportunities, and the effects of deleting their objects (docs/wire/leads.md#references)."""

import random
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from callers import another_client
from springhead.model.leads.leads import LEAD
from springhead.store.database.pool import Database
from springhead.store.nouns.table import RecordBatch, table
from stopwatch import within
from support import Company, eventually, new_email, sql, until_blocked, with_database

NAMES = {"accountID": "Account", "campaignID": "Campaign"}


def target(company: Company, name: str) -> int:
    """Creates an account or campaign for the column. Returns its id."""
    noun = NAMES[name]
    return company.make(f"create{noun}s", {f"{noun.lower()}Name": "To be named"})[0]


def delete(company: Company, name: str, *ids: int) -> list[int | None]:
    """Deletes accounts or campaigns. Returns the error codes, None for a success."""
    outcomes = company.call(f"delete{NAMES[name]}s", objects=list(ids))
    return [outcome["error"] and outcome["error"]["code"] for outcome in outcomes]


def opportunity(company: Company, **more: Any) -> int:
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    values = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31", **more}
    return company.make("createOpportunities", values)[0]


@pytest.mark.parametrize("name", [*NAMES, "ownerID"])
def test_a_lead_refers_only_to_objects_of_its_own_company(
    company: Company, given_company: Callable[..., Company], name: str
) -> None:
    other = given_company()
    foreign = other.call("getUserProfiles")[0]["id"] if name == "ownerID" else target(other, name)
    (lead_id,) = company.create({})
    before = company.lead(lead_id)

    for wrong in (foreign, 1, "1", 0, 2**63 - 1):
        for method, values in (("createLeads", {"emailAddress": new_email()}), ("updateLeads", {"id": lead_id})):
            refusal = company.refusal(method, {**values, name: wrong})
            assert refusal is not None
            assert (refusal["code"], refusal["message"]) == (
                303,
                "Cannot add or update a child row: a foreign key constraint fails",
            )
            assert [problem["param"] for problem in refusal["data"]["params"]] == [name]
    assert company.lead(lead_id) == before


def test_several_unknown_references_are_all_named_and_refuse_their_object_alone(company: Company) -> None:
    good, bad, last = company.call(
        "createLeads",
        objects=[
            {"emailAddress": new_email()},
            {"emailAddress": new_email(), "accountID": 5, "campaignID": 6, "ownerID": 7},
            {"emailAddress": new_email()},
        ],
    )

    assert good["success"]
    assert last["success"]
    assert [problem["param"] for problem in bad["error"]["data"]["params"]] == ["accountID", "ownerID", "campaignID"]


def test_an_unknown_reference_is_reported_before_a_taken_address(company: Company) -> None:
    company.create({"emailAddress": "taken@example.com"})

    assert company.code("createLeads", {"emailAddress": "taken@example.com", "accountID": 5}) == 303
    assert company.code("createLeads", {"emailAddress": "taken@example.com"}) == 301


@pytest.mark.parametrize("name", NAMES)
def test_references_to_a_deleted_target_become_null_and_other_rows_are_untouched(company: Company, name: str) -> None:
    gone, kept = target(company, name), target(company, name)
    named, other, active = company.create({name: gone, "title": "CEO"}, {name: kept}, {name: gone, "active": 0})
    deals = [opportunity(company, **{name: target_id}) for target_id in (gone, kept)]
    sql(company.dsn, "update lead set update_timestamp = '2020-01-01 00:00:00+00'", company_id=company.id)
    before = {lead_id: company.lead(lead_id) for lead_id in (named, other, active)}

    assert delete(company, name, gone) == [None]

    now = {lead_id: company.lead(lead_id) for lead_id in (named, other, active)}
    assert now[other] == before[other]
    for lead_id in (named, active):
        moved = {name: None, "updateTimestamp": now[lead_id]["updateTimestamp"]}
        assert now[lead_id] == before[lead_id] | moved
        assert str(moved["updateTimestamp"]) > "2026"
    rows = [company.call("getOpportunity", id=deal)[0] for deal in deals]
    assert [row[name] for row in rows] == [None, str(kept)]
    assert [row["id"] for row in company.call("getOpportunities", where={name: kept})] == [str(deals[1])]
    assert company.call("getOpportunities", where={name: gone}) == []
    assert sql(company.dsn, "select id from pass where company_id = $1", company.id) == []


@pytest.mark.parametrize("name", NAMES)
def test_references_to_a_hundred_targets_deleted_in_one_call_become_null_at_once(company: Company, name: str) -> None:
    noun = NAMES[name]
    ids = company.make(f"create{noun}s", *[{f"{noun.lower()}Name": "To be named"}] * 100)
    company.create(*({name: target_id} for target_id in ids))

    assert delete(company, name, *ids, 1) == [*[None] * 100, 302]

    assert {lead[name] for lead in company.call("getLeads", where={})} == {None}


def test_pages_of_opportunities_by_account_are_exact_after_the_account_is_deleted(company: Company) -> None:
    gone, kept = target(company, "accountID"), target(company, "accountID")
    deals = [opportunity(company, accountID=account) for account in (kept, gone, kept, kept, gone, kept, kept)]
    sql(company.dsn, "update opportunity set create_timestamp = now() - interval '1 day'", company_id=company.id)

    def walk(**where: Any) -> list[str]:
        ids: list[str] = []
        while page := company.call("getOpportunities", where=where, limit=2, offset=len(ids)):
            ids += [row["id"] for row in page]
        return ids

    ours = [str(deal) for deal in deals if deal not in {deals[1], deals[4]}]
    assert walk(accountID=kept) == ours
    assert walk(accountID=[kept, gone]) == [str(deal) for deal in deals]

    assert delete(company, "accountID", gone) == [None]

    assert walk(accountID=kept) == ours
    assert walk(accountID=[kept, gone]) == ours


FILL = """
    insert into lead (company_id, email_key, email_address, {column}, lead_score, lead_score_weighted,
        active, lead_status, create_timestamp, update_timestamp)
    select $1, g || '@fill.example', g || '@fill.example', ($2::bigint[])[1 + g % 4 / 3],
        0, 0, true, 'open', now(), now()
    from generate_series(1, $3) as g
"""
"""Leads of which every fourth belongs to the second target, the others to the first."""


@pytest.mark.parametrize("name", NAMES)
def test_references_of_twelve_thousand_leads_become_null_while_calls_go_on(company: Company, name: str) -> None:
    column = {"accountID": "account_id", "campaignID": "campaign_id"}[name]
    gone, kept = target(company, name), target(company, name)
    sql(company.dsn, FILL.format(column=column), company.id, [gone, kept], 16_000, company_id=company.id)
    (own,) = company.create({name: gone})
    failures: list[AssertionError] = []
    over = threading.Event()

    def go_on() -> None:
        caller = another_client(company)
        for number in range(1_000_000):
            if over.is_set():
                break
            try:
                with within(2):
                    assert caller.code("updateLeads", {"id": own, "title": str(number)}) is None
                    assert len(caller.call("getLeads", where={}, limit=5)) == 5
            except AssertionError as failure:
                failures.append(failure)
        caller.close()

    calls = threading.Thread(target=go_on)
    calls.start()
    try:
        with within(4):
            assert delete(company, name, gone) == [None]
        left = f"select count(*) as n, max(version) as version from lead where {column} = $1"
        eventually(lambda: sql(company.dsn, left, gone, company_id=company.id)[0]["n"] == 0, seconds=30)
        eventually(lambda: sql(company.dsn, "select from pass where company_id = $1", company.id) == [], seconds=30)
    finally:
        over.set()
        calls.join()

    (others,) = sql(company.dsn, left, kept, company_id=company.id)
    assert (others["n"], others["version"]) == (4_000, 1)
    freed = f"select distinct version from lead where {column} is null and id <> $1"
    assert [row["version"] for row in sql(company.dsn, freed, own, company_id=company.id)] == [2]
    assert company.lead(own)[name] is None
    assert failures == [], "calls waited for the background job"


@pytest.mark.parametrize("name", NAMES)
def test_no_reference_dangles_after_concurrent_writes_and_deletes(company: Company, name: str) -> None:
    targets = [target(company, name) for _ in range(12)]
    leads = company.create(*[{}] * 100)
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer"})
    seen: set[int | None] = set()
    together = threading.Barrier(6)

    def work(number: int) -> None:
        caller, chance = another_client(company), random.Random(number)
        together.wait()
        for turn in range(12):
            named = [{name: chance.choice(targets[turn : turn + 2])} for _ in range(100)]
            if number == 0:
                outcomes = caller.call(f"delete{NAMES[name]}s", objects=[targets[turn]])
            elif number % 3 == 1:
                outcomes = caller.call(
                    "createLeads", objects=[{"emailAddress": new_email(), **reference} for reference in named]
                )
            elif number % 3 == 2:
                updates = [{"id": lead, **reference} for lead, reference in zip(leads, named, strict=True)]
                outcomes = caller.call("updateLeads", objects=updates)
            else:
                new = {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31"}
                outcomes = caller.call("createOpportunities", objects=[{**new, **reference} for reference in named])
            seen.update(outcome["error"] and outcome["error"]["code"] for outcome in outcomes)
        caller.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert seen <= {None, 302, 303}
    eventually(lambda: sql(company.dsn, "select from pass where company_id = $1", company.id) == [])
    assert not company.call(f"get{NAMES[name]}s")
    for method in ("getLeadsDateRange", "getOpportunitiesDateRange"):
        rows = company.call(method, startDate="2000-01-01", endDate="2999-12-31", timestamp="create", limit=5_000)
        assert rows
        assert {row[name] for row in rows} == {None}


def test_a_delete_waits_for_a_write_that_refers_to_its_object_and_then_unsets_the_reference(company: Company) -> None:
    account = target(company, "accountID")
    deleted: list[int | None] = []
    caller = another_client(company)
    deletion = threading.Thread(target=lambda: deleted.extend(delete(caller, "accountID", account)))

    async def write(database: Database) -> None:
        new = RecordBatch(
            documents=f'[{{"emailAddress":"late@example.com","accountID":{account}}}]',
            keys=["late@example.com"],
            version=1,
            zone="UTC",
        )
        async with database.company(company.id) as tx, tx.atomic():
            version = await tx.value("select field_version from company where id = $1", company.id)
            (made,) = await table(LEAD).insert(tx, company.id, msgspec.structs.replace(new, version=version))
            assert made.id
            deletion.start()
            await until_blocked(tx._connection)
            assert deleted == [], "it did not wait"

    with_database(company.dsn, write)
    deletion.join()
    caller.close()

    assert deleted == [None]
    assert [lead["accountID"] for lead in company.call("getLeads", where={})] == [None]
    assert company.code("createLeads", {"emailAddress": new_email(), "accountID": account}) == 303


@pytest.mark.parametrize("name", NAMES)
def test_rules_based_lists_follow_leads_whose_target_is_deleted(company: Company, name: str) -> None:
    gone, kept = target(company, name), target(company, name)
    company.create({name: gone}, {name: kept}, {name: gone})
    with_it, without = company.make(
        "createList",
        {"name": "With it", "filter": {name: [str(gone), str(kept)]}},
        {"name": "Without", "filter": {name: {"empty": True}}},
    )

    def counts() -> list[str]:
        rows = {row["id"]: row for row in company.call("getActiveLists")}
        return [rows[str(list_id)]["memberCount"] for list_id in (with_it, without)]

    eventually(lambda: counts() == ["3", "0"])

    assert delete(company, name, gone) == [None]

    eventually(lambda: counts() == ["1", "2"])
