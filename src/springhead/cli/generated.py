"""What is generated: each file's text, which files are stale, and how they are written."""

import re
from collections.abc import Mapping
from pathlib import Path

from springhead import methods, settings
from springhead.cli.failure import Failure
from springhead.rpc.docs import reference
from springhead.rpc.docs.openrpc import openrpc
from springhead.rpc.docs.rendering import render

assert methods.leads  # noqa: S101 - importing the package is what registers the methods

FOLDER = "docs/reference"
"""A folder in which every file is generated: what no page is made for any more goes."""


def _settings() -> str:
    """Returns the table of all settings."""
    return render("settings", settings=settings.declared())


_PARTS = {
    "docs/compatibility.md": {"methods": reference.compatibility},
    "docs/settings.md": {"settings": _settings},
}
"""Files by hand with generated parts, each between two marks."""


def texts(top: Path) -> Mapping[str, str]:
    """Every generated file of a checkout as it should be, by its path; OSError when one by hand is missing."""
    pages = {f"{FOLDER}/{name}": text for name, text in reference.pages().items()}
    parts: dict[str, str] = {}
    for path, makers in _PARTS.items():
        parts[path] = (top / path).read_text("utf-8")
        for mark, make in makers.items():
            parts[path] = _with_part(path, parts[path], mark, make())
    return {"openrpc.json": openrpc().decode(), **pages, **parts}


def stale(top: Path) -> list[str]:
    """The paths of the files that are missing, out of date, or left over."""
    wanted = texts(top)
    return sorted([path for path, text in wanted.items() if _text(top / path) != text] + _left_over(top, wanted))


def write(top: Path) -> list[str]:
    """Write what is stale and delete what is left over; the paths of both."""
    wanted = texts(top)
    old = stale(top)
    for path in old:
        if path in wanted:
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(wanted[path], "utf-8")
        else:
            (top / path).unlink()
    return old


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def _left_over(top: Path, wanted: Mapping[str, str]) -> list[str]:
    there = [path.relative_to(top).as_posix() for path in (top / FOLDER).glob("*") if path.is_file()]
    return [path for path in there if path not in wanted]


def _with_part(path: str, text: str, mark: str, part: str) -> str:
    begin, end = f"<!-- generated: {mark} -->\n", f"<!-- end of {mark} -->\n"
    found = re.findall(f"(?s){re.escape(begin)}.*?{re.escape(end)}", text)
    if len(found) != 1:
        raise Failure(f"{path} needs the marks {begin.strip()} and {end.strip()}, each once.")
    return text.replace(found[0], f"{begin}\n{part}\n{end}")
