"""Calls read no more rows of a large company than of a small one.

Also without current statistics: of a company that is new, or has grown since the last ANALYZE.
"""

import random
from collections.abc import Callable, Generator
from typing import Any

import pytest

from examples import Made, with_ids
from plans import Planner
from stopwatch import within
from support import Company, Server, new_companies, new_email, sql, superuser

LEADS = 20_000
FILL = """
    insert into lead (company_id, email_key, email_address, lead_score, lead_score_weighted,
        active, lead_status, create_timestamp, update_timestamp)
    select $1, g || '@fill.example', g || '@fill.example', 0, 0, true, 'open', now(), now()
    from generate_series(1, $2) as g
    returning id
"""


def test_no_statistics_of_company_ids_can_be_out_of_date(company: Company) -> None:
    tables = sql(
        company.dsn,
        """
        select a.attrelid::regclass::text as name, a.attstattarget as target
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        where a.attname = 'company_id' and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
        """,
    )

    assert {"lead", "account", "list_member", "event"} <= {table["name"] for table in tables}
    assert {table["name"] for table in tables if table["target"] != 0} == set()


@pytest.fixture
def grown(given_company: Callable[..., Company]) -> tuple[Company, list[int]]:
    """A company that got many leads since the last ANALYZE, and their ids."""
    for _ in range(5):
        given_company().create(*[{}] * 20)
    company = given_company()
    sql(superuser(company.dsn), "analyze lead")
    rows = sql(company.dsn, FILL, company.id, LEADS, company_id=company.id)
    return company, [row["id"] for row in rows]


def test_bulk_calls_for_a_company_that_has_just_grown_are_quick(grown: tuple[Company, list[int]]) -> None:
    company, ids = grown
    chosen = random.Random(1).sample(ids, 1_000)
    calls: dict[str, dict[str, Any]] = {
        "updateLeads": {"objects": [{"id": lead_id, "title": "CEO"} for lead_id in chosen[:500]]},
        "updateLeadsV2": {
            "objects": [{"emailAddress": f"{number}@fill.example", "title": "CTO"} for number in range(1, 501)]
        },
        "createLeads": {"objects": [{"emailAddress": new_email()} for _ in range(500)]},
        "deleteLeads": {"objects": chosen[500:]},
        "getLeads": {"where": {"id": chosen[:500]}},
    }

    for method, params in calls.items():
        with within(2.5):  # row by row it took more than ten seconds
            answer = company.envelope(method, params)
        assert len(next(iter(answer["result"].values()))) == 500


PEOPLE = 3_000
ROWS_MOST = 600
"""The most rows of a table that a call of CALLS may read; the company has five times as many leads."""

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "the timeline of a lead": ("getLeadTimeline", {"where": {"whoID": "{lead}"}}),
    "the newer timeline of a lead": (
        "getLeadTimeline",
        {"where": {"whoID": "{lead}", "createTimestamp": "2020-01-01 00:00:00"}},
    ),
    "the events of a lead": ("getEvents", {"where": {"leadID": "{lead}"}}),
    "the events of a lead by source": (
        "getEventsByType",
        {"leadID": "{lead}", "eventSource": "leadCreation,leadUpdate"},
    ),
    "the new events of a rare source": (
        "getEventsByType",
        {"createTimestamp": "2020-01-01 00:00:00", "eventSource": "leadMerge,formSubmit"},
    ),
    "the first members of a long list": ("getListMembers", {"where": {"id": "{list}"}, "limit": 100}),
    "the unsubscribed members of a long list": (
        "getRemovedListMembers",
        {"where": {"id": "{list}", "flag": "unsubscribed"}, "limit": 100},
    ),
    "the bounced members of a long list": (
        "getRemovedListMembers",
        {"where": {"id": "{list}", "flag": "hardbounced"}, "limit": 100},
    ),
    "the events of a merged id": ("getEvents", {"where": {"leadID": "{merged}"}}),
}
"""Calls by what they return; `{lead}` and the like are replaced by ids."""


class Crowd:
    """A company that was filled by calls, and the ids in it by name."""

    def __init__(self, company: Company) -> None:
        self.company = company
        leads = [lead for _ in range(PEOPLE // 500) for lead in company.create(*[{"title": "A"}] * 500)]
        for start in range(0, PEOPLE, 500):
            company.call("updateLeads", objects=[self._changed(lead) for lead in leads[start : start + 500]])
        company.make("mergeLeads", {"id": leads[1], "mergeIDs": [leads[2]]})
        (listed,) = company.make("createList", {"name": "Half"})
        for start in range(0, PEOPLE // 2, 500):
            company.call(
                "addListMembers", objects=[{"listID": listed, "memberID": lead} for lead in leads[start : start + 500]]
            )
        self.ids: Made = {"{lead}": leads[PEOPLE // 2], "{merged}": leads[2], "{list}": listed}

    @staticmethod
    def _changed(lead: int) -> dict[str, Any]:
        """A change of the lead; every tenth lead unsubscribes."""
        return {"id": lead, "title": "B", "isUnsubscribed": int(lead // 1024 % 10 == 0)}

    def with_ids(self, params: Any) -> Any:
        """The parameters with the ids of this company."""
        return with_ids(params, self.ids)


@pytest.fixture(scope="module")
def crowd(server: Server) -> Generator[Crowd]:
    (company,) = new_companies(server, 1)
    yield Crowd(company)
    company.close()


@pytest.fixture(scope="module")
def planner(server: Server) -> Generator[Planner]:
    planner = Planner(server)
    yield planner
    planner.close()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("analyzed", [False, True], ids=["grown since the last analyze", "analyzed"])
def test_a_call_about_few_rows_reads_few_rows(planner: Planner, crowd: Crowd, call: str, analyzed: bool) -> None:
    if analyzed:
        sql(superuser(crowd.company.dsn), "analyze")
    method, params = CALLS[call]

    readings = planner.call(crowd.company, method, crowd.with_ids(params))

    assert readings
    assert [str(reading) for reading in readings if reading.rows > ROWS_MOST] == []
