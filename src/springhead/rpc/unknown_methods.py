"""Hints for callers who name a method that does not exist: what was probably meant."""

import re
from collections.abc import Collection

from springhead.model.kit.errors import Json
from springhead.rpc.vendor_methods import VENDOR_METHODS

NAME_MAX = 64
"""The most characters of a name that is compared with the names of all methods. The longest name has 28."""

_SUGGESTIONS = 3
_UNLIKE_LETTERS = re.compile("[^a-z0-9]+")


def hint(name: Json, known: Collection[str]) -> str:
    """Returns what is wrong with the name of a method, and what was probably meant.

    `known` are the names of all methods that exist. The time is bounded, whatever the name is.
    """
    if not isinstance(name, str):
        return "Expected the name of a method as text, such as getLeads"
    if len(name) > NAME_MAX:
        return f"Expected the name of a method, with at most {NAME_MAX} characters"
    planned = [method for group in VENDOR_METHODS.values() for method in group if method not in known]
    spelled = _letters(name)
    by_letters = {_letters(method): method for method in (*planned, *known)}
    method = by_letters.get(spelled)
    if method in planned:
        return f"This server does not have the vendor's method {method} yet"
    if method:
        return f"Did you mean {method}? Names must be exactly the same, including upper and lower case"
    similar = _similar(spelled, by_letters)
    if similar:
        return f"Did you mean {' or '.join(similar)}?"
    return "No method has this name; /openrpc.json has the names of all methods"


def _letters(name: str) -> str:
    """Returns the ASCII letters and digits of a name, in lower case."""
    return _UNLIKE_LETTERS.sub("", name.lower())


def _similar(spelled: str, by_letters: dict[str, str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, needed for mistakes only

    closest = get_close_matches(spelled, by_letters, n=_SUGGESTIONS, cutoff=0.8)
    return [by_letters[letters] for letters in closest]
