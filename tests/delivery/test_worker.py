"""What is changed is pushed: to whom, in which order, when again, and until when."""

from collections.abc import Callable

from standardwebhooks import Webhook

from delivery.receiver import Receiver
from support import Company


def test_a_change_is_pushed_signed_with_the_lead_as_it_is_now(mine: Callable[..., Company], receiver: Receiver) -> None:
    company = mine()
    (made,) = company.call("createLeadSubscriptions", objects=[{"url": receiver.url()}])
    assert made["success"], made

    (lead,) = company.create({"emailAddress": "ada@example.com", "firstName": "Ada"})

    (post,) = receiver.wait(1)
    body = post.json()
    assert Webhook(made["secret"]).verify(post.body, post.headers) == body
    assert body["leads"] == company.call("getLeads", where={"id": lead})
    assert [(one["kind"], one["leadID"], one["changed"]) for one in body["changes"]] == [("create", lead, None)]
