"""Everything in memory that can grow and outlives a call is listed here, with its bound in bytes.

A new dict, list, set, deque or cache of an object or a module fails the test until it has a line.
test_bounded_memory.py beside it fills those whose entries callers can make long.
"""

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

SRC = Path("src/springhead")

GROWING = frozenset({"Counter", "BoundedCache", "OrderedDict", "defaultdict", "deque", "dict", "list", "set"})

OF_A_CALL = {
    "capture/submitted_inputs.py _Matching",
    "methods/bulk/rounds.py Creation",
    "methods/bulk/rounds.py Rounds",
    "methods/bulk/unique_fields.py Turn",
    "methods/bulk/unique_fields.py UniqueFields",
    "methods/leads/conversion.py _Conversion",
    "methods/leads/merging.py _MergePlan",
    "methods/leads/merging.py _Merging",
    "methods/sales/opportunities.py _LeadUpdates",
    "model/kit/filters.py _Parser",
    "pages/visits.py Visit",
    "store/nouns/custom_values.py CustomValues",
    "store/nouns/filters.py _Texts",
    "store/nouns/where.py WhereClause",
    "store/scores/scorecards.py Scorecard",
}
"""Classes whose objects live as long as a call, a statement or a field set."""

OF_THE_CODE = {
    "cli/people.py _providers": "what the commands register",
    "cli/serving.py Startup._companies": "the first company",
    "jobs/runner.py Runner._states": "the jobs that the code has",
    "jobs/runner.py Runner._tasks": "the jobs that the code has",
    "jobs/background_jobs.py BackgroundJobs.failures": "the kinds of jobs",
    "delivery/worker.py Worker.figures": "the outcomes of a push",
    "methods/lists/list_members.py _SHAPES": "the methods of lists",
    "model/kit/columns.py WRITTEN_NOUNS": "the nouns",
    "pages/catalogue.py texts": "the languages of the pages",
    "pages/settings.py _zones": "no parameter",
    "rpc/context.py _warn_of_paths": "no parameter",
    "rpc/docs/openrpc.py openrpc": "no parameter",
    "rpc/method.py ALIASES": "the methods",
    "rpc/method.py REGISTRY": "the methods",
    "store/database/pool.py Database.on_change": "the listeners of the code",
    "store/lifecycle/personal_data.py count_rows": "no parameter",
    "store/lifecycle/personal_data.py deletions": "no parameter",
    "store/lifecycle/personal_data.py tables": "no parameter",
    "store/nouns/table.py _TABLES": "the nouns",
    "wire/metrics.py Metrics._calls": "a metric, by the names of methods and the codes of errors",
    "wire/metrics.py Metrics._counters": "the names of methods, and the codes of errors",
    "wire/metrics.py Metrics._unauthorized": "a metric without labels",
}
"""The code decides how much is kept."""

