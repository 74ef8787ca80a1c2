"""Measures the server at 1,000, 100,000 and 1,000,000 leads, and prints tables of ratios."""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench import events, fairness, feed, neighbours, people, pushes, search, wide
from bench.measure import Pair, Run, median, paired
from bench.neighbours import Neighbours
from bench.rig import Rig, encode, machine
from bench.search import Searches
from springhead.model.kit.columns import Column, text
from springhead.model.kit.fields import CUSTOM_FIELDS_MAX
from springhead.model.leads.leads import LEAD, email_key
from springhead.store.companies import companies
from springhead.store.database.pool import Database
from springhead.store.nouns.reads import Select
from springhead.store.nouns.table import table
from springhead.store.nouns.where import WhereClause
from springhead.wire.api.rate_limits import CallLimits

console = Console()
SIZES = (1_000, 100_000, 1_000_000)
RATIO_AT_LEAST = {
    "createLeads, 500": 0.60,
    "updateLeads, 500": 0.60,
    "getLeads, page of 500": 0.50,
    "getLead by id": 0.35,
    "getLeads by email": 0.35,
}
"""The server's speed as a part of the bare driver's speed."""

GROWTH_AT_MOST = 1.3
"""Time at the largest size, divided by the time at the smallest."""

DEEP_PAGE_AT_MOST = 1.5
"""Time of the last page, divided by the time of the first."""

STARTS_AT_MOST = {"first": 3.0, "later": 1.5}
"""Seconds from the command to the first answer, on a new data folder and on the same folder again."""

RESIDENT_MB_AT_MOST = 200
MILLISECONDS_AT_MOST = {"500 created": 25.0, "one by email": 0.8, "a page of 500": 8.0}
_JSON = msgspec.json.Encoder()
_COLUMNS = ", ".join(f"l.{column.sql}" for column in LEAD.columns if column.read is None)


