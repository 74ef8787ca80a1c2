"""The digest of the sources of the assets: says whether the built assets are up to date.

`hatch_build.py` loads this file alone, before any dependency is installed. It imports only the standard library.
"""

import hashlib
from pathlib import Path

_SUFFIXES = frozenset({".css", ".json", ".mjs", ".svg", ".ts", ".txt"})


def digest(folder: Path) -> str:
    """Returns the SHA-256 of the sources in `folder`: their names and their contents.

    These are the files of the folder, and all files below its `src/`. Installed packages are left out, because the lock
    file is a source.
    """
    paths = [*folder.glob("*"), *(folder / "src").rglob("*")]
    sha = hashlib.sha256()
    for path in sorted(path for path in paths if path.suffix in _SUFFIXES and path.is_file()):
        content = path.read_bytes()
        sha.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
        sha.update(content)
    return sha.hexdigest()
