"""Calls read no more rows of a large company than of a small one.

Also without current statistics: of a company that is new, or has grown since the last ANALYZE.
"""

import random
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from busy_company import BusyCompany, let_time_pass, submit, visit, work_beside_the_calls
from growth.population import Population
from growth.probes import probes
from plans import Planner, Reading
from springhead.rpc.context import Context
from stopwatch import within
from store.direct_calls import OF_A_COMPANY, OF_ALL_COMPANIES, people, pushes_of
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


PEOPLE = 4_000
"""Leads of the company, each with an account, an opportunity, a note and a task."""

NEIGHBOURS = 100
ROWS_MOST = 1_100
"""The most rows of a table that a statement may read: a page of 500, once for the ids and once for the rows."""

WHOLE_COMPANY: Mapping[str, str] = {
    "store/leads/selections.py _rows": "no index has words or parts of texts",
    "store/leads/duplicates.py next_groups": "5,000 keys at a time, to find those that leads share",
    "store/fields/unique_values.py find_shared_values": "a field becomes unique: all values are compared",
    "store/fields/unique_values.py _fill_step": "a background job",
    "store/leads/opt_outs.py _step": "a background job",
    "store/scores/scoring.py _step": "a background job",
    "store/scores/scoring.py _events": "2,000 new events at a time",
    "store/scores/scorecards.py score": "events of the leads of a step of a background job",
    "store/lists/filtered_lists.py _find_moves": "leads of a step of a background job",
    "store/lists/filtered_lists.py _fill_step": "a background job",
    "store/lists/filtered_lists.py _sweep_step": "a background job",
}
"""Statements that may read more, with the reason."""

GLOBAL_TABLES = (
    "store/companies/companies.py",
    "store/companies/bootstrap.py",
    "store/companies/call_counts.py",
    "store/database/pool.py",
)
"""Files whose statements read companies, keys and counts of calls by their keys. They read no company's data."""

NOT_EXPLAINED: Mapping[str, str] = {
    "store/fields/unique_values.py _wait_for_writers": "sleeps while another transaction is open",
    "store/lifecycle/merging.py _step": "the statement of `merge` that moves events",
    "store/scores/scoring.py explain": "reads one lead by its id, if no rule is active",
    "store/feed/pushes.py is_home": "reads one row of the database",
    "store/feed/pushes.py is_copy": "reads one row of the database",
    "store/feed/pushes.py move_home": "writes one row of the database",
    "store/feed/pushes.py release_all": "runs once, when a server starts",
    "store/capture/sites.py create": "runs once for each company",
}
"""Statements that are not run here, with the reason."""


class Explained:
    """A company that was filled by calls, with neighbours, and the statements of everything that can happen to it."""

    def __init__(self, server: Server, neighbours: int) -> None:
        self.server = server
        for neighbour in new_companies(server, neighbours):
            neighbour.create(*[{"title": "A"}] * 50)
            neighbour.close()
        (self.company,) = new_companies(server, 1)
        self.population = Population(self.company)
        self.population.grow(PEOPLE)
        self.planner = Planner(server)
        self._runs = 0

    def readings(self) -> list[Reading]:
        """What all statements read, each planned with its values and generic."""
        filled, inside = self.population.company, self.planner.inside(self.company)
        self.population.company = inside
        for probe in probes():
            self._runs += 1
            params = probe.prepare(self.population, self._runs)
            self.company.close()  # the server may have closed the idle connection
            # A test push needs the worker of a server.
            by = self.company if probe.method == "testLeadSubscriptions" else inside
            probe.milliseconds(by, params)
        for subscription in inside.call("getLeadSubscriptions"):
            inside.call("deleteLeadSubscriptions", objects=[subscription["id"]])
        self._be_busy(inside)
        self.population.company = filled
        return self.planner.readings()

    def _be_busy(self, inside: Company) -> None:
        """Makes every kind of write, and does the work beside the calls."""
        busy, company = BusyCompany(inside), self.company
        self.planner.run(company, visit)
        busy.recognize()
        self.planner.run(company, visit)
        for address in (new_email(), str(busy.company.lead(busy.leads[0])["emailAddress"])):
            self.planner.run(company, lambda context, address=address: submit(context, busy.forms[0], address))
        self.planner.run(company, lambda context: self._direct(context, busy))
        for happen in (
            busy.update_everything, busy.move_members, busy.convert, busy.merge_and_restore, busy.delete_everything
        ):  # fmt: skip
            happen()
            let_time_pass(company)
            self.planner.run(company, work_beside_the_calls)

    async def _direct(self, context: Context, busy: BusyCompany) -> None:
        made = {
            "lead": self.population.ids["{known}"],
            "address": self.population.ids["{address}"],
            "deleted": self.population.leads[7],
            "campaign": busy.campaigns[0],
            "list": busy.lists[0],
            "form": busy.forms[0],
        }
        async with context.tx() as tx, tx.atomic():
            for call in OF_A_COMPANY:
                await call(tx, context.company.id, made)
            await pushes_of(tx, context.company.id, busy.subscriptions[0])
            await people(tx, context.server.database, context.company)
        async with context.server.database.everyone() as tx:
            for scan in OF_ALL_COMPANIES:
                await scan(tx)

    def unsent(self) -> list[str]:
        """The statements of the store that were not explained, but for those with a reason."""
        places = [f"{site.file} {site.function}" for site in self.planner.unsent() if site.file not in GLOBAL_TABLES]
        return sorted(set(places) - NOT_EXPLAINED.keys())

    def close(self) -> None:
        """Closes all connections."""
        self.company.close()
        self.planner.close()


def excessive(readings: list[Reading]) -> list[str]:
    """The readings of more rows than a statement may read."""
    return [
        str(reading)
        for reading in readings
        if reading.rows > ROWS_MOST and f"{reading.site.file} {reading.site.function}" not in WHOLE_COMPANY
    ]


@pytest.fixture(params=[0, NEIGHBOURS], ids=["alone", "beside a hundred others"])
def explained(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Explained]:
    """A large company, alone in its database or with neighbours, of which PostgreSQL has no statistics yet."""
    server = Server.on_copy(tmp_path / "data", "--no-limits")
    sql(superuser(server.dsn), "alter system set autovacuum = off")
    sql(superuser(server.dsn), "select pg_reload_conf()")
    made = Explained(server, request.param)
    yield made
    made.close()
    assert server.stop() == 0


def test_no_statement_about_few_rows_reads_a_whole_company(explained: Explained) -> None:
    """Neither of a company that has just been filled, nor after the first ANALYZE."""
    assert excessive(explained.readings()) == []
    assert explained.unsent() == []

    sql(superuser(explained.server.dsn), "analyze")

    assert excessive(explained.readings()) == []
