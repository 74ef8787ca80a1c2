"""Runs an ASGI app in uvicorn with the deadlines and limits of this package, until SIGTERM or Ctrl-C."""

import asyncio
import contextlib
import resource
import signal
import socket
import threading
from collections.abc import Callable, Generator
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn._types import ASGIApplication

from springhead.settings import Settings
from springhead.wire.http.connections import Connections
from springhead.wire.http.peers import TrustedPeers
from springhead.wire.http.protocol import Connection

SPARE_DESCRIPTORS = 24
"""File descriptors for everything but clients and the database pool: logs, event loop, listening socket."""

SEND_BUFFER_BYTES = 128 * 1024
"""The send buffer of a connection in the kernel. Linux doubles it. By itself it would grow to 4 MB for each client."""

WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown, not bound


def serve(app: ASGIApplication, settings: Settings, *, on_ready: Callable[[str], None], outgoing: int = 0) -> None:
    """Serves `app` on `settings.host`:`settings.port` (0: any free port) until SIGTERM or SIGINT, then returns.

    `outgoing` is the number of connections that the app may open to other hosts; file descriptors are reserved for
    them. `on_ready` gets the address ("http://host:port") as soon as the app's lifespan has started and the port
    listens. The first signal stops new connections, lets running requests finish for up to
    `settings.shutdown_timeout` seconds, and ends the lifespan. A second signal ends everything at once. In both cases
    this returns normally, so that the caller can clean up.

    If `settings.metrics_listen` is set, it also listens there. The app tells requests apart by `scope["server"]`.

    Raises OSError if an address cannot be bound, and SystemExit(3) if the app's lifespan fails to start (uvicorn has
    logged the cause).

    The app must bound the bodies that it reads (BoundedBody), and send long answers in chunks of at most 64 KiB, each
    after the previous `send` has returned (Answer). Otherwise slow clients cost memory.
    """
    cap = _fit_descriptors(settings.connections, settings.pool_size, outgoing)
    register = Connections(cap, settings.allowed_hosts, TrustedPeers(settings.trusted_proxies))
    with contextlib.ExitStack() as listeners:
        listener = listeners.enter_context(_bind(settings.host, settings.port))
        sockets = [listener]
        if settings.metrics_address:
            sockets.append(listeners.enter_context(_bind(*settings.metrics_address)))
        config = uvicorn.Config(
            cast("Any", app),
            http=cast("Any", partial(Connection, settings=settings, register=register)),
            loop="uvloop",
            ws="none",
            interface="asgi3",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_timeout)),
        )
        _Server(config, register, partial(on_ready, _address(settings.host, listener))).run(sockets=sockets)


class _Server(uvicorn.Server):
    """uvicorn's server, but a second signal ends it at once, and no signal is raised again after the shutdown."""

    def __init__(self, config: uvicorn.Config, register: Connections, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._register = register
        self._on_ready = on_ready
        self._cancel_serve: Callable[[], object] = bool

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        # Before the event loop starts: an exception of the caller's handler would end up inside the loop's C code.
        with self._handle_signals():
            super().run(sockets)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None:
            self._cancel_serve = lambda: loop.call_soon_threadsafe(task.cancel)
        if self.should_exit:  # a signal came before
            return
        try:
            await super().serve(sockets)
        except asyncio.CancelledError:
            if not self.should_exit:
                raise
            self.lifespan.shutdown_failed = True  # otherwise uvicorn logs a traceback

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state["connections"] = self._register
        self._register.watch(asyncio.get_running_loop())
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for stop in self.lifespan.state.get("on_stop", ()):  # ends the requests that wait for a change
            stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # `run` handles them

    @contextlib.contextmanager
    def _handle_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Ends at once on a second signal, or if the server has not started yet.
        if self.should_exit or not self.started:
            self.force_exit = True
            self._cancel_serve()
        self.should_exit = True


def _bind(host: str, port: int) -> socket.socket:
    # Bound before the app starts, so that a taken port is noticed at once; uvicorn listens when the app is ready.
    family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # connections inherit it
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _address(host: str, listener: socket.socket) -> str:
    name = WILDCARDS.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}"


def _fit_descriptors(connections: int, pool_size: int, outgoing: int) -> int:
    """Raises the process's limit of open files as needed. Returns the number of client connections that fit.

    If the system grants fewer descriptors, clients and outgoing connections share them, because outgoing connections
    rarely reach their maximum.
    """
    spare = SPARE_DESCRIPTORS + pool_size
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + spare + outgoing
    if soft != resource.RLIM_INFINITY and soft < wanted:
        reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS reports a higher limit than it grants
            resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
            soft = reachable
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - spare))
