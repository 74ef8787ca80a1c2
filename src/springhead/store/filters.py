"""A `where` of the wire as SQL: equality over an allow-list of columns, values always as parameters. Pure."""

from collections.abc import Mapping, Sequence

from springhead.model.columns import Noun
from springhead.model.errors import Json
from springhead.model.leads import email_key

type_name = {"boolean": "boolean[]", "bigint": "bigint[]", "smallint": "smallint[]", "text": "text[]"}


class Where:
    """The conditions of one call and their parameters, numbered from `first`."""

    def __init__(self, noun: Noun, filters: Mapping[str, Json], *, first: int) -> None:
        self.parameters: list[object] = []
        self._columns = noun.by_name
        self._first = first
        lists = {name: value for name, value in filters.items() if isinstance(value, (list, tuple))}
        self.listed = bool(lists)
        # A list makes the scalars beside it count for nothing, ids come first (vendor's article on leads).
        terms = [self._term(name, value) for name, value in (lists or filters).items()]
        self.condition = f"({(' or ' if lists else ' and ').join(terms)})" if terms else "true"
        ids = terms[list(lists).index("id")] if "id" in lists else ""
        self.order = f"({ids}) desc, l.id" if ids and len(terms) > 1 else "l.id"

    def _term(self, name: str, value: Json) -> str:
        column = self._columns[name]
        values: Sequence[Json] = value if isinstance(value, (list, tuple)) else [value]
        expression = f"l.{column.sql}"
        if name == "emailAddress":
            expression, values = "l.email_key", [email_key(str(address)) for address in values]
        self.parameters.append(list(values))
        number = self._first + len(self.parameters) - 1
        if isinstance(value, (list, tuple)):
            return f"{expression} = any(${number}::{type_name[column.kind.sql]})"
        self.parameters[-1] = values[0]
        return f"{expression} = ${number}"
