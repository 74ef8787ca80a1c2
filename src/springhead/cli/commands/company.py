"""`springhead company`: creates, lists and changes the companies of a server."""

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from springhead.cli.groups import Group
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
            raise click.BadParameter(f"{value!r} is not a time zone. Use a name such as Europe/Berlin.") from cause
    return value


def _name(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and (not value.strip() or not value.isprintable() or len(value) > 255):
        raise click.BadParameter("a name must have 1 to 255 printable characters")
    return value


def _email(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.isprintable() or not all(value.rpartition("@")) or len(value) > 150 or " " in value:
        raise click.BadParameter(f"{value!r} is not an email address")
    return value


@click.group(cls=Group)
def company() -> None:
    """Create, list and change companies."""


@company.command()
@click.argument("name", callback=_name)
@click.option(
    "--time-zone", default="UTC", callback=_zone, show_default=True, help="Time zone of the times in /pubapi/v1."
)
@click.option("--administrator", default="admin@example.com", callback=_email, help="Email address of its first user.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def create(loaded: Loaded, *, name: str, time_zone: str, administrator: str, as_json: bool) -> None:
    """Create a company with an API key, and show the secretKey once."""
    from springhead.cli.commands.key import show_key  # noqa: PLC0415
    from springhead.cli.database import with_database  # noqa: PLC0415 - heavy
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> "tuple[Company, int, str]":
        company = await companies.create(database, name=name, time_zone=time_zone, administrator=administrator)
        async with database.everyone() as tx:
            return company, *await companies.create_key(tx, company.id, label="first key")

    created, key_id, secret = with_database(loaded.settings, work)
    show_key(created, key_id, secret, as_json=as_json)


@company.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def list_(loaded: Loaded, *, as_json: bool) -> None:
    """List all companies with their limits."""
    from springhead.cli.database import with_database  # noqa: PLC0415 - heavy
    from springhead.cli.tables import show  # noqa: PLC0415
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> "list[Company]":
        async with database.everyone() as tx:
            return await companies.companies(tx)

    rows = [_row(company) for company in with_database(loaded.settings, work)]
    show(rows, as_json=as_json, empty="There is no company yet. To create one, run: springhead company create NAME")


@company.command("set")
@click.argument("account")
@click.option("--name", callback=_name, help="Name of the company.")
@click.option("--time-zone", callback=_zone, help="Time zone of the times in /pubapi/v1, such as Europe/Berlin.")
@click.option("--per-second", type=AMOUNT, help="Limit of calls per second.")
@click.option("--per-day", type=AMOUNT, help="Limit of calls per day. A day starts at 00:00 UTC.")
@click.option("--objects-per-call", type=AMOUNT, help="Limit of objects per call.")
@click.option("--recycle-days", type=DAYS, help="Days during which a deleted lead can be restored. 0 means never.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def set_(loaded: Loaded, *, account: str, as_json: bool, **changes: Any) -> None:
    """Change the company ACCOUNT (its accountID or id). Running servers apply the change within two seconds."""
    if all(value is None for value in changes.values()):
        raise click.UsageError("Nothing to change was given. Name a change, such as --per-second 20.")
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.tables import show  # noqa: PLC0415
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> "Company":
        company = await company_of(database, account)
        async with database.everyone() as tx:
            await companies.change(tx, company.id, changes)
        return await company_of(database, company.account_id)

    show([_row(with_database(loaded.settings, work))], as_json=as_json)


def _row(company: "Company") -> dict[str, object]:
    """Returns the row of a company in a table."""
    return {
        "id": company.id,
        "accountID": company.account_id,
        "name": company.name,
        "timeZone": company.time_zone,
        "perSecond": company.per_second,
        "perDay": company.per_day,
        "objectsPerCall": company.objects_per_call,
        "recycleDays": company.recycle_days,
    }
