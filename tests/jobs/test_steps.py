"""The table of background jobs has every kind that is started."""

import ast
from pathlib import Path

import springhead.store
from springhead.jobs.steps import MODULES, STEPS
from springhead.store.sales import references

STORE = Path(springhead.store.__file__).parent


def test_every_module_that_starts_background_jobs_is_in_the_table() -> None:
    listed = {Path(module.__file__ or "") for module in MODULES}
    starting = {path for path in STORE.rglob("*.py") if _starts(ast.parse(path.read_text()))}
    assert starting - listed == {Path(references.__file__)}
    assert {references.job_kind(table) for table in references.COLUMNS} <= STEPS.keys()


def test_no_two_modules_have_a_kind_of_the_same_name() -> None:
    assert len(STEPS) == sum(len(module.STEPS) for module in MODULES)


def test_kinds_keep_their_names() -> None:
    """Jobs of an earlier version are in the database under these names."""
    assert set(STEPS) >= {
        *("detach account", "detach campaign", "duplicates", "empty_list", "erase", "fill_list", "merge"),
        *("pageViews", "purge_list", "recycle", "score", "sweep_list", "unique-clear", "unique-fill"),
    }


def _starts(tree: ast.AST) -> bool:
    """Whether a module calls `background_jobs.start`."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "start"
        and isinstance(node.value, ast.Name)
        and node.value.id == "background_jobs"
        for node in ast.walk(tree)
    )
