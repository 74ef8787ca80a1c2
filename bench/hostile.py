"""A company that costs the server as much as it can: `python -m bench.hostile URL ACCOUNT SECRET`.

Fills the company, prints a line, and calls until standard input ends. Then it prints how often each call got each code.
"""

import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bench.rig import Client, encode

LEADS = 20_000
LISTS = 60
TESTS = 100
BODY_BYTES = 10_000_000
KEYS = 300_000
PAUSE = 0.1
"""Seconds until the next call after a refused one."""

_numbers = itertools.count()
_outcomes: Counter[str] = Counter()
_end = threading.Event()


def main() -> None:
    """Fills the company, then calls from all threads until standard input ends."""
    access: Any = sys.argv[1:]
    _fill(Client(*access))
    print("filled", flush=True)
    kinds = {
        "searchLeads": (_searches(), 10),
        "createLeads": (_creates(), 4),
        "lists": (_bodies("["), 2),
        "keys": (_bodies("k"), 2),
    }
    threads = [
        threading.Thread(target=_call, args=(access, name, bodies))
        for name, (bodies, count) in kinds.items()
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    _end.set()
    for thread in threads:
        thread.join()
    print(", ".join(f"{outcome}: {count}" for outcome, count in sorted(_outcomes.items())))


def _fill(client: Client) -> None:
    for _ in range(LEADS // 500):
        _until_done(client, next(_creates()))
    for number in range(LISTS):
        tests = [{"lastName": {"contains": f"{number} x {test}"}} for test in range(TESTS)]
        _until_done(client, encode("createList", name=f"List {number}", filter={"or": tests}))


def _until_done(client: Client, body: bytes) -> None:
    while (error := json.loads(client.post(body))["error"]) and isinstance(error, dict) and error["code"] in {107, 999}:
        time.sleep(PAUSE)


def _searches() -> Iterator[bytes]:
    tests = [{"lastName": {"contains": f"no such text {number}"}} for number in range(TESTS)]
    body = encode("searchLeads", filter={"or": tests}, total=1)
    return itertools.repeat(body)


def _creates() -> Iterator[bytes]:
    while True:
        numbers = [next(_numbers) for _ in range(500)]
        leads = [
            {
                "emailAddress": f"lead.{number}@example.com",
                "lastName": f"Number {number}",
                "description": f"{number} " * 40,
            }
            for number in numbers
        ]
        yield encode("createLeads", objects=leads)


def _bodies(kind: str) -> Iterator[bytes]:
    if kind == "[":
        inner = b"[" + b",".join([b"[]"] * (BODY_BYTES // 3)) + b"]"
    else:
        width = BODY_BYTES // KEYS - 12
        inner = b"{" + b",".join(b'"%07d":"%s"' % (number, b"x" * (width - 2)) for number in range(KEYS)) + b"}"
    return itertools.repeat(b'{"method":"createLeads","id":1,"params":{"objects":[' + inner + b"]}}")


def _call(access: Any, name: str, bodies: Iterator[bytes]) -> None:
    client = Client(*access)
    lock = _locks.setdefault(name, threading.Lock())
    while not _end.is_set():
        with lock:
            body = next(bodies)
        try:
            error = json.loads(client.post(body))["error"]
        except OSError:
            _outcomes[f"{name} closed"] += 1
            client.reconnect()
            continue
        code = error["code"] if isinstance(error, dict) else 0
        _outcomes[f"{name} {code}"] += 1
        if code in {107, 999}:
            time.sleep(PAUSE)


_locks: dict[str, threading.Lock] = {}

if __name__ == "__main__":
    main()
