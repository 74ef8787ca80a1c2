"""Fill 1 thousand, 100 thousand and 1 million leads, measure at each size, print a table of ratios."""

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

from bench import events, feed, neighbours, people, pushes, search
from bench.measure import Pair, Run, median, paired
from bench.neighbours import Neighbours
from bench.rig import Rig, encode, machine
from bench.search import Searches
from springhead.model.kit.columns import Column, text
from springhead.model.leads.leads import LEAD, email_key
from springhead.store.companies import companies
from springhead.store.database.pool import Database
from springhead.store.nouns.reads import Select
from springhead.store.nouns.table import table
from springhead.store.nouns.where import Where
from springhead.wire.api.rate_limits import CallLimits

console = Console()
SIZES = (1_000, 100_000, 1_000_000)
LEAST = {"createLeads, 500": 0.60, "updateLeads, 500": 0.60, "getLeads, page of 500": 0.50, "getLead by id": 0.35,
         "getLeads by email": 0.35}  # fmt: skip
FLAT = 1.3
DEEP = 1.5
RESIDENT_MB = 200
SCALE = {"500 created": 25.0, "one by email": 0.8, "a page of 500": 8.0}
_JSON = msgspec.json.Encoder()
_COLUMNS = ", ".join(f"l.{column.sql}" for column in LEAD.columns if column.read is None)


