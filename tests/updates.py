"""Updates of leads and the codes of their outcomes."""

from typing import Any

from support import Company

UNKNOWN = 777
"""The id of no lead."""


def outcomes(company: Company, *objects: Any, method: str = "updateLeads") -> list[int | None]:
    """The error codes of a call's outcomes, None for a success."""
    answer = company.envelope(method, {"objects": list(objects)})
    errors = [outcome["error"] for outcome in answer["result"]["updates"]]
    assert answer["error"] == [error for error in errors if error]
    return [error and error["code"] for error in errors]
