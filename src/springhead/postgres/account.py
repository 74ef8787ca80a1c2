"""The system user that PostgreSQL runs as: the user of this process, or for root another user."""

import os
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from springhead.postgres.configuration import CTYPE
from springhead.postgres.errors import EmbeddedError

_STOP_WITH_PARENT = ("--pdeathsig", "INT", "--")


@dataclass(frozen=True)
class Account:
    """A system user, and the command prefix that starts a program as this user."""

    uid: int | None = None  # None: the user of this process
    gid: int | None = None
    prefix: tuple[str, ...] = ()
    switched_by_prefix: bool = False

    def own(self, path: Path | int) -> None:
        """Makes the user the owner of `path`, which can be an open file."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def spawn(self, *command: str | Path, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Starts `command` in a session of its own, so that Ctrl-C in our terminal does not reach it.

        Call it on the main thread: Linux sends the command SIGINT when the calling *thread* ends.
        """
        switch = self.uid is not None and not self.switched_by_prefix
        return subprocess.Popen(  # noqa: S603 - our own binaries, no shell
            [*self.prefix, *command],
            cwd="/",
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "LC_ALL": CTYPE,
                "TZ": "UTC",
            },  # without PG* variables: PostgreSQL would use them as settings
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=self.uid if switch else None,
            group=self.gid if switch else None,
            extra_groups=() if switch else None,
        )

    def version(self, postgres: Path, data: Path) -> tuple[str | None, str]:
        """Returns the major version of the binary, and the binary's output.

        The version is None if the user cannot reach the binary or the folder.
        """
        script = 'cd "$1" && exec "$2" -V'
        try:
            probe = self.spawn("/bin/sh", "-c", script, "sh", data, postgres, output=subprocess.PIPE)
            output = probe.communicate(timeout=30)[0].decode(errors="replace").strip()
        except (OSError, subprocess.SubprocessError) as cause:
            return None, str(cause)
        version = re.search(r"\(PostgreSQL\) (\d+)", output)
        return (version[1] if version and probe.returncode == 0 else None), output


def choose_account(data: Path, postgres: Path, cluster: Path) -> tuple[Account, str]:
    """Returns the first account that can run PostgreSQL, tested by running it, and its major version.

    PostgreSQL refuses to run as root. For root the account is the owner of the cluster, or for a new cluster
    the user `springhead`, `postgres` or `nobody`. Adds permission to pass through `data` (x) for this user if needed.
    """
    output = ""
    for account in _root_accounts(data, cluster) if os.geteuid() == 0 else _own_accounts():
        version, output = account.version(postgres, data)
        if version:
            return account, version
    if os.geteuid() == 0:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and no other user can reach {data} and {postgres} ({output}). "
            "Use folders that every user may pass through: for example --data /var/lib/springhead, and an "
            "installation outside of /root. Or start Springhead as a user that is not root."
        )
    raise EmbeddedError(
        f"PostgreSQL does not start, so the server has no database: {output}. "
        f"Reinstall the package that {postgres.parent} comes from, or name another PostgreSQL with --postgres-bin."
    )


def _setpriv() -> str | None:
    return shutil.which("setpriv") if sys.platform == "linux" else None


def _own_accounts() -> list[Account]:
    setpriv = _setpriv()
    # Without setpriv PostgreSQL survives a kill -9 of this process. The next start then stops it.
    return [*([Account(prefix=(setpriv, *_STOP_WITH_PARENT))] if setpriv else []), Account()]


def _root_accounts(data: Path, cluster: Path) -> list[Account]:
    uid, gid = _user_for_root(cluster)
    mode = data.stat().st_mode
    if not mode & 0o001 and data.stat().st_uid != uid:
        data.chmod(mode & 0o7777 | 0o001)
    setpriv = _setpriv()
    if not setpriv:
        return [Account(uid, gid)]
    # Popen switches the user before setpriv runs: a switch after --pdeathsig would clear the signal.
    popen_switches = Account(uid, gid, (setpriv, *_STOP_WITH_PARENT))
    # A folder such as /root is closed to other users. This account may pass through and read it, nothing else.
    # no_setuid_fixup: initdb finds its programs with access(2), which otherwise ignores the capability.
    capability = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
    switch = ("--reuid", str(uid), "--regid", str(gid), "--clear-groups")
    reads_closed_folders = Account(
        uid,
        gid,
        (setpriv, *switch, *capability, "--securebits", "+no_setuid_fixup", "--", setpriv, *_STOP_WITH_PARENT),
        switched_by_prefix=True,
    )
    return [popen_switches, reads_closed_folders, Account(uid, gid)]


def _user_for_root(cluster: Path) -> tuple[int, int]:
    """Returns the uid and gid to use if this process runs as root."""
    try:
        owner = cluster.stat()
    except FileNotFoundError:
        pass
    else:
        if owner.st_uid != 0:
            return owner.st_uid, owner.st_gid
    for name in ("springhead", "postgres", "nobody"):  # the first is an account of its own
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user.pw_uid, user.pw_gid
    raise EmbeddedError(
        "PostgreSQL does not run as root, and this machine has no user springhead, postgres or nobody. Create one "
        "(useradd --system springhead), start Springhead as a user that is not root, or use another PostgreSQL with "
        "--database-url."
    )
