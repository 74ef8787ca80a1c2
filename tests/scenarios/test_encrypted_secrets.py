"""Secrets are encrypted in the database. Its key can be changed, lost and found again while calls go on."""

import asyncio
import base64
import json
import secrets
from collections.abc import Callable, Generator
from pathlib import Path

import asyncpg
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from cli.command import springhead
from delivery.conftest import PUSHING
from delivery.pushes import state, subscribe
from delivery.receiver import Receiver
from scenarios.installation import (
    SPRING,
    Installation,
    asked,
    everything_stored,
    forms_of,
    key_ids,
    secret_of,
)
from springhead.model.kit.encryption_keys import EncryptionKey
from springhead.store.database.box import KEY_ID, Box
from springhead.store.database.key_file import KeyFile
from support import Company, Server, eventually, sql, superuser


@pytest.fixture
def installation(tmp_path: Path) -> Generator[Installation]:
    with Receiver() as receiver:
        made = Installation(tmp_path, receiver)
        yield made
        made.stop()


def test_no_secret_is_stored_in_clear_and_a_repeated_call_gets_it_again(installation: Installation) -> None:
    company, url = installation.company, installation.receiver.url("/200/again")
    created = asked(company, "create", "createLeadSubscriptions", {"url": url})
    (row,) = [row for row in company.call("getLeadSubscriptions") if row["url"] == url]
    rotated = [
        asked(company, "rotate 1", "rotateLeadSubscriptionSecrets", {"id": row["id"]}),
        asked(company, "rotate 2", "rotateLeadSubscriptionSecrets", {"id": row["id"]}),
    ]
    assert asked(company, "create", "createLeadSubscriptions", {"url": url}) == created
    assert asked(company, "rotate 1", "rotateLeadSubscriptionSecrets", {"id": row["id"]}) == rotated[0]

    stored = everything_stored(company.dsn)
    assert url in stored
    known = [installation.made["secret"], *map(secret_of, (created, *rotated)), installation.public.signing_key]
    assert len(set(known)) == 5
    for secret in known:
        assert not [text for text in forms_of(secret) if text in stored]
    assert "whsec_" not in stored
    assert b"whsec_".hex() not in stored


def test_what_is_copied_to_another_row_cannot_be_decrypted(installation: Installation) -> None:
    """Somebody who can write to the database lets a company sign with the secret of another."""
    dsn, mine, other = installation.server.dsn, installation.company, installation.other
    theirs = subscribe(other, installation.receiver)
    beside = subscribe(mine, installation.receiver)
    copy = (
        "update subscription set encrypted_secret ="
        " (select encrypted_secret from subscription where id = $1) where id = $2 returning id"
    )
    for made in (theirs, beside):
        assert sql(superuser(dsn), copy, installation.made["id"], made["id"])
    sql(
        superuser(dsn),
        "update site set encrypted_signing_key ="
        " (select encrypted_signing_key from site where company_id = $1) where company_id = $2",
        mine.id,
        other.id,
    )

    for company, made in ((other, theirs), (mine, beside)):
        company.create({})
        eventually(lambda company=company, made=made: bool(state(company, made)["failures"] != "0"))
        (delivery,) = company.call("getLeadDeliveries", where={"subscriptionID": made["id"]})
        assert "rotateLeadSubscriptionSecrets" in delivery["error"]
        assert installation.receiver.of(made["path"]) == []
    installation.works()


