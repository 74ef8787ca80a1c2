"""A copy that follows the change feed stays exact during concurrent writes."""

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from scores import make_second_look_due, score_new_events
from springhead.store.database.deadlines import LOCK_SECONDS
from support import Company, eventually, new_email, sql

pytestmark = pytest.mark.timeout(180)
WRITERS, WRITES = 6, 40


class Mirror:
    """Two copies of a company's leads, kept as docs/sync.md says: one from `lead`, the other from `changed`."""

    def __init__(self, company: Company) -> None:
        self.leads: dict[str, dict[str, Any]] = {}
        self.values: dict[str, dict[str, Any]] = {}
        self.sequences: list[int] = []
        self.wrong: list[str] = []
        self._company = company
        self.cursor = ""

    def follow(self, wait: int) -> None:
        """Applies one page of changes."""
        result = self._company.envelope(
            "getLeadChanges", {"cursor": self.cursor, "wait": wait, "limit": random.randint(1, 200)}
        )["result"]
        self.cursor = result["cursor"]
        for change in result["leadChange"]:
            self._take(change)

    def _take(self, change: dict[str, Any]) -> None:
        lead_id, lead = change["leadID"], change["lead"]
        self.sequences.append(int(change["sequence"]))
        if lead is None:
            self.leads.pop(lead_id, None)
        else:
            self.leads[lead_id] = lead
        if change["kind"] == "delete":
            self.values.pop(lead_id)
        known = self.values.setdefault(lead_id, {}) if change["kind"] != "delete" else {}
        if change["kind"] == "score":  # it says that the score has changed, but not to which value
            for name in ("leadScore", "leadScoreWeighted"):
                known.pop(name, None)
        for name, (old, new) in (change["changed"] or {}).items():
            if name == "merged":
                continue
            # Each old value is the new value of the previous change: no change is missing or out of order.
            if known.get(name, old) != old and change["eventID"]:
                self.wrong.append(f"{change['sequence']}: {name} of {lead_id} was {known[name]!r}, not {old!r}")
            known[name] = new


def call(company: Company, method: str, **params: Any) -> Any:
    """The result of a call. Repeats it if a row stayed locked for longer than a call waits, as on a busy machine.

    An earlier refusal is a fault.
    """
    answer: dict[str, Any] = {}
    for _ in range(20):
        begun = time.monotonic()
        answer = company.envelope(method, params)
        if answer["result"] is not None:
            return next(iter(answer["result"].values()))
        assert answer["error"]["code"] == 999, answer
        assert time.monotonic() - begun >= LOCK_SECONDS, answer
    pytest.fail(f"{method}: {answer}")


def write(company: Company, seed: int, fields: list[str], campaigns: list[int]) -> None:
    """Makes random writes of every kind that changes leads, one after the other."""
    dice = random.Random(seed)
    own: list[int] = []

    more: list[dict[str, Any]] = [
        {}, {"leadStatus": "open"}, {"leadStatus": "customer"}, {"active": 0}, {"active": 1}
    ]  # fmt: skip

    def values() -> dict[str, Any]:
        return {
            name: dice.choice(["", "Rome", "Oslo", "Bonn", "ß"])
            for name in dice.sample(["city", "title", "firstName", *fields], dice.randint(1, 3))
        } | dice.choice(more)

    for _ in range(WRITES):
        everyone = [int(row["id"]) for row in call(company, "getLeads", where={}, limit=30, fields=["id"])]
        chosen = dice.sample(everyone, min(len(everyone), dice.randint(0, 8))) + own[-2:]
        match dice.randrange(9):
            case 0 | 1:
                made = call(
                    company,
                    "createLeads",
                    objects=[{"emailAddress": new_email(), **values()} for _ in range(dice.randint(1, 9))],
                )
                own += [outcome["id"] for outcome in made if outcome["success"]]
            case 2 | 3:
                call(company, "updateLeads", objects=[{"id": lead, **values()} for lead in chosen])
            case 4:
                call(
                    company,
                    "upsertLeads",
                    objects=[{"emailAddress": f"shared{dice.randrange(9)}@example.com", **values()}] * 2,
                )
            case 5:
                call(company, "deleteLeads", objects=[{"id": lead} for lead in chosen[:2]])
            case 6 if len(chosen) > 2:
                rule = dice.choice(["keep", "newest", "oldest"])
                call(company, "mergeLeads", objects=[{"id": chosen[0], "mergeIDs": chosen[1:3], "rule": rule}])
            case 7:
                gone = [int(row["id"]) for row in call(company, "getDeletedLeads", limit=5)]
                call(company, "restoreLeads", objects=gone)
            case _:
                call(company, "convertLeads", objects=[{"id": lead, "account": 1} for lead in chosen[:3]])
                call(
                    company,
                    "updateLeads",
                    objects=[{"id": lead, "campaignID": dice.choice(campaigns)} for lead in chosen],
                )