class Bench:
    """One run: the rig, the bare connection, and what was found."""

    def __init__(self, rig: Rig, bare: asyncpg.Connection, custom: list[str], *, runs: int) -> None:
        self.rig, self.bare, self.custom, self.runs = rig, bare, custom, runs
        self.filled = 0
        self.next = 10_000_000
        self.top = 0

    async def fill(self, size: int, progress: Progress) -> None:
        """Fill up to `size` leads by SQL, with the server's own statement, in batches of 5,000."""
        task = progress.add_task(f"fill {size:,} leads", total=size - self.filled)
        for numbers in people.batches(self.filled, size - self.filled, 5_000):
            await self.bare.fetch(*self.insert_arguments([people.lead(number, self.custom) for number in numbers]))
            progress.advance(task, len(numbers))
        self.filled = size
        # As old as an imported stock is: nothing of it is still being written.
        await self.bare.execute("update lead set create_timestamp = now() - interval '1 day' where company_id = 1")
        await self.bare.execute("vacuum analyze lead")
        self.top = await self.bare.fetchval("select max(id) from lead where company_id = 1")

    def insert_arguments(self, batch: list[dict[str, Any]]) -> tuple[Any, ...]:
        """The server's insert with its arguments, ready for the bare driver."""
        standard = [{name: value for name, value in lead.items() if name not in self.custom} for lead in batch]
        customs = [{name: lead[name] for name in self.custom} for lead in batch]
        keys = [email_key(lead["emailAddress"]) for lead in batch]
        return (table(LEAD).insertion, 1, json.dumps(standard), json.dumps(customs), [], self.version, "UTC", keys)

    @property
    def version(self) -> int:
        """The field version: two custom fields were made in one call."""
        return 1

    def fresh(self) -> list[dict[str, Any]]:
        """500 leads that are not there yet."""
        self.next += 500
        return [people.lead(number, self.custom) for number in range(self.next, self.next + 500)]

    def create(self, _number: int) -> Run:
        """Create 500 by API."""
        return partial(self.rig.client.post, encode("createLeads", objects=self.fresh()))

    def bare_create(self, _number: int) -> Run:
        """Insert 500 by the one statement."""
        return partial(self.bare.fetch, *self.insert_arguments(self.fresh()))

    def some(self, number: int) -> list[dict[str, Any]]:
        """500 leads of the stock with a new title and city."""
        begin = random.Random(number).randrange(max(1, self.filled - 500))
        mark = f" v{number}.{time.monotonic_ns()}"
        return [people.lead(at, self.custom, mark=mark) for at in range(begin, begin + 500)]

    def update(self, number: int) -> Run:
        """Change 500 by API, found by their email."""
        return partial(self.rig.client.post, encode("updateLeads", objects=self.some(number)))

    def bare_update(self, number: int) -> Run:
        """Change 500 by the one statement."""
        batch = self.some(number)
        _, *arguments = self.insert_arguments(batch)
        arguments[3] = [0] * len(batch)
        return partial(self.bare.fetch, table(LEAD).update_waiting, *arguments)

    def page(self, offset: int) -> Callable[[int], Run]:
        """A page of 500 full leads by API."""
        body = encode("getLeads", where={}, limit=500, offset=offset)
        return lambda _number: partial(self.rig.client.post, body)

    def bare_page(self, _number: int) -> Run:
        """The same rows fetched bare, and encoded as JSON."""

        async def run() -> bytes:
            rows = await self.bare.fetch(
                f"select {_COLUMNS}, l.custom from lead l where l.company_id = $1 and l.active order by l.id limit 500",
                1,
            )
            return _JSON.encode([dict(row) for row in rows])

        return run

    def one(self, key: str, values: list[Any]) -> tuple[Callable[[int], Run], Callable[[int], Run]]:
        """One lead by API, and by the server's own statement on the bare driver."""
        where = Where(LEAD, {key: values[0]}, first=6)
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
        """Every kind of work at the present size."""
        self.rig.client.reconnect()
        rows = await self.bare.fetch("select id, email_key from lead where company_id = 1 order by random() limit 500")
        work = {
            "getLead by id": self.one("id", [row["id"] for row in rows]),
            "getLeads by email": self.one("emailAddress", [row["email_key"] for row in rows]),
            "getLeads, page of 500": (self.page(0), self.bare_page),
            "updateLeads, 500": (self.update, self.bare_update),
            "createLeads, 500": (self.create, self.bare_create),
        }
        task = progress.add_task(f"measure at {self.filled:,}", total=len(work) + 1)
        found: dict[str, Pair] = {}
        for name, (ours, bare) in work.items():
            found[name] = await paired(ours, bare, runs=self.runs, block=50 if " by " in name else 1)
            progress.advance(task)
        await self.bare.execute("delete from lead where company_id = 1 and id > $1", self.top)
        await self.bare.execute("vacuum analyze lead")
        found["deep page"] = await paired(self.page(self.filled - 500), self.page(0), runs=self.runs)
        progress.advance(task)
        return found

    async def scale(self) -> dict[str, float]:
        """Milliseconds of three works with 10 text fields over one connection, as other systems were measured."""
        names = ["emailAddress", *(column.name for column in people.TEXTS[:9])]

        def created(_number: int) -> Run:
            batch = [{name: lead[name] for name in names} for lead in self.fresh()]
            return partial(self.rig.client.post, encode("createLeads", objects=batch))

        address = await self.bare.fetchval("select email_key from lead where company_id = 1 order by id desc limit 1")
        one = partial(self.rig.client.post, encode("getLeads", where={"emailAddress": address}, fields=names))
        many = partial(self.rig.client.post, encode("getLeads", where={}, fields=names))
        times = (
            await median(created, runs=self.runs),
            await median(lambda _number: one, runs=self.runs, block=50),
            await median(lambda _number: many, runs=self.runs),
        )
        await self.bare.execute("delete from lead where company_id = 1 and id > $1", self.top)
        return dict(zip(SCALE, times, strict=True))

    async def limits(self) -> float:
        """Microseconds that the check of a company's calls costs, leases from the database included."""
        database = Database(pool_size=2)
        await database.open(self.rig.dsn)
        limits = CallLimits(database, alone=True)
        async with database.everyone() as tx:
            (company, *_) = await companies.companies(tx)
        company = msgspec.structs.replace(company, per_second=1_000_000, per_day=50_000)
        begun = time.perf_counter()
        for _ in range(20_000):
            await limits.spend(company)
        taken = time.perf_counter() - begun
        await limits.close()
        await database.close()
        return taken / 20_000 * 1e6

    def streamed(self) -> tuple[int, int, int]:
        """Resident MB before and after an answer of 100,000 leads, and its size in bytes."""
        before = self.rig.resident()
        years = {"startDate": "2000-01-01", "endDate": "2999-01-01", "timestamp": "create"}
        size = self.rig.client.post(encode("getLeadsDateRange", **years, limit=100_000))
        return before, self.rig.resident(), int(size) if size.isdigit() else len(size)


