"""All texts of the pages, in each language: `texts/en.toml` and its translations, which have the same keys."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}
"""The languages of the pages, each with its own name."""

DEFAULT = "en"


@cache
def texts(language: str) -> Mapping[str, str]:
    """Returns the texts of a language by key, such as `sign_in.title`."""
    file = resources.files("springhead.pages") / "texts" / f"{language}.toml"
    groups = tomllib.loads(file.read_text("utf-8"))
    return {f"{group}.{name}": text for group, members in groups.items() for name, text in members.items()}


def text(language: str, key: str, /, **values: object) -> str:
    """Returns a text with its values filled in. Raises KeyError for an unknown key."""
    found = texts(language if language in LANGUAGES else DEFAULT)[key]
    return found.format(**values) if values else found


def preferred(accept_language: str) -> str:
    """Returns the language of the pages that a browser asks for first, by its header Accept-Language."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language[:200].split(",")[:20]:
        name, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            continue
        wanted.append((-weight, name.strip().lower().partition("-")[0]))
    return _first_known([name for _, name in sorted(wanted, key=lambda pair: pair[0])])


def _first_known(names: Sequence[str]) -> str:
    return next((name for name in names if name in LANGUAGES), DEFAULT)