class Bench:
    """A run of the benchmark on the first company of a server."""

    def __init__(self, rig: Rig, bare: asyncpg.Connection, custom: list[str], *, runs: int) -> None:
        self.rig, self.bare, self.custom, self.runs = rig, bare, custom, runs
        self.filled = 0
        self.next_number = 10_000_000  # of the next new lead
        self.last_id = 0

    async def fill(self, size: int, progress: Progress) -> None:
        """Adds leads until there are `size`, with the server's own statement, in batches of 5,000."""
        task = progress.add_task(f"fill {size:,} leads", total=size - self.filled)
        for numbers in people.batches(self.filled, size - self.filled, 5_000):
            await self.bare.fetch(*self.insert_arguments([people.lead(number, self.custom) for number in numbers]))
            progress.advance(task, len(numbers))
        self.filled = size
        # Makes the leads as old as an earlier import, which is not written any more.
        await self.bare.execute("update lead set create_timestamp = now() - interval '1 day' where company_id = 1")
        await self.rig.vacuum("lead")
        self.last_id = await self.bare.fetchval("select max(id) from lead where company_id = 1")

    def insert_arguments(self, batch: list[dict[str, Any]]) -> tuple[Any, ...]:
        """Returns the server's insert statement and its arguments, for the bare driver."""
        standard = [{name: value for name, value in lead.items() if name not in self.custom} for lead in batch]
        customs = [{name: lead[name] for name in self.custom} for lead in batch]
        keys = [email_key(lead["emailAddress"]) for lead in batch]
        return (table(LEAD).insertion, 1, json.dumps(standard), json.dumps(customs), [], self.version, "UTC", keys)

    @property
    def version(self) -> int:
        """The version of the fields: one call created two custom fields."""
        return 1

    def new_leads(self) -> list[dict[str, Any]]:
        """Returns 500 leads that do not exist yet."""
        self.next_number += 500
        return [people.lead(number, self.custom) for number in range(self.next_number, self.next_number + 500)]

    def create(self, _number: int) -> Run:
        """Creates 500 leads with the API."""
        return partial(self.rig.client.post, encode("createLeads", objects=self.new_leads()))

    def bare_create(self, _number: int) -> Run:
        """Inserts 500 leads with one statement."""
        return partial(self.bare.fetch, *self.insert_arguments(self.new_leads()))

    def changed_leads(self, number: int) -> list[dict[str, Any]]:
        """Returns 500 existing leads with changed texts."""
        begin = random.Random(number).randrange(max(1, self.filled - 500))
        mark = f" v{number}.{time.monotonic_ns()}"
        return [people.lead(lead, self.custom, mark=mark) for lead in range(begin, begin + 500)]

    def update(self, number: int) -> Run:
        """Updates 500 leads with the API, by email address."""
        return partial(self.rig.client.post, encode("updateLeads", objects=self.changed_leads(number)))

    def bare_update(self, number: int) -> Run:
        """Updates 500 leads with one statement."""
        batch = self.changed_leads(number)
        _, *arguments = self.insert_arguments(batch)
        arguments[3] = [0] * len(batch)
        return partial(self.bare.fetch, table(LEAD).update_waiting, *arguments)

    def page(self, offset: int) -> Callable[[int], Run]:
        """Reads a page of 500 leads with all fields, with the API."""
        body = encode("getLeads", where={}, limit=500, offset=offset)
        return lambda _number: partial(self.rig.client.post, body)

    def bare_page(self, _number: int) -> Run:
        """Reads the same rows with the bare driver, and encodes them as JSON."""

        async def run() -> bytes:
            rows = await self.bare.fetch(
                f"select {_COLUMNS}, l.custom from lead l where l.company_id = $1 and l.active order by l.id limit 500",
                1,
            )
            return _JSON.encode([dict(row) for row in rows])

        return run

    def one_lead(self, key: str, values: list[Any]) -> tuple[Callable[[int], Run], Callable[[int], Run]]:
        """Reads a lead with the API, and with the server's own statement on the bare driver."""
        where = WhereClause(LEAD, {key: values[0]}, first=6)
        select = Select(LEAD, None, [Column(name=name, kind=text(255)) for name in self.custom])
        query = (
            f"select {select.list} from lead l where {select.guard} and {where.condition}"
            f" order by {where.order} limit $4 offset $5"
        )

        def ours(number: int) -> Run:
            value = values[number % len(values)]
            body = encode("getLead", id=value) if key == "id" else encode("getLeads", where={key: value})
            return partial(self.rig.client.post, body)

        def bare(number: int) -> Run:
            return partial(self.bare.fetch, query, 1, "UTC", self.version, 500, 0, values[number % len(values)])

        return ours, bare

    async def at_size(self, progress: Progress) -> dict[str, Pair]:
        """Measures every operation at the current number of leads."""
        self.rig.client.reconnect()
        rows = await self.bare.fetch("select id, email_key from lead where company_id = 1 order by random() limit 500")
        operations = {
            "getLead by id": self.one_lead("id", [row["id"] for row in rows]),
            "getLeads by email": self.one_lead("emailAddress", [row["email_key"] for row in rows]),
            "getLeads, page of 500": (self.page(0), self.bare_page),
            "updateLeads, 500": (self.update, self.bare_update),
            "createLeads, 500": (self.create, self.bare_create),
        }
        task = progress.add_task(f"measure at {self.filled:,}", total=len(operations) + 1)
        pairs: dict[str, Pair] = {}
        for name, (ours, bare) in operations.items():
            pairs[name] = await paired(ours, bare, runs=self.runs, block=50 if " by " in name else 1)
            progress.advance(task)
        await self.bare.execute("delete from lead where company_id = 1 and id > $1", self.last_id)
        await self.rig.vacuum("lead")
        pairs["deep page"] = await paired(self.page(self.filled - 500), self.page(0), runs=self.runs)
        progress.advance(task)
        return pairs

    async def scale(self) -> dict[str, float]:
        """Returns the milliseconds of three operations with 10 text fields, measured as other systems were measured."""
        names = ["emailAddress", *(column.name for column in people.TEXTS[:9])]

        def create(_number: int) -> Run:
            batch = [{name: lead[name] for name in names} for lead in self.new_leads()]
            return partial(self.rig.client.post, encode("createLeads", objects=batch))

        address = await self.bare.fetchval("select email_key from lead where company_id = 1 order by id desc limit 1")
        one_lead = partial(self.rig.client.post, encode("getLeads", where={"emailAddress": address}, fields=names))
        page = partial(self.rig.client.post, encode("getLeads", where={}, fields=names))
        times = (
            await median(create, runs=self.runs),
            await median(lambda _number: one_lead, runs=self.runs, block=50),
            await median(lambda _number: page, runs=self.runs),
        )
        await self.bare.execute("delete from lead where company_id = 1 and id > $1", self.last_id)
        return dict(zip(MILLISECONDS_AT_MOST, times, strict=True))

    async def limits(self) -> float:
        """Returns the microseconds that the check of the rate limits takes, including its use of the database."""
        database = Database(pool_size=2)
        await database.open(self.rig.dsn)
        limits = CallLimits(database, alone=True)
        async with database.everyone() as tx:
            (company, *_) = await companies.companies(tx)
        company = msgspec.structs.replace(company, per_second=1_000_000, per_day=50_000)
        start_time = time.perf_counter()
        for _ in range(20_000):
            await limits.spend(company)
        seconds = time.perf_counter() - start_time
        await limits.close()
        await database.close()
        return seconds / 20_000 * 1e6

    def streamed(self) -> tuple[int, int, int]:
        """Returns the resident MB before and after an answer of 100,000 leads, and its size in bytes."""
        before = self.rig.resident()
        years = {"startDate": "2000-01-01", "endDate": "2999-01-01", "timestamp": "create"}
        size = self.rig.client.post(encode("getLeadsDateRange", **years, limit=100_000))
        return before, self.rig.resident(), int(size) if size.isdigit() else len(size)


