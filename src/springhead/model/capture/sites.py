"""Sites: a company as the public meets it, with its token, its signing key, and its rules for page views."""

import re
import secrets
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote

import msgspec

from springhead.model.companies.companies import Company

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")

PATTERNS_MAX = 100
PATTERN_LENGTH = 255

KeepAddresses = Literal["none", "truncated"]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """A company as the public meets it.

    A visit to a path that matches one of the patterns `important_pages` is an importantPageVisit. `keep_addresses`
    says how much of a visitor's IP address is stored: `none` of it, or `truncated` to its network (/24, /48). With
    `respects_signals`, visitors who send Do Not Track or Global Privacy Control are not tracked. The address of an
    uploaded file works for `file_link_days`; 0 is without end.
    """

    company: Company
    token: str
    signing_key: bytes
    important_pages: tuple[str, ...]
    keep_addresses: KeepAddresses
    respects_signals: bool
    file_link_days: int = 0


def new_token() -> str:
    """Returns a new token: 128 random bits."""
    return secrets.token_urlsafe(16)


def is_token(text: str) -> bool:
    """Whether this can be the token of a site: 22 URL-safe characters for 128 bits."""
    return _TOKEN.fullmatch(text) is not None


def new_signing_key() -> bytes:
    """Returns a new key for signatures: 256 random bits."""
    return secrets.token_bytes(32)


def is_important(patterns: tuple[str, ...], path: str) -> bool:
    """Whether the path of an address matches one of the patterns.

    `*` matches any characters, also none and slashes. Other characters match themselves after percent-decoding. A
    slash at the end makes no difference.
    """
    if not patterns:
        return False
    plain = _plain(path)
    return any(_matches(pieces, plain) for pieces in _pieces(patterns))


def _plain(path: str) -> str:
    return unquote(path).removesuffix("/")


@lru_cache(maxsize=32)  # each of up to PATTERNS_MAX patterns
def _pieces(patterns: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Returns the pieces of each pattern between its stars."""
    return tuple(tuple(_plain(pattern).split("*")) for pattern in patterns)


def _matches(pieces: tuple[str, ...], path: str) -> bool:
    """Whether a path has the pieces in their order. Takes each piece at its first position, so the time is linear."""
    first, *others = pieces
    if not others:
        return path == first
    last = others.pop()
    if len(path) < len(first) + len(last) or not path.startswith(first) or not path.endswith(last):
        return False
    begin, end = len(first), len(path) - len(last)
    for piece in others:
        position = path.find(piece, begin, end)
        if position < 0:
            return False
        begin = position + len(piece)
    return True
