"""Calls whose times are measured: every example of every method, and reads of what only a large company has."""

import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from examples import with_ids
from growth.population import Population
from springhead.rpc.docs.samples import noun_name
from springhead.rpc.method import REGISTRY, Example, Writes
from stopwatch import pause
from support import Company, sql

NAME = re.compile(r"(?!systemName|firstName|lastName)(?:name|label|\w+Name)", re.ASCII)
NOTHING_CHANGED = 302
HOST = re.compile(r"@(?=example\.com)|//(?=receiver\.)", re.ASCII)
YEARS = {"startDate": "2016-11-02 00:00:00", "endDate": "2999-12-31 23:59:59"}

LARGE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("getLead", {"id": "{known}"}),
    ("getLeads", {"where": {"emailAddress": "{address}"}}),
    ("getLeads", {"where": {}}),
    ("getLeadsDateRange", {**YEARS, "timestamp": "create", "limit": 100}),
    ("getLeadTimeline", {"where": {"whoID": "{known}"}}),
    ("getLeadTimeline", {"where": {"whoID": "{known}", "createTimestamp": "2020-01-01 00:00:00"}}),
    ("getEvents", {"where": {"leadID": "{known}"}}),
    ("getEvents", {"where": {"leadID": "{merged}"}}),
    ("getEvents", {"where": {"createTimestamp": "2020-01-01 00:00:00"}, "limit": 100}),
    ("getEventsByType", {"leadID": "{known}", "eventSource": "leadCreation,leadUpdate"}),
    ("getEventsByType", {"createTimestamp": "2020-01-01 00:00:00", "eventSource": "leadMerge,formSubmit"}),
    ("getListMembers", {"where": {"id": "{half}"}, "limit": 100}),
    ("getListMembers", {"where": {"id": "{romans}"}, "limit": 100}),
    *(
        ("getRemovedListMembers", {"where": {"id": "{half}", "flag": flag}, "limit": 100})
        for flag in ("unsubscribed", "hardbounced", "removed")
    ),
    ("getActiveLists", {"where": {}}),
    ("getListMemberships", {"emailAddress": "{address}"}),
    ("getLeadListMemberships", {"memberIDs": ["{known}"]}),
    ("getRelatedLeadsByEmail", {"where": {"emailAddress": "{address}"}}),
    ("getDeletedLeads", {"limit": 100}),
    ("getLeadChanges", {"limit": 100}),
    ("getLeadChanges", {"limit": 100, "cursor": "now"}),
    ("getContactNotes", {"id": "{known}"}),
    ("getContactsNotes", {"where": {}, "limit": 100}),
    ("getOpportunities", {"where": {}, "limit": 100}),
    ("getOpportunityLeads", {"where": {"leadID": "{known}"}}),
    ("getAccounts", {"where": {"ownerID": "{user}"}, "limit": 100}),
    ("getTasks", {"where": {"status": "open"}, "limit": 100}),
    ("searchLeads", {"filter": {"lastName": "{last name}"}}),
    ("searchLeads", {"filter": {"{city field}": "Rome"}, "limit": 100}),
    ("searchLeads", {"text": "{address}"}),
    ("updateLeads", {"objects": [{"id": "{known}", "title": "{run}"}]}),
    ("upsertLeads", {"objects": [{"emailAddress": "{address}", "title": "{run}"}]}),
    ("addListMembers", {"objects": [{"listID": "{half}", "memberID": "{known}"}]}),
    ("removeListMembers", {"objects": [{"listID": "{half}", "memberID": "{known}"}]}),
)
"""Calls about few rows of a large company; the placeholders are those of Population."""

LAST = ("Score", "Scoring", "List")
"""Methods with these words start work on a whole company. They come last, so that no other call meets that work."""


SUBSCRIBING = frozenset({"subscribeToLeadUpdates", "createLeadSubscriptions"})


class Probe(NamedTuple):
    """A call that can be repeated: `method` with `params`, after the calls of `given`."""

    method: str
    params: dict[str, Any]
    given: tuple[Example, ...] = ()

    @property
    def title(self) -> str:
        """The call as the table shows it."""
        params = re.sub(r'[{}"\']', "", ", ".join(f"{name}: {value}" for name, value in self.params.items()))
        return f"{self.method} {params}"[:70]

    def prepare(self, population: Population, run: int) -> dict[str, Any]:
        """Makes the calls that this one starts from. Returns its parameters, which no other run has."""
        company = population.company
        if SUBSCRIBING & {self.method, *(example.method for example in self.given)}:  # a company can have ten
            for subscription in company.call("getLeadSubscriptions"):
                company.call("deleteLeadSubscriptions", objects=[subscription["id"]])
        made = population.ids | {"{userProfile}": population.user, "{run}": f"Run {run}"}
        for example in self.given:
            result = company.call(example.method, **with_ids(_fresh(example.params, run), made))
            noun = noun_name(REGISTRY[example.method])
            for outcome in result:
                if outcome.get("id"):
                    made[f"{{other {noun}}}"] = made.get(f"{{{noun}}}", 1)
                    made[f"{{{noun}}}"] = outcome["id"]
            if f"{{{noun}}}" in made:  # a company may have few objects of a noun: the last one serves further runs
                made["{id}"] = population.ids[f"{{{noun}}}"] = made[f"{{{noun}}}"]
        return with_ids(_names_filled(_fresh(self.params, run), made), made)

    @property
    def writes(self) -> bool:
        """Whether the call changes something, so that each run must be prepared."""
        return isinstance(REGISTRY[self.method].result, Writes)

    def milliseconds(self, company: Company, params: dict[str, Any]) -> float:
        """The time of a call, which may not be refused."""
        started = time.perf_counter()
        answer = company.envelope(self.method, params)
        spent = (time.perf_counter() - started) * 1000
        assert answer["result"] is not None or answer["error"]["code"] == NOTHING_CHANGED, (self.title, answer)
        return spent


def _fresh(value: Any, run: int) -> Any:
    """A value with names and addresses that no other run has."""
    if isinstance(value, dict):
        return {
            name: f"{item} {run}" if isinstance(item, str) and NAME.fullmatch(name) else _fresh(item, run)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_fresh(item, run) for item in value]
    return HOST.sub(rf"\g<0>{run}.", value) if isinstance(value, str) else value


def _names_filled(value: Any, made: dict[str, Any]) -> Any:
    """A value whose keys have no placeholders any more."""
    if isinstance(value, dict):
        return {made.get(name, name): _names_filled(item, made) for name, item in value.items()}
    return value


def probes() -> list[Probe]:
    """All calls, those that start work on a whole company last."""
    return sorted([*_examples(), *(Probe(*call) for call in LARGE)], key=lambda probe: _is_last(probe.method))


def _is_last(method: str) -> bool:
    return REGISTRY[method].name.startswith(("create", "update", "delete")) and any(word in method for word in LAST)


def _examples() -> Iterator[Probe]:
    for method in REGISTRY.values():
        for example in method.examples:
            yield Probe(method.name, dict(example.params), example.given)


def until_idle(company: Company) -> None:
    """Waits until no background work is left in the database of a company."""
    while True:
        (row,) = sql(
            company.dsn,
            """
            select exists (select from pass where due_at <= now()) or exists (
                select from scoring where is_active and (ended_at is null or ended_at < started_at)
            ) as busy
            """,
        )
        if not row["busy"]:
            return
        pause(0.2)
