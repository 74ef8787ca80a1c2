"""The spellings of a text: which texts count as equal, and which characters are no part of an address. Pure."""

import re
import unicodedata

_SHAPELESS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's default ignorable characters but joiners, such as soft hyphens: they have no shape of their own."""

_SOFT = (
    "\u0001-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f"  # controls
    f"\u00a0\u2007\u202f{_SHAPELESS}"  # and no-break spaces
)

_JOINERS = "\u200c\u200d"
UNSEEN = f"{_SHAPELESS}{_JOINERS}"
"""Ranges of characters that do not count in comparisons."""

_UNSEEN = re.compile(f"[{UNSEEN}]")
_INVISIBLE = re.compile(f"[{_SOFT}]")
_STRAY_JOINER = re.compile(rf"(?<![^\x00-\x7f])[{_JOINERS}]|[{_JOINERS}](?![^\x00-\x7f])")
_JOINER = re.compile(f"[{_JOINERS}]")


def composed(text: str) -> str:
    """Returns the text in Unicode's composed form (NFC), in which all texts are compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def seen(text: str) -> str:
    """Returns the text in NFC, without characters that do not count in comparisons, such as soft hyphens."""
    return text if text.isascii() else composed(_UNSEEN.sub("", text))


def clean_address(text: str) -> str:
    """Returns an email address as it is stored: without invisible characters, and without white space around it.

    Joiners stay between letters beyond ASCII, because words of some languages need them. White space inside stays:
    quoted names can contain it.
    """
    if not (text.isascii() and text.isprintable()):
        text = _STRAY_JOINER.sub("", _INVISIBLE.sub("", text))
    return text.strip()


def without_joiners(text: str) -> str:
    """Returns the text without joiners, which change the shape of letters and not the word."""
    return text if text.isascii() else _JOINER.sub("", text)


_SIGNS = {
    "'": "\u2018\u2019\u02bb\u02bc\u2032",
    '"': "\u201c\u201d\u201e",
    "-": "\u2010\u2011\u2013\u2014\u2015\u2212",
    " ": "\u00a0\u202f",
}
PUNCTUATION = tuple((sign, plain) for plain, signs in _SIGNS.items() for sign in signs)
"""Signs that people and programs type in place of signs of ASCII. Both count as equal."""

_PUNCTUATION = str.maketrans(dict(PUNCTUATION))
SPELLINGS = (("ß", "ss"), ("\u03c2", "\u03c3"), ("i\u0307", "i"), (" \u0301", "'"))
"""After lowering: full case folding where one letter does not stay one, and the acute accent typed as an apostrophe."""


def folded(text: str) -> str:
    """Returns the text as it is compared regardless of case: the same as `store/nouns/folding.py` makes in SQL.

    Texts that match caselessly by Unicode's D145 (canonical) or D146 (compatibility) are folded to one text.
    """
    if text.isascii():
        return text.lower()
    lower = "".join(map(_lower, unicodedata.normalize("NFKD", _UNSEEN.sub("", text))))
    for spelling, plain in SPELLINGS:
        lower = lower.replace(spelling, plain)
    return unicodedata.normalize("NFC", lower.translate(_PUNCTUATION))


def _lower(letter: str) -> str:
    upper = letter.upper()
    return (upper if len(upper) == 1 else letter).lower()


ACCENTS = "\u0300-\u036f"
"""The range of the accents that words of names can lack."""

UNACCENTED = (
    ("ł", "l"), ("ø", "o"), ("đ", "d"), ("ħ", "h"), ("ŧ", "t"), ("ð", "d"), ("þ", "th"), ("æ", "ae"), ("œ", "oe")
)  # fmt: skip
"""Letters whose stroke or form no normal form takes away, and how people write them without it."""

_ACCENT = re.compile(f"[{ACCENTS}]")


def without_accents(text: str) -> str:
    """Returns a folded text without accents, as words of names are compared: the same as `store/nouns/folding.py`."""
    if text.isascii():
        return text
    bare = _ACCENT.sub("", unicodedata.normalize("NFD", text))
    for letter, plain in UNACCENTED:
        bare = bare.replace(letter, plain)
    return unicodedata.normalize("NFC", bare)


OTHER_DIGITS = "".join(
    chr(zero + digit)
    for zero in (0xFF10, 0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50)  # wide, Arabic, Persian, Hindi, Bengali, Thai
    for digit in range(10)
)
"""Digits from 0 to 9 of other scripts, which people type in phone numbers."""

_DIGITS = str.maketrans(OTHER_DIGITS, "0123456789" * (len(OTHER_DIGITS) // 10))


def plain_digits(text: str) -> str:
    """Returns the text with digits of ASCII in place of digits of other scripts."""
    return text if text.isascii() else text.translate(_DIGITS)


_FLOAT = re.compile(r"([0-9])\.([0-9]{6,})[eE]\+?([0-9]{1,2})|([0-9]{6,})\.0+")
"""A phone number that a program or a sheet has taken for a number, with all its digits."""


def clean_phone(text: str) -> str:
    """Returns a phone number as it is stored: as it was sent, or the digits of a number with a point or an exponent.

    A number with fewer than six decimals and an exponent stays: the sheet that wrote it has rounded it.
    """
    match = _FLOAT.fullmatch(text)
    if not match:
        return text
    first, decimals, exponent, whole = match.groups()
    if whole:
        return whole
    return first + decimals + "0" * (int(exponent) - len(decimals)) if len(decimals) <= int(exponent) < 20 else text


_NUMBER_SIGNS = re.compile(r"^[^0-9A-Za-z]*00|[^0-9A-Za-z]*\(0\)|[^0-9A-Za-z]+")
_INTERNATIONAL = 8
"""How many digits a part of a phone number has at least if `00` before it is the prefix of a country code."""


def phone_key(number: str, *, part: bool = False) -> str:
    """Returns the letters and digits of a phone number, as `store/nouns/folding.py` compares it.

    The prefix `00` or `+`, and a zero in brackets, are left out. With `part`, the text may begin inside a number, so
    `00` is no prefix if few digits follow. Returns "" for a text that is no phone number, such as one in Cyrillic.
    """
    plain = clean_phone(number) if number.isascii() else plain_digits(unicodedata.normalize("NFKC", number))
    if any(letter.isalpha() and not letter.isascii() for letter in plain):
        return ""
    key = _NUMBER_SIGNS.sub("", plain).lower()
    if part and len(key) < _INTERNATIONAL - 2:
        key = re.sub("[^0-9a-z]", "", plain.lower())
    return key