def with_limit(value: float, limit: float, *, least: bool) -> str:
    """Returns a figure with its limit: green if the figure is within the limit, else red."""
    good = value >= limit if least else value <= limit
    return f"[{'green' if good else 'red'}]{value:.2f}[/] ({'≥' if least else '≤'} {limit:g})"


def report(sizes: dict[int, dict[str, Pair]]) -> None:
    """Prints the table of operations: milliseconds of the server and of the bare driver, and their ratio."""
    figures = Table(title="Springhead over HTTP against asyncpg with the bare statement, medians of paired runs")
    figures.add_column("work")
    for size in sizes:
        figures.add_column(f"{size:,} leads\nours / bare ms, ratio", justify="right")
    largest, smallest = max(sizes), min(sizes)
    figures.add_column(f"time at {largest:,}\nto {smallest:,}", justify="right")
    for name, limit in RATIO_AT_LEAST.items():
        cells = [
            f"{pair.ours:.2f} / {pair.bare:.2f}  {with_limit(pair.ratio, limit, least=True)}"
            for pair in (pairs[name] for pairs in sizes.values())
        ]
        growth = sizes[largest][name].ours / sizes[smallest][name].ours
        figures.add_row(name, *cells, with_limit(growth, GROWTH_AT_MOST, least=False))
    deep = [
        f"{pair.ours:.2f} / {pair.bare:.2f}  {with_limit(pair.ours / pair.bare, DEEP_PAGE_AT_MOST, least=False)}"
        for pair in (pairs["deep page"] for pairs in sizes.values())
    ]
    figures.add_row("last page to first page", *deep, "")
    console.print(figures)


def report_neighbours(size: int, pairs: dict[str, Pair]) -> None:
    """Prints the table of lists, accounts and opportunities."""
    figures = Table(title=f"Around {size:,} leads, with a list of nearly all of them")
    figures.add_column("work")
    figures.add_column("ours / bare ms, ratio", justify="right")
    for name, pair in pairs.items():
        deep = name == neighbours.DEEP_PAGE
        ratio = (
            with_limit(pair.ours / pair.bare, DEEP_PAGE_AT_MOST, least=False)
            if deep
            else with_limit(pair.ratio, neighbours.RATIO_AT_LEAST[name], least=True)
        )
        figures.add_row(name, f"{pair.ours:.2f} / {pair.bare:.2f}  {ratio}")
    console.print(figures)


def report_searches(size: int, pairs: dict[str, Pair]) -> None:
    """Prints the table of searches."""
    figures = Table(title=f"searchLeads among {size:,} leads")
    figures.add_column("search")
    figures.add_column("ours / bare ms, ratio", justify="right")
    for name, pair in pairs.items():
        ratio = f"{pair.ours / pair.bare:.2f} times"
        if name == search.DEEP_PAGE:
            ratio = with_limit(pair.ours / pair.bare, DEEP_PAGE_AT_MOST, least=False)
        elif name in search.RATIO_AT_LEAST:
            ratio = with_limit(pair.ratio, search.RATIO_AT_LEAST[name], least=True)
        figures.add_row(name, f"{pair.ours:.2f} / {pair.bare:.2f}  {ratio}")
    console.print(figures)


