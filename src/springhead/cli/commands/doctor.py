"""`springhead doctor`: checks the installation, and says how to fix what is wrong."""

import asyncio
from pathlib import Path
from typing import Any

import click

from springhead.cli.options import DATABASE_SETTINGS, flags
from springhead.settings import SettingsError, load


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@flags((*DATABASE_SETTINGS, "migrate_url", "host", "port"))
@click.pass_context
def doctor(ctx: click.Context, *, config: Path | None, given: dict[str, Any], as_json: bool) -> None:
    """Check the installation, and say how to fix what is wrong.

    Checks settings, data folder, database, clock and the jobs of a running server, and changes nothing. Exits
    with 0 if the server can work, with 1 if something is broken.
    """
    from springhead.cli.checkup import BROKEN, Check, examine, show_checks  # noqa: PLC0415 - heavy

    try:
        loaded = load(given, config=config)
    except SettingsError as error:
        checks = [
            Check("settings", BROKEN, mistake, "Correct it, then run springhead doctor again.")
            for mistake in error.mistakes
        ]
    else:
        checks = asyncio.run(examine(loaded))
    show_checks(checks, as_json=as_json)
    ctx.exit(any(check.state == BROKEN for check in checks))
