"""Parts of statements, composed from the columns of a noun. Pure.

They contain declared names only and never input. The type `Statement` marks composed text; all other SQL is a literal.
"""

from collections.abc import Iterable, Sequence
from typing import LiteralString, NewType

from springhead.model.kit.columns import Column, Noun

Statement = NewType("Statement", str)
Sql = LiteralString | Statement


def statement(*parts: str) -> Statement:
    """Joins parts to a statement, each on a line of its own."""
    return Statement("\n".join(parts))


def quoted(name: str) -> str:
    """A declared name as an SQL identifier. PostgreSQL cuts identifiers to 63 bytes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def after(cte: str) -> str:
    """Returns a condition that is always true and makes PostgreSQL run a CTE first (docs/lock-order.md).

    PostgreSQL runs a CTE when the statement reads it. Counting its rows reads all of them, so they are locked
    or deleted before the statement with the condition touches a row.
    """
    return f"(select count(*) from {cte}) >= 0"


def expression(column: Column, *, table: str = "l") -> str:
    """Returns the SQL of a column as the API shows it: text or null (docs/wire/values.md#answers).

    `$2` is the time zone of the call.
    """
    value = column.read or f"{table}.{column.sql}"
    match column.kind.sql:
        case "boolean":
            return f"({value})::int::text"
        case "timestamptz" if column.kind.whole_days:
            is_day = f"date_trunc('second', {value}) <> {value}"
            local = f"{value} at time zone case when {is_day} then 'UTC' else $2 end"
            return f"to_char({local}, 'YYYY-MM-DD HH24:MI:SS')"
        case "timestamptz":
            return f"to_char({value} at time zone $2, 'YYYY-MM-DD HH24:MI:SS')"
        case "text":
            return value
        case "numeric":
            return f"trim_scale({value})::text"
        case _:
            return f"({value})::text"


def time_to_store(sent: str, *, zone: str, whole_days: bool) -> str:
    """Returns the SQL of a time to store, from a time without a zone in `zone`.

    The wire has whole seconds. With `whole_days`, a midnight is a whole day: it is stored as the first microsecond
    after the midnight in UTC, so that `expression` finds the same day in every zone.
    """
    if not whole_days:
        return f"({sent} at time zone {zone})"
    day = f"({sent}::timestamp + interval '1 microsecond') at time zone 'UTC'"
    return f"(case when {sent}::time = '00:00:00' then {day} else {sent} at time zone {zone} end)"


def select_list(columns: Iterable[Column]) -> str:
    """Returns the select list of declared columns as the API shows them.

    Custom fields are read with `store/nouns/custom_values.py`, because their names must not become identifiers.
    """
    return ",\n    ".join(f"{expression(column)} as {quoted(column.name)}" for column in columns)


def shown(noun: Noun, names: Sequence[str] | None, *, leaving_out: Iterable[str] = ()) -> list[Column]:
    """The standard columns to read: the named columns, or the default columns without `leaving_out`."""
    if names is None:
        hidden = set(leaving_out)
        return [column for column in noun.columns if not column.on_request and column.name not in hidden]
    wanted = set(names)
    return [column for column in noun.columns if column.name in wanted]


def recordset(columns: Iterable[Column], *, parameter: int) -> str:
    """Returns `jsonb_to_recordset` over a parameter: JSON objects with the API's names, times without a time zone."""
    typed = ", ".join(
        f"{quoted(column.name)} {column.kind.sql.replace('timestamptz', 'timestamp')}" for column in columns
    )
    return f"jsonb_to_recordset(${parameter}::jsonb) as ({typed})"


def names(columns: Iterable[Column], *, table: str = "") -> str:
    """The SQL names of columns, separated by commas."""
    return ", ".join(f"{table}{column.sql}" for column in columns)
