"""The tables of docs/roles.md: what each role may do, and which right each method needs."""

from springhead.model.companies.roles import ROLES, Right
from springhead.rpc.method import REGISTRY
from springhead.rpc.rights import right_of

ABOUT = {
    Right.WRITE: "create and change leads, opportunities, notes, tasks and what belongs to them",
    Right.DELETE: "delete and restore leads, accounts and opportunities",
    Right.MERGE: "merge leads",
    Right.EXPORT: "export all data of a lead",
    Right.ERASE: "erase all data of a person for good",
    Right.ALL_LEADS: "see and change the leads of other users",
    Right.MARKETING: "change lists, campaigns, forms and score rules",
    Right.TEAM: "change fields, deal stages and products",
    Right.SETTINGS: "manage users, pushes and the settings of the company",
}
"""What each right allows, for people."""


def table() -> str:
    """Returns the table of roles and rights."""
    head = " | ".join(role.label for role in ROLES.values())
    lines = [f"| right | {head} |", "|" + "---|" * (len(ROLES) + 1)]
    for right in Right:
        marks = " | ".join("yes" if role.may(right) else "-" for role in ROLES.values())
        lines.append(f"| {ABOUT[right]} | {marks} |")
    return "\n".join(lines) + "\n"


def methods() -> str:
    """Returns the table of rights and the methods that need them."""
    lines = ["| right | methods |", "|---|---|"]
    for right in Right:
        names = ", ".join(f"`{method.name}`" for method in REGISTRY.values() if right_of(method) is right)
        if names:
            lines.append(f"| {ABOUT[right]} | {names} |")
    return "\n".join(lines) + "\n"
