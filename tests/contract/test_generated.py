"""The generated files: up to date, the same on every run, and well-formed."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jinja2 import UndefinedError

from springhead import __version__, methods
from springhead.cli import springhead
from springhead.rpc.docs import reference
from springhead.rpc.docs.openrpc import openrpc
from springhead.rpc.docs.rendering import render
from springhead.rpc.method import ALIASES, REGISTRY, Reads
from springhead.rpc.vendor_methods import VENDOR_METHODS
from springhead.settings import Setting
from support import Server

assert methods.leads, "importing the methods registers them"
TOP = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads(openrpc())


def generate(*arguments: str) -> Result:
    return CliRunner().invoke(springhead, ["generate", *arguments])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files of the checkout that `generate` writes."""
    shutil.copytree(TOP / "docs", tmp_path / "docs")
    shutil.copy(TOP / "openrpc.json", tmp_path)
    return tmp_path


def test_the_committed_files_are_current_whatever_the_hash_seed() -> None:
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "springhead", "generate", "--check", "--folder", str(TOP)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
        assert checked.returncode == 0, checked.stderr


def test_a_check_names_every_stale_file_says_what_to_do_and_writes_nothing(copy: Path) -> None:
    page, left_over, missing = (copy / "docs/reference" / name for name in ("getLead.md", "gone.md", "errors.md"))
    page.write_text("edited by hand")
    left_over.write_text("of a method that is no more")
    missing.unlink()
    table = copy / "docs/compatibility.md"
    table.write_text(table.read_text().replace("not yet", "soon"))

    checked = generate("--check", "--folder", str(copy))

    assert checked.exit_code == 1
    for file in (page, left_over, missing, table):
        assert str(file.relative_to(copy)) in checked.output
    assert "openrpc.json" not in checked.output
    assert "make generate" in checked.output
    assert page.read_text() == "edited by hand"

    assert generate("--folder", str(copy)).exit_code == 0
    assert not left_over.exists()
    assert generate("--check", "--folder", str(copy)).exit_code == 0


def test_text_around_a_generated_part_stays(copy: Path) -> None:
    page = copy / "docs/settings.md"
    page.write_text("By hand.\n" + page.read_text() + "By hand too.\n")

    assert generate("--check", "--folder", str(copy)).exit_code == 0

    page.write_text(page.read_text().replace("<!-- generated: settings -->", ""))
    checked = generate("--check", "--folder", str(copy))
    assert checked.exit_code == 1
    assert "docs/settings.md needs the marks" in checked.output


def test_generate_outside_a_checkout_is_an_error(tmp_path: Path) -> None:
    refused = generate("--folder", str(tmp_path))
    assert refused.exit_code == 1
    assert "not a checkout" in refused.output


def test_a_bar_in_a_cell_does_not_end_the_cell() -> None:
    pushes = Setting("pushes", str, "On | off", "one of on|off", "-", secret=False)

    assert render("settings", settings=[pushes]).splitlines()[-1] == "| `pushes` | `-` | On \\| off | one of on\\|off |"


def test_a_template_without_a_needed_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="settings"):
        render("settings")


def test_the_server_serves_the_same_bytes(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}/openrpc.json") as answer:
        assert answer.headers["content-type"] == "application/json"
        assert answer.read() == (TOP / "openrpc.json").read_bytes()


def test_a_new_version_number_makes_no_file_stale() -> None:
    assert __version__ not in openrpc().decode()
    assert not [name for name, text in reference.pages().items() if __version__ in text]


def test_the_document_has_the_form_of_openrpc() -> None:
    """The required and the allowed keys of the OpenRPC meta-schema, as far as a change of ours could break them."""
    assert set(DOCUMENT) == {"openrpc", "info", "servers", "methods", "components"}
    assert re.fullmatch(r"1\.\d+\.\d+", DOCUMENT["openrpc"])
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    (server,) = DOCUMENT["servers"]
    assert set(re.findall(r"\$\{(\w+)\}", server["url"])) == set(server["variables"])
    assert all(variable["default"] for variable in server["variables"].values())
    assert [method["name"] for method in DOCUMENT["methods"]] == list(REGISTRY)
    for method in DOCUMENT["methods"]:
        assert method["summary"]
        assert method["paramStructure"] == "by-name"
        required = [given["required"] for given in method["params"]]
        assert required == sorted(required, reverse=True), "required parameters come first"
        for given in (*method["params"], method["result"]):
            assert given["name"]
            assert isinstance(given["schema"], dict)
        for example in method["examples"]:
            assert example["name"]
            assert {given["name"] for given in example["params"]} <= {given["name"] for given in method["params"]}
            assert set(example["result"]) == {"name", "value"}
    for error in DOCUMENT["components"]["errors"].values():
        assert {"code", "message"} <= set(error) <= {"code", "message", "data"}


def test_every_reference_in_the_document_leads_somewhere() -> None:
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', openrpc().decode()))
    assert references
    for path in references:
        node: Any = DOCUMENT
        for part in path.split("/"):
            node = node[part]
        assert isinstance(node, dict)


def test_every_schema_names_types_that_json_schema_has() -> None:
    types = {"array", "boolean", "integer", "null", "number", "object", "string"}

    def check(value: Any) -> None:
        if isinstance(value, dict):
            named = value.get("type", [])
            if isinstance(named, (str, list)):
                assert set([named] if isinstance(named, str) else named) <= types, value
            for inner in value.values():
                check(inner)
        elif isinstance(value, list):
            for inner in value:
                check(inner)

    for schema in DOCUMENT["components"]["schemas"].values():
        check(schema)
    for method in DOCUMENT["methods"]:
        for given in (*method["params"], method["result"]):
            check(given["schema"])


def test_no_page_shows_a_placeholder_of_an_example() -> None:
    for text in (openrpc().decode(), *reference.pages().values()):
        assert "Ellipsis" not in text
        assert '"{id}"' not in text


def test_every_method_has_a_page_that_shows_whole_requests_and_answers() -> None:
    pages = reference.pages()
    for name, method in REGISTRY.items():
        blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", pages[f"{name}.md"], re.DOTALL)]
        requests = [block for block in blocks if "method" in block]
        answers = [block for block in blocks if "result" in block]
        assert len(answers) == len(method.examples) > 0
        assert len(requests) == len(answers) + sum(len(example.given) for example in method.examples)
        assert all(list(request) == ["method", "params", "id"] for request in requests)
        more = ["hasMore"] if isinstance(method.result, Reads) and method.result.generated_key else []
        assert all(list(answer) == [*more, "result", "error", "id"] for answer in answers)


def test_every_method_of_the_vendors_stands_in_the_table_once() -> None:
    named = [name for group in VENDOR_METHODS.values() for name in group]
    assert len(named) == len(set(named))
    known = {ALIASES.get(name, name) for name in named}
    assert {name for name, method in REGISTRY.items() if method.vendor} <= known
    assert not {name for name, method in REGISTRY.items() if not method.vendor} & set(named)
    table = reference.compatibility()
    for name in named:
        page = ALIASES.get(name, name)
        state = "works|differs" if page in REGISTRY else "not yet"
        row = rf"^\| (?:\[{name}\]\(reference/{page}\.md\)|`{name}`) \| (?:{state}) "
        assert len(re.findall(row, table, re.MULTILINE)) == 1, name
