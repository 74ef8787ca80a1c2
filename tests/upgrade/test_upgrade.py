"""Today's server upgrades the database of every earlier release, reads every value as before, and writes."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from delivery.receiver import Receiver
from support import Company, Server, eventually, sql, superuser
from upgrade import database
from upgrade.visitor import Visitor

PUBLIC_URL = "https://crm.example.com"
DUMPS = {dump.parent.name: dump.read_bytes().decode() for dump in sorted(Path(__file__).parent.glob("*/dump.sql"))}
OF_ONE_ROLE = [release for release, text in DUMPS.items() if "FORCE ROW LEVEL SECURITY" in text]
"""Releases whose server owned its tables. A superuser's address gives their databases two roles; else they keep one."""

CHANGED: dict[str, str] = dict.fromkeys(
    ("getTrackedLinks.unsubscribeURL", "getTrackedLinks.listUnsubscribe"),
    "the link has the hash of the address, so that it works when the lead is erased",
) | {"searchLeads.lead": "a search for zoë finds the lead whose name is decomposed too"}
"""Values that rightly differ from those of then: `method` or `method.column`, with the reason. It is to stay short."""


class Upgraded:
    """A server on a restored database, and the answers of the release that made it."""

    def __init__(self, server: Server, dsn: str, answers: dict[str, Any]) -> None:
        self.server, self.dsn, self.answers = server, dsn, answers
        self._clients: list[Company | Visitor] = []

    def company(self, name: str, *, key: str = "key", version: str = "v1.2") -> Company:
        """A client of a company of the dump, with a key of the dump."""
        made = self.answers["companies"][name]
        company = Company(self.server.url, made["accountID"], made[key], version=version)
        self._clients.append(company)
        return company

    def visitor(self) -> Visitor:
        """A visitor."""
        visitor = Visitor(self.server.url, "", PUBLIC_URL)
        self._clients.append(visitor)
        return visitor

    def close(self) -> None:
        """Closes the connections of all clients."""
        for client in self._clients:
            client.close()


@pytest.fixture(params=[*DUMPS, *(f"{release} with one role" for release in OF_ONE_ROLE)])
def upgraded(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Generator[Upgraded]:
    """Starts today's server on the database of a release.

    All times of the dump are moved as if it had just been made: otherwise the recycle bin would be empty by now.
    """
    release, _, one_role = request.param.partition(" ")
    folder = Path(__file__).parent / release
    recorded = (folder / "answers.json").read_text()
    dumped = datetime.fromisoformat(json.loads(recorded)["dumped"]).replace(tzinfo=UTC)
    age = timedelta(seconds=int((datetime.now(UTC) - dumped).total_seconds()))
    name = f"release_{release.replace('.', '_')}"
    owner = "springhead" if release in OF_ONE_ROLE else "springhead_owner"
    dsn = database.create(server, name, owner=owner)
    try:
        database.restore(dsn.replace("//springhead@", f"//{owner}@"), database.moved(DUMPS[release], dumped, age))
        pushes = ("--public-url", PUBLIC_URL, "--push-http", "--push-networks", "127.0.0.0/8")
        addresses = ("--database-url", dsn) if one_role else database.settings(dsn)
        running = Server(tmp_path / "data", *addresses, *pushes)
        assert bool(one_role) == ("the database has one role" in running.log.read_text())
        upgraded = Upgraded(running, dsn, json.loads(database.moved(recorded, dumped, age)))
        yield upgraded
        upgraded.close()
        assert running.stop() == 0
    finally:
        database.drop(server, name)


def test_every_value_of_an_earlier_release_is_read_as_before_and_its_leads_can_be_written(upgraded: Upgraded) -> None:
    reads_are_as_before(upgraded)
    files_are_as_before(upgraded)
    keys_are_as_before(upgraded)
    unsubscribed_addresses_stay_unsubscribed(upgraded)
    secrets_are_encrypted(upgraded)
    writes_go_on(upgraded)
    background_work_goes_on(upgraded)
    links_and_forms_go_on(upgraded)
    pushes_go_on(upgraded)


def reads_are_as_before(upgraded: Upgraded) -> None:
    companies = {
        name: upgraded.company(name, version=version)
        for name, version in {call["company"]: call["version"] for call in upgraded.answers["calls"]}.items()
    }
    wrong: list[str] = []
    for call in upgraded.answers["calls"]:
        answer = companies[call["company"]].envelope(call["method"], call["params"])
        wrong += [
            f"{call['company']}: {call['method']} {json.dumps(call['params'])}{place}"
            for place in differences(call["result"], answer["result"], call["method"])
        ]
    assert not wrong, f"{len(wrong)} values differ:\n" + "\n".join(wrong[:20])


def differences(then: Any, now: Any, name: str) -> list[str]:
    """The places where a value differs from the earlier one. New keys of a hash are additions, not differences."""
    if name in CHANGED:
        return []
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            f".{key}{place}"
            for key, value in then.items()
            for place in differences(value, now.get(key, "nothing"), f"{name.partition('.')[0]}.{key}")
        ]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [f"[{number}]{place}" for number, (before, after) in pairs for place in differences(before, after, name)]
    return [] if then == now else [f" was {then!r}, is {now!r}"]


