"""Subscriptions of tests, and the changes that were pushed to them."""

import itertools
from typing import Any

from delivery.receiver import Receiver
from support import Company, eventually

Made = dict[str, Any]
_paths = itertools.count(1)


def subscribe(company: Company, receiver: Receiver, path: str = "", **more: Any) -> Made:
    """Creates a subscription with a path of its own. Returns the outcome with the path."""
    path = path or f"/200/{next(_paths)}"
    (made,) = company.call("createLeadSubscriptions", objects=[{"url": receiver.url(path), **more}])
    assert made["success"], made
    return {**made, "path": path}


def state(company: Company, made: Made) -> dict[str, Any]:
    """The subscription as getLeadSubscriptions shows it."""
    (subscription,) = company.call("getLeadSubscriptions", where={"id": made["id"]})
    return subscription


def last_change(company: Company) -> str:
    """The number of the company's last change."""
    return company.envelope("getLeadChanges", {"cursor": "now"})["result"]["cursor"]


def caught_up(company: Company, made: Made, *, seconds: float = 20) -> None:
    """Waits until the receiver has all changes."""
    eventually(lambda: state(company, made)["sentSequence"] == last_change(company), seconds=seconds)


def changes(receiver: Receiver, made: Made) -> list[dict[str, Any]]:
    """All changes that were pushed to a subscription, in the order of arrival."""
    return [change for post in receiver.of(made["path"]) for change in post.json()["changes"]]
