"""Every code block of every page has a language that says what it is: output (`text`), or a text that a test tries."""

import re
from pathlib import Path

import pytest

from doc_pages import TOP, blocks

PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"), *(TOP / "tests").rglob("*.md")])
OUTPUT = "text"
"""What a program prints, and drawings. Everything else is tried by a test."""

CALLS = "tests/contract/test_docs.py"
TRIED: dict[tuple[str, str], str] = {
    ("README.md", "sh"): "tests/docs/test_shell_blocks.py",
    ("README.md", "json"): "tests/cli/test_serve.py",
    ("CONTRIBUTING.md", "sh"): "tests/docs/test_shell_blocks.py",
    ("docs/start.md", "sh"): "tests/docs/test_shell_blocks.py",
    ("docs/start.md", "json"): "tests/cli/test_serve.py",
    **{
        ("docs/start.md", language): "tests/docs/test_first_clients.py"
        for language in ("python", "php", "ruby", "javascript")
    },
    ("docs/api-by-example.md", "sh"): "tests/docs/test_shell_blocks.py",
    **{
        (f"docs/{name}.md", "json"): CALLS
        for name in (
            "api-by-example",
            "sales-story",
            "scoring",
            "searching",
            "sync",
            "tables",
            "unsubscribing",
            "upserting",
            "actions",
        )
    },
    ("docs/history-and-erasure.md", "json"): CALLS,
    ("docs/recycling-and-merging.md", "json"): CALLS,
    ("docs/sync.md", "python"): "tests/docs/test_mirror.py",  # and test_list_mirror.py, for the second program
    ("docs/capture.md", "json"): "tests/capture/test_capture_docs.py",
    ("docs/capture.md", "html"): "tests/capture/test_capture_docs.py",
    ("docs/forms.md", "json"): "tests/capture/test_forms_docs.py",
    ("docs/forms.md", "html"): "tests/capture/test_forms_docs.py",
    ("docs/forms.md", "python"): "tests/delivery/emails/test_confirmation_program.py",
    ("docs/operating.md", "sh"): "tests/docs/test_shell_blocks.py",
    ("docs/operating.md", "sql"): "tests/docs/test_shell_blocks.py",
    ("docs/operating.md", "json"): "tests/cli/test_logs.py",
    ("docs/operating.md", "caddy"): "tests/capture/test_capture_docs.py",
    ("docs/operating.md", "nginx"): "tests/capture/test_capture_docs.py",
    ("docs/receiving-pushes.md", "sh"): "tests/docs/test_shell_blocks.py",
    **{
        ("docs/receiving-pushes.md", language): "tests/delivery/test_receiving_docs.py"
        for language in ("json", "http", "python", "php", "javascript")
    },
}
"""The test that tries the blocks of a page in a language. It fails for a block that it does not know."""

FOLDERS = {
    ("docs/wire", "json"): "tests/docs/test_wire_blocks.py",
    ("docs/reference", "json"): "tests/contract/test_methods.py",
}
"""The same for all pages of a folder."""


def trying(page: str, language: str) -> str | None:
    return TRIED.get((page, language)) or FOLDERS.get((str(Path(page).parent), language))


def fences(text: str) -> list[str]:
    """The words after each opening fence, whatever it looks like: indented, of more marks, of tildes."""
    languages, closing = list[str](), ""
    for line in text.splitlines():
        if match := re.match(r"[\s>]*(`{3,}|~{3,})(.*)$", line):
            if not closing:
                closing = match[1]
                languages.append(match[2].strip())
            elif match[1].startswith(closing) and not match[2].strip():
                closing = ""
    return languages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_code_block_is_output_or_tried_by_a_test(page: Path) -> None:
    name = str(page.relative_to(TOP))
    languages = fences(page.read_text())
    for language in languages:
        assert language == OUTPUT or trying(name, language), f"{name}: no test tries blocks of {language!r}"
    assert len(languages) == len(blocks(page, *set(languages))), f"{name}: a fence that no test would find"


def test_every_test_that_tries_blocks_is_there_and_knows_the_page_and_the_language() -> None:
    for (page, language), test in {**TRIED, **FOLDERS}.items():
        text = (TOP / test).read_text()
        assert language in text, f"{test} does not know {language}"
        assert Path(page).stem in text or page == "docs/reference", f"{test} does not know {page}"
        if page.endswith(".md"):
            assert blocks(TOP / page, language), f"{page} has no block of {language}"


@pytest.mark.parametrize(
    "text",
    ["```\nx\n```", "```bash\nx\n```", "~~~json\nx\n~~~", "1. a\n\n   ```yaml\n   x\n   ```", "> ```toml\n> x\n> ```"],
)
def test_a_block_of_no_known_kind_is_found(text: str) -> None:
    (language,) = fences(text)
    unknown = language != OUTPUT and trying("docs/scoring.md", language) is None
    assert unknown or text.startswith("~~~")
