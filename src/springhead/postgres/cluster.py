"""The cluster: the files of PostgreSQL in a data folder, and their creation by initdb."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from springhead.postgres.account import Account
from springhead.postgres.binaries import is_included
from springhead.postgres.configuration import initdb_options
from springhead.postgres.errors import EmbeddedError
from springhead.postgres.log_file import LogFile

POLL_SECONDS = 0.015


def cluster_version(cluster: Path) -> str | None:
    """Returns the major version of PostgreSQL that created the cluster, or None if there is no cluster."""
    try:
        return (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return None


def cluster_exists(cluster: Path, version: str, binaries: Path) -> bool:
    """Whether the folder holds a cluster for these programs of this major version.

    Raises EmbeddedError if it holds anything else, or a cluster of another version.
    """
    created_by = cluster_version(cluster)
    if created_by is None:
        if cluster.exists() and any(cluster.iterdir()):
            raise EmbeddedError(
                f"{cluster} is not empty and is no PostgreSQL cluster, so no database can be created in it. "
                "Move it away, or start with another --data folder."
            )
        return False
    if created_by != version:
        source = "this Springhead includes" if is_included(binaries) else f"{binaries} has"
        raise EmbeddedError(
            f"{cluster} was created by PostgreSQL {created_by}, and {source} {version}. Start it with the programs "
            f"of PostgreSQL {created_by}: name their folder (--postgres-bin /usr/lib/postgresql/{created_by}/bin), or "
            f"leave --postgres-bin out if Springhead included them. To change to {version}, make a backup with these "
            "programs, and restore it into a new --data folder (docs/operating.md, Backups)."
        )
    return True


def remove_incomplete_clusters(data: Path) -> None:
    """Removes the clusters whose creation was interrupted."""
    for folder in data.glob("postgres.new-*"):
        shutil.rmtree(folder, ignore_errors=True)  # initdb of a killed server may still write into it


class NewCluster:
    """A cluster that initdb creates.

    It gets its final name when it is complete, so an interrupted creation leaves nothing that looks like a cluster.
    """

    def __init__(self, data: Path, account: Account, binaries: Path, version: str, log_file: LogFile) -> None:
        self._log_file = log_file
        self._folder = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=data))
        account.own(self._folder)
        with log_file.open() as output:
            self.process: subprocess.Popen[bytes] = account.spawn(
                binaries / "initdb", *initdb_options(int(version)), f"--pgdata={self._folder}", output=output
            )

    async def finish(self, cluster: Path) -> None:
        """Waits for initdb, then renames the folder to `cluster`, which may exist if it is empty."""
        while self.process.poll() is None:  # noqa: ASYNC110 - the end of a process is no event
            await asyncio.sleep(POLL_SECONDS)
        if self.process.returncode:
            raise EmbeddedError(
                f"PostgreSQL's initdb failed, so there is no database: {self._log_file.error()}. "
                f"See {self._log_file.path} for more."
            )
        self._folder.rename(cluster)
        parent = os.open(cluster.parent, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)
