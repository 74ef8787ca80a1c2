"""The search of leads: its words, its order, and its cursors. Pure."""

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from springhead.model.kit.columns import ID_MAX, Column, Kind
from springhead.model.kit.errors import Json
from springhead.model.kit.fields import FieldSet
from springhead.model.kit.filters import FilterFields
from springhead.model.kit.texts import folded, plain_digits, seen
from springhead.model.leads.leads import LEAD

SORTS_MAX = 3
"""By how many fields a search can be sorted. The id always comes after them."""

WORDS_MAX = 10
"""How many words a search can have. Each word is searched in every lead that matches the filter."""

PARTS_MAX = 30
"""How many words a search can have where punctuation separates them."""

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


class Word(NamedTuple):
    """A word of a search. A lead has it if its texts contain every part, or if a phone number contains the digits.

    `parts` are folded. `loose` replaces them in a search for typos. `digits` is "" for a word that is no number.
    """

    parts: tuple[str, ...]
    loose: tuple[str, ...]
    digits: str = ""


_NUMBER = re.compile(r"(?<!\S)[(+]{0,2}[0-9][0-9 ()/.+-]{5,}[0-9](?!\S)")
"""A phone number with separators, also with spaces."""

_ASIDE = re.compile(r"[^0-9]*\(0\)|[^0-9]+")
"""What is left out of a phone number: separators, and a zero that is not dialled after the country code."""

_DIGITS_MIN = 3
"""How many digits a word must have to be searched in phone numbers."""

_SEPARATORS = frozenset("!\"&'(),-./:;<>?[]{}")
"""Punctuation of ASCII that separates words. Other signs are parts of words, as in `C#`, `100%` and `a_b`."""

_INSIDE = frozenset("&'-.")
"""Separators that an address or a domain can contain."""

_APOSTROPHES = frozenset("`\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb")
"""Letters and accents to Unicode, but written for apostrophes."""


def tokens(text: str) -> list[str]:
    """Returns the texts between white space in Unicode's composed form, each once."""
    return list(dict.fromkeys(seen(text).split()))


def words(text: str) -> list[Word]:
    """Returns the words of a text, each once. Punctuation separates words, except inside an address or a domain.

    A text of punctuation alone is searched as it is.
    """
    numbers: list[Word] = []

    def take(match: re.Match[str]) -> str:
        number = match[0]
        digits = phone_digits(number)
        if len(digits) < _NUMBER_DIGITS:
            return number
        groups = tuple(dict.fromkeys(re.findall("[0-9]+", number)))
        numbers.append(Word(groups, groups, digits))
        return " "

    rest = _NUMBER.sub(take, seen(text))
    found = [word for token in rest.split() for word in _words_of(token)]
    return list(dict.fromkeys(found + numbers)) or [Word((folded(token),), (folded(token),)) for token in tokens(text)]


_NUMBER_DIGITS = 6
"""How many digits make several groups one phone number."""


def phone_digits(number: str) -> str:
    """Returns the digits of a phone number, without zeros before it: `00` and `0` are dialled, and not part of it."""
    return _ASIDE.sub("", number).lstrip("0")


def _words_of(token: str) -> Iterator[Word]:
    for piece in _split(token, keeping=_INSIDE):
        bare = piece.strip("".join(filter(_separates, piece)))
        parts = tuple(dict.fromkeys(map(folded, _split(bare))))
        if not parts or (bare.isascii() and not any(map(str.isalnum, bare))):
            continue
        whole = (folded(bare),)
        if "@" in bare:
            yield Word(whole, whole)
        elif "." in bare:
            yield Word(whole, parts)
        else:
            digits = plain_digits("".join(parts)).removeprefix("+")
            is_number = len(digits) >= _DIGITS_MIN and digits.isascii() and digits.isdecimal()
            yield Word(parts, parts, phone_digits(plain_digits(folded(bare))) if is_number else "")


def _split(text: str, *, keeping: Collection[str] = ()) -> list[str]:
    return "".join(" " if _separates(letter) and letter not in keeping else letter for letter in text).split()


def _separates(letter: str) -> bool:
    """Whether a character separates words: punctuation, or an invisible character."""
    if letter in _APOSTROPHES:
        return True
    if letter.isascii():
        return letter in _SEPARATORS or not letter.isprintable()
    return unicodedata.category(letter)[0] in "PZC"


class TypoPattern(NamedTuple):
    """Finds a word with a typo: one of the two `rough` patterns of LIKE must match, and then the regular expression."""

    rough: tuple[str, str]
    expression: str


def typo_pattern(word: str) -> TypoPattern | None:
    """Returns the pattern for the beginning of a word with one extra, missing, wrong or swapped letter.

    A word of three letters must match as a whole. Returns None if the word is too short, too long, or not all letters.
    """
    lower = folded(word)
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


def can_be_loose(word: Word) -> bool:
    """Whether a search for typos can find more leads with the word."""
    return word.loose != word.parts or any(map(typo_pattern, word.loose))


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

    The name contains the word; one of its words begins with it; one of its words is equal to it. The word is folded,
    and the patterns expect names with a space before and after them.
    """
    part = escaped(word)
    return f"%{part}%", f"% {part}%", f"% {part} %"


def escaped(text: str) -> str:
    """Returns a text for a pattern of LIKE, in which it stands for itself."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


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
