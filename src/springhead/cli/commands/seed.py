"""`springhead seed`: fill a company with plausible people."""

from typing import TYPE_CHECKING

import click

from springhead.cli.options import with_settings
from springhead.settings import Loaded

if TYPE_CHECKING:
    from springhead.store.database.pool import Database


@click.command()
@click.option("--leads", type=click.IntRange(1, 100_000_000), required=True, help="How many.")
@click.option("--account", help="The company's accountID or id; needed when there are several.")
@with_settings()
def seed(loaded: Loaded, *, leads: int, account: str | None) -> None:
    """Fill a company with made-up people.

    They come from many countries and go through createLeads. Person 1 to N are always the same ones, and
    those who are there already are skipped: run it again after an interruption, or with a greater number for
    more.
    """
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.seeding import fill  # noqa: PLC0415

    async def work(database: "Database") -> str:
        return await fill(database, await company_of(database, account), leads)

    click.echo(with_database(loaded.settings, work))
