"""Starts `springhead` from a fork server: a process that has imported all modules and forks once per start.

The fork runs the command line with its own arguments, environment, session and files. Importing the modules takes
most of a start's time; here each pytest worker pays for it once.
"""

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

NUMBER = struct.Struct("!i")


class Forked:
    """A running `springhead`, with the part of `subprocess.Popen`'s interface that tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdout: IO[bytes] | None,
        stderr: IO[bytes],
        env: dict[str, str],
        cwd: Path | None = None,
    ) -> None:
        """`stdout` None: a pipe."""
        self.stdout: IO[bytes] | None = None
        if stdout is None:
            read, write = os.pipe()
            self.stdout, stdout = os.fdopen(read, "rb"), os.fdopen(write, "wb")
        self._line, keeper = socket.socketpair()
        with keeper:
            socket.send_fds(_fork_server(), [b"."], [keeper.fileno(), stdout.fileno(), stderr.fileno()])
        if self.stdout:
            stdout.close()
        request = {"arguments": list(arguments), "env": env, "cwd": str(cwd or Path.cwd())}
        self._line.sendall(json.dumps(request).encode() + b"\n")
        self.pid: int = self._number()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while the command runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end of the command and returns its exit code, negative for a signal."""
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = self._number()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("springhead", timeout or 0) from None
            self._line.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless the command has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Sends SIGKILL, unless the command has ended."""
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        (number,) = NUMBER.unpack(self._line.recv(NUMBER.size))
        return number


def start(arguments: Sequence[str], *, stderr: IO[bytes], env: dict[str, str]) -> "Forked | subprocess.Popen[bytes]":
    """Starts `springhead`; as a new program if the environment has instructions for the loader."""
    if "LD_PRELOAD" not in env:
        return Forked(arguments, stdout=None, stderr=stderr, env=env)
    command = [sys.executable, "-m", "springhead", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=env, start_new_session=True)


def run(arguments: Sequence[str], *, env: dict[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a `springhead` command to its end."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        code = Forked(arguments, stdout=stdout, stderr=stderr, env=env, cwd=cwd).wait(60)
        outputs: list[str] = []
        for file in (stdout, stderr):
            file.seek(0)
            outputs.append(file.read().decode())
    return subprocess.CompletedProcess(["springhead", *arguments], code, *outputs)


@lru_cache(maxsize=1)
def _fork_server() -> socket.socket:
    """The connection to this worker's fork server, which ends when the worker ends."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(line: socket.socket) -> dict[str, Any]:
    """Forks a keeper per request. Returns only in the process that is to run the command, with its request."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the keepers
    while True:
        word, files, _, _ = socket.recv_fds(line, 1, 3)
        if not word:
            os._exit(0)
        if os.fork() == 0:
            line.close()
            return _keep(*files)
        for file in files:
            os.close(file)


def _keep(line: int, out: int, err: int) -> dict[str, Any]:
    """Forks the command and tells the worker its process id and its exit code. Returns only in the fork.

    Ends the command if the worker has ended, so that no server outlives a test run that was killed.
    """
    ended, wakeup = socket.socketpair()
    wakeup.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that the end of the command wakes `select`
    signal.set_wakeup_fd(wakeup.fileno())
    with socket.socket(fileno=line) as worker:
        with worker.makefile("rb") as lines:
            request: dict[str, Any] = json.loads(lines.readline())
        if command := os.fork():
            os.close(out)
            os.close(err)
            with suppress(OSError):  # the worker has ended
                worker.sendall(NUMBER.pack(command))
                if worker in select.select([worker, ended], [], [])[0]:
                    os.kill(command, signal.SIGTERM)
                _, status = os.waitpid(command, 0)
                worker.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
            os._exit(0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ended.close()
    wakeup.close()
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, max(out, err) + 1)
    return request


if __name__ == "__main__":
    import gc
    import importlib

    # What a server imports until it is ready.
    import uvicorn.lifespan.on  # noqa: F401
    import uvloop  # noqa: F401

    import springhead.cli.commands.serve
    import springhead.cli.serving

    for module in os.environ.get("TEST_IMPORTS", "").split():  # such as a noun of the tests
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page
    start_request = _serve(socket.socket(fileno=int(sys.argv[1])))
    os.chdir(start_request["cwd"])
    os.environ.clear()
    os.environ.update(start_request["env"])
    sys.argv[:] = ["springhead", *start_request["arguments"]]
    springhead.cli.main()
