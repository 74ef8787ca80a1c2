"""What a search of leads is: its words, its order, and the cursor with which it goes on. Pure."""

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
"""By how many fields a search can be sorted; the id comes after them."""

WORDS_MAX = 10
"""How many words a search can have: each is looked for in every lead that the filter leaves."""

KEY_LENGTH = 200
"""Characters of a text by which leads are sorted; what is alike so far is sorted by id."""

TOTAL_MAX = 10_000
"""How many leads are counted."""

RANK_BLOCK = 2_000
"""So many leads that have the words are put in order at a time, the best first."""

TYPO_LENGTHS = range(3, 21)
"""Lengths of the words in which a mistake is looked for."""

_LONG = 6
"""From this length on a mistake can be anywhere; a shorter word begins with its first letter, or with its second."""

_MEMBERSHIP = Kind(type="membership", sql="membership", accepts=int, expected="Expected the id of a list")
_LIST = Column(name="list", kind=_MEMBERSHIP, writable=False)
_ALWAYS_THERE = {"id", "leadScore", "leadScoreWeighted", "active", "createTimestamp", "updateTimestamp"}


def search_fields(fields: FieldSet) -> FilterFields:
    """What the filter of a search can name: every field of leads, `list` for the lists that they are on, and events."""
    custom = {column.name: column for column in fields.columns["lead"]}
    return FilterFields({**LEAD.by_name, "list": _LIST}, custom, history=True)


class SortKey(NamedTuple):
    """A column by which leads are sorted; `always` says that every lead has a value in it."""

    column: Column
    custom: bool
    descending: bool

    @property
    def never_empty(self) -> bool:
        """Whether no lead is without a value."""
        return not self.custom and self.column.name in _ALWAYS_THERE

    @property
    def sql_type(self) -> str:
        """The SQL type of what is sorted by."""
        return "text" if self.custom else self.column.kind.sql


def sort_keys(sort: Sequence[tuple[str, bool]], fields: FieldSet) -> list[SortKey] | str:
    """The columns to sort by, of (name, descending), the id last; or the name of which there is none."""
    custom = {column.name: column for column in fields.columns["lead"]}
    keys: list[SortKey] = []
    for name, descending in sort:
        column = LEAD.by_name.get(name) or custom.get(name)
        if column is None:
            return name
        keys.append(SortKey(column, name not in LEAD.by_name, descending))
        if name == "id":  # which no two have: what comes after it sorts nothing
            return keys
    return [*keys, SortKey(LEAD.by_name["id"], custom=False, descending=False)]


def words(text: str) -> list[str]:
    """The words of a text, each once, letters composed as most programs write them."""
    return list(dict.fromkeys(unicodedata.normalize("NFC", text).split()))


class TypoPattern(NamedTuple):
    """How a word with a mistake is found: one of the rough patterns of LIKE must match, then the expression."""

    rough: tuple[str, str]
    expression: str


def typo_pattern(word: str) -> TypoPattern | None:
    """What matches the beginning of a word with one letter too many, too few, wrong, or two in the wrong order.

    A word of three letters must match as a whole. None for what is too short or long, or has more than letters.
    """
    lower = word.lower()
    length = len(lower)
    if not lower.isalpha() or length not in TYPO_LENGTHS:
        return None
    half = length // 2
    first = 0 if length >= _LONG else 1
    forms = {lower[:at] + lower[at + 1] + lower[at] + lower[at + 2 :] for at in range(length - 1)}
    for at in range(first, length):
        forms |= {lower[:at] + end for end in (lower[at + 1 :], "." + lower[at + 1 :], "." + lower[at:])}
    # Whatever the one mistake is, one of these stands in the word as it should be.
    rough = (lower[: half - 1], lower[half:]) if length >= _LONG else (f" {lower[0]}", f" {lower[1]}")
    ending = r"\M" if length == TYPO_LENGTHS[0] else ""
    return TypoPattern((f"%{rough[0]}%", f"%{rough[1]}%"), rf"\m(?:{'|'.join(sorted(forms))}){ending}")


class Cursor(NamedTuple):
    """Where a search goes on: behind the row of these sort values, with or without mistakes in the words."""

    typos: bool
    values: tuple[Json, ...]


class RankPosition(NamedTuple):
    """Where a search goes on that is sorted by how well the words fit: behind a lead of that rank and id.

    Sorted are the leads `after` that id `until` another, None where these are all that there are.
    """

    after: int
    until: int | None
    rank: int
    id: int


def rank_patterns(word: str) -> tuple[str, str, str]:
    """Patterns of LIKE, in lower case, for names with a space before and behind them, and the worse fit comes first.

    The word is in them, begins one of their words, or is one.
    """
    escaped = word.lower().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%", f"% {escaped}%", f"% {escaped} %"


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def fingerprint(*parts: Json) -> str:
    """What tells one search from another."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:20]


def encode_cursor(cursor: Cursor, search: str) -> str:
    """The cursor as a caller keeps it, of the search with that fingerprint."""
    values = [one.isoformat() if isinstance(one, datetime) else one for one in cursor.values]
    text = msgspec.json.encode([search, cursor.typos, values])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode_cursor(text: str, search: str, keys: Sequence[SortKey]) -> Cursor | None:
    """The cursor that `write` gave for the same search; None for anything else."""
    try:
        of, typos, given = msgspec.json.decode(_decoded(text), type=tuple[str, bool, list[str | bool | int | None]])
        values = tuple(_value(key, one) for key, one in zip(keys, given, strict=True))
    except (binascii.Error, msgspec.MsgspecError, ValueError, UnicodeError):
        return None
    return Cursor(typos, values) if of == search else None


def decode_rank_cursor(text: str, search: str) -> Cursor | None:
    """The cursor that `write` gave for the same search, where its values are a Place; None for anything else."""
    try:
        of, typos, place = msgspec.json.decode(_decoded(text), type=tuple[str, bool, RankPosition])
    except (binascii.Error, msgspec.MsgspecError, ValueError, UnicodeError):
        return None
    right = all(number is None or abs(number) <= ID_MAX for number in place)
    return Cursor(typos, place) if of == search and right else None


_TYPES: Mapping[str, type] = {"boolean": bool, "bigint": int, "smallint": int, "integer": int}


def _value(key: SortKey, value: str | bool | int | None) -> Json:
    """A sort value as the driver takes it; ValueError for what none of ours holds."""
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
