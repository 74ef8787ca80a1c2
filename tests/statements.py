"""The statements of the store: those that stand in the code, and those that it composes while calls run."""

import ast
import asyncio
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import asyncpg

import springhead
from in_process import InsideCompany, WatchedDatabase, answer, context_of, shared_parts
from springhead.rpc.context import Context
from springhead.rpc.method import REGISTRY, Writes
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Sql
from springhead.wire.api import envelope
from support import BOX, Company, Server, new_email

ROOT = Path(springhead.__file__).parent
STORE = ROOT / "store"
_VERB = re.compile(r"\b(select|insert into|update|delete from|merge into|with)\b", re.IGNORECASE)
METHODS = {"rows", "row", "value", "_rows"}
"""The methods that run a statement: those of `Tx`, and those that pass a statement on to them."""


def literals() -> Iterator[tuple[str, str]]:
    """The literals of the store that begin like a statement, with their places.

    A part that is inserted at run time is shown as `{source}`.
    """
    for path in sorted(STORE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{" + ast.unparse(part.value) + "}"
                    for part in node.values
                    if isinstance(part, (ast.Constant, ast.FormattedValue))
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner | docs:
                text = node.value
            else:
                continue
            if _VERB.match(text.strip()):
                yield f"{path.relative_to(STORE)}:{node.lineno}", text


def constants() -> Iterator[tuple[str, str]]:
    """The constants of the store's modules that begin like a statement, with their names."""
    for module in pkgutil.walk_packages([str(STORE)], "springhead.store."):
        for name, value in vars(importlib.import_module(module.name)).items():
            texts = cast("Mapping[object, object]", value) if isinstance(value, dict) else {"": value}
            for key, text in texts.items():
                if isinstance(text, str) and not name.startswith("__") and _VERB.match(text.strip()):
                    place = f"{module.name.removeprefix('springhead.store.')}.{name.lstrip('_')}"
                    yield f"{place}{key and f'[{key}]'}", text


class Place(NamedTuple):
    """The lines of a file in which a statement is run."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.file}:{self.first}"


class Site(NamedTuple):
    """A place that runs statements. `texts` has them if they stand in the code, else they are composed."""

    place: Place
    texts: Mapping[str, str] | None


def sites() -> list[Site]:
    """All places in the code that run statements."""
    return [site for path in sorted(ROOT.rglob("*.py")) for site in _sites(path)]


def _sites(path: Path) -> Iterator[Site]:
    file = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Await(value=ast.Call(func=ast.Attribute(attr=name), args=[argument, *_]) as call):
                if name in METHODS:
                    yield Site(Place(file, call.lineno, call.end_lineno or call.lineno), _texts(file, argument))


def _texts(file: str, argument: ast.expr) -> Mapping[str, str] | None:
    """The statements that an argument stands for, if it names nothing but constants and functions of its module."""
    module = importlib.import_module("springhead." + file.removesuffix(".py").replace("/", "."))
    values = argument.value if isinstance(argument, ast.Subscript) else argument
    try:
        value = eval(compile(ast.Expression(values), file, "eval"), vars(module))
    except NameError:  # a local variable
        return None
    return {"": value} if isinstance(value, str) else value


class Recorded(NamedTuple):
    """A statement that was run, and the lines of the code that ran it, from the inside to the outside."""

    text: str
    lines: tuple[tuple[str, int], ...]

    def ran_at(self, place: Place) -> bool:
        """Whether the place ran the statement."""
        return any(file == place.file and place.first <= line <= place.last for file, line in self.lines)

    def __str__(self) -> str:
        return ":".join(map(str, self.lines[0])) if self.lines else ""


def _lines() -> Iterator[tuple[str, int]]:
    """The lines of the product's code that run at present, from the inside to the outside."""
    frame = inspect.currentframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "store") or path.is_relative_to(ROOT / "jobs"):
            yield path.relative_to(ROOT).as_posix(), frame.f_lineno
        frame = frame.f_back


class _RecordingTx(Tx):
    def __init__(self, connection: Any, recorded: set[Recorded]) -> None:
        super().__init__(connection, BOX)
        self._recorded = recorded

    async def rows(self, sql: Sql, *arguments: object) -> list[asyncpg.Record]:
        self._recorded.add(Recorded(sql, tuple(_lines())))
        return await super().rows(sql, *arguments)

    async def row(self, sql: Sql, *arguments: object) -> asyncpg.Record | None:
        self._recorded.add(Recorded(sql, tuple(_lines())))
        return await super().row(sql, *arguments)

    async def value(self, sql: Sql, *arguments: object) -> Any:
        self._recorded.add(Recorded(sql, tuple(_lines())))
        return await super().value(sql, *arguments)


class _TranscribedCompany(InsideCompany):
    """A client of a company whose calls run in this process, and which replays transcripts."""

    def at(self, version: str) -> Company:
        return self

    def send(self, body: bytes, *_: Any, **__: Any) -> tuple[int, bytes]:
        call = envelope.parse(body)
        if call.error:
            return 200, envelope.failure(call.error, call.id)
        return 200, json.dumps(self.envelope(cast("str", call.method), call.params)).encode()


class StatementRecorder:
    """Runs calls in this process, and records their statements."""

    def __init__(self, server: Server) -> None:
        self._recorded: set[Recorded] = set()
        self.database = WatchedDatabase(lambda connection: _RecordingTx(connection, self._recorded))
        self._shared = shared_parts(self.database)
        self._runner = asyncio.Runner()
        self._runner.run(self.database.open(server.dsn))

    def close(self) -> None:
        """Closes the database."""
        self._runner.run(self.database.close())
        self._runner.close()

    def statements(self) -> dict[str, str]:
        """The statements so far, each with a place that ran it."""
        return {recorded.text: str(recorded) for recorded in self._recorded}

    def ran_at(self, place: Place) -> bool:
        """Whether the place has run a statement."""
        return any(recorded.ran_at(place) for recorded in self._recorded)

    def inside(self, company: Company) -> Company:
        """A client of the company whose statements are recorded."""
        return _TranscribedCompany(company, self.run, self._answer)

    async def _answer(self, context: Context, method: str, params: Any) -> dict[str, Any]:
        """The answer to a call. A write has an Idempotency-Key."""
        keys = [new_email()] if method in REGISTRY and isinstance(REGISTRY[method].result, Writes) else []
        return await answer(context, method, params, idempotency_keys=keys)

    def run(self, company: Company, work: Callable[[Context], Awaitable[Any]]) -> Any:
        """Runs work for a company."""

        async def run() -> Any:
            return await work(await context_of(self._shared, company))

        return self._runner.run(run())
