"""The six roles of users, and what each may do: one table, from which the checks and the docs are made.

The names of the roles are the vendor's (docs/wire/methods.md#users). The rights are ours.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Right(StrEnum):
    """Something that a role may do, beyond reading what it may see."""

    WRITE = "write"
    """Create and change leads, opportunities, notes and tasks that the user may see."""

    DELETE = "delete"
    """Delete leads and restore them."""

    MERGE = "merge"
    """Merge leads."""

    EXPORT = "export"
    """Export leads to files."""

    ERASE = "erase"
    """Erase all data of a person for good."""

    ALL_LEADS = "allLeads"
    """See and change the leads of other users, not only the user's own leads and leads without an owner."""

    MARKETING = "marketing"
    """Change lists, campaigns, forms, score rules and fields."""

    TEAM = "team"
    """Share views with all users."""

    SETTINGS = "settings"
    """Manage users, API keys, pushes and the settings of the company."""


class Role(msgspec.Struct, frozen=True):
    """A role: its name on the wire, its label for people, and its rights."""

    name: str
    label: str
    rights: frozenset[Right]

    def may(self, right: Right) -> bool:
        """Returns whether the role has the right."""
        return right in self.rights


_SALES = frozenset({Right.WRITE})
_SALESPERSON = _SALES | {Right.DELETE, Right.MERGE, Right.EXPORT}
_MANAGER = _SALESPERSON | {Right.ALL_LEADS, Right.TEAM}

ROLES: Mapping[str, Role] = {
    role.name: role
    for role in (
        Role("administrator", "Administrator", frozenset(Right)),
        Role("companyManager", "Company Manager", frozenset(Right) - {Right.SETTINGS}),
        Role("marketingManager", "Marketing Manager", _MANAGER | {Right.MARKETING}),
        Role("salesManager", "Sales Manager", _MANAGER),
        Role("salesperson", "Salesperson", _SALESPERSON),
        Role("jrSalesperson", "Jr. Salesperson", _SALES),
    )
}
"""The roles by name, the one with the most rights first."""

ADMINISTRATOR = ROLES["administrator"]
