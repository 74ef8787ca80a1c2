"""How long work may take: every limit follows from the time that PostgreSQL gives one statement."""

STATEMENT_SECONDS = 10.0
"""PostgreSQL ends a statement that runs longer."""

LOCK_SECONDS = 2.0
"""A statement fails if a row that it needs stays locked for that long."""

COMMAND_SECONDS = STATEMENT_SECONDS + 0.5
"""The driver gives a statement up after that time: PostgreSQL would have ended it, so the connection is dead."""

CALL_SECONDS = COMMAND_SECONDS + 0.5
"""A call is cut off after that time, retries included. One statement that runs into its limit still gets its answer."""

LAST_WRITE_SECONDS = CALL_SECONDS + STATEMENT_SECONDS
"""After that time no call that began before can still write.

A call can send its last statement right before it is cut off, and PostgreSQL may still run that statement to its limit.
"""
