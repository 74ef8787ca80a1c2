"""What a company is to the public: its token, its signing key, and how page views are taken."""

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
    """A company as the public finds it.

    `important_pages` are the patterns of the paths that make an importantPageVisit. `keep_addresses`: whether
    nothing is kept of a visitor's address, or its network (/24, /48). `respects_signals`: whether visitors
    who send Do Not Track or Global Privacy Control are left out.
    """

    company: Company
    token: str
    signing_key: bytes
    important_pages: tuple[str, ...]
    keep_addresses: KeepAddresses
    respects_signals: bool


def new_token() -> str:
    """A fresh token: 128 random bits."""
    return secrets.token_urlsafe(16)


def is_token(text: str) -> bool:
    """Whether this can be the token of a site: 22 characters for 128 bits, url-safe."""
    return _TOKEN.fullmatch(text) is not None


def new_signing_key() -> bytes:
    """A fresh key for signatures: 256 random bits."""
    return secrets.token_bytes(32)


def is_important(patterns: tuple[str, ...], path: str) -> bool:
    """Whether the path of an address matches one of the patterns.

    `*` stands for any characters, none and slashes included; all else for itself, after percent-decoding. A
    slash at the end makes no difference.
    """
    if not patterns:
        return False
    plain = _plain(path)
    return any(_matches(pieces, plain) for pieces in _pieces(patterns))


def _plain(path: str) -> str:
    return unquote(path).removesuffix("/")


@lru_cache(maxsize=1_000)
def _pieces(patterns: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Each pattern as what stands between its stars."""
    return tuple(tuple(_plain(pattern).split("*")) for pattern in patterns)


def _matches(pieces: tuple[str, ...], path: str) -> bool:
    """Piece by piece, each as early as it can be: never more than one look along the path for a piece."""
    first, *others = pieces
    if not others:
        return path == first
    last = others.pop()
    if len(path) < len(first) + len(last) or not path.startswith(first) or not path.endswith(last):
        return False
    at, end = len(first), len(path) - len(last)
    for piece in others:
        found = path.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
