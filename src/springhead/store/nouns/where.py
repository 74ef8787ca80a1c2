"""A `where` of the wire as SQL: equality over an allow-list of columns, values always as parameters. Pure."""

from collections.abc import Mapping, Sequence

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json

_ARRAYS = {
    "boolean": "boolean[]", "bigint": "bigint[]", "smallint": "smallint[]", "text": "text[]", "numeric": "numeric[]"
}  # fmt: skip


class Where:
    """The conditions of one call and their parameters, numbered from `first`.

    All must match; with `either`, any, and those chosen by id come first in the order.
    """

    def __init__(self, noun: Noun, filters: Mapping[str, Json], *, first: int, either: bool = False) -> None:
        self.parameters: list[object] = []
        self._columns = noun.by_name
        self._first = first
        terms = {name: self._term(name, value) for name, value in filters.items()}
        self.condition = f"({(' or ' if either else ' and ').join(terms.values())})" if terms else "true"
        self.order = f"({terms['id']}) desc, l.id" if either and "id" in terms and len(terms) > 1 else "l.id"

    def _term(self, name: str, value: Json) -> str:
        column = self._columns[name]
        values: Sequence[Json] = value if isinstance(value, (list, tuple)) else [value]
        expression = column.read or f"l.{column.sql}"
        if column.key_sql and column.make_key:
            expression, values = f"l.{column.key_sql}", [column.make_key(str(one)) for one in values]
        self.parameters.append(list(values))
        number = self._first + len(self.parameters) - 1
        if isinstance(value, (list, tuple)):
            return f"{expression} = any(${number}::{_ARRAYS[column.kind.sql]})"
        self.parameters[-1] = values[0]
        return f"{expression} = ${number}"
