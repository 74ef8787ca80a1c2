"""The library of Standard Webhooks verifies our signatures: https://www.standardwebhooks.com."""

import base64
import re
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from springhead.model.feed.webhooks import new_message_id, new_secret, signed_headers

BODY = '{"leads":[{"firstName":"Zoë","city":"Łódź"}]}'.encode()


def test_the_standards_own_library_verifies_a_push() -> None:
    secret = new_secret()
    headers = signed_headers(new_message_id(), int(time.time()), BODY, [secret])

    assert Webhook(secret).verify(BODY, headers) == {"leads": [{"firstName": "Zoë", "city": "Łódź"}]}


def test_while_a_secret_is_replaced_either_one_verifies() -> None:
    new, old, other = new_secret(), new_secret(), new_secret()
    headers = signed_headers(new_message_id(), int(time.time()), BODY, [new, old])

    Webhook(new).verify(BODY, headers)
    Webhook(old).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)


@pytest.mark.parametrize("changed", ["body", "webhook-id", "webhook-timestamp"])
def test_a_signature_covers_the_body_the_id_and_the_time(changed: str) -> None:
    secret, now = new_secret(), int(time.time())
    headers = signed_headers(new_message_id(), now, BODY, [secret])
    body = BODY
    if changed == "body":
        body = BODY.replace(b"firstName", b"lastNames")
    else:
        headers[changed] = {"webhook-id": new_message_id(), "webhook-timestamp": str(now + 1)}[changed]

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_the_library_refuses_an_old_signature() -> None:
    secret = new_secret()
    headers = signed_headers(new_message_id(), int(time.time()) - 301, BODY, [secret])

    with pytest.raises(WebhookVerificationError, match="old"):
        Webhook(secret).verify(BODY, headers)


def test_the_example_of_the_standard_gets_its_signature() -> None:
    """The example of the specification's text, section "Signature scheme"."""
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_secrets_and_ids_are_random_enough_and_of_the_standards_form() -> None:
    secrets, ids = {new_secret() for _ in range(100)}, {new_message_id() for _ in range(100)}

    assert len(secrets) == len(ids) == 100
    assert {len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) for secret in secrets} == {32}
    assert all(re.fullmatch(r"msg_[0-9a-f]{32}", message_id) for message_id in ids)
