"""Decodes the text of submissions: the charset that the sender names, else UTF-8, else windows-1252."""

from collections.abc import Mapping

_WESTERN = "cp1252"
"""Pages without a charset are in this coding. Browsers also use it for pages that say iso-8859-1 or us-ascii."""

_LABELS: Mapping[str, tuple[str, ...]] = {
    "utf-8": ("utf-8", "utf8", "unicode-1-1-utf-8"),
    _WESTERN: ("iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1", "us-ascii", "ascii", "windows-1252",
               "cp1252", "x-cp1252", "ansi"),
    "iso8859-2": ("iso-8859-2", "iso8859-2", "latin2"),
    "iso8859-3": ("iso-8859-3",),
    "iso8859-4": ("iso-8859-4",),
    "iso8859-5": ("iso-8859-5",),
    "iso8859-6": ("iso-8859-6",),
    "iso8859-7": ("iso-8859-7",),
    "iso8859-8": ("iso-8859-8", "iso-8859-8-i"),
    "iso8859-10": ("iso-8859-10",),
    "iso8859-13": ("iso-8859-13",),
    "iso8859-14": ("iso-8859-14",),
    "iso8859-15": ("iso-8859-15", "iso8859-15", "latin9", "latin-9"),
    "iso8859-16": ("iso-8859-16",),
    "cp1250": ("windows-1250", "cp1250"),
    "cp1251": ("windows-1251", "cp1251"),
    "cp1253": ("windows-1253", "cp1253"),
    "cp1254": ("windows-1254", "cp1254", "iso-8859-9", "latin5"),
    "cp1255": ("windows-1255", "cp1255"),
    "cp1256": ("windows-1256", "cp1256"),
    "cp1257": ("windows-1257", "cp1257"),
    "cp1258": ("windows-1258", "cp1258"),
    "cp874": ("windows-874", "iso-8859-11", "tis-620"),
    "koi8-r": ("koi8-r",),
    "koi8-u": ("koi8-u",),
    "mac-roman": ("macintosh", "mac-roman", "x-mac-roman"),
    "cp932": ("shift_jis", "shift-jis", "sjis", "windows-31j"),
    "euc-jp": ("euc-jp",),
    "gb18030": ("gb18030", "gbk", "gb2312"),
    "big5hkscs": ("big5", "big5-hkscs"),
    "cp949": ("euc-kr", "ks_c_5601-1987", "windows-949"),
}  # fmt: skip
"""The charsets that browsers send, by the name of Python's codec. Python has more codecs, slow ones among them."""

_CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels}


def codec_of(label: str) -> str | None:
    """Returns the name of Python's codec for a charset, or None for a charset that no browser sends."""
    return _CODECS.get(label.strip().strip("\"'").lower())


def decode(raw: bytes, codec: str | None) -> tuple[str, bool]:
    """Returns the text of bytes, and whether it is whole: no byte was replaced.

    `codec` is the codec that the sender names. If the sender names none, or if that codec cannot read the text, valid
    UTF-8 is read as UTF-8, and other text as windows-1252, which old pages send. If UTF-8 was cut in the middle of a
    character, only that character is replaced.
    """
    for candidate in dict.fromkeys((codec or "utf-8", "utf-8")):
        try:
            return raw.decode(candidate), True
        except UnicodeDecodeError:
            pass
    as_utf8 = raw.decode("utf-8", "ignore")
    if not as_utf8.isascii():
        return raw.decode("utf-8", "replace"), False
    text = raw.decode(codec if codec and codec != "utf-8" else _WESTERN, "replace")
    return text, "\ufffd" not in text
