"""The pages in the sidebar and in the dock of phones: only those that exist, and that the user's role has."""

from collections.abc import Sequence

import msgspec

from springhead.model.companies.roles import Right
from springhead.model.companies.users import User


class Page(msgspec.Struct, frozen=True):
    """A page in the sidebar. Without the right `right`, a user does not see it."""

    path: str
    label: str
    icon: str
    right: Right | None = None


class Group(msgspec.Struct, frozen=True):
    """Pages under a heading of the sidebar; the first group has none."""

    label: str
    pages: Sequence[Page]


_GROUPS = (Group("", (Page("/leads", "frame.leads", "users"),)),)
_SETTINGS = Page("/settings", "frame.settings", "settings")


def groups_for(user: User) -> Sequence[Group]:
    """Returns the groups of the sidebar for a user."""
    groups = [Group(group.label, [page for page in group.pages if _shows(page, user)]) for group in _GROUPS]
    return [group for group in groups if group.pages]


def dock_for(user: User) -> Sequence[Page]:
    """Returns the pages in the dock at the bottom of a phone, at most five."""
    return [*groups_for(user)[0].pages[:4], _SETTINGS]


def _shows(page: Page, user: User) -> bool:
    return page.right is None or user.may(page.right)