def files_are_as_before(upgraded: Upgraded) -> None:
    visitor = upgraded.visitor()
    assert upgraded.answers["files"]
    for file in upgraded.answers["files"]:
        answer = visitor.get(file["address"])
        assert (answer.status, answer.body.hex()) == (200, file["body"])


def keys_are_as_before(upgraded: Upgraded) -> None:
    """Each kind of key gets its own kind of answer, a revoked key is refused, and a repeated write is made once."""
    first, plain, captured, revoked = (
        upgraded.company("himal", key=key) for key in ("key", "plain-success", "captured-calls", "revoked")
    )
    refused, _ = revoked.send(b'{"method": "getLeads", "params": {"where": {}}, "id": "1"}')
    assert refused == 401
    (lead,) = first.create({"emailAddress": "first@example.com"})
    assert first.envelope("updateLeads", {"objects": [{"id": lead, "city": "Rome"}]})["error"] == []
    assert plain.envelope("updateLeads", {"objects": [{"id": lead, "city": "Oslo"}]})["error"] is None
    (user, *_) = first.call("getUserProfiles")
    call = {"userID": user["id"], "leadID": lead, "direction": "incoming", "createTimestamp": "2020-01-01 00:00:00"}
    assert "success" in first.envelope("logCalls", {"objects": [call]})["result"]
    assert "creates" in captured.envelope("logCalls", {"objects": [call]})["result"]
    repeat = upgraded.answers["repeat"]
    for name, answer in repeat["answers"].items():
        company = upgraded.company(name)
        status, body = company.send(repeat["body"].encode(), headers={"Idempotency-Key": repeat["key"]})
        assert (status, json.loads(body)) == (200, answer)


def unsubscribed_addresses_stay_unsubscribed(upgraded: Upgraded) -> None:
    """The migration knows the addresses of leads that are unsubscribed, also of those in the recycle bin."""
    found = 0
    for name in upgraded.answers["companies"]:
        company = upgraded.company(name)
        rows = [*company.call("getLeads", where={}), *company.call("getDeletedLeads")]
        for row in rows:
            if row["isUnsubscribed"] == "1":
                found += 1
                if "deleteTimestamp" not in row:
                    company.call("eraseLeads" if found % 2 else "deleteLeads", objects=[{"id": row["id"]}])
                (again,) = company.create({"emailAddress": row["emailAddress"]})
                assert company.lead(again)["isUnsubscribed"] == "1"
    assert found


