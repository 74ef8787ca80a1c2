"""Reads JSON as the inputs of a form: an object of names and values, as scripts and form plugins send it."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

DEPTH = 8
"""The most levels of arrays and objects."""

KEY_LENGTH = 300
"""The most characters of a key. A key is repeated in the name of each value below it."""


class InvalidJson(ValueError):
    """The text is no JSON object of names and values, or has too many of them."""


class _Pairs(list[tuple[str, Any]]):
    """The members of an object in their order. A name can be repeated."""


def read_pairs(raw: bytes, most: int) -> list[tuple[str, str]]:
    """Returns the names and values of a JSON object, at most `most`. Raises InvalidJson.

    Names of inner objects and arrays are those that PHP gives them: `form[email]`, `colours[0]`. Numbers keep the
    digits in which they were sent; true is 1, false is 0, and null is an empty text.
    """
    try:
        content = json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        raise InvalidJson from None
    if not isinstance(content, _Pairs):
        raise InvalidJson
    pairs: list[tuple[str, str]] = []
    for name, value in _flat("", content, DEPTH):
        if len(pairs) == most:
            raise InvalidJson
        pairs.append((_whole(name), _whole(value)))
    return pairs


def _refuse(_: str) -> None:
    raise InvalidJson  # NaN and Infinity are no JSON


def _flat(name: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Yields the texts of a value with their names."""
    if isinstance(value, list) and not depth:
        raise InvalidJson
    if isinstance(value, _Pairs):
        for key, inner in value:
            yield from _flat(f"{name}[{key[:KEY_LENGTH]}]" if name else key[:KEY_LENGTH], inner, depth - 1)
    elif isinstance(value, list):
        for position, inner in enumerate(cast("Sequence[object]", value)):
            yield from _flat(f"{name}[{position}]", inner, depth - 1)
    else:
        yield name, "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


def _whole(text: str) -> str:
    """Returns the text without half characters, which JSON can escape and nothing can store."""
    return re.sub(r"[\ud800-\udfff]", "\ufffd", text)
