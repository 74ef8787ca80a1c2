"""A pattern that ignores case names its alphabet: without re.ASCII, the Kelvin sign and a long s pass for k and s."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import springhead

SOURCE = Path(springhead.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
INLINE_FLAGS = re.compile(r"\(\?([aLmsux]*i[aLmsux]*)(?:-[imsx]+)?[:)]")
IGNORES_CASE, ASCII = {"IGNORECASE", "I"}, {"ASCII", "A"}
SQL_IGNORES_CASE = re.compile(r"(?ai)!?~~?\*|\bilike\b|\bregexp_[a-z_]+\([^)]*'[a-z]*i[a-z]*'")


def faults(code: str) -> Iterator[str]:
    """Yields the places that ignore the case of letters of all scripts."""
    tree = ast.parse(code)
    in_patterns_of_bytes = {
        id(node)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and any(isinstance(part, ast.Constant) and isinstance(part.value, bytes) for part in call.args)
        for node in ast.walk(call)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if any("a" not in flags for flags in INLINE_FLAGS.findall(node.value)):
                yield f"line {node.lineno}: {node.value[:40]}"
        elif isinstance(node, (ast.Call, ast.Assign, ast.ImportFrom)):
            names = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
            names |= {part.name for part in getattr(node, "names", [])} if isinstance(node, ast.ImportFrom) else set()
            if names & IGNORES_CASE and not names & ASCII and id(node) not in in_patterns_of_bytes:
                yield f"line {node.lineno}: {ast.unparse(node)[:40]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_pattern_that_ignores_case_names_its_alphabet(path: Path) -> None:
    code = path.read_text()
    assert list(faults(code)) == []
    if "store" in path.parts:
        assert SQL_IGNORES_CASE.findall(code) == [], "PostgreSQL folds letters by the locale of the database"


@pytest.mark.parametrize("code", [
    're.compile(r"(?i)[a-z]+")',
    're.compile(r"x(?i:https?)")',
    're.compile(r"(?mi)^a")',
    're.compile("[a-z]", re.IGNORECASE)',
    're.fullmatch("[a-z]", text, re.I | re.DOTALL)',
    're.sub("[a-z]", "", text, flags=re.IGNORECASE)',
    "FLAGS = re.IGNORECASE",
    "from re import IGNORECASE",
])  # fmt: skip
def test_the_check_finds_every_spelling(code: str) -> None:
    assert list(faults(code))


@pytest.mark.parametrize("code", [
    're.compile(r"(?ai)[a-z]+")',
    're.compile(r"x(?ai:https?)")',
    're.compile("[a-z]", re.IGNORECASE | re.ASCII)',
    're.compile(rb"[a-z]", re.IGNORECASE)',
    're.compile("[A-Za-z]")',
    're.compile(r"(?:inc)(?!x)(?<=a)(?P<i>b)")',
])  # fmt: skip
def test_the_check_lets_an_explicit_alphabet_pass(code: str) -> None:
    assert list(faults(code)) == []
