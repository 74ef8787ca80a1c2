"""Several callers of one company at the same moment, and a caller that waits for the limits."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from support import Company, Server


def another_client(company: Company, server: Server | None = None) -> Company:
    """A client of the same company with a connection of its own, also on another server."""
    other = Company(server.url if server else company.url, company.account_id, company.secret, id=company.id)
    other.dsn = company.dsn
    return other


def clients(company: Company, number: int) -> list[Company]:
    """Clients of the same company, each with a connection of its own."""
    return [another_client(company) for _ in range(number)]


def at_once(companies: Sequence[Company], work: Callable[[Company, int], Any]) -> list[Any]:
    """Runs `work` with each client and its number at the same moment, and closes the clients. Returns the results.

    Raises the first exception of a caller, when all have ended.
    """
    results: list[Any] = [None] * len(companies)
    together = threading.Barrier(len(companies))

    def run(worker: int) -> None:
        try:
            companies[worker].envelope("getLead", {"id": 1})  # connected
            together.wait()
            results[worker] = work(companies[worker], worker)
        except Exception as cause:  # noqa: BLE001 - for the test to see
            results[worker] = cause
        finally:
            companies[worker].close()

    threads = [threading.Thread(target=run, args=(worker,)) for worker in range(len(companies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


BUSY = {106, 107, 999}
"""The errors after which a client repeats its call."""


def patient(company: Company, method: str, **params: Any) -> Any:
    """The result of a call that waits as the server says. A server that is down raises OSError."""
    while True:
        _, body = company.send(json.dumps({"method": method, "params": params, "id": "1"}).encode())
        answer = json.loads(body)
        if answer["result"] is not None:
            return answer["result"]
        assert answer["error"]["code"] in BUSY, answer
        time.sleep(dict(answer["error"]["data"]).get("retryAfter", 0.1))
