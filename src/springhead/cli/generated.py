"""The generated files of a checkout: creates their text, finds stale files, writes them."""

import re
from collections.abc import Mapping
from pathlib import Path

from springhead import methods, settings
from springhead.cli.failure import Failure
from springhead.rpc.docs import reference, roles
from springhead.rpc.docs.openrpc import openrpc
from springhead.rpc.docs.rendering import render

assert methods.leads  # noqa: S101 - importing the package registers the methods

FOLDER = "docs/reference"
"""A folder in which every file is generated. Files that are no longer generated are deleted."""


def _settings() -> str:
    """Returns the table of all settings."""
    return render("settings", settings=settings.declared())


_GENERATED_PARTS = {
    "docs/compatibility.md": {"methods": reference.compatibility},
    "docs/roles.md": {"roles": roles.table, "rights": roles.methods},
    "docs/settings.md": {"settings": _settings},
}
"""The generated parts of handwritten files. Each part is between two marks."""


def texts(top: Path) -> Mapping[str, str]:
    """Returns the current text of every generated file, by path. Raises OSError if a handwritten file is missing."""
    pages = {f"{FOLDER}/{name}": text for name, text in reference.pages().items()}
    parts: dict[str, str] = {}
    for path, makers in _GENERATED_PARTS.items():
        parts[path] = (top / path).read_text("utf-8")
        for mark, make in makers.items():
            parts[path] = _with_part(path, parts[path], mark, make())
    return {"openrpc.json": openrpc().decode(), **pages, **parts}


def stale(top: Path) -> list[str]:
    """Returns the paths of files that are missing, out of date or no longer generated."""
    current = texts(top)
    return sorted([path for path, text in current.items() if _text(top / path) != text] + _obsolete(top, current))


def write(top: Path) -> list[str]:
    """Writes stale files, deletes files that are no longer generated, and returns the paths of both."""
    current = texts(top)
    changed = stale(top)
    for path in changed:
        if path in current:
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(current[path], "utf-8")
        else:
            (top / path).unlink()
    return changed


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def _obsolete(top: Path, current: Mapping[str, str]) -> list[str]:
    existing = [path.relative_to(top).as_posix() for path in (top / FOLDER).glob("*") if path.is_file()]
    return [path for path in existing if path not in current]


def _with_part(path: str, text: str, mark: str, part: str) -> str:
    begin, end = f"<!-- generated: {mark} -->\n", f"<!-- end of {mark} -->\n"
    old_parts = re.findall(f"(?s){re.escape(begin)}.*?{re.escape(end)}", text)
    if len(old_parts) != 1:
        raise Failure(f"{path} needs the marks {begin.strip()} and {end.strip()}, each once. Add them, then try again.")
    return text.replace(old_parts[0], f"{begin}\n{part}\n{end}")
