"""What went wrong, in a sentence for the operator that says what to do next."""

import sys


class Failure(Exception):
    """A command cannot do its work; the text says why and what to do."""


def sentence(cause: BaseException) -> str | None:
    """The sentence for an error that an operator can mend; None for a mistake of ours, to be traced."""
    if isinstance(cause, (Failure, *_loaded("springhead.postgres.errors", "EmbeddedError"))):
        return str(cause)
    if isinstance(cause, _loaded("springhead.store.database.migrate", "RefusedDatabase")):
        return str(cause)
    if isinstance(cause, _loaded("springhead.model.kit.errors", "Unavailable")):
        return "The database stopped answering. Try again, or run: springhead doctor"
    if isinstance(cause, (OSError, *_loaded("asyncpg", "PostgresError"), *_loaded("asyncpg", "InterfaceError"))):
        return f"{cause}. For a check of the whole set-up, run: springhead doctor"
    return None


def _loaded(module: str, name: str) -> tuple[type[BaseException], ...]:
    """The class, when its module was imported: what was not cannot have raised it, and is slow to import."""
    return (getattr(sys.modules[module], name),) if module in sys.modules else ()
