"""The texts of the pages are complete in each language, and each key that the code names exists."""

import re
from pathlib import Path

import pytest

import springhead
from springhead.pages import catalogue

PAGES = Path(springhead.__file__).parent / "pages"
NAMED = re.compile(r"""(?:\bt|\btext)\(\s*["']([a-z_]+\.[a-zA-Z_]+)["']""")


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)[^}]*}", text))


@pytest.mark.parametrize("language", catalogue.LANGUAGES)
def test_a_language_has_every_text_with_the_same_placeholders(language: str) -> None:
    english, translated = catalogue.texts("en"), catalogue.texts(language)
    assert translated.keys() == english.keys()
    for key, text in translated.items():
        assert placeholders(text) == placeholders(english[key]), key
        assert text.strip(), key


def test_every_key_that_the_pages_name_exists() -> None:
    named = {
        key for path in [*PAGES.rglob("*.py"), *PAGES.rglob("*.html")] for key in NAMED.findall(path.read_text("utf-8"))
    }
    assert len(named) > 60
    whole = {key for key in named if not key.endswith("_")}  # others are the beginnings of composed keys
    assert whole <= catalogue.texts("en").keys()
