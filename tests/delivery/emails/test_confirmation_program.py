"""The program in Python that docs/forms.md prints sends the link of each submission by email, once."""

import json
import os
import re
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from capture.forms import FormOf
from capture.public import Public
from delivery.test_receiving_docs import Running
from faults.postgres import free_port
from springhead.model.capture.confirmations import DAYS, LINKS_A_DAY
from springhead.model.feed.webhooks import new_message_id, new_secret, signed_headers
from support import Company, eventually

PAGE = (Path(__file__).parents[3] / "docs" / "forms.md").read_text()
(PROGRAM,) = re.findall(r"^```python\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
SUBSCRIBE = json.loads(re.findall(r"^```json\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)[-1])


class _Smtp(socketserver.StreamRequestHandler):
    """A conversation with a mail client (RFC 5321)."""

    def handle(self) -> None:
        assert isinstance(self.server, Mailbox)
        self.say("220 mail.example")
        while line := self.rfile.readline().decode().strip():
            verb = line.upper().partition(" ")[0]
            if verb == "DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.take(b"".join(piece.removeprefix(b".") for piece in lines))
            is_refused = verb == "MAIL" and self.server.is_busy
            self.say("451 not now" if is_refused else "221 bye" if verb == "QUIT" else "250 ok")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it gets."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.messages: list[EmailMessage] = []
        self.is_busy = False

    def take(self, content: bytes) -> None:
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)


@pytest.fixture
def mailbox() -> Generator[Mailbox]:
    with Mailbox() as mailbox:
        thread = threading.Thread(target=mailbox.serve_forever, args=(0.05,))
        thread.start()
        yield mailbox
        mailbox.shutdown()
        thread.join()


@contextmanager
def running(port: int, folder: Path, secret: str, mailbox: Mailbox) -> Generator[Running]:
    """Runs the program of the page, on another port."""
    (folder / "confirmations.py").write_text(PROGRAM.replace("8080", str(port)))
    host, mail_port = mailbox.server_address[:2]
    environment = {"WEBHOOK_SECRET": secret, "MAIL_FROM": "news@example.com", "MAIL_HOST": f"{host!s}:{mail_port}"}
    with (folder / "out").open("wb") as out, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "confirmations.py"],
            env=os.environ | environment,
            cwd=folder,
            stdout=out,
            stderr=errors,
        )
    receiver = Running(port, folder)

    def listens() -> bool:
        try:
            return receiver.status(b"", {}) == 401
        except ConnectionRefusedError:
            return False

    try:
        eventually(lambda: listens() or process.poll() is not None, seconds=20)
        assert process.poll() is None, (folder / "errors").read_text()
        yield receiver
    finally:
        process.kill()
        process.wait(20)


def links(messages: Sequence[EmailMessage]) -> list[str]:
    """The links in messages."""
    return [re.findall(r"\S*/f/\S+/confirm/\S+", message.get_content())[0] for message in messages]


def test_the_link_of_a_submission_is_sent_to_its_address_and_confirms_it(
    pushing_company: Callable[..., Company], mailbox: Mailbox, tmp_path: Path
) -> None:
    company, port = pushing_company(), free_port()
    public = Public(company)
    subscription: dict[str, Any] = {**SUBSCRIBE["params"]["objects"][0], "url": f"http://127.0.0.1:{port}/"}
    (made,) = company.call(SUBSCRIBE["method"], objects=[subscription])
    form, plain = FormOf(public, "firstName", doubleOptIn=1), FormOf(public, "firstName")

    with running(port, tmp_path, made["secret"], mailbox):
        assert plain.post(emailAddress="ben@example.com").status == 303
        assert form.post(emailAddress="ann@example.com", firstName="Ann").status == 303
        eventually(lambda: len(mailbox.messages) == 1)
        company.call("redeliverLeadUpdates", objects=[{"subscriptionID": made["id"], "since": "2020-01-01 00:00:00"}])
        assert form.post(emailAddress="cid@example.com", firstName="Cid").status == 303
        eventually(lambda: len(mailbox.messages) == 2)

    assert [message["To"] for message in mailbox.messages] == ["ann@example.com", "cid@example.com"]
    assert links(mailbox.messages) == [submit["data"]["confirmURL"] for submit in form.submits()[1:]]
    for url in links(mailbox.messages):
        assert public.ask(url, verb="POST", body=b"").status == 200
    assert {lead["firstName"] for lead in form.leads()} == {None, "Ann", "Cid"}
    public.close()


def test_a_link_that_the_mail_server_does_not_take_comes_again(mailbox: Mailbox, tmp_path: Path) -> None:
    secret = new_secret()
    data = {
        "form": "Contact",
        "values": {"emailAddress": "ann@example.com"},
        "confirmURL": "https://crm.example.com/f/x/confirm/y",
        "confirmUntil": "2026-03-14 09:26:53",
    }
    body = json.dumps({"leads": [], "changes": [{"eventID": "6000001152", "data": data}]}).encode()

    def push(*, of: str = secret) -> int:
        return program.status(body, signed_headers(new_message_id(), int(time.time()), body, [of]))

    with running(free_port(), tmp_path, secret, mailbox) as program:
        mailbox.is_busy = True
        assert push() == 503
        mailbox.is_busy = False
        assert [push(), push(), push(of=new_secret())] == [204, 204, 401]

    (message,) = mailbox.messages
    assert links([message]) == [data["confirmURL"]]
    assert (message["From"], message["Subject"]) == ("news@example.com", "Please confirm: Contact")


def test_the_page_names_the_bounds_of_links() -> None:
    assert f"a signed\n   link that works for {DAYS} days" in PAGE
    assert f"at most {LINKS_A_DAY} links a day for one lead" in PAGE
