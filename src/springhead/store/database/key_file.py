"""The file with the encryption key: one key per line, the newest first."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from springhead.model.kit.encryption_keys import EncryptionKey

log = structlog.get_logger()

NAME: Final = "encryption.key"
"""The name of the file in the data folder."""

_HEAD: Final = "# Encrypts the secrets in the database. Keep a copy, apart from the backups (docs/operating.md).\n"


class KeyFileError(Exception):
    """Raised if the file cannot be used. The message says why and what to do."""


class KeyFile:
    """The keys of a file. A changed file is read again, so that a running server uses a new key at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: tuple[EncryptionKey, ...] = ()
        self._stamp: object = None

    def keys(self) -> Sequence[EncryptionKey]:
        """Returns the keys, the newest first. Creates the file with a new key if there is none.

        Keeps the keys that it has if the file has gone or can no longer be used. Raises KeyFileError if it has none.
        """
        try:
            if not self._refresh() and not self._keys:
                self._create()
                self._refresh()
        except KeyFileError as cause:
            if not self._keys:
                raise
            log.warning(
                "the encryption key cannot be read again; the server goes on with the one it has", error=str(cause)
            )
        return self._keys

    def existing(self) -> Sequence[EncryptionKey]:
        """Returns the keys, or none if there is no file. Raises KeyFileError."""
        return self._keys if self._refresh() else ()

    def add(self) -> None:
        """Puts a new key in front of the others. Raises KeyFileError."""
        self._replace([EncryptionKey.new(), *self.keys()])

    def keep_newest(self) -> None:
        """Removes all keys but the newest. Raises KeyFileError."""
        self._replace(self.keys()[:1])

    def _refresh(self) -> bool:
        """Reads the file if it has changed. Returns whether there is a file."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return False
        except OSError as cause:
            raise self._unusable(cause) from cause
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode)
        if stamp != self._stamp:
            self._stamp = stamp if self._keys else None
            if status.st_mode & 0o007:
                raise KeyFileError(
                    f"Every user of this machine can use {self.path}, which has the encryption key of the database. "
                    f"Run: chmod 600 {self.path}"
                )
            try:
                self._keys = _parsed(self.path.read_text("ascii"))
            except OSError as cause:
                raise self._unusable(cause) from cause
            except ValueError as cause:
                raise KeyFileError(
                    f"{self.path} has no encryption key, or a broken one. Put the copy of the file back. A key is 32 "
                    "random bytes in base64, on a line of its own."
                ) from cause
            self._stamp = stamp
        return True

    def _create(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._written([EncryptionKey.new()])
            try:
                os.link(new, self.path)
            except FileExistsError:
                return  # another process was faster, and its key is used
            finally:
                new.unlink()
            self._sync_folder()
        except OSError as cause:
            raise KeyFileError(
                f"The key that encrypts the secrets in the database cannot be stored: {cause}. Name a folder that this "
                "user may write to with --data, or set SPRINGHEAD_ENCRYPTION_KEY to 32 random bytes in base64."
            ) from cause
        log.info(
            "created the encryption key; keep a copy of it, because backups of the database lack it",
            file=str(self.path),
        )

    def _replace(self, keys: Sequence[EncryptionKey]) -> None:
        try:
            owner = self.path.stat()
            for leftover in self.path.parent.glob(f"{self.path.name}.new-*"):  # of a killed command
                leftover.unlink()
            new = self._written(keys)
            with suppress(PermissionError):  # only root may, and only root needs to
                os.chown(new, owner.st_uid, owner.st_gid)
            new.replace(self.path)
            self._sync_folder()
        except OSError as cause:
            raise KeyFileError(f"{self.path} cannot be changed: {cause}. Run the command as its owner.") from cause

    def _written(self, keys: Sequence[EncryptionKey]) -> Path:
        """Returns a new file beside the file, with these keys."""
        new = self.path.with_name(f"{self.path.name}.new-{secrets.token_hex(8)}")
        text = _HEAD + "".join(f"{key.text()}\n" for key in keys)
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, text.encode())
            os.fsync(file)
        finally:
            os.close(file)
        return new

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _unusable(self, cause: OSError) -> KeyFileError:
        return KeyFileError(
            f"The encryption key cannot be read: {cause}. Make this user the owner of {self.path} (chown), or set "
            "SPRINGHEAD_ENCRYPTION_KEY."
        )


def _parsed(text: str) -> tuple[EncryptionKey, ...]:
    """Returns the keys of a file. Raises ValueError if it has none, or a line that is no key."""
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(EncryptionKey.of_text(line) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise ValueError
    return keys
