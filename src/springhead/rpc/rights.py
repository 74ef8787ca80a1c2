"""Which right a method needs of a user, in one place: by its noun, and by what it does."""

from collections.abc import Mapping
from typing import Any

from springhead.model.companies.roles import Right
from springhead.rpc.method import Method, Reads
from springhead.rpc.params import Objects

_OF_NOUNS: Mapping[str, Right] = {
    "captureSettings": Right.SETTINGS,
    "leadSubscription": Right.SETTINGS,
    "leadUpdates": Right.SETTINGS,
    "leadRedelivery": Right.SETTINGS,
    "leadDelivery": Right.SETTINGS,
    "userProfile": Right.SETTINGS,
    "field": Right.TEAM,
    "dealStage": Right.TEAM,
    "product": Right.TEAM,
    "activeList": Right.MARKETING,
    "wholeList": Right.MARKETING,
    "campaign": Right.MARKETING,
    "form": Right.MARKETING,
    "scoreRule": Right.MARKETING,
    "scoring": Right.MARKETING,
}
"""The right to write objects of a noun, where it is not Right.WRITE."""

_OF_RESULTS: Mapping[str, Right] = {"merges": Right.MERGE, "erases": Right.ERASE, "restores": Right.DELETE}
"""The right of writes with this key of the result."""

_DELETED_WITH_A_RIGHT = frozenset({"lead", "account", "opportunity"})
"""The nouns whose objects only users with Right.DELETE delete. What belongs to a lead, others delete too."""

_READ_WITH_A_RIGHT: Mapping[str, Right] = {
    "leadChange": Right.ALL_LEADS,
    "leadExport": Right.EXPORT,
    "erasure": Right.ERASE,
    "leadSubscription": Right.SETTINGS,
    "leadDelivery": Right.SETTINGS,
}
"""The nouns that not every user reads."""


def right_of(method: Method[Any]) -> Right | None:
    """Returns the right that the method needs, or None for reads that are open to all users of a company."""
    noun = noun_of(method)
    if isinstance(method.result, Reads):
        return _READ_WITH_A_RIGHT.get(noun)
    if method.result.key in _OF_RESULTS:
        return _OF_RESULTS[method.result.key]
    if method.result.key == "deletes" and noun in _DELETED_WITH_A_RIGHT:
        return Right.DELETE
    return _OF_NOUNS.get(noun, Right.WRITE)


def noun_of(method: Method[Any]) -> str:
    """Returns the name of the noun that the method reads or writes, or "" if it names none."""
    if isinstance(method.result, Reads):
        return method.result.noun.name
    return next((param.accepts.noun.name for param in method.params if isinstance(param.accepts, Objects)), "")
