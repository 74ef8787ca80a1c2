"""Errors of commands, as messages to the operator: what happened, and what to do now."""

import sys


class Failure(Exception):
    """Raised if a command cannot do its work. The message says why and what to do."""


_WITH_ADVICE = (
    ("springhead.postgres.errors", "EmbeddedError"),
    ("springhead.store.database.migrate", "RefusedDatabase"),
    ("springhead.store.database.key_file", "KeyFileError"),
    ("springhead.store.database.box", "NoEncryptionKey"),
    ("springhead.pages.assets", "StaleAssets"),
)
"""Errors of other rooms whose messages are complete."""

DOCTOR = "To check the whole installation, run: springhead doctor"


def message_of(cause: BaseException, *, advice: str = DOCTOR) -> str | None:
    """Returns the message for an error that an operator can fix. None for a bug, which needs its traceback.

    Ends with `advice` if the error has none of its own.
    """
    if isinstance(cause, (Failure, *(error for place in _WITH_ADVICE for error in _loaded(*place)))):
        return str(cause)
    if isinstance(cause, _loaded("springhead.model.kit.errors", "Unavailable")):
        return f"The database stopped answering, so the command did not finish. {advice}"
    if isinstance(cause, (OSError, *_loaded("asyncpg", "PostgresError"), *_loaded("asyncpg", "InterfaceError"))):
        return f"{cause}. {advice}"
    return None


def _loaded(module: str, name: str) -> tuple[type[BaseException], ...]:
    """Returns the class if its module is loaded. A module that is not loaded has raised nothing."""
    return (getattr(sys.modules[module], name),) if module in sys.modules else ()