def test_a_database_without_its_key_serves_calls_and_says_what_is_lost(installation: Installation) -> None:
    assert installation.examined()["state"] == "ok"
    answer = asked(installation.company, "k", "createLeads", {"emailAddress": "k@example.com"})
    assert json.loads(answer)["error"] == []
    earlier = installation.file.path.read_text()
    installation.stop()
    installation.file.path.unlink()
    log = installation.restart()

    assert "secrets in the database cannot be decrypted" in log
    assert "springhead db replace-secrets" in log
    check = installation.examined()
    assert check["state"] == "warning"
    assert "rotateLeadSubscriptionSecrets" in check["advice"]
    assert str(installation.file.path) in check["advice"]
    company, made = installation.company, installation.made
    company.create({})
    eventually(lambda: state(company, made)["failures"] != "0")
    tested = company.call("testLeadSubscriptions", objects=[{"id": made["id"]}])[0]["receiver"]
    assert (tested["accepted"], tested["status"]) == (False, None)
    assert "the secret of the subscription was lost" in tested["error"]
    installation.submits_a_form()
    assert installation.public.ask(installation.link).status == 404
    (lead,) = company.create({})
    (new_links,) = company.call("getTrackedLinks", leadID=lead, urls=[SPRING])
    assert installation.public.ask(new_links["links"][SPRING]).status == 302
    repeated = json.loads(asked(company, "k", "createLeads", {"emailAddress": "k@example.com"}))
    assert repeated["error"]["code"] == 205
    assert "cannot be decrypted" in json.dumps(repeated["error"])

    with installation.file.path.open("a") as file:  # the operator finds the earlier key
        file.write(earlier)
    check = installation.examined()
    assert (check["state"], "rotate-key" in check["advice"]) == ("warning", True)
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 0}])
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 1}])
    eventually(lambda: state(company, made)["failures"] == "0")
    eventually(lambda: installation.public.ask(installation.link).status == 302)  # sites are cached for two seconds
    installation.works()
    assert asked(company, "k", "createLeads", {"emailAddress": "k@example.com"}) == answer


def test_secrets_whose_key_is_lost_are_replaced(installation: Installation) -> None:
    installation.stop()
    installation.file.path.unlink()
    installation.restart()
    company, made = installation.company, installation.made
    (lead,) = company.create({})
    (links,) = company.call("getTrackedLinks", leadID=lead, urls=[SPRING])
    eventually(lambda: state(company, made)["failures"] != "0")

    said = installation.run("db", "replace-secrets")

    assert f"Company {company.id} has a new signing key" in said
    assert f"Company {company.id} must call rotateLeadSubscriptionSecrets for: {made['id']}" in said
    assert installation.examined()["state"] == "ok"
    assert "cannot be decrypted" not in installation.restart()
    company = installation.company
    (rotated,) = company.call("rotateLeadSubscriptionSecrets", objects=[{"id": made["id"]}])
    post = installation.receiver.wait(2, path=made["path"])[1]  # the push that waited
    Webhook(rotated["secret"]).verify(post.body, post.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(post.body, post.headers)
    assert installation.public.ask(links["links"][SPRING]).status == 302, "signed since the loss"
    assert "must call" not in installation.run("db", "replace-secrets")


def test_the_key_is_changed_while_the_server_runs(installation: Installation) -> None:
    company = installation.company
    answers = {
        f"k{n}": asked(company, f"k{n}", "createLeads", {"emailAddress": f"k{n}@example.com"}) for n in range(45)
    }
    (rotated,) = company.call("rotateLeadSubscriptionSecrets", objects=[{"id": installation.made["id"]}])
    (before,) = installation.file.keys()

    said = installation.run("db", "rotate-key")

    assert str(installation.file.path) in said
    (after,) = installation.file.keys()
    assert after != before
    assert installation.file.path.stat().st_mode & 0o777 == 0o600
    assert key_ids(installation.server.dsn) == set(Box(lambda: [after]).key_ids())
    installation.works()
    post = installation.pushed()
    Webhook(rotated["secret"]).verify(post.body, post.headers)
    for key, answer in answers.items():
        assert asked(company, key, "createLeads", {"emailAddress": f"{key}@example.com"}) == answer
    installation.restart()
    installation.works()
    assert installation.examined()["state"] == "ok"


def test_an_interrupted_change_of_the_key_goes_on(installation: Installation) -> None:
    """The command was killed between the new key and the end."""
    (before,) = installation.file.keys()
    installation.file.add()
    middle = installation.file.keys()[0]
    half = subscribe(installation.other, installation.receiver)  # the running server uses the new key at once
    assert len(key_ids(installation.server.dsn)) == 2
    assert "rotate-key" in installation.examined()["advice"]
    installation.works()

    installation.run("db", "rotate-key")

    assert list(installation.file.keys()) == [middle]
    assert key_ids(installation.server.dsn) == set(Box(lambda: [middle]).key_ids())
    assert before != middle
    installation.works()
    installation.other.create({})
    post = installation.receiver.wait(1, path=half["path"])[0]
    Webhook(half["secret"]).verify(post.body, post.headers)


def test_what_an_open_transaction_wrote_is_encrypted_with_the_new_key_too(installation: Installation) -> None:
    """A transaction of a server encrypts an answer, then the key is changed, and then it commits."""
    dsn, (old,) = installation.server.dsn, installation.file.keys()
    answer = Box(lambda: [old]).encrypt(b"[]", installation.company.id, "answer late")

    async def run() -> str:
        connection = await asyncpg.connect(superuser(dsn))
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "insert into idempotency (company_id, key, fingerprint, encrypted_answer, created_at)"
            " values ($1, 'late', '', $2, now())",
            installation.company.id,
            answer,
        )
        rotating = asyncio.create_task(asyncio.to_thread(installation.run, "db", "rotate-key"))
        encrypted = "select substring(encrypted_signing_key from 2 for 8) from site where company_id = $1"
        # The command has read the company's answers when the signing key has changed.
        while await connection.fetchval(encrypted, installation.company.id) == answer[KEY_ID]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await transaction.commit()
        await connection.close()
        return await rotating

    asyncio.run(run())

    assert key_ids(dsn) == set(Box(installation.file.keys).key_ids())
    installation.works()


