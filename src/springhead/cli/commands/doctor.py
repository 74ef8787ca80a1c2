"""`springhead doctor`: is everything in order, and if not, what is to be done."""

import asyncio
from pathlib import Path
from typing import Any

import click

from springhead.cli.options import WHERE, flags
from springhead.settings import SettingsError, load


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@flags(WHERE)
@click.pass_context
def doctor(ctx: click.Context, *, config: Path | None, given: dict[str, Any], as_json: bool) -> None:
    """Check the whole set-up and say what to do.

    It looks at settings, data folder, database and clock, and changes nothing. Ends with 0 when the server
    can do its work, with 1 when something is broken.
    """
    from springhead.cli.checkup import BROKEN, Check, examine, show_checks  # noqa: PLC0415 - heavy

    try:
        loaded = load(given, config=config)
    except SettingsError as error:
        checks = [Check("settings", BROKEN, mistake, "Mend it, then ask again.") for mistake in error.mistakes]
    else:
        checks = asyncio.run(examine(loaded))
    show_checks(checks, as_json=as_json)
    ctx.exit(any(check.state == BROKEN for check in checks))