def secrets_are_encrypted(upgraded: Upgraded) -> None:
    """A background job encrypts the secrets that the earlier release stored in clear."""

    def are_encrypted() -> bool:
        in_clear = (
            "subscription where secret is not null or previous_secret is not null",
            "site where signing_key is not null",
            "idempotency where answer is not null",
        )
        return not [row for rest in in_clear for row in sql(superuser(upgraded.dsn), f"select 1 from {rest}")]

    eventually(are_encrypted)


def writes_go_on(upgraded: Upgraded) -> None:
    """A lead is created, changed, found as a duplicate, deleted and restored, and the feed has each change."""
    company = upgraded.company("acme")
    cursor = company.envelope("getLeadChanges", {"cursor": "now"})["result"]["cursor"]
    (code,) = [row["systemName"] for row in company.call("getFields", where={}) if row["label"] == "Customer code"]
    (lead,) = company.create({"emailAddress": "after@example.com", code: "NEW-1", "firstName": "After"})
    assert company.code("createLeads", {"emailAddress": "ADA.LOVELACE@example.com"}) == 301
    assert company.code("createLeads", {"emailAddress": "other@example.com", code: "AL-1815"}) == 301
    for write, change in (("updateLeads", {"city": "Rome"}), ("deleteLeads", {}), ("restoreLeads", {})):
        assert company.refusal(write, {"id": lead, **change}) is None
    (gone,) = [row for row in company.call("getDeletedLeads") if row["emailAddress"] == "deleted@example.com"]
    assert company.refusal("restoreLeads", {"id": gone["id"]}) is None
    assert company.lead(int(gone["id"]))[code] == "D-1"
    changes = company.envelope("getLeadChanges", {"cursor": cursor, "wait": 25})["result"]["leadChange"]
    kinds = [change["kind"] for change in changes if change["leadID"] == str(lead) and change["kind"] != "score"]
    assert kinds == ["create", "update", "delete", "restore"]


def background_work_goes_on(upgraded: Upgraded) -> None:
    """The dump has members of a deleted list: today's server removes them."""
    company, ids = upgraded.company("acme"), upgraded.answers["companies"]["acme"]["ids"]

    def are_removed() -> bool:
        parts = company.call("exportLead", id=ids["twin"])
        return not [part for part in parts if part["part"] == "listMember"]

    eventually(are_removed, seconds=60)


def links_and_forms_go_on(upgraded: Upgraded) -> None:
    """Links of the earlier release still work, and its forms still create leads."""
    company, link = upgraded.company("acme"), upgraded.answers["link"]
    visitor = upgraded.visitor()
    answer = visitor.get(link["address"])
    assert (answer.status, answer.location) == (302, link["url"])
    (form,) = [row for row in company.call("getForms") if row["isActive"] == "1"]
    answer = visitor.submit(form["formAction"], ("emailAddress", "later@example.com"), ("firstName", "Später"))
    assert answer.status == 303
    (lead,) = company.call("getLeads", where={"emailAddress": "later@example.com"})
    assert lead["firstName"] == "Später"


def pushes_go_on(upgraded: Upgraded) -> None:
    """A restored database pushes nothing until it is adopted, then with the earlier secret."""
    company = upgraded.company("acme")
    made = upgraded.answers["companies"]["acme"]
    with Receiver() as receiver:
        moved = {"id": made["ids"]["200"], "url": receiver.url("/200/now")}
        assert company.refusal("updateLeadSubscriptions", moved) is None
        assert receiver.posts == []
        command = [sys.executable, "-m", "springhead", "db", "adopt", "--database-url", upgraded.dsn]
        subprocess.run(command, check=True, timeout=60, env=dict(os.environ), capture_output=True)
        company.create({"emailAddress": "pushed@example.com"})
        post = receiver.wait(1, path="/200/now", seconds=60)[0]
        pushed = Webhook(made["secrets"]["200"]).verify(post.body, post.headers)
        assert pushed["changes"]
