"""`springhead seed`: creates invented leads in a company."""

from typing import TYPE_CHECKING

import click

from springhead.cli.options import with_settings
from springhead.settings import Loaded

if TYPE_CHECKING:
    from springhead.store.database.pool import Database


@click.command()
@click.option("--leads", type=click.IntRange(1, 100_000_000), required=True, help="Number of leads.")
@click.option("--account", help="accountID or id of the company. Needed if there are several companies.")
@with_settings()
def seed(loaded: Loaded, *, leads: int, account: str | None) -> None:
    """Create invented leads in a company.

    The leads come from many countries and are created with createLeads. Leads 1 to N are always the same, and
    leads that exist are skipped. Run the command again after an interruption, or with a larger number to add
    more leads.
    """
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.seeding import fill  # noqa: PLC0415

    async def work(database: "Database") -> str:
        return await fill(database, await company_of(database, account), leads)

    click.echo(with_database(loaded.settings, work))
