"""The house rules that no other tool checks: lock files, the Makefile, the README's first screen."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
LOCKS = sorted(TOP.glob("requirements*.lock"))
REQUIREMENT = re.compile(r"[a-z0-9-]+==[\w.+]+( ; [\w .'<>=!()]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def test_there_are_three_locks() -> None:
    names = [lock.name for lock in LOCKS]
    assert names == ["requirements-build.lock", "requirements-dev.lock", "requirements.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_holds_versions_and_hashes_and_no_download_host(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    assert [line for line in lines if not REQUIREMENT.fullmatch(line) and not HASH.fullmatch(line)] == []
    for before, line in pairwise(lines):
        assert not (REQUIREMENT.fullmatch(before) and REQUIREMENT.fullmatch(line)), f"{before} has no hash"


def test_the_list_of_components_has_every_dependency_of_the_server_with_its_hashes(tmp_path: Path) -> None:
    (command,) = re.findall(r"^\t\$\(BIN\)/python (.* )build/sbom\.json$", (TOP / "Makefile").read_text(), re.MULTILINE)
    subprocess.run([sys.executable, *command.split(), tmp_path / "sbom.json"], cwd=TOP, check=True, timeout=60)

    listed = json.loads((tmp_path / "sbom.json").read_text())
    pins = set(re.findall(r"^\S+==\S+", (TOP / "requirements.lock").read_text(), re.MULTILINE))
    assert {f"{component['name']}=={component['version']}" for component in listed["components"]} == pins
    for component in listed["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert all(
            hash_["alg"] == "SHA-256" for source in component["externalReferences"] for hash_ in source["hashes"]
        )
    assert listed["metadata"]["component"]["name"] == "springhead"


def test_the_list_of_the_pages_components_has_every_bundled_package_with_its_hash() -> None:
    text = (TOP / "Makefile").read_text()
    (npm,) = re.findall(r"^NPM := \$\(BIN\)/(python -c '.*')$", text, re.MULTILINE)
    (arguments,) = re.findall(r"^\t\$\(NPM\) (sbom .*) >build/sbom-pages\.json$", text, re.MULTILINE)
    command = [sys.executable, *shlex.split(npm)[1:], *arguments.split()]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True, timeout=60)

    listed = json.loads(done.stdout)["components"]
    packages = json.loads((TOP / "pages" / "package.json").read_text())["dependencies"]
    assert {component["name"]: component["version"] for component in listed} == packages
    for component in listed:
        assert [hash_["alg"] for hash_ in component["hashes"]] == ["SHA-512"]


def test_development_and_building_use_the_versions_that_users_get() -> None:
    pins = {lock.name: set(re.findall(r"^\S+==\S+", lock.read_text(), re.MULTILINE)) for lock in LOCKS}
    assert pins["requirements.lock"] <= pins["requirements-dev.lock"]
    assert pins["requirements-build.lock"] <= pins["requirements-dev.lock"]


def test_the_readmes_first_screen_says_how_to_run_and_how_to_test() -> None:
    first_screen = "\n".join((TOP / "README.md").read_text().splitlines()[:40])
    assert "make run" in first_screen
    assert "make test" in first_screen


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    text = (TOP / "Makefile").read_text()
    targets = re.findall(r"^([a-z][a-z-]*):(?!=)(.*)$", text, re.MULTILINE)
    assert targets
    assert [name for name, rest in targets if "## " not in rest] == []
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == {name for name, _ in targets}


def test_every_rule_that_is_switched_off_gives_its_reason() -> None:
    text = (TOP / "pyproject.toml").read_text()
    lint = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.pydocstyle]")]
    switched_off = re.findall(r'^    "[A-Z]+\d*",.*$', lint, re.MULTILINE)
    assert switched_off
    assert [line for line in switched_off if not re.search(r"# \S+", line)] == []


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    wanted = project["project"]["dependencies"] + groups["build"] + groups["dev"]
    loose = [need for need in wanted if isinstance(need, str) and not re.search(r"==|>=.*,<", need)]
    assert loose == ["tzdata>=2025.2"]  # its versions are dates: there is no major to bound