def report_views(views: events.PageViews) -> None:
    """Prints the page views per second, and how many of the acknowledged views were stored."""
    console.print(
        f"page views: {with_limit(views.rate, events.VIEWS_AT_LEAST, least=True)} a second over HTTP, "
        f"{views.bare_rate:,.0f} with the bare statement; {views.acknowledged:,} acknowledged, {views.stored:,} stored"
    )


def report_timelines(pairs: dict[int, Pair]) -> None:
    """Prints the time of the first page of a timeline, among few and among many events."""
    (few, small), (many, large) = pairs.items()
    console.print(
        f"getLeadTimeline, first page: {small.ours:.2f} / {small.bare:.2f} ms among {few:,} events, "
        f"{large.ours:.2f} / {large.bare:.2f} ms among {many:,}: "
        f"{with_limit(large.ours / small.ours, events.GROWTH_AT_MOST, least=False)} times"
    )


def report_feed(figures: feed.Figures) -> None:
    """Prints the times of the first and the last page of the change feed, and of a call that waits for a change."""
    deep = with_limit(figures.deep.ours / figures.deep.bare, feed.DEEP_PAGE_AT_MOST, least=False)
    console.print(
        f"getLeadChanges, 500 of {figures.changes:,} changes: {figures.page.ours:.2f} ms, {figures.page.bare:.2f} "
        f"the bare statement; the last page {deep} times the first; a waiting call is answered {figures.waited:.1f} ms "
        f"after the update in the median, {figures.waited_longest:.1f} at most"
    )


def report_pushes(figures: pushes.Figures) -> None:
    """Prints the delay and the rate of pushes, and how much receivers that hang delay the others."""
    idle, sustained, normal, beside_hanging = figures.idle, figures.sustained, figures.normal, figures.beside_hanging
    console.print(
        f"pushes, from the acknowledged update to the receiver: "
        f"{with_limit(idle.median, pushes.MEDIAN_MS_AT_MOST, least=False)} ms in the median, "
        f"{with_limit(idle.p99, pushes.P99_MS_AT_MOST, least=False)} ms p99"
    )
    console.print(
        f"pushes to one receiver: {sustained.written:,.0f} changed leads a second written and pushed, the last "
        f"{sustained.lag * 1000:.0f} ms after its call; "
        f"{with_limit(sustained.drained, pushes.LEADS_AT_LEAST, least=True)} a second when they had waited"
    )
    console.print(
        f"pushes to 500 receivers: median {normal.median:.1f} ms, p99 {normal.p99:.1f} ms; while "
        f"{figures.hanging} more hang {beside_hanging.median:.1f} and {beside_hanging.p99:.1f} ms, "
        f"{with_limit(beside_hanging.median / normal.median, pushes.SLOWDOWN_AT_MOST, least=False)} and "
        f"{with_limit(beside_hanging.p99 / normal.p99, pushes.SLOWDOWN_AT_MOST, least=False)} times"
    )


def report_wide(pair: Pair) -> None:
    """Prints the time of a page of leads with all custom fields, and the time that `json.dumps` takes for it."""
    ratio = with_limit(pair.ours / pair.bare, wide.RATIO_AT_MOST, least=False)
    leads = f"{wide.LEADS} leads of {CUSTOM_FIELDS_MAX} custom fields"
    console.print(f"getLeads, {leads}: {pair.ours:.0f} ms, {ratio} times json.dumps of the answer")


def report_fairness(figures: fairness.Figures) -> None:
    """Prints the time of a company's getLead alone, and beside a company that costs the server as much as it can."""
    alone, beside = figures.alone, figures.beside
    console.print(
        f"getLead of a company alone: {alone.p95:.1f} ms p95, {alone.p99:.1f} ms p99; beside a hostile company: "
        f"{with_limit(beside.p95, fairness.P95_MS_AT_MOST, least=False)} ms p95, "
        f"{with_limit(beside.p99, fairness.P99_MS_AT_MOST, least=False)} ms p99, {beside.failed} failed"
    )
    console.print(f"answers to the hostile company by code: {figures.hostile}")


