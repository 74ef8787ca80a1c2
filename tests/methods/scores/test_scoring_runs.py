"""When leads are scored: by background jobs, by several servers, and as time passes."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from scores import CREATED, add_events, lines, make_second_look_due, score_new_events, scores
from springhead.jobs.scoring import Scorer
from springhead.store.database.pool import Database, Tx
from springhead.store.scores import scoring
from springhead.store.scores.scorecards import Scorecard
from stopwatch import within
from support import Company, eventually, sql, until_blocked, with_database

FORMS = {"name": "Forms", "part": "engagement", "points": 100, "eventSource": "formSubmit"}


def state(company: Company) -> Any:
    (row,) = sql(company.dsn, "select *, decay_at - now() as decays_in from scoring where company_id = $1", company.id)
    return row


def fill(company: Company, count: int) -> None:
    """Creates leads by SQL, each with its creation event, half of them in Rome."""
    sql(
        company.dsn,
        """
        with made as (
            insert into lead (company_id, email_key, email_address, city, lead_score, lead_score_weighted, active,
                lead_status, create_timestamp, update_timestamp)
            select $1, i || '@fill.example', i || '@fill.example', case when i % 2 = 0 then 'Rome' end, 0, 0, true,
                'unqualified', now(), now()
            from generate_series(1, $2) i
            returning id
        )
        insert into event (company_id, lead_id, create_timestamp, event_source, event_name)
        select $1, id, now(), 'leadCreation', 'Lead created' from made
        """,
        company.id,
        count,
        company_id=company.id,
    )


def counted(company: Company) -> dict[int, int]:
    """The number of leads by score."""
    rows = sql(
        company.dsn,
        "select lead_score, count(*)::int as leads from lead where company_id = $1 group by 1",
        company.id,
        company_id=company.id,
    )
    return {row["lead_score"]: row["leads"] for row in rows}


def test_a_lead_is_scored_within_seconds_of_an_event(company: Company) -> None:
    company.make("createScoreRules", CREATED, {"name": "x", "part": "fit", "points": 10, "filter": {"city": "Rome"}})
    (lead,) = company.create({})
    eventually(lambda: scores(company, lead) == (4, 4), seconds=30)

    company.call("updateLeads", objects=[{"id": lead, "city": "Rome"}])
    eventually(lambda: scores(company, lead) == (14, 14), seconds=30)


def test_an_event_that_became_visible_late_is_scored_by_a_second_look(company: Company) -> None:
    early, late = company.create({}, {})
    company.make("createScoreRules", FORMS)
    add_events(company, late, "formSubmit")
    (seen,) = sql(company.dsn, "select max(id) as id from event", company_id=company.id)
    score_new_events(company)
    assert scores(company, late)[0] == 100
    make_second_look_due(company)
    score_new_events(company)  # has cached how far it was
    insert = """
        insert into event (company_id, id, lead_id, create_timestamp, event_source, event_name)
        values ($1, $2, $3, now(), 'formSubmit', 'late')
    """
    add_events(company, late, "formSubmit")
    score_new_events(company)
    sql(company.dsn, "update scoring set settled_id = $2 where company_id = $1", company.id, seen["id"] - 2_048)
    sql(company.dsn, insert, company.id, seen["id"] - 1, early, company_id=company.id)
    score_new_events(company)
    assert scores(company, early)[0] == 0, "its id is lower than those seen, and a run does not read all events again"

    make_second_look_due(company)
    score_new_events(company)
    assert scores(company, early)[0] == 100


def test_an_event_with_a_past_time_counts_when_it_is_written(company: Company) -> None:
    company.make("createScoreRules", {**FORMS, "eventSource": "outgoingCall"})
    (lead,) = company.create({})
    (user,) = company.call("getUserProfiles")
    score_new_events(company)
    logged = {"userID": user["id"], "leadID": lead, "direction": "outgoing", "createTimestamp": "2020-01-01 00:00:00"}
    company.envelope("logCalls", {"objects": [logged]})
    score_new_events(company)

    assert scores(company, lead) == (100, 0)


def test_more_events_than_one_run_takes_are_scored_in_several_runs(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "EVENTS", 7)
    company.make("createScoreRules", CREATED)
    leads = company.create(*[{}] * 20)
    score_new_events(company)

    assert [scores(company, lead)[0] for lead in leads] == [4] * 20
    make_second_look_due(company)
    score_new_events(company)
    assert state(company)["settled_id"] == state(company)["seen_id"] or state(company)["mark_id"] > 0


def test_two_servers_share_the_work_and_do_nothing_twice(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    company.make("createScoreRules", CREATED)
    leads = company.create(*[{}] * 50)
    scored: list[int] = []
    score = Scorecard.score

    async def counting(card: Scorecard, tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[int]:
        scored.extend(lead_ids)
        return await score(card, tx, company_id, lead_ids)

    monkeypatch.setattr(Scorecard, "score", counting)

    async def both(first: Database) -> None:
        other = Database(pool_size=2)
        await other.open(company.dsn)
        try:
            async with first.everyone() as tx:
                await tx.rows("update scoring set due_at = now() where company_id = $1", company.id)
            await asyncio.gather(*(scoring.score_new_events(database, company.id) for database in (first, other) * 3))
        finally:
            await other.close()

    with_database(company.dsn, both)
    assert len(scored) in {0, 50}, "one process scores all of them, ours or the server"
    eventually(lambda: [scores(company, lead)[0] for lead in leads] == [4] * 50)


def test_without_new_events_nothing_is_written(company: Company) -> None:
    company.make("createScoreRules", CREATED)
    company.create({})
    for _ in range(3):  # until no event can become visible late
        make_second_look_due(company)
        score_new_events(company)
    read = "select xmin::text, seen_id = settled_id as settled from scoring where company_id = $1"
    sql(company.dsn, "update scoring set due_at = now() where company_id = $1", company.id)
    before = sql(company.dsn, read, company.id)
    with_database(company.dsn, lambda database: scoring.score_new_events(database, company.id))

    assert before[0]["settled"]
    assert sql(company.dsn, read, company.id) == before


def test_failed_scoring_is_retried_later_and_delays_no_other_company(
    given_company: Callable[..., Company], monkeypatch: pytest.MonkeyPatch
) -> None:
    company, other = given_company(), given_company()
    for owner in (company, other):
        owner.make("createScoreRules", CREATED)
    (lead,), (theirs,) = company.create({}), other.create({})
    score = Scorecard.score

    async def fail(card: Scorecard, tx: Tx, company_id: int, lead_ids: Sequence[int]) -> list[int]:
        if company_id == company.id:
            raise ZeroDivisionError("a fault of ours")
        return await score(card, tx, company_id, lead_ids)

    async def work(database: Database) -> None:
        async with database.everyone() as tx:
            late = "update scoring set due_at = now() - interval '1 year' where company_id = $1"
            await tx.rows(late, company.id)
            await tx.rows(late, other.id)
        await Scorer(database).turn()

    with monkeypatch.context() as broken:
        broken.setattr(Scorecard, "score", fail)
        with_database(company.dsn, work)
    assert scores(other, theirs)[0] == 4
    later = "select due_at > now() + interval '10 seconds' as later from scoring where company_id = $1"
    assert sql(company.dsn, later, company.id)[0]["later"]
    score_new_events(company)
    assert scores(company, lead)[0] == 4


# All leads


def test_a_changed_rule_scores_all_leads_in_a_background_job_with_visible_progress(company: Company) -> None:
    fill(company, 20_000)
    seen: list[dict[str, Any]] = []
    failures, over = list[AssertionError](), threading.Event()
    watching = company.at("v1.2")

    def watch() -> None:
        while not over.is_set():
            try:
                with within(3):
                    seen.append(watching.call("getScoring")[0])
                    watching.create({})
            except AssertionError as failure:
                failures.append(failure)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with within(6):
            (rule,) = company.make(
                "createScoreRules", {"name": "x", "part": "fit", "points": 9, "filter": {"city": "Rome"}}
            )
        eventually(lambda: company.call("getScoring")[0]["isRunning"] == "0", seconds=60)
    finally:
        over.set()
        watcher.join()

    assert counted(company)[9] == 10_000
    assert failures == []
    steps = [int(row["leadsDone"]) for row in seen if row["isRunning"] == "1"]
    assert steps == sorted(steps)
    assert any(0 < step < 20_000 for step in steps)
    (last,) = company.call("getScoring")
    assert last["leadsDone"] == last["leadsTotal"]
    assert last["endTimestamp"] >= last["startTimestamp"]
    company.call("deleteScoreRules", objects=[rule])
    eventually(lambda: company.call("getScoring")[0]["isRunning"] == "0", seconds=60)
    assert set(counted(company)) == {0}


def test_a_newer_change_of_the_rules_replaces_a_running_one(company: Company) -> None:
    fill(company, 5_000)
    (rule,) = company.make("createScoreRules", {**CREATED, "points": 1})
    threads = [
        threading.Thread(target=company.at("v1").call, args=("updateScoreRules",), kwargs={"objects": [change]})
        for change in [{"id": rule, "points": points} for points in (2, 3)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    company.call("updateScoreRules", objects=[{"id": rule, "points": 5}])
    eventually(lambda: company.call("getScoring")[0]["isRunning"] == "0", seconds=60)

    assert counted(company) == {5: 5_000}
    assert sql(company.dsn, "select from pass where company_id = $1 and kind = 'score'", company.id) == []


def test_a_change_of_the_rules_waits_for_a_run_with_the_old_ones(company: Company) -> None:
    (rule,) = company.make("createScoreRules", CREATED)
    (lead,) = company.create({})

    async def hold(database: Database) -> bool:
        async with database.company(company.id) as tx, tx.atomic():
            await tx.rows(
                "select 1 from scoring where company_id = $1 order by company_id for no key update", company.id
            )
            changing = asyncio.create_task(
                asyncio.to_thread(company.call, "updateScoreRules", objects=[{"id": rule, "points": 9}])
            )
            await until_blocked(tx._connection)
            waited = not changing.done()
        assert (await changing)[0]["success"]
        return waited

    assert with_database(company.dsn, hold)
    assert scores(company, lead)[0] == 9


# Time


@pytest.mark.parametrize(("half_life", "hours"), [(30, 24), (365, 24), (15, 12), (1, 0.8)])
def test_all_scores_sink_once_a_day_or_a_thirtieth_of_the_half_life(
    company: Company, half_life: int, hours: float
) -> None:
    company.call("updateScoring", halfLifeDays=half_life) if half_life != 30 else None
    company.make("createScoreRules", FORMS)
    (lead,) = company.create({})
    add_events(company, lead, "formSubmit")
    score_new_events(company)
    assert scores(company, lead) == (100, 100)
    assert state(company)["decays_in"].total_seconds() == pytest.approx(hours * 3600, abs=60)

    sql(
        company.dsn,
        "update event set create_timestamp = create_timestamp - make_interval(days => $1)",
        half_life,
        company_id=company.id,
    )
    score_new_events(company)
    assert scores(company, lead) == (100, 100), "not before its time"
    sql(company.dsn, "update scoring set decay_at = now() where company_id = $1", company.id)
    score_new_events(company)
    eventually(lambda: scores(company, lead) == (100, 50))
    assert state(company)["decays_in"].total_seconds() == pytest.approx(hours * 3600, abs=60)


def test_without_decay_no_lead_is_scored_daily(company: Company) -> None:
    company.make("createScoreRules", {"name": "x", "part": "completeness", "points": 9, "fields": ["city"]})
    begun = state(company)["started_at"]
    sql(company.dsn, "update scoring set decay_at = now() where company_id = $1", company.id)
    score_new_events(company)

    assert state(company)["started_at"] == begun
    assert state(company)["decays_in"].total_seconds() > 80_000


def test_a_lead_with_very_many_events_is_scored_by_its_newest_ones(company: Company) -> None:
    (lead,) = company.create({})
    add_events(company, lead, "formSubmit", days=1)
    add_events(company, lead, "leadUpdate", times=3_000)
    company.make("createScoreRules", FORMS)
    assert scores(company, lead)[0] == 0

    add_events(company, lead, "formSubmit")
    score_new_events(company)
    assert [line["points"] for line in lines(company, lead)] == ["100"]


def test_after_concurrent_changes_of_all_kinds_nothing_was_refused_and_all_scores_are_right(company: Company) -> None:
    leads = company.create(*[{}] * 40)
    rules = company.make(
        "createScoreRules", FORMS, {"name": "x", "part": "fit", "points": 7, "filter": {"city": "Rome"}}
    )
    (a_list,) = company.make("createList", {"name": "Hot", "filter": {"leadScore": {"atLeast": 5}}})
    end, refused = time.monotonic() + 4, list[Any]()

    def storm(number: int) -> None:
        chance, client = random.Random(number), company.at("v1")
        while time.monotonic() < end:
            objects: list[dict[str, Any]] = {
                0: [{"id": lead_id, "city": chance.choice(["Rome", "Oslo"])} for lead_id in chance.sample(leads, 20)],
                1: [{"id": rules[number % 2], "points": chance.randrange(1, 99)}],
                2: [{"id": a_list, "filter": {"leadScore": {"atLeast": chance.randrange(1, 99)}}}],
                3: [{"id": chance.choice(leads), "leadScore": chance.randrange(99)}],
            }[number % 4]
            method = ("updateLeads", "updateScoreRules", "updateList", "updateLeads")[number % 4]
            answers = [client.envelope(method, {"objects": objects})]
            answers.append(client.envelope("getScoreExplanation", {"leadID": chance.choice(leads)}))
            add_events(company, chance.choice(leads), "formSubmit")
            refused.extend(answer["error"] for answer in answers if isinstance(answer["error"], dict))
            refused.extend(error for answer in answers for error in answer["error"] or () if error["code"] != 302)

    threads = [threading.Thread(target=storm, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    eventually(lambda: company.call("getScoring")[0]["isRunning"] == "0", seconds=30)
    score_new_events(company)
    make_second_look_due(company)
    score_new_events(company)

    stored = {lead: scores(company, lead) for lead in leads}
    assert len(set(stored.values())) > 1
    for lead in leads:
        lines(company, lead)
        assert scores(company, lead)[0] == stored[lead][0]
    (kept,) = company.call("getActiveLists", where={"id": a_list})
    most = kept["filter"]["leadScore"]["atLeast"]
    on_it = {int(member["leadID"]) for member in company.call("getListMembers", where={"id": a_list})}
    assert on_it == {lead for lead in leads if stored[lead][0] >= most}
