"""The value of a field of a lead `l` in figures about many leads. Pure."""

from springhead.model.figures.spreads import shape_of
from springhead.model.kit.columns import Column
from springhead.model.kit.filter_values import value_type
from springhead.store.database.sql import literal
from springhead.store.nouns.folding import filled


def value_of(column: Column, *, custom: bool) -> str:
    """Returns the SQL of the value, null for an empty one: a number, a time, or a text.

    A flag is '1' or '0'. Dates and times of custom fields are texts that sort as the times do.
    """
    field = f"l.custom->>{literal(column.name)}"
    if not custom:
        field = f"({column.read})" if column.read else f"l.{column.sql}"
    match value_type(column):
        case "flag":  # a flag that was never set is not set
            return f"case when {field} = '1' then '1' else '0' end" if custom else f"({field} is true)::int::text"
        case "written date" | "written time":
            return f"""nullif({field}, '') collate "C" """
        case "text" | "checkbox":
            return filled(field)
        case "whole number" | "number":
            return f"({field})::numeric" if shape_of(column) == "number" else f"({field})::text"
        case _:
            return field
