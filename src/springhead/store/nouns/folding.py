"""The comparison of texts in SQL, regardless of case and of the coding of accents. Pure."""

SPACE = (
    r"E' \t\n\r\f\v\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    r"\u2028\u2029\u202f\u205f\u2060\u3000\ufeff'"
)
"""White space, and characters without width, as an SQL literal."""

_COMPOSED = (
    r"\u0001-\u02ff\u0370-\u0373\u0375-\u037d\u037f-\u0386\u0388-\u0482\u048a-\u0590\u1e00-\u1eff\u2010-\u2027"
    r"\u2030-\u205e\u20a0-\u20bf\u3041-\u3096\u30a0-\u312f\u3400-\u9fff\uac00-\ud7a3\U0001f300-\U0001faff"
)
"""Ranges of characters that NFC changes in no text: it is slow, and most texts have no other characters."""


def composed(text: str) -> str:
    """Returns the SQL of a stored text in NFC, as it is compared where case counts."""
    return f"case when {text} ~ '[^{_COMPOSED}]' then normalize({text}) else {text} end"


def folded(text: str) -> str:
    """Returns the SQL of a stored text as it is compared regardless of case."""
    folded_text = folded_value(composed(text))
    return f"case when octet_length({text}) = length({text}) then lower({text}) else {folded_text} end"


def folded_value(text: str) -> str:
    """Returns the SQL of a text in NFC, such as a parameter, as it is compared.

    Letters are equal that have one capital, such as the two small sigmas. ß is ss, also as a capital.
    """
    return f"replace(replace(lower(upper({text})), 'ß', 'ss'), U&'i\\0307', 'i')"


def filled(text: str) -> str:
    """Returns the SQL of a text, or of null if the text has only white space."""
    return f"nullif(btrim({text}, {SPACE}), '')"


def phone_key(number: str) -> str:
    """Returns the SQL of a stored phone number as it is compared: `model/kit/texts.py` makes the same of a value."""
    return rf"lower(regexp_replace({number}, '^[^0-9A-Za-z]*00|[^0-9A-Za-z]*\(0\)|[^0-9A-Za-z]+', '', 'g'))"
