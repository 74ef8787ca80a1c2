"""The cluster: the files of PostgreSQL in a data folder, and their creation by initdb."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from springhead.postgres.account import Account
from springhead.postgres.configuration import INITDB
from springhead.postgres.errors import EmbeddedError
from springhead.postgres.log_file import LogFile

POLL_SECONDS = 0.015


def cluster_exists(cluster: Path, version: str) -> bool:
    """Whether the folder holds a cluster. Raises EmbeddedError if it holds anything else, or another version."""
    try:
        cluster_version = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        if cluster.exists() and any(cluster.iterdir()):
            raise EmbeddedError(
                f"{cluster} is not empty and is no PostgreSQL cluster, so no database can be created in it. "
                "Move it away, or start with another --data folder."
            ) from None
        return False
    if cluster_version != version:
        raise EmbeddedError(
            f"{cluster} was created by PostgreSQL {cluster_version}, and this Springhead includes {version}. "
            "Start it with the Springhead version that created it. Or dump it with a PostgreSQL "
            f"{cluster_version} and load the dump into a new --data folder."
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

    def __init__(self, data: Path, account: Account, initdb: Path, log_file: LogFile) -> None:
        self._log_file = log_file
        self._folder = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=data))
        account.own(self._folder)
        with log_file.open() as output:
            self.process: subprocess.Popen[bytes] = account.spawn(
                initdb, *INITDB, f"--pgdata={self._folder}", output=output
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
