"""`springhead settings`: shows the settings and where each comes from."""

import click

from springhead.cli.options import with_settings
from springhead.settings import Loaded, declared


@click.command()
@with_settings(names=None)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def settings(loaded: Loaded, *, as_json: bool) -> None:
    """Show every setting and where it comes from. Passwords are masked.

    A setting comes from a flag (--port), else from an environment variable (SPRINGHEAD_PORT), else from a line in
    the settings file (port = 8025), else it has its default. The settings file is springhead.toml, or the file
    that --config or SPRINGHEAD_CONFIG names.
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
