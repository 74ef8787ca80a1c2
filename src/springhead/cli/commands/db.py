"""`springhead db`: applies migrations, puts a restored database into service, and changes the key of its secrets."""

import asyncio

import click

from springhead.cli.groups import Group
from springhead.cli.options import DATABASE_SETTINGS, with_settings
from springhead.settings import Loaded


@click.group(cls=Group)
def db() -> None:
    """Migrate the database, put a restored copy of it into service, or change the key of its secrets."""


@db.command()
@with_settings((*DATABASE_SETTINGS, "migrate_url"))
def migrate(loaded: Loaded) -> None:
    """Apply missing migrations. Every start of the server does the same."""
    from springhead.cli.database import address, migrate_database, migrate_url  # noqa: PLC0415 - heavy
    from springhead.wire import logs  # noqa: PLC0415

    logs.configure("warning", loaded.settings.log_format)

    async def work() -> list[str]:
        async with address(loaded.settings, up_to_date=False) as dsn:
            return await migrate_database(dsn, migrate_url(loaded.settings))

    applied = asyncio.run(work())
    for name in applied:
        click.echo(f"Applied {name}")
    click.echo("The database is up to date.")


@db.command()
@with_settings()
def adopt(loaded: Loaded) -> None:
    """Let a database that was restored from a backup push changes of leads.

    Stop the original database first, or receivers get the pushes of both.
    """
    from springhead.cli.database import with_database  # noqa: PLC0415 - heavy
    from springhead.store.database.pool import Database  # noqa: PLC0415
    from springhead.store.feed.pushes import move_home  # noqa: PLC0415

    async def work(database: Database) -> None:
        async with database.everyone() as tx:
            await move_home(tx)

    with_database(loaded.settings, work)
    click.echo("This database pushes changes of leads from now on.")


@db.command("rotate-key")
@with_settings()
def rotate_key(loaded: Loaded) -> None:
    """Encrypt the secrets in the database with a new key. Servers can run meanwhile.

    If the file encryption.key has one key, the command first adds a new one. If the file or SPRINGHEAD_ENCRYPTION_KEY
    has several, the secrets are encrypted with the first. So an interrupted command goes on when you run it again.
    """
    from springhead.cli.key_rotation import rotate  # noqa: PLC0415 - heavy

    click.echo(rotate(loaded.settings))


@db.command("replace-secrets")
@with_settings()
def replace_secrets(loaded: Loaded) -> None:
    """Give up the secrets whose key is lost, and replace what the server can replace.

    Each company gets the signing key for links and forms that its server uses since the loss. Subscriptions to pushes
    need a call of rotateLeadSubscriptionSecrets by each company: the command lists them.
    """
    from springhead.cli.key_rotation import replace  # noqa: PLC0415 - heavy

    for line in replace(loaded.settings):
        click.echo(line)
