"""Creates invented leads with createLeads, in batches, and shows the progress."""

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
from springhead.model.leads.opt_outs import SEED
from springhead.rpc.context import Context, Server
from springhead.rpc.method import WriteResult, find
from springhead.store.database.pool import Database, TryAgain
from springhead.store.feed.changes import Feed
from springhead.store.fields.fields import FieldCache
from springhead.store.nouns.paging import PageStarts

TRIES = 5
"""The most attempts to create a batch."""

LINE_SECONDS = 2.0
"""Seconds between two lines of progress, if standard error is not a terminal."""

assert methods.leads  # noqa: S101 - importing the package registers the methods


async def fill(database: Database, company: Company, leads: int) -> str:
    """Creates the invented leads 1 to `leads` in the company, and returns a sentence about the result.

    Skips leads that exist. Raises Failure if a lead is refused for another reason, and on Ctrl-C.
    """
    server = Server(database, FieldCache(), PageStarts(), BackgroundJobs(database, STEPS), Feed(database))
    context = Context(server=server, company=company, utc=True, source=SEED)
    done, created, start_time = 0, 0, time.monotonic()
    try:
        with _progress(leads) as advance:
            for done in range(0, leads, BATCH):
                batch = people(done, min(BATCH, leads - done))
                created += await _create(context, batch)
                advance(len(batch))
    except asyncio.CancelledError as cause:
        raise Failure(
            f"Ctrl-C stopped the command. {done:,} of {leads:,} leads are stored in {company.name}. "
            "To create the others, run the same command again: it skips the leads that exist."
        ) from cause
    seconds = time.monotonic() - start_time
    skipped = f"; {leads - created:,} were there already" if created < leads else ""
    return f"Created {created:,} leads in {company.name} in {seconds:.1f} s{skipped}."


async def _create(context: Context, batch: list[Json]) -> int:
    for attempt in range(TRIES):
        try:
            result = await find("createLeads").call(context, {"objects": batch}, objects_per_call=BATCH)
            break
        except TryAgain:
            await asyncio.sleep(0.01 * attempt)
    else:
        raise Failure(
            "Other writers changed the same leads each time, so some leads are missing. "
            "Run the command again: it skips the leads that exist."
        )
    assert isinstance(result, WriteResult)  # noqa: S101 - createLeads is a write
    for outcome in result.outcomes:
        error = outcome.get("error")
        if error and error["code"] != EntryExists.code:
            raise Failure(
                f"createLeads refused an invented lead, so some are missing: {error['message']}: {error['data']}"
            )
    return sum(outcome.get("success", False) for outcome in result.outcomes)


class _Advance(Protocol):
    def __call__(self, done: int, /) -> None: ...


@contextlib.contextmanager
def _progress(total: int) -> Generator[_Advance]:
    """Shows the progress on standard error: a bar on a terminal, else a line every LINE_SECONDS."""
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
    done, last_line, start_time = 0, time.monotonic(), time.monotonic()

    def advance(more: int) -> None:
        nonlocal done, last_line
        done, now = done + more, time.monotonic()
        if now - last_line >= LINE_SECONDS and done < total:
            last_line = now
            rate = done / (now - start_time)
            click.echo(f"{done:,} of {total:,} leads, {rate:,.0f}/s, {(total - done) / rate:,.0f} s left", err=True)

    yield advance


class _Rate(ProgressColumn):
    """The column with the speed in leads per second."""

    def render(self, task: Task) -> Text:
        """Returns the recent speed."""
        return Text(f"{task.speed or 0:,.0f}/s", style="progress.data.speed")
