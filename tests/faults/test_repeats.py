"""kill -9 during writes that are repeated with the same idempotency key until they are answered."""

import http.client
import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from faults.load import Progress
from support import Company, Server, sql

KILLS = int(os.environ.get("SPRINGHEAD_TEST_KILLS", "20"))

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120 + 10 * KILLS)]


def test_a_write_that_is_repeated_until_it_is_answered_is_done_once_despite_kills(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server.on_copy(data, "--no-limits")
    path = Company("http://localhost", server.ready["accountID"], server.ready["secretKey"]).path
    addresses = [server.url]
    ended = threading.Event()
    answers: dict[str, list[int]] = {}
    repeated: list[str] = []
    answered = Progress()

    def client(number: int) -> None:
        count = 0
        while not ended.is_set():
            count += 1
            key = f"{number}-{count}"
            tries = 0
            while (result := write(addresses[-1], path, key)) is None:
                tries += 1
                time.sleep(0.02)
            if tries:
                repeated.append(key)
            answers[key] = [outcome["id"] for outcome in result["creates"]]
            answered.add()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(KILLS):
            answered.wait(number % 4)
            time.sleep(random.uniform(0.0, 0.1))  # the kill comes at any moment of the calls under way
            server.kill()
            server = Server(data, "--no-limits")
            addresses.append(server.url)
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)
    (company,) = sql(server.dsn, "select id from company")
    rows = sql(server.dsn, "select id, account_name from account order by id", company_id=company["id"])
    assert server.stop() == 0

    stored: dict[str, list[int]] = {}
    for row in rows:
        stored.setdefault(row["account_name"], []).append(row["id"])
    assert stored == answers, "each call is done once, as its answer says"
    assert repeated
    print(f"{KILLS} kills: {len(answers)} calls of 100 accounts, {len(repeated)} sent again, none lost, none doubled")


def write(url: str, path: str, key: str) -> Any:
    """The result of a call that creates accounts, or None if its outcome is unknown."""
    body = {"method": "createAccounts", "params": {"objects": [{"accountName": key}] * 100}, "id": 1}
    connection = http.client.HTTPConnection(url.split("//")[1].rstrip("/"), timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), {"Idempotency-Key": key})
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    if answer["result"] is None:
        assert answer["error"]["code"] == 999, answer
    return answer["result"]
