"""Stops the processes that a killed server or a killed PostgreSQL left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import structlog

from springhead.postgres.configuration import CLUSTER_NAME
from springhead.postgres.errors import EmbeddedError

log = structlog.get_logger()


def stop_leftovers(cluster: Path) -> None:
    """Stops an earlier PostgreSQL of this cluster, and removes a pid file that names an unrelated process.

    The caller holds the folder's lock. Waits 15 s at most, then raises EmbeddedError.
    """
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    command = _command_line(pid)
    ours = f"cluster_name={CLUSTER_NAME} " in command
    if ours and f"-D {cluster} " in command:
        log.warning("PostgreSQL of an earlier server is still running; stopping it", pid=pid)
        for number, seconds in ((signal.SIGINT, 10), (signal.SIGQUIT, 5)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            if _wait_for_end(pid, command, seconds):
                return
        raise EmbeddedError(
            f"The PostgreSQL of an earlier server (pid {pid}) does not stop, so the server cannot start. "
            "Stop that process, then start again."
        )
    _stop_orphans(cluster)
    if _exists(pid) and (ours or "postgres" not in command):
        # After a reboot the pid can belong to an unrelated process. PostgreSQL would then refuse to start.
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def _stop_orphans(cluster: Path) -> None:
    """Stops the backends of a killed postmaster. A busy backend would notice only when its statement ends.

    Works on Linux only. Elsewhere the next start waits for the backends.
    """
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        if _command_line(pid).startswith(f"postgres: {CLUSTER_NAME}: "):
            with suppress(OSError):
                if (process / "cwd").readlink() == cluster:
                    os.kill(pid, signal.SIGQUIT)


def _command_line(pid: int) -> str:
    """Returns the command line of a process, or an empty text if the process does not exist."""
    if sys.platform == "linux":
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ")
        except OSError:
            return ""
    command = ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)]
    return os.fsdecode(subprocess.run(command, capture_output=True, check=False).stdout)  # noqa: S603 - no shell


def _exists(pid: int) -> bool:
    """Whether a process has this pid, even a zombie."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _wait_for_end(pid: int, command: str, seconds: float) -> bool:
    """Waits for a process that is not our child. Returns False if it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while _command_line(pid) == command:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
