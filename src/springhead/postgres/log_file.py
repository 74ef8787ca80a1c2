"""The log file of the embedded PostgreSQL: `postgres.log` in the data folder."""

import os
import re
from pathlib import Path
from typing import IO, Final

SIZE_LIMIT: Final = 10 * 1024 * 1024
"""Bytes. A larger file is renamed at the next start, and replaces the one that was renamed before."""

_READ_LIMIT: Final = 100_000


class LogFile:
    """The log file, and the part of it that the latest process wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def rotate(self) -> None:
        """Renames the file to `postgres.log.1` if it is too large."""
        if self.path.exists() and self.path.stat().st_size > SIZE_LIMIT:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))

    def open(self) -> IO[bytes]:
        """Opens the file for a new process, which appends to it."""
        file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")
        self._start = file.tell()
        return file

    def output(self) -> str:
        """Returns what the latest process wrote, 100 KB at most."""
        with self.path.open("rb") as file:
            file.seek(self._start)
            return file.read(_READ_LIMIT).decode(errors="replace")

    def error(self) -> str:
        """Returns the error that the latest process reported, in one line and without a full stop."""
        lines = [line.strip() for line in self.output().splitlines() if line.strip()]
        errors = [match[1] for line in lines if (match := re.search(r"(?:FATAL|PANIC|error): +(.+)", line))]
        return (errors or lines or ["it wrote nothing to its log"])[-1].rstrip(".")
