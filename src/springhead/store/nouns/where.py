"""The parameter `where` of the API as SQL: equality tests of allowed columns, with all values as parameters. Pure.

Texts are compared in NFC, because the same accent has several codings. Their case counts.
"""

from collections.abc import Mapping, Sequence

from springhead.model.kit.columns import Noun
from springhead.model.kit.errors import Json
from springhead.model.kit.texts import composed
from springhead.store.nouns import folding

_ARRAYS = {
    "boolean": "boolean[]", "bigint": "bigint[]", "smallint": "smallint[]", "text": "text[]", "numeric": "numeric[]"
}  # fmt: skip


class WhereClause:
    """The condition of one call and its parameters, numbered from `first`.

    A row must match all filters. With `either` it must match one of them, and rows chosen by id come first in `order`.
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
            expression, values = f"l.{column.key_sql}", [column.make_key(str(item)) for item in values]
        elif column.kind.sql == "text" and not column.kind.options:  # options of columns are words of ASCII
            expression, values = f"({folding.composed(expression)})", [composed(str(item)) for item in values]
        self.parameters.append(list(values))
        number = self._first + len(self.parameters) - 1
        if isinstance(value, (list, tuple)):
            return f"{expression} = any(${number}::{_ARRAYS[column.kind.sql]})"
        self.parameters[-1] = values[0]
        return f"{expression} = ${number}"
