"""The spellings of a text: which texts count as equal, and which characters are no part of an address. Pure."""

import re
import unicodedata

_SOFT = (
    "\u0001-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f"  # controls
    "\u00a0\u2007\u202f"  # no-break spaces
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters without a shape of their own: Unicode's default ignorable ones, controls, no-break spaces."""

_JOINERS = "\u200c\u200d"
_INVISIBLE = re.compile(f"[{_SOFT}]")
_STRAY_JOINER = re.compile(rf"(?<![^\x00-\x7f])[{_JOINERS}]|[{_JOINERS}](?![^\x00-\x7f])")
_JOINER = re.compile(f"[{_JOINERS}]")


def composed(text: str) -> str:
    """Returns the text in Unicode's composed form (NFC), in which all texts are compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


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
