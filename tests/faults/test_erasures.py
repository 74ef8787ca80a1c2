"""A push that was composed by one server is not sent after another server has erased a lead in it."""

import ssl
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from delivery.conftest import PUSHING
from delivery.pushes import caught_up
from delivery.receiver import Receiver
from erasure import CANARY
from faults.postgres import Postgres
from support import Company, Server, new_company


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    key = path.with_name("key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", path, "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text(key.read_text() + path.read_text())
    return path


def test_a_push_that_was_composed_before_an_erasure_is_not_sent_after_it(
    postgres: Postgres, tmp_path: Path, certificate: Path
) -> None:
    """One server has composed the push and waits for the connection. Another server erases the lead."""
    arrived, released = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        arrived.set()
        assert released.wait(60)

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    tls.sni_callback = hold  # in the handshake, before the request
    sender = Server(tmp_path / "e", *PUSHING, env=postgres.settings() | {"SSL_CERT_FILE": str(certificate)})
    eraser = Server(tmp_path / "f", "--no-limits", env=postgres.settings())
    company = new_company(cast("Server", SimpleNamespace(url=sender.url, dsn=postgres.dsn())))
    other = Company(eraser.url, company.account_id, company.secret)
    with Receiver(tls=tls) as receiver, closing(company), closing(other):
        (made,) = company.call("createLeadSubscriptions", objects=[{"url": receiver.url(host="localhost")}])
        (lead,) = company.create({"emailAddress": f"{CANARY}@example.com"})
        assert arrived.wait(60)
        (erased,) = other.call("eraseLeads", objects=[{"id": lead}])
        released.set()
        caught_up(company, made, seconds=120)  # under load the first attempt can time out

    assert erased["success"]
    assert [post for post in receiver.posts if CANARY.encode() in post.body] == []
    assert [change["kind"] for post in receiver.posts for change in post.json()["changes"]] == ["erase"]
    assert [server.stop() for server in (eraser, sender)] == [0, 0]
