"""What a server says when it is ready: to a person, or as a line of JSON to a program."""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from springhead.model.companies.companies import Company
from springhead.settings import Loaded
from springhead.store.companies.bootstrap import FirstCompany

_LEAD = {"firstName": "Ada", "lastName": "Lovelace", "emailAddress": "ada@example.com"}


def greet(loaded: Loaded, url: str, first: FirstCompany | None, companies: Sequence[Company], *, as_json: bool) -> None:
    """Say that the server is ready; on the first start with the credentials, which nothing shows again."""
    if as_json:
        ready = {"url": url}
        if first:
            ready |= {"accountID": first.company.account_id, "secretKey": first.secret}
        print(json.dumps(ready), flush=True)  # noqa: T201 - the promised line
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print()
    console.print(f"  [bold]Springhead[/] is running at [bold cyan]{url}[/]")
    console.print()
    if first:
        _first_start(console, url, first)
    else:
        _later_start(console, loaded, companies)
    database = "the database of database_url" if loaded.settings.database_url else str(loaded.settings.data)
    console.print(Text(f"  Data: {database}.  Ctrl-C stops the server.", style="dim"))
    console.print()


def _first_start(console: Console, url: str, first: FirstCompany) -> None:
    console.print(f"  accountID  [bold]{first.company.account_id}[/]")
    console.print(f"  secretKey  [bold]{first.secret}[/]")
    console.print("             [yellow]Keep the secretKey now: it is stored nowhere and never shown again.[/]")
    console.print()
    console.print("  Create a lead: paste this line into another terminal")
    console.print()
    console.print(Text(curl_line(url, first), style="green"))
    console.print()


def _later_start(console: Console, loaded: Loaded, companies: Sequence[Company]) -> None:
    for company in companies[:3]:
        console.print(f"  accountID  [bold]{company.account_id}[/]  {_plain(company.name)}")
    if len(companies) > 3:
        console.print(f"             and {len(companies) - 3} more: {command(loaded, 'company', 'list')}")
    account = companies[0].account_id if len(companies) == 1 else "ACCOUNTID"
    console.print(Text(f"  Lost the secretKey? Make another: {command(loaded, 'key', 'create', account)}"))
    console.print()


def curl_line(url: str, first: FirstCompany) -> str:
    """A line for a shell that creates a lead."""
    body = {"method": "createLeads", "params": {"objects": [_LEAD]}, "id": "1"}
    address = f"{url}/pubapi/v1.2/?accountID={first.company.account_id}&secretKey={first.secret}"
    return f"curl {shlex.quote(address)} -d {shlex.quote(json.dumps(body))}"


def command(loaded: Loaded, *words: str) -> str:
    """A command of ours as this person would have to type it."""
    given = [
        part
        for name in ("data", "database_url")
        if loaded.origins[name].startswith("--")
        for part in (loaded.origins[name], "..." if name == "database_url" else str(loaded.settings.data))
    ]
    return shlex.join([_program(), *words, *given])


def _program() -> str:
    invoked = Path(sys.argv[0])
    if invoked.name == "__main__.py":
        return "python -m springhead"
    if shutil.which(invoked.name):
        return invoked.name
    try:
        return str(invoked.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(invoked)


def _plain(text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415 - beside its one use

    return escape("".join(letter for letter in text if letter.isprintable()))
