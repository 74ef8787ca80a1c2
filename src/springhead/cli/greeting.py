"""The greeting of a server that is ready: text for people, or one line of JSON for programs."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from springhead.model.companies.companies import Company
from springhead.settings import Loaded, Settings
from springhead.store.companies.bootstrap import FirstCompany

_LEAD = {"firstName": "Ada", "lastName": "Lovelace", "emailAddress": "ada@example.com"}


def greet(loaded: Loaded, url: str, first: FirstCompany | None, companies: Sequence[Company], *, as_json: bool) -> None:
    """Prints that the server is ready. On the first start also prints the credentials, which are never shown again."""
    if as_json:
        ready = {"url": url}
        if first:
            ready |= {"accountID": first.company.account_id, "secretKey": first.secret}
            ready |= {"signInURL": sign_in_url(loaded.settings, url, first.sign_in_token)}
        print(json.dumps(ready), flush=True)  # noqa: T201 - the output of serve --json
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print()
    console.print(f"  [bold]Springhead[/] is running at [bold cyan]{url}[/]")
    console.print()
    if first:
        _first_start(console, loaded, url, first)
    else:
        _later_start(console, loaded, companies)
    data = "the database of database_url" if loaded.settings.database_url else str(loaded.settings.data)
    console.print(Text(f"  Data: {data}.  Ctrl-C stops the server.", style="dim"))
    console.print()


def sign_in_url(settings: Settings, url: str, token: str) -> str:
    """Returns the address that signs a user in once.

    `url` is the address of the server. On this machine the link names localhost: a passkey cannot belong to 127.0.0.1.
    """
    local = re.sub(r"//(?:127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?=[:/]|$)", "//localhost", url)
    return f"{settings.public_url or local}/sign-in/{token}"


def _first_start(console: Console, loaded: Loaded, url: str, first: FirstCompany) -> None:
    console.print("  Open the pages: this link signs you in once, within a day")
    console.print()
    console.print(Text(f"  {sign_in_url(loaded.settings, url, first.sign_in_token)}", style="bold cyan"))
    console.print()
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
        console.print(
            f"             and {len(companies) - 3} more. To see all, run: {command(loaded, 'company', 'list')}"
        )
    account = companies[0].account_id if len(companies) == 1 else "ACCOUNTID"
    console.print(
        Text(f"  Lost the secretKey? To create another key, run: {command(loaded, 'key', 'create', account)}")
    )
    console.print(
        Text(f"  To open the pages without a password, run: {command(loaded, 'user', 'sign-in-link', 'ADDRESS')}")
    )
    console.print()


def curl_line(url: str, first: FirstCompany) -> str:
    """Returns a shell command that creates a lead."""
    body = {"method": "createLeads", "params": {"objects": [_LEAD]}, "id": "1"}
    address = f"{url}/pubapi/v1.2/?accountID={first.company.account_id}&secretKey={first.secret}"
    return f"curl {shlex.quote(address)} -d {shlex.quote(json.dumps(body))}"


def command(loaded: Loaded, *words: str) -> str:
    """Returns a `springhead` command as this operator has to type it, with flags for the same database."""
    flags = [
        argument
        for name in ("data", "database_url")
        if loaded.origins[name].startswith("--")
        for argument in (loaded.origins[name], "..." if name == "database_url" else str(loaded.settings.data))
    ]
    return shlex.join([_program(), *words, *flags])


def _program() -> str:
    """Returns the program as the operator started it."""
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
    """Returns the text without control characters and without markup of rich."""
    return escape("".join(letter for letter in text if letter.isprintable()))
