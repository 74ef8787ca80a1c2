"""Who may connect to the embedded PostgreSQL: the files `pg_hba.conf` and `pg_ident.conf` of a cluster."""

import os
import pwd
import tempfile
from pathlib import Path
from typing import Final

from springhead.postgres.account import Account
from springhead.postgres.configuration import OWNER, ROLE, SUPERUSER
from springhead.postgres.errors import EmbeddedError

_NOTE: Final = "# Springhead writes this file at each start. Changes are lost.\n"

_MAP: Final = "springhead"

_HBA: Final = f"""{_NOTE}\
# The kernel says which system user connects (peer). pg_ident.conf says as which role this user may.
local  all,replication  all       peer  map={_MAP}
host   all,replication  all  all  reject
"""


def restrict_access(cluster: Path, account: Account) -> None:
    """Lets only the user of this process and root connect, over the socket.

    If this process is root, the user that PostgreSQL runs as cannot connect: other services may run as this user.
    """
    users = dict.fromkeys(_name(uid) for uid in (os.geteuid(), 0))
    lines = [f'{_MAP}  "{user}"  {role}\n' for user in users for role in (SUPERUSER, OWNER, ROLE)]
    _write(cluster / "pg_ident.conf", _NOTE + "".join(lines), account)
    _write(cluster / "pg_hba.conf", _HBA, account)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise EmbeddedError(
            f"The system user {uid} has no name on this machine, so PostgreSQL cannot tell who connects. "
            "Add it to /etc/passwd, or start Springhead as another user."
        ) from None


def _write(path: Path, text: str, account: Account) -> None:
    """Replaces a file, at once and on disk, if its text differs.

    The folder can belong to another user than this process. So no link in it is followed.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as opened:
            if opened.read(len(text.encode()) + 1) == text.encode():
                return
    except OSError:
        pass  # missing, or a link: replaced too
    number, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as new:
            new.write(text.encode())
            account.own(new.fileno())
            new.flush()
            os.fsync(new.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
