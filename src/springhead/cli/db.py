"""`springhead db`: what is done to the database itself."""

import asyncio

import click

from springhead.cli.options import with_settings
from springhead.settings import Loaded


@click.group()
def db() -> None:
    """Bring the database up to date."""


@db.command()
@with_settings()
def migrate(loaded: Loaded) -> None:
    """Apply the migrations that the database lacks, as every start of the server does."""
    from springhead.cli.database import address, migrated  # noqa: PLC0415 - heavy
    from springhead.wire import logs  # noqa: PLC0415

    logs.configure("warning", loaded.settings.log_format)

    async def work() -> list[str]:
        async with address(loaded.settings, up_to_date=False) as dsn:
            return await migrated(dsn)

    applied = asyncio.run(work())
    for name in applied:
        click.echo(f"Applied {name}")
    click.echo("The database is up to date.")
