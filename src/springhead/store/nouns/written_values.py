"""The SQL of the value that a write stores in a column, from the object `s` that was sent."""

from springhead.model.kit.columns import Column, Noun
from springhead.store.database import sql
from springhead.store.leads import opt_out_clauses


def inserted(noun: Noun, column: Column) -> str:
    """Returns the value of a new row."""
    if column.name == noun.opt_out_flag:
        return opt_out_clauses.INSERTED_FLAG
    return f"coalesce({_sent(column)}, {column.default})" if column.default else _sent(column)


def updated(noun: Noun, column: Column, null_bit: int | None) -> str:
    """Returns the value of an updated row `l`; `null_bit` is the bit by which the object sets the column to null."""
    value = f"coalesce({_sent(column)}, l.{column.sql})"
    if column.reserved:
        return f"case when l.{column.sql} = {sql.literal(column.reserved)} then l.{column.sql} else {value} end"
    if column.key_sql:  # an object without an id has found its row by the key: its spelling of the key changes nothing
        return f"case when s.id is null then l.{column.sql} else {value} end"
    if null_bit is not None and not column.default:
        value = f"case when s.nulls & {null_bit} <> 0 then null else {value} end"
    return opt_out_clauses.updated_flag(value) if column.name == noun.opt_out_flag else value


def _sent(column: Column) -> str:
    """Returns the sent value of a column, in the form that is stored."""
    sent = f"s.{column.sql}"
    if column.kind.sql == "timestamptz":
        sent = sql.time_to_store(sent, zone="$6", whole_days=column.kind.whole_days)
    if column.reserved:
        sent = f"nullif({sent}, {sql.literal(column.reserved)})"
    return sent
