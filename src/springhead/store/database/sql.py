"""The parts of statements that follow from a noun's columns. Pure: built from declared names, never from input.

`Statement` marks text that was composed here; everything else that reaches the database is a literal.
"""

from collections.abc import Iterable, Sequence
from typing import LiteralString, NewType

from springhead.model.kit.columns import Column, Noun

Statement = NewType("Statement", str)
Sql = LiteralString | Statement


def statement(*parts: str) -> Statement:
    """One statement from its parts."""
    return Statement("\n".join(parts))


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def expression(column: Column, *, table: str = "l") -> str:
    """A column as an answer has it, text or null (docs/wire/values.md#answers); `$2` is the time zone of the call."""
    value = column.read or f"{table}.{column.sql}"
    match column.kind.sql:
        case "boolean":
            return f"({value})::int::text"
        case "timestamptz":
            return f"to_char({value} at time zone $2, 'YYYY-MM-DD HH24:MI:SS')"
        case "text":
            return value
        case "numeric":
            return f"trim_scale({value})::text"
        case _:
            return f"({value})::text"


def select_list(columns: Iterable[Column], custom: Iterable[Column] = ()) -> str:
    """The select list that gives the wire's row: standard columns, then custom fields ("" when unset)."""
    return ",\n    ".join(
        [f"{expression(column)} as {quoted(column.name)}" for column in columns]
        + [f"coalesce(l.custom->>{literal(column.name)}, '') as {quoted(column.name)}" for column in custom]
    )


def shown(noun: Noun, names: Sequence[str] | None, *, leaving_out: Iterable[str] = ()) -> list[Column]:
    """The standard columns to read: those named, else all that are not only for the asking."""
    if names is None:
        hidden = set(leaving_out)
        return [column for column in noun.columns if not column.asked and column.name not in hidden]
    wanted = set(names)
    return [column for column in noun.columns if column.name in wanted]


def recordset(columns: Iterable[Column], *, parameter: int) -> str:
    """`jsonb_to_recordset` over the JSON objects of a parameter, with the wire's names; times are still in no zone."""
    typed = ", ".join(
        f"{quoted(column.name)} {column.kind.sql.replace('timestamptz', 'timestamp')}" for column in columns
    )
    return f"jsonb_to_recordset(${parameter}::jsonb) as ({typed})"


def names(columns: Iterable[Column], *, table: str = "") -> str:
    """The columns' SQL names, comma-separated."""
    return ", ".join(f"{table}{column.sql}" for column in columns)
