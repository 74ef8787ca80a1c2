"""The Unix socket of the embedded PostgreSQL: its directory, and the DSN through which programs connect."""

import os
import re
import socket
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

import msgspec

from springhead.postgres.account import Account
from springhead.postgres.configuration import PORT, ROLE
from springhead.postgres.errors import EmbeddedError

SOCKET_PATH_LIMIT = 103
"""Bytes of a Unix socket's path. Linux allows 107, macOS 103."""

_SOCKET = f".s.PGSQL.{PORT}"


class _Elsewhere(msgspec.Struct, frozen=True):
    """The contents of `socket.json`. The file exists if the path of the data folder does not suit a socket."""

    data: str  # the data folder: a copy of the folder must not use the original's socket
    directory: str


def dsn(data: Path, *, user: str = ROLE, database: str = ROLE) -> str:
    """Returns asyncpg's DSN for the PostgreSQL of a data folder."""
    directory = quote(str(socket_directory(data)), safe="/")
    return f"postgresql://{user}@/{database}?host={directory}&port={PORT}"


def superuser_dsn(data: Path) -> str:
    """Returns the DSN of PostgreSQL's superuser, who migrates, for the PostgreSQL of a data folder."""
    return dsn(data.resolve(), user="postgres")


def running_dsn(data: Path) -> str | None:
    """Returns the DSN of the PostgreSQL that now runs on a data folder, or None if none runs.

    Raises EmbeddedError if the server belongs to another user.
    """
    directory = socket_directory(data.resolve())
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(os.fsencode(directory / _SOCKET))
        except PermissionError as cause:
            raise EmbeddedError(
                f"The server on {data} belongs to another user, so this user cannot connect to its database. "
                "Run this command as that user."
            ) from cause
        except OSError:
            return None
    return dsn(data.resolve())


def socket_directory(data: Path) -> Path:
    """Returns the directory of the socket, whether PostgreSQL runs or not."""
    try:
        elsewhere = msgspec.json.decode((data / "socket.json").read_bytes(), type=_Elsewhere)
    except (FileNotFoundError, msgspec.DecodeError):
        return data / "run"
    return Path(elsewhere.directory) if elsewhere.data == _printable(data) else data / "run"


def make_socket_directory(data: Path, account: Account) -> Path:
    """Creates the private directory of the socket.

    It is `data`/run, or a temporary directory if that path does not suit a socket. A PostgreSQL that is started again
    gets the same directory: the server's connection pool knows no other.
    """
    earlier = socket_directory(data)
    if earlier != data / "run" and _is_private(earlier, account):
        _remove_socket(earlier)
        return earlier
    remove_socket_directory(data)
    directory = data / "run"
    if _suits_a_socket(directory):
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    else:
        directory = _temporary_directory()
        new_file = data / "socket.json.new"
        new_file.write_bytes(msgspec.json.encode(_Elsewhere(_printable(data), str(directory))))
        new_file.replace(data / "socket.json")
    account.own(directory)
    return directory


def remove_socket_directory(data: Path) -> None:
    """Removes what `make_socket_directory` and PostgreSQL created. Keeps other files in the directory."""
    directory = socket_directory(data)
    _remove_socket(directory)
    (data / "socket.json").unlink(missing_ok=True)
    if directory != data / "run":
        try:
            directory.rmdir()
        except OSError:
            return  # /tmp was cleaned, or the directory holds files of others


def _remove_socket(directory: Path) -> None:
    for name in (_SOCKET, f"{_SOCKET}.lock"):
        (directory / name).unlink(missing_ok=True)


def _is_private(directory: Path, account: Account) -> bool:
    """Whether the directory exists, belongs to the account, and nobody else can enter it."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    owner = os.geteuid() if account.uid is None else account.uid
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o077


def _suits_a_socket(directory: Path) -> bool:
    """Whether the kernel, PostgreSQL's settings and a DSN all accept this path unchanged."""
    short_enough = len(os.fsencode(directory / _SOCKET)) <= SOCKET_PATH_LIMIT
    return short_enough and re.fullmatch(r"[\w/.@+ -]+", str(directory)) is not None


def _temporary_directory() -> Path:
    for parent in (None, "/tmp"):  # noqa: S108 - mkdtemp creates a private directory in it
        directory = Path(tempfile.mkdtemp(prefix="springhead-", dir=parent))
        if _suits_a_socket(directory):
            return directory
        directory.rmdir()
    raise EmbeddedError(
        "PostgreSQL cannot start: no directory has a path short enough for its Unix socket. "
        "Start with a shorter --data path."
    )


def _printable(path: Path) -> str:
    """Returns a text for `path` that JSON can store, even if the path is not valid UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")
