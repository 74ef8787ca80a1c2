"""The configuration of the embedded PostgreSQL: options of initdb, and settings of the server."""

import sys
from pathlib import Path
from typing import Final

ROLE: Final = "springhead"
"""The role that the server connects as, without special rights. Its database has the same name."""

OWNER: Final = "springhead_owner"
"""The role that owns the database and its tables."""

SUPERUSER: Final = "postgres"
"""PostgreSQL's superuser, who creates the other roles and migrates."""

PORT: Final = 5432
"""Part of the socket's file name. PostgreSQL listens on no TCP port."""

CLUSTER_NAME: Final = "springhead"
"""Marks the command lines of our processes. A PostgreSQL that an administrator starts does not have it."""

CTYPE: Final = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"

_INITDB: Final = (
    f"--username={SUPERUSER}",
    "--auth-local=peer",  # access.py says who may connect
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    f"--lc-ctype={CTYPE}",  # with C, pg_trgm ignores every letter outside ASCII
    "--data-checksums",
    "--no-instructions",
)

_SETTINGS: Final = {
    "cluster_name": CLUSTER_NAME,
    "port": str(PORT),
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_level": "replica",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "track_activity_query_size": "256",
    # The log must contain no stored data. An ERROR quotes values. A DETAIL quotes duplicate keys, and after a crash
    # the statement that ran.
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_autovacuum_min_duration": "-1",
    "log_checkpoints": "off",
    "log_lock_waits": "off",
    "log_line_prefix": "%m [%p] ",
}


def initdb_options(version: int) -> tuple[str, ...]:
    """Returns the options of initdb for a major version of PostgreSQL.

    Before 17 PostgreSQL has no locale of its own, so the C library knows the letters. Texts sort alike with both.
    """
    builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    return (*_INITDB, *(builtin if version >= 17 else ("--locale-provider=libc",)))


def server_options(socket_directory: Path) -> list[str]:
    """Returns the settings of the server as arguments of `postgres`."""
    settings = {**_SETTINGS, "unix_socket_directories": f'"{socket_directory}"'}
    return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
