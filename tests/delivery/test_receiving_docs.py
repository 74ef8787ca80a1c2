"""docs/receiving-pushes.md is true: its receivers accept our pushes and nothing else, and its numbers are ours."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from delivery.pushes import subscribe
from delivery.receiver import Receiver
from faults.postgres import free_port
from programs import program
from springhead.delivery import backoff, client, payloads, receiver_answers, worker
from springhead.model.feed.receiver_addresses import problem_of
from springhead.model.feed.subscriptions import DEFAULT_KINDS, SECRET_HOURS, SUBSCRIPTIONS_MAX
from springhead.model.feed.webhooks import new_message_id, new_secret, signed_headers
from springhead.store.feed.pushes import RETRY_HOURS
from support import Company, eventually

PAGE = (Path(__file__).parents[2] / "docs" / "receiving-pushes.md").read_text()
RECEIVERS = {
    "python": ("receiver.py", [sys.executable, "receiver.py"]),
    "php": ("receiver.php", ["php", "-S", "127.0.0.1:8080", "receiver.php"]),
    "javascript": ("receiver.mjs", ["node", "receiver.mjs"]),
}
BODY = b'{"leads":[{"id":"7","emailAddress":"ada@example.com"}],"changes":[{"kind":"update","leadID":"7"}]}'


def blocks(language: str) -> list[str]:
    """The fenced blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)


class Running:
    """A receiver of the page, as a program."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self._out = port, folder / "out"

    def lines(self) -> list[str]:
        """The output of the receiver so far."""
        return self._out.read_text().splitlines()

    def status(self, body: bytes, headers: dict[str, str]) -> int:
        """Posts to the receiver. Returns its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", "/pushes", body, {"Content-Type": "application/json", **headers})
        status = connection.getresponse().status
        connection.close()
        return status


@contextmanager
def running(language: str, port: int, secret: str, folder: Path, *, idle: int = 401) -> Generator[Running]:
    """Runs a receiver as the page says, but on another port. It answers an unsigned POST with the status `idle`."""
    name, command = RECEIVERS[language]
    program(command[0])
    (folder / name).write_text(blocks(language)[-1].replace("8080", str(port)))
    with (folder / "out").open("wb") as out, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [word.replace("8080", str(port)) for word in command],
            env={**os.environ, "WEBHOOK_SECRET": secret},
            cwd=folder,
            stdout=out,
            stderr=errors,
        )
    receiver = Running(port, folder)
    try:
        eventually(lambda: _listens(receiver, idle) or process.poll() is not None, seconds=20)
        assert process.poll() is None, (folder / "errors").read_text()
        yield receiver
    finally:
        process.kill()
        process.wait(20)


