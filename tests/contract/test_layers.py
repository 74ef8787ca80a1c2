"""Imports go in one direction: wire -> methods -> store -> model, and never back."""

import ast
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import springhead

SOURCE = Path(springhead.__file__).parent
TESTS = Path(__file__).parents[1]

FACING = ("wire", "capture", "pages")
"""The rooms that answer requests."""

MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "settings": {"model"},
    "postgres": {"model"},
    "store": {"model"},
    "rpc": {"model", "store"},
    "methods": {"model", "store", "rpc"},
    "jobs": {"model", "store"},
    "delivery": {"model", "store"},
    "wire.http": {"settings"},  # HTTP without the API: the API and the public pages share it
    "capture": {"model", "store", "rpc", "methods", "settings", "wire.http"},
    "pages": {"model", "store", "rpc", "methods", "settings", "wire.http"},
    "wire": {"model", "store", "rpc", "jobs", "settings", "wire.http"},
    "app": {"model", "store", "rpc", "methods", "settings", *FACING, "jobs", "delivery", "wire.http"},
    "cli": {"model", "store", "rpc", "methods", "wire", "wire.http", "jobs", "delivery", "settings", "postgres", "app"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""Who may import whom. A new room says here what it may know of the others."""

JOBLESS = {"utils", "util", "helpers", "helper", "common", "core", "service", "services", "manager", "misc"}
"""Names of rooms that have no job yet."""

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_FILES = 15


def room(module: str) -> str:
    """The room of a module: 'store' for 'springhead.store.leads'; '__init__' for the package itself.

    A folder that has its own line in MAY_IMPORT is a room of its own: 'wire.http'.
    """
    outer, *inner = [*module.split(".")[1:], "__init__"]
    return f"{outer}.{inner[0]}" if inner and f"{outer}.{inner[0]}" in MAY_IMPORT else outer


def imports(module: str, source: str, modules: AbstractSet[str], *, package: bool = False) -> set[str]:
    """The modules of springhead that this source imports, in any position and spelling."""
    imported: set[str] = set()
    here = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                imported.add(inner if inner in modules else base)
    return {name for name in imported if name.split(".")[0] == "springhead"} - {module}


def against_the_direction(graph: Mapping[str, AbstractSet[str]]) -> list[str]:
    """A message for each import against the direction, and for each room without a line in MAY_IMPORT."""
    wrong: list[str] = []
    for module, targets in sorted(graph.items()):
        if room(module) not in MAY_IMPORT:
            wrong.append(f"{module}: say in MAY_IMPORT what the room {room(module)} may import")
            continue
        allowed = MAY_IMPORT[room(module)] | {room(module), "__init__"}
        wrong += [f"{module} imports {target}" for target in sorted(targets) if room(target) not in allowed]
    return wrong


def circle(graph: Mapping[str, AbstractSet[str]]) -> list[str]:
    """The modules of one circle of imports, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def our_graph() -> dict[str, set[str]]:
    """Every module of the package with what it imports of the package."""
    files: dict[str, Path] = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {
        module: imports(module, path.read_text(), files.keys(), package=path.name == "__init__.py")
        for module, path in files.items()
    }


def test_every_import_follows_the_direction() -> None:
    assert against_the_direction(our_graph()) == []


def test_no_room_lets_the_store_call_it_after_a_change() -> None:
    """A write of the store wakes a ChangeSignal, for which other rooms wait."""
    users = {room(f"springhead.{path.relative_to(SOURCE).with_suffix('').as_posix().replace('/', '.')}")
             for path in SOURCE.rglob("*.py") if "on_change" in path.read_text()}  # fmt: skip
    assert users == {"store"}


def test_no_circle_of_imports() -> None:
    assert circle(our_graph()) == []


def test_no_file_is_too_long_to_be_read_in_one_go() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    assert {str(path): lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {place: lines for place, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_folder_holds_more_than_can_be_seen_at_once() -> None:
    files = Counter(path.parent for path in SOURCE.rglob("*.py") if path.name != "__init__.py")
    assert {str(folder): number for folder, number in files.items() if number > MOST_FILES} == {}


def test_no_folder_of_tests_holds_more_than_can_be_seen_at_once() -> None:
    """The top of tests/ is left out: it has the modules that tests of several folders import."""
    files = Counter(path.parent for path in TESTS.glob("*/**/*.py"))
    assert files, "no tests"
    assert {str(folder): number for folder, number in files.items() if number > MOST_FILES} == {}


def test_every_folder_says_what_is_inside() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    silent = {folder for folder in folders if not ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))}
    assert silent == set()


def test_no_room_or_file_has_a_name_without_meaning() -> None:
    assert [path for path in SOURCE.rglob("*") if path.stem in JOBLESS] == []


def test_an_import_against_the_direction_is_found() -> None:
    graph = {
        "springhead.store.leads": {"springhead.model.leads", "springhead.methods.leads"},
        "springhead.methods.leads": {"springhead.store.leads", "springhead.rpc.method"},
        "springhead.capture.pages": {"springhead.wire.api.auth", "springhead.wire.http.messages"},
        "springhead.wire.http.messages": {"springhead.model.errors"},
        "springhead.rpc.method": {"springhead.methods.leads"},
        "springhead.attic.box": set[str](),
    }
    assert against_the_direction(graph) == [
        "springhead.attic.box: say in MAY_IMPORT what the room attic may import",
        "springhead.capture.pages imports springhead.wire.api.auth",
        "springhead.rpc.method imports springhead.methods.leads",
        "springhead.store.leads imports springhead.methods.leads",
        "springhead.wire.http.messages imports springhead.model.errors",
    ]


def test_a_circle_is_found() -> None:
    graph = {"springhead.model.a": {"springhead.model.b"}, "springhead.model.b": {"springhead.model.a"}}
    assert set(circle(graph)) == set(graph)


def test_an_import_is_seen_in_every_spelling() -> None:
    modules = {"springhead.store.db", "springhead.store.leads", "springhead.model", "springhead.model.leads"}
    spellings = {
        "import springhead.model.leads": "springhead.model.leads",
        "from springhead.model import leads": "springhead.model.leads",
        "from springhead.model.leads import Lead": "springhead.model.leads",
        "from ..model.leads import Lead": "springhead.model.leads",
        "from ..model import leads": "springhead.model.leads",
        "from . import leads": "springhead.store.leads",
        "def late():\n    from springhead.model import leads": "springhead.model.leads",
    }
    for source, target in spellings.items():
        assert imports("springhead.store.db", source, modules) == {target}, source
    assert imports("springhead.store", "from .db import Pool", modules, package=True) == {"springhead.store.db"}
