"""`springhead company`: the companies of a server, each wholly apart."""

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from springhead.cli.options import with_settings
from springhead.settings import Loaded

if TYPE_CHECKING:
    from springhead.model.companies.companies import Company
    from springhead.store.database.pool import Database

AMOUNT = click.IntRange(1, 2_000_000_000)
DAYS = click.IntRange(0, 3650)


def _zone(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            ZoneInfo(value)
        except (ValueError, KeyError, OSError) as cause:
            raise click.BadParameter(f"{value!r} is no time zone; a name such as Europe/Berlin is") from cause
    return value


def _name(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and (not value.strip() or not value.isprintable() or len(value) > 255):
        raise click.BadParameter("a name has 1 to 255 printable characters")
    return value


def _email(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.isprintable() or not all(value.rpartition("@")) or len(value) > 150 or " " in value:
        raise click.BadParameter(f"{value!r} is no email address")
    return value


@click.group()
def company() -> None:
    """Make, list and change companies."""


@company.command()
@click.argument("name", callback=_name)
@click.option("--time-zone", default="UTC", callback=_zone, show_default=True, help="Zone of its /pubapi/v1 times.")
@click.option("--administrator", default="admin@example.com", callback=_email, help="Its first user's email address.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def create(loaded: Loaded, *, name: str, time_zone: str, administrator: str, as_json: bool) -> None:
    """Make a company with a first API key, and show the secretKey once."""
    from springhead.cli.commands.key import show_key  # noqa: PLC0415
    from springhead.cli.database import with_database  # noqa: PLC0415 - heavy
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> "tuple[Company, int, str]":
        made = await companies.create(database, name=name, time_zone=time_zone, administrator=administrator)
        async with database.everyone() as tx:
            return made, *await companies.create_key(tx, made.id, label="first key")

    made, key_id, secret = with_database(loaded.settings, work)
    show_key(made, key_id, secret, as_json=as_json)


@company.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def list_(loaded: Loaded, *, as_json: bool) -> None:
    """List the companies with their limits."""
    from springhead.cli.database import with_database  # noqa: PLC0415 - heavy
    from springhead.cli.tables import show  # noqa: PLC0415
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> "list[Company]":
        async with database.everyone() as tx:
            return await companies.companies(tx)

    rows = [described(found) for found in with_database(loaded.settings, work)]
    show(rows, as_json=as_json, empty="There is no company yet. Make one with: springhead company create NAME")


@company.command("set")
@click.argument("account")
@click.option("--name", callback=_name, help="Its name.")
@click.option("--time-zone", callback=_zone, help="Zone of its /pubapi/v1 times, such as Europe/Berlin.")
@click.option("--per-second", type=AMOUNT, help="Calls a second.")
@click.option("--per-day", type=AMOUNT, help="Calls a day, which begins at 00:00 UTC.")
@click.option("--objects-per-call", type=AMOUNT, help="Objects in one call.")
@click.option("--recycle-days", type=DAYS, help="Days for which a deleted lead can be restored; 0: not at all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def set_(loaded: Loaded, *, account: str, as_json: bool, **changes: Any) -> None:
    """Change the company ACCOUNT (its accountID or id). Running servers follow within two seconds."""
    if all(value is None for value in changes.values()):
        raise click.UsageError("Say what to change, such as --per-second 20.")
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.tables import show  # noqa: PLC0415
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> "Company":
        found = await company_of(database, account)
        async with database.everyone() as tx:
            await companies.change(tx, found.id, changes)
        return await company_of(database, found.account_id)

    show([described(with_database(loaded.settings, work))], as_json=as_json)


def described(found: "Company") -> dict[str, object]:
    """A company as the tables show it."""
    return {
        "id": found.id,
        "accountID": found.account_id,
        "name": found.name,
        "timeZone": found.time_zone,
        "perSecond": found.per_second,
        "perDay": found.per_day,
        "objectsPerCall": found.objects_per_call,
        "recycleDays": found.recycle_days,
    }
