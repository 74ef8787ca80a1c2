"""The lock that lets one server at a time use a data folder."""

import fcntl
import os
from pathlib import Path

from springhead.postgres.errors import EmbeddedError


class FolderLock:
    """The lock of a data folder. The kernel releases it when the process ends, however it ends."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def take(self) -> None:
        """Takes the lock. If another process holds it, raises EmbeddedError with the id of that process."""
        file = os.open(self._data / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 20).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise EmbeddedError(
                f"Another Springhead server (pid {owner}) is already running on {self._data}. "
                "Stop it, or start this one with another --data folder."
            ) from None
        except OSError:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Releases the lock if this object holds it.

        Keeps the file. If it were removed, two later processes could each lock a file of their own.
        """
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None
