"""A subscription with a challenge gets pushes only after its receiver has sent the challenge back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from delivery.conftest import PUSHING
from delivery.pushes import Made, caught_up, changes, state, subscribe
from delivery.receiver import Post, Receiver
from support import Company, Server, eventually, new_company, sql

Echo = Callable[[str], str]


def as_json(text: str) -> str:
    return json.dumps({"challenge": text})


def echoing(receiver: Receiver, echo: Echo = as_json) -> None:
    """Makes the receiver answer each challenge."""

    def taken(post: Post) -> None:
        if "challenge" in post.json():
            receiver.texts[post.path] = echo(post.json()["challenge"])

    receiver.taken = taken


def asked(receiver: Receiver, path: str) -> list[str]:
    """The challenges that came to a path."""
    return [post.json()["challenge"] for post in receiver.of(path) if "challenge" in post.json()]


def becomes(company: Company, made: Made, expected: str) -> dict[str, Any]:
    """Waits until the challenge of a subscription has this state. Returns the subscription."""
    eventually(lambda: state(company, made)["challengeState"] == expected, seconds=20)
    return state(company, made)


def repeat(company: Company, made: Made) -> None:
    (outcome,) = company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 1}])
    assert outcome["success"], outcome


@pytest.mark.parametrize("echo", [as_json, str, lambda text: f" {text}\n", json.dumps])
def test_pushes_begin_with_the_answer_and_lack_no_change(
    pushing_company: Callable[..., Company], receiver: Receiver, echo: Echo
) -> None:
    company = pushing_company()
    receiver.answers["/200/new"] = "500"
    made = subscribe(company, receiver, "/200/new", challenge=1)
    becomes(company, made, "failed")
    (lead,) = company.create({"firstName": "Ada"})

    receiver.answers.clear()
    echoing(receiver, echo)
    repeat(company, made)

    seen = becomes(company, made, "passed")
    assert (seen["challenge"], seen["isActive"], seen["inactiveReason"]) == ("1", "1", None)
    caught_up(company, made)
    posts = receiver.of(made["path"])
    assert ["challenge" in post.json() for post in posts] == [True, True, False]
    assert [change["leadID"] for change in posts[2].json()["changes"]] == [str(lead)]
    assert list(posts[0].json()) == ["leads", "changes", "challenge"]
    for post in posts:
        assert Webhook(made["secret"]).verify(post.body, post.headers) == post.json()
    first, second = asked(receiver, made["path"])
    assert first != second
    assert len(second) == 32


@pytest.mark.parametrize(
    ("answer", "echo", "reason"),
    [
        ("200", lambda _: "ok", "the answer does not repeat the challenge"),
        ("200", lambda _: "", "the answer does not repeat the challenge"),
        ("200", lambda text: f"<p>{text}</p>", "the answer does not repeat the challenge"),
        ("200", lambda text: json.dumps([text]), "the answer does not repeat the challenge"),
        ("200", lambda text: json.dumps({"challenge": [text]}), "the answer does not repeat the challenge"),
        ("200", lambda text: json.dumps({"challenge": text.swapcase()}), "the answer does not repeat the challenge"),
        ("200", lambda text: "{" * 10_000 + text, "the answer does not repeat the challenge"),
        ("200", lambda text: "x" * 100_000 + text, "the answer does not repeat the challenge"),
        ("404", as_json, "status 404"),
        ("410", as_json, "status 410"),
        ("302 Location: /200/elsewhere", as_json, "status 302"),
        ("close", as_json, "the connection was closed without an answer"),
    ],
)
def test_another_answer_switches_the_subscription_off_with_the_reason(
    pushing_company: Callable[..., Company], receiver: Receiver, answer: str, echo: Echo, reason: str
) -> None:
    company = pushing_company()
    echoing(receiver, echo)
    receiver.answers["/200/wrong"] = answer
    made = subscribe(company, receiver, "/200/wrong", challenge=1)
    seen = becomes(company, made, "failed")
    assert (seen["isActive"], seen["inactiveReason"]) == ("0", f"The challenge failed: {reason}")
    company.create({})
    assert changes(receiver, made) == []
    assert len(asked(receiver, made["path"])) == 1, "it is not repeated by itself"


def test_a_subscription_has_no_challenge_unless_it_asks_for_one(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    company.create({})
    caught_up(company, made)
    assert asked(receiver, made["path"]) == []
    seen = state(company, made)
    assert (seen["challenge"], seen["challengeState"]) == ("0", None)


def test_a_new_url_gets_a_challenge_of_its_own(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    echoing(receiver)
    made = subscribe(company, receiver, challenge=1)
    becomes(company, made, "passed")
    receiver.answers["/200/moved"] = "503"
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "url": receiver.url("/200/moved")}])
    becomes(company, made, "failed")
    company.create({})
    assert changes(receiver, {"path": "/200/moved"}) == changes(receiver, made) == []

    company.call(
        "updateLeadSubscriptions", objects=[{"id": made["id"], "url": receiver.url(made["path"]), "isActive": 1}]
    )
    caught_up(company, made)
    assert state(company, made)["challengeState"] == "passed", "this URL has answered before"
    assert len(asked(receiver, made["path"])) == 1


def test_a_challenge_can_be_switched_on_and_off(pushing_company: Callable[..., Company], receiver: Receiver) -> None:
    company = pushing_company()
    made = subscribe(company, receiver)
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "challenge": 1}])
    becomes(company, made, "failed")
    company.create({})
    assert changes(receiver, made) == []
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "challenge": 0, "isActive": 1}])
    caught_up(company, made)
    assert len(changes(receiver, made)) == 1


def test_a_paused_subscription_gets_its_challenge_when_it_is_switched_on(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    echoing(receiver)
    made = subscribe(company, receiver, challenge=1, isActive=0)
    other = subscribe(company, receiver, challenge=1)
    becomes(company, other, "passed")
    seen = state(company, made)
    assert (seen["challengeState"], seen["inactiveReason"]) == ("waiting", "paused")
    assert asked(receiver, made["path"]) == []
    repeat(company, made)
    becomes(company, made, "passed")
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "isActive": 0}])
    repeat(company, made)
    assert state(company, made)["challengeState"] == "passed"
    assert len(asked(receiver, made["path"])) == 1


def test_the_late_answer_of_a_url_that_was_replaced_switches_nothing_on(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    receiver.answers["/200/old"] = "hang"
    made = subscribe(company, receiver, "/200/old", challenge=1)
    receiver.wait(1, path="/200/old")
    (row,) = sql(company.dsn, "select challenge_lease from push where subscription_id = $1", made["id"])
    assert row["challenge_lease"] is not None
    company.call("updateLeadSubscriptions", objects=[{"id": made["id"], "url": receiver.url("/500/new")}])
    becomes(company, made, "failed")
    (row,) = sql(company.dsn, "select is_active, challenge_at from push where subscription_id = $1", made["id"])
    assert (row["is_active"], row["challenge_at"]) == (False, None)


def test_no_connection_to_the_database_waits_for_a_receiver(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    company = pushing_company()
    for number in range(10):
        subscribe(company, receiver, f"/hang/{number}", challenge=1)
    for number in range(10):
        receiver.wait(1, path=f"/hang/{number}")
    open_transactions = "select count(*)::int as n from pg_stat_activity where state like 'idle in transaction%'"
    eventually(lambda: sql(company.dsn, open_transactions)[0]["n"] == 0)
    assert company.create({})


def test_a_challenge_whose_sender_is_silent_is_sent_by_another(
    pushing_company: Callable[..., Company], receiver: Receiver
) -> None:
    """A lease that has expired, as after the death of another process. The answer to the first challenge is void."""
    company = pushing_company()
    receiver.answers["/200/two"] = "hang"
    made = subscribe(company, receiver, "/200/two", challenge=1)
    receiver.wait(1, path="/200/two")
    echoing(receiver)
    receiver.answers["/200/two"] = "200"
    sql(company.dsn, "update push set challenge_at = now() where subscription_id = $1", made["id"])
    becomes(company, made, "passed")
    (row,) = sql(company.dsn, "select is_active, challenge_lease from push where subscription_id = $1", made["id"])
    assert (row["is_active"], row["challenge_lease"]) == (True, None)


def test_a_challenge_survives_the_death_of_its_server(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers["/200/late"] = "hang"
    server = Server.on_copy(tmp_path / "data", *PUSHING)
    company = new_company(server)
    made = subscribe(company, receiver, "/200/late", challenge=1)
    receiver.wait(1, path="/200/late")
    company.close()
    server.kill()
    receiver.answers.clear()
    echoing(receiver)
    server = Server(tmp_path / "data", *PUSHING)
    company = Company(server.url, company.account_id, company.secret, id=company.id)
    becomes(company, made, "passed")
    assert len(asked(receiver, "/200/late")) == 2
    company.close()
    assert server.stop() == 0
