"""The search of leads: its words, its order, and its cursors. Pure."""

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from springhead.model.kit.columns import ID_MAX, Column, Kind
from springhead.model.kit.errors import Json
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.filters import FilterFields
from springhead.model.leads.leads import LEAD

SORTS_MAX = 3
"""By how many fields a search can be sorted. The id always comes after them."""

WORDS_MAX = 10
"""How many words a search can have. Each word is searched in every lead that matches the filter."""

KEY_LENGTH = 200
"""How many characters of a text leads are sorted by. Leads with the same characters are sorted by id."""

TOTAL_MAX = 10_000
"""The largest total: a search counts no more leads than this."""

RANK_BLOCK = 2_000
"""How many leads with the words are ranked at a time, the best first."""

TYPO_LENGTHS = range(3, 21)
"""The lengths of words in which a search allows a typo."""

_LONG = 6
"""In words of at least this length, a typo can be anywhere. A shorter word begins with its first or second letter."""

_MEMBERSHIP = Kind(type="membership", sql="membership", accepts=int, expected="Expected the id of a list")
_LIST = Column(name="list", kind=_MEMBERSHIP, writable=False)
_ALWAYS_THERE = {"id", "leadScore", "leadScoreWeighted", "active", "createTimestamp", "updateTimestamp"}


def search_fields(fields: FieldSet) -> FilterFields:
    """Returns the fields that the filter of a search can test: all fields of leads, their lists and their events."""
    custom = {column.name: column for column in fields.columns["lead"]}
    return FilterFields({**LEAD.by_name, "list": _LIST}, custom, history=True)


class SortKey(NamedTuple):
    """A column by which leads are sorted."""

    column: Column
    custom: bool
    descending: bool

    @property
    def never_empty(self) -> bool:
        """Whether every lead has a value in the column."""
        return not self.custom and self.column.name in _ALWAYS_THERE

    @property
    def sql_type(self) -> str:
        """The SQL type of the column's sort values."""
        return "text" if self.custom else self.column.kind.sql


def sort_keys(sort: Sequence[tuple[str, bool]], fields: FieldSet) -> list[SortKey] | str:
    """Returns the sort keys for pairs of (name, descending), with the id last. If a name is unknown, returns it."""
    custom = {column.name: column for column in fields.columns["lead"]}
    keys: list[SortKey] = []
    for name, descending in sort:
        column = LEAD.by_name.get(name) or custom.get(name)
        if column is None:
            return name
        keys.append(SortKey(column, name not in LEAD.by_name, descending))
        if name == "id":  # ids are unique, so further keys would not matter
            return keys
    return [*keys, SortKey(LEAD.by_name["id"], custom=False, descending=False)]


def words(text: str) -> list[str]:
    """Returns the words of a text in Unicode's composed form, each once."""
    return list(dict.fromkeys(unicodedata.normalize("NFC", text).split()))


class TypoPattern(NamedTuple):
    """Finds a word with a typo: one of the two `rough` patterns of LIKE must match, and then the regular expression."""

    rough: tuple[str, str]
    expression: str


def typo_pattern(word: str) -> TypoPattern | None:
    """Returns the pattern for the beginning of a word with one extra, missing, wrong or swapped letter.

    A word of three letters must match as a whole. Returns None if the word is too short, too long, or not all letters.
    """
    lower = word.lower()
    length = len(lower)
    if not lower.isalpha() or length not in TYPO_LENGTHS:
        return None
    half = length // 2
    first = 0 if length >= _LONG else 1
    forms = {lower[:i] + lower[i + 1] + lower[i] + lower[i + 2 :] for i in range(length - 1)}
    for i in range(first, length):
        forms |= {lower[:i] + end for end in (lower[i + 1 :], "." + lower[i + 1 :], "." + lower[i:])}
    # Wherever the typo is, it spares one of these two parts of the word.
    rough = (lower[: half - 1], lower[half:]) if length >= _LONG else (f" {lower[0]}", f" {lower[1]}")
    ending = r"\M" if length == TYPO_LENGTHS[0] else ""
    return TypoPattern((f"%{rough[0]}%", f"%{rough[1]}%"), rf"\m(?:{'|'.join(sorted(forms))}){ending}")


class Cursor(NamedTuple):
    """The cursor of a search: it continues after the row with these sort values. `typos`: words may have typos."""

    typos: bool
    values: tuple[Json, ...]


class RankPosition(NamedTuple):
    """The cursor of a search that is sorted by rank: it continues after the lead with this rank and id.

    The search ranks the leads in blocks by id. This block has the leads with ids after `after`, up to `until`, or to
    the last lead if `until` is None.
    """

    after: int
    until: int | None
    rank: int
    id: int


def rank_patterns(word: str) -> tuple[str, str, str]:
    """Returns patterns of LIKE for three ranks of names, the lowest first.

    The name contains the word; one of its words begins with it; one of its words is equal to it. The patterns are in
    lower case, and expect names with a space before and after them.
    """
    escaped = word.lower().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%", f"% {escaped}%", f"% {escaped} %"


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def fingerprint(*parts: Json) -> str:
    """Returns a hash of the parts of a search. Two searches with the same hash are the same search."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:20]


def encode_cursor(cursor: Cursor, search: str) -> str:
    """Returns the cursor as an opaque text for the caller. `search` is the fingerprint of its search."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in cursor.values]
    text = msgspec.json.encode([search, cursor.typos, values])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode_cursor(text: str, search: str, keys: Sequence[SortKey]) -> Cursor | None:
    """Returns the cursor that `encode_cursor` wrote for the same search, or None for any other text."""
    document_type = tuple[str, bool, list[str | bool | int | None]]
    try:
        cursor_search, typos, encoded = msgspec.json.decode(_decoded(text), type=document_type)
        values = tuple(_value(key, value) for key, value in zip(keys, encoded, strict=True))
    except (binascii.Error, msgspec.MsgspecError, ValueError, UnicodeError):
        return None
    return Cursor(typos, values) if cursor_search == search else None


def decode_rank_cursor(text: str, search: str) -> Cursor | None:
    """Returns the cursor that `encode_cursor` wrote for the same search sorted by rank, or None for any other text.

    Its values are a RankPosition.
    """
    try:
        cursor_search, typos, position = msgspec.json.decode(_decoded(text), type=tuple[str, bool, RankPosition])
    except (binascii.Error, msgspec.MsgspecError, ValueError, UnicodeError):
        return None
    valid = all(number is None or abs(number) <= ID_MAX for number in position)
    return Cursor(typos, position) if cursor_search == search and valid else None


_TYPES: Mapping[str, type] = {"boolean": bool, "bigint": int, "smallint": int, "integer": int}


def _value(key: SortKey, value: str | bool | int | None) -> Json:
    """Returns a sort value for the database driver. Raises ValueError for values that no cursor of ours has."""
    if value is None and not key.never_empty:
        return None
    if key.sql_type == "timestamptz" and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.utcoffset() == timedelta(0):
            return moment  # type: ignore[return-value]
    elif type(value) is _TYPES.get(key.sql_type, str):
        if isinstance(value, int) and abs(value) <= ID_MAX:
            return value
        if isinstance(value, str) and len(value) <= KEY_LENGTH and "\0" not in value:
            return value
    raise ValueError