async def run(data: Path, sizes: list[int], runs: int, most_events: int) -> None:
    """Runs the whole benchmark."""
    for name, seconds in starts(data.parent / "starts").items():
        console.print(f"{name} start: {with_limit(seconds, STARTS_AT_MOST[name], least=False)} s")
    rig = Rig(data)
    try:
        fields = [{"relationship": "lead", "dataType": "string", "label": name} for name in ("Shoe size", "Hat size")]
        rig.client.call("createFields", objects=fields)
        custom = sorted(field["systemName"] for field in rig.client.call("getFields", where={"isCustom": 1}))
        bench = Bench(rig, await rig.connect(), custom, runs=runs)
        pairs: dict[int, dict[str, Pair]] = {}
        bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*bars, console=console) as progress:
            for size in sizes:
                await bench.fill(size, progress)
                pairs[size] = await bench.at_size(progress)
        report(pairs)
        neighbours_bench = Neighbours(rig, bench.bare, version=bench.version, runs=runs)
        with Progress(*bars, console=console) as progress:
            await bench.fill(max(bench.filled, neighbours_bench.leads), progress)
            task = progress.add_task("a list of nearly all leads", total=2)
            await neighbours_bench.fill()
            progress.advance(task)
            near = await neighbours_bench.measure()
            progress.advance(task)
        report_neighbours(bench.filled, near)
        report_searches(bench.filled, await Searches(rig, bench.bare, runs=runs).measure())
        report_views(await events.page_views(rig, bench.bare))
        with Progress(*bars, console=console) as progress:
            task = progress.add_task(f"{most_events:,} events", total=1)
            lines = await events.timelines(rig, bench.bare, most_events, runs=runs)
            progress.advance(task)
        report_timelines(lines)
        report_feed(await feed.measure(rig, bench.bare, runs=runs))
        for name, milliseconds in (await bench.scale()).items():
            figure = with_limit(milliseconds, MILLISECONDS_AT_MOST[name], least=False)
            console.print(f"{name} (10 text fields, one connection): {figure} ms")
        cost = await bench.limits()
        share = cost / 1000 / pairs[max(pairs)]["getLead by id"].ours * 100
        console.print(
            f"the check of the call limits: {cost:.1f} us, {with_limit(share, 5, least=False)} % of a getLead"
        )
        before, after, size = bench.streamed()
        console.print(f"getLeadsDateRange, limit 100,000: {size / 1e6:.0f} MB sent; memory {before} → {after} MB")
        console.print(f"resident memory at the end: {with_limit(rig.resident(), RESIDENT_MB_AT_MOST, least=False)} MB")
        console.print(f"Taken on {machine()}.")
        await bench.bare.close()
    finally:
        rig.stop()
    report_fairness(await asyncio.to_thread(fairness.measure, data.parent / "fairness"))
    report_wide(await wide.measure(data.parent / "wide", runs=runs))
    report_pushes(await asyncio.to_thread(pushes.measure, data.parent / "pushes"))


def starts(data: Path) -> dict[str, float]:
    """Returns the seconds from the command to its ready line: on a new data folder, and on the same folder again."""
    seconds: dict[str, float] = {}
    for name in STARTS_AT_MOST:
        start_time = time.perf_counter()
        rig = Rig(data)
        seconds[name] = time.perf_counter() - start_time
        rig.stop()
    return seconds


def main() -> None:
    """Reads the arguments and runs the benchmark."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--leads", type=int, default=max(SIZES), help="number of leads at the largest size (default: 1,000,000)"
    )
    parser.add_argument("--runs", type=int, default=30, help="paired runs of each operation (default: 30)")
    parser.add_argument(
        "--events", type=int, default=5_000_000, help="number of events for timelines (default: 5,000,000)"
    )
    arguments = parser.parse_args()
    sizes = [size for size in SIZES if size < arguments.leads] + [arguments.leads]
    with tempfile.TemporaryDirectory(prefix="springhead-bench-") as folder:
        uvloop.run(run(Path(folder) / "data", sizes, arguments.runs, arguments.events))


if __name__ == "__main__":
    main()
