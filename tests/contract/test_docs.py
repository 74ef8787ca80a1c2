"""The documentation written by hand is true: its calls work, its commands exist, and its links have targets."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from doc_pages import TOP, anchors, blocks
from springhead.cli import springhead
from support import Company

PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
BY_HAND = [page for page in PAGES if page.parent.name != "reference"]
PAGES_OF_CALLS = (
    "api-by-example",
    "sales-story",
    "scoring",
    "searching",
    "sync",
    "tables",
    "upserting",
    "history-and-erasure",
    "recycling-and-merging",
    "unsubscribing",
    "actions",
)
CALLS = [TOP / "docs" / f"{name}.md" for name in PAGES_OF_CALLS]


@pytest.mark.parametrize("page", CALLS, ids=lambda page: page.name)
def test_every_answer_on_a_page_of_calls_is_what_the_server_answers(page: Path, company: Company) -> None:
    calls = [json.loads(text) for _, text in blocks(page, "json")]
    assert len(calls) % 2 == 0
    client = company.at("v1.2")
    same = Same()
    for request, answer in zip(calls[::2], calls[1::2], strict=True):
        assert list(request) == ["method", "params", "id"]
        status, body = client.send(json.dumps(same.ours(request)).encode())
        assert status == 200
        same.check(answer, json.loads(body), request["id"])
    client.close()


class Same:
    """Compares an answer with a page's. Ids, times, cursors and names may differ, but each must map to one of ours."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def ours(self, value: Any) -> Any:
        """A value of the page with its ids and names replaced by ours."""
        if isinstance(value, dict):
            return {self.ours(name): self.ours(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.ours(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return int(self.known.get(str(value), value))
        return self.known.get(value, value) if isinstance(value, str) else value

    def check(self, theirs: Any, actual: Any, where: str) -> None:
        """Compares an answer with the page's, including the order of keys."""
        assert type(theirs) is type(actual), where
        if isinstance(theirs, dict):
            assert [self._name(name) for name in theirs] == [self._name(name) for name in actual], where
            for (name, value), (our_name, ours) in zip(theirs.items(), actual.items(), strict=True):
                if name == "keyID":
                    continue
                self._value(name, our_name, where)
                self.check(value, ours, f"{where}.{name}")
        elif isinstance(theirs, list):
            assert len(theirs) == len(actual), where
            for index, (value, ours) in enumerate(zip(theirs, actual, strict=True)):
                self.check(value, ours, f"{where}[{index}]")
        else:
            self._value(theirs, actual, where)

    def _value(self, theirs: Any, actual: Any, where: str) -> None:
        if self._name(theirs) != theirs and self._name(theirs) == self._name(actual):
            if self._name(theirs) != "TIME":
                assert self.known.setdefault(str(theirs), str(actual)) == str(actual), where
        else:
            assert self._inside(theirs) == actual, where

    def _inside(self, theirs: Any) -> Any:
        """A text with its ids replaced by ours, as in the data of an event."""
        if not isinstance(theirs, str):
            return theirs
        return re.sub(r"\d{9,}", lambda match: self.known.get(match[0], match[0]), theirs)

    @staticmethod
    def _name(value: Any) -> Any:
        text = str(value)
        if re.fullmatch(r"\d{9,}", text):
            return "ID"
        if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", text):
            return "TIME"
        if re.fullmatch(r"[\w-]{60,}", text):
            return "CURSOR"
        return re.sub(r"_[0-9a-f]{13}$", "_", text) if isinstance(value, str) else value


def shell_lines() -> Iterator[tuple[str, str]]:
    """Every `springhead` command on a page."""
    for page in BY_HAND:
        inline = re.findall(r"`(springhead [a-z][^`]*)`", page.read_text())
        fenced = [line for _, text in blocks(page, "sh", "text") for line in text.splitlines()]
        for line in [*inline, *fenced]:
            if match := re.search(r"(?:^|[ /])springhead ((?:[a-z-]|\s).*)", line):
                yield page.name, match[1]


@pytest.mark.parametrize(("page", "line"), sorted(set(shell_lines())))
def test_a_command_that_a_page_names_exists_with_its_options(page: str, line: str) -> None:
    command: click.Command = springhead
    context = click.Context(springhead)
    words = line.split("#", maxsplit=1)[0].split()
    while words and isinstance(command, click.Group):
        alternatives = words.pop(0).rstrip(",;").split("|")
        commands = [command.get_command(context, name) for name in alternatives if name.isidentifier()]
        if not commands:
            return
        assert all(commands), f"{page}: springhead {line}"
        command = commands[0] or command
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    named = re.findall(r"--[a-z][a-z-]*", " ".join(words))
    assert set(named) <= known, f"{page}: springhead {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_link_leads_to_a_file_or_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", BY_HAND, ids=lambda page: str(page.relative_to(TOP)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    package = TOP / "src" / "springhead"
    folders = {entry.name for folder in (TOP, package) for entry in folder.iterdir() if entry.is_dir()}
    for path in re.findall(r"`([\w*-]+(?:[/.][\w*-]+)*/?)`", page.read_text()):
        if (path.partition("/")[0] in folders and "/" in path) or path.endswith((".py", ".sql")):
            assert [*TOP.glob(path), *package.glob(path)], f"{page.name} names {path}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, left = set[Path](), [TOP / "README.md"]
    while left:
        page = left.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text())
        left += [(page.parent / target).resolve() for target in targets if "://" not in target]
    assert [str(page.relative_to(TOP)) for page in PAGES if page not in reached] == []


def test_decisions_are_numbered_and_have_the_same_parts() -> None:
    decisions = sorted((TOP / "docs" / "decisions").glob("0*.md"))
    assert [page.name[:4] for page in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for page in decisions:
        headings = re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"], page.name