def _listens(receiver: Running, status: int) -> bool:
    try:
        return receiver.status(b"", {}) == status
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize("language", ["python", "javascript"])
@pytest.mark.parametrize("secret", [None, "", "forgotten"])
def test_a_receiver_without_a_secret_does_not_start(language: str, secret: str | None, tmp_path: Path) -> None:
    name, command = RECEIVERS[language]
    (tmp_path / name).write_text(blocks(language)[-1])
    environment = {name: value for name, value in os.environ.items() if name != "WEBHOOK_SECRET"}
    done = subprocess.run(
        [program(command[0]), *command[1:]],
        env=environment if secret is None else {**environment, "WEBHOOK_SECRET": secret},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "Set WEBHOOK_SECRET to the secret of the subscription: whsec_…\n"


def test_a_receiver_in_php_without_a_secret_takes_nothing(tmp_path: Path) -> None:
    """An empty key would be a key that everybody knows."""
    headers = signed_headers(new_message_id(), int(time.time()), BODY, ["whsec_"])
    with running("php", free_port(), "", tmp_path, idle=500) as receiver:
        assert receiver.status(BODY, headers) == 500


@pytest.mark.parametrize("language", RECEIVERS)
def test_a_receiver_of_the_page_is_told_of_every_change(
    language: str, pushing_company: Callable[..., Company], tmp_path: Path
) -> None:
    company, port = pushing_company(), free_port()
    url = f"http://127.0.0.1:{port}/pushes"
    (made,) = company.call("createLeadSubscriptions", objects=[{"url": url}])

    with running(language, port, made["secret"], tmp_path) as receiver:
        (lead,) = company.create({"emailAddress": "ada@example.com"})
        company.call("updateLeads", objects=[{"id": lead, "city": "Łódź"}])
        eventually(lambda: len(receiver.lines()) == 2)
        company.call("deleteLeads", objects=[{"id": lead}])
        eventually(lambda: len(receiver.lines()) == 3)
        (tested,) = company.call("testLeadSubscriptions", objects=[made["id"]])

        assert [line.split()[:2] for line in receiver.lines()] == [
            ["create", str(lead)],
            ["update", str(lead)],
            ["delete", str(lead)],
        ]
        assert receiver.lines()[1].split()[2] == "ada@example.com"
        assert receiver.lines()[2].split()[2] == "None"
    assert tested["receiver"]["status"] == 204
    (seen,) = company.call("getLeadSubscriptions")
    assert (seen["failures"], seen["isActive"]) == ("0", "1")


@pytest.mark.parametrize("language", RECEIVERS)
def test_a_receiver_of_the_page_answers_the_challenge_when_it_knows_the_secret(
    language: str, pushing_company: Callable[..., Company], tmp_path: Path
) -> None:
    company, port = pushing_company(), free_port()
    (made,) = company.call(
        "createLeadSubscriptions", objects=[{"url": f"http://127.0.0.1:{port}/pushes", "challenge": 1}]
    )

    def challenge_is(state: str) -> bool:
        return company.call("getLeadSubscriptions")[0]["challengeState"] == state

    eventually(lambda: challenge_is("failed"))
    with running(language, port, made["secret"], tmp_path) as receiver:
        company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 1}])
        eventually(lambda: challenge_is("passed"))
        (lead,) = company.create({})
        eventually(lambda: [line.split()[:2] for line in receiver.lines()] == [["create", str(lead)]])


@pytest.mark.parametrize("language", RECEIVERS)
def test_a_receiver_of_the_page_takes_what_is_ours_once_and_nothing_else(language: str, tmp_path: Path) -> None:
    secret, other = new_secret(), new_secret()
    now = int(time.time())

    def signed(timestamp: int = now, *secrets: str) -> dict[str, str]:
        return signed_headers(new_message_id(), timestamp, BODY, secrets or (secret,))

    ours = signed()
    right = ours["webhook-signature"].removeprefix("v1,")
    forged: dict[str, dict[str, str]] = {
        "another secret": signed(now, other),
        "sent too long ago": signed(now - 310),
        "from the future": signed(now + 330),
        "another id": {**ours, "webhook-id": new_message_id()},
        "another time": {**ours, "webhook-timestamp": str(now + 1)},
        "no time": {**ours, "webhook-timestamp": "soon"},
        "a time without end": {**ours, "webhook-timestamp": "9" * 5_000},
        "an odd time": {**ours, "webhook-timestamp": f"{now} "[:-1] + "²"},
        "another version": {**ours, "webhook-signature": f"v1a,{right}"},
        "no version": {**ours, "webhook-signature": right},
        "no signature": {**ours, "webhook-signature": ""},
        "half a signature": {**ours, "webhook-signature": f"v1,{right[:20]}"},
        "nonsense": {**ours, "webhook-signature": "v1,\xe9 \xff , ,, v1 v1,"},
        "nothing at all": {},
        **{f"without {name}": {key: ours[key] for key in ours if key != name} for name in ours},
    }

    with running(language, free_port(), secret, tmp_path) as receiver:
        answered = {name: receiver.status(BODY, headers) for name, headers in forged.items()}
        assert answered == dict.fromkeys(forged, 401)
        assert receiver.status(BODY.replace(b"update", b"delete"), ours) == 401
        assert receiver.lines() == []

        assert receiver.status(BODY, ours) == 204
        eventually(lambda: receiver.lines() == ["update 7 ada@example.com"])
        assert [receiver.status(BODY, ours) for _ in range(3)] == [204] * 3  # the same push again
        assert receiver.status(BODY, signed(now, other, secret)) == 204  # while the secret is replaced
        eventually(lambda: receiver.lines() == ["update 7 ada@example.com"] * 2)
        assert receiver.status(BODY, signed(now - 280)) == 204  # a clock that is some minutes late


