"""`springhead settings`: what is set, and by what."""

import click

from springhead.cli.options import with_settings
from springhead.settings import Loaded, declared


@click.command()
@with_settings(names=None)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def settings(loaded: Loaded, *, as_json: bool) -> None:
    """Show every setting and where it came from.

    Passwords are masked. A setting is taken from a flag, else from the environment (port: SPRINGHEAD_PORT),
    else from the file springhead.toml or the one of --config or SPRINGHEAD_CONFIG (port = 8025), else it has
    its default.
    """
    from springhead.cli.tables import show  # noqa: PLC0415 - heavy

    rows = [
        {
            "setting": setting.name,
            "value": setting.shown(getattr(loaded.settings, setting.name)),
            "from": loaded.origins[setting.name],
            "meaning": setting.about,
        }
        for setting in declared()
    ]
    show(rows, as_json=as_json)