def test_the_key_is_changed_only_if_all_secrets_can_be_decrypted(installation: Installation) -> None:
    kept = installation.file.path.read_text()
    installation.stop()
    installation.file.path.unlink()
    installation.restart()

    refused = springhead("db", "rotate-key", "--data", installation.data)

    assert refused.returncode == 1
    assert "stay as they are" in refused.stderr
    assert len(installation.file.keys()) == 2, "nothing is removed"
    with installation.file.path.open("a") as file:
        file.write(kept)
    installation.run("db", "rotate-key")
    assert len(installation.file.keys()) == 1
    eventually(lambda: installation.public.ask(installation.link).status == 302)
    installation.works()


def test_the_keys_of_several_servers_are_in_a_setting(installation: Installation) -> None:
    """Each server knows the new key before one of them encrypts with it."""
    (key,) = installation.file.keys()
    old = key.text()
    new = EncryptionKey.new().text()
    installation.stop()
    installation.file.path.unlink()
    name = "SPRINGHEAD_ENCRYPTION_KEY"
    installation.restart(env={name: f"{old},{new}"})
    database = ("--database-url", installation.server.dsn)
    second = Server(installation.data.parent / "second", *PUSHING, *database, env={name: f"{new}, {old}"}, key=False)
    at_second = Company(second.url, installation.other.account_id, installation.other.secret)
    made = subscribe(at_second, installation.receiver)
    installation.other.create({})
    post = installation.receiver.wait(1, path=made["path"])[0]
    Webhook(made["secret"]).verify(post.body, post.headers)
    at_second.close()
    assert second.stop() == 0

    refused = springhead("db", "rotate-key", "--data", installation.data, env={name: old})
    assert refused.returncode == 1
    assert "one key" in refused.stderr
    said = installation.run("db", "rotate-key", env={name: f"{new},{old}"})

    assert "Remove the others" in said
    installation.restart(env={name: new})
    installation.keys = [EncryptionKey.of_text(new)]
    installation.works()
    assert not installation.file.path.exists()
    assert old not in installation.server.log.read_text()
    assert new not in installation.server.log.read_text()