def example() -> tuple[dict[str, str], bytes]:
    """The headers and the body of the push that the page shows."""
    (block,) = blocks("http")
    head, _, body = block.partition("\n\n")
    return dict(line.split(": ", 1) for line in head.splitlines()[1:]), body.encode()


def test_the_push_that_the_page_shows_is_signed_with_the_secret_that_it_shows() -> None:
    headers, body = example()
    _, answer, _ = blocks("json")
    secret = json.loads(answer)["result"]["creates"][0]["secret"]
    (snippet,) = [block for block in blocks("python") if "standardwebhooks" in block]

    signed = signed_headers(headers["webhook-id"], int(headers["webhook-timestamp"]), body, [secret])
    assert signed.items() <= headers.items()
    with pytest.raises(WebhookVerificationError, match="old"):
        exec(snippet, {"secret": secret, "body": body, "headers": headers})
    known: dict[str, Any] = {"secret": secret, "body": body}
    known["headers"] = signed_headers(headers["webhook-id"], int(time.time()), body, [secret])
    exec(snippet, known)
    assert known["push"] == json.loads(body)


def test_a_push_looks_as_the_page_shows(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    headers, body = example()
    request, answer, _ = (json.loads(block) for block in blocks("json"))
    chosen = request["params"]["objects"][0]
    assert problem_of(chosen["url"], client.Networks()) is None
    (made,) = company.call("createLeadSubscriptions", objects=[chosen])
    assert list(made) == list(answer["result"]["creates"][0])

    (lead,) = company.create({"emailAddress": "ada@example.com", "city": "Rome"})
    subscribe(company, receiver, fields=chosen["fields"])
    company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"}])
    (post,) = receiver.wait(1)

    assert {name.lower() for name in headers} <= post.headers.keys()
    shown, real = json.loads(body), post.json()
    assert _kinds(shown) == _kinds(real)
    assert shown["changes"][0]["changed"] == real["changes"][0]["changed"]


def _kinds(value: Any) -> Any:
    """The shape of a document: its keys in their order, and the types of its values."""
    if isinstance(value, dict):
        return [(name, _kinds(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [_kinds(item) for item in value]
    return type(value).__name__


def test_a_challenge_looks_as_the_page_shows() -> None:
    shown = json.loads(blocks("json")[-1])
    assert _kinds(shown) == _kinds(json.loads(payloads.challenge_body(payloads.new_challenge())))
    assert len(shown["challenge"]) == len(payloads.new_challenge())
    assert (
        payloads.challenge_problem(
            shown["challenge"], receiver_answers.ReceiverAnswer(status=200, duration=0, body=json.dumps(shown))
        )
        is None
    )


def test_the_numbers_of_the_page_are_ours() -> None:
    first, second, *later = backoff.EARLY
    two, ten, thirty = (seconds / 60 for seconds in later)
    schedule = (
        f"again after {first:g} seconds, {second:g} seconds, {two:g}, {ten:g} and {thirty:g} minutes, and then every"
    )
    assert schedule in PAGE.replace("\n", " ")
    assert (backoff.HOURLY, backoff.SPREAD) == (3_600, 0.2)
    for sentence in (
        f"After {RETRY_HOURS} hours without success",
        f"for {SECRET_HOURS} hours each push is signed with both",
        f"{SUBSCRIPTIONS_MAX} for each company",
        f"up to {payloads.LEADS} leads",
        f"{payloads.BYTES // 1024**2} MB at most",
        f"any 2xx within {client.TOTAL_SECONDS:g} seconds",
        f"answers within {worker.CHALLENGE_SECONDS:g} seconds",
        f"read up to {client.READ_BYTES // 1024} KB",
        f"the first {receiver_answers.KEPT_BYTES // 1000} kB",
        f"`{payloads.TEST_BODY.decode()}`",
        *(f"`{kind}`" for kind in (*DEFAULT_KINDS, "score")),
    ):
        assert sentence in PAGE, sentence
