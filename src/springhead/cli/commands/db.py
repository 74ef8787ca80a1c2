"""`springhead db`: what is done to the database itself."""

import asyncio

import click

from springhead.cli.options import with_settings
from springhead.settings import Loaded


@click.group()
def db() -> None:
    """Bring the database up to date, or take a copy of it into service."""


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


@db.command()
@with_settings()
def adopt(loaded: Loaded) -> None:
    """Let a database that was restored from a backup push changes of leads: from here from now on.

    The one that the backup is of must push no more, or receivers get both.
    """
    from springhead.cli.database import with_database  # noqa: PLC0415 - heavy
    from springhead.store.database.pool import Database  # noqa: PLC0415
    from springhead.store.feed.pushes import move_home  # noqa: PLC0415

    async def work(database: Database) -> None:
        async with database.everyone() as tx:
            await move_home(tx)

    with_database(loaded.settings, work)
    click.echo("Changes of leads are pushed from this database.")