def judged(value: float, limit: float, *, least: bool) -> str:
    """A figure with its limit, green or red."""
    good = value >= limit if least else value <= limit
    return f"[{'green' if good else 'red'}]{value:.2f}[/] ({'≥' if least else '≤'} {limit:g})"


def report(sizes: dict[int, dict[str, Pair]]) -> None:
    """The table of ratios: milliseconds of ours and of the bare driver, and how much of its speed is left."""
    figures = Table(title="Springhead over HTTP against asyncpg with the bare statement, medians of paired runs")
    figures.add_column("work")
    for size in sizes:
        figures.add_column(f"{size:,} leads\nours / bare ms, ratio", justify="right")
    largest, smallest = max(sizes), min(sizes)
    figures.add_column(f"time at {largest:,}\nto {smallest:,}", justify="right")
    for name, limit in LEAST.items():
        cells = [
            f"{pair.ours:.2f} / {pair.bare:.2f}  {judged(pair.ratio, limit, least=True)}"
            for pair in (found[name] for found in sizes.values())
        ]
        growth = sizes[largest][name].ours / sizes[smallest][name].ours
        figures.add_row(name, *cells, judged(growth, FLAT, least=False))
    deep = [
        f"{pair.ours:.2f} / {pair.bare:.2f}  {judged(pair.ours / pair.bare, DEEP, least=False)}"
        for pair in (found["deep page"] for found in sizes.values())
    ]
    figures.add_row("last page to first page", *deep, "")
    console.print(figures)


def report_neighbours(size: int, found: dict[str, Pair]) -> None:
    """The table of what stands around the leads."""
    figures = Table(title=f"Around {size:,} leads, with a list of nearly all of them")
    figures.add_column("work")
    figures.add_column("ours / bare ms, ratio", justify="right")
    for name, pair in found.items():
        deep = name == neighbours.DEEP
        ratio = (
            judged(pair.ours / pair.bare, DEEP, least=False)
            if deep
            else judged(pair.ratio, neighbours.LEAST[name], least=True)
        )
        figures.add_row(name, f"{pair.ours:.2f} / {pair.bare:.2f}  {ratio}")
    console.print(figures)


def report_searches(size: int, found: dict[str, Pair]) -> None:
    """The table of searches."""
    figures = Table(title=f"searchLeads among {size:,} leads")
    figures.add_column("search")
    figures.add_column("ours / bare ms, ratio", justify="right")
    for name, pair in found.items():
        ratio = f"{pair.ours / pair.bare:.2f} times"
        if name == search.DEEP:
            ratio = judged(pair.ours / pair.bare, DEEP, least=False)
        elif name in search.LEAST:
            ratio = judged(pair.ratio, search.LEAST[name], least=True)
        figures.add_row(name, f"{pair.ours:.2f} / {pair.bare:.2f}  {ratio}")
    console.print(figures)


def report_views(taken: events.Taken) -> None:
    """Page views a second, and whether all that were acknowledged are there."""
    console.print(
        f"page views: {judged(taken.rate, events.VIEWS_LEAST, least=True)} a second over HTTP, "
        f"{taken.bare_rate:,.0f} with the bare statement; {taken.acknowledged:,} acknowledged, {taken.stored:,} stored"
    )


def report_timelines(found: dict[int, Pair]) -> None:
    """The first page of a timeline among few and among many events."""
    (few, small), (many, large) = found.items()
    console.print(
        f"getLeadTimeline, first page: {small.ours:.2f} / {small.bare:.2f} ms among {few:,} events, "
        f"{large.ours:.2f} / {large.bare:.2f} ms among {many:,}: "
        f"{judged(large.ours / small.ours, events.GROWTH, least=False)} times"
    )


def report_feed(found: feed.Feed) -> None:
    """The change feed at both ends, and a call that waits for a change."""
    deep = judged(found.deep.ours / found.deep.bare, feed.DEEP, least=False)
    console.print(
        f"getLeadChanges, 500 of {found.changes:,} changes: {found.page.ours:.2f} ms, {found.page.bare:.2f} the bare "
        f"statement; the last page {deep} times the first; a waiting call is answered {found.waited:.1f} ms after the "
        f"update in the median, {found.waited_longest:.1f} at most"
    )


