"""The custom fields of rows.

Their names come from callers, so no name becomes an identifier: PostgreSQL cuts identifiers to 63 bytes. And
`custom->>'name'` reads the whole column for each field, so reads of many fields select the column once instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import asyncpg
import msgspec

from springhead.model.kit.errors import Json
from springhead.store.database.sql import literal

Rows = list[dict[str, Json]]

FEW = 8
"""Up to so many fields are columns of their own. 500 leads of 30 fields, one of them read: 6 ms instead of 17."""

_COLUMN = "#custom"
"""The name of the column in the select list, or its beginning. The name of a field never begins with `#`."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class CustomValues:
    """The custom fields to read of a table with the alias `l`, in the order of the answer."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._by_alias: Mapping[str, str] = {}
        if len(self.names) <= FEW:
            self._by_alias = {f"{_COLUMN}{number}": name for number, name in enumerate(self.names)}

    def add_to(self, select_list: str) -> str:
        """Returns the select list, which may be empty, with the custom fields, if any are wanted."""
        columns = [
            f"""coalesce(l.custom->>{literal(name)}, '') as "{alias}\"""" for alias, name in self._by_alias.items()
        ]
        if self.names and not columns:
            columns = [f'l.custom as "{_COLUMN}"']
        return ",\n    ".join([select_list, *columns] if select_list else columns)

    def rows(self, records: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
        """The records as rows. Unset custom fields are ""."""
        if not self.names or not records:
            return [dict(record) for record in records]
        if self._by_alias:
            keys = [self._by_alias.get(key, key) for key in records[0].keys()]  # noqa: SIM118 - a record iterates over its values
            return [dict(zip(keys, record.values(), strict=True)) for record in records]
        rows: list[dict[str, Any]] = [dict(record) for record in records]
        for row in rows:
            values = _decode(row.pop(_COLUMN) or "{}")
            row.update(zip(self.names, map(values.get, self.names, repeat("")), strict=True))
        return rows
