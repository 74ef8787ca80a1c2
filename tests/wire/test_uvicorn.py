"""The parts of uvicorn that the server uses and that uvicorn does not document.

They can change with any release of uvicorn, so pyproject.toml pins its version. After an update these tests say which
parts have changed. They also fail if the server uses a part that is not listed here.
"""

import ast
import asyncio
import inspect
import logging
import re
from importlib.metadata import version
from pathlib import Path
from types import NoneType
from typing import Any

import httptools
import pytest
import uvicorn
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

import springhead

TOP = Path(__file__).parents[2]
SOURCE = Path(springhead.__file__).parent
PROTOCOL = SOURCE / "wire" / "http" / "protocol.py"
SERVER = SOURCE / "wire" / "http" / "server.py"

IMPORTS = {
    "app.py": {"uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware"},
    "wire/http/protocol.py": {
        "uvicorn.config.Config",
        "uvicorn.protocols.http.flow_control.HIGH_WATER_LIMIT",
        "uvicorn.protocols.http.httptools_impl.HttpToolsProtocol",
        "uvicorn.protocols.http.httptools_impl.RequestResponseCycle",
        "uvicorn.protocols.utils.get_remote_addr",
        "uvicorn.server.ServerState",
    },
    "wire/http/server.py": {"uvicorn", "uvicorn._types.ASGIApplication"},
}

Shape = type | tuple[str, ...]
"""The type of an attribute's first value, or the names of a method's parameters."""

PARTS: dict[type, dict[str, Shape]] = {
    HttpToolsProtocol: {
        "__init__": ("config", "server_state", "app_state", "_loop"),
        "access_logger": logging.Logger,
        "app": type(lambda: None),
        "app_state": dict,
        "asgi_version": str,
        "client": NoneType,
        "connection_lost": ("exc",),
        "connection_made": ("transport",),
        "cycle": NoneType,
        "data_received": ("data",),
        "eof_received": (),
        "expect_100_continue": bool,
        "flow": NoneType,
        "headers": NoneType,
        "logger": logging.Logger,
        "loop": asyncio.AbstractEventLoop,
        "on_body": ("body",),
        "on_headers_complete": (),
        "on_message_begin": (),
        "on_message_complete": (),
        "on_response_complete": (),
        "parser": httptools.HttpRequestParser,
        "pause_writing": (),
        "resume_writing": (),
        "server": NoneType,
        "server_state": ServerState,
        "shutdown": (),
        "tasks": set,
        "transport": NoneType,
    },
    RequestResponseCycle: {
        "__init__": (
            "scope",
            "transport",
            "flow",
            "logger",
            "access_logger",
            "access_log",
            "default_headers",
            "message_event",
            "expect_100_continue",
            "keep_alive",
            "on_response",
        ),
        "body": bytearray,
        "disconnected": bool,
        "keep_alive": bool,
        "message_event": asyncio.Event,
        "more_body": bool,
        "response_complete": bool,
        "response_started": bool,
        "run_asgi": ("app",),
        "waiting_for_100_continue": bool,
    },
    FlowControl: {
        "pause_reading": (),
        "pause_writing": (),
        "read_paused": bool,
        "resume_reading": (),
        "resume_writing": (),
    },
    ServerState: {"default_headers": list, "total_requests": int},
    uvicorn.Server: {
        "__init__": ("config",),
        "capture_signals": (),
        "force_exit": bool,
        "handle_exit": ("sig", "frame"),
        "lifespan": LifespanOn,
        "run": ("sockets",),
        "serve": ("sockets",),
        "should_exit": bool,
        "shutdown": ("sockets",),
        "started": bool,
        "startup": ("sockets",),
    },
    LifespanOn: {"shutdown_failed": bool, "state": dict},
}

OWNERS: dict[type, tuple[Path, str]] = {
    HttpToolsProtocol: (PROTOCOL, r"self|super\(\)|cast\('Any', self\)"),
    RequestResponseCycle: (PROTOCOL, r"(self\.)?(cycle|answering)|RequestResponseCycle"),
    FlowControl: (PROTOCOL, r"self\.flow"),
    ServerState: (PROTOCOL, r"self\.server_state"),
    uvicorn.Server: (SERVER, r"self|super\(\)|_Server\(.*\)"),
    LifespanOn: (SERVER, r"self\.lifespan"),
}
"""The module that uses each class, and how the module writes an instance of it."""


class Transport(asyncio.Transport):
    """A transport without a connection."""


