"""The custom fields of rows.

Their names come from callers, so no name becomes part of a statement: PostgreSQL cuts identifiers to 63 bytes, and
`custom->>'name'` for each field reads the whole column once for each field. Reads select the column once instead.
"""

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import asyncpg
import msgspec

from springhead.model.kit.errors import Json

Rows = list[dict[str, Json]]

_COLUMN = "#custom"
"""The name of the column in the select list. The name of a field never begins with `#`."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class CustomValues:
    """The custom fields to read of a table with the alias `l`, in the order of the answer."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def add_to(self, select_list: str) -> str:
        """Returns the select list, which may be empty, with the custom fields, if any are wanted."""
        custom = [f'l.custom as "{_COLUMN}"'] if self.names else []
        return ",\n    ".join([select_list, *custom] if select_list else custom)

    def rows(self, records: Iterable[asyncpg.Record]) -> list[dict[str, Any]]:
        """The records as rows: custom fields come after all other columns, "" if they are unset."""
        rows: list[dict[str, Any]] = [dict(record) for record in records]
        if self.names:
            for row in rows:
                values = _decode(row.pop(_COLUMN) or "{}")
                row.update(zip(self.names, map(values.get, self.names, repeat("")), strict=True))
        return rows