def in_thread(work: Callable[[], Any], failures: list[Exception]) -> threading.Thread:
    """Starts a thread and records its exception."""

    def run() -> None:
        try:
            work()
        except Exception as cause:  # noqa: BLE001 - the test shows it
            failures.append(cause)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def numbers_of_events(company: Company) -> set[int]:
    """The sequence numbers that the feed must have. It may leave out the others: scores of deleted leads."""
    rows = sql(
        company.dsn,
        "select generate_series(first, last) as number from change where company_id = $1 and event_ids <> '{}'",
        company.id,
    )
    return {row["number"] for row in rows}


def work_left(company: Company) -> bool:
    """Whether the feed will get more changes: background jobs are due, or changes have no number yet."""
    jobs = sql(company.dsn, "select from pass where company_id = $1 and due_at <= now()", company.id)
    return bool(jobs or sql(company.dsn, "select from change where company_id = $1 and first is null", company.id))


def all_leads(company: Company, known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All leads of the company. Inactive leads are read by id, since reads without a filter leave them out."""
    inactive = [lead for lead, row in known.items() if row["active"] == "0"]
    rows = company.call("getLeads", where={}) + company.call("getLeads", where={"id": inactive or [1]})
    return {row["id"]: row for row in rows}


def filled(leads: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Leads with "" for null: a text that was null and is sent as "" is no change of the feed."""
    return {lead_id: {name: value or "" for name, value in row.items()} for lead_id, row in leads.items()}


def test_a_mirror_stays_exact_through_random_concurrent_writes(company: Company) -> None:
    fields = [company.field(label) for label in ("Colour", "Size")]
    campaigns = company.make("createCampaigns", *({"campaignName": f"C{number}"} for number in range(3)))
    rule = {"name": "Known", "part": "completeness", "points": 30, "fields": ["city", "title", fields[0]]}
    company.make("createScoreRules", rule)
    utc = company.at("v1.2")
    mirror, done, failures = Mirror(utc), threading.Event(), list[Exception]()

    def follow() -> None:
        while not done.is_set():
            mirror.follow(1)

    def writing(seed: int) -> None:
        own = Company(company.url, company.account_id, company.secret, version="v1.2")
        write(own, seed, fields, campaigns)
        own.close()

    follower = in_thread(follow, failures)
    for thread in [in_thread(partial(writing, seed), failures) for seed in range(WRITERS)]:
        thread.join(150)
    company.call("deleteCampaigns", objects=[{"id": campaigns[0]}])
    done.set()
    follower.join(30)
    assert failures == []
    for _ in range(2):  # events that became visible late are scored by a later run
        make_second_look_due(company)
        score_new_events(company)
    eventually(lambda: not work_left(company))
    while mirror.cursor != utc.envelope("getLeadChanges", {"cursor": "now"})["result"]["cursor"]:
        mirror.follow(0)

    assert mirror.wrong == []
    assert mirror.sequences == sorted(set(mirror.sequences)), "each change once, in order"
    assert numbers_of_events(company) <= set(mirror.sequences), "and none is missing"
    everyone = all_leads(utc, mirror.leads)
    assert len(everyone) > 20
    assert filled(mirror.leads) == filled(everyone)
    for lead, values in mirror.values.items():
        assert {name: value or "" for name, value in values.items() if name in everyone[lead]} == {
            name: everyone[lead][name] or "" for name in values if name in everyone[lead]
        }