async def instances() -> dict[type, object]:
    """A new instance of each class, made as uvicorn makes it."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        pass

    config = uvicorn.Config(
        app, http=HttpToolsProtocol, ws="none", interface="asgi3", lifespan="on", log_config=None, proxy_headers=False
    )
    config.load()
    state, flow = ServerState(), FlowControl(Transport())
    server = uvicorn.Server(config)
    server.lifespan = LifespanOn(config)
    values: dict[str, Any] = {
        "scope": {},
        "transport": Transport(),
        "flow": flow,
        "message_event": asyncio.Event(),
        "default_headers": [],
        "on_response": bool,
    }
    parameters = inspect.signature(RequestResponseCycle).parameters
    return {
        HttpToolsProtocol: HttpToolsProtocol(config, state, {}, asyncio.get_running_loop()),
        RequestResponseCycle: RequestResponseCycle(**{name: values.get(name, False) for name in parameters}),
        FlowControl: flow,
        ServerState: state,
        uvicorn.Server: server,
        LifespanOn: server.lifespan,
    }


def shape_matches(instance: object, name: str, shape: Shape) -> bool:
    """Whether uvicorn's attribute or method is what the server expects."""
    if isinstance(shape, type):
        return isinstance(getattr(instance, name), shape)
    return tuple(inspect.signature(getattr(instance, name)).parameters) == shape


def names_used(module: Path, owner: str) -> set[str]:
    """The names that a module uses of its instances, including those that its own classes define."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute) and re.fullmatch(owner, ast.unparse(node.value)):
            names.add(node.attr)
        elif isinstance(node, ast.Call) and re.fullmatch(owner, ast.unparse(node.func)):
            names.add("__init__")
        elif isinstance(node, ast.ClassDef) and node.bases and owner.startswith("self|"):
            names |= {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)}
    return names


def names_of(kind: type, instance: object) -> set[str]:
    """The names that uvicorn's class and its instances have."""
    return {name for name in dir(instance) if not hasattr(object, name) or name in vars(kind)}


def test_the_version_is_pinned() -> None:
    (requirement,) = re.findall(r'"uvicorn([^"]*)"', (TOP / "pyproject.toml").read_text())
    assert requirement == f"=={version('uvicorn')}"


def test_every_import_of_uvicorn_is_listed() -> None:
    imports: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                if name.split(".")[0] == "uvicorn":
                    imports.setdefault(str(path.relative_to(SOURCE)), set()).add(name)
    assert imports == IMPORTS


@pytest.mark.parametrize("kind", PARTS, ids=lambda kind: kind.__name__)
def test_every_part_that_is_used_is_listed_and_there(kind: type) -> None:
    module, owner = OWNERS[kind]
    instance = asyncio.run(instances())[kind]
    assert names_used(module, owner) & names_of(kind, instance) == set(PARTS[kind])


@pytest.mark.parametrize("kind", PARTS, ids=lambda kind: kind.__name__)
def test_every_part_has_the_expected_shape(kind: type) -> None:
    instance = asyncio.run(instances())[kind]
    wrong = [name for name, shape in PARTS[kind].items() if not shape_matches(instance, name, shape)]
    assert wrong == []


def test_the_settings_of_the_server_exist() -> None:
    (call,) = [
        node
        for node in ast.walk(ast.parse(SERVER.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "uvicorn.Config"
    ]
    given = {keyword.arg for keyword in call.keywords}
    assert given <= set(inspect.signature(uvicorn.Config).parameters)


def test_a_response_begins_with_a_status_line_in_a_write_of_its_own() -> None:
    """ResponseStream needs this to tell the head from the body."""

    async def writes() -> list[bytes]:
        written: list[bytes] = []

        class Recorder(Transport):
            def write(self, data: bytes | bytearray | memoryview) -> None:
                written.append(bytes(data))

        cycle = (await instances())[RequestResponseCycle]
        assert isinstance(cycle, RequestResponseCycle)
        cycle.transport, cycle.scope["method"], cycle.keep_alive = Recorder(), "GET", True
        await cycle.send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")], "trailers": False}
        )
        await cycle.send({"type": "http.response.body", "body": b"ok", "more_body": False})
        return written

    head, body = asyncio.run(writes())
    assert head == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
    assert body == b"ok"


def test_a_body_is_read_in_steps_of_64_kib() -> None:
    assert HIGH_WATER_LIMIT == 65_536


def test_an_unlisted_part_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "protocol.py"
    module.write_text(PROTOCOL.read_text() + "\n    def new(self) -> None:\n        self.timeout_keep_alive = 1\n")
    _, owner = OWNERS[HttpToolsProtocol]
    instance = asyncio.run(instances())[HttpToolsProtocol]
    used = names_used(module, owner) & names_of(HttpToolsProtocol, instance)
    assert used - set(PARTS[HttpToolsProtocol]) == {"timeout_keep_alive"}
