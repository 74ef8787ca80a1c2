"""`springhead serve`: starts the server.

Starts PostgreSQL before it imports the rest of the server, so that both start at the same time.
"""

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
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when ready, instead of the greeting.")
def serve(loaded: Loaded, *, as_json: bool) -> None:
    """Start the server.

    Without --database-url the server runs its own PostgreSQL in the data folder. The first start creates a
    company and shows its API key. Ctrl-C or SIGTERM stops the server after running calls have finished.
    """
    settings = loaded.settings
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    from springhead.wire import logs  # noqa: PLC0415 - quick to import, needed for the first error

    logs.configure(settings.log_level, settings.log_format)
    if settings.database_url is not None:
        _run(loaded, None, as_json=as_json)
        return
    from springhead.postgres.server import EmbeddedPostgres  # noqa: PLC0415 - imports only what starts PostgreSQL

    embedded = EmbeddedPostgres(settings.data, settings.postgres_bin)
    try:
        embedded.launch()
        _run(loaded, embedded, as_json=as_json)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # already stopping
        embedded.stop()


def _run(loaded: Loaded, embedded: "EmbeddedPostgres | None", *, as_json: bool) -> None:
    from springhead.cli.serving import run  # noqa: PLC0415 - imports the whole server

    run(loaded, embedded, as_json=as_json)


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
