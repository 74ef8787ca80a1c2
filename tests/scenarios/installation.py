"""A server whose company has every kind of secret, and what is stored of them."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from capture.forms import FormOf
from capture.public import Public
from cli.command import springhead
from delivery.conftest import PUSHING
from delivery.pushes import subscribe
from delivery.receiver import Post, Receiver
from springhead.model.capture import signing
from springhead.store.database.box import Box, CannotDecrypt
from springhead.store.database.key_file import KeyFile
from support import Company, Server, new_companies, new_email, sql, superuser

SPRING = "https://example.com/spring"


class Installation:
    """A server with a company, which has a subscription, a form, and a link in an email."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.data, self.receiver = folder / "data", receiver
        self.server = Server.on_copy(self.data, *PUSHING)
        self.company, self.other = new_companies(self.server, 2)
        self.made = subscribe(self.company, receiver)
        self.public = Public(self.company)
        self.form = FormOf(self.public)
        (lead,) = self.company.create({})
        receiver.wait(1)
        (links,) = self.company.call("getTrackedLinks", leadID=lead, urls=[SPRING])
        self.link: str = links["links"][SPRING]
        self.keys: Sequence[bytes] = ()
        """The keys of the setting; without them, the file has the keys."""

    @property
    def file(self) -> KeyFile:
        return KeyFile(self.data / "encryption.key")

    def restart(self, *, env: dict[str, str] | None = None) -> str:
        """Restarts the server. Returns what it logged at its start."""
        self.stop()
        before = self.server.log.stat().st_size
        self.server = Server(self.data, *PUSHING, env=env, key=False)
        self.company = self._at_server(self.company)
        self.other = self._at_server(self.other)
        self.form.public = self.public = Public(self.company)
        return self.server.log.read_text()[before:]

    def _at_server(self, company: Company) -> Company:
        moved = Company(self.server.url, company.account_id, company.secret, id=company.id)
        moved.dsn = self.server.dsn
        return moved

    def stop(self) -> None:
        self.public.close()
        self.company.close()
        self.other.close()
        assert self.server.stop() == 0

    def run(self, *words: str, env: dict[str, str] | None = None) -> str:
        """Runs a command on the data folder. Returns what it printed."""
        done = springhead(*words, "--data", self.data, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def examined(self, env: dict[str, str] | None = None) -> dict[str, str]:
        """What `springhead doctor` says of the secrets."""
        checks: list[dict[str, str]] = json.loads(springhead("doctor", "--json", "--data", self.data, env=env).stdout)
        return {check["name"]: check for check in checks}["secrets"]  # type: ignore[return-value]

    def pushed(self) -> Post:
        """Changes the company's leads. Returns the push."""
        before = len(self.receiver.of(self.made["path"]))
        self.company.create({})
        return self.receiver.wait(before + 1, path=self.made["path"])[before]

    def works(self) -> None:
        """Everything that needs a secret of before works."""
        post = self.pushed()
        Webhook(self.made["secret"]).verify(post.body, post.headers)
        assert self.public.ask(self.link).status == 302
        self.submits_a_form()

    def signing_key(self) -> bytes:
        """The key that the server uses for links and forms of the company."""
        box = Box(lambda: self.keys or self.file.keys())
        try:
            return box.decrypt(self.public.site("encrypted_signing_key"), self.company.id, "site")
        except CannotDecrypt:
            return box.derived(self.company.id)

    def submits_a_form(self) -> None:
        """A person fills in a form of the company, and becomes a lead."""
        address = new_email()
        page = self.public.ask(self.form.path)
        (token,) = re.findall(r'name="_token" value="([^"]+)"', page.body.decode())
        assert signing.verify(self.signing_key(), "form", token)
        older = self.form.token(key=self.signing_key())  # the server refuses what is submitted within two seconds
        assert self.form.post(emailAddress=address, token=older).status == 303
        assert len(self.company.call("getLeads", where={"emailAddress": address})) == 1


def everything_stored(dsn: str) -> str:
    """All rows of all tables as text, with bytes in hexadecimal digits."""
    tables = sql(
        superuser(dsn),
        "select c.oid::regclass::text as name from pg_class c"
        " where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1",
    )
    assert {"subscription", "site", "idempotency", "pass"} <= {table["name"] for table in tables}
    rows = [sql(superuser(dsn), f"select t::text as row from {table['name']} t") for table in tables]
    return "\n".join(row["row"] for some in rows for row in some)


def forms_of(secret: str | bytes) -> set[str]:
    """How a secret could stand in a row."""
    plain = base64.b64decode(secret.removeprefix("whsec_")) if isinstance(secret, str) else secret
    texts = {plain.hex(), base64.b64encode(plain).decode(), base64.urlsafe_b64encode(plain).decode().rstrip("=")}
    return texts | ({secret, secret.encode().hex()} if isinstance(secret, str) else set())


def asked(company: Company, key: str, method: str, *objects: Any) -> bytes:
    """The answer to a write with an Idempotency-Key."""
    body = json.dumps({"method": method, "params": {"objects": objects}, "id": "1"}).encode()
    status, answer = company.send(body, headers={"Idempotency-Key": key})
    assert status == 200
    return answer


def secret_of(answer: bytes) -> str:
    (outcome,) = next(iter(json.loads(answer)["result"].values()))
    return outcome["secret"]


def key_ids(dsn: str) -> set[bytes]:
    """The ids of the keys of all encrypted values."""
    return {
        row["id"]
        for table, column in (
            ("site", "encrypted_signing_key"),
            ("subscription", "encrypted_secret"),
            ("subscription", "encrypted_previous"),
            ("idempotency", "encrypted_answer"),
        )
        for row in sql(superuser(dsn), f"select substring({column} from 2 for 8) as id from {table}")
        if row["id"]
    }