BOUNDED = {
    "capture/bots.py _is_bot": "4,000 User-Agents, of which 300 bytes",
    "capture/intake.py Intake._waiting": "64 MB of page views",
    "delivery/worker.py Worker._tasks": "a task for each subscription that is being pushed",
    "model/capture/sites.py _pieces": "32 sites of 100 patterns of 255 characters",
    "model/kit/caches.py BoundedCache._values": "the bytes that its owner names",
    "model/kit/columns.py snake_case": "1,000 names of columns and custom fields, of 255 characters at most",
    "model/kit/rate_limits.py KeyedRateLimit._due": "20,000 keys, longer ones than 64 characters as a hash",
    "pages/sessions.py Sessions._cache": "32 MB",
    "store/capture/sites.py Sites._cached": "32 MB",
    "store/capture/sites.py Sites._lookups": "200 tokens of one length",
    "store/database/admission.py Admission._accounts": "10,000 companies, each some numbers and its waiting calls",
    "store/database/admission.py Admission._waiting": "the companies of calls under way",
    "store/database/box.py _key_id": "64 ids of keys",
    "store/database/pool.py Database._idle": "the connections of the pool",
    "store/fields/fields.py FieldCache._sets": "64 MB",
    "store/nouns/paging.py PageStarts._listings": "100,000 page starts of 4,000 listings, long filters as a hash",
    "wire/api/auth.py Keys._cache": "32 MB",
    "wire/api/body_limits.py BodyLimits._due": "10,000 numbers",
    "wire/api/body_limits.py BodyLimits._reading": "a number for each company that is sending a body",
    "wire/api/rate_limits.py CallLimits._meters": "10,000 companies, each some numbers",
    "wire/api/rate_limits.py CallLimits._returning": "a task for each meter that returns calls",
    "wire/api/rate_limits.py Meter.callers": "the calls that wait, each on a connection of its own",
    "wire/http/connections.py Connections._by_address": "the open connections",
    "wire/http/connections.py Connections.idle": "the open connections",
    "wire/http/connections.py Connections.open": "the open connections, 2,000 by default",
    "wire/http/messages.py _headers_of_type": "16 types of the server's own answers",
    "wire/http/protocol.py Connection.pipelined": "100 heads of requests, and reading pauses after the first",
    "wire/logs.py _known_name_of_a_secret": "1,000 names of 100 characters",
}
"""The bound of what callers can fill."""

NUMBERS_OF_COMPANIES = {
    "capture/intake.py Intake._forget_at",
    "delivery/worker.py Worker._busy",
    "delivery/worker.py Worker._claims",
    "delivery/worker.py Worker._subscribed",
    "jobs/background_jobs.py BackgroundJobs._served",
    "store/feed/changes.py ChangeSignal.companies",
    "store/feed/changes.py Feed._changed",
}
"""A number or an event for each company that the operator has created: 100 bytes each."""


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _grows(value: ast.expr | None) -> bool:
    """Whether a value is an empty container, or made by one of GROWING."""
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, (ast.List, ast.Set)):
        return not value.elts
    if not isinstance(value, ast.Call):
        return False
    made = value.func.value if isinstance(value.func, ast.Subscript) else value.func
    return _name(made) in GROWING


def _assigned(tree: ast.AST) -> Iterator[ast.expr]:
    """The targets of assignments of values that grow."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _grows(node.value):
            yield from node.targets
        elif isinstance(node, ast.AnnAssign) and _grows(node.value):
            yield node.target


def _memories(tree: ast.Module) -> Iterator[str]:
    """The names of what grows in a module: its variables, its cached functions, and attributes of its objects."""
    for statement in tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            yield from (target.id for target in _assigned(statement) if isinstance(target, ast.Name))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            decorators = [ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list]
            if {"cache", "lru_cache"} & {name.rpartition(".")[2] for name in decorators}:
                yield node.name
        if isinstance(node, ast.ClassDef):
            yield from _attributes(node)


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    """The attributes that grow, as a constructor sets them."""
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            for target in _assigned(method):
                if isinstance(target, ast.Attribute):
                    yield f"{node.name}.{target.attr}"


def _found() -> set[str]:
    return {
        f"{path.relative_to(SRC)} {name}"
        for path in SRC.rglob("*.py")
        for name in _memories(ast.parse(path.read_text()))
    }


def test_whatever_grows_and_outlives_a_call_has_a_bound() -> None:
    outliving = {place for place in _found() if place.rpartition(".")[0] not in OF_A_CALL}
    listed = {*OF_THE_CODE, *BOUNDED, *NUMBERS_OF_COMPANIES}
    assert outliving - listed == set(), "say what bounds it, and fill it in tests/wire/test_bounded_memory.py"
    assert listed - outliving == set(), "no longer there"


def test_no_line_is_about_a_class_that_is_not_there() -> None:
    assert {place.rpartition(".")[0] for place in _found()} >= OF_A_CALL
    assert all(chain(OF_THE_CODE.values(), BOUNDED.values()))
