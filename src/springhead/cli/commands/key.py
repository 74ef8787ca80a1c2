"""`springhead key`: creates, lists and revokes the API keys of a company."""

import json
from typing import TYPE_CHECKING

import click

from springhead.cli.groups import Group
from springhead.cli.options import with_settings
from springhead.settings import Loaded

if TYPE_CHECKING:
    from springhead.model.companies.companies import Company
    from springhead.store.database.pool import Database


@click.group(cls=Group)
def key() -> None:
    """Create, list and revoke the API keys of a company."""


@key.command()
@click.argument("account")
@click.option("--label", default="key", show_default=True, help="Purpose of the key.")
@click.option("--plain-success", is_flag=True, help="Answer successful writes with error: null instead of [].")
@click.option(
    "--captured-calls", is_flag=True, help="logCalls answers with an outcome for each call, not only with success."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def create(
    loaded: Loaded, *, account: str, label: str, plain_success: bool, captured_calls: bool, as_json: bool
) -> None:
    """Create a key for the company ACCOUNT (its accountID or id), and show the secretKey once."""
    if not label.strip() or not label.isprintable() or len(label) > 255:
        raise click.BadParameter("a label must have 1 to 255 printable characters", param_hint="--label")
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> "tuple[Company, int, str]":
        company = await company_of(database, account)
        async with database.everyone() as tx:
            key_and_secret = await companies.create_key(
                tx, company.id, label=label, plain_success=plain_success, captured_calls=captured_calls
            )
            return company, *key_and_secret

    show_key(*with_database(loaded.settings, work), as_json=as_json)


@key.command("list")
@click.argument("account")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_settings()
def list_(loaded: Loaded, *, account: str, as_json: bool) -> None:
    """List all keys of the company ACCOUNT (its accountID or id), including revoked keys."""
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.tables import show  # noqa: PLC0415
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> list[dict[str, object]]:
        company = await company_of(database, account)
        async with database.everyone() as tx:
            return await companies.keys(tx, company.id)

    rows = [
        {
            "id": row["id"],
            "label": row["label"],
            "plainSuccess": row["plain_success"],
            "capturedCalls": row["captured_calls"],
            "created": _time(row["created_at"]),
            "revoked": _time(row["revoked_at"]),
        }
        for row in with_database(loaded.settings, work)
    ]
    show(rows, as_json=as_json, empty=f"The company has no key. To create one, run: springhead key create {account}")


@key.command()
@click.argument("account")
@click.argument("key_id", type=click.IntRange(1, 2**63 - 1))
@with_settings()
def revoke(loaded: Loaded, *, account: str, key_id: int) -> None:
    """Revoke the key KEY_ID of the company ACCOUNT for good. It stops working within two seconds."""
    from springhead.cli.database import company_of, with_database  # noqa: PLC0415 - heavy
    from springhead.cli.failure import Failure  # noqa: PLC0415
    from springhead.store.companies import companies  # noqa: PLC0415

    async def work(database: "Database") -> bool:
        company = await company_of(database, account)
        async with database.everyone() as tx:
            return await companies.revoke_key(tx, company.id, key_id)

    if not with_database(loaded.settings, work):
        raise Failure(
            f"The company has no active key {key_id}, so nothing was revoked. "
            f"To see its keys, run: springhead key list {account}"
        )
    click.echo(f"Key {key_id} is revoked. It stops working within two seconds.")


def show_key(company: "Company", key_id: int, secret: str, *, as_json: bool) -> None:
    """Prints the credentials. The secret cannot be shown again."""
    if as_json:
        click.echo(json.dumps({"accountID": company.account_id, "keyId": key_id, "secretKey": secret}))
        return
    click.echo(f"accountID  {company.account_id}")
    click.echo(f"secretKey  {secret}")
    click.secho(f"Key {key_id}. Keep the secretKey now: it is stored nowhere and never shown again.", err=True)


def _time(value: object) -> str | None:
    return f"{value:%Y-%m-%d %H:%M:%S}Z" if value else None
