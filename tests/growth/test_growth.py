"""No call takes longer because its company, or its neighbours, have grown (make growth)."""

import json
import os
import statistics
from collections.abc import Generator
from pathlib import Path

import pytest

from growth.population import Population
from growth.probes import Probe, probes, until_idle
from support import Server, new_companies

SIZES = 2_000, 60_000
NEIGHBOURS = 2
"""Companies beside the measured one, of the same size."""

RUNS = 15
TRIES = 3
"""A call that seems to grow is measured again: other programs can slow one company down, but not three times."""

GROWTH_AT_MOST = 1.5
MILLISECONDS_MORE = 2.0
"""A call may take this much longer in the large company, or GROWTH_AT_MOST times as long."""

GROWING = {
    "searchLeads": "a search has no index for words and for parts of texts",
    "createActions": "selects leads by a filter, as searchLeads does",
    "getLeadCount": "counts all leads of the company",
    "getLeadTotals": "adds up the values of all leads of the company",
    "getFieldSpread": "reads the values of up to 100,000 leads",
    "findDuplicateLeads": "compares all leads of the company",
    "getDeletedLeads": "its page is full in the large company only",
    **dict.fromkeys(("createList", "updateList"), "fills a list from all leads, and waits for some of it"),
    **dict.fromkeys(
        ("createScoreRules", "updateScoreRules", "deleteScoreRules", "updateScoring"),
        "scores all leads, and waits for some of it",
    ),
}
"""Methods that may grow, with the reason."""


def _companies(server: Server, size: int) -> Population:
    """A company of that size, filled by calls, with neighbours that grow at the same time."""
    populations = [Population(company) for company in new_companies(server, 1 + NEIGHBOURS)]
    for reached in range(500, size + 500, 500):
        for population in populations:
            population.grow(min(reached, size))
    for population in populations[1:]:
        population.company.close()
    return populations[0]


@pytest.fixture(params=[40], ids=["small"])
def small(server: Server, request: pytest.FixtureRequest) -> Generator[Population]:
    population = _companies(server, request.param)
    yield population
    population.company.close()


def test_every_method_is_measured_and_every_measured_call_is_answered(small: Population) -> None:
    root = Path(__file__).parent.parent.parent
    listed = {method["name"] for method in json.loads((root / "openrpc.json").read_text())["methods"]}
    measured = probes()

    assert {probe.method for probe in measured} == listed
    for run, probe in enumerate(measured):
        probe.milliseconds(small.company, probe.prepare(small, run))


class _Row:
    """The times of a call in both companies, measured in turns."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.times: tuple[list[float], list[float]] = ([], [])

    def measure(self, sides: tuple[Population, Population], first_run: int) -> None:
        """Makes the call in both companies in turns. The first call of each is not counted: it connects."""
        for side in sides:
            side.company.close()
        prepared = [self.probe.prepare(side, first_run) for side in sides]
        for run in range(first_run, first_run + RUNS):
            for place, side in enumerate(sides):
                if self.probe.writes and run > first_run:
                    prepared[place] = self.probe.prepare(side, run)
                spent = self.probe.milliseconds(side.company, prepared[place])
                if run > first_run:
                    self.times[place].append(spent)

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(self.times[0]), statistics.median(self.times[1])

    @property
    def grows(self) -> bool:
        small, large = self.medians
        return large > GROWTH_AT_MOST * small and large > small + MILLISECONDS_MORE

    def __str__(self) -> str:
        small, large = self.medians
        mark = "" if not self.grows else "  may grow" if self.probe.method in GROWING else "  GROWS"
        return f"{self.probe.title:70} {small:9.1f} {large:9.1f} {large / small:6.2f}{mark}"


def _measured(probe: Probe, sides: tuple[Population, Population], first_run: int) -> _Row:
    """The times of a call. If it grows, the times of the last of TRIES measurements."""
    tries: list[_Row] = []
    while not tries or (len(tries) < TRIES and tries[-1].grows and probe.method not in GROWING):
        for side in sides:
            until_idle(side.company)
        tries.append(_Row(probe))
        tries[-1].measure(sides, first_run + len(tries) * RUNS)
    return tries[-1]


@pytest.mark.growth
@pytest.mark.timeout(0)
def test_no_call_grows_with_the_company(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("growth")
    sizes = tuple(int(size) for size in os.environ.get("SPRINGHEAD_TEST_GROWTH", "").split(",") if size) or SIZES
    servers = [Server.on_copy(folder / str(size), "--no-limits") for size in sizes]
    sides = _companies(servers[0], sizes[0]), _companies(servers[1], sizes[1])
    print(f"\n{'call':70} {sizes[0]:>9,} {sizes[1]:>9,}  grows")
    rows: list[_Row] = []
    for number, probe in enumerate(probes()):
        rows.append(_measured(probe, sides, (number + 1) * (TRIES + 1) * RUNS))
        print(rows[-1], flush=True)
    for side, server in zip(sides, servers, strict=True):
        side.company.close()
        assert server.stop() == 0

    assert [str(row) for row in rows if row.grows and row.probe.method not in GROWING] == []
