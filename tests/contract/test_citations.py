"""Every citation leads somewhere: to a page and heading, a decision, a row of docs/reliability.md, or a module.

CONTRIBUTING.md says which forms a citation has. The links of Markdown pages are checked in test_docs.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from doc_pages import TOP, anchors

RELIABILITY = TOP / "docs" / "reliability.md"
NUMBERS = {"P": 11, "A": 65, "I": 9, "F": 34}
"""How many promises, attacks, invariants and faults the page lists."""

_SUFFIXES = {".py", ".sql", ".json", ".toml", ".md", ".php", ".sh", ".mjs", ".cjs", ".js", ".rb", ".html", ".j2"}
_FILES = sorted(
    path
    for path in (
        *TOP.glob("*.md"),
        *(TOP / name for name in ("pyproject.toml", "Makefile")),
        *(path for folder in ("src", "tests", "bench", "docs") for path in (TOP / folder).rglob("*")),
    )
    if path.is_file() and (path.suffix in _SUFFIXES or path.name == "Makefile") and path != Path(__file__)
)
_PAGE_NAMES = {page.name for page in (TOP / "docs").rglob("*.md")} - {"README.md"}

_PACKAGE = TOP / "src" / "springhead"
_TOPS = (TOP, TOP / "src", _PACKAGE, _PACKAGE / "store", TOP / "tests")
"""The folders from which a module may be named."""

_LINK_TARGET = re.compile(r"\]\([^)]*\)")
_CITATION = re.compile(r"(?<![\w/.])(docs/[\w./-]+\.md)(#[\w-]*)?")
_SECTION = re.compile(r"\.md(?:#[\w-]+)?,? (?:section )?§?\d+(?:\.\d+)*\b(?! [a-z])")
_BARE = re.compile(r"""(?<![\w/."'}*\]-])(?<!\]\()([\w-]+\.md)\b""")
_OLD = re.compile(r"(?<![\w/-])((?:wire|schema|design|citus|citus-gap|demands)\.md|lead-(?:methods|schema)\.txt)")
_ID = re.compile(r"\b([AF]\d\d|P\d\d?|I\d)\b")
_ROW = re.compile(r"^\| ([PAIF]\d+) \|", re.MULTILINE)
_DECISION = re.compile(r"\b[Dd]ecisions? \d+(?:(?:,| and| to) \d+)*")
_MODULE = re.compile(r"(?<![\w/.*])((?:[\w-]+/)+[\w*-]+\.py)\b")


def problems(text: str) -> list[str]:
    """The wrong citations of a text, each with the reason."""
    return [*_wrong_pages(text), *_wrong_forms(text), *_wrong_decisions(text)]


def _wrong_pages(text: str) -> Iterator[str]:
    for citation in _CITATION.finditer(text):
        page, anchor = TOP / citation[1], citation[2]
        if not page.is_file():
            yield f"{citation[0]}: no such page"
        elif anchor and anchor[1:] not in anchors(page):
            yield f"{citation[0]}: no such heading"


def _wrong_forms(text: str) -> Iterator[str]:
    for section in _SECTION.finditer(text):
        yield f"{section[0]}: a heading has a name, not a number"
    for old in _OLD.finditer(text):
        yield f"{old[0]}: no page of this repository"
    for bare in _BARE.finditer(text):
        if bare[1] in _PAGE_NAMES:
            yield f"{bare[1]}: a page is named from the top of the repository, docs/…"


def _wrong_decisions(text: str) -> Iterator[str]:
    for decision in _DECISION.finditer(text):
        for number in re.findall(r"\d+", decision[0]):
            if not list((TOP / "docs" / "decisions").glob(f"{int(number):04}-*.md")):
                yield f"decision {number}: no such decision"


def wrong_modules(text: str) -> Iterator[str]:
    """The modules that a text cites although they do not exist."""
    for module in _MODULE.finditer(text):
        if not any(list(top.glob(module[1])) for top in _TOPS):
            yield f"{module[1]}: no such module"


def text_of(path: Path) -> str:
    """The text of a file; of a page without the targets of its links."""
    text = path.read_text()
    return _LINK_TARGET.sub("]", text) if path.suffix == ".md" else text


def ids_of(text: str) -> set[str]:
    """The ids of promises, attacks, invariants and faults in a text."""
    return set(_ID.findall(text))


@pytest.fixture(scope="module")
def rows() -> list[str]:
    """The ids that docs/reliability.md has a row for."""
    return _ROW.findall(RELIABILITY.read_text())


def test_every_citation_leads_to_a_page_and_heading_or_a_decision() -> None:
    wrong = [f"{path.relative_to(TOP)}: {problem}" for path in _FILES for problem in problems(text_of(path))]
    assert not wrong, "\n".join(wrong)


def test_every_module_that_is_named_exists() -> None:
    """SQL files are left out: migrations keep the names of their time, and dumps of old versions are never edited."""
    files = [path for path in _FILES if path.suffix != ".sql"]
    wrong = [f"{path.relative_to(TOP)}: {problem}" for path in files for problem in wrong_modules(text_of(path))]
    assert not wrong, "\n".join(wrong)


def test_the_page_of_reliability_has_one_row_for_each_id(rows: list[str]) -> None:
    assert sorted(rows) == sorted(
        letter + (f"{number:02}" if letter in "AF" else str(number))
        for letter, count in NUMBERS.items()
        for number in range(1, count + 1)
    )


def test_every_id_that_code_or_a_page_names_has_a_row(rows: list[str]) -> None:
    named = {path: ids_of(text_of(path)) for path in _FILES if path.suffix in {".py", ".md"}}
    wrong = [f"{path.relative_to(TOP)}: {sorted(ids - set(rows))}" for path, ids in named.items() if ids - set(rows)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", ["src/springhead", "tests", "docs", "bench", "pyproject.toml"])
def test_the_citations_of_a_part_are_checked(path: str) -> None:
    assert any(file.is_relative_to(TOP / path) for file in _FILES)


@pytest.mark.parametrize(
    "text",
    [
        "docs/wire/leads.md#no-such-heading",
        "docs/wire/leads.md#",
        "docs/wire/no-such-page.md",
        "docs/wire/leads.md 10.2",
        "docs/wire/leads.md#updateleads, 15",
        "wire.md",
        "(schema.md)",
        "design.md 6; our own noun",
        "citus.md 4",
        "lead-methods.txt",
        "(reliability.md P8)",
        "see leads.md#updateleads",
        "decision 999",
        "decisions 3 and 999",
    ],
)
def test_a_wrong_citation_is_found(text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize("text", ["store/no_such_module.py", "tests/methods/test_no_such_*.py"])
def test_a_module_that_does_not_exist_is_found(text: str) -> None:
    assert list(wrong_modules(text))


@pytest.mark.parametrize(
    "text",
    [
        "docs/wire/leads.md",
        "docs/wire/leads.md#updateleads",
        "docs/wire/leads.md#updateleads, docs/wire/errors.md#codes: taken",
        "docs/decisions/0003-sql-in-literals.md",
        "decision 3",
        "decisions 3, 4 and 5",
        'TOP / "docs" / "start.md"',
        "tests/contract/test_citations.py",
        "tests/methods/nouns/test_every_noun*.py",
    ],
)
def test_a_right_citation_is_accepted(text: str) -> None:
    assert not problems(text)
    assert not list(wrong_modules(text))


def test_an_id_without_a_row_is_found(rows: list[str]) -> None:
    assert ids_of("A22, F12 and A99 (P12; I4)") - set(rows) == {"A99", "P12"}
