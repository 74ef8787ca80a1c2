"""Sends made-up people through createLeads in batches, and shows how far it is."""

import asyncio
import contextlib
import time
from collections.abc import Generator
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from springhead import methods
from springhead.cli.failure import Failure
from springhead.cli.people import BATCH, people
from springhead.jobs.background_jobs import BackgroundJobs
from springhead.jobs.steps import STEPS
from springhead.model.companies.companies import Company
from springhead.model.kit.errors import EntryExists, Json
from springhead.rpc.context import Context, Server
from springhead.rpc.method import Outcomes, find
from springhead.store.database.pool import Database, TryAgain
from springhead.store.feed.changes import Feed
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns.paging import Walks

TRIES = 5
LINE_SECONDS = 2.0

assert methods.leads  # noqa: S101 - importing the package is what registers the methods


async def fill(database: Database, company: Company, leads: int) -> str:
    """Create the people 1 to `leads` in the company; gives a sentence on what was done.

    Raises Failure when one is refused for anything but being there already.
    """
    server = Server(database, FieldCache(), Walks(), BackgroundJobs(database, STEPS), Feed(database))
    call = Context(server=server, company=company, utc=True)
    created, begun = 0, time.monotonic()
    with _progress(leads) as advance:
        for start in range(0, leads, BATCH):
            batch = people(start, min(BATCH, leads - start))
            created += await _create(call, batch)
            advance(len(batch))
    seconds = time.monotonic() - begun
    there = f"; {leads - created:,} were there already" if created < leads else ""
    return f"Created {created:,} leads in {company.name} in {seconds:.1f} s{there}."


async def _create(context: Context, batch: list[Json]) -> int:
    for again in range(TRIES):
        try:
            result = await find("createLeads").call(context, {"objects": batch}, objects_per_call=BATCH)
            break
        except TryAgain:
            await asyncio.sleep(0.01 * again)
    else:
        raise Failure("Another writer is always first. Run the command again: it goes on where it stopped.")
    assert isinstance(result, Outcomes)  # noqa: S101 - createLeads is a write
    for outcome in result.results:
        error = outcome.get("error")
        if error and error["code"] != EntryExists.code:
            raise Failure(f"createLeads refused a made-up lead: {error['message']}: {error['data']}")
    return sum(outcome.get("success", False) for outcome in result.results)


class _Advance(Protocol):
    def __call__(self, done: int, /) -> None: ...


@contextlib.contextmanager
def _progress(total: int) -> Generator[_Advance]:
    """A bar on a terminal, and a line now and then elsewhere; both on standard error."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("Creating leads"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=total)
            yield lambda done: bar.advance(task, done)
        return
    done, said, begun = 0, time.monotonic(), time.monotonic()

    def line(more: int) -> None:
        nonlocal done, said
        done, now = done + more, time.monotonic()
        if now - said >= LINE_SECONDS and done < total:
            said = now
            rate = done / (now - begun)
            click.echo(f"{done:,} of {total:,} leads, {rate:,.0f}/s, {(total - done) / rate:,.0f} s left", err=True)

    yield line


class _Rate(ProgressColumn):
    """Leads a second."""

    def render(self, task: Task) -> Text:
        """The speed of the last moments."""
        return Text(f"{task.speed or 0:,.0f}/s", style="progress.data.speed")