def report_pushes(found: pushes.Found) -> None:
    """How soon pushes arrive, how many, and what those that hang cost the others."""
    idle, sustained, alone, beside = found.idle, found.sustained, found.alone, found.beside
    console.print(
        f"pushes, from the acknowledged update to the receiver: "
        f"{judged(idle.median, pushes.MEDIAN_MS, least=False)} ms in the median, "
        f"{judged(idle.p99, pushes.P99_MS, least=False)} ms p99"
    )
    console.print(
        f"pushes to one receiver: {sustained.written:,.0f} changed leads a second written and pushed, the last "
        f"{sustained.lag * 1000:.0f} ms after its call; {judged(sustained.drained, pushes.LEADS_LEAST, least=True)} a "
        f"second when they had waited"
    )
    console.print(
        f"pushes to 500 receivers: median {alone.median:.1f} ms, p99 {alone.p99:.1f} ms; while {found.hanging} more "
        f"hang {beside.median:.1f} and {beside.p99:.1f} ms, "
        f"{judged(beside.median / alone.median, pushes.DELAYED, least=False)} and "
        f"{judged(beside.p99 / alone.p99, pushes.DELAYED, least=False)} times"
    )


async def run(data: Path, sizes: list[int], runs: int, most_events: int) -> None:
    """The whole bench."""
    rig = Rig(data)
    try:
        fields = [{"relationship": "lead", "dataType": "string", "label": name} for name in ("Shoe size", "Hat size")]
        rig.client.call("createFields", objects=fields)
        custom = sorted(field["systemName"] for field in rig.client.call("getFields", where={"isCustom": 1}))
        bench = Bench(rig, await rig.connect(), custom, runs=runs)
        found: dict[int, dict[str, Pair]] = {}
        bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*bars, console=console) as progress:
            for size in sizes:
                await bench.fill(size, progress)
                found[size] = await bench.at_size(progress)
        report(found)
        around = Neighbours(rig, bench.bare, version=bench.version, runs=runs)
        with Progress(*bars, console=console) as progress:
            task = progress.add_task("a list of nearly all leads", total=2)
            await around.fill()
            progress.advance(task)
            near = await around.measure()
            progress.advance(task)
        report_neighbours(max(found), near)
        report_searches(max(found), await Searches(rig, bench.bare, runs=runs).measure())
        report_views(await events.page_views(rig, bench.bare))
        with Progress(*bars, console=console) as progress:
            task = progress.add_task(f"{most_events:,} events", total=1)
            lines = await events.timelines(rig, bench.bare, most_events, runs=runs)
            progress.advance(task)
        report_timelines(lines)
        report_feed(await feed.measure(rig, bench.bare, runs=runs))
        for name, milliseconds in (await bench.scale()).items():
            console.print(
                f"{name} (10 text fields, one connection): {judged(milliseconds, SCALE[name], least=False)} ms"
            )
        cost = await bench.limits()
        share = cost / 1000 / found[max(found)]["getLead by id"].ours * 100
        console.print(f"the check of the call limits: {cost:.1f} us, {judged(share, 5, least=False)} % of a getLead")
        before, after, size = bench.streamed()
        console.print(f"getLeadsDateRange, limit 100,000: {size / 1e6:.0f} MB sent; memory {before} → {after} MB")
        console.print(f"resident memory after all of it: {judged(rig.resident(), RESIDENT_MB, least=False)} MB")
        console.print(f"Taken on {machine()}.")
        await bench.bare.close()
    finally:
        rig.stop()
    report_pushes(await asyncio.to_thread(pushes.measure, data.parent / "pushes"))


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--leads", type=int, default=max(SIZES), help="the largest size (default: 1,000,000)")
    parser.add_argument("--runs", type=int, default=30, help="paired runs of each work (default: 30)")
    parser.add_argument("--events", type=int, default=5_000_000, help="events around a timeline (default: 5,000,000)")
    arguments = parser.parse_args()
    sizes = [size for size in SIZES if size < arguments.leads] + [arguments.leads]
    with tempfile.TemporaryDirectory(prefix="springhead-bench-") as folder:
        uvloop.run(run(Path(folder) / "data", sizes, arguments.runs, arguments.events))


if __name__ == "__main__":
    main()
