"""Time limits of work. Every limit follows from STATEMENT_SECONDS."""

STATEMENT_SECONDS = 10.0
"""PostgreSQL cancels a statement that runs longer."""

LOCK_SECONDS = 4.0
"""A statement fails if a row that it needs stays locked for so many seconds.

A company's writers of the same rows wait in a queue, at most as many as its share of connections (admission.py). On a
machine that is so busy that each of them takes half a second, the last one waits for almost this time. A call that has
waited twice still has time to answer.
"""

COMMAND_SECONDS = STATEMENT_SECONDS + 0.5
"""The driver's timeout. PostgreSQL would have cancelled the statement by then, so the connection is dead."""

CALL_SECONDS = COMMAND_SECONDS + 0.5
"""The time limit of a call, retries included. It leaves time to answer after a statement that reached its limit."""

LAST_WRITE_SECONDS = CALL_SECONDS + STATEMENT_SECONDS
"""The longest time from the start of a call to its last write.

A call can send its last statement right before its time limit, and PostgreSQL may run that statement to its own limit.
"""
