"""The comparison of texts in SQL, regardless of case and of the coding of accents. Pure.

`model/kit/texts.py` folds values in the same way. docs/searching.md says what counts as equal.
"""

from collections.abc import Iterable

from springhead.model.kit.texts import ACCENTS, OTHER_DIGITS, PUNCTUATION, SPELLINGS, UNACCENTED, UNSEEN

SPACE = (
    r"E' \t\n\r\f\v\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    r"\u2028\u2029\u202f\u205f\u2060\u3000\ufeff'"
)
"""White space, and characters without width, as an SQL literal."""

_PLAIN = (
    r"\u0001-\u009f\u00a1-\u00a7\u00a9\u00ab\u00ac\u00ae\u00b0\u00b1\u00b5-\u00b7\u00bb\u00bf-\u012f\u0134-\u013e"
    r"\u0141-\u0148\u014a-\u01c3\u01cd-\u01ef\u01f4-\u02af\u0388-\u038f\u0391-\u03af\u03b1-\u03cf\u0400-\u0482"
    r"\u048a-\u0586\u05d0-\u05ea\u0620-\u064a\u0660-\u066f\u0679-\u06d5\u06ee-\u06ff\u1e00-\u1e95\u1e9b-\u1eff"
    r"\u2020-\u2022\u2600-\u27bf\u3001-\u3029\u3041-\u3096\u30a0-\u30fe\u3105-\u312f\u3400-\u9fff\uac00-\ud7a3"
    r"\U0001f300-\U0001f6d7\U0001f900-\U0001faff"
)
"""Ranges of characters whose texts are the same in all normal forms, and whose case one other letter decides.

Normal forms are slow, and most texts have no other characters.
"""

_WITHOUT_CASE = (
    r"\u0591-\u05c7\u064b-\u0674\u06d6-\u06ed\u0900-\u0edb\u1100-\u115e\u1161-\u11ff"
    r"\u3099\u309a"
)
"""Ranges of letters and marks without case, whose NFC is their NFKC, except for `_TWO_SIGNS`."""

_TWO_SIGNS = (("\u0e33", "\u0e4d\u0e32"), ("\u0eb3", "\u0ecd\u0eb2"))
"""The vowel am of Thai and of Lao."""


def _escaped(characters: str) -> str:
    """Returns characters for a bracket expression, with escapes in place of those beyond ASCII."""
    return "".join(letter if letter.isascii() else f"\\U{ord(letter):08x}" for letter in characters)


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")
    return "U&'" + "".join(letter if letter.isascii() else f"\\+{ord(letter):06x}" for letter in quoted) + "'"


_ELLIPSIS = ("\u2026", "...")
_TYPOGRAPHIC = (*PUNCTUATION, _ELLIPSIS)
_NOT_PLAIN = f"'[^{_PLAIN}]'"
_NOT_TYPOGRAPHIC = f"'[^{_PLAIN}{_escaped(''.join(sign for sign, _ in _TYPOGRAPHIC))}]'"
_NOT_WITHOUT_CASE = f"'[^{_PLAIN}{_WITHOUT_CASE}]'"


def _replaced(text: str, spellings: Iterable[tuple[str, str]]) -> str:
    for spelling, plain in spellings:
        text = f"replace({text}, {_literal(spelling)}, {_literal(plain)})"
    return text


def _lowered(text: str) -> str:
    letters = [spelling for spelling in SPELLINGS if len(spelling[0]) == 1]
    return _replaced(f"lower(upper({text}))", letters)


def composed(text: str) -> str:
    """Returns the SQL of a stored text in NFC, as it is compared where case counts."""
    return f"case when {text} ~ {_NOT_PLAIN} then normalize({text}) else {text} end"


def folded(text: str) -> str:
    """Returns the SQL of a stored text as it is compared regardless of case, with short ways for common texts."""
    return (
        f"case when octet_length({text}) = length({text}) then lower({text})"
        f" when {text} !~ {_NOT_PLAIN} then {_lowered(text)}"
        f" when {text} !~ {_NOT_TYPOGRAPHIC} then {_lowered(_replaced(text, _TYPOGRAPHIC))}"
        f" when {text} !~ {_NOT_WITHOUT_CASE} then {_lowered(_replaced(f'normalize({text})', _TWO_SIGNS))}"
        f" else {folded_value(text)} end"
    )


def folded_value(text: str) -> str:
    """Returns the SQL of any text as it is compared regardless of case.

    Letters are equal that have one capital, such as the two small sigmas. ß is ss, also as a capital.
    """
    seen = f"regexp_replace({text}, '[{_escaped(UNSEEN)}]', '', 'g')"
    lower = f"lower(upper(normalize({seen}, nfkd)))"
    return f"normalize({_replaced(lower, (*SPELLINGS, *PUNCTUATION))})"


def without_accents(text: str) -> str:
    """Returns the SQL of a folded text without accents, as words of names are compared."""
    bare = _replaced(f"regexp_replace(normalize({text}, nfd), '[{_escaped(ACCENTS)}]', '', 'g')", UNACCENTED)
    return (
        f"case when octet_length({text}) = length({text}) then {text}"
        rf" when {text} ~ '[^\u0001-\u052f\u1e00-\u1fff]' then normalize({bare})"  # such as Hangul beside it
        f" else {bare} end"
    )


def plain_digits(text: str) -> str:
    """Returns the SQL of a text with digits of ASCII in place of digits of other scripts."""
    digits = f"translate({text}, '{OTHER_DIGITS}', repeat('0123456789', {len(OTHER_DIGITS) // 10}))"
    return f"case when octet_length({text}) = length({text}) then {text} else {digits} end"


def filled(text: str) -> str:
    """Returns the SQL of a text, or of null if the text has only white space."""
    return f"nullif(btrim({text}, {SPACE}), '')"


def phone_key(number: str) -> str:
    """Returns the SQL of a stored phone number as it is compared: `model/kit/texts.py` makes the same of a value."""
    number = plain_digits(number)
    return rf"lower(regexp_replace({number}, '^[^0-9A-Za-z]*00|[^0-9A-Za-z]*\(0\)|[^0-9A-Za-z]+', '', 'g'))"
