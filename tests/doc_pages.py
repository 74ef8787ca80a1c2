"""The pages of the documentation: their headings, and the anchors under which GitHub shows them."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

TOP = Path(__file__).parents[1]

_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.*?) *$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def by_hand() -> list[Path]:
    """The pages that are written by hand."""
    pages = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
    return [page for page in pages if page.parent.name != "reference"]


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page in these languages, with their languages."""
    code_blocks = re.findall(r"^```(\w+)\n(.*?)\n```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in code_blocks if language in languages]


def anchor_of(heading: str) -> str:
    """The anchor of a heading: lower case, no punctuation, a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", _LINK.sub(r"\1", heading).lower()).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page. A heading that repeats an earlier one gets a number: `-1`, `-2`."""
    unique_anchors: set[str] = set()
    seen: Counter[str] = Counter()
    for heading in _HEADING.findall(_FENCED.sub("", page.read_text())):
        anchor = anchor_of(heading)
        unique_anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(unique_anchors)
