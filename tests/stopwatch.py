"""Time limits that work on a busy machine: time that a process waits for a CPU does not count.

Linux counts that time for each thread. Elsewhere all time counts.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


def _waited() -> float:
    """The total seconds that this process and its descendants have waited for a CPU."""
    total, processes = 0, [str(os.getpid())]
    while processes:
        for task in _tasks(processes.pop()):
            with suppress(OSError):  # it has ended
                total += int((task / "schedstat").read_bytes().split()[1])
                processes += (task / "children").read_text().split()
    return total / 1e9


def _tasks(process: str) -> list[Path]:
    with suppress(OSError):
        return list(Path(f"/proc/{process}/task").iterdir())
    return []


class Stopwatch:
    """Counts seconds from its creation."""

    def __init__(self) -> None:
        self.begun, self._waited = time.monotonic(), _waited()

    @property
    def waited(self) -> float:
        """The seconds that processes of this test have waited for a CPU since the creation."""
        return max(0.0, _waited() - self._waited)

    @property
    def seconds(self) -> float:
        """The seconds until now without those in which a process of this test waited for a CPU."""
        return time.monotonic() - self.begun - self.waited


def pause(seconds: float) -> None:
    """Waits until processes had so many seconds, on a busy machine longer."""
    watch = Stopwatch()
    while (left := seconds - watch.seconds) > 0:
        time.sleep(max(left, 0.01))


_latest = [Stopwatch()]


@contextmanager
def within(seconds: float) -> Generator[None]:
    """Fails if the block takes that many seconds.

    Reading all processes takes milliseconds, so limits that begin within a second share one reading.
    """
    begun = time.monotonic()
    if begun - _latest[0].begun > 1:
        _latest[0] = Stopwatch()
    yield
    took = time.monotonic() - begun
    if took >= seconds:
        took -= _latest[0].waited
        assert took < seconds, f"it took {took:.2f} s"
