"""`springhead user`: the users of a company, and links for those who cannot get in."""

import json
from typing import TYPE_CHECKING

import click

from springhead.cli.groups import Group
from springhead.cli.options import DATABASE_SETTINGS, with_settings
from springhead.model.companies.roles import ROLES
from springhead.settings import Loaded

if TYPE_CHECKING:
    from springhead.model.companies.users import User
    from springhead.store.companies.sign_ins import Purpose
    from springhead.store.database.pool import Database

_OF_LINKS = (*DATABASE_SETTINGS, "host", "port", "public_url")
"""The settings of commands that print a link: where the server listens, and what its public address is."""


@click.group(cls=Group)
def user() -> None:
    """Invite, list and disable the users of a company, and make links to sign in."""


def _of_company(function: "click.decorators.FC") -> "click.decorators.FC":
    return click.option("--company", "account", help="The company's accountID or id, if there are several companies.")(
        function
    )


@user.command()
@click.argument("address")
@click.option("--name", default="", help="Name of the user. By default the part of ADDRESS before the @.")
@click.option(
    "--role", type=click.Choice(list(ROLES)), default="salesperson", show_default=True, help="Role of the user."
)
@_of_company
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(_OF_LINKS)
def invite(loaded: Loaded, *, address: str, name: str, role: str, account: str | None, as_json: bool) -> None:
    """Create a user with the email address ADDRESS, and show a link to choose a password. It works for 7 days."""
    from springhead.model.companies.users import is_address, is_name  # noqa: PLC0415 - heavy

    address = address.strip()
    name = name.strip() or address.partition("@")[0]
    if not is_address(address):
        raise click.BadParameter("expected an email address of at most 150 characters", param_hint="ADDRESS")
    if not is_name(name):
        raise click.BadParameter("a name must have 1 to 255 printable characters", param_hint="--name")
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.failure import Failure  # noqa: PLC0415
    from springhead.store.companies import sign_ins, users  # noqa: PLC0415

    async def work(database: "Database") -> str:
        company = await company_of(database, account)
        async with database.company(company.id) as tx, tx.atomic():
            created = await users.create(tx, company, address=address, name=name, role=role)
            if created is None:
                raise Failure(f"The company has a user with the address {address} already. See: springhead user list")
            return await sign_ins.create_link(tx, created, sign_ins.Purpose.INVITE)

    _show_link(loaded, with_database(loaded.settings, work), as_json=as_json)


@user.command("list")
@_of_company
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def list_(loaded: Loaded, *, account: str | None, as_json: bool) -> None:
    """List all users of a company with their roles, including disabled users."""
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.tables import show  # noqa: PLC0415
    from springhead.store.companies import users  # noqa: PLC0415

    async def work(database: "Database") -> "list[tuple[User, bool]]":
        company = await company_of(database, account)
        async with database.company(company.id) as tx:
            return await users.all_of(tx, company)

    rows = [
        {
            "id": found.id,
            "address": found.email_address,
            "name": found.display_name,
            "role": found.role.name,
            "active": is_active,
            "password": found.has_password,
        }
        for found, is_active in with_database(loaded.settings, work)
    ]
    show(rows, as_json=as_json, empty="The company has no user. To create one, run: springhead user invite ADDRESS")


@user.command()
@click.argument("address")
@_of_company
@with_settings()
def disable(loaded: Loaded, *, address: str, account: str | None) -> None:
    """Disable the user ADDRESS. The user's sessions end within two seconds; leads keep their owner."""
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.failure import Failure  # noqa: PLC0415
    from springhead.store.companies import users  # noqa: PLC0415

    async def work(database: "Database") -> bool:
        company = await company_of(database, account)
        async with database.company(company.id) as tx, tx.atomic():
            found = await users.by_address(tx, company, address)
            if found is None:
                raise Failure(_unknown(address))
            return await users.disable(tx, company.id, found.id)

    if not with_database(loaded.settings, work):
        raise Failure(f"{address} is the last administrator, so nothing was changed. Invite another one first.")
    click.echo(f"{address} is disabled. Sessions end within two seconds.")


@user.command()
@click.argument("address")
@_of_company
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(_OF_LINKS)
def sign_in_link(loaded: Loaded, *, address: str, account: str | None, as_json: bool) -> None:
    """Show a link that signs the user ADDRESS in once. It works for a day."""
    from springhead.store.companies.sign_ins import Purpose  # noqa: PLC0415 - heavy

    _show_link(loaded, _link(loaded, address, account, Purpose.SIGN_IN), as_json=as_json)


@user.command()
@click.argument("address")
@_of_company
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings(_OF_LINKS)
def reset_link(loaded: Loaded, *, address: str, account: str | None, as_json: bool) -> None:
    """Show a link with which the user ADDRESS chooses a new password. It works for a day."""
    from springhead.store.companies.sign_ins import Purpose  # noqa: PLC0415 - heavy

    _show_link(loaded, _link(loaded, address, account, Purpose.RESET), as_json=as_json)


def _link(loaded: Loaded, address: str, account: str | None, purpose: "Purpose") -> str:
    """Returns the token of a new link for an active user."""
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.failure import Failure  # noqa: PLC0415
    from springhead.store.companies import sign_ins, users  # noqa: PLC0415

    async def work(database: "Database") -> str:
        company = await company_of(database, account)
        async with database.company(company.id) as tx:
            found = await users.by_address(tx, company, address)
            if found is None:
                raise Failure(_unknown(address))
            return await sign_ins.create_link(tx, found, purpose)

    return with_database(loaded.settings, work)


def _unknown(address: str) -> str:
    return f"The company has no active user with the address {address}. To see all, run: springhead user list"


def _show_link(loaded: Loaded, token: str, *, as_json: bool) -> None:
    """Prints a link, which cannot be shown again."""
    from springhead.cli.greeting import sign_in_url  # noqa: PLC0415 - heavy

    settings = loaded.settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    link = sign_in_url(settings, f"http://{host}:{settings.port}", token)
    if as_json:
        click.echo(json.dumps({"url": link}))
        return
    click.echo(link)
    click.secho("Send it to nobody but the user: it works once, and is never shown again.", err=True)
