"""`springhead serve`: PostgreSQL is started first, and comes up while Python still imports the rest."""

import signal
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from springhead.cli.options import with_settings
from springhead.settings import Loaded

if TYPE_CHECKING:
    from springhead.postgres.server import EmbeddedPostgres


@click.command()
@with_settings(names=None)
@click.option("--json", "as_json", is_flag=True, help="When ready, print one line of JSON instead of the greeting.")
def serve(loaded: Loaded, *, as_json: bool) -> None:
    """Start the server.

    Without --database-url it runs a PostgreSQL of its own in the data folder. The first start makes a company
    and shows its API key. Ctrl-C or SIGTERM lets calls in flight finish, and stops both.
    """
    settings = loaded.settings
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    from springhead.wire import logs  # noqa: PLC0415 - quick, and needed before anything can go wrong

    logs.configure(settings.log_level, settings.log_format)
    if settings.database_url is not None:
        _run(loaded, None, as_json=as_json)
        return
    from springhead.postgres.server import EmbeddedPostgres  # noqa: PLC0415 - the least that starts PostgreSQL

    embedded = EmbeddedPostgres(settings.data)
    try:
        embedded.launch()
        _run(loaded, embedded, as_json=as_json)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # the clean end is under way
        embedded.stop()


def _run(loaded: Loaded, embedded: "EmbeddedPostgres | None", *, as_json: bool) -> None:
    from springhead.cli.serving import run  # noqa: PLC0415 - imports the whole server

    run(loaded, embedded, as_json=as_json)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
