"""The row locks in PostgreSQL's write-ahead log: all of them, with their modes, in the order they were taken.

The log also has the locks of foreign keys, and every lock of a statement, whatever its plan is.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import asyncpg

KEY_SHARE, SHARE, NO_KEY_UPDATE, UPDATE = MODES = ("key share", "share", "no key update", "update")
"""The modes of row locks, the strongest one last."""

RECORDS = """
    select (start_lsn - '0/0'::pg_lsn)::bigint as place, xid::text::bigint as transaction, resource_manager,
        record_type, coalesce(description, '') as description, coalesce(block_ref, '') as block_ref
    from pg_get_wal_records_info($1, $2)
    where resource_manager in ('Heap', 'Transaction', 'MultiXact')
    order by start_lsn
"""

_MEMBER = re.compile(r"(\d+) \((\w+)\)")
_MEMBER_MODES = {
    "keysh": KEY_SHARE, "sh": SHARE, "fornokeyupd": NO_KEY_UPDATE, "nokeyupd": NO_KEY_UPDATE,
    "forupd": UPDATE, "upd": UPDATE,
}  # fmt: skip
"""The modes of the members of a lock that several transactions have together, as the log names them."""

_BLOCK = re.compile(r"blkref #(\d+): rel \d+/\d+/(\d+) fork main blk (\d+)")

Row = tuple[int, ...]
"""A row: the table's file, and where in it the row was first met. It stays the same when an update moves the row."""


class Lock(NamedTuple):
    """A lock that the `number`th statement of a transaction took on a row that the transaction had not inserted.

    `key` identifies the row in its table, such as its id, if a statement has shown it. To insert a row with a key
    that other transactions may insert as well (`inserts`) locks the key: they wait for it.
    """

    table: str
    row: Row
    key: int | str | None
    mode: str
    inserts: bool
    number: int
    statement: str


class Ended(NamedTuple):
    """A statement that has ended: its transaction, and the position of the log at its end."""

    place: int
    transaction: int
    text: str


class Seen(NamedTuple):
    """A row that existed at a position of the log, and its key."""

    place: int
    file: int
    tuple_id: str
    key: int | str


class _Taken(NamedTuple):
    place: int
    file: int
    row: Row
    mode: str
    inserts: bool


class Reading:
    """The log from some position on. `tables` has the names of tables by their files."""

    def __init__(
        self, tables: Mapping[int, str], keyed: frozenset[str], ended: Sequence[Ended], seen: Sequence[Seen]
    ) -> None:
        self._tables, self._keyed = tables, keyed
        self._statements: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
        for number, statement in enumerate(ended):
            self._statements[statement.transaction].append((statement.place, number, statement.text))
        self._seen = list(reversed(seen))
        self._rows: dict[tuple[int, int, int], Row] = {}
        self._keys: dict[Row, int | str] = {}
        self._inserted_by: dict[Row, int] = {}
        self._together: dict[tuple[int, int], str] = {}
        """The mode of each member of a lock that several transactions have together."""

    def locks(self, records: Sequence[asyncpg.Record]) -> list[list[Lock]]:
        """The locks of each transaction with known statements, in their order."""
        parents = dict(_savepoints(records))
        taken: dict[int, list[_Taken]] = defaultdict(list)
        for record in records:
            self._see_rows(record["place"])
            if record["record_type"] == "CREATE_ID":
                self._together |= _members(record["description"])
            own: int = record["transaction"]
            transaction = parents.get(own, own)
            for lock in self._taken(record, transaction):
                if transaction in self._statements and lock.file in self._tables:
                    taken[transaction].append(lock)
        self._see_rows(None)
        return [[self._lock(transaction, lock) for lock in locks] for transaction, locks in taken.items()]

    def _see_rows(self, place: int | None) -> None:
        """Adds the keys of the rows that were seen up to this position of the log."""
        while self._seen and (place is None or self._seen[-1].place <= place):
            seen = self._seen.pop()
            block, offset = map(int, seen.tuple_id.strip("()").split(","))
            self._keys[self._row(seen.file, block, offset)] = seen.key

    def _row(self, file: int, block: int, offset: int) -> Row:
        return self._rows.setdefault((file, block, offset), (file, block, offset))

    def _taken(self, record: asyncpg.Record, transaction: int) -> Iterator[_Taken]:
        """The lock that a record of the log contains, if any."""
        blocks = {int(number): (int(file), int(block)) for number, file, block in _BLOCK.findall(record["block_ref"])}
        if 0 not in blocks:
            return
        (file, block), description, place = blocks[0], record["description"], record["place"]
        match record["record_type"].removesuffix("+INIT"):
            case "INSERT":
                offset = _number("off", description)
                row = self._rows[file, block, offset] = (
                    file,
                    block,
                    offset,
                    place,
                )  # a deleted row may have had the same place
                self._inserted_by[row] = transaction
                if self._tables.get(file) in self._keyed:
                    yield _Taken(place, file, row, UPDATE, inserts=True)
                return
            case "UPDATE" | "HOT_UPDATE":
                row = self._row(file, blocks.get(1, blocks[0])[1], _number("old_off", description))
                self._rows[file, block, _number("new_off", description)] = row
                mode = UPDATE if "KEYS_UPDATED" in _flags("old_infobits", description) else NO_KEY_UPDATE
            case "DELETE":
                row, mode = self._row(file, block, _number("off", description)), UPDATE
            case "LOCK":
                row, flags = self._row(file, block, _number("off", description)), _flags("infobits", description)
                mode = _mode(flags)
                if "IS_MULTI" in flags:
                    mode = self._together[_number("xmax", description), record["transaction"]]
            case _:
                return
        if self._inserted_by.get(row) != transaction:
            yield _Taken(place, file, row, mode, inserts=False)

    def _lock(self, transaction: int, taken: _Taken) -> Lock:
        statements = self._statements[transaction]
        after = bisect_right(statements, taken.place, key=lambda statement: statement[0])
        _, number, text = statements[after] if after < len(statements) else (0, -1, "commit")
        key = self._keys.get(taken.row)
        return Lock(self._tables[taken.file], taken.row, key, taken.mode, taken.inserts, number, text)


def _savepoints(records: Sequence[asyncpg.Record]) -> Iterator[tuple[int, int]]:
    """Each savepoint with its transaction. Savepoints that were rolled back are left out: their locks are released."""
    for record in records:
        if record["resource_manager"] == "Transaction" and (
            parts := re.search(r"subxacts: ([\d ]+)", record["description"])
        ):
            yield from ((int(part), record["transaction"]) for part in parts[1].split())


def _number(name: str, text: str) -> int:
    match = re.search(rf"\b{name}: (\d+)", text)
    assert match, text
    return int(match[1])


def _flags(name: str, text: str) -> str:
    match = re.search(rf"\b{name}: \[(.*?)\]", text)
    assert match, text
    return match[1]


def _members(description: str) -> dict[tuple[int, int], str]:
    """The modes of a lock that several transactions have together, by its number and the transaction."""
    number, _, members = description.partition(" ")
    return {(int(number), int(xid)): _MEMBER_MODES[mode] for xid, mode in _MEMBER.findall(members)}


def _mode(flags: str) -> str:
    """The mode of a lock that one transaction has."""
    if "KEYSHR_LOCK" in flags:
        return SHARE if "EXCL_LOCK" in flags else KEY_SHARE
    return UPDATE if "KEYS_UPDATED" in flags or "EXCL_LOCK" not in flags else NO_KEY_UPDATE