def test_a_command_makes_no_second_key(installation: Installation, tmp_path: Path) -> None:
    elsewhere = ("--data", tmp_path / "elsewhere", "--database-url", installation.server.dsn)

    refused = springhead("company", "create", "Acme", *elsewhere)

    assert refused.returncode == 1
    assert "SPRINGHEAD_ENCRYPTION_KEY" in refused.stderr
    assert not (tmp_path / "elsewhere").exists()
    assert springhead("company", "list", *elsewhere).returncode == 0
    assert "Acme" not in springhead("company", "list", *elsewhere).stdout


@pytest.mark.parametrize(
    "spoil",
    [lambda path: path.chmod(0o644), lambda path: path.write_text("broken")],
    ids=["readable by all", "broken"],
)
def test_a_server_refuses_a_key_file_that_it_cannot_trust(
    installation: Installation, spoil: Callable[[Path], object]
) -> None:
    installation.stop()
    path = installation.file.path
    text = path.read_text()
    spoil(path)

    refused = springhead("serve", "--data", installation.data, "--port", "0", "--json")

    assert refused.returncode == 1
    assert str(path) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert installation.examined()["state"] == "broken"
    path.write_text(text)
    path.chmod(0o600)
    installation.restart()
    installation.works()


def test_secrets_of_an_earlier_version_are_encrypted(installation: Installation) -> None:
    dsn, company = installation.server.dsn, installation.company
    answer = asked(company, "old", "createLeads", {"emailAddress": "old@example.com"})
    outcomes = json.dumps(json.loads(answer)["result"]["creates"])
    key = installation.public.signing_key
    previous = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    sql(
        superuser(dsn),
        "update subscription set secret = $1, previous_secret = $2, encrypted_secret = null,"
        " previous_until = now() + interval '1 hour' where id = $3",
        installation.made["secret"],
        previous,
        installation.made["id"],
    )
    sql(
        superuser(dsn),
        "update site set signing_key = $1, encrypted_signing_key = null where company_id = $2",
        key,
        company.id,
    )
    sql(
        superuser(dsn),
        "update idempotency set answer = $1, encrypted_answer = null where company_id = $2",
        outcomes,
        company.id,
    )
    assert installation.public.ask(installation.form.path).status == 200  # before the job has run
    post = installation.pushed()
    Webhook(installation.made["secret"]).verify(post.body, post.headers)

    sql(
        superuser(dsn),
        "insert into pass (company_id, kind, subject_id, due_at, created_at)"
        " values ($1, 'encrypt', 0, now(), now()) returning id",
        company.id,
    )
    eventually(lambda: "whsec_" not in everything_stored(dsn))
    eventually(lambda: not sql(superuser(dsn), "select from site where signing_key is not null"))

    stored = everything_stored(dsn)
    assert not [text for text in forms_of(key) | forms_of(previous) if text in stored]
    assert not sql(superuser(dsn), "select from idempotency where answer is not null")
    assert installation.public.signing_key == key
    installation.works()
    post = installation.pushed()
    Webhook(previous).verify(post.body, post.headers)
    assert asked(company, "old", "createLeads", {"emailAddress": "old@example.com"}) == answer


def test_a_server_on_another_database_warns_that_its_folder_must_last(installation: Installation) -> None:
    """Its key is another one than that of the first server, so it says so too."""
    folder = installation.data.parent / "second"
    second = Server(folder, "--database-url", installation.server.dsn, key=False)
    log = second.log.read_text()
    assert second.stop() == 0

    assert str(folder / "encryption.key") in log
    assert "set SPRINGHEAD_ENCRYPTION_KEY" in log
    assert "secrets in the database cannot be decrypted" in log
    assert len(KeyFile(folder / "encryption.key").keys()) == 1
    (folder / "encryption.key").chmod(0o666)
    refused = springhead("serve", "--port", "0", "--data", folder, "--database-url", installation.server.dsn)
    assert refused.returncode == 1
    assert f"chmod 600 {folder / 'encryption.key'}" in refused.stderr
    installation.works()
